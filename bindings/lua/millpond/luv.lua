-- millpond on luv's loop: require "millpond.luv" once, and uv.run() drives both.
--
--     local uv = require "luv"
--     local millpond = require "millpond.luv"
--     server:listen(128, function()
--       millpond.spawn(function()
--         local conn <close> = assert(db:connection())
--         ...
--       end)
--     end)
--     uv.run()
--
-- uv.run() ends when neither has anything left to do. millpond.run() still works, and drives only
-- millpond.

local uv = require "luv"
local core = require "millpond.core"
local scheduler = require "millpond.scheduler"
local millpond = require "millpond"

local descriptor = uv.new_poll(core.fd())
local timer = uv.new_timer()
local turning = false

-- What keeps uv.run() going is only what coroutines wait for.
local function arm()
  if not scheduler.busy() then
    timer:stop()
    descriptor:unref()
    return
  end
  descriptor:ref()
  local seconds = scheduler.timeout_of_host()
  if seconds then
    timer:start(math.ceil(seconds * 1000), 0, function()
      millpond.step()
    end)
  else
    timer:stop()
  end
end

function millpond.step()
  if turning then
    error("step() was called inside of step()", 2)
  end
  turning = true
  local ok, err = pcall(scheduler.step)
  turning = false
  arm()
  if not ok then
    error(err, 0)
  end
end

-- There is something to do, or a coroutine is about to wait, outside of a turn.
local function wake()
  if not turning then
    descriptor:ref()
    timer:start(0, 0, function()
      millpond.step()
    end)
  end
end

scheduler.notify = wake
core.set_busy(wake)
descriptor:start("r", function()
  millpond.step()
end)
descriptor:unref()

return millpond
