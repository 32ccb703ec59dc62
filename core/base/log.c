#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/process.h"
#include "millpond/millpond.h"

enum { CAPACITY = 1024, LONGEST = 2000 };

struct pond_log {
    pondi_list link;
    int level;
    const char *area; /* static */
    char message[];
};

static pondi_process_lock records_lock = PONDI_PROCESS_LOCK; /* guards `records` */
static pondi_list records = {&records, &records};
static atomic_uint_fast32_t pending;

/* A forked child begins with none: its parent has those of before. */
static void lock_records(void)
{
    if (!pondi_process_lock_take(&records_lock))
        return;
    pondi_list_init(&records);
    atomic_store(&pending, 0);
}

static void replace_control_characters(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = ' ';
    }
}

void pondi_log(pond_log_level level, const char *area, const char *format, ...)
{
    char text[LONGEST];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    replace_control_characters(text);

    size_t size = strlen(text) + 1;
    pond_log *record = pondi_malloc(sizeof(*record) + size);
    if (!record)
        return;
    record->level = (int)level;
    record->area = area;
    memcpy(record->message, text, size);

    pond_log *dropped = NULL;
    lock_records();
    if (atomic_load(&pending) >= CAPACITY)
        dropped = PONDI_CONTAINER(pondi_list_pop_front(&records), pond_log, link);
    else
        atomic_fetch_add(&pending, 1);
    pondi_list_push_back(&records, &record->link);
    pondi_process_lock_give(&records_lock);
    pond_log_free(dropped);
}

uint32_t pond_log_pending(void)
{
    return (uint32_t)atomic_load_explicit(&pending, memory_order_relaxed);
}

pond_log *pond_log_next(void)
{
    lock_records();
    pondi_list *node = pondi_list_pop_front(&records);
    if (node)
        atomic_fetch_sub(&pending, 1);
    pondi_process_lock_give(&records_lock);
    return node ? PONDI_CONTAINER(node, pond_log, link) : NULL;
}

int pond_log_level_of(const pond_log *record)
{
    return record ? record->level : 0;
}

const char *pond_log_area(const pond_log *record)
{
    return record ? record->area : "";
}

const char *pond_log_message(const pond_log *record)
{
    return record ? record->message : "";
}

void pond_log_free(pond_log *record)
{
    pondi_free(record);
}
