-- The main job in Lua.
--
-- lua5.4 quickstart.lua                     an SQLite database in memory
-- lua5.4 quickstart.lua FILE                an SQLite file
-- lua5.4 quickstart.lua URL                 postgres://user:password@host/name, mysql://..., ...

local millpond = require "millpond"

-- It would take hours, on any database.
local ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) "
  .. "SELECT count(*) FROM n a, n b, n c, n d"

local function open_database(where)
  if where and where:find("://", 1, true) then
    return assert(millpond.from_url(where))
  end
  return assert(millpond.create_database("sqlite", { database = where or ":memory:" }))
end

local function make_table(db)
  local conn <close> = assert(db:connection())
  print("connected to", conn:get_version_details().db_server_version)
  assert(conn:execute("DROP TABLE IF EXISTS quickstart_users"))
  assert(conn:execute("CREATE TABLE quickstart_users (id varchar(20) PRIMARY KEY, name text)"))
  local rows = { { "u1", "Ada" }, { "u2", "Grace" }, { "u3", "Edsger" } }
  local result = assert(conn:executemany("INSERT INTO quickstart_users VALUES (?, ?)", rows))
  print("inserted", result.rowcount .. " rows in one call")
end

local function work_in_transaction(db)
  local conn <close> = assert(db:connection())
  local name = assert(conn:transaction(function()
    local rows = assert(conn:execute("SELECT id, name FROM quickstart_users WHERE id = ?", { "u2" },
      { timeout = 5, tags = { operation = "get_user" } }))
    return rows[1][2]
  end))
  print("committed, found", name)
end

local function fail_clearly(db)
  local conn <close> = assert(db:connection())
  local _, refused = conn:execute("INSERT INTO quickstart_users VALUES (?, ?)", { "u1", "Alan" })
  print("refused:", refused)
  local _, stopped = conn:execute(ENDLESS, nil, { timeout = 0.2 })
  print("stopped:", stopped)
  for row in conn:stream("SELECT name FROM quickstart_users ORDER BY name", nil, { named = true }) do
    print("the connection still works:", row.name)
  end
end

local function many_at_once(db)
  local tasks = {}
  for i = 1, 30 do
    tasks[i] = function()
      local conn <close> = assert(db:connection())
      local rows = assert(conn:execute("SELECT name FROM quickstart_users WHERE id = ?",
        { "u" .. i % 3 + 1 }))
      return rows[1][1]
    end
  end
  local names = millpond.gather(tasks)
  print(#names .. " tasks shared", db:get_pool_status().size .. " connections")
end

local db = open_database(arg[1])
millpond.run(function()
  make_table(db)
  work_in_transaction(db)
  fail_clearly(db)
  many_at_once(db)
end)

local conn = assert(db:connection()) -- outside a coroutine the same calls block
print("without coroutines:", assert(conn:execute("SELECT max(name) FROM quickstart_users"))[1][1])
conn:release()
assert(db:close_pool(30))
print("pool closed")
