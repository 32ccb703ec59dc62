-- What connections do beyond single statements.

local core = require "millpond.core"
local errors = require "millpond.errors"

---@class millpond.Connection
local methods = core.connection_methods

-- A task that was cancelled waits for no silent server: seconds, after which the connection is
-- closed unless the server answers in the time that it has to stop a statement.
local AT_ONCE = 0.001

-- What is still open is rolled back; the caller has an error already, which is what it must see.
local function undo(connection, err)
  local cancelled = errors.is_error(err) and err.code == "ECANCELLED"
  pcall(function()
    return not connection:in_transaction() or connection:rollback(cancelled and AT_ONCE or nil)
  end)
end

local function finish(connection, ok, ...)
  local first, second = ...
  if not ok or (first == nil and errors.is_error(second)) then
    undo(connection, not ok and first or nil)
    if not ok then
      error(first, 0)
    end
    return nil, second
  end
  local ended, committed, err = pcall(connection.commit, connection)
  if ended and committed then
    return ...
  end
  undo(connection)
  if not ended then
    error(committed, 0)
  end
  return nil, err
end

---- Savepoints --------------------------------------------------------------------------------

local depths = setmetatable({}, { __mode = "k" }) -- how many are open, by connection

-- Undo what came after a savepoint. Where that fails the whole transaction is undone, so that nobody
-- commits the half of it.
local function undo_to(connection, name, err)
  local cancelled = errors.is_error(err) and err.code == "ECANCELLED"
  local options = cancelled and { timeout = AT_ONCE } or nil
  local ok, done = pcall(function()
    return not connection:in_transaction() -- the database has rolled it back by itself
      or connection:execute("ROLLBACK TO SAVEPOINT " .. name, nil, options)
  end)
  if not (ok and done) then
    undo(connection, err)
    return
  end
  pcall(function() -- one that stays open does no harm
    return connection:in_transaction()
      and connection:execute("RELEASE SAVEPOINT " .. name, nil, options)
  end)
end

local function leave_savepoint(connection, name, ok, ...)
  depths[connection] = depths[connection] - 1
  local first, second = ...
  if not ok or (first == nil and errors.is_error(second)) then
    undo_to(connection, name, not ok and first or nil)
    if not ok then
      error(first, 0)
    end
    return nil, second
  end
  local ended, released, err = pcall(connection.execute, connection, "RELEASE SAVEPOINT " .. name)
  if ended and released then
    return ...
  end
  undo_to(connection, name, not ended and released or nil)
  if not ended then
    error(released, 0)
  end
  return nil, err
end

local function in_savepoint(connection, f, ...)
  local depth = (depths[connection] or 0) + 1
  local name = "millpond_" .. depth
  local set, err = connection:execute("SAVEPOINT " .. name)
  if not set then
    return nil, err
  end
  depths[connection] = depth
  return leave_savepoint(connection, name, pcall(f, connection, ...))
end

---- Transactions ------------------------------------------------------------------------------

-- A coroutine that is closed in a transaction cannot wait for its end: what is open is rolled back
-- before whatever comes next on the connection.
local Scope = {}
function Scope:__close(err)
  if err == nil and not self.over then
    self.connection:_leave()
  end
end

local function leave(scope, ...)
  scope.over = true
  return ...
end

--- Call f(connection, ...) in a transaction: committed if it returns, rolled back if it raises an
--- error or returns nil and an error object. Inside an open transaction it makes a savepoint, and a
--- failure undoes only what came after it.
---@param f fun(connection: millpond.Connection, ...: any): any ...
---@param ... any
---@return any ... what f returned; nil and an error object if that, beginning or committing failed
function methods:transaction(f, ...)
  local inside = self:in_transaction()
  local scope <close> = setmetatable({ connection = self }, Scope)
  if inside then
    return leave(scope, in_savepoint(self, f, ...))
  end
  depths[self] = nil
  local ended, begun, err = pcall(self.begin, self)
  if not ended then -- perhaps after it had begun
    undo(self)
    error(begun, 0)
  elseif not begun then
    return leave(scope, nil, err)
  end
  return leave(scope, finish(self, pcall(f, self, ...)))
end

---- Backends ----------------------------------------------------------------------------------

--- What connect() of a backend in Lua returned for this connection; nil for those of the library's
--- own drivers. Leave transactions to the connection: the library does not see those that are begun
--- or ended on this.
---@return any
function methods:raw()
  return core.hooks.raw(self:_host())
end
