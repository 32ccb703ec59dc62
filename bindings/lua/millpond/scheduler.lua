-- What all coroutines that wait have in common: who can go on, and when.
--
-- A coroutine that waits yields core.mark and what it waits for: the number of a wait in C, or a
-- table of `suspend` below. Whatever else a task yields only lets the others run.

local core = require "millpond.core"

local mark = core.mark
local running, create, status = coroutine.running, coroutine.create, coroutine.status
local coroutine_resume, yield, isyieldable =
  coroutine.resume, coroutine.yield, coroutine.isyieldable

local scheduler = {}

local owners = setmetatable({}, { __mode = "k" }) -- tasks by coroutine
local ready, first_ready, last_ready = {}, 1, 0 -- coroutines to resume, oldest first
local timers = {} -- a heap, the next one at 1

--- Set by a host loop: called when there is something to do that its descriptor does not tell.
scheduler.notify = nil

--- Set by the first backend: begins what the library asks of backends.
scheduler.serve = nil

--- Called with the error, and the traceback as text, of a coroutine whose error nobody gets. Writes
--- them to standard error; replace it to do otherwise.
function scheduler.on_error(err, traceback)
  io.stderr:write("millpond: a task failed, and its error was never read: ", tostring(err), "\n",
    traceback, "\n")
end

---- Ready ------------------------------------------------------------------------------------

--- Let a task have the coroutine: its go_on() resumes it.
function scheduler.adopt(co, task)
  owners[co] = task
end

--- Resume a coroutine in the next turn.
function scheduler.make_ready(co)
  last_ready = last_ready + 1
  ready[last_ready] = co
  if scheduler.notify and first_ready == last_ready then
    scheduler.notify()
  end
end

local make_ready = scheduler.make_ready

---- Waits of the Lua side --------------------------------------------------------------------

--- The error of a wait that is cancelled.
function scheduler.cancelled()
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
    error(scheduler.cancelled(), 0)
  end
end

--- Let the coroutine of a wait go on.
function scheduler.wake(wait)
  if not wait.woken then
    wait.woken = true
    if wait.coroutine then
      make_ready(wait.coroutine)
    end
  end
end

local wake = scheduler.wake

---- Timers -----------------------------------------------------------------------------------

--- Wake a wait after so many seconds.
function scheduler.add_timer(seconds, wait)
  local timer = { due = core.now() + seconds, wait = wait }
  local at = #timers + 1
  while at > 1 and timers[at // 2].due > timer.due do
    timers[at] = timers[at // 2]
    at = at // 2
  end
  timers[at] = timer
  if scheduler.notify and at == 1 then
    scheduler.notify()
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

---- Turns ------------------------------------------------------------------------------------

local function resume(co)
  local owner = owners[co]
  if owner then
    return owner:go_on()
  end
  local ok, err = coroutine_resume(co) -- one that the program made itself
  if not ok then
    scheduler.on_error(err, debug.traceback(co))
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
  if scheduler.serve then
    scheduler.serve()
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
function scheduler.timeout_of_host()
  if first_ready <= last_ready or core.has_requests() then
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
function scheduler.step()
  core.poll()
  turn()
end

--- Whether any coroutine waits for anything.
---@return boolean
function scheduler.busy()
  return core.pending() > 0 or first_ready <= last_ready or timers[1] ~= nil or core.has_requests()
end

---- Wait -------------------------------------------------------------------------------------

--- Let all go on until is_over(what).
function scheduler.run_until(is_over, what)
  while not is_over(what) do
    if first_ready <= last_ready or core.has_requests() then
      core.poll()
    elseif timers[1] then
      core.run(math.max(timers[1].due - core.now(), 0))
    elseif core.pending() > 0 then
      core.run()
    else
      error("all tasks wait for each other, so none can continue", 3)
    end
    turn()
  end
end

local run_until = scheduler.run_until

core.hooks.drive = function(number)
  run_until(core.is_over, number)
end

local function is_woken(wait)
  return wait.woken
end

--- Wait until wake(wait), by yielding or, where nothing can, by letting the others go on meanwhile.
--- Raises if the task is cancelled.
function scheduler.wait(wait)
  if isyieldable() then
    suspend(wait)
  else
    run_until(is_woken, wait)
  end
end

---- Events -----------------------------------------------------------------------------------

--- Something that one coroutine waits for, and another tells: wait(seconds) returns after wake() or
--- when the time is over.
---@return { wait: fun(seconds?: number), wake: fun() }
function scheduler.event()
  local wait = {}
  return {
    wait = function(seconds)
      if seconds and seconds > 0 then
        scheduler.add_timer(seconds, wait)
      end
      if not wait.woken then
        scheduler.wait(wait)
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
function scheduler.wrap(f)
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

return scheduler
