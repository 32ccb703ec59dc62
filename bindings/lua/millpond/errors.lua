-- Error objects: what expected failures return after nil, and what misuse raises.

local core = require "millpond.core"

local meta = core.error_meta
local classes = core.error_classes -- parent by class

---@class millpond.Error
---@field code string such as "EUNIQUE": one of millpond.error_codes
---@field class string such as "UniqueViolationError"
---@field message string
---@field where? string "file.lua:12": where the program made the call
---@field retryable boolean the same call may succeed later
---@field timed_out boolean time ran out
---@field sqlstate? string
---@field detail? string what the database adds
---@field hint? string what the database advises
---@field constraint? string the name of the one that was violated
---@field setting? string the setting of the configuration that is wrong or unknown
---@field row? integer which of many rows or entities failed, from 0 on
---@field position? integer where in the statement, in characters from 1 on
---@field vendor_code? integer the database's own number
local methods = {}

--- Whether the error is of a class, or of one that derives from it: err:is("IntegrityError").
---@param class string
---@return boolean
function methods:is(class)
  local own = self.class
  while own do
    if own == class then
      return true
    end
    own = classes[own]
  end
  return class == "Error" or (class == "DatabaseError" and not self:is("InterfaceError"))
end

meta.__index = methods

function meta.__tostring(err)
  local text = err.class .. ": " .. err.message
  if err.where then
    text = err.where .. ": " .. text
  end
  if err.sqlstate then
    text = text .. " (SQLSTATE " .. err.sqlstate .. ")"
  end
  return text
end

local errors = {}

--- Whether a value is an error object of millpond.
---@param value any
---@return boolean
function errors.is_error(value)
  return type(value) == "table" and getmetatable(value) == meta
end

--- Make an error object, for backends written in Lua.
---@param code string such as "ETIMEDOUT": one of millpond.error_codes
---@param message string
---@param retryable? boolean
---@return millpond.Error
function errors.new(code, message, retryable)
  return core.error(code, message, retryable)
end

return errors
