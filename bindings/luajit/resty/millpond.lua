-- millpond for LuaJIT and OpenResty: calls that wait do so as light threads of nginx, or as
-- coroutines of millpond.run(), and block nobody else.
--
--     local millpond = require "resty.millpond"
--     local db = assert(millpond.connect("postgres://me:secret@localhost/shop"))
--     local rows, err = db:query("SELECT name FROM users WHERE id = ?", { 7 })
--
-- Calls return what they say, or nil and an error, which has `code`, `name`, `message`, `sqlstate`,
-- `is_timeout` and `retryable`. See docs/openresty.md.
local ffi = require("ffi")
local host = require("resty.millpond.host")
local native = require("resty.millpond.native")
local values = require("resty.millpond.values")

local lib, call, make = native.lib, native.call, native.make
local DEFAULT = native.constants.POND_TIMEOUT_DEFAULT
local millpond = { null = values.null, typed = values.typed, codes = lib }

local Database, Connection = {}, {}
Database.__index, Connection.__index = Database, Connection

local function milliseconds(seconds)
    return seconds and math.max(1, math.ceil(seconds * 1000)) or DEFAULT
end

-- ---- Connections --------------------------------------------------------------------------------

-- The rows of a statement, each with its cells by number and by name; `affected` is how many a write
-- touched. Options: `timeout` in seconds. A list of parameters that ends with nil has its length in
-- `n`.
function Connection:execute(sql, params, options)
    local keep = {}
    self.kept = keep -- until the next call, as C's pointers are no references of the collector's
    local array, count = values.parameters(params, keep)
    if not array then
        return nil, count
    end
    local how = ffi.new("pond_execute_options", ffi.sizeof("pond_execute_options"), 0,
        milliseconds(options and options.timeout))
    local result, err = host.submit("pond_connection_execute", self.handle, sql, #sql, array, count,
        how)
    if not result then
        return nil, err
    end
    local rows, problem = values.rows(result)
    native.drop("result", result)
    return rows, problem
end

function Connection:server_version()
    local text = lib.pond_connection_server_version(self.handle)
    return text ~= nil and ffi.string(text) or nil
end

local function finish(connection, verb)
    return host.submit("pond_connection_transaction", connection.handle, verb, DEFAULT)
end

-- Run a function in a transaction: commit, and return what it returned, unless it raised an error or
-- returned nil and an error; then roll back.
function Connection:transaction(body)
    local ok, err = finish(self, lib.POND_BEGIN)
    if not ok then
        return nil, err
    end
    local fine, got, problem = pcall(body, self)
    if not fine or (got == nil and problem ~= nil) then
        finish(self, lib.POND_ROLLBACK)
        if not fine then
            error(got, 0)
        end
        return nil, problem
    end
    ok, err = finish(self, lib.POND_COMMIT)
    if not ok then
        return nil, err
    end
    return got == nil and true or got
end

-- Give the connection back to its pool. What is forgotten goes back when it is collected, with a
-- warning in the log.
function Connection:release()
    local ok, err = call("pond_connection_give_back", self.handle)
    native.drop("connection", self.handle)
    self.handle = nil
    return ok and true, err
end

-- ---- Entities -----------------------------------------------------------------------------------

-- Run a plan that a function makes; returns the rows of its answer, or its number.
local function run_plan(connection, name, ...)
    local plan, err = make("plan", name, connection.database.schema, ...)
    if not plan then
        return nil, err
    end
    local ok, problem = host.submit("pond_connection_run", connection.handle, plan, DEFAULT)
    if not ok then
        return nil, problem
    end
    local result = native.own("result", lib.pond_plan_take_result(plan))
    if not result then
        return tonumber(lib.pond_plan_number(plan))
    end
    return values.rows(result)
end

