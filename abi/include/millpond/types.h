/* Types shared by every part of the public interface: error codes, values, enumerations.
 *
 * Everything here is append-only: a number, once released, keeps its meaning.
 */
#ifndef MILLPOND_TYPES_H
#define MILLPOND_TYPES_H

#include <stddef.h>
#include <stdint.h>

#include "millpond/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Errors ------------------------------------------------------------------------------ */

/* The one table of errors. X(code, number, class, parent, builtin, text):
 *   code     the C constant is POND_E<code>
 *   number   its value; functions return it negative, 0 is success
 *   class    name of the exception class in the language bindings
 *   parent   the class it derives from (PEP 249 names at the top)
 *   builtin  the host language's own exception that it also is, or None
 *   text     what it means, in a few words
 */
#define POND_ERROR_MAP(X)                                                                          \
    X(NOMEM, -1, OutOfMemoryError, OperationalError, MemoryError, "out of memory")                 \
    X(INVAL, -2, ArgumentError, InterfaceError, ValueError, "invalid argument")                    \
    X(MISUSE, -3, MisuseError, InterfaceError, RuntimeError, "call not allowed here")              \
    X(STALE, -4, StaleConnectionError, InterfaceError, RuntimeError,                               \
      "connection was already given back to its pool")                                             \
    X(CLOSED, -5, ClosedError, InterfaceError, RuntimeError, "object is closed")                   \
    X(AGAIN, -6, NotReadyError, InterfaceError, BlockingIOError, "not available right now")        \
    X(NOTBUILT, -7, DriverNotBuiltError, NotSupportedError, None, "driver is not available")       \
    X(PARAMS, -8, ParameterError, ProgrammingError, TypeError, "wrong parameters")                 \
    X(RANGE, -9, ValueRangeError, DataError, ValueError, "value out of range")                     \
    X(CONNECT, -10, ConnectFailedError, OperationalError, ConnectionError, "cannot connect")       \
    X(AUTH, -11, AuthenticationError, OperationalError, PermissionError, "authentication failed")  \
    X(CONNLOST, -12, ConnectionLostError, OperationalError, ConnectionError, "connection lost")    \
    X(ACQUIRE, -13, AcquireTimeoutError, OperationalError, TimeoutError,                           \
      "timed out waiting for a connection")                                                        \
    X(TIMEDOUT, -14, QueryTimeoutError, OperationalError, TimeoutError, "query timed out")         \
    X(CANCELLED, -15, QueryCancelledError, OperationalError, None, "operation cancelled")          \
    X(SYNTAX, -16, SqlSyntaxError, ProgrammingError, None, "SQL syntax error")                     \
    X(PROGRAMMING, -17, StatementError, ProgrammingError, None, "statement refused")               \
    X(INTEGRITY, -18, ConstraintError, IntegrityError, None, "integrity constraint violated")      \
    X(UNIQUE, -19, UniqueViolationError, ConstraintError, None, "unique constraint violated")      \
    X(FOREIGNKEY, -20, ForeignKeyViolationError, ConstraintError, None,                            \
      "foreign key constraint violated")                                                           \
    X(NOTNULL, -21, NotNullViolationError, ConstraintError, None, "not-null constraint violated")  \
    X(CHECK, -22, CheckViolationError, ConstraintError, None, "check constraint violated")         \
    X(DATA, -23, InvalidDataError, DataError, ValueError, "invalid data")                          \
    X(OPERATIONAL, -24, ServerError, OperationalError, None, "database error")                     \
    X(DEADLOCK, -25, DeadlockError, OperationalError, None, "deadlock")                            \
    X(SERIALIZATION, -26, SerializationError, OperationalError, None, "serialization failure")     \
    X(UNKNOWN, -27, UnknownOutcomeError, OperationalError, None,                                   \
      "connection lost: outcome of the statement is unknown")                                      \
    X(INTERNAL, -28, EngineError, InternalError, None, "internal error")                           \
    X(NOTSUPPORTED, -29, UnsupportedError, NotSupportedError, NotImplementedError,                 \
      "not supported by this driver")                                                              \
    X(TRANSACTION, -30, TransactionStateError, ProgrammingError, RuntimeError,                     \
      "wrong transaction state")                                                                   \
    X(RESOURCES, -31, ResourceLimitError, OperationalError, None, "server resource limit reached") \
    X(READONLY, -32, ReadOnlyError, OperationalError, None, "database is read-only")               \
    X(BUSY, -33, BusyError, OperationalError, None, "database is locked")                          \
    X(UNDEFINED, -34, UndefinedObjectError, ProgrammingError, LookupError,                         \
      "no such table, column or function")                                                         \
    X(CIRCUITOPEN, -35, CircuitOpenError, OperationalError, ConnectionError,                       \
      "circuit breaker is open")                                                                   \
    X(VERSION, -36, VersionConflictError, OperationalError, None,                                  \
      "the entity's version is another than expected")

