#include "driver/trust.h"

#include <string.h>
#include <strings.h>

#include "base/log.h"

static int is_socket(const char *host)
{
    return *host == '/' || *host == '@';
}

/* An empty part is the default. */
static int is_loopback(const char *host, size_t size)
{
    return size == 0 || (size == 9 && strncasecmp(host, "localhost", size) == 0) ||
           (size == 3 && memcmp(host, "::1", size) == 0) ||
           (size > 4 && memcmp(host, "127.", 4) == 0);
}

int pondi_hosts_are_remote(const char *hosts)
{
    for (const char *at = hosts; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (!is_socket(at) && !is_loopback(at, strcspn(at, ",")))
            return 1;
    }
    return 0;
}

int pondi_hosts_are_sockets(const char *hosts)
{
    for (const char *at = hosts; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (!is_socket(at))
            return 0;
    }
    return hosts != NULL;
}

void pondi_warn_unverified(const char *driver, const char *hosts)
{
    pondi_log(POND_LOG_WARNING, driver,
              "the identity of the server at %.200s is not verified: an attacker on the network "
              "can read and change all data; set sslmode=verify-full and sslrootcert",
              hosts);
}
