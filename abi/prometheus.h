/* What the files of the Prometheus export share. */
#ifndef PONDI_ABI_PROMETHEUS_H
#define PONDI_ABI_PROMETHEUS_H

#include "base/buffer.h"
#include "millpond/millpond.h"

/* One pool at the instant of the export. */
typedef struct pondi_export_source {
    pond_pool *pool; /* a reference; NULL for the process's breakers */
    pond_metrics *metrics;
    pond_nodes *nodes; /* NULL for a database of one */
    pond_scaling_signal signal;
} pondi_export_source;

/* ,label="value" */
void pondi_export_label(pondi_buffer *out, const char *label, const char *value);
/* Whole numbers in full; and a point, whatever the program's locale says. */
void pondi_export_number(pondi_buffer *out, double number);
/* The labels of a pool, after an opening brace. */
void pondi_export_source_labels(pondi_buffer *out, const pondi_export_source *from);
void pondi_export_family(pondi_buffer *out, const char *name, const char *type, const char *help);

/* ---- prometheus_nodes.c ---- */
/* All families of nodes. */
void pondi_export_nodes(pondi_buffer *out, const pondi_export_source *sources, size_t count);

#endif
