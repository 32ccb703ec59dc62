-- One row, or one value, of a statement. Connections of the library and of backends in Lua have
-- these methods.

local core = require "millpond.core"

local fetch = {}

---@class millpond.Connection
local methods = {}

--- The first row of a statement, or nil where there is none. The other rows are read and dropped:
--- write LIMIT 1 where there may be many.
---@param sql string
---@param params? any[]
---@param options? millpond.ExecuteOptions
---@return any[]|table|nil row nil and no error object: there is no row
---@return millpond.Error? err
function methods:fetch_one(sql, params, options)
  local rows, err = self:execute(sql, params, options)
  if not rows then
    return nil, err
  end
  return rows[1]
end

--- The first column of the first row: millpond.null for NULL, nil where there is no row.
---@param sql string
---@param params? any[]
---@param options? millpond.ExecuteOptions
---@return any value nil and no error object: there is no row
---@return millpond.Error? err
function methods:fetch_value(sql, params, options)
  local rows, err = self:execute(sql, params, options)
  if not rows then
    return nil, err
  end
  local row = rows[1]
  if not row then
    return nil
  end
  if options and options.named then
    return row[rows.columns[1]]
  end
  return row[1]
end

--- Give a class of connections these methods. It must have execute().
---@param class table
function fetch.install(class)
  for name, method in pairs(methods) do
    class[name] = method
  end
end

fetch.install(core.connection_methods)

return fetch
