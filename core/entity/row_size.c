/* How long a row may become in InnoDB, which refuses tables whose rows might not fit into half a
 * page. It counts what a row keeps in the page itself: of long columns 40 bytes (20 in MariaDB),
 * and how long they are. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "entity/alter.h"
#include "millpond/millpond.h"

enum {
    HEADER = 5 + 6 + 7, /* of a record, the transaction's id, the pointer for undo */
    LOCAL = 40,         /* of a long column */
    LOCAL_OF_MARIADB = 20,
    PAGE_OVERHEAD = 132,   /* of the two halves */
    USUAL_LIMIT = 8126,    /* of pages with 16 KiB */
    BIGGEST_LIMIT = 16383, /* whatever the page */
    MOST_COLUMNS = 1017
};

typedef struct width {
    const char *prefix; /* of the declaration; the first that matches counts */
    int bytes;          /* 0: as long as it says, in characters of at most 4 bytes */
} width;

static const width widths[] = {
    {"tinyint", 1},  {"smallint", 2},  {"mediumint", 3}, {"bigint", 8},
    {"int", 4},      {"float", 4},     {"double", 8},    {"decimal", 30},
    {"datetime", 8}, {"timestamp", 7}, {"time", 6},      {"date", 3},
    {"year", 1},     {"enum", 2},      {"bool", 1},      {"char(36) CHARACTER SET ascii", 36},
    {"char", 0},     {"varchar", 0},
};

/* Of a column and its length. */
static size_t width_of(const char *declared, size_t local)
{
    for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
        if (strncasecmp(declared, widths[i].prefix, strlen(widths[i].prefix)) != 0)
            continue;
        const char *open = strchr(declared, '(');
        if (widths[i].bytes)
            return (size_t)widths[i].bytes;
        size_t bytes = open ? 4 * strtoul(open + 1, NULL, 10) : 4;
        return (bytes < local ? bytes : local) + 1;
    }
    return local + 1;
}

/* Of a row of the history, which has more columns than the main table. */
static size_t row_size(const pond_plan *plan, size_t local, size_t *columns)
{
    const pondi_entity *entity = plan->entity;
    size_t size = HEADER + width_of("datetime", local) + 2 * (local + 1);
    *columns = 3;
    for (int role = PONDI_ROLE_ID; role < PONDI_ROLE_COUNT; role++) {
        pondi_storage storage = pondi_role_storage((pondi_role)role);
        size += width_of(pondi_storage_declaration(pondi_plan_dialect(plan), storage), local);
        ++*columns;
    }
    for (size_t i = 0; i < entity->count; i++) {
        if (entity->columns[i].role != PONDI_ROLE_FIELD)
            continue;
        size += width_of(entity->columns[i].declared, local);
        ++*columns;
    }
    for (size_t i = 0; i < plan->new_count; i++) {
        size += width_of(pondi_storage_declaration(pondi_plan_dialect(plan), plan->news[i].storage),
                         local);
        ++*columns;
    }
    return size + (*columns + 7) / 8;
}

int pondi_row_size_is_critical(const pond_plan *plan)
{
    size_t columns;
    return pondi_plan_facts(plan)->limits_rows && plan->new_count &&
           (row_size(plan, LOCAL, &columns) > USUAL_LIMIT || columns > MOST_COLUMNS);
}

int pondi_row_size_check(const pond_plan *plan, int64_t page_size, int mariadb, pond_error **err)
{
    size_t columns;
    size_t size = row_size(plan, mariadb ? LOCAL_OF_MARIADB : LOCAL, &columns);
    int64_t limit = (page_size - PAGE_OVERHEAD) / 2;
    limit = limit < BIGGEST_LIMIT ? limit : BIGGEST_LIMIT;
    if (columns > MOST_COLUMNS)
        return pondi_error_set(
            err, POND_EDATA,
            "\"%s_history\" would have %zu columns, and InnoDB takes at most %d: "
            "put several fields into one as a dict",
            plan->name, columns, MOST_COLUMNS);
    if (page_size <= 0 || size <= (size_t)limit)
        return POND_OK;
    return pondi_error_set(
        err, POND_EDATA,
        "with %zu new fields a row of \"%s_history\" would take up to %zu bytes "
        "of its page, and InnoDB takes at most %lld: put several fields into one "
        "as a dict",
        plan->new_count, plan->name, size, (long long)limit);
}
