#include "job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TASKS = 4 };

/* One connection and what it does next; the user data of its operations. */
typedef struct task {
    job *owner;
    int number;
    pond_connection *connection;
} task;

struct job {
    pond_pool *pool;
    task tasks[TASKS];
    int left;
};

static void check(int code, pond_error *error, const char *what)
{
    if (code == POND_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, error ? pond_error_message(error) : pond_error_text(code));
    exit(1);
}

/* ---- Start ------------------------------------------------------------------------------- */

static pond_pool *open_pool(int argc, char **argv)
{
    pond_config *config = NULL;
    pond_pool *pool = NULL;
    pond_error *error = NULL;
    if (argc < 3) {
        fprintf(stderr, "usage: %s DRIVER DATABASE [KEY=VALUE ...]\n", argv[0]);
        exit(2);
    }
    check(pond_config_new(argv[1], &config, &error), error, "the driver");
    check(pond_config_set(config, "database", argv[2], &error), error, "the database");
    for (int i = 3; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        check(value ? POND_OK : POND_EINVAL, NULL, argv[i]);
        *value++ = '\0';
        check(pond_config_set(config, argv[i], value, &error), error, argv[i]);
    }
    check(pond_pool_open(config, &pool, &error), error, "the pool");
    pond_config_release(config);
    return pool;
}

job *job_start(pond_loop *loop, int argc, char **argv)
{
    job *self = calloc(1, sizeof(*self));
    pond_error *error = NULL;
    if (!self)
        exit(1);
    self->pool = open_pool(argc, argv);
    self->left = TASKS;
    for (int i = 0; i < TASKS; i++) {
        self->tasks[i].owner = self;
        self->tasks[i].number = i;
        check(pond_pool_acquire(self->pool, loop, POND_TIMEOUT_DEFAULT, &self->tasks[i], NULL,
                                &error),
              error, "asking for a connection");
    }
    return self;
}

/* ---- Steps ------------------------------------------------------------------------------- */

/* The first task runs a statement that would take hours, with a limit; the others select their
 * number. */
static void submit(task *at)
{
    const char *endless = "WITH RECURSIVE n (i) AS "
                          "(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) "
                          "SELECT count(*) FROM n a, n b, n c, n d";
    const char *sql = at->number ? "SELECT 10 * ?" : endless;
    pond_value param = pond_value_int64(at->number);
    pond_execute_options options = {.struct_size = sizeof(options), .timeout_ms = 200};
    pond_error *error = NULL;
    if (at->number)
        options.timeout_ms = POND_TIMEOUT_DEFAULT;
    check(pond_connection_execute(at->connection, sql, strlen(sql), &param, at->number ? 1 : 0,
                                  &options, at, NULL, &error),
          error, sql);
}

static void show(const task *at, pond_op *op)
{
    if (pond_op_status(op) == POND_ETIMEDOUT && at->number == 0) {
        printf("task 0 was stopped\n");
        return;
    }
    check(pond_op_status(op), pond_op_take_error(op), "a statement");
    pond_value cell;
    pond_result *result = pond_op_take_result(op);
    check(pond_result_row(result, 0, &cell, NULL), NULL, "a row");
    printf("task %d got %lld\n", at->number, (long long)cell.as.integer);
    pond_result_release(result);
}

int job_step(job *self, pond_op *op)
{
    task *at = pond_op_user_data(op);
    if (!at->connection) {
        check(pond_op_status(op), pond_op_take_error(op), "a connection");
        at->connection = pond_op_take_connection(op);
        submit(at);
    } else {
        show(at, op);
        pond_connection_give_back(at->connection, NULL);
        pond_connection_release(at->connection);
        self->left--;
    }
    pond_op_release(op);
    return self->left == 0;
}

void job_end(job *self)
{
    pond_error *error = NULL;
    check(pond_pool_close_wait(self->pool, 30000, &error), error, "closing the pool");
    pond_pool_release(self->pool);
    free(self);
    printf("pool closed\n");
}
