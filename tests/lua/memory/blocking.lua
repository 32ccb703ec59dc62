-- The core paths where calls block, with allocations that fail: see tests/lua/host.c.
local millpond = require "millpond"
local armed = arm or function() end -- luacheck: ignore 113

local db = assert(millpond.create_database("sqlite", { database = ":memory:" }))
do
  local warm <close> = assert(db:connection())
  assert(warm:execute("CREATE TABLE kept (id integer PRIMARY KEY, a text, b json, c decimal_text, "
    .. "d timestamptz)"))
end
armed(true)
do
  local conn <close> = assert(db:connection())
  local values = { 1, "text", { list = { 1, "two", millpond.null } }, millpond.decimal("1.50"),
    millpond.timestamptz("2026-01-01 00:00:00Z") }
  assert(conn:begin())
  assert(conn:execute("INSERT INTO kept VALUES (?, ?, ?, ?, ?)", values,
    { timeout = 60, tags = { operation = "test" } }))
  assert(conn:executemany("INSERT INTO kept (id, a) VALUES (?, ?)", { { 2, "b" }, { 3, "c" } }))
  assert(conn:commit())
  local rows = assert(conn:execute("SELECT * FROM kept ORDER BY id"))
  assert(#rows == 3 and rows[1][3].list[2] == "two" and rows[1][4] == millpond.decimal("1.50"))
  local _, err = conn:execute("SELECT * FROM no_such_table")
  assert(err and (err.code == "EUNDEFINED" or err.code == "ENOMEM"), tostring(err))
  for row in conn:stream("SELECT id FROM kept", nil, { batch = 2, named = true }) do
    assert(row.id)
  end
  assert(conn:transaction(function()
    return true
  end))
  assert(millpond.from_url("sqlite:///:memory:?pool_max_size=3"))
  assert(db:get_pool_status().current_active == 1)
  assert(conn:get_version_details())
end
armed(false)
assert(db:close_pool(5))
