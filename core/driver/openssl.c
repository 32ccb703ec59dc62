#include "driver/openssl.h"

#include <openssl/crypto.h>
#include <pthread.h>

#include "loop/keeper.h"

/* Exit handlers run last in, first out. */
static void init(void)
{
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
    pondi_threads_end_before_exit();
}

void pondi_openssl_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init);
}
