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
int pond_result_row(pond_result *result, size_t row, pond_value *values, pond_error **err);
void pond_result_release(pond_result *result);
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

-- Execute a statement; returns its rows.
local function execute(connection, sql, params, timeout_ms)
    params = params or {}
    local values = ffi.new("pond_value[?]", #params)
    for i, value in ipairs(params) do
        to_value(value, values[i - 1])
    end
    local options = ffi.new("pond_execute_options", ffi.sizeof("pond_execute_options"))
    options.timeout_ms = timeout_ms or DEFAULT_TIMEOUT
    local out = ffi.new("pond_result *[1]")
    call("pond_connection_execute_wait", connection, sql, #sql, values, #params, options, out)
    local result = ffi.gc(out[0], lib.pond_result_release)
    local columns = tonumber(lib.pond_result_column_count(result))
    local cells = ffi.new("pond_value[?]", columns)
    local rows = {}
    for i = 1, tonumber(lib.pond_result_row_count(result)) do
        call("pond_result_row", result, i - 1, cells)
        rows[i] = {}
        for j = 1, columns do
            rows[i][j] = from_value(cells[j - 1])
        end
    end
    return rows
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

local function main(driver, database, ...)
    local config = make("config", "pond_config_new", driver)
    for _, setting in ipairs({ "database=" .. database, ... }) do
        local key, value = setting:match("^([^=]*)=(.*)$")
        call("pond_config_set", config, key, value)
    end
    local pool = make("pool", "pond_pool_open", config)
    local connection = make("connection", "pond_pool_acquire_wait", pool, nil, DEFAULT_TIMEOUT)
    work(connection)
    call("pond_connection_give_back", connection)
    call("pond_pool_close_wait", pool, 30000)
    print("pool closed")
end

local right, problem = pcall(main, ...)
if not right then
    io.stderr:write(type(problem) == "table" and problem.message or problem, "\n")
    os.exit(1)
end
