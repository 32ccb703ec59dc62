-- Backends in Lua, in coroutines and blocking, with allocations that fail: see tests/lua/host.c.
local millpond = require "millpond"
local armed = arm or function() end -- luacheck: ignore 113

millpond.set_error_handler(function() end)
local own = millpond.backend {
  name = "memory", dialect = "sqlite",
  connect = function() return {} end,
  execute = function(raw, sql, params)
    if sql == "fail" then
      return nil, millpond.error("EUNIQUE", "taken")
    end
    millpond.sleep(0)
    return { { params[1] or "none", raw.inside or false }, columns = { "value", "inside" } }
  end,
  begin = function(raw) raw.inside = true end,
  commit = function(raw) raw.inside = false end,
  rollback = function(raw) raw.inside = false end,
  in_transaction = function(raw) return raw.inside end,
  close = function() end,
}
local db = own:create_database { pool_max_size = 2 }
do
  local warm <close> = assert(db:connection())
  assert(warm:execute("SELECT 1"))
end

local function work()
  local conn <close> = assert(db:connection())
  assert(assert(conn:execute("SELECT ?", { "text" }))[1][1] == "text")
  local _, err = conn:execute("fail")
  assert(err and (err.code == "EUNIQUE" or err.code == "ENOMEM"), tostring(err))
  assert(conn:executemany("INSERT ?", { { 1 }, { 2 } }))
  assert(conn:transaction(function()
    return conn:fetch_value("SELECT 7", {}, { named = true })
  end))
  return true
end

armed(true)
work()
millpond.run(function()
  local results = millpond.gather { work, work, work }
  assert(#results == 3)
end)
armed(false)
assert(db:close(5))
