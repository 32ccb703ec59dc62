-- millpond: PostgreSQL, MySQL/MariaDB and SQLite through one pooled interface.
--
--     local millpond = require "millpond"
--     local db = millpond.create_database("sqlite", {database = "app.db"})
--     local conn <close> = assert(db:connection())
--     local rows = assert(conn:execute("SELECT name FROM users WHERE id = ?", {7}))
--
-- In a coroutine (millpond.run, millpond.spawn) calls wait by yielding, elsewhere by blocking.
-- Expected failures return nil and an error object; mistakes in the program raise one.

local core = require "millpond.core"
core.mark_own()
local errors = require "millpond.errors"
require "millpond.json"
require "millpond.connection"
require "millpond.fetch"
require "millpond.stream"
local database = require "millpond.database"
local entity = require "millpond.entity"
local backend = require "millpond.backend"
local resilience = require "millpond.resilience"
local scheduler = require "millpond.scheduler"
local session = require "millpond.session"
local task = require "millpond.task"

---@class millpond
local millpond = {
  version = core.version,
  null = core.null,

  create_database = database.create_database,
  from_url = database.from_url,
  close_pool = database.close_pool,
  get_pool_metrics = database.get_pool_metrics,
  default_pool_size = core.default_pool_size,
  track_leaks = database.track_leaks,
  health_check_all_pools = database.health_check_all_pools,

  get_metrics = database.get_metrics,
  prometheus = core.prometheus,
  register_serializer = entity.register_serializer,
  backend = backend.new,

  circuit_breaker = resilience.circuit_breaker,
  circuit_breakers = core.breakers,
  forget_circuit_breaker = core.forget_breaker,
  retry_with_backoff = resilience.retry_with_backoff,
  track_slow = resilience.track_slow,

  session = session.new,
  current_session = session.current,

  run = task.run,
  spawn = task.spawn,
  gather = task.gather,
  sleep = task.sleep,
  timeout = task.timeout,
  wrap = scheduler.wrap,

  fd = core.fd,
  host_timeout = scheduler.timeout_of_host,
  step = scheduler.step,

  bytes = core.bytes,
  date = core.date,
  decimal = core.decimal,
  interval = core.interval,
  time = core.time,
  timestamp = core.timestamp,
  timestamptz = core.timestamptz,
  uuid = core.uuid,

  error = errors.new,
  is_error = errors.is_error,
  error_codes = core.error_codes,
}

--- Make a table an array, also if it is empty, as a parameter or inside of one.
---@param list table
---@return table list the same
function millpond.array(list)
  return setmetatable(list, core.array_meta)
end

--- A JSON parameter of any value.
---@param value any
---@return millpond.Value
function millpond.json(value)
  return core.json_text(core.hooks.encode(value))
end

--- What is called with the library's warnings: f(level, area, message), where level is 30 for a
--- warning and 40 for an error. Unless set, Lua's warn() is, which the option -W turns on.
---@param f fun(level: integer, area: string, message: string)
function millpond.set_logger(f)
  core.hooks.log = f
end

--- What is called with the error, and the traceback as text, of a coroutine whose error nobody gets.
--- Unless set, they are written to standard error.
---@param f fun(err: any, traceback: string)
function millpond.set_error_handler(f)
  scheduler.on_error = f
end

millpond.set_logger(function(_, area, message)
  warn("millpond: ", area, ": ", message)
end)

return millpond
