#include "driver/report.h"

#include "driver/conn.h"

void pondi_server_report_init(pondi_server_report *report, const pondi_conn *conn)
{
    *report = (pondi_server_report){.role = conn->role, .ready = 1, .streaming = 1};
}

void pondi_server_report_free(pondi_server_report *report)
{
    pondi_position_free(&report->position);
}
