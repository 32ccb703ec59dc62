-- Databases: what a program opens, and gets connections from.

local core = require "millpond.core"
local lend = require "millpond.lend"
local session = require "millpond.session"
local task = require "millpond.task"

local database = {}

local kinds = {
  postgres = "postgres", postgresql = "postgres", mysql = "mysql", mariadb = "mysql",
  sqlite = "sqlite", fake = "fake",
}

---@class millpond.Database
local Database = { __name = "millpond.database" }
Database.__index = Database

local settings_of = setmetatable({}, { __mode = "k" }) -- not a field, so that nothing prints it

---- Make -------------------------------------------------------------------------------------

function database.make_config(kind, settings)
  local config, err = core.config(kind)
  if not config then
    return nil, err
  end
  for key, value in pairs(settings) do
    local ok, wrong = pcall(config.set, config, key, value)
    if not ok then
      error(wrong, 0)
    end
  end
  return config
end

--- The database of a kind, not yet connected.
---@param kind "postgres"|"mysql"|"sqlite"|string
---@param settings table database, host, port, user, password, ...
---@return millpond.Database? database nil, and an error object, if this build lacks the driver
---@return millpond.Error? err
function database.create_database(kind, settings)
  local driver = type(kind) == "string" and kinds[kind:lower()]
  if not driver then
    error(core.error("EINVAL", ("unknown database type %s: use one of postgres, mysql, sqlite")
      :format(tostring(kind))), 0)
  elseif type(settings) ~= "table" then
    error(core.error("EINVAL", "settings must be a table such as {database = \"app.db\"}"), 0)
  end
  local config, err = database.make_config(driver, settings)
  if not config then
    return nil, err
  end
  return database.new(driver, config, settings)
end

--- The database of a config.
---@return millpond.Database
function database.new(kind, config, settings)
  config:check()
  local self = setmetatable({ native_config = config, kind = kind }, Database)
  settings_of[self] = settings
  self:pool()
  return self
end

--- The database of a URL: postgres://user:password@host/name?sslmode=require, mysql://...,
--- sqlite:///app.db.
---@param url string
---@param settings? table more settings; they win over the URL's
---@return millpond.Database? database
---@return millpond.Error? err
function database.from_url(url, settings)
  if type(url) ~= "string" then
    core.complain("url must be a string such as \"sqlite:///app.db\", not a " .. type(url))
  elseif settings ~= nil and type(settings) ~= "table" then
    core.complain("settings must be a table such as {pool_max_size = 4}, not a " .. type(settings))
  end
  local found = core.parse_url(url)
  local kind = found.driver
  found.driver = nil
  for key, value in pairs(settings or {}) do
    found[key] = value
  end
  return database.create_database(kind, found)
end

-- Where connections were acquired, by id: set by track_leaks().
local stacks = {}
local tracking = false

--- Remember where connections are acquired, for check_for_leaked_connections(); it costs a
--- traceback for each.
---@param on boolean
function database.track_leaks(on)
  tracking = on
  stacks = {}
end

---- Connections ------------------------------------------------------------------------------

--- The pool of this database's settings, made anew if it was closed.
---@return millpond.Pool
function Database:pool()
  local pool = self.native_pool
  if not pool or pool:closed() then
    pool = self.native_config:pool()
    self.native_pool = pool
  end
  return pool
end

--- Acquire a connection: local conn <close> = db:connection(), or give it back with conn:release().
---@param timeout? number|millpond.ConnectionOptions seconds to wait for a free one; nil:
--- connection_acquisition_timeout; or a table of options
---@return millpond.Connection? connection
---@return millpond.Error? err
function Database:connection(timeout)
  if session.used then
    timeout = session.with_current(timeout)
  end
  local connection, err = self.native_pool:acquire(timeout)
  if not connection and err.code == "ECLOSED" and self.native_pool:closed() then
    connection, err = self:pool():acquire(timeout) -- of a new one
  end
  if tracking and connection then
    stacks[connection:id()] = debug.traceback("", 2)
  end
  return connection, err
end

lend.install(Database)

---- Settings ---------------------------------------------------------------------------------

--- Host, port, database, user and password, by these names.
---@return table
function Database:config()
  local settings = settings_of[self]
  return {
    host = settings.host, port = settings.port, database = settings.database,
    user = settings.user, password = settings.password,
  }
end

--- Name of the database.
---@return string
function Database:database()
  return self.native_config:get("database")
end

--- Friendly name of the connection: the database's unless set.
---@return string
function Database:alias()
  return self.native_config:get("alias") or self:database()
end

---@return string? host nil for the database's own default
function Database:host()
  return self.native_config:get("host")
end

---@return integer|string? port a list where hosts differ in it; nil for the database's own default
function Database:port()
  local port = self.native_config:get("port")
  return math.tointeger(tonumber(port)) or port
end

