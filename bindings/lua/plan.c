/* Entity calls: each makes a plan, which a pooled connection runs. */
#include <stdio.h>
#include <string.h>

#include "native.h"

/* ---- Schemas ------------------------------------------------------------------------------- */

#define NATIVE_SCHEMA "millpond.schema"

static pond_schema **new_schema(lua_State *L)
{
    pond_schema **box = lua_newuserdatauv(L, sizeof(pond_schema *), 0);
    *box = NULL;
    luaL_setmetatable(L, NATIVE_SCHEMA);
    return box;
}

static int schema_gc(lua_State *L)
{
    pond_schema **box = luaL_checkudata(L, 1, NATIVE_SCHEMA);
    pond_schema_release(*box);
    *box = NULL;
    return 0;
}

/* schema(pool) -> what is known of the entities of its database */
static int schema_of_pool(lua_State *L)
{
    native_state *state = native_state_of(L);
    const native_pool *pool = luaL_checkudata(L, 1, NATIVE_POOL);
    pond_error *error = NULL;
    int code = pond_pool_schema(pool->pool, new_schema(L), &error);
    return code ? native_fail(L, state, code, error) : 1;
}

/* forget_schema(schema, entity) */
static int schema_forget(lua_State *L)
{
    pond_schema **box = luaL_checkudata(L, 1, NATIVE_SCHEMA);
    pond_schema_forget(*box, luaL_optstring(L, 2, NULL));
    return 0;
}

/* ---- Plans --------------------------------------------------------------------------------- */

static int plan_gc(lua_State *L)
{
    native_plan *self = luaL_checkudata(L, 1, NATIVE_PLAN);
    pond_plan_release(self->plan);
    pond_result_release(self->result);
    self->plan = NULL;
    self->result = NULL;
    return 0;
}

native_plan *native_plan_check(lua_State *L, int index)
{
    native_plan *self = luaL_checkudata(L, index, NATIVE_PLAN);
    if (!self->plan)
        native_error(L, "this plan was never made");
    return self;
}

/* What all plans are made of; texts stay on the stack. */
typedef struct plan_call {
    native_state *state;
    pond_schema *schema;
    const char *entity;
    pond_entity_options options;
    native_call call; /* holds the parameters of a condition, and what all values point into */
} plan_call;

enum { KIND = 1, SCHEMA = 2, ENTITY = 3, SUBJECT = 4, OPTIONS = 5, HELD = 6 };

static const char *check_text(lua_State *L, int index, const char *what)
{
    size_t size;
    if (lua_type(L, index) != LUA_TSTRING)
        native_error(L, "%s must be a string, not a %s", what, luaL_typename(L, index));
    const char *text = lua_tolstring(L, index, &size);
    if (strlen(text) != size)
        native_error(L, "%s contains a NUL character", what);
    return text;
}

/* options[name], which stays on the stack; NULL for nil. */
static const char *text_option(lua_State *L, const char *name)
{
    return lua_getfield(L, OPTIONS, name) == LUA_TNIL ? NULL : check_text(L, -1, name);
}

static int64_t integer_option(lua_State *L, const char *name, int64_t otherwise)
{
    int exact = 1;
    if (lua_getfield(L, OPTIONS, name) != LUA_TNIL)
        otherwise = lua_tointegerx(L, -1, &exact);
    if (!exact)
        native_error(L, "%s must be an integer", name);
    lua_pop(L, 1);
    return otherwise;
}

static uint32_t flag_option(lua_State *L, const char *name, uint32_t flag)
{
    lua_getfield(L, OPTIONS, name);
    int on = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return on ? flag : 0;
}

static void read_condition(lua_State *L, plan_call *made)
{
    char where[48];
    if (lua_getfield(L, OPTIONS, "params") == LUA_TNIL)
        return;
    native_check_table(L, -1, "params", "{36}");
    int table = lua_gettop(L);
    size_t count = (size_t)lua_rawlen(L, table);
    pond_value *values = lua_newuserdatauv(L, (count + 1) * sizeof(*values), 0);
    for (size_t i = 0; i < count; i++) {
        snprintf(where, sizeof(where), "parameter %zu", i + 1);
        lua_rawgeti(L, table, (lua_Integer)i + 1);
        native_read_param(L, made->state, &made->call, &values[i], where);
    }
    made->options.params = values;
    made->options.param_count = count;
}

static void read_options(lua_State *L, plan_call *made)
{
    made->options = (pond_entity_options)POND_ENTITY_OPTIONS_INIT;
    made->options.flags = flag_option(L, "include_deleted", POND_ENTITY_DELETED) |
                          flag_option(L, "permanent", POND_ENTITY_PERMANENT) |
                          (flag_option(L, "deserialize", 1) ? 0 : POND_ENTITY_PLAIN);
    made->options.user_id = text_option(L, "user_id");
    made->options.comment = text_option(L, "comment");
    made->options.where = text_option(L, "where");
    made->options.order_by = text_option(L, "order_by");
    /* to Lua 0 is a version and a limit as any other; to the library it stands for the default */
    int64_t expected = integer_option(L, "expected_version", -1);
    int64_t limit = integer_option(L, "limit", -1);
    made->options.expected_version = expected > 0    ? expected
                                     : expected == 0 ? POND_VERSION_NONE
                                                     : POND_VERSION_ANY;
    made->options.limit = limit > 0 ? limit : limit == 0 ? POND_LIMIT_NO_ROWS : POND_LIMIT_NONE;
    made->options.offset = integer_option(L, "offset", 0);
    read_condition(L, made);
}

