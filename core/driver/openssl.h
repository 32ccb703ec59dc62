/* The end of OpenSSL, which client libraries use on any thread. */
#ifndef PONDI_DRIVER_OPENSSL_H
#define PONDI_DRIVER_OPENSSL_H

/* Call before the client library is first used. OpenSSL is then not torn down at the end of the
 * process, where connections may still be in use: in threads, and in exit handlers and destructors
 * that come late. If the host has set it up before, it is; the library's own threads have ended by
 * then. Any thread, any number of times. */
void pondi_openssl_init(void);

#endif
