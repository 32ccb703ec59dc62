-- Tasks: coroutines that run side by side, are waited for, cancelled and timed out.

local core = require "millpond.core"
local scheduler = require "millpond.scheduler"
local session = require "millpond.session"

local mark = core.mark
local running, status, isyieldable = coroutine.running, coroutine.status, coroutine.isyieldable
local coroutine_resume = coroutine.resume
local make_ready, wake, wait_for, add_timer, run_until =
  scheduler.make_ready, scheduler.wake, scheduler.wait, scheduler.add_timer, scheduler.run_until

local task = {}

---@class millpond.Task
local Task = { __name = "millpond.task" }
Task.__index = Task

local alive = {} -- set of tasks that have not ended

---- Ends and goes on -------------------------------------------------------------------------

-- An error that nobody asked for. Told when the task that failed is collected.
local Unseen = {}
function Unseen:__gc()
  if not self.seen then
    scheduler.on_error(self.error, self.traceback)
  end
end

local function finish(self, ok, ...)
  self.done = true
  self.ok = ok
  self.results = table.pack(...)
  alive[self] = nil
  if not ok then
    local err = ...
    local was_cancelled = self.was_cancelled and type(err) == "table" and err.code == "ECANCELLED"
    self.was_cancelled = was_cancelled
    if not was_cancelled then
      self.unseen = setmetatable(
        { error = err, traceback = debug.traceback(self.coroutine) }, Unseen)
    end
    if self.coroutine and status(self.coroutine) == "dead" then
      coroutine.close(self.coroutine) -- runs the to-be-closed variables that the error left
    end
  end
  for _, wait in ipairs(self.joiners) do
    wake(wait)
  end
  self.joiners = nil
end

-- End what the task waits for, with an error in the task.
local function stop(self)
  local wait = self.waits
  self.cancelling = nil
  if math.type(wait) then
    core.cancel(wait)
  else
    wait.cancelled = not wait.woken
    wake(wait)
  end
end

local function after(self, ok, ...)
  local co = self.coroutine
  local first, second = ...
  if status(co) == "dead" then
    return finish(self, ok, ...)
  elseif first ~= mark then
    return make_ready(co)
  end
  self.waits = second
  if self.cancelling then
    stop(self)
  end
end

-- Called by the scheduler, in its turn.
function Task:go_on()
  local co, start = self.coroutine, self.start
  self.waits = nil
  if start then
    self.start = nil
    return after(self, coroutine_resume(co, table.unpack(start, 1, start.n)))
  end
  return after(self, coroutine_resume(co))
end

---- Run --------------------------------------------------------------------------------------

local function is_done(self)
  return self.done
end

--- The same as spawn() for the library's own work, which the end of run() does not cancel.
function task.serve(f, ...)
  local self = setmetatable({ start = table.pack(...), joiners = {}, done = false }, Task)
  self.coroutine = coroutine.create(f)
  scheduler.adopt(self.coroutine, self)
  make_ready(self.coroutine)
  return self
end

--- Start a function as a task of its own. It begins at the next turn of the loop.
---@param f function
---@param ... any its arguments
---@return millpond.Task
function task.spawn(f, ...)
  if type(f) ~= "function" then
    error("spawn() needs a function, not a " .. type(f), 2)
  end
  local self = task.serve(f, ...)
  session.inherit(self.coroutine)
  alive[self] = true
  return self
end

local function outcome(self)
  if self.ok then
    return table.unpack(self.results, 1, self.results.n)
  end
  local err = self.results[1]
  if self.was_cancelled then
    return nil, err
  end
  self.unseen.seen = true
  error(err, 0)
end

-- Wait for the end of a task, even if the waiting one is cancelled: true if it was.
local function wait_for_end(self)
  local interrupted = false
  while not self.done do
    local wait = {}
    table.insert(self.joiners, wait)
    local ok = pcall(wait_for, wait)
    interrupted = interrupted or not ok
    if not ok then
      self:cancel()
    end
  end
  return interrupted
end

--- Wait for the task's end: returns what its function returned, raises what it raised; nil and an
--- error with code "ECANCELLED" if it was cancelled.
---@return any ...
function Task:join()
  if self.coroutine == running() then
    error("a task cannot wait for itself", 2)
  end
  if not self.done then
    local wait = {}
    table.insert(self.joiners, wait)
    wait_for(wait)
  end
  return outcome(self)
end

