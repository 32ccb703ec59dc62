/* Rows as tables: {{1, "a"}, {2, "b"}, columns = {"id", "name"}, rowcount = 2, lastrowid = nil}. */
#include "native.h"

typedef struct rows_call {
    native_state *state;
    pond_result *result;
    int shape;
    size_t row; /* that is being read, and the column */
    size_t column;
    int code; /* of a row that could not be read */
    pond_error *error;
} rows_call;

enum { ROWS_AT_A_TIME = 4096 };
enum { CALL = 1, ROWS = 2, COLUMNS = 3, VALUES = 4 };

static void push_columns(lua_State *L, const pond_result *result, size_t count)
{
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(L, pond_result_column_name(result, i));
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* The row is on top of the stack: a save of it takes the text back as the document that it is. */
static void note_stored_json(lua_State *L, const rows_call *call, const pond_value *value)
{
    native_push_hook(L, call->state, "note_stored");
    lua_pushvalue(L, -2);
    lua_rawgeti(L, COLUMNS, (lua_Integer)call->column + 1);
    lua_pushlstring(L, value->as.text.data, value->as.text.size);
    lua_pushstring(L, pond_result_column_type(call->result, call->column));
    lua_call(L, 4, 0);
}

static void push_row(lua_State *L, rows_call *call, const pond_value *values, size_t count)
{
    int named = call->shape & NATIVE_NAMED;
    int with_nil = call->shape & NATIVE_NIL;
    lua_createtable(L, named ? 0 : (int)count, named ? (int)count : with_nil != 0);
    if (with_nil && !named) /* the length of a list with nil in it is not clear */
        native_set_integer(L, "n", (lua_Integer)count);
    for (size_t i = 0; i < count; i++) {
        if (with_nil && values[i].type == POND_TYPE_NULL)
            continue;
        if (named)
            lua_rawgeti(L, COLUMNS, (lua_Integer)i + 1);
        call->column = i;
        native_push_value(L, call->state, &values[i]);
        if (named)
            lua_rawset(L, -3);
        else
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        if (values[i].type == POND_TYPE_TEXT && values[i].aux == POND_TEXT_JSON)
            note_stored_json(L, call, &values[i]);
    }
}

/* Protected: the caller holds the result. */
static int push_rows(lua_State *L)
{
    rows_call *call = lua_touserdata(L, CALL);
    size_t rows = pond_result_row_count(call->result);
    size_t columns = pond_result_column_count(call->result);
    pond_value few[NATIVE_FEW];
    pond_value *values = few;
    lua_createtable(L, (int)rows, 4);
    push_columns(L, call->result, columns);
    if (columns > NATIVE_FEW)
        values = lua_newuserdatauv(L, columns * sizeof(*values), 0);
    for (size_t i = 0; i < rows; i++) {
        if (i % ROWS_AT_A_TIME == 0) /* no large result is in memory twice */
            pond_result_drop_before(call->result, i);
        call->code = pond_result_row(call->result, i, values, &call->error);
        if (call->code)
            return 0;
        call->row = i;
        push_row(L, call, values, columns);
        lua_rawseti(L, ROWS, (lua_Integer)i + 1);
    }
    lua_settop(L, COLUMNS);
    lua_setfield(L, ROWS, "columns");
    native_set_integer(L, "rowcount", pond_result_affected(call->result));
    if (pond_result_last_insert_id(call->result))
        native_set_integer(L, "lastrowid", pond_result_last_insert_id(call->result));
    if (pond_result_more(call->result))
        native_set_boolean(L, "more", 1);
    return 1;
}

/* Of a value that Lua cannot hold: say where it is. On the stack: the call, the error. */
static int name_cell(lua_State *L)
{
    const rows_call *call = lua_touserdata(L, 1);
    lua_getfield(L, 2, "message");
    lua_pushfstring(L, "column \"%s\" of row %d: %s",
                    pond_result_column_name(call->result, call->column), (int)call->row,
                    lua_tostring(L, 3));
    lua_setfield(L, 2, "message");
    return 0;
}

/* True if the value on top of the stack is an error object of the library's. */
static int is_error(lua_State *L, const native_state *state)
{
    if (!lua_istable(L, -1) || !lua_getmetatable(L, -1))
        return 0;
    lua_rawgeti(L, LUA_REGISTRYINDEX, state->error_meta);
    int same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

int native_return_rows(lua_State *L, native_state *state, pond_result *result, int shape)
{
    rows_call call = {.state = state, .result = result, .shape = shape};
    int failed = LUA_ERRMEM;
    int room = lua_checkstack(L, 12);
    if (room) {
        lua_pushcfunction(L, push_rows);
        lua_pushlightuserdata(L, &call);
        failed = lua_pcall(L, 1, 1, 0);
    }
    int told = room && failed && !call.code && is_error(L, state);
    if (told) {
        lua_pushcfunction(L, name_cell);
        lua_pushlightuserdata(L, &call);
        lua_pushvalue(L, -3);
        failed = lua_pcall(L, 2, 0, 0);
    }
    pond_result_release(result);
    if (!room)
        return native_error(L, "stack overflow");
    if (call.code)
        return native_fail(L, state, call.code, call.error);
    if (!told || failed)
        return failed ? lua_error(L) : 1;
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

int native_finish_rows(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    native_wait *wait = (native_wait *)context;
    native_state *state = wait->state;
    int shape = wait->shape;
    lua_Integer host = wait->host;
    pond_op *op = native_wait_end(L, wait);
    int code = pond_op_status(op);
    pond_error *error = code ? pond_op_take_error(op) : NULL;
    pond_result *result = pond_op_take_result(op);
    pond_op_release(op);
    if (code)
        return native_fail_of(L, state, host, code, error);
    return native_return_rows(L, state, result, shape);
}
