-- Entities, breakers and metrics, with allocations that fail: see tests/lua/host.c.
local millpond = require "millpond"
local armed = arm or function() end -- luacheck: ignore 113

local db = assert(millpond.create_database("sqlite", { database = ":memory:", pool_min_size = 1 }))
do
  local conn <close> = assert(db:connection())
  assert(conn:save_entity("person", { id = "first", name = "a", age = 1 }))
end
armed(true)
do
  local conn <close> = assert(db:connection())
  assert(conn:save_entity("person", { id = "p", name = "b", tags = { "x" } }, { user_id = "me" }))
  local ids = assert(conn:save_entities("person", { { name = "c" }, { id = "q", age = 2 } }))
  assert(#ids == 2)
  assert(assert(conn:get_entity("person", "p", { deserialize = true })).tags[1] == "x")
  local found = assert(conn:find_entities("person", { where = "age > ?", params = { 1 } }))
  assert(#found == 1)
  assert(conn:count_entities("person") == 4)
  assert(#assert(conn:get_entity_history("person", "p")) == 1)
  assert(conn:delete_entity("person", "p"))
  local breaker = millpond.circuit_breaker { failure_threshold = 1 }
  assert(breaker:call(function() return true end) and breaker:state() == "closed")
  assert(#millpond.circuit_breakers() >= 0)
  assert(db:get_metrics().acquired and millpond.prometheus())
  assert(#db:check_for_leaked_connections(0) == 1)
end
armed(false)
assert(db:close_pool(5))
