-- Run by host_spec.lua: a TCP server on luv's loop that answers from the database.
local uv = require "luv"
local millpond = require "millpond.luv"

local db = assert(millpond.from_url(arg[1]))
local clients, answered = 40, 0

local function answer(client, request)
  local conn <close> = assert(db:connection())
  local rows = assert(conn:execute("SELECT 0 + ?", { tonumber(request) }))
  client:write(("%d\n"):format(rows[1][1]))
end

local server = uv.new_tcp()
server:bind("127.0.0.1", 0)
server:listen(128, function()
  local client = uv.new_tcp()
  server:accept(client)
  client:read_start(function(err, data)
    assert(not err, err)
    if not data then
      client:close()
    else
      for request in data:gmatch("(%d+)\n") do
        millpond.spawn(answer, client, request)
      end
    end
  end)
end)

local function ask(number)
  local client = uv.new_tcp()
  client:connect("127.0.0.1", server:getsockname().port, function(err)
    assert(not err, err)
    client:read_start(function(_, data)
      assert(data == number .. "\n", "client " .. number .. " got " .. tostring(data))
      answered = answered + 1
      client:close()
      if answered == clients then
        server:close()
      end
    end)
    client:write(number .. "\n")
  end)
end

-- Time passes for both: ticks of luv and of millpond.
local ticks, slept = 0, 0
local ticker = uv.new_timer()
ticker:start(1, 1, function()
  ticks = ticks + 1
  if ticks == 5 then
    ticker:close()
  end
end)
millpond.spawn(function()
  for _ = 1, 5 do
    millpond.sleep(0.001)
    slept = slept + 1
  end
end)
-- A coroutine of the program's own waits as well.
local own
coroutine.wrap(function()
  local conn <close> = assert(db:connection())
  own = assert(conn:execute("SELECT 42"))[1][1]
end)()

for number = 1, clients do
  ask(number)
end
uv.run() -- ends by itself
assert(answered == clients and ticks == 5 and slept == 5 and own == 42)
assert(db:close_pool(5))
print("answered " .. answered)
