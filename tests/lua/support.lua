-- Databases to test on: SQLite in memory or a temporary file, and the servers of tests/support.

local millpond = require "millpond"
local json = require "millpond.json"

local support = { kinds = { "sqlite", "postgres", "mysql" } }
local busted -- what busted gives only to the file of tests itself

-- How to reach a test server; a missing one is a failure.
local function address_of(variable)
  local text = os.getenv(variable)
  assert(text, variable .. " is not set: run the tests through tests/run")
  return json.decode(text)
end

local counter = 0
local opened = {}

--- A database of a kind for one test: its pool is its own.
function support.open(kind, more)
  counter = counter + 1
  local settings = { alias = "lua" .. counter, pool_min_size = 1, -- no more than the test uses
    connection_acquisition_timeout = 120, connection_creation_timeout = 120 } -- the machine is busy
  if kind == "sqlite" then
    settings.database = os.tmpname()
  elseif kind ~= "fake" then
    local address = address_of("MILLPOND_TEST_" .. kind:upper())
    for _, name in ipairs { "host", "port", "user", "password", "database" } do
      settings[name] = address[name]
    end
  else
    settings.database = "fake"
  end
  for name, value in pairs(more or {}) do
    settings[name] = value
  end
  local db = assert(millpond.create_database(kind, settings))
  opened[#opened + 1] = { db = db, file = kind == "sqlite" and settings.database }
  return db
end

--- A backend in Lua on the connections of a database; `more` is set in its definition.
function support.backend_over(inner, more)
  local definition = {
    dialect = "sqlite",
    convert = function(sql) return sql end, -- the inner connection does
    connect = function() return inner:connection() end,
    execute = function(raw, sql, params) return raw:execute(sql, params) end,
    begin = function(raw) return raw:begin() end,
    commit = function(raw) return raw:commit() end,
    rollback = function(raw) return raw:rollback() end,
    in_transaction = function(raw) return raw:in_transaction() end,
    close = function(raw) raw:release() end,
  }
  for name, value in pairs(more or {}) do
    definition[name] = value
  end
  return millpond.backend(definition)
end

--- Close what a test opened.
function support.close_all()
  for _, one in ipairs(opened) do
    assert(one.db:close_pool(5))
    if one.file and one.file ~= ":memory:" then
      for _, suffix in ipairs { "", "-wal", "-shm" } do
        os.remove(one.file .. suffix)
      end
    end
  end
  opened = {}
end

--- Run the same tests on every kind of database: f(kind, open).
function support.on_each_database(f)
  for _, kind in ipairs(support.kinds) do
    busted.describe("on " .. kind, function()
      busted.after_each(support.close_all)
      f(kind, function(more)
        return support.open(kind, more)
      end)
    end)
  end
end

--- Run a test in a coroutine and again where calls block.
function support.both_ways(name, f)
  busted.it(name .. ", in a coroutine", function()
    millpond.run(f)
  end)
  busted.it(name .. ", blocking", f)
end

support.endless = {
  sqlite = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
  postgres = "SELECT pg_sleep(600)",
  mysql = "SELECT sleep(600)",
}

--- The file of cases that other languages read, too.
function support.cases(name)
  local file = assert(io.open("tests/conformance/" .. name .. ".json", "rb"))
  local text = file:read("a")
  file:close()
  return json.decode(text)
end

--- The pool's status once nothing is being opened or cleaned any more.
function support.at_rest(db)
  local status
  for _ = 1, 9000 do
    status = db:get_pool_status()
    if status.size == status.idle and status.waiting == 0 then
      return status
    end
    millpond.sleep(0.01)
  end
  error(("the pool does not come to rest: %d in use, %d waiting"):format(
    status.in_use, status.waiting))
end

return function(environment)
  busted = environment
  return support
end
