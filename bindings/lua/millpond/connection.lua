-- What connections do beyond single statements.

local core = require "millpond.core"
local errors = require "millpond.errors"

---@class millpond.Connection
local methods = core.connection_methods

local function finish(connection, ok, ...)
  local first, second = ...
  if not ok or (first == nil and errors.is_error(second)) then
    connection:rollback() -- fails only if the connection or the transaction is gone already
    if not ok then
      error(first, 0)
    end
    return nil, second
  end
  local committed, err = connection:commit()
  if not committed then
    return nil, err
  end
  return ...
end

--- Call f(connection, ...) in a transaction: committed if it returns, rolled back if it raises an
--- error or returns nil and an error object.
---@param f fun(connection: millpond.Connection, ...: any): any ...
---@param ... any
---@return any ... what f returned; nil and an error object if that, beginning or committing failed
function methods:transaction(f, ...)
  local begun, err = self:begin()
  if not begun then
    return nil, err
  end
  return finish(self, pcall(f, self, ...))
end