/* ---- Records ------------------------------------------------------------------------------- */

/* The type that the program gave to a field of a record, from the table `types` at `types`. */
static const char *field_type(lua_State *L, int types)
{
    const char *type = NULL;
    lua_pushvalue(L, -2);
    if (lua_istable(L, types) && lua_rawget(L, types) == LUA_TSTRING)
        type = lua_tostring(L, -1); /* the table keeps it */
    lua_pop(L, 1);
    return type;
}

/* Make a record of the table at `table`; `types` is the index of its fields' own types, or nil. */
static pond_record read_record(lua_State *L, plan_call *made, int table, int types)
{
    size_t count = 0;
    size_t used = 0;
    if (!lua_istable(L, table))
        native_error(L, "an entity must be a table of fields, not a %s", luaL_typename(L, table));
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
        count++;
    pond_field *fields = lua_newuserdatauv(L, (count + 1) * sizeof(*fields), 0);
    native_hold(L, &made->call);
    for (lua_pushnil(L); used < count && lua_next(L, table); used++) {
        char where[96];
        const char *name = check_text(L, -2, "the name of a field");
        snprintf(where, sizeof(where), "field %.80s", name);
        fields[used].name = name;
        fields[used].type = field_type(L, types);
        native_read_param(L, made->state, &made->call, &fields[used].value, where);
    }
    return (pond_record){.fields = fields, .field_count = used};
}

/* The list of records at SUBJECT; options.types is a list of their fields' own types. */
static pond_record *read_records(lua_State *L, plan_call *made, size_t *count)
{
    native_check_table(L, SUBJECT, "records", "{{name = \"Ada\"}}");
    *count = (size_t)lua_rawlen(L, SUBJECT);
    pond_record *records = lua_newuserdatauv(L, (*count + 1) * sizeof(*records), 0);
    lua_getfield(L, OPTIONS, "types");
    int types = lua_gettop(L);
    for (size_t i = 0; i < *count; i++) {
        lua_rawgeti(L, SUBJECT, (lua_Integer)i + 1);
        if (lua_istable(L, types))
            lua_rawgeti(L, types, (lua_Integer)i + 1);
        else
            lua_pushnil(L);
        records[i] = read_record(L, made, lua_gettop(L) - 1, lua_gettop(L));
        lua_pop(L, 2);
    }
    return records;
}

/* ---- Each kind ----------------------------------------------------------------------------- */

typedef int (*make_plan)(lua_State *L, plan_call *made, pond_plan **out, pond_error **err);

static int make_save(lua_State *L, plan_call *made, pond_plan **out, pond_error **err)
{
    lua_getfield(L, OPTIONS, "types");
    pond_record record = read_record(L, made, SUBJECT, lua_gettop(L));
    return pond_plan_save(made->schema, made->entity, &record, &made->options, out, err);
}

static int make_save_many(lua_State *L, plan_call *made, pond_plan **out, pond_error **err)
{
    size_t count;
    pond_record *records = read_records(L, made, &count);
    return pond_plan_save_many(made->schema, made->entity, records, count, &made->options, out,
                               err);
}

static int make_get(lua_State *L, plan_call *made, pond_plan **out, pond_error **err)
{
    return pond_plan_get(made->schema, made->entity, check_text(L, SUBJECT, "the id"),
                         &made->options, out, err);
}

static int make_get_many(lua_State *L, plan_call *made, pond_plan **out, pond_error **err)
{
    native_check_table(L, SUBJECT, "ids", "{\"a\", \"b\"}");
    size_t count = (size_t)lua_rawlen(L, SUBJECT);
    const char **ids = lua_newuserdatauv(L, (count + 1) * sizeof(*ids), 0);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, SUBJECT, (lua_Integer)i + 1);
        ids[i] = check_text(L, -1, "an id");
        native_hold(L, &made->call);
    }
    return pond_plan_get_many(made->schema, made->entity, ids, count, &made->options, out, err);
}

static int make_delete(lua_State *L, plan_call *made, pond_plan **out, pond_error **err)
{
    return pond_plan_delete(made->schema, made->entity, check_text(L, SUBJECT, "the id"),
                            &made->options, out, err);
}

static int make_restore(lua_State *L, plan_call *made, pond_plan **out, pond_error **err)
{
    return pond_plan_restore(made->schema, made->entity, check_text(L, SUBJECT, "the id"),
                             &made->options, out, err);
}

