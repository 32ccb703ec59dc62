-- Calls with a connection that is given back at their end. Databases of the library and of backends
-- in Lua have these methods.

local lend = {}

---@class millpond.Database
local methods = {}

--- Call f(connection, ...) with a connection that is given back at its end.
---@param f fun(connection: millpond.Connection, ...: any): any ...
---@param ... any
---@return any ... what f returned; nil and an error object if none could be acquired
function methods:with_connection(f, ...)
  local connection <close>, err = self:connection()
  if not connection then
    return nil, err
  end
  return f(connection, ...)
end

--- Call f(connection, ...) in a transaction on a connection that is given back at its end: committed
--- if it returns, rolled back if it raises an error or returns nil and an error object.
---@param f fun(connection: millpond.Connection, ...: any): any ...
---@param ... any
---@return any ... what f returned; nil and an error object if that, acquiring, beginning or
--- committing failed
function methods:transaction(f, ...)
  local connection <close>, err = self:connection()
  if not connection then
    return nil, err
  end
  return connection:transaction(f, ...)
end

--- Give a class of databases these methods. It must have connection().
---@param class table
function lend.install(class)
  for name, method in pairs(methods) do
    class[name] = method
  end
end

return lend
