#include <errmsg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "driver/sqlstate.h"
#include "drivers/mysql/mysql.h"

typedef struct meaning {
    unsigned int number;
    int code;
} meaning;

/* MySQL's own numbers tell more than its SQLSTATEs, of which most are HY000 or 23000. Those below
 * 1900, and the client library's from 2000 on, mean the same on both servers. */
static const meaning common[] = {
    {1020, POND_ESERIALIZATION},                          /* changed since it was read */
    {1021, POND_ERESOURCES},                              /* disk full */
    {1036, POND_EREADONLY},      {1037, POND_ERESOURCES}, /* out of memory */
    {1038, POND_ERESOURCES},     {1040, POND_ERESOURCES},     {1041, POND_ERESOURCES},
    {1044, POND_EAUTH},          {1045, POND_EAUTH},          {1046, POND_EPROGRAMMING},
    {1048, POND_ENOTNULL},       {1049, POND_EUNDEFINED},     {1050, POND_EPROGRAMMING},
    {1051, POND_EUNDEFINED},     {1052, POND_EPROGRAMMING},   {1053, POND_ECONNLOST},
    {1054, POND_EUNDEFINED},     {1062, POND_EUNIQUE},        {1064, POND_ESYNTAX},
    {1065, POND_ESYNTAX},        {1091, POND_EUNDEFINED},     {1109, POND_EUNDEFINED},
    {1114, POND_ERESOURCES},   /* table full */
    {1136, POND_EPROGRAMMING}, /* column count */
    {1142, POND_EPROGRAMMING},   {1143, POND_EPROGRAMMING},   {1146, POND_EUNDEFINED},
    {1149, POND_ESYNTAX},        {1153, POND_ERANGE}, /* packet too large */
    {1169, POND_EUNIQUE},        {1176, POND_EUNDEFINED},     {1192, POND_ETRANSACTION},
    {1205, POND_EBUSY}, /* lock wait timeout */
    {1210, POND_EPARAMS},        {1213, POND_EDEADLOCK},      {1216, POND_EFOREIGNKEY},
    {1217, POND_EFOREIGNKEY},    {1226, POND_ERESOURCES},     {1227, POND_EPROGRAMMING},
    {1231, POND_EPROGRAMMING},   {1235, POND_ENOTSUPPORTED},  {1263, POND_ENOTNULL},
    {1264, POND_ERANGE},         {1265, POND_EDATA},          {1290, POND_EREADONLY},
    {1292, POND_EDATA},          {1305, POND_EUNDEFINED},     {1317, POND_ECANCELLED},
    {1364, POND_ENOTNULL}, /* no default value */
    {1365, POND_EDATA},    /* division by zero */
    {1366, POND_EDATA},          {1367, POND_EDATA},          {1390, POND_EPARAMS},
    {1406, POND_ERANGE}, /* data too long */
    {1411, POND_EDATA},          {1441, POND_ERANGE},         {1451, POND_EFOREIGNKEY},
    {1452, POND_EFOREIGNKEY},    {1557, POND_EUNIQUE},        {1568, POND_ETRANSACTION},
    {1586, POND_EUNIQUE},        {1613, POND_ESERIALIZATION}, {1614, POND_EDEADLOCK},
    {1690, POND_ERANGE},         {1761, POND_EUNIQUE},        {1762, POND_EUNIQUE},
    {1792, POND_EREADONLY},      {1820, POND_EAUTH}, /* the password has expired */
    {1836, POND_EREADONLY},      {1859, POND_EUNIQUE},        {2006, POND_ECONNLOST},
    {2013, POND_ECONNLOST},      {2014, POND_EINTERNAL},      {2027, POND_EINTERNAL},
    {2055, POND_ECONNLOST},      {3011, POND_EUNDEFINED}, /* MariaDB took 3000 to 3060 over */
    {3015, POND_ERESOURCES},     {3019, POND_ERESOURCES},     {3058, POND_EDEADLOCK},
};

static const meaning mariadbs[] = {
    {1927, POND_ECONNLOST},  /* killed */
    {1932, POND_EUNDEFINED}, /* no such table in the engine */
    {1958, POND_EDATA},      /* bad base64 */
    {1959, POND_EUNDEFINED}, /* no such role */
    {1969, POND_ECANCELLED}, /* max_statement_time */
    {1977, POND_EDATA},      /* no such character in the character set */
    {4025, POND_ECHECK},
    {4031, POND_EUNDEFINED}, /* FOLLOWS or PRECEDES a trigger that is not there */
    {4084, POND_ERANGE},     /* the sequence has run out */
    {4091, POND_EUNDEFINED}, /* no such sequence */
    {4092, POND_EUNDEFINED}, /* no such view */
    {4161, POND_EUNDEFINED}, /* no such type */
};

