/* How many point selects a second blocking clients in C reach, a thread each: what the server can.
 *
 *     mysql_limit SOCKET USER PASSWORD DATABASE KEY CLIENTS SECONDS
 */
#include <mysql.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const *address; /* socket, user, password, database */
static int key;
static atomic_int over;

static void fail(const char *said)
{
    fprintf(stderr, "%s\n", said);
    exit(1);
}

static MYSQL_STMT *prepare(MYSQL *mysql)
{
    static const char sql[] = "SELECT id, name FROM bench WHERE id = ?";
    MYSQL_STMT *statement = mysql_stmt_init(mysql);
    MYSQL_BIND param = {.buffer_type = MYSQL_TYPE_LONG, .buffer = &key};
    if (mysql_stmt_prepare(statement, sql, sizeof(sql) - 1) ||
        mysql_stmt_bind_param(statement, &param))
        fail(mysql_stmt_error(statement));
    return statement;
}

static void *run(void *unused)
{
    (void)unused;
    MYSQL *mysql = mysql_init(NULL);
    if (!mysql_real_connect(mysql, NULL, address[1], address[2], address[3], 0, address[0], 0))
        fail(mysql_error(mysql));
    MYSQL_STMT *statement = prepare(mysql);
    int id;
    char name[64];
    MYSQL_BIND row[2] = {
        {.buffer_type = MYSQL_TYPE_LONG, .buffer = &id},
        {.buffer_type = MYSQL_TYPE_STRING, .buffer = name, .buffer_length = sizeof(name)}};
    mysql_stmt_bind_result(statement, row);
    long done = 0;
    for (; !over; done++) {
        if (mysql_stmt_execute(statement) || mysql_stmt_store_result(statement))
            fail(mysql_stmt_error(statement));
        while (!mysql_stmt_fetch(statement))
            ;
        mysql_stmt_free_result(statement);
    }
    mysql_stmt_close(statement);
    mysql_close(mysql);
    return (void *)done;
}

int main(int count, char **arguments)
{
    enum { MOST = 64 };
    if (count != 8)
        fail("usage: mysql_limit SOCKET USER PASSWORD DATABASE KEY CLIENTS SECONDS");
    address = (const char *const *)arguments + 1;
    key = atoi(arguments[5]);
    int clients = atoi(arguments[6]);
    int seconds = atoi(arguments[7]);
    pthread_t threads[MOST];
    for (int i = 0; i < clients && i < MOST; i++)
        pthread_create(&threads[i], NULL, run, NULL);
    nanosleep(&(struct timespec){.tv_sec = seconds}, NULL);
    over = 1;
    long total = 0;
    for (int i = 0; i < clients && i < MOST; i++) {
        void *done;
        pthread_join(threads[i], &done);
        total += (long)done;
    }
    printf("%ld\n", total / seconds);
    return 0;
}
