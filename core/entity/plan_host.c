/* A plan as its host sees it: the step that waits, answers to it, and the plan's own answer. */
#include <string.h>

#include "base/given.h"
#include "driver/result.h"
#include "driver/row_set.h"
#include "entity/plan.h"
#include "millpond/millpond.h"

int pond_plan_next(pond_plan *plan, pond_step *out, pond_error **err)
{
    pond_step next = {.struct_size = sizeof(next)};
    if (PONDI_GIVEN(err, plan, out))
        return POND_EINVAL;
    uint32_t size = out->struct_size < sizeof(next) ? out->struct_size : (uint32_t)sizeof(next);
    if (size < sizeof(next.struct_size))
        return pondi_error_set(err, POND_EINVAL, "struct_size is %u: set it to sizeof(pond_step)",
                               (unsigned)size);
    if (!plan->started)
        return pondi_error_set(err, POND_EMISUSE, "the plan was not started");
    next.kind = plan->kind;
    if (plan->kind != POND_STEP_DONE) {
        next.sql = plan->sql.data ? plan->sql.data : "";
        next.sql_size = plan->sql.size;
        next.params = plan->values;
        next.row_count = plan->rows;
        next.column_count = plan->value_count / (plan->rows ? plan->rows : 1);
        next.wait_ms = plan->kind == POND_STEP_PAUSE ? plan->wait_ms : 0;
        next.flags = plan->undoes ? POND_STEP_UNDOES : 0;
    }
    memcpy(out, &next, size);
    out->struct_size = size;
    return POND_OK;
}

static int check_waits(const pond_plan *plan, pond_error **err)
{
    if (PONDI_GIVEN(err, plan))
        return POND_EINVAL;
    if (plan->kind != POND_STEP_DONE)
        return POND_OK;
    return pondi_error_set(err, POND_EMISUSE, "no step of the plan waits for an answer");
}

void pondi_plan_feed(pond_plan *plan, pond_result *result)
{
    pondi_state then = plan->then;
    plan->kind = POND_STEP_DONE;
    plan->got = result;
    then(plan);
}

void pondi_plan_feed_failure(pond_plan *plan, pond_error *error, int open)
{
    pondi_state then = plan->then;
    plan->kind = POND_STEP_DONE;
    if (!plan->catches) {
        pondi_plan_undo(plan, error, open);
        return;
    }
    plan->failure = error;
    plan->open = open;
    then(plan);
    pond_error_free(plan->failure);
    plan->failure = NULL;
}

/* Decimals as the core's own drivers give them: hosts may write 1E-7. */
static int adopt(pondi_row_set *set, pond_value *cell)
{
    pondi_buffer plain;
    size_t whole;
    size_t fraction;
    if (cell->type != POND_TYPE_DECIMAL)
        return pondi_row_set_adopt(set, cell);
    pondi_buffer_init(&plain);
    int code = POND_ENOMEM;
    if (!pondi_plain_decimal(cell->as.text.data, cell->as.text.size, &plain, &whole, &fraction))
        code = pondi_row_set_adopt(set, cell);
    else if (!plain.failed)
        code = pondi_row_set_text(set, cell, POND_TYPE_DECIMAL, plain.data, plain.size);
    pondi_buffer_free(&plain);
    return code;
}

static int copy_rows(const char *const *names, const pond_value *values, size_t rows,
                     size_t columns, pondi_row_set *set, pond_error **err)
{
    for (size_t i = 0; i < columns; i++) {
        if (pondi_row_set_name(set, i, names[i]))
            return pondi_error_nomem(err);
    }
    for (size_t row = 0; row < rows; row++) {
        pond_value *cells = pondi_row_set_add(set);
        if (!cells)
            return pondi_error_nomem(err);
        for (size_t i = 0; i < columns; i++) {
            cells[i] = values[row * columns + i];
            if (adopt(set, &cells[i]))
                return pondi_error_nomem(err);
        }
    }
    return POND_OK;
}

static int check_rows(const char *const *names, const pond_value *values, uint64_t rows,
                      uint64_t columns, pond_error **err)
{
    enum { MOST_COLUMNS = 100000 };
    int has_list;
    if (columns > MOST_COLUMNS || (columns && rows > PONDI_MOST_ITEMS / columns))
        return pondi_error_set(err, POND_ERANGE, "there are too many rows or columns");
    int code = pondi_given_array(err, "names", names, columns);
    if (!code)
        code = pondi_given_array(err, "values", values, rows * columns);
    for (size_t i = 0; i < columns && !code; i++) {
        if (!names[i])
            code = pondi_error_set(err, POND_EINVAL, "the name of column %zu is NULL", i);
    }
    return code ? code : pondi_given_values(err, values, (size_t)(rows * columns), &has_list);
}

int pond_plan_feed_rows(pond_plan *plan, const char *const *names, const pond_value *values,
                        uint64_t row_count, uint64_t column_count, int64_t affected,
                        pond_error **err)
{
    int code = check_waits(plan, err);
    if (!code)
        code = check_rows(names, values, row_count, column_count, err);
    if (code)
        return code;
    pondi_row_set *set = pondi_row_set_new((size_t)column_count);
    if (!set)
        return pondi_error_nomem(err);
    set->base.affected = affected;
    code = copy_rows(names, values, (size_t)row_count, (size_t)column_count, set, err);
    if (code) {
        pond_result_release(&set->base);
        return code;
    }
    pondi_plan_feed(plan, &set->base);
    return POND_OK;
}

int pond_plan_feed_error(pond_plan *plan, int code, const char *sqlstate, const char *message,
                         int still_open, pond_error **err)
{
    int wrong = check_waits(plan, err);
    if (wrong)
        return wrong;
    pond_error *error = pondi_error_new(code < 0 ? code : POND_EOPERATIONAL, "%s",
                                        message ? message : pond_error_text(code));
    pondi_error_set_sqlstate(error, sqlstate);
    pondi_plan_feed_failure(plan, error, still_open);
    return POND_OK;
}

/* ---- The answer -------------------------------------------------------------------------- */

int pond_plan_status(const pond_plan *plan)
{
    return plan ? plan->status : POND_EINVAL;
}

pond_result *pond_plan_take_result(pond_plan *plan)
{
    pond_result *result = plan && plan->status == POND_OK ? plan->result : NULL;
    if (result)
        plan->result = NULL;
    return result;
}

pond_error *pond_plan_take_error(pond_plan *plan)
{
    pond_error *error = plan && plan->status < 0 ? plan->error : NULL;
    if (error)
        plan->error = NULL;
    return error;
}

const char *pond_plan_call(const pond_plan *plan)
{
    return plan ? plan->call : "";
}

int64_t pond_plan_number(const pond_plan *plan)
{
    return plan ? plan->number : 0;
}
