-- In LuaJIT, through its FFI: handles that the collector releases, errors as Lua errors.
--
--     luajit quickstart.lua DRIVER DATABASE [KEY=VALUE ...]
local ffi = require("ffi")

ffi.cdef([[
typedef struct pond_error pond_error;
typedef struct pond_config pond_config;
typedef struct pond_pool pond_pool;
typedef struct pond_loop pond_loop;
typedef struct pond_connection pond_connection;
typedef struct pond_result pond_result;
typedef struct pond_value {
    uint32_t type;
    int32_t aux;
    union {
        int64_t integer;
        double real;
        struct { const char *data; size_t size; } text;
    } as;
} pond_value;
typedef struct pond_execute_options {
    uint32_t struct_size;
    uint32_t flags;
    int64_t timeout_ms;
    const void *tags;
    uint64_t tag_count;
} pond_execute_options;
typedef struct pond_schema pond_schema;
typedef struct pond_plan pond_plan;
typedef struct pond_field { const char *name; const char *type; pond_value value; } pond_field;
typedef struct pond_record { const pond_field *fields; uint64_t field_count; } pond_record;
int pond_error_code(const pond_error *error);
const char *pond_error_message(const pond_error *error);
const char *pond_error_text(int code);
void pond_error_free(pond_error *error);
int pond_config_new(const char *driver, pond_config **out, pond_error **err);
int pond_config_set(pond_config *config, const char *key, const char *value, pond_error **err);
void pond_config_release(pond_config *config);
int pond_pool_open(pond_config *config, pond_pool **out, pond_error **err);
int pond_pool_acquire_wait(pond_pool *pool, pond_loop *loop, int64_t timeout_ms,
                           pond_connection **out, pond_error **err);
int pond_pool_close_wait(pond_pool *pool, int64_t timeout_ms, pond_error **err);
void pond_pool_release(pond_pool *pool);
int pond_connection_execute_wait(pond_connection *connection, const char *sql, size_t sql_size,
                                 const pond_value *params, size_t param_count,
                                 const pond_execute_options *options, pond_result **out,
                                 pond_error **err);
int pond_connection_transaction_wait(pond_connection *connection, int verb, int64_t timeout_ms,
                                     pond_error **err);
const char *pond_connection_server_version(pond_connection *connection);
int pond_connection_give_back(pond_connection *connection, pond_error **err);
void pond_connection_release(pond_connection *connection);
size_t pond_result_row_count(const pond_result *result);
size_t pond_result_column_count(const pond_result *result);
const char *pond_result_column_name(const pond_result *result, size_t column);
int pond_result_row(pond_result *result, size_t row, pond_value *values, pond_error **err);
void pond_result_release(pond_result *result);
int pond_pool_schema(pond_pool *pool, pond_schema **out, pond_error **err);
void pond_schema_release(pond_schema *schema);
int pond_plan_save(pond_schema *schema, const char *entity, const pond_record *record,
                   const void *options, pond_plan **out, pond_error **err);
int pond_plan_history(pond_schema *schema, const char *entity, const char *id, const void *options,
                      pond_plan **out, pond_error **err);
int pond_connection_run_wait(pond_connection *connection, pond_plan *plan, int64_t timeout_ms,
                             pond_error **err);
pond_result *pond_plan_take_result(pond_plan *plan);
void pond_plan_release(pond_plan *plan);
]])

local lib = ffi.load("libmillpond.so.0")
local INT64, TEXT = 2, 5
local BEGIN, COMMIT, ROLLBACK = 1, 2, 3
local DEFAULT_TIMEOUT = -1
local ETIMEDOUT = -14

-- Call a function whose last parameter is a pond_error **; a failure is raised as {code, message}.
local function call(name, ...)
    local err = ffi.new("pond_error *[1]")
    local arguments = { ... }
    local count = select("#", ...)
    arguments[count + 1] = err
    local code = lib[name](unpack(arguments, 1, count + 1))
    if code < 0 then
        local message = err[0] ~= nil and lib.pond_error_message(err[0]) or lib.pond_error_text(code)
        message = ffi.string(message)
        lib.pond_error_free(err[0])
        error({ code = code, message = name .. ": " .. message }, 0)
    end
end

-- Call a function with one output before the error: returns the handle, with its end prepared.
local function make(kind, name, ...)
    local out = ffi.new("pond_" .. kind .. " *[1]")
    local arguments = { ... }
    local count = select("#", ...)
    arguments[count + 1] = out
    call(name, unpack(arguments, 1, count + 1))
    return ffi.gc(out[0], lib["pond_" .. kind .. "_release"])
end

local function to_value(value, into)
    if type(value) == "string" then
        into.type, into.as.text.data, into.as.text.size = TEXT, value, #value
    else
        into.type, into.as.integer = INT64, value
    end
