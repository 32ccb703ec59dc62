-- Calls with a connection that is given back at their end. Databases of the library and of backends
-- in Lua have these methods.

local lend = {}

---@class millpond.ConnectionOptions
---@field timeout? number seconds to wait for a free connection
---@field read_only? boolean the database refuses writes; a replica may serve it
---@field consistency? "strong"|"session"|"eventual"|number how fresh reads are; a number: at most so many seconds old
---@field session? millpond.Session that notes what is seen; nil: the coroutine's own

---@class millpond.Database
local methods = {}

local function lend_to(self, in_transaction, options, f, ...)
  local connection <close>, err = self:connection(options)
  if not connection then
    return nil, err
  elseif in_transaction then
    return connection:transaction(f, ...)
  end
  return f(connection, ...)
end

--- Call f(connection, ...) with a connection that is given back at its end. A table of options may
--- come before f: db:with_connection({ read_only = true }, f).
---@param f fun(connection: millpond.Connection, ...: any): any ...
---@param ... any
---@return any ... what f returned; nil and an error object if none could be acquired
function methods:with_connection(f, ...)
  if type(f) == "table" then
    return lend_to(self, false, f, ...)
  end
  return lend_to(self, false, nil, f, ...)
end

--- Call f(connection, ...) in a transaction on a connection that is given back at its end: committed
--- if it returns, rolled back if it raises an error or returns nil and an error object. A table of
--- options may come before f: db:transaction({ read_only = true }, f).
---@param f fun(connection: millpond.Connection, ...: any): any ...
---@param ... any
---@return any ... what f returned; nil and an error object if that, acquiring, beginning or
--- committing failed
function methods:transaction(f, ...)
  if type(f) == "table" then
    return lend_to(self, true, f, ...)
  end
  return lend_to(self, true, nil, f, ...)
end

--- Give a class of databases these methods. It must have connection().
---@param class table
function lend.install(class)
  for name, method in pairs(methods) do
    class[name] = method
  end
end

return lend
