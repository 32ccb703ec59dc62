#include "drivers/postgres/cancel_request.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "loop/keeper.h"

enum { LIMIT_MS = 2000, OLDEST = 140000, ASYNC = 170000 };

#ifndef LIBPQ_HAS_ASYNC_CANCEL
typedef struct pg_cancel_conn PGcancelConn;
#endif

/* What libpq offers since version 17. */
typedef struct async_functions {
    PGcancelConn *(*create)(PGconn *pg);
    int (*start)(PGcancelConn *cancel);
    PostgresPollingStatusType (*poll)(PGcancelConn *cancel);
    int (*socket)(const PGcancelConn *cancel);
    char *(*message)(const PGcancelConn *cancel);
    void (*finish)(PGcancelConn *cancel);
} async_functions;

struct pg_cancel_request {
    PGcancelConn *async; /* NULL: an older libpq, so the rest is used */
    struct sockaddr_storage address;
    socklen_t address_size;
    uint32_t packet[4];
};

/* ---- libpq 17 and newer: encrypted if the connection is ---------------------------------- */

static async_functions async;

#ifdef LIBPQ_HAS_ASYNC_CANCEL
static void find_async(void)
{
    async = (async_functions){PQcancelCreate, PQcancelStart,        PQcancelPoll,
                              PQcancelSocket, PQcancelErrorMessage, PQcancelFinish};
}
#else
static int find(void *library, const char *name, void *function)
{
    void *found = dlsym(library, name);
    memcpy(function, &found, sizeof(found));
    return found != NULL;
}

/* Built with an older libpq than the one that runs. */
static void find_async(void)
{
    void *library = dlopen("libpq.so.5", RTLD_LAZY | RTLD_NOLOAD);
    async_functions found = {0};
    if (!library)
        return;
    if (find(library, "PQcancelStart", &found.start) &&
        find(library, "PQcancelPoll", &found.poll) &&
        find(library, "PQcancelSocket", &found.socket) &&
        find(library, "PQcancelErrorMessage", &found.message) &&
        find(library, "PQcancelFinish", &found.finish) &&
        find(library, "PQcancelCreate", &found.create))
        async = found;
    dlclose(library); /* it stays: we are linked to it */
}
#endif

/* TLS, which the connection has set up by now, is torn down after the threads that use it. */
static void prepare_async(void)
{
    find_async();
    pondi_threads_end_before_exit();
}

static int init_async(pg_cancel_request *request, PGconn *pg)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, prepare_async);
    request->async = async.create ? async.create(pg) : NULL;
    return request->async != NULL;
}

static void trim(char *text)
{
    size_t size = strlen(text);
    while (size && text[size - 1] == '\n')
        text[--size] = '\0';
}

static int send_async(PGcancelConn *cancel, char *problem, size_t room)
{
    int64_t deadline_ns = pondi_deadline_ns(LIMIT_MS);
    PostgresPollingStatusType wanted =
        async.start(cancel) ? PGRES_POLLING_WRITING : PGRES_POLLING_FAILED;
    while (wanted == PGRES_POLLING_WRITING || wanted == PGRES_POLLING_READING) {
        struct pollfd socket = {.fd = async.socket(cancel),
                                .events = wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT};
        if (poll(&socket, 1, (int)pondi_remaining_ms(deadline_ns)) == 0) {
            snprintf(problem, room, "the server did not answer within %d ms", LIMIT_MS);
            return 0;
        }
        wanted = async.poll(cancel);
    }
    if (wanted == PGRES_POLLING_OK)
        return 1;
    snprintf(problem, room, "%s", async.message(cancel));
    trim(problem);
    return 0;
}

/* ---- libpq 14 to 16: never encrypted ----------------------------------------------------- */

/* How their PGcancel begins, and there is no other way to the key. The type of the size was found
 * by a test when libpq was built; both are as big as this, with padding. */
typedef union old_cancel {
    struct narrow {
        struct sockaddr_storage address;
        uint32_t address_size;
        int pid;
        int key;
    } narrow;
    struct wide {
        struct sockaddr_storage address;
        uint64_t address_size;
        int pid;
        int key;
    } wide;
} old_cancel;

_Static_assert(sizeof(struct narrow) == sizeof(struct wide), "the narrower one may be overrun");

/* The process id tells which of the two it is. It may be negative: pgbouncer makes one up. */
static int take_old(pg_cancel_request *request, const old_cancel *seen, int pid)
{
    int is_narrow = seen->narrow.pid == pid;
    uint64_t size = is_narrow ? seen->narrow.address_size : seen->wide.address_size;
    if (!pid || (!is_narrow && seen->wide.pid != pid) || size > sizeof(request->address))
        return 0;
    static const uint32_t code = 80877102; /* of the protocol: 1234 << 16 | 5678 */
    request->address = seen->narrow.address;
    request->address_size = (socklen_t)size;
    request->packet[0] = htonl(sizeof(request->packet));
    request->packet[1] = htonl(code);
    request->packet[2] = htonl((uint32_t)pid);
    request->packet[3] = htonl((uint32_t)(is_narrow ? seen->narrow.key : seen->wide.key));
    return 1;
}

static int init_old(pg_cancel_request *request, PGconn *pg)
{
    PGcancel *cancel = PQgetCancel(pg);
    old_cancel seen;
    if (!cancel)
        return 0;
    memcpy(&seen, cancel, sizeof(seen));
    PQfreeCancel(cancel);
    return take_old(request, &seen, PQbackendPID(pg));
}

/* The limits hold for connect(), too. The server answers by hanging up. */
static const char *exchange(int fd, const pg_cancel_request *request)
{
    static const struct timeval limit = {.tv_sec = LIMIT_MS / 1000};
    char byte;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
        return "setsockopt()";
    if (connect(fd, (const struct sockaddr *)&request->address, request->address_size))
        return "connect()";
    ssize_t sent = send(fd, request->packet, sizeof(request->packet), MSG_NOSIGNAL);
    if (sent != (ssize_t)sizeof(request->packet))
        return "send()";
    if (recv(fd, &byte, 1, 0) < 0 && errno != ECONNRESET)
        return "recv()";
    return NULL;
}

static int send_old(const pg_cancel_request *request, char *problem, size_t room)
{
    int fd = socket(request->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const char *failed = fd < 0 ? "socket()" : exchange(fd, request);
    int timed_out = errno == EAGAIN || errno == EINPROGRESS;
    if (failed && timed_out)
        snprintf(problem, room, "the server did not answer within %d ms", LIMIT_MS);
    else if (failed)
        snprintf(problem, room, "%s failed with error %d", failed, errno);
    if (fd >= 0)
        close(fd);
    return !failed;
}

/* ---- Either ------------------------------------------------------------------------------ */

pg_cancel_request *pondi_postgres_cancel_request_new(PGconn *pg)
{
    pg_cancel_request *request = pondi_calloc(1, sizeof(*request));
    if (!request)
        return NULL;
    int version = PQlibVersion();
    int ready = version >= ASYNC    ? init_async(request, pg)
                : version >= OLDEST ? init_old(request, pg)
                                    : 0;
    if (!ready) {
        pondi_free(request);
        return NULL;
    }
    return request;
}

int pondi_postgres_cancel_request_send(pg_cancel_request *request, char *problem, size_t room)
{
    if (request->async)
        return send_async(request->async, problem, room);
    return send_old(request, problem, room);
}

void pondi_postgres_cancel_request_free(pg_cancel_request *request)
{
    if (request && request->async)
        async.finish(request->async);
    pondi_free(request);
}
