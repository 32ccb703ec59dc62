-- Circuit breakers, retries, and warnings of slow calls, around any function.

local core = require "millpond.core"
local errors = require "millpond.errors"
local task = require "millpond.task"

local resilience = {}

---- Circuit breakers -------------------------------------------------------------------------

---@class millpond.BreakerOptions
---@field name? string shared by all of the process that name it; nil: a breaker of one's own
---@field failure_threshold? integer failures within the window that open it (5)
---@field recovery_timeout? number seconds that it stays open (30)
---@field half_open_max_calls? integer test calls at a time, and successes that close it (3)
---@field window_size? number seconds (60)
---@field in_a_row? boolean only failures in a row count

---@class millpond.Breaker
local Breaker = core.breaker_methods

--- The process's breaker of a name, or a new one with these options.
---@param options? millpond.BreakerOptions
---@return millpond.Breaker
function resilience.circuit_breaker(options)
  options = options or {}
  return core.breaker(options.name, options)
end

--- "closed", "open" or "half_open".
---@return string
function Breaker:state()
  return self:status().state
end

-- What raising or returning this says of the thing behind the breaker.
local function outcome_of(ok, first, err)
  if not ok then
    return errors.is_error(first) and core.outcome_of(first.code) or "failure"
  elseif first == nil and errors.is_error(err) then
    return core.outcome_of(err.code)
  end
  return "success"
end

local function finish_call(breaker, ticket, ok, ...)
  breaker:record(ticket, outcome_of(ok, ...))
  if not ok then
    error((...), 0)
  end
  return ...
end

--- Call f(...) unless the breaker is open: then nil and an error with code "ECIRCUITOPEN". Raised
--- errors count as failures; error objects, raised or returned after nil, only if they tell that
--- the database cannot be reached or does not answer in time.
---@param f function
---@param ... any
---@return any ...
function Breaker:call(f, ...)
  local ticket, err = self:allow()
  if not ticket then
    return nil, err
  end
  return finish_call(self, ticket, pcall(f, ...))
end

--- A function that calls f through the breaker.
---@param f function
---@return function
function Breaker:wrap(f)
  return function(...)
    return self:call(f, ...)
  end
end

---- Retry ------------------------------------------------------------------------------------

---@class millpond.RetryOptions
---@field max_retries? integer after the first call (3)
---@field base_delay? number seconds that the first wait takes at most (0.1)
---@field max_delay? number seconds that any wait takes at most (10)
---@field total_timeout? number seconds for all calls and waits together (30); negative: no limit
---@field retry_on? fun(err: millpond.Error): boolean which errors; nil: those that are retryable

local function is_retryable(err)
  return err.retryable
end

--- A function that calls f and, if it returns nil and an error object that can be retried, waits
--- and calls it again: exponential backoff with jitter.
---@param f function
---@param options? millpond.RetryOptions
---@return function
function resilience.retry_with_backoff(f, options)
  options = options or {}
  local retry_on = options.retry_on or is_retryable
  return function(...)
    local started, failures = core.now(), 0
    while true do
      local results = table.pack(f(...))
      local err = results[2]
      if results[1] ~= nil or not errors.is_error(err) or not retry_on(err) then
        return table.unpack(results, 1, results.n)
      end
      failures = failures + 1
      local delay = core.retry_next(options, failures, core.now() - started)
      if not delay then
        return table.unpack(results, 1, results.n)
      end
      task.sleep(delay)
    end
  end
end

---- Slow calls -------------------------------------------------------------------------------

local function tell_if_slow(name, threshold, started, ...)
  local seconds = core.now() - started
  if seconds > threshold and core.hooks.log then
    core.hooks.log(30, "slow", ("%s took %.3f s, more than %g s"):format(name, seconds, threshold))
  end
  return ...
end

--- A function that calls f, and warns in the log if that took longer.
---@param f function
---@param name string what to call it in the log
---@param threshold? number seconds, 2 if nil
---@return function
function resilience.track_slow(f, name, threshold)
  threshold = threshold or 2
  return function(...)
    return tell_if_slow(name, threshold, core.now(), f(...))
  end
end

return resilience
