-- Backends written in Lua: any database that a program can reach gets pools, timeouts, tags and
-- entities by a few functions.
--
--     local oracle = millpond.backend {
--       dialect = "postgres",                       -- whose SQL it is closest to
--       connect = function(settings) ... return raw end,
--       execute = function(raw, sql, params) ... return {{1, "a"}, columns = {"id", "name"}} end,
--       begin = function(raw) end, commit = ..., rollback = ..., in_transaction = ..., close = ...,
--     }
--     local db = oracle:create_database {database = "x"}
--
-- Each function may fail by returning nil and an error object of millpond.error(). They may wait
-- with whatever waits in the program's coroutines.

local core = require "millpond.core"
local errors = require "millpond.errors"
local lend = require "millpond.lend"
local entity = require "millpond.entity"
local fetch = require "millpond.fetch"
local scheduler = require "millpond.scheduler"
local task = require "millpond.task"
local shape = require "millpond.shape"

local backend = {}

---- Connections ------------------------------------------------------------------------------

---@class millpond.BackendConnection
local Connection = { __name = "millpond.backend_connection" }
Connection.__index = Connection

local SAVEPOINT = "millpond_entity" -- of an entity call inside the caller's transaction

-- Undo what was left halfway: all of it, or what came after the savepoint of an entity call.
local function undo(own, raw, savepoint)
  if not own.in_transaction(raw) then
    return true -- the database has rolled it back by itself
  elseif not savepoint then
    local ok, err = own.rollback(raw)
    return err == nil and ok ~= false
  end
  return own.execute(raw, "ROLLBACK TO SAVEPOINT " .. SAVEPOINT, {})
    and own.execute(raw, "RELEASE SAVEPOINT " .. SAVEPOINT, {})
end

local function check_lent(self)
  if not self.raw then
    error(core.error("ESTALE", "this connection was given back to its pool: acquire another"), 4)
  end
end

local function check(self)
  check_lent(self)
  local raw, own, left = self.raw, self.database.backend, self.left
  if left then
    self.left = nil
    self.spoiled = not undo(own, raw, left.savepoint)
  end
  if self.spoiled then
    error(core.error("ECONNLOST", "rolling back failed on this connection: acquire another"), 3)
  end
  return raw, own
end

-- The connection is of no use any more, and is closed when it is given back.
function Connection:_spoil()
  self.spoiled = true
end

-- A scope in which a transaction is open. A coroutine that is closed in it cannot wait for the end
-- of that: it is undone before whatever comes next on the connection.
local Scope = {}
function Scope:__close(err)
  if not self.over and err == nil and self.connection.raw then
    self.connection.left = self
  end
end

local function scope_of(connection)
  return setmetatable({ connection = connection }, Scope)
end

local function leave_scope(scope, ...)
  scope.over = true
  return ...
end

local function limited(seconds, f, ...)
  if seconds then
    return task.timeout(seconds, f, ...)
  end
  return f(...)
end

