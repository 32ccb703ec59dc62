#include "topology/node.h"

#include "base/clock.h"

const char *pondi_node_out_word(pondi_node_out out)
{
    static const char *const words[PONDI_NODE_OUTS] = {"in",     "dead",   "not-ready",
                                                       "errors", "stream", "lag"};
    return out < PONDI_NODE_OUTS ? words[out] : "unknown";
}

/* What a node cannot do at all. */
static pondi_node_out find_inability(const pondi_node *node, const pondi_node_limits *limits)
{
    if (!node->reachable || node->role == PONDI_NODE_UNKNOWN ||
        node->report_age_ns > limits->max_report_age_ns)
        return PONDI_NODE_DEAD;
    return node->ready ? PONDI_NODE_IN : PONDI_NODE_NOT_READY;
}

/* What speaks against a replica that could serve. */
static pondi_node_out find_fault(const pondi_node *node, const pondi_node_limits *limits)
{
    if (node->failing)
        return PONDI_NODE_ERRORS;
    if (!node->streaming)
        return PONDI_NODE_STREAM;
    int lags = node->staleness_ns == PONDI_NEVER || node->staleness_ns > limits->max_lag_ns;
    return lags ? PONDI_NODE_LAG : PONDI_NODE_IN;
}

static int is_candidate(const pondi_node *node)
{
    return node->role == PONDI_NODE_REPLICA && node->out == PONDI_NODE_IN;
}

/* Whether the first is worse: by its fault, then by its data. */
static int is_worse(const pondi_node *node, pondi_node_out fault, const pondi_node *other,
                    pondi_node_out others_fault)
{
    if (fault != others_fault)
        return fault < others_fault;
    return node->staleness_ns > other->staleness_ns;
}

/* Eject the worst candidate that has a fault. Returns 0 if none has one. */
static int eject_worst(pondi_node *nodes, uint32_t count, const pondi_node_limits *limits)
{
    pondi_node *worst = NULL;
    pondi_node_out worst_fault = PONDI_NODE_IN;
    for (uint32_t i = 0; i < count; i++) {
        pondi_node_out fault = find_fault(&nodes[i], limits);
        if (!is_candidate(&nodes[i]) || fault == PONDI_NODE_IN)
            continue;
        if (!worst || is_worse(&nodes[i], fault, worst, worst_fault)) {
            worst = &nodes[i];
            worst_fault = fault;
        }
    }
    if (worst)
        worst->out = worst_fault;
    return worst != NULL;
}

void pondi_nodes_judge(pondi_node *nodes, uint32_t count, const pondi_node_limits *limits)
{
    uint32_t able = 0;
    for (uint32_t i = 0; i < count; i++) {
        nodes[i].out = find_inability(&nodes[i], limits);
        able += is_candidate(&nodes[i]) != 0;
    }
    uint32_t allowed = able / 2;
    while (allowed && eject_worst(nodes, count, limits))
        allowed--;
}