local function entity_options(given, keep)
    given = given or {}
    local array, count = values.parameters(given.params, keep)
    if not array then
        return nil, count
    end
    keep[#keep + 1] = given
    return ffi.new("pond_entity_options", {
        struct_size = ffi.sizeof("pond_entity_options"),
        user_id = given.user_id,
        comment = given.comment,
        where = given.where,
        params = array,
        param_count = count,
        order_by = given.order_by,
        limit = given.limit or 0,
        offset = given.offset or 0,
    })
end

-- Create an entity, or update it if the fields have an `id`: the whole of it. Options: user_id,
-- comment.
function Connection:save(entity, fields, options)
    local keep, names = { fields }, {}
    self.kept = keep
    for name in pairs(fields) do
        names[#names + 1] = name
    end
    local given = ffi.new("pond_field[?]", math.max(#names, 1))
    for i, name in ipairs(names) do
        given[i - 1].name = name
        local value = ffi.new("pond_value[1]")
        local ok, err = values.to_value(fields[name], value, keep)
        if not ok then
            return nil, err
        end
        given[i - 1].value = value[0]
    end
    local how, problem = entity_options(options, keep)
    if not how then
        return nil, problem
    end
    local record = ffi.new("pond_record", given, #names)
    local rows, err = run_plan(self, "pond_plan_save", entity, record, how)
    return rows and rows[1], err
end

-- One entity by its id, or false if there is none.
function Connection:get(entity, id)
    local rows, err = run_plan(self, "pond_plan_get", entity, id, nil)
    return rows and (rows[1] or false), err
end

-- Those that meet a condition. Options: where, params, order_by, limit, offset.
function Connection:find(entity, options)
    local keep = {}
    self.kept = keep
    local how, err = entity_options(options, keep)
    if not how then
        return nil, err
    end
    return run_plan(self, "pond_plan_find", entity, how)
end

-- All versions of one.
function Connection:history(entity, id)
    return run_plan(self, "pond_plan_history", entity, id, nil)
end

-- Mark one as deleted: 1, or 0 if there was none. Options: user_id, comment.
function Connection:delete(entity, id, options)
    local keep = {}
    self.kept = keep
    local how, err = entity_options(options, keep)
    if not how then
        return nil, err
    end
    return run_plan(self, "pond_plan_delete", entity, id, how)
end

-- ---- Databases ----------------------------------------------------------------------------------

local function open(config)
    local pool, err = make("pool", "pond_pool_open", config)
    if not pool then
        return nil, err
    end
    local schema, problem = make("schema", "pond_pool_schema", pool)
    if not schema then
        return nil, problem
    end
    return setmetatable({ pool = pool, schema = schema }, Database)
end

local function set_all(config, settings)
    for key, value in pairs(settings or {}) do
        local ok, err = call("pond_config_set", config, key, tostring(value))
        if not ok then
            return nil, err
        end
    end
    return true
end

-- A config that was made, or nil and why it was not.
local function open_with(settings, config, err)
    if not config then
        return nil, err
    end
    local ok, problem = set_all(config, settings)
    if not ok then
        return nil, problem
    end
    return open(config)
end

-- The database of a URL, with more settings if there are any; it connects when it is used. All
-- requests of a worker share its pool: make one, and keep it in a module.
function millpond.connect(url, settings)
    return open_with(settings, make("config", "pond_config_from_url", url))
end

-- The same of a driver ("postgres", "mysql", "sqlite") and settings.
function millpond.new(driver, settings)
    return open_with(settings, make("config", "pond_config_new", driver))
end

-- Lease a connection: release() it.
function Database:acquire(timeout)
    local loop, problem = host.loop()
    if not loop then
        return nil, problem
    end
    local handle, err = host.submit("pond_pool_acquire", self.pool, loop, milliseconds(timeout))
    if not handle then
        return nil, err
    end
    return setmetatable({ handle = handle, database = self }, Connection)
end

-- Run a function with a leased connection; returns what it returns, and raises what it raises.
function Database:with(body)
    local connection, err = self:acquire()
    if not connection then
        return nil, err
    end
    local ok, got, problem = pcall(body, connection)
    connection:release()
    if not ok then
        error(got, 0)
    end
    return got, problem
end

-- One statement on a connection of its own: see Connection:execute().
function Database:query(sql, params, options)
    return self:with(function(connection)
        return connection:execute(sql, params, options)
    end)
end

-- Wait for connections to come back, at most so many seconds, then take them.
function Database:close(seconds)
    local loop, err = host.loop()
    if not loop then
        return nil, err
    end
    return host.submit("pond_pool_close", self.pool, loop, milliseconds(seconds or 10))
end

-- Outside nginx: run functions at once, as coroutines. See host.run().
function millpond.run(...)
    return host.run({ ... })
end

function millpond.version()
    return ffi.string(lib.pond_version())
end

return millpond