end

local function from_value(cell)
    if cell.type == TEXT then
        return ffi.string(cell.as.text.data, cell.as.text.size)
    elseif cell.type == INT64 then
        return tonumber(cell.as.integer)
    end
end

-- The rows of a result; each has its cells by number and by name.
local function read_rows(result)
    local columns = tonumber(lib.pond_result_column_count(result))
    local cells = ffi.new("pond_value[?]", columns)
    local rows = {}
    for i = 1, tonumber(lib.pond_result_row_count(result)) do
        call("pond_result_row", result, i - 1, cells)
        rows[i] = {}
        for j = 1, columns do
            local name = ffi.string(lib.pond_result_column_name(result, j - 1))
            rows[i][j] = from_value(cells[j - 1])
            rows[i][name] = rows[i][j]
        end
    end
    return rows
end

-- Execute a statement; returns its rows.
local function execute(connection, sql, params, timeout_ms)
    params = params or {}
    local values = ffi.new("pond_value[?]", #params)
    for i, value in ipairs(params) do
        to_value(value, values[i - 1])
    end
    local options = ffi.new("pond_execute_options", ffi.sizeof("pond_execute_options"))
    options.timeout_ms = timeout_ms or DEFAULT_TIMEOUT
    local result = make("result", "pond_connection_execute_wait", connection, sql, #sql, values, #params, options)
    return read_rows(result)
end

local function transaction(connection, body)
    call("pond_connection_transaction_wait", connection, BEGIN, DEFAULT_TIMEOUT)
    local right, problem = pcall(body)
    local verb = right and COMMIT or ROLLBACK
    call("pond_connection_transaction_wait", connection, verb, DEFAULT_TIMEOUT)
    if not right then
        error(problem, 0)
    end
end

local function stop_in_time(connection)
    local endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        .. "SELECT count(*) FROM n"
    local right, problem = pcall(execute, connection, endless, {}, 100)
    assert(not right and problem.code == ETIMEDOUT, problem.message)
    print("stopped a statement after 100 ms")
end

local function work(connection)
    print("connected to " .. ffi.string(lib.pond_connection_server_version(connection)))
    execute(connection, "DROP TABLE IF EXISTS quickstart_users")
    execute(connection, "CREATE TABLE quickstart_users (id integer PRIMARY KEY, name text)")
    transaction(connection, function()
        execute(connection, "INSERT INTO quickstart_users VALUES (?, ?)", { 1, "Ada" })
        execute(connection, "INSERT INTO quickstart_users VALUES (?, ?)", { 2, "Grace" })
    end)
    print("committed")
    stop_in_time(connection)
    local rows = execute(connection, "SELECT id, name FROM quickstart_users WHERE id = ?", { 2 })
    print("user " .. rows[1][1] .. " is " .. rows[1][2])
end

local ENTITY = "quickstart_person"

-- Run a plan; returns the rows of its answer.
local function run(connection, plan)
    call("pond_connection_run_wait", connection, plan, DEFAULT_TIMEOUT)
    return read_rows(ffi.gc(lib.pond_plan_take_result(plan), lib.pond_result_release))
end

-- Create or update a person; returns the whole entity.
local function save(connection, schema, fields)
    local given = ffi.new("pond_field[?]", 2)
    local record = ffi.new("pond_record", given, 0)
    for name, value in pairs(fields) do
        local field = given[record.field_count]
        field.name = name
        to_value(value, field.value)
        record.field_count = record.field_count + 1
    end
    return run(connection, make("plan", "pond_plan_save", schema, ENTITY, record, nil))[1]
end

local function use_entity(pool, connection)
    local schema = make("schema", "pond_pool_schema", pool)
    local person = save(connection, schema, { name = "Ada Byron" })
    save(connection, schema, { id = person.id, name = "Ada Lovelace" })
    local history = make("plan", "pond_plan_history", schema, ENTITY, person.id, nil)
    for _, version in ipairs(run(connection, history)) do
        print("version " .. version.version .. " is " .. version.name)
    end
end

local function main(driver, database, ...)
    local config = make("config", "pond_config_new", driver)
    for _, setting in ipairs({ "database=" .. database, ... }) do
        local key, value = setting:match("^([^=]*)=(.*)$")
        call("pond_config_set", config, key, value)
    end
    local pool = make("pool", "pond_pool_open", config)
    local connection = make("connection", "pond_pool_acquire_wait", pool, nil, DEFAULT_TIMEOUT)
    work(connection)
    use_entity(pool, connection)
    call("pond_connection_give_back", connection)
    call("pond_pool_close_wait", pool, 30000)
    print("pool closed")
end

local right, problem = pcall(main, ...)
if not right then
    io.stderr:write(type(problem) == "table" and problem.message or problem, "\n")
    os.exit(1)
end