enum {
    POND_OK = 0,
#define POND_X(code, number, cls, parent, builtin, text) POND_E##code = (number),
    POND_ERROR_MAP(POND_X)
#undef POND_X
        POND_PENDING = 1 /* an operation that has not completed; not an error */
};

/* ---- Opaque handles ---------------------------------------------------------------------- */

typedef struct pond_error pond_error;           /* details of one failure; owned by the caller */
typedef struct pond_config pond_config;         /* where a database is and how to use it */
typedef struct pond_loop pond_loop;             /* one thread's share of the I/O work */
typedef struct pond_op pond_op;                 /* one submitted operation */
typedef struct pond_pool pond_pool;             /* the connections of one config */
typedef struct pond_connection pond_connection; /* one lease of one pooled connection */
typedef struct pond_result pond_result;         /* what a statement returned; immutable */
typedef struct pond_breaker pond_breaker;       /* one circuit breaker */
typedef struct pond_statement_cache pond_statement_cache; /* prepared statements of a program */

/* ---- Values ------------------------------------------------------------------------------ */

/* Kinds of value, for parameters and for result cells. */
typedef enum pond_type {
    POND_TYPE_NULL = 0,
    POND_TYPE_BOOL = 1,         /* integer: 0 or 1 */
    POND_TYPE_INT64 = 2,        /* integer */
    POND_TYPE_DOUBLE = 3,       /* real */
    POND_TYPE_DECIMAL = 4,      /* text: exact decimal digits, "NaN" or "Infinity" */
    POND_TYPE_TEXT = 5,         /* text: UTF-8 */
    POND_TYPE_BYTES = 6,        /* text: any bytes */
    POND_TYPE_DATE = 7,         /* integer: days since 1970-01-01, proleptic Gregorian */
    POND_TYPE_TIME = 8,         /* integer: microseconds since midnight */
    POND_TYPE_TIMESTAMP = 9,    /* integer: microseconds since 1970-01-01 00:00, no time zone */
    POND_TYPE_TIMESTAMPTZ = 10, /* integer: microseconds since 1970-01-01 00:00 UTC */
    POND_TYPE_INTERVAL = 11,    /* interval: months, days, microseconds */
    POND_TYPE_UUID = 12,        /* uuid: 16 bytes, network order */
    POND_TYPE_JSON = 13,        /* text: one JSON document */
    POND_TYPE_ARRAY = 14        /* array: elements, themselves values */
} pond_type;

/* Timestamps and dates outside any calendar ("infinity" in PostgreSQL). */
#define POND_TIME_INFINITY INT64_MAX
#define POND_TIME_NEG_INFINITY INT64_MIN

/* The zone of a time of day in UTC itself, whose offset is 0: a 0 there says that it has none. */
#define POND_ZONE_UTC 86400

/* Days turn into microseconds by it. */
#define POND_US_PER_DAY ((int64_t)86400000000)

/* In `aux` of a text that a read with POND_ENTITY_PLAIN made of a JSON document. A field takes such
 * a text back as that document, where any other text is a string. */
#define POND_TEXT_JSON 0x4A534F4E

/* One value, 24 bytes on every platform with 64-bit pointers. What `as` holds follows from
 * `type`. In a parameter, pointers belong to the caller and are read only during the call they
 * are passed to. In a result cell, pointers live as long as the result. */
typedef struct pond_value {
    uint32_t type; /* a pond_type */
    int32_t aux;   /* interval: months; time: 0 without a zone, else the zone's offset east of UTC,
                      in seconds, or POND_ZONE_UTC; text: 0 or POND_TEXT_JSON */
    union {
        int64_t integer;
        double real;
        struct {
            const char *data; /* not NUL-terminated */
            size_t size;      /* in bytes */
        } text;
        struct {
            int64_t microseconds;
            int64_t days;
        } interval;
        uint8_t uuid[16];
        struct {
            const struct pond_value
                *items; /* row-major; a nested array is a POND_TYPE_ARRAY item */
            size_t count;
        } array;
    } as;
} pond_value;

/* ---- Enumerations ------------------------------------------------------------------------ */

/* SQL dialects of the converter. */
typedef enum pond_dialect {
    POND_DIALECT_POSTGRES = 0,
    POND_DIALECT_MYSQL = 1,
    POND_DIALECT_SQLITE = 2
} pond_dialect;

/* Importance of a log record. */
typedef enum pond_log_level {
    POND_LOG_DEBUG = 10,
    POND_LOG_INFO = 20,
    POND_LOG_WARNING = 30,
    POND_LOG_ERROR = 40
} pond_log_level;

/* Timeouts are in milliseconds. */
#define POND_TIMEOUT_DEFAULT ((int64_t)-1) /* what the configuration says */
#define POND_TIMEOUT_NONE ((int64_t)-2)    /* no limit */

#ifdef __cplusplus
}
#endif

#endif /* MILLPOND_TYPES_H */
