/* The statements of one physical connection: converted once, prepared once, kept while in use. */
#ifndef PONDI_DRIVER_STATEMENT_H
#define PONDI_DRIVER_STATEMENT_H

#include <stdint.h>

#include "base/counter.h"
#include "base/lru.h"
#include "millpond/types.h"
#include "sql/convert.h"

typedef struct pondi_statement {
    pondi_lru_entry entry; /* first */
    char *sql;             /* as the caller wrote it */
    size_t sql_size;
    int is_native; /* that is the dialect's own way already */
    char *native;  /* as the dialect takes it, NUL-terminated */
    size_t native_size;
    pondi_sql_info info;
    uint64_t context;        /* of the cache, when it was added */
    pondi_sql_server server; /* for which it was converted */
    void *prepared;          /* the driver's; NULL until it prepares the statement */
    int effect;              /* PONDI_EFFECT_*: asked for on tracked connections alone */
} pondi_statement;

enum { PONDI_EFFECT_UNKNOWN, PONDI_EFFECT_NONE, PONDI_EFFECT_WRITES };

/* Whether it may write something that other sessions can see: in doubt, yes. Looks at its text the
 * first time. */
int pondi_statement_may_write(pondi_statement *statement);

/* What the texts of one connection may take, those that are prepared included. One that would need
 * more than a quarter of it stays only while it is in use, so that it pushes no others out. */
enum {
    PONDI_STATEMENT_CACHE_BYTES = 8 << 20,
    PONDI_STATEMENT_MOST_BYTES = PONDI_STATEMENT_CACHE_BYTES / 4
};

typedef struct pondi_statement_cache {
    pond_dialect dialect;
    uint64_t context; /* the driver's: what else than its text tells a statement from others */
    pondi_sql_server server; /* set by the driver of MySQL once it is known */
    pondi_lru lru;
    uint64_t bytes;           /* of all but `passing` */
    pondi_statement *passing; /* too large to stay: it goes with the next get of another */
    pondi_counter hits;       /* read by any thread */
    pondi_counter misses;
    pondi_counter evictions;
    void (*evicted)(void *owner, void *prepared); /* frees what the driver prepared */
    void *owner;
} pondi_statement_cache;

/* `capacity` of at least 1, since the statement in use stays in the cache; `limit` at least as
 * much. */
int pondi_statement_cache_init(pondi_statement_cache *cache, pond_dialect dialect, size_t capacity,
                               size_t limit, void (*evicted)(void *owner, void *prepared),
                               void *owner, pond_error **err);

/* Free what the driver prepared for them, and keep the statements. */
void pondi_statement_cache_unprepare(pondi_statement_cache *cache);

/* Drop all statements. */
void pondi_statement_cache_clear(pondi_statement_cache *cache);
void pondi_statement_cache_free(pondi_statement_cache *cache);

/* Find or convert, which `is_native` makes a look only. The statement stays valid until the next
 * get. */
int pondi_statement_cache_get(pondi_statement_cache *cache, const char *sql, size_t size,
                              int is_native, pondi_statement **out, pond_error **err);

/* Where in the caller's SQL a position in the native one is; both 1-based, in characters. */
uint32_t pondi_statement_position(const pondi_statement *statement, pond_dialect dialect,
                                  uint32_t native_position);

/* Set the error for a text with a second statement, which begins at this position of the native one
 * (0 if unknown); returns its code, POND_ESYNTAX. */
int pondi_statement_refuse_several(const pondi_statement *statement, pond_dialect dialect,
                                   uint32_t native_position, pond_error **err);

/* Forget one statement, its preparation included. */
void pondi_statement_cache_remove(pondi_statement_cache *cache, pondi_statement *statement);

#endif