static const meaning mysqls[] = {
    {3024, POND_ECANCELLED},     /* max_execution_time */
    {3101, POND_ESERIALIZATION}, /* rolled back while it committed */
    {3132, POND_EDEADLOCK},      /* of the locking service */
    {3133, POND_EBUSY},          /* of the locking service */
    {3140, POND_EDATA},          /* invalid JSON */
    {3141, POND_EDATA},          {3144, POND_EDATA},      {3150, POND_ERANGE},
    {3155, POND_ERANGE},         {3156, POND_EDATA},      {3157, POND_ERANGE},
    {3169, POND_ECONNLOST},                                                   /* killed */
    {3170, POND_ERESOURCES},     {3503, POND_EUNDEFINED}, {3572, POND_EBUSY}, /* NOWAIT */
    {3636, POND_ERANGE},                                  /* too deep a recursion */
    {3673, POND_ENOTNULL},       {3675, POND_ERESOURCES}, /* disk full */
    {3819, POND_ECHECK},         {3854, POND_EDATA},      {3940, POND_EUNDEFINED},
    {3988, POND_EDATA},     /* no such character in the character set */
    {3989, POND_EREADONLY}, /* of a schema */
    {4031, POND_ECONNLOST}, /* the session was idle for too long */
};

/* Vitess has numbers for few of its own errors, and codes in the messages of some. */
enum { ER_UNKNOWN = 1105 };

typedef struct vitess_meaning {
    const char *begin;
    const char *within;
    int code;
} vitess_meaning;

static const vitess_meaning vitess[] = {
    {"VT09015", "", POND_EUNDEFINED}, /* the columns of a table are not known yet */
    {"table ", " not found", POND_EUNDEFINED},
    {"syntax error at position ", "", POND_ESYNTAX},
};

static int vitess_code(const char *message)
{
    for (size_t i = 0; i < sizeof(vitess) / sizeof(vitess[0]); i++) {
        if (strncmp(message, vitess[i].begin, strlen(vitess[i].begin)) == 0 &&
            strstr(message, vitess[i].within))
            return vitess[i].code;
    }
    return POND_OK;
}

static int find_meaning(const meaning *meanings, size_t count, unsigned int number)
{
    for (size_t i = 0; i < count; i++) {
        if (meanings[i].number == number)
            return meanings[i].code;
    }
    return POND_OK;
}

static int code_of(const my_conn *conn, unsigned int number, const char *sqlstate)
{
    int code = find_meaning(common, sizeof(common) / sizeof(common[0]), number);
    if (!code && conn->maria)
        code = find_meaning(mariadbs, sizeof(mariadbs) / sizeof(mariadbs[0]), number);
    else if (!code)
        code = find_meaning(mysqls, sizeof(mysqls) / sizeof(mysqls[0]), number);
    if (!code)
        code = pondi_sqlstate_code(sqlstate);
    return code == POND_EOPERATIONAL && number >= 2000 && number < 3000 ? POND_EINTERNAL : code;
}

int pondi_mysql_is_loss(const my_conn *conn, unsigned int number)
{
    static const unsigned int numbers[] = {1053, 1153, 2006, 2012, 2013,
                                           2014, 2026, 2027, 2048, 2055};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (numbers[i] == number)
            return 1;
    }
    return conn->maria ? number == 1927 : number == 3169 || number == 4031;
}

/* ---- What the message tells -------------------------------------------------------------- */

/* Copy what stands between `before` and the next `quote`. */
static void copy_quoted(const char *message, const char *before, char quote, char *out, size_t room)
{
    const char *start = strstr(message, before);
    *out = '\0';
    if (!start)
        return;
    start += strlen(before);
    const char *end = strchr(start, quote);
    if (end && (size_t)(end - start) < room)
        snprintf(out, room, "%.*s", (int)(end - start), start);
}

static void set_constraint(pond_error *error, const char *message)
{
    char name[256];
    copy_quoted(message, "for key '", '\'', name, sizeof(name));
    if (!*name)
        copy_quoted(message, "CONSTRAINT `", '`', name, sizeof(name));
    if (!*name)
        copy_quoted(message, "onstraint '", '\'', name, sizeof(name));
    const char *dot = strrchr(name, '.'); /* MySQL says table.key, MariaDB key */
    pondi_error_set_text(error, &error->constraint, dot ? dot + 1 : name);
}

