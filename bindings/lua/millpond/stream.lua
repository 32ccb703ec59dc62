-- Rows one by one, in memory that stays flat however many there are.

local core = require "millpond.core"

local methods = core.connection_methods

---@class millpond.Stream
---@field columns? string[] names of the columns, once the first row was read
local Stream = { __name = "millpond.stream" }
Stream.__index = Stream

local function take(self, rows, err)
  if not rows then
    self.open = false
    error(err, 0)
  end
  self.open = rows.more or false
  self.columns = rows.columns
  self.rows = rows
  self.at = 1
  return rows[1]
end

local function next_batch(self)
  local connection, options = self.connection, self.options
  if not self.begun then
    self.begun = true
    self.open = true
    return take(self, connection:_stream(self.sql, self.params, options))
  elseif self.open then
    options = options or {}
    return take(self,
      connection:_fetch(options.timeout, options.named, options.null_as_nil))
  end
end

-- The next row, or nil after the last. Raises the error object of a batch that fails.
function Stream:__call()
  local at = self.at + 1
  local row = self.rows[at]
  if row then
    self.at = at
    return row
  end
  return next_batch(self)
end

--- End the stream; the rest of the rows is not read. Closing twice is no error.
function Stream:close()
  self.begun = true
  self.rows = {}
  if self.open then
    self.open = false
    self.connection:_end_stream()
  end
end

Stream.__close = Stream.close
Stream.__gc = Stream.close

--- The rows of a statement: for row in conn:stream(sql) do ... end. Leaving the loop early ends the
--- stream. While it is open, other statements on this connection fail.
---@param sql string
---@param params? any[]
---@param options? millpond.StreamOptions timeout counts for each batch
---@return millpond.Stream, nil, nil, millpond.Stream
function methods:stream(sql, params, options)
  if type(sql) ~= "string" then
    core.complain("sql must be a string, not a " .. type(sql))
  end
  local stream = setmetatable({
    connection = self, sql = sql, params = params, options = options, rows = {}, at = 0,
  }, Stream)
  return stream, nil, nil, stream
end
