/* What a pool's settings leave open to whoever is in between. */
#ifndef PONDI_DRIVER_TRUST_H
#define PONDI_DRIVER_TRUST_H

/* True if any of the hosts, separated by commas, is on another machine: not a socket's path, nor an
 * address or name of this machine. NULL is the default, which is this machine. */
int pondi_hosts_are_remote(const char *hosts);

/* True if all of them are paths of sockets, or names of abstract ones. */
int pondi_hosts_are_sockets(const char *hosts);

/* Warn that nobody checks who the server is; once for each pool. */
void pondi_warn_unverified(const char *driver, const char *hosts);

#endif
