/* Whether a connection is encrypted, whom it trusts, and what may be said before. */
#ifndef PONDI_MYSQL_TLS_H
#define PONDI_MYSQL_TLS_H

#include "drivers/mysql/mysql.h"

typedef enum my_tls_level {
    MY_TLS_OFF,
    MY_TLS_PREFERRED, /* if the server offers it */
    MY_TLS_REQUIRED,
    MY_TLS_TRUSTED, /* the server's certificate is signed by sslrootcert */
    MY_TLS_VERIFIED /* and has the host's name */
} my_tls_level;

/* What one attempt to connect may do. */
typedef struct my_tls {
    my_tls_level level;
    int local;       /* over a Unix socket */
    int has_key;     /* the server's RSA key is known, or may be asked for */
    int vetted;      /* outcome: the gate has run, or none is needed */
    int not_offered; /* outcome: the server offers no TLS, and nothing secret was sent */
    int refused;     /* outcome: the server wanted to be told the password */
} my_tls;

/* ---- tls.c ---- */
void pondi_mysql_check_tls(const pond_config *config, pondi_problems *problems);
my_tls pondi_mysql_tls(const pond_config *config, int local);
/* The files that the config names can be read; the client libraries do not say which cannot. */
int pondi_mysql_check_files(const pond_config *config, pond_error **err);
/* Before connecting; `tls` must live until the connection is made. Non-zero on failure. */
int pondi_mysql_set_tls(MYSQL *mysql, const pond_config *config, my_tls *tls);
/* Why connecting failed, if that has to do with encryption; else NULL. Of a connection that was
 * made (`mysql_errno` is 0): an error if it is not encrypted, but had to be. */
pond_error *pondi_mysql_tls_error(const pond_config *config, MYSQL *mysql, const my_tls *tls,
                                  const char *where);

/* ---- gate.c ---- */
/* Once for the process, after the library was set up. */
void pondi_mysql_gate_init(void);
/* Have nothing secret sent before TLS is up, where it must be. Non-zero on failure. */
int pondi_mysql_gate_set(MYSQL *mysql, my_tls *tls);

#endif
