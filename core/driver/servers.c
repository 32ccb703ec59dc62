#include "base/alloc.h"
#include "driver/driver.h"

void pondi_servers_free(pondi_servers *servers)
{
    pondi_free(servers->hosts);
    pondi_free(servers->addresses);
    pondi_free(servers->ports);
    pondi_free(servers->role);
}
