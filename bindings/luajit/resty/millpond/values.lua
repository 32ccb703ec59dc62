-- Values of Lua as parameters, and cells as values of Lua.
local ffi = require("ffi")
local native = require("resty.millpond.native")

local lib, call = native.lib, native.call
local values = {}

-- What stands for NULL: nil has no place in a table. In nginx it is ngx.null, as cjson has it.
values.null = ngx and ngx.null or ffi.cast("void *", nil)

local Typed = {}
Typed.__index = Typed

function Typed:__tostring()
    return self.text
end

local SIZED = {
    decimal = lib.POND_TYPE_DECIMAL,
    bytes = lib.POND_TYPE_BYTES,
    json = lib.POND_TYPE_JSON,
}
local PARSED = {
    date = lib.POND_TYPE_DATE,
    time = lib.POND_TYPE_TIME,
    timestamp = lib.POND_TYPE_TIMESTAMP,
    timestamptz = lib.POND_TYPE_TIMESTAMPTZ,
    uuid = lib.POND_TYPE_UUID,
}

-- A parameter of a type that Lua does not have: values.typed("date", "2026-01-02").
function values.typed(kind, text)
    if not SIZED[kind] and not PARSED[kind] then
        error("a typed value is a decimal, bytes, json, date, time, timestamp, timestamptz or uuid, "
            .. "not " .. tostring(kind), 2)
    end
    return setmetatable({ kind = kind, text = text }, Typed)
end

local to_value

local function from_typed(typed, into)
    if SIZED[typed.kind] then
        into[0] = lib.pond_value_sized(SIZED[typed.kind], typed.text, #typed.text)
        return true
    end
    return call("pond_value_parse", PARSED[typed.kind], typed.text, #typed.text, into)
end

local function from_list(list, into, keep)
    local count = list.n or #list
    local items = ffi.new("pond_value[?]", count)
    keep[#keep + 1] = items
    for i = 1, count do
        local ok, err = to_value(list[i], items + (i - 1), keep)
        if not ok then
            return nil, err
        end
    end
    into[0].type = lib.POND_TYPE_ARRAY
    into[0].as.array.items, into[0].as.array.count = items, count
    return true
end

local function from_number(number, into)
    if number == math.floor(number) and number > -2 ^ 53 and number < 2 ^ 53 then
        into[0] = lib.pond_value_int64(number)
    else
        into[0] = lib.pond_value_double(number)
    end
    return true
end

local function from_cdata(value, into)
    if value == values.null or value == nil then
        into[0] = lib.pond_value_null()
    elseif ffi.istype("int64_t", value) or ffi.istype("uint64_t", value) then
        into[0] = lib.pond_value_int64(value)
    else
        return native.refuse("a value cannot be a %s", tostring(value))
    end
    return true
end

-- Write a parameter to `into`, a pond_value *; what it points into lives as long as `keep`.
function to_value(value, into, keep)
    local kind = type(value)
    if kind == "nil" then
        into[0] = lib.pond_value_null()
    elseif kind == "boolean" then
        into[0] = lib.pond_value_bool(value)
    elseif kind == "number" then
        return from_number(value, into)
    elseif kind == "string" then
        into[0] = lib.pond_value_sized(lib.POND_TYPE_TEXT, value, #value)
    elseif kind == "table" then
        return (getmetatable(value) == Typed and from_typed or from_list)(value, into, keep)
    elseif kind == "cdata" or kind == "userdata" then
        return from_cdata(value, into)
    else
        return native.refuse("a value cannot be a %s", kind)
    end
    return true
end

-- Parameters as an array, and how many: from a list, whose length is `n` if it ends with nil. What
-- they point into must be kept until the call has returned.
function values.parameters(list, keep)
    local count = list and (list.n or #list) or 0
    local array = ffi.new("pond_value[?]", count)
    keep[#keep + 1] = array
    keep[#keep + 1] = list
    for i = 1, count do
        local ok, err = to_value(list[i], array + (i - 1), keep)
        if not ok then
            err.message = "parameter " .. i .. ": " .. err.message
            return nil, err
        end
    end
    return array, count
end

values.to_value = to_value

local from_value
local READERS = {
    [tonumber(lib.POND_TYPE_NULL)] = function()
        return values.null
    end,
    [tonumber(lib.POND_TYPE_BOOL)] = function(cell)
        return cell.as.integer ~= 0
    end,
    [tonumber(lib.POND_TYPE_INT64)] = function(cell)
        local integer = cell.as.integer
        local exact = integer > -2LL ^ 53 and integer < 2LL ^ 53
        return exact and tonumber(integer) or integer + 0LL -- not a reference into the row
    end,
    [tonumber(lib.POND_TYPE_DOUBLE)] = function(cell)
        return cell.as.real
    end,
    [tonumber(lib.POND_TYPE_ARRAY)] = function(cell)
        local list = { n = tonumber(cell.as.array.count) }
        for i = 1, list.n do
            list[i] = from_value(cell.as.array.items[i - 1])
        end
        return list
    end,
}
for _, name in ipairs({ "DECIMAL", "TEXT", "BYTES", "JSON" }) do
    READERS[tonumber(lib["POND_TYPE_" .. name])] = function(cell)
        return ffi.string(cell.as.text.data, cell.as.text.size)
    end
end

-- A cell as a value of Lua; dates, times, intervals and UUIDs are text, as ISO 8601 has them.
function from_value(cell)
    local read = READERS[cell.type]
    if read then
        return read(cell)
    end
    local text = ffi.new("char[?]", native.constants.POND_VALUE_TEXT)
    local ok, err = call("pond_value_format", cell, text)
    if not ok then
        error(err, 0)
    end
    return ffi.string(text)
end

local function column_names(result)
    local names = {}
    for i = 1, tonumber(lib.pond_result_column_count(result)) do
        names[i] = ffi.string(lib.pond_result_column_name(result, i - 1))
    end
    return names
end

local function read_all(result)
    local names = column_names(result)
    local rows = { columns = names, affected = tonumber(lib.pond_result_affected(result)) }
    local cells = ffi.new("pond_value[?]", math.max(#names, 1))
    for i = 1, tonumber(lib.pond_result_row_count(result)) do
        local ok, err = call("pond_result_row", result, i - 1, cells)
        if not ok then
            error(err, 0)
        end
        local row = {}
        for j = 1, #names do
            row[j] = from_value(cells[j - 1])
            row[names[j]] = row[j]
        end
        rows[i] = row
    end
    return rows
end

-- The rows of a result, each with its cells by number and by name; or nil and an error. `columns`
-- has the names, `affected` how many rows a write touched.
function values.rows(result)
    local ok, rows = pcall(read_all, result)
    if ok then
        return rows
    end
    return nil, rows
end

return values
