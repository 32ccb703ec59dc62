-- JSON text of parameters, and tables of results. Of our own, since dkjson and lua-cjson write numbers
-- with 14 digits: a float would come back as another.

local core = require "millpond.core"

local null = core.null
local array_meta = core.array_meta

local json = {}

---- Write ------------------------------------------------------------------------------------

local escapes = {
  ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f",
  ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
}

local function quote(text)
  return '"' .. text:gsub('[%c"\\\127]', function(c)
    return escapes[c] or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

local function number(value)
  if math.type(value) == "integer" then
    return ("%d"):format(value)
  end
  if value ~= value or value == math.huge or value == -math.huge then
    core.complain("JSON has no " .. tostring(value))
  end
  local text
  for digits = 15, 17 do -- as few as read back
    text = ("%%.%dg"):format(digits):format(value)
    if tonumber(text) == value then
      break
    end
  end
  return text:find("[.e]") and text or text .. ".0"
end

local write

local function write_array(out, value, depth)
  out[#out + 1] = "["
  for i = 1, rawlen(value) do
    if i > 1 then
      out[#out + 1] = ","
    end
    write(out, rawget(value, i), depth)
  end
  out[#out + 1] = "]"
end

local function write_object(out, value, depth)
  local keys = {}
  for key in next, value do
    if type(key) ~= "string" then
      core.complain("the keys of a JSON object are strings, not " .. type(key) .. "s")
    end
    keys[#keys + 1] = key
  end
  table.sort(keys) -- so that equal tables give equal text
  out[#out + 1] = "{"
  for i, key in ipairs(keys) do
    out[#out + 1] = (i > 1 and "," or "") .. quote(key) .. ":"
    write(out, rawget(value, key), depth)
  end
  out[#out + 1] = "}"
end

local function write_userdata(out, value)
  if value == null then
    out[#out + 1] = "null"
  elseif core.is_value(value) then
    out[#out + 1] = value.type == "json" and tostring(value) or quote(tostring(value))
  else
    core.complain("a userdata cannot be written as JSON")
  end
end

function write(out, value, depth)
  local kind = type(value)
  if kind == "string" then
    out[#out + 1] = quote(value)
  elseif kind == "number" then
    out[#out + 1] = number(value)
  elseif kind == "boolean" then
    out[#out + 1] = tostring(value)
  elseif kind == "userdata" then
    write_userdata(out, value)
  elseif kind ~= "table" then
    core.complain("a " .. kind .. " cannot be written as JSON")
  elseif depth > 100 then
    core.complain("the table is nested too deeply for JSON, or contains itself")
  elseif getmetatable(value) == array_meta or rawlen(value) > 0 then
    write_array(out, value, depth + 1)
  else
    write_object(out, value, depth + 1)
  end
end

--- JSON text of a value: tables with a length, and millpond.array{}, are arrays, other tables
--- objects; times, decimals and UUIDs become strings.
---@param value any
---@return string
function json.encode(value)
  local out = {}
  write(out, value, 0)
  return table.concat(out)
end

---- Read -------------------------------------------------------------------------------------

local unescapes = {
  ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
}

local function fail()
  error(json, 0) -- any value that tells "no JSON" from other errors
end

-- A \uXXXX, with its second half if it is the first of a pair.
local function unicode(text, at)
  local high = tonumber(text:match("^%x%x%x%x", at) or fail(), 16)
  if high >= 0xD800 and high < 0xDC00 then
    local low = tonumber(text:match("^\\u(%x%x%x%x)", at + 4) or "0", 16)
    if low >= 0xDC00 and low < 0xE000 then
      return utf8.char(0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00)), at + 10
    end
  end
  if high >= 0xD800 and high < 0xE000 then
    return "\u{FFFD}", at + 4
  end
  return utf8.char(high), at + 4
end

local function read_string(text, at)
  local stop = text:find('["\\]', at) or fail()
  if text:byte(stop) == 34 then
    return text:sub(at, stop - 1), stop + 1
  end
  local parts = {}
  while text:byte(stop) == 92 do
    parts[#parts + 1] = text:sub(at, stop - 1)
    local letter = text:sub(stop + 1, stop + 1)
    if letter == "u" then
      parts[#parts + 1], at = unicode(text, stop + 2)
    else
      parts[#parts + 1], at = unescapes[letter] or fail(), stop + 2
    end
    stop = text:find('["\\]', at) or fail()
  end
  parts[#parts + 1] = text:sub(at, stop - 1)
  return table.concat(parts), stop + 1
end

local function skip(text, at)
  return text:find("[^ \t\r\n]", at) or fail()
end

local read

local function read_array(text, at, depth)
  local array, count = setmetatable({}, array_meta), 0
  at = skip(text, at)
  if text:byte(at) == 93 then
    return array, at + 1
  end
  while true do
    count = count + 1
    array[count], at = read(text, at, depth)
    at = skip(text, at)
    local byte = text:byte(at)
    if byte == 93 then
      return array, at + 1
    end
    at = byte == 44 and at + 1 or fail()
  end
end

local function read_object(text, at, depth)
  local object = {}
  at = skip(text, at)
  if text:byte(at) == 125 then
    return object, at + 1
  end
  while true do
    at = skip(text, at)
    local key
    key, at = read_string(text, text:byte(at) == 34 and at + 1 or fail())
    at = skip(text, at)
    object[key], at = read(text, text:byte(at) == 58 and at + 1 or fail(), depth)
    at = skip(text, at)
    local byte = text:byte(at)
    if byte == 125 then
      return object, at + 1
    end
    at = byte == 44 and at + 1 or fail()
  end
end

local deepest = 200

local words = { t = { "true", true }, f = { "false", false }, n = { "null", null } }

-- Where Lua's own number would be another one, an exact decimal.
local function read_number(digits)
  local value = tonumber(digits) or fail()
  local whole = not digits:find("[.eE]")
  if whole and math.type(value) == "float" or value == math.huge or value == -math.huge then
    return core.decimal(digits)
  end
  return value
end

local function read_scalar(text, at)
  local word = words[text:sub(at, at)]
  if word then
    local stop = at + #word[1]
    if text:sub(at, stop - 1) ~= word[1] then
      fail()
    end
    return word[2], stop
  end
  local digits = text:match("^-?%d+%.?%d*[eE]?[+-]?%d*", at) or fail()
  return read_number(digits), at + #digits
end

function read(text, at, depth)
  at = skip(text, at)
  if depth > deepest then
    error(core.error("EDATA", "the JSON is nested deeper than " .. deepest
      .. " levels: cast it to text in the statement"), 0)
  end
  local byte = text:byte(at)
  if byte == 34 then
    return read_string(text, at + 1)
  elseif byte == 123 then
    return read_object(text, at + 1, depth + 1)
  elseif byte == 91 then
    return read_array(text, at + 1, depth + 1)
  end
  return read_scalar(text, at)
end

--- The value of a JSON text: null is millpond.null, arrays have the metatable of millpond.array.
--- Text that is no JSON comes back as it is.
---@param text string
---@return any
function json.decode(text)
  local ok, value, at = pcall(read, text, 1, 0)
  if ok and not text:find("[^ \t\r\n]", at) then
    return value
  elseif ok or value == json then
    return text
  end
  error(value, 0)
end

core.hooks.encode = json.encode
core.hooks.decode = json.decode

return json
