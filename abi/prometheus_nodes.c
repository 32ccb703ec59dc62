/* The nodes of databases that have several, in Prometheus' text format. */
#include "prometheus.h"

typedef enum node_number {
    NODE_PRIMARY,
    NODE_HEALTHY,
    NODE_LAG_SECONDS,
    NODE_LAG_BYTES,
    NODE_LATENCY,
    NODE_CONNECTIONS,
    NODE_ACTIVE,
    NODE_READS,
    NODE_FALLBACKS,
    NODE_WAITS,
    NODE_MISSED,
    NODE_EJECTIONS,
    NODE_FAILURES,
    NODE_NUMBERS
} node_number;

static const struct {
    const char *name;
    const char *type;
    const char *help;
} families[NODE_NUMBERS] = {
    [NODE_PRIMARY] = {"millpond_node_primary", "gauge",
                      "1 for the node that takes writes, else 0."},
    [NODE_HEALTHY] = {"millpond_node_healthy", "gauge", "1 if reads may go to the node, else 0."},
    [NODE_LAG_SECONDS] = {"millpond_node_lag_seconds", "gauge",
                          "Age of the node's data, at most; no sample while unknown."},
    [NODE_LAG_BYTES] = {"millpond_node_lag_bytes", "gauge",
                        "Bytes of the primary's log that the node lacks; no sample while unknown."},
    [NODE_LATENCY] = {"millpond_node_latency_seconds", "gauge",
                      "Time that the node took to report its state."},
    [NODE_CONNECTIONS] = {"millpond_node_connections", "gauge", "Open connections to the node."},
    [NODE_ACTIVE] = {"millpond_node_connections_active", "gauge",
                     "Leased connections to the node."},
    [NODE_READS] = {"millpond_node_reads_total", "counter",
                    "Read-only leases that the node served."},
    [NODE_FALLBACKS] = {"millpond_node_fallbacks_total", "counter",
                        "Read-only leases that the primary served for want of a replica."},
    [NODE_WAITS] = {"millpond_node_waits_total", "counter",
                    "Read-only leases that waited for the position of their session."},
    [NODE_MISSED] = {"millpond_node_missed_waits_total", "counter",
                     "Waits for a position that the node did not reach in time."},
    [NODE_EJECTIONS] = {"millpond_node_ejections_total", "counter",
                        "Times that the node was left out for errors or lag."},
    [NODE_FAILURES] = {"millpond_node_failures_total", "counter",
                       "Reports and leases that the node failed."},
};

/* A negative number is not known. */
static double number_of(const pond_node *node, node_number which)
{
    switch (which) {
    case NODE_PRIMARY:
        return node->is_primary;
    case NODE_HEALTHY:
        return node->is_healthy;
    case NODE_LAG_SECONDS:
        return node->lag_seconds;
    case NODE_LAG_BYTES:
        return node->lag_bytes;
    case NODE_LATENCY:
        return node->latency_seconds;
    case NODE_CONNECTIONS:
        return node->size;
    case NODE_ACTIVE:
        return node->in_use;
    case NODE_READS:
        return (double)node->reads;
    case NODE_FALLBACKS:
        return (double)node->fallbacks;
    case NODE_WAITS:
        return (double)node->waits;
    case NODE_MISSED:
        return (double)node->missed;
    case NODE_EJECTIONS:
        return (double)node->ejections;
    case NODE_FAILURES:
        return (double)node->failures;
    case NODE_NUMBERS:
        break;
    }
    return -1;
}

static void append_node(pondi_buffer *out, const pondi_export_source *from, node_number which,
                        const pond_node *node)
{
    double number = number_of(node, which);
    if (number < 0)
        return;
    pondi_buffer_append_text(out, families[which].name);
    pondi_export_source_labels(out, from);
    pondi_export_label(out, "node", node->address);
    pondi_export_label(out, "region", node->region);
    pondi_buffer_append_text(out, "} ");
    pondi_export_number(out, number);
    pondi_buffer_append_char(out, '\n');
}

static void append_source(pondi_buffer *out, const pondi_export_source *from, node_number which)
{
    for (size_t i = 0; i < pond_nodes_count(from->nodes); i++) {
        pond_node node = {.struct_size = sizeof(node)};
        if (!pond_nodes_read(from->nodes, i, &node, NULL))
            append_node(out, from, which, &node);
    }
}

void pondi_export_nodes(pondi_buffer *out, const pondi_export_source *sources, size_t count)
{
    for (node_number which = 0; which < NODE_NUMBERS; which++) {
        pondi_export_family(out, families[which].name, families[which].type, families[which].help);
        for (size_t i = 0; i < count; i++)
            append_source(out, &sources[i], which);
    }
}