--- The environment, such as "prod".
---@return string
function Database:env()
  return self.native_config:get("env") or "prod"
end

--- MD5 of all settings except the password: the pool's key.
---@return string
function Database:hash()
  return self.native_config:hash()
end

function Database:__tostring()
  return ("millpond.database: %s %s"):format(self.kind, self:alias())
end

---- Pools ------------------------------------------------------------------------------------

--- The pool's state: initialized, alias, hash, env, closed, sizes, counts, and `scaling`: the load of
--- the last minute, and what to do about it.
---@return table
function Database:get_pool_status()
  local status = self:pool():status()
  status.initialized = status.created > 0
  status.alias = self:alias()
  status.hash = self:hash()
  status.env = self:env()
  status.scaling = core.scaling(self:pool())
  return status
end

--- All numbers of the pool: counts, gauges, and durations of acquiring, connecting and queries.
---@return table
function Database:get_metrics()
  return core.metrics(self:pool())
end

--- What is known of each server of the database, in the order of its hosts: address, region, role
--- ("primary", "replica" or "unknown"), is_primary, is_healthy, problem, position, lag_seconds,
--- lag_bytes, and counts such as reads, fallbacks, waits and ejections. Asks no server.
---@return table[]
function Database:nodes()
  return self:pool():nodes()
end

--- Connections that have been in use for longer: a list of {connection_id =, seconds =, stack =},
--- the stack only if track_leaks() is on. Nothing is taken from whoever has them.
---@param threshold? number seconds, 300 if nil
---@return { connection_id: integer, seconds: number, stack?: string }[]
function Database:check_for_leaked_connections(threshold)
  local leases = self:pool():leases(threshold or 300)
  for _, lease in ipairs(leases) do
    lease.stack = stacks[lease.connection_id]
  end
  return leases
end

--- Close the pool of this database, and no other pool: see millpond.close_pool(). Closing twice is
--- no error. A later use makes a new pool.
---@param timeout? number seconds that connections in use get to come back, 60 if nil
---@return true? ok
---@return millpond.Error? err
function Database:close(timeout)
  local pool = self.native_pool
  if not pool or pool:closed() then
    return true
  end
  return pool:close(timeout or 60)
end

--- The same as db:close().
---@param timeout? number seconds, 60 if nil
---@return true? ok
---@return millpond.Error? err
function Database:close_pool(timeout)
  return self:close(timeout)
end

-- The pools, and their names: the hash, with "-2" and so on behind it for those that differ in the
-- password alone. `hash`: of all pools that are meant, or the name of one; nil for all.
local function pools_of(hash)
  local found, names, seen = {}, {}, {}
  for _, pool in ipairs(core.pools()) do
    local own = pool:hash()
    seen[own] = (seen[own] or 0) + 1
    local name = seen[own] == 1 and own or own .. "-" .. seen[own]
    if not hash or hash == own or hash == name then
      found[#found + 1] = pool
      names[#found] = name
    end
  end
  return found, names
end

--- Close the pools that a hash names. Without a hash: close all pools of this process; db:close()
--- closes the pool of one database. A closing pool lends no connection. Connections in use may come
--- back until the time is over; then those idle in a healthy transaction are committed, running
--- statements cancelled, and all are closed. A later use makes a new pool.
---@param hash? string db:hash(): all pools that differ in the password alone; nil: all pools
---@param timeout? number seconds, 60 if nil
---@return true? ok
---@return millpond.Error? err
function database.close_pool(hash, timeout)
  local closing = {}
  local pools = pools_of(hash)
  for i, pool in ipairs(pools) do
    closing[i] = function()
      return pool:close(timeout or 60)
    end
  end
  local _, errors = task.gather(closing)
  if errors then
    local _, err = next(errors)
    return nil, err
  end
  return true
end

--- Find out whether each pool can serve: a table of true or false by hash, and one of errors for
--- those that cannot.
---@param timeout? number seconds for each
---@return table<string, boolean> health
---@return table<string, millpond.Error> errors
function database.health_check_all_pools(timeout)
  local checks, health, errors = {}, {}, {}
  local pools, names = pools_of()
  for i, pool in ipairs(pools) do
    checks[i] = function()
      local ok, err = pool:check(timeout)
      health[names[i]] = ok or false
      errors[names[i]] = err
      return true
    end
  end
  task.gather(checks)
  return health, errors
end

--- Counts of one pool, or a table of them by hash.
---@param hash? string
---@return table
function database.get_pool_metrics(hash)
  local metrics = {}
  local pools, names = pools_of(hash)
  for i, pool in ipairs(pools) do
    metrics[names[i]] = pool:status()
  end
  if hash then
    return metrics[hash] or {}
  end
  return metrics
end

--- All numbers of the process, of all pools together: see db:get_metrics().
---@return table
function database.get_metrics()
  return core.metrics()
end

return database
