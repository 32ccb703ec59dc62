-- Point selects from Lua, millpond beside LuaSQL, in turns: see lua_peers.py.
--
--     lua5.4 bench.lua KIND ADDRESS SQL ROUNDS SECONDS
--
-- ADDRESS is JSON. Prints JSON: by workload and peer, a round each, the rates a second and, under
-- "<workload>, per second of CPU", those a second of this process's CPU time.
--
-- pgmoon would be a peer, too, but LuaRocks was out of reach where this was written, and neither
-- Debian nor npm nor PyPI has it.

local millpond = require "millpond"
local core = require "millpond.core"
local json = require "millpond.json"

local kind, address, sql = arg[1], json.decode(arg[2]), arg[3]
local rounds, seconds = tonumber(arg[4]), tonumber(arg[5])
local KEY = 4711

-- Selects a second, and a second of CPU time, of a function that selects once, in so many coroutines.
local function rate(select, coroutines)
  local count, started, started_cpu = 0, core.now(), os.clock()
  local stop = started + seconds
  local function work()
    while core.now() < stop do
      select()
      count = count + 1
    end
  end
  if coroutines == 0 then
    work()
  else
    local tasks = {}
    for i = 1, coroutines do
      tasks[i] = work
    end
    millpond.gather(tasks)
  end
  return count / (core.now() - started), count / (os.clock() - started_cpu)
end

---- Peers ------------------------------------------------------------------------------------

local settings = { pool_max_size = 10, query_execution_timeout = 0 }
for name, value in pairs(address) do
  settings[name] = value
end
local db = assert(millpond.create_database(kind, settings))

local function pooled()
  local conn <close> = assert(db:connection())
  local rows = assert(conn:execute(sql, { KEY }))
  assert(#rows[1] > 0)
end

local held = assert(db:connection())

local function on_held()
  local rows = assert(held:execute(sql, { KEY }))
  assert(#rows[1] > 0)
end

local function connect_luasql()
  if kind == "sqlite" then
    return assert(require("luasql.sqlite3").sqlite3():connect(address.database))
  end
  return assert(require("luasql.postgres").postgres():connect(address.database, address.user,
    address.password, address.host, address.port))
end

local luasql = connect_luasql()
local literal = sql:gsub("%?", tostring(KEY)) -- it has no parameters

local function on_luasql()
  local cursor = assert(luasql:execute(literal))
  local row = assert(cursor:fetch({}))
  assert(#row > 0)
  cursor:close()
end

---- Rounds -----------------------------------------------------------------------------------

local workloads = {
  { "1 coroutine", on_held, 1 },
  { "10 coroutines", pooled, 10 },
  { "blocking", on_held, 0 },
}
local results = {}
for _, workload in ipairs(workloads) do
  local mine, theirs, mine_by_cpu, theirs_by_cpu = {}, {}, {}, {}
  for round = 0, rounds do -- the first only warms up
    mine[round], mine_by_cpu[round] = rate(workload[2], workload[3])
    theirs[round], theirs_by_cpu[round] = rate(on_luasql, workload[3])
  end
  results[workload[1]] = { millpond = mine, luasql = theirs }
  results[workload[1] .. ", per second of CPU"] = { millpond = mine_by_cpu, luasql = theirs_by_cpu }
end
held:release()
print(json.encode(results))
