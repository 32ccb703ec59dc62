-- Backends written in Lua: any database that a program can reach gets pools, timeouts, breakers,
-- metrics, leak reports, tags and entities by a few functions.
--
--     local oracle = millpond.backend {
--       dialect = "postgres",                       -- whose SQL it is closest to
--       connect = function(settings) ... return raw end,
--       execute = function(raw, sql, params) ... return {{1, "a"}, columns = {"id", "name"}} end,
--       begin = function(raw) end, commit = ..., rollback = ..., in_transaction = ..., close = ...,
--     }
--     local db = oracle:create_database {database = "x"}
--
-- Each function may fail by returning nil and an error object of millpond.error(). They run in
-- coroutines, and may wait with whatever waits in the program's own.

local core = require "millpond.core"
local database = require "millpond.database"
local errors = require "millpond.errors"
local scheduler = require "millpond.scheduler"
local task = require "millpond.task"

local backend = {}

local hosts = {} -- the open connections, by id: raw, source, and the failure of the last request
local sources = {} -- the databases that open them, by id: backend, settings, and what is open
local tasks = {} -- that do what the library asks, by number of the request
local last_source = 0

---- What the library asks ---------------------------------------------------------------------

-- A function of the backend failed: what it returned or raised itself goes to the caller.
local function fail(err, message)
  error({ returned = err == nil and core.error("EOPERATIONAL", message) or err }, 0)
end

local function call(own, verb, raw)
  local ok, err = own[verb](raw)
  if ok == false or err ~= nil then
    fail(err, ("the backend's %s() failed"):format(verb))
  end
end

local function execute(host, number, sql, params)
  local own = host.source.backend
  if own.convert then
    local native, err = own.convert(sql)
    if not native then
      fail(err, "the backend's convert() gave no statement")
    end
    sql = native
  end
  local rows, err = own.execute(host.raw, sql, params)
  if not rows then
    fail(err, "the backend's execute() returned neither rows nor an error")
  elseif rows[1] and not rows.columns and core.request_is_step(number) then
    fail(core.error("ENOTSUPPORTED", "the backend's execute() returned rows without the names of "
      .. "their columns: return {{1, \"a\"}, columns = {\"id\", \"name\"}}"))
  end
  return rows
end

local asked = {}

function asked.open(_, number, source)
  local raw, err = source.backend.connect(source.settings)
  if raw == nil then
    fail(err or core.error("ECONNECT", "the backend made no connection"))
  end
  hosts[number] = { raw = raw, source = source }
  source.open = source.open + 1
end

function asked.execute(host, number)
  return execute(host, number, core.request_sql(number, host.source.backend.convert ~= nil))
end

