/* What a server is among those that have the same data. The words are libpq's, of its
 * target_session_attrs. */
#ifndef PONDI_DRIVER_ROLE_H
#define PONDI_DRIVER_ROLE_H

/* A connection is opened to a server in one of these roles; a server may be in two. */
typedef enum pondi_server_role {
    PONDI_SERVER_ANY = 0, /* of a server: not known */
    PONDI_SERVER_PRIMARY = 1,
    PONDI_SERVER_STANDBY = 2,
    PONDI_SERVER_READ_WRITE = 4,
    PONDI_SERVER_READ_ONLY = 8
} pondi_server_role;

/* Read "primary", "prefer-standby" and so on; `prefers` is non-zero if any other role will do where
 * none has this one. Returns 0 if it is no such word. */
int pondi_server_role_parse(const char *word, pondi_server_role *role, int *prefers);

/* The word for it. */
const char *pondi_server_role_word(pondi_server_role role);

#endif
