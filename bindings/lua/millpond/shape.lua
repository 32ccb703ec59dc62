-- How the rows of a backend in Lua look: what the C side does for the library's own connections.

local null = require("millpond.core").null

local function named(row, columns, count)
  local made = {}
  for i = 1, count do
    made[columns[i]] = row[i]
  end
  return made
end

-- The row with nil in place of null; as a list with its length in n.
local function without_null(row, count, is_list)
  for key, value in pairs(row) do
    if value == null then
      row[key] = nil
    end
  end
  if is_list then
    row.n = count
  end
end

--- Give rows the shape that the options ask for.
---@param rows millpond.Rows
---@param options millpond.ExecuteOptions
---@return millpond.Rows rows the same
return function(rows, options)
  local columns = rows.columns
  if not (options.named and columns or options.null_as_nil) then
    return rows
  end
  for i, row in ipairs(rows) do
    local count = columns and #columns or #row
    if options.named and columns then
      row = named(row, columns, count)
      rows[i] = row
    end
    if options.null_as_nil then
      without_null(row, count, not (options.named and columns))
    end
  end
  return rows
end