--- Ask the task to end: what it waits for is stopped, on the server, too, and raises an error with
--- code "ECANCELLED" there. A task may catch it, clean up, and go on.
---@return boolean asked false if it had ended already
function Task:cancel()
  if self.done then
    return false
  end
  self.was_cancelled = true
  if self.start then
    self.start = nil
    coroutine.close(self.coroutine)
    finish(self, false, scheduler.cancelled())
  elseif self.waits then
    stop(self)
  else
    self.cancelling = true
  end
  return true
end

--- "pending", "done", "failed" or "cancelled".
---@return string
function Task:status()
  if not self.done then
    return "pending"
  end
  return self.ok and "done" or self.was_cancelled and "cancelled" or "failed"
end

local function cancel_rest(before)
  local rest = {}
  for other in pairs(alive) do
    if not before[other] then
      rest[#rest + 1] = other
    end
  end
  for _, other in ipairs(rest) do
    other:cancel()
  end
  for _, other in ipairs(rest) do
    wait_for_end(other)
  end
  return #rest > 0
end

--- Run a function as a task, and all that it spawns, until it returns. Tasks that are still running
--- then are cancelled.
---@param f function
---@param ... any its arguments
---@return any ... what it returns
function task.run(f, ...)
  if isyieldable() then
    error("millpond.run() is for the main program: a coroutine calls the function itself", 2)
  end
  local before = {}
  for other in pairs(alive) do
    before[other] = true
  end
  local main = task.spawn(f, ...)
  run_until(is_done, main)
  while cancel_rest(before) do end
  return outcome(main)
end

--- Let time pass; the other tasks go on.
---@param seconds number
function task.sleep(seconds)
  if type(seconds) ~= "number" or seconds ~= seconds or seconds < 0 then
    error("sleep() needs a non-negative number of seconds", 2)
  end
  local wait = {}
  add_timer(seconds, wait)
  wait_for(wait)
end

--- Call f(...) for at most so many seconds: returns what it returns; else cancels it, waits for its
--- end, and returns nil and an error with code "ETIMEDOUT".
---@param seconds number
---@param f function
---@param ... any its arguments
---@return any ...
function task.timeout(seconds, f, ...)
  if type(seconds) ~= "number" or seconds ~= seconds or seconds <= 0 then
    error("timeout() needs a positive number of seconds", 2)
  end
  local child = task.spawn(f, ...)
  local wait = {}
  table.insert(child.joiners, wait)
  add_timer(seconds, wait)
  local ok, err = pcall(wait_for, wait)
  local in_time = child.done
  if not in_time then
    child:cancel()
    wait_for_end(child)
  end
  if not ok then
    error(err, 0)
  elseif not in_time and child.was_cancelled and not child.ok then
    return nil, core.error("ETIMEDOUT", ("timed out after %g s"):format(seconds), true)
  end
  return outcome(child)
end

local function start_all(list)
  local tasks = {}
  for i = 1, #list do
    local item = list[i]
    tasks[i] = getmetatable(item) == Task and item or task.spawn(item)
  end
  return tasks
end

-- The first task that raised an error, once all have ended or one has.
local function wait_for_all(tasks)
  for _, one in ipairs(tasks) do
    while not one.done do
      local wait = {}
      for _, other in ipairs(tasks) do
        if not other.done then
          table.insert(other.joiners, wait)
        end
      end
      wait_for(wait)
      for _, other in ipairs(tasks) do
        if other.done and not other.ok and not other.was_cancelled then
          return other
        end
      end
    end
    if not one.ok and not one.was_cancelled then
      return one
    end
  end
end

--- Run functions, or wait for tasks, side by side. Returns a list of what each returned first, and
--- a table of errors by number (nil if there are none) for those that returned nil and an error. If
--- one raises an error, the others are cancelled, and it is raised here.
---@param list (function|millpond.Task)[]
---@return any[] results
---@return table<integer, any>? errors
function task.gather(list)
  if type(list) ~= "table" then
    error("gather() needs a list of functions or tasks, not a " .. type(list), 2)
  end
  local tasks = start_all(list)
  local ok, failed = pcall(wait_for_all, tasks)
  if not ok or failed then
    for _, one in ipairs(tasks) do
      one:cancel()
    end
    for _, one in ipairs(tasks) do
      wait_for_end(one)
      if one.unseen then
        one.unseen.seen = true
      end
    end
    error(ok and failed.results[1] or failed, 0)
  end
  local results, errors = {}, nil
  for i, one in ipairs(tasks) do
    local value, err = outcome(one)
    results[i] = value
    if value == nil and err ~= nil then
      errors = errors or {}
      errors[i] = err
    end
  end
  return results, errors
end

return task