static int make_find(lua_State *L, plan_call *made, pond_plan **out, pond_error **err)
{
    (void)L;
    return pond_plan_find(made->schema, made->entity, &made->options, out, err);
}

static int make_count(lua_State *L, plan_call *made, pond_plan **out, pond_error **err)
{
    (void)L;
    return pond_plan_count(made->schema, made->entity, &made->options, out, err);
}

static int make_history(lua_State *L, plan_call *made, pond_plan **out, pond_error **err)
{
    return pond_plan_history(made->schema, made->entity, check_text(L, SUBJECT, "the id"),
                             &made->options, out, err);
}

static int make_between(lua_State *L, plan_call *made, pond_plan **out, pond_error **err)
{
    const char *id = lua_isnil(L, SUBJECT) ? NULL : check_text(L, SUBJECT, "the id");
    int64_t from_us = integer_option(L, "from_us", INT64_MIN);
    int64_t to_us = integer_option(L, "to_us", INT64_MAX);
    return pond_plan_history_between(made->schema, made->entity, id, from_us, to_us, &made->options,
                                     out, err);
}

static int make_version(lua_State *L, plan_call *made, pond_plan **out, pond_error **err)
{
    int64_t version = integer_option(L, "version", 0);
    return pond_plan_version(made->schema, made->entity, check_text(L, SUBJECT, "the id"), version,
                             &made->options, out, err);
}

static int make_list(lua_State *L, plan_call *made, pond_plan **out, pond_error **err)
{
    (void)L;
    return pond_plan_list(made->schema, out, err);
}

/* plan(kind, schema, entity, subject, options) -> a plan; subject: a record, records, id or ids */
static int plan_new(lua_State *L)
{
    static const char *const names[] = {
#define POND_X(verb, VERB, call) #verb,
        POND_ENTITY_CALL_MAP(POND_X)
#undef POND_X
            NULL};
    static const make_plan makers[] = {
#define POND_X(verb, VERB, call) make_##verb,
        POND_ENTITY_CALL_MAP(POND_X)
#undef POND_X
    };
    plan_call made = {.state = native_state_of(L)};
    int kind = luaL_checkoption(L, KIND, NULL, names);
    made.schema = *(pond_schema **)luaL_checkudata(L, SCHEMA, NATIVE_SCHEMA);
    lua_settop(L, OPTIONS);
    luaL_checktype(L, OPTIONS, LUA_TTABLE);
    luaL_checkstack(L, 40, "too many values");
    lua_pushnil(L);
    made.call.held = HELD;
    made.entity = lua_isnil(L, ENTITY) ? "" : check_text(L, ENTITY, "the name of an entity");
    read_options(L, &made);
    native_plan *plan = lua_newuserdatauv(L, sizeof(*plan), 0);
    *plan = (native_plan){.state = made.state};
    luaL_setmetatable(L, NATIVE_PLAN);
    int boxed = lua_gettop(L);
    pond_error *error = NULL;
    int code = makers[kind](L, &made, &plan->plan, &error);
    if (code)
        return native_fail(L, made.state, code, error);
    lua_pushvalue(L, boxed);
    return 1;
}

/* ---- The answer ---------------------------------------------------------------------------- */

/* plan:rows() -> rows by names of columns, and the columns' types as entities have them */
static int plan_rows(lua_State *L)
{
    native_plan *self = native_plan_check(L, 1);
    if (!self->result)
        self->result = pond_plan_take_result(self->plan);
    if (!self->result)
        return 0;
    size_t count = pond_result_column_count(self->result);
    lua_createtable(L, 0, (int)count);
    for (size_t i = 0; i < count; i++)
        native_set_string(L, pond_result_column_name(self->result, i),
                          pond_result_column_type(self->result, i));
    pond_result *result = self->result;
    self->result = NULL;
    int returned = native_return_rows(L, self->state, result, 1);
    if (returned != 1)
        return returned;
    lua_insert(L, -2);
    return 2;
}

/* plan:number() -> a count, or 1 and 0 for true and false */
static int plan_number(lua_State *L)
{
    lua_pushinteger(L, pond_plan_number(native_plan_check(L, 1)->plan));
    return 1;
}

void native_add_plan(lua_State *L, native_state *state)
{
    static const luaL_Reg methods[] = {
        {"__gc", plan_gc}, {"rows", plan_rows}, {"number", plan_number}, {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"schema", schema_of_pool},
        {"forget_schema", schema_forget},
        {"plan", plan_new},
        {NULL, NULL},
    };
    luaL_newmetatable(L, NATIVE_SCHEMA);
    lua_pushcfunction(L, schema_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_newmetatable(L, NATIVE_PLAN);
    native_add_functions(L, state, methods);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    native_add_functions(L, state, functions);
    lua_newtable(L); /* what each kind of plan is counted as */
#define POND_X(verb, VERB, call) native_set_string(L, #verb, call);
    POND_ENTITY_CALL_MAP(POND_X)
#undef POND_X
    lua_setfield(L, -2, "entity_calls");
}
