/* Plans and schemas as Python objects; see millpond/entity.h. */
#ifndef MILLPOND_NATIVE_PLAN_H
#define MILLPOND_NATIVE_PLAN_H

#include "native.h"

/* ---- entity.c ---- */
/* Entities as the library takes them; they point into the dicts. */
typedef struct native_records {
    pond_record *records;
    size_t count;
    pond_field *fields;
    size_t field_count;
    size_t field_room;
    PyObject *held; /* list of what else they point into, or NULL */
} native_records;

int native_records_read_one(native_state *state, PyObject *entity, native_records *to);
/* `first`: how errors count the first. */
int native_records_read(native_state *state, PyObject *entities, uint64_t first,
                        native_records *to);
/* A new list of what an argument has in it; text, bytes and dicts are one thing, and refused. */
PyObject *native_list_of(native_state *state, PyObject *object, const char *what, const char *of);
void native_records_free(native_records *records);
int native_where_value(native_state *state, PyObject *object, Py_ssize_t number, pond_value *out,
                       PyObject **held);

/* ---- entity_rows.c ---- */
/* What to do with a value that cannot be decoded. */
typedef enum native_on_error { NATIVE_RAISE, NATIVE_PUT_PLAIN, NATIVE_SKIP_ROW } native_on_error;

/* How to read rows of an entity. */
typedef struct native_reading {
    PyObject *entity_name;
    int plain; /* values stay as they are */
    native_on_error on_error;
} native_reading;

/* A list of dicts. */
PyObject *native_dicts(native_state *state, pond_result *result, const native_reading *how);

/* ---- plan_make.c ---- */
/* Text that lives as long as its object. A NUL would cut it short: NULL with an exception set. */
const char *native_text_of(native_state *state, PyObject *object, const char *what);

/* ---- plan.c ---- */
typedef enum native_verb {
#define POND_X(verb, VERB, call) NATIVE_##VERB,
    POND_ENTITY_CALL_MAP(POND_X)
#undef POND_X
        NATIVE_FIND_ARROW /* as FIND; another kind of answer */
} native_verb;

typedef struct native_plan {
    PyObject_HEAD native_state *state;
    pond_plan *plan;
    PyObject *subject; /* the dict of a save */
    native_verb verb;
    native_reading reading;
} native_plan;

#endif