local function tag_comment(tags)
  local keys, values = {}, {}
  for key, value in pairs(tags or {}) do
    keys[#keys + 1] = tostring(key)
    values[#values + 1] = tostring(value)
  end
  return core.sql_comment(keys, values)
end

local function has_list(params, count)
  for i = 1, count do
    local value = params[i]
    if type(value) == "table" and (getmetatable(value) == core.array_meta or rawlen(value) > 0) then
      return true
    end
  end
  return false
end

-- The statement as the backend's database takes it, with the tags as a comment, and its parameters.
local function convert(own, sql, params, tags)
  local count = math.type(params.n) == "integer" and params.n or #params
  local native, made
  if own.convert then
    native, made = own.convert(sql)
  elseif has_list(params, count) then
    native, made = core.sql_convert_lists(own.dialect, sql, params, count)
  else
    native, made = core.sql_convert(own.dialect, sql)
  end
  if not native then
    return nil, made
  end
  local comment = tag_comment(tags)
  return comment and native .. " " .. comment or native, type(made) == "table" and made or params
end

--- Execute one statement with ? placeholders.
---@param sql string
---@param params? any[]
---@param options? millpond.ExecuteOptions
---@return millpond.Rows? rows
---@return millpond.Error? err
function Connection:execute(sql, params, options)
  local raw, own = check(self)
  options = options or {}
  local native, given = convert(own, sql, params or {}, options.tags)
  if not native then
    return nil, given
  end
  local rows, err = limited(options.timeout or self.database.query_timeout, own.execute, raw, native,
    given)
  if not rows then
    return nil, err
  end
  return shape(rows, options)
end

local function each_row(self, sql, rows)
  local all = { columns = {}, rowcount = 0 }
  for i, row in ipairs(rows) do
    local result, err = self:execute(sql, row)
    if not result then
      if errors.is_error(err) then
        err.message = ("row %d: %s"):format(i - 1, err.message)
      end
      return nil, err
    end
    all.columns = result.columns or all.columns
    all.rowcount = all.rowcount + math.max(result.rowcount or 0, 0)
    table.move(result, 1, #result, #all + 1, all)
  end
  return all
end

--- Execute one statement for each row of values: all or nothing.
---@param sql string
---@param rows any[][]
---@param options? millpond.ExecuteOptions
---@return millpond.Rows? rows
---@return millpond.Error? err
function Connection:executemany(sql, rows, options)
  check(self)
  local timeout = options and options.timeout or self.database.query_timeout
  if self:in_transaction() then
    return limited(timeout, each_row, self, sql, rows)
  end
  return limited(timeout, self.transaction, self, each_row, sql, rows)
end

for _, verb in ipairs { "begin", "commit", "rollback" } do
  Connection[verb] = function(self)
    local raw, own = check(self)
    local ok, err = own[verb](raw)
    if err ~= nil then
      return nil, err
    end
    return ok ~= false
  end
end

---@return boolean
function Connection:in_transaction()
  local raw, own = check(self)
  return own.in_transaction(raw) and true or false
end

---@return { db_server_version: string, db_driver: string }
function Connection:get_version_details()
  local raw, own = check(self)
  return own.version and own.version(raw)
    or { db_server_version = "unknown", db_driver = own.name or "backend" }
end

--- Call f(connection, ...) in a transaction: as millpond.Connection:transaction().
---@param f fun(connection: millpond.BackendConnection, ...: any): any ...
---@param ... any
---@return any ...
function Connection:transaction(f, ...)
  check(self)
  local scope <close> = scope_of(self)
  return leave_scope(scope, core.connection_methods.transaction(self, f, ...))
end

--- Give the connection back to its pool; an open transaction is rolled back.
function Connection:release()
  check_lent(self)
  self.database:_take_back(self)
end

--- Close the connection itself; its place in the pool is free again.
function Connection:close()
  if self.raw then
    self.database:_discard(self)
  end
end

function Connection:__close()
  if self.raw then
    self.database:_take_back(self)
  end
end

---- Entities ---------------------------------------------------------------------------------

function Connection:_schema()
  return self.database.schema
end

-- Do one step of a plan: rows, or nil and an error object.
local function do_step(self, kind, sql, params)
  if kind == "execute" then
    return self:execute(sql, params)
  elseif kind == "execute_many" then
    return each_row(self, sql, params)
  elseif kind == "pause" then
    task.sleep(sql) -- for this one kind it is a time
    return {}
  elseif kind == "apart" then
    local other <close>, err = self.database:connection()
    if not other then
      return nil, err
    end
    return other:execute(sql, params)
  end
  local ok, err = self[kind](self)
  if not ok then
    return nil, err
  end
  return {}
end

-- Names are needed for what the plan reads, and a driver may have none.
local function check_names(rows)
  if rows[1] and #rows[1] > 0 and not rows.columns then
    return nil, core.error("ENOTSUPPORTED", "the backend's execute() returned rows without the names "
      .. "of their columns: return {{1, \"a\"}, columns = {\"id\", \"name\"}}")
  end
  return rows
end

-- What is to be undone in a scope if its work stops now.
local function note(scope, sql)
  if sql == "SAVEPOINT " .. SAVEPOINT then
    scope.savepoint = SAVEPOINT
  elseif sql == "RELEASE SAVEPOINT " .. SAVEPOINT then
    scope.savepoint = nil
  end
  scope.over = scope.joined and not scope.savepoint
end

local function run_steps(self, plan, scope)
  while true do
    local kind, sql, params = plan:next()
    if kind == "done" then
      return plan:outcome()
    end
    local rows, err = do_step(self, kind, sql, params)
    if rows then
      rows, err = check_names(rows)
    end
    if rows then
      plan:feed(rows, rows.columns, rows.rowcount)
      note(scope, sql)
    else
      local known = errors.is_error(err) and err or core.error("EOPERATIONAL", tostring(err))
      plan:feed_error(known.code, known.sqlstate, known.message, self:in_transaction())
    end
  end
end

-- What a function of the backend raises, a cancel among it, leaves nothing of the call behind.
local function finish_steps(self, scope, ok, ...)
  if ok then
    return ...
  end
  if not scope.over and self.raw then
    local undone, done = pcall(undo, self.database.backend, self.raw, scope.savepoint)
    if not (undone and done) then
      self:_spoil()
    end
  end
  error((...), 0)
end

local function drive(self, plan)
  local scope <close> = scope_of(self)
  scope.joined = self:in_transaction()
  scope.over = scope.joined
  plan:start(scope.joined)
  return leave_scope(scope, finish_steps(self, scope, pcall(run_steps, self, plan, scope)))
end

function Connection:_run(plan, timeout)
  check(self)
  return limited(timeout, drive, self, plan)
end

entity.install(Connection)
fetch.install(Connection)

---- Databases, each with a pool --------------------------------------------------------------

---@class millpond.BackendDatabase
local Database = { __name = "millpond.backend_database" }
Database.__index = Database

-- Who waits, the oldest first: each has a number, and takes it with it when it leaves.
local function line_up(self)
  local waiter = scheduler.event()
  local line = self.line
  line.last = line.last + 1
  waiter.number = line.last
  line.count = line.count + 1
  line[waiter.number] = waiter
  return waiter
end

local function leave(self, waiter)
  local line = self.line
  if line[waiter.number] then
    line[waiter.number] = nil
    line.count = line.count - 1
  end
end

local function first_in_line(self)
  local line = self.line
  while line.count > 0 do
    local waiter = line[line.first]
    if waiter then
      leave(self, waiter)
      return waiter
    end
    line.first = line.first + 1
  end
  return nil
end

local function discard(self, raw)
  self.size = self.size - 1
  self.backend.close(raw)
end

-- Someone may go on: hand over a connection, or the right to open one.
local function serve_next(self, raw)
  local waiter = first_in_line(self)
  if waiter then
    if not raw then
      self.size = self.size + 1
    end
    waiter.raw = raw
    waiter.served = true
    waiter.wake()
  elseif raw then
    self.idle[#self.idle + 1] = raw
  end
end

local function closed_error()
  return core.error("ECLOSED", "the pool is closed")
end

-- Make a connection in a place that was counted already.
local function open(self)
  local raw, err = self.backend.connect(self.settings)
  if raw ~= nil and self.closed then
    discard(self, raw)
    return nil, closed_error()
  elseif raw == nil then
    self.size = self.size - 1
    if not self.closed then
      serve_next(self)
    end
    return nil, err or core.error("ECONNECT", "the backend made no connection")
  end
  return setmetatable({ raw = raw, database = self }, Connection)
end

-- Waiting came to its end: what it was given, if anything.
local function after_wait(self, waiter)
  if self.closed then
    if waiter.raw then
      discard(self, waiter.raw)
    elseif waiter.served then
      self.size = self.size - 1
    end
    return nil, closed_error()
  elseif not waiter.served then
    return nil, core.error("EACQUIRE", ("no connection became free in time: %d of at most %d are "
      .. "in use"):format(self.size - #self.idle, self.max_size), true)
  elseif waiter.raw then
    return setmetatable({ raw = waiter.raw, database = self }, Connection)
  end
  return open(self)
end

--- Acquire a connection: an idle one, a new one if there is room, else the first to come back.
---@param timeout? number seconds
---@return millpond.BackendConnection? connection
---@return millpond.Error? err
function Database:connection(timeout)
  if self.closed then
    return nil, closed_error()
  end
  local raw = table.remove(self.idle)
  if raw then
    return setmetatable({ raw = raw, database = self }, Connection)
  elseif self.size < self.max_size then
    self.size = self.size + 1
    return open(self)
  end
  local waiter = line_up(self)
  local ok, failed = pcall(waiter.wait, timeout or self.acquisition_timeout)
  leave(self, waiter)
  if ok then
    return after_wait(self, waiter)
  end
  if waiter.served then -- it was cancelled: someone else's turn
    if not waiter.raw then
      self.size = self.size - 1
    end
    serve_next(self, waiter.raw)
  end
  error(failed, 0)
end

lend.install(Database)

function Database:_discard(connection)
  local raw = connection.raw
  connection.raw = nil
  local ok, err = pcall(discard, self, raw)
  if not self.closed then
    serve_next(self)
  end
  if not ok then
    error(err, 0)
  end
end

local function is_clean(connection)
  return not connection:in_transaction() or connection:rollback()
end

function Database:_take_back(connection)
  local ok, clean = true, false
  if not self.closed and not connection.spoiled then
    ok, clean = pcall(is_clean, connection)
  end
  if not (ok and clean) then
    self:_discard(connection)
    if not ok then
      error(clean, 0)
    end
    return
  end
  local raw = connection.raw
  connection.raw = nil
  serve_next(self, raw)
end

---@return table
function Database:get_pool_status()
  return { size = self.size, idle = #self.idle, in_use = self.size - #self.idle,
    waiting = self.line.count, max_size = self.max_size, closed = self.closed }
end

--- The same as db:close().
---@return true
function Database:close_pool()
  return self:close()
end

--- Close the pool: who waits gets ECLOSED, connections in use are closed as they come back.
---@return true
function Database:close()
  self.closed = true
  for waiter in first_in_line, self do
    waiter.wake()
  end
  local idle = self.idle
  self.idle = {}
  for _, raw in ipairs(idle) do
    discard(self, raw)
  end
  return true
end

---- Backends ---------------------------------------------------------------------------------

---@class millpond.Backend
---@field dialect "postgres"|"mysql"|"sqlite" whose SQL it is closest to
---@field connect fun(settings: table): any
---@field execute fun(raw: any, sql: string, params: any[]): millpond.Rows?, millpond.Error?
---@field begin fun(raw: any)
---@field commit fun(raw: any)
---@field rollback fun(raw: any)
---@field in_transaction fun(raw: any): boolean
---@field close fun(raw: any)
---@field version? fun(raw: any): table
---@field convert? fun(sql: string): string? instead of the dialect's conversion of placeholders
---@field can_return? boolean whether INSERT ... RETURNING works
---@field can_write_in_cte? boolean whether WITH x AS (INSERT ...) works
local Backend = { __name = "millpond.backend" }
Backend.__index = Backend

--- The database of some settings: those that the backend's connect() reads, and pool_max_size (20),
--- connection_acquisition_timeout (10 s), query_execution_timeout (none).
---@param settings table
---@return millpond.BackendDatabase
function Backend:create_database(settings)
  return setmetatable({
    backend = self, settings = settings, idle = {}, line = { first = 1, last = 0, count = 0 }, size = 0, closed = false,
    max_size = settings.pool_max_size or 20,
    acquisition_timeout = settings.connection_acquisition_timeout or 10,
    query_timeout = settings.query_execution_timeout,
    schema = core.new_schema(self.dialect, self.can_return, self.can_write_in_cte),
  }, Database)
end

--- Make a backend of its functions.
---@param functions table see millpond.Backend
---@return millpond.Backend
function backend.new(functions)
  for _, name in ipairs { "connect", "execute", "begin", "commit", "rollback", "in_transaction",
    "close" } do
    if type(functions[name]) ~= "function" then
      error(("a backend needs the function %s"):format(name), 2)
    end
  end
  local made = {}
  for name, value in pairs(functions) do
    made[name] = value
  end
  return setmetatable(made, Backend)
end

return backend
