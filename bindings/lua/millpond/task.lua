-- Coroutines that wait for the database, for time, and for each other.
--
-- A coroutine that waits yields core.mark and what it waits for: the number of a wait in C, or a
-- table of `suspend` below. Whatever else a task yields only lets the others run.

local core = require "millpond.core"

local mark = core.mark
local running, create, status = coroutine.running, coroutine.create, coroutine.status
local coroutine_resume, yield, isyieldable =
  coroutine.resume, coroutine.yield, coroutine.isyieldable

local task = {}

---@class millpond.Task
local Task = { __name = "millpond.task" }
Task.__index = Task

local by_coroutine = setmetatable({}, { __mode = "k" })
local alive = {} -- set of tasks that have not ended
local ready, first_ready, last_ready = {}, 1, 0 -- coroutines to resume, oldest first
local timers = {} -- a heap, the next one at 1

--- Set by a host loop: called when there is something to do that its descriptor does not tell.
task.notify = nil

---- Ready ------------------------------------------------------------------------------------

local function make_ready(co)
  last_ready = last_ready + 1
  ready[last_ready] = co
  if task.notify and first_ready == last_ready then
    task.notify()
  end
end

---- Waits of the Lua side --------------------------------------------------------------------

local function cancelled()
  return core.error("ECANCELLED", "the task was cancelled")
end

-- Wait until wake(wait). Raises if the task is cancelled.
local function suspend(wait)
  wait.coroutine = running()
  yield(mark, wait)
  if not wait.woken then
    wait.woken = true
    error(core.error("EMISUSE", "this coroutine was resumed while it waits: make generators that "
      .. "use the database with millpond.wrap()"), 0)
  elseif wait.cancelled then
    error(cancelled(), 0)
  end
end

local function wake(wait)
  if not wait.woken then
    wait.woken = true
    if wait.coroutine then
      make_ready(wait.coroutine)
    end
  end
end

---- Timers -----------------------------------------------------------------------------------