local function each_row(host, number, sql, rows)
  local all = { rowcount = 0 }
  for i, row in ipairs(rows) do
    local ok, result = pcall(execute, host, number, sql, row)
    if not ok then
      local err = type(result) == "table" and result.returned
      if errors.is_error(err) then
        err.message = ("row %d: %s"):format(i - 1, err.message)
      end
      error(result, 0)
    end
    all.columns = result.columns or all.columns
    all.rowcount = all.rowcount + math.max(result.rowcount or 0, 0)
    table.move(result, 1, #result, #all + 1, all)
  end
  return all
end

function asked.execute_many(host, number)
  local own, raw = host.source.backend, host.raw
  local sql, rows = core.request_sql(number, own.convert ~= nil)
  if own.in_transaction(raw) then
    return each_row(host, number, sql, rows)
  end
  local ok, result = pcall(function()
    call(own, "begin", raw)
    local all = each_row(host, number, sql, rows)
    call(own, "commit", raw)
    return all
  end)
  if not ok then
    host.broken = own.in_transaction(raw) and not pcall(call, own, "rollback", raw)
    error(result, 0)
  end
  return result
end

for _, verb in ipairs { "begin", "commit", "rollback", "reset" } do
  asked[verb] = function(host)
    host.broken = verb == "rollback" -- unless it succeeds
    call(host.source.backend, verb, host.raw)
    host.broken = nil
  end
end

function asked.ping(host)
  local own = host.source.backend
  if own.ping then
    return call(own, "ping", host.raw)
  end
  local rows, err = own.execute(host.raw, "SELECT 1", {})
  if not rows then
    fail(err, "the backend's execute() returned neither rows nor an error")
  end
end

---- Answers -----------------------------------------------------------------------------------

-- What the library is told of a failure: code, SQLSTATE, message.
local function told(what, err, raised)
  if errors.is_error(err) and core.error_codes[err.code] then
    return err.code, err.sqlstate, tostring(err.message)
  end
  return what == "open" and "ECONNECT" or raised and "EINTERNAL" or "EOPERATIONAL", nil, tostring(err)
end

-- What was raised here is either { returned = err } of fail(), or what a function raised.
local function failed(what, number, host, problem)
  local raised = not (type(problem) == "table" and problem.returned ~= nil)
  local err = raised and problem or problem.returned
  local code, sqlstate, message = told(what, err, raised)
  local ok, open
  if host then
    host.failure = { value = err, raised = raised, code = code, message = message }
    ok, open = pcall(host.source.backend.in_transaction, host.raw)
  end
  core.finish_request(number, ok and (open or false) or nil, code, sqlstate, message,
    host and host.broken)
end

local function succeeded(number, host, rows)
  if rows then
    core.set_rows(number, rows, rows.columns, rows.rowcount, rows.lastrowid)
  end
  core.finish_request(number, host.source.backend.in_transaction(host.raw) or false)
end

local function opened(number, source)
  local own = source.backend
  local version = own.version and own.version(hosts[number].raw) or {}
  core.request_opened(number, version.db_server_version, version.db_driver or own.name)
end

local function answer(what, id, number)
  local host, source = hosts[id], sources[id]
  local ok, result = pcall(asked[what], host, number, source)
  if ok and what == "open" then
    ok, result = pcall(opened, number, source)
  elseif ok then
    ok, result = pcall(succeeded, number, host, result)
  end
  tasks[number] = nil
  if not ok then
    failed(what, number, host, result)
  end
end

-- The library's connection is closed already, and nobody waits for an answer.
local function close(id)
  local host = hosts[id]
  local source = host.source
  hosts[id] = nil
  local ok, err = pcall(source.backend.close, host.raw)
  source.open = source.open - 1
  if source.on_close and source.open == 0 then
    source.on_close.wake()
  end
  if not ok and core.hooks.log then
    core.hooks.log(30, "backend", "closing a connection failed: " .. tostring(err))
  end
end

local function stop(number)
  local doing = tasks[number]
  local begun = doing and not doing.start
  if doing then
    doing:cancel()
  end
  if doing and not begun then
    tasks[number] = nil
    core.finish_request(number, nil, "ECANCELLED", nil, "stopped before it began")
  end
end

-- Begin all that the library asks for.
local function serve()
  for what, id, number in core.next_request do
    if what == "forget" then
      sources[id] = nil
    elseif what == "stop" then
      stop(number)
    elseif what == "close" then
      task.serve(close, id)
    else
      local ok, started = pcall(task.serve, answer, what, id, number)
      if not ok then
        core.finish_request(number, nil, "ENOMEM")
        error(started, 0)
      end
      tasks[number] = started
    end
  end
end

-- What a function of the backend returned or raised, if that is why a call of its connection failed.
core.hooks.explain = function(id, code, message)
  local host = hosts[id]
  local failure = host and host.failure
  if not failure or failure.code ~= code or failure.message ~= message or code == "ECANCELLED" then
    return nil
  end
  host.failure = nil
  if failure.raised then
    error(failure.value, 0)
  end
  return failure.value
end

core.hooks.raw = function(id)
  return hosts[id] and hosts[id].raw
end

---- Backends ----------------------------------------------------------------------------------

---@class millpond.Backend
---@field name? string what metrics call it
---@field dialect "postgres"|"mysql"|"sqlite" whose SQL it is closest to
---@field connect fun(settings: table): any
---@field execute fun(raw: any, sql: string, params: any[]): millpond.Rows?, millpond.Error?
---@field begin fun(raw: any)
---@field commit fun(raw: any)
---@field rollback fun(raw: any)
---@field in_transaction fun(raw: any): boolean
---@field close fun(raw: any)
---@field ping? fun(raw: any) fails if the connection is of no use; without it SELECT 1 is executed
---@field reset? fun(raw: any) makes the session as new; without it a changed session is closed
---@field version? fun(raw: any): table called when a connection was opened
---@field convert? fun(sql: string): string? instead of the dialect's conversion of placeholders
---@field can_return? boolean whether INSERT ... RETURNING works
---@field can_write_in_cte? boolean whether WITH x AS (INSERT ...) works
local Backend = { __name = "millpond.backend" }
Backend.__index = Backend

-- What the pool reads of the settings; connect() gets all of them.
local function pool_settings(own, settings, id)
  local all = { database = tostring(own.name or "backend"), pool_max_size = 20, connection_acquisition_timeout = 10,
    query_execution_timeout = 0 }
  for name, value in pairs(settings) do
    if type(name) == "string" and (type(value) ~= "table" and type(value) ~= "userdata"
      and type(value) ~= "function" and type(value) ~= "thread") then
      all[name] = value
    end
  end
  all.backend = id
  return all
end

local function close_database(self, timeout)
  local ok, err = getmetatable(self).close(self, timeout)
  local source = sources[self.source_id]
  if source and source.open > 0 then -- its close() may wait for something
    source.on_close = scheduler.event()
    source.on_close.wait(timeout or 60)
  end
  return ok, err
end

--- The database of some settings: those that the backend's connect() reads, and those of all
--- databases, with other defaults: pool_max_size (20), connection_acquisition_timeout (10 s),
--- query_execution_timeout (none). Each has a pool of its own.
---@param settings table
---@return millpond.Database
function Backend:create_database(settings)
  local id = last_source + 1
  last_source = id
  local config = assert(database.make_config(self.driver, pool_settings(self, settings, id)))
  sources[id] = { backend = self, settings = settings, open = 0 }
  config:host(id)
  local made = database.new(self.driver, config, settings)
  made.backend, made.source_id, made.close = self, id, close_database
  return made
end

--- Make a backend of its functions.
---@param functions table see millpond.Backend
---@return millpond.Backend
function backend.new(functions)
  local made = setmetatable({}, Backend)
  for name, value in pairs(functions) do
    made[name] = value
  end
  for _, name in ipairs { "connect", "execute", "begin", "commit", "rollback", "in_transaction",
    "close" } do
    if type(made[name]) ~= "function" then
      error(("a backend needs the function %s"):format(name), 2)
    end
  end
  local name = tostring(made.name or "backend"):gsub("[%s\"\\]", "_"):sub(1, 100)
  made.driver = ("lua:%s:%s%s%s%s"):format(name, tostring(made.dialect),
    made.can_return and "+return" or "", made.can_write_in_cte and "+cte" or "",
    made.reset and "+reset" or "")
  core.register_backend(made.driver, made.name or "other_sql", made.dialect, made.can_return,
    made.can_write_in_cte, made.reset ~= nil)
  scheduler.serve = serve
  return made
end

return backend
