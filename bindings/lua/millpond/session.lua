-- Sessions: what one caller has seen of replicated databases, so that its reads never go back.

local core = require "millpond.core"

local running = coroutine.running

local session = {
  used = false, -- whether any coroutine ever had one
}

local current = setmetatable({}, { __mode = "k" }) -- by coroutine

---@class millpond.Session
local Session = core.session_methods

--- A session: of a token, or one that has seen nothing.
---@param token? string of session:token(), from another process or an earlier request
---@return millpond.Session
function session.new(token)
  return core.session(token)
end

local function leave(before, ok, ...)
  current[running()] = before
  if not ok then
    error((...), 0)
  end
  return ...
end

--- Call f(...) with this as the session of the coroutine: what its connections write and read is
--- noted, and reads with consistency "session" show it. Tasks that f spawns have it, too.
---@param f function
---@param ... any its arguments
---@return any ... what f returns
function Session:run(f, ...)
  local before = current[running()]
  session.used = true
  current[running()] = self
  return leave(before, pcall(f, ...))
end

--- The session of the running coroutine; nil without.
---@return millpond.Session?
function session.current()
  return current[running()]
end

--- Let a new coroutine begin with the session of the running one.
function session.inherit(co)
  if session.used then
    current[co] = current[running()]
  end
end

--- The options of a connection, with the session of the coroutine unless they name one.
function session.with_current(options)
  local own = current[running()]
  if not own or type(options) == "table" and options.session ~= nil then
    return options
  end
  local all = { session = own }
  if type(options) == "table" then
    for name, value in pairs(options) do
      all[name] = value
    end
  else
    all.timeout = options
  end
  return all
end

return session
