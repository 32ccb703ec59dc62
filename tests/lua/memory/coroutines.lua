-- The core paths in coroutines, with allocations that fail: see tests/lua/host.c.
local millpond = require "millpond"
local armed = arm or function() end -- luacheck: ignore 113

local db = assert(millpond.create_database("sqlite",
  { database = ":memory:", pool_max_size = 2, pool_min_size = 1 }))
millpond.set_error_handler(function() end)

local function work(number)
  return function()
    local conn <close> = assert(db:connection())
    coroutine.yield()
    local rows = assert(conn:execute("SELECT ?, ?", { number, "text" }))
    assert(rows[1][1] == number)
    local count = 0
    for _ in conn:stream("SELECT 1 UNION SELECT 2 UNION SELECT 3", nil, { batch = 1 }) do
      count = count + 1
    end
    assert(count == 3)
    assert(conn:begin())
    assert(conn:rollback())
    return number
  end
end

armed(true)
millpond.run(function()
  local results = millpond.gather { work(1), work(2), work(3), work(4) }
  assert(#results == 4)
  local task = millpond.spawn(work(5))
  coroutine.yield()
  task:cancel()
  task:join()
  local _, err = millpond.timeout(0.001, function()
    millpond.sleep(600)
  end)
  assert(err.code == "ETIMEDOUT")
  local found = millpond.wrap(function()
    local conn <close> = assert(db:connection())
    for row in conn:stream("SELECT 7") do
      coroutine.yield(row[1])
    end
  end)
  assert(found() == 7 and found() == nil)
end)
armed(false)
assert(db:close_pool(5))
