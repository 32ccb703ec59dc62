-- What connections do beyond single statements.

local core = require "millpond.core"
local errors = require "millpond.errors"

---@class millpond.Connection
local methods = core.connection_methods

-- A task that was cancelled waits for no silent server: seconds, after which the connection is
-- closed unless the server answers in the time that it has to stop a statement.
local AT_ONCE = 0.001

-- What is still open is rolled back; the caller has an error already, which is what it must see.
-- A backend's own connection that cannot do it is not used again.
local function undo(connection, err)
  local cancelled = errors.is_error(err) and err.code == "ECANCELLED"
  local ok, done = pcall(function()
    return not connection:in_transaction() or connection:rollback(cancelled and AT_ONCE or nil)
  end)
  if connection._spoil and not (ok and done) then
    connection:_spoil()
  end
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

--- Call f(connection, ...) in a transaction: committed if it returns, rolled back if it raises an
--- error or returns nil and an error object.
---@param f fun(connection: millpond.Connection, ...: any): any ...
---@param ... any
---@return any ... what f returned; nil and an error object if that, beginning or committing failed
function methods:transaction(f, ...)
  local ended, begun, err = pcall(self.begin, self)
  if not ended then -- perhaps after it had begun
    undo(self)
    error(begun, 0)
  elseif not begun then
    return nil, err
  end
  return finish(self, pcall(f, self, ...))
end