static size_t line_start(const char *sql, unsigned long line)
{
    const char *at = sql;
    for (; line > 1 && at; line--) {
        at = strchr(at, '\n');
        at += at ? 1 : 0;
    }
    return at ? (size_t)(at - sql) : 0;
}

/* The server calls a second statement a syntax error, as it does a bad one in a routine's body. */
static void suspect_another(pond_error *error)
{
    pondi_buffer message;
    pondi_buffer_init(&message);
    pondi_buffer_appendf(&message,
                         "%s: if another statement begins there, execute it by itself: one call "
                         "executes one statement",
                         pond_error_message(error));
    if (!message.failed)
        pondi_error_set_text(error, &error->message, message.data);
    pondi_buffer_free(&message);
}

/* A syntax error quotes the rest of the statement, from the bad word on, up to 80 characters. */
static void set_position(const my_conn *conn, pond_error *error, const char *message)
{
    const pondi_statement *statement = conn->request ? conn->request->statement : NULL;
    const char *near = strstr(message, "near '");
    const char *line = near ? strstr(near, "' at line ") : NULL;
    if (!statement || !line || error->code != POND_ESYNTAX)
        return;
    near += 6;
    for (const char *next = line; (next = strstr(next + 1, "' at line "));)
        line = next; /* the last one: the text may quote anything */
    size_t size = (size_t)(line - near);
    size_t from = line_start(statement->native, strtoul(line + 10, NULL, 10));
    const char *found = statement->native + statement->native_size;
    for (const char *at = statement->native + from; size && *at; at++) {
        if (strncmp(at, near, size) == 0) {
            found = at;
            break;
        }
    }
    uint32_t position = 1;
    for (const char *at = statement->native; at < found; at++)
        position += (*at & 0xC0) != 0x80;
    error->position = pondi_statement_position(statement, POND_DIALECT_MYSQL, position);
    if (pondi_sql_follows_semicolon(POND_DIALECT_MYSQL, statement->native,
                                    (size_t)(found - statement->native)))
        suspect_another(error);
}

pond_error *pondi_mysql_error(const my_conn *conn, unsigned int number, const char *sqlstate,
                              const char *message)
{
    int code = number == ER_UNKNOWN ? vitess_code(message) : POND_OK;
    if (!code)
        code = code_of(conn, number, sqlstate);
    if (number == 1290 && !strstr(message, "read-only") && !strstr(message, "read_only"))
        code = POND_EPROGRAMMING; /* another option of the server forbids it */
    pond_error *error = pondi_error_new(code, "%s", *message ? message : pond_error_text(code));
    if (pondi_error_is_shared(error))
        return error;
    error->vendor_code = (int32_t)number;
    pondi_error_set_sqlstate(error, sqlstate);
    set_constraint(error, message);
    set_position(conn, error, message);
    return error;
}

/* ---- The error that ends an idle session ------------------------------------------------- */

/* The library reads nothing while no statement runs, so look at the packet itself: 3 bytes of size,
 * a number, 0xff, the error's number, '#' and the SQLSTATE, the message. Under TLS there is nothing
 * to see. */
void pondi_mysql_keep_end_reason(my_conn *conn)
{
    enum { HEAD = 4, FIXED = 9 };
    unsigned char packet[600];
    char state[6] = "";
    char message[sizeof(packet)];
    ssize_t got = conn->tls ? -1 : recv(conn->fd, packet, sizeof(packet), MSG_PEEK | MSG_DONTWAIT);
    size_t size = got > HEAD ? packet[0] | (size_t)packet[1] << 8 | (size_t)packet[2] << 16 : 0;
    if (size > (size_t)got - HEAD || size < FIXED || packet[4] != 0xff || packet[7] != '#') {
        pondi_conn_keep_end_reason(
            &conn->base, pondi_error_new(POND_ECONNLOST, "the server closed the connection"));
        return;
    }
    memcpy(state, packet + 8, 5);
    snprintf(message, sizeof(message), "%.*s", (int)(size - FIXED), (const char *)packet + 13);
    unsigned int number = packet[5] | (unsigned int)packet[6] << 8;
    pondi_conn_keep_end_reason(&conn->base, pondi_mysql_error(conn, number, state, message));
}
