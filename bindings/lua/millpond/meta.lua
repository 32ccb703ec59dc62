---@meta millpond.core
-- For the Lua language server: what the C side of the module has. Not loaded by any program.

error("this file describes millpond.core, and cannot be run")

local core = {}

---@type lightuserdata
core.null = nil

---- Options ----------------------------------------------------------------------------------

---@class millpond.ExecuteOptions
---@field timeout? number seconds for the whole call, the server's work included
---@field tags? table<string, any> sent as a comment in the statement
---@field named? boolean rows as {name = value} instead of lists
---@field null_as_nil? boolean NULL is nil instead of millpond.null; a list then has its length in n

---@class millpond.StreamOptions: millpond.ExecuteOptions
---@field batch? integer rows that are read from the database at a time (1000)

---@class millpond.Rows rows in order, each a list of values, or a table by name
---@field columns string[]
---@field rowcount integer rows that were written, or returned by a read; -1 if unknown
---@field lastrowid? integer the id that an insert made

---- Connections ------------------------------------------------------------------------------

--- A lease of a pooled connection. To be closed: local conn <close> = db:connection().
---@class millpond.Connection
local Connection = {}

--- Execute one statement with ? placeholders. Raises an error object for mistakes: parameters of
--- the wrong number or type, a connection that was given back.
---@param sql string
---@param params? any[] values; NULL is millpond.null, or nil in a table with n
---@param options? millpond.ExecuteOptions
---@return millpond.Rows? rows
---@return millpond.Error? err
function Connection:execute(sql, params, options) end

--- Execute one statement for each row of values: all or nothing. The message of an error names the
--- failing row, from 0.
---@param sql string
---@param rows any[][]
---@param options? millpond.ExecuteOptions
---@return millpond.Rows? rows
---@return millpond.Error? err
function Connection:executemany(sql, rows, options) end

--- Begin a transaction. See also conn:transaction().
---@param timeout? number seconds
---@return true? ok
---@return millpond.Error? err
function Connection:begin(timeout) end

--- Commit. An error with code "EUNKNOWN" says that the connection was lost before the answer came.
---@param timeout? number seconds
---@return true? ok
---@return millpond.Error? err
function Connection:commit(timeout) end

--- Roll back.
---@param timeout? number seconds
---@return true? ok
---@return millpond.Error? err
function Connection:rollback(timeout) end

--- Whether a transaction is open, as the server or library reports it.
---@return boolean
function Connection:in_transaction() end

---@return { db_server_version: string, db_driver: string }
function Connection:get_version_details() end

--- A number that no two open connections share; 0 once it was given back.
---@return integer
function Connection:id() end

--- The number of the server that it leads to, as in db:nodes().
---@return integer
function Connection:node() end

--- Whether the session was opened or reset since set_up() was called for it.
---@return boolean
function Connection:is_fresh() end

--- Say that the program has made its settings of the session, which then stay.
function Connection:set_up() end

--- Give the connection back to its pool; an open transaction is rolled back, with a warning.
function Connection:release() end

--- Close the connection itself instead of giving it back. Closing twice is no error.
function Connection:close() end

---- Sessions ---------------------------------------------------------------------------------

---@class millpond.Session
local Session = {}

--- The session as text, for a cookie or another process.
---@return string
function Session:token() end

--- Let the session have seen what a token says, too.
---@param token string
function Session:merge(token) end

---- Pools ------------------------------------------------------------------------------------

---@class millpond.Pool
local Pool = {}

---@param timeout? number|millpond.ConnectionOptions seconds
---@return millpond.Connection? connection
---@return millpond.Error? err
function Pool:acquire(timeout) end

---@return table[]
function Pool:nodes() end

---@param timeout? number seconds
---@return true? ok
---@return millpond.Error? err
function Pool:close(timeout) end

---@param timeout? number seconds
---@return true? ok
---@return millpond.Error? err
function Pool:check(timeout) end

---@param seconds number
---@return { connection_id: integer, seconds: number }[]
function Pool:leases(seconds) end

---@return table<string, integer|boolean>
function Pool:status() end

--- True once closing is over.
---@return boolean
function Pool:closed() end

---@return string
function Pool:hash() end

---- Breakers ---------------------------------------------------------------------------------

---@class millpond.Breaker
local Breaker = {}

--- Whether a call may be made now; its outcome must then be recorded.
---@return integer? ticket
---@return millpond.Error? err
function Breaker:allow() end

---@param ticket integer
---@param outcome "success"|"failure"|"cancelled"
function Breaker:record(ticket, outcome) end

---@return { name: string, state: string, recent_failures: integer, probes: integer, failures: integer, refused: integer, opened: integer, retry_after: number }
function Breaker:status() end

--- Close it and forget the failures.
function Breaker:reset() end

---- Values -----------------------------------------------------------------------------------

--- A value that Lua has no type for. It cannot be changed; tostring() gives it as text; values of
--- one type compare with == and, dates, times and decimals, with < and <=.
---@class millpond.Value
---@field type "decimal"|"date"|"time"|"timestamp"|"timestamptz"|"interval"|"uuid"|"bytes"|"json"
---@field year? integer of dates and timestamps (a timestamptz in UTC)
---@field month? integer
---@field day? integer
---@field hour? integer of times and timestamps
---@field min? integer
---@field sec? integer
---@field usec? integer
---@field offset? integer of times: seconds east of UTC
---@field months? integer of intervals
---@field days? integer of intervals and dates (since 1970-01-01)
---@field microseconds? integer of intervals, times and timestamps (since midnight, or 1970-01-01)
---@field number? number of decimals: the nearest float

--- A parameter of bytes. Results show bytes as strings.
---@param bytes string
---@return millpond.Value
function core.bytes(bytes) end

--- A decimal, exact to all its digits: of text or an integer.
---@param text string|integer
---@return millpond.Value
function core.decimal(text) end

---@param date string|table "2026-11-25", or a table as of os.date("*t")
---@return millpond.Value
function core.date(date) end

---@param time string|table "23:59:59.5", or {hour =, min =, sec =, usec =, offset =}
---@return millpond.Value
function core.time(time) end

--- A timestamp without a time zone.
---@param timestamp string|table "2026-11-25 23:59:59.5", or a table as of os.date("*t")
---@return millpond.Value
function core.timestamp(timestamp) end

--- An instant.
---@param instant string|table|number text with a zone; a table in UTC; seconds as of os.time()
---@return millpond.Value
function core.timestamptz(instant) end

---@param interval { months?: integer, days?: integer, microseconds?: integer }
---@return millpond.Value
function core.interval(interval) end

--- A parameter of a UUID. Results show UUIDs as strings.
---@param text string with or without dashes
---@return millpond.Value
function core.uuid(text) end

---- The process ------------------------------------------------------------------------------

--- All circuit breakers that have a name.
---@return millpond.Breaker[]
function core.breakers() end

---@param name string
---@return boolean existed
function core.forget_breaker(name) end

--- The metrics of all pools of the process in Prometheus' format.
---@return string
function core.prometheus() end

--- The smallest and largest size of a pool whose settings say nothing.
---@return integer min_size
---@return integer max_size
function core.default_pool_size() end

--- A descriptor that is readable when millpond has something to do.
---@return integer
function core.fd() end

return core