local function add_timer(seconds, wait)
  local timer = { due = core.now() + seconds, wait = wait }
  local at = #timers + 1
  while at > 1 and timers[at // 2].due > timer.due do
    timers[at] = timers[at // 2]
    at = at // 2
  end
  timers[at] = timer
  if task.notify and at == 1 then
    task.notify()
  end
end

local function remove_first_timer()
  local count = #timers
  local last = timers[count]
  timers[count] = nil
  count = count - 1
  if count == 0 then
    return
  end
  local at = 1
  while at * 2 <= count do
    local child = at * 2
    if child < count and timers[child + 1].due < timers[child].due then
      child = child + 1
    end
    if timers[child].due >= last.due then
      break
    end
    timers[at] = timers[child]
    at = child
  end
  timers[at] = last
end

local function wake_due()
  local now = core.now()
  while timers[1] and (timers[1].wait.woken or timers[1].due <= now) do
    local wait = timers[1].wait
    remove_first_timer()
    wake(wait)
  end
end

---- Resume -----------------------------------------------------------------------------------

-- An error that nobody asked for. Told when the task that failed is collected.
local Unseen = {}
function Unseen:__gc()
  if not self.seen then
    task.on_error(self.error, self.traceback)
  end
end

--- Called with the error, and the traceback as text, of a coroutine whose error nobody gets. Writes
--- them to standard error; replace it to do otherwise.
function task.on_error(err, traceback)
  io.stderr:write("millpond: a task failed, and nobody asked: ", tostring(err), "\n", traceback, "\n")
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

local function resume(co)
  local self = by_coroutine[co]
  if self then
    self.waits = nil
    local start = self.start
    if start then
      self.start = nil
      return after(self, coroutine_resume(co, table.unpack(start, 1, start.n)))
    end
    return after(self, coroutine_resume(co))
  end
  local ok, err = coroutine_resume(co) -- one that the program made itself
  if not ok then
    task.on_error(err, debug.traceback(co))
    coroutine.close(co)
  end
end

-- Resume all that can go on now.
local function turn()
  local next_done = core.next
  local co = next_done()
  while co do
    resume(co)
    co = next_done()
  end
  if timers[1] then
    wake_due()
  end
  local last = last_ready
  while first_ready <= last do
    co = ready[first_ready]
    ready[first_ready] = nil
    first_ready = first_ready + 1
    if status(co) == "suspended" then
      resume(co)
    end
  end
end

---- For host loops ---------------------------------------------------------------------------

--- Seconds until there is something to do: 0 for now, nil if only the descriptor can tell.
---@return number?
function task.timeout_of_host()
  if first_ready <= last_ready then
    return 0
  end
  while timers[1] and timers[1].wait.woken do
    remove_first_timer()
  end
  local own = core.timeout()
  local timer = timers[1] and math.max(timers[1].due - core.now(), 0)
  return own and timer and math.min(own, timer) or own or timer
end

--- Do what is to be done now, without waiting.
function task.step()
  core.poll()
  turn()
end

--- Whether any coroutine waits for anything.
---@return boolean
function task.busy()
  return core.pending() > 0 or first_ready <= last_ready or timers[1] ~= nil
end

---- Run --------------------------------------------------------------------------------------

local function run_until(is_over, what)
  while not is_over(what) do
    if first_ready <= last_ready then
      core.poll()
    elseif timers[1] then
      core.run(math.max(timers[1].due - core.now(), 0))
    elseif core.pending() > 0 then
      core.run()
    else
      error("all tasks wait for each other: none can go on", 3)
    end
    turn()
  end
end

local function is_done(self)
  return self.done
end

local function is_woken(wait)
  return wait.woken
end

-- Wait where nothing can yield: the other tasks go on meanwhile.
local function wait_anywhere(wait)
  if isyieldable() then
    suspend(wait)
  else
    run_until(is_woken, wait)
  end
end

--- Start a function as a task of its own. It begins at the next turn of the loop.
---@param f function
---@param ... any its arguments
---@return millpond.Task
function task.spawn(f, ...)
  if type(f) ~= "function" then
    error("spawn() needs a function, not a " .. type(f), 2)
  end
  local self = setmetatable({ start = table.pack(...), joiners = {}, done = false }, Task)
  self.coroutine = create(f)
  by_coroutine[self.coroutine] = self
  alive[self] = true
  make_ready(self.coroutine)
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
    local ok = pcall(wait_anywhere, wait)
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
    wait_anywhere(wait)
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
    finish(self, false, cancelled())
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
    error("sleep() needs a number of seconds from 0 on", 2)
  end
  local wait = {}
  add_timer(seconds, wait)
  wait_anywhere(wait)
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
  local ok, err = pcall(wait_anywhere, wait)
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
      wait_anywhere(wait)
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

---- Events -----------------------------------------------------------------------------------

--- Something that one coroutine waits for, and another tells: wait(seconds) returns after wake() or
--- when the time is over.
---@return { wait: fun(seconds?: number), wake: fun() }
function task.event()
  local wait = {}
  return {
    wait = function(seconds)
      if seconds and seconds > 0 then
        add_timer(seconds, wait)
      end
      if not wait.woken then
        wait_anywhere(wait)
      end
    end,
    wake = function()
      wake(wait)
    end,
  }
end

---- Generators -------------------------------------------------------------------------------

local function pass_on(wait)
  if isyieldable() then
    if math.type(wait) then
      core.rewait(wait)
    else
      wait.coroutine = running()
    end
    yield(mark, wait)
  elseif math.type(wait) then
    core.block(wait)
  else
    wait.coroutine = nil
    run_until(is_woken, wait)
  end
end

--- Like coroutine.wrap(), for a function that uses the database and yields values of its own: its
--- waits go through to the task that calls it.
---@param f function
---@return function
function task.wrap(f)
  local co = create(f)
  local function continue(ok, ...)
    local first, second = ...
    if not ok then
      coroutine.close(co)
      error(first, 0)
    elseif first == mark and status(co) ~= "dead" then
      pass_on(second)
      return continue(coroutine_resume(co))
    end
    return ...
  end
  return function(...)
    return continue(coroutine_resume(co, ...))
  end
end

return task
