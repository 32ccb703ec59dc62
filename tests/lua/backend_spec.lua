-- What the library's core does for backends in Lua: metrics, breakers, leak reports, health checks.

local millpond = require "millpond"
local support = require("tests.lua.support")(_ENV)

-- A backend whose statements are keys of a table of functions.
local function backend(statements, more)
  local functions = {
    name = "dict", dialect = "sqlite",
    connect = function() return {} end,
    execute = function(raw, sql, params)
      local statement = statements[sql:match("^[^\n]*")]
      if not statement then
        return { columns = {} }
      end
      return statement(raw, params)
    end,
    begin = function(raw) raw.inside = true end,
    commit = function(raw) raw.inside = false end,
    rollback = function(raw) raw.inside = false end,
    in_transaction = function(raw) return raw.inside end,
    close = function(raw) raw.closed = true end,
  }
  for name, value in pairs(more or {}) do
    functions[name] = value
  end
  return millpond.backend(functions)
end

local databases = {}

local function open(statements, more, settings)
  local db = backend(statements, more):create_database(settings or {})
  databases[#databases + 1] = db
  return db
end

describe("A backend in Lua under the library's pool", function()
  after_each(function()
    for _, db in ipairs(databases) do
      assert(db:close(5))
    end
    databases = {}
  end)

  support.both_ways("is in metrics, leak reports and health checks", function()
    local pings = 0
    local db = open({}, { ping = function() pings = pings + 1 end })
    do
      local conn <close> = assert(db:connection())
      assert(conn:execute("look", nil, { tags = { operation = "looking" } }))
      assert.are.equal(1, db:get_metrics().query.looking.count)
      assert.are.equal(1, db:get_pool_status().in_use)
      local leaks = db:check_for_leaked_connections(0)
      assert.are.equal(conn:id(), leaks[1].connection_id)
      assert.matches('db_system[^\n]*dict', millpond.prometheus())
    end
    assert.is_true(millpond.health_check_all_pools()[db:hash()])
    assert.is_true(pings > 0)
  end)

  it("is not healthy where ping() fails", function()
    local db = open({}, { ping = function()
      return nil, millpond.error("ECONNLOST", "nobody is there")
    end, connect = function() return nil, millpond.error("ECONNECT", "nobody is there") end })
    local health, errors = millpond.health_check_all_pools()
    assert.is_false(health[db:hash()])
    assert.matches("nobody is there", errors[db:hash()].message)
  end)

  it("has the circuit breakers of its statements", function()
    local calls = 0
    local db = open({ late = function()
      calls = calls + 1
      millpond.sleep(600)
    end }, nil, { pool_max_size = 1, circuit_breaker = true, circuit_breaker_failure_threshold = 5 })
    local code
    for _ = 1, 20 do
      local conn <close> = assert(db:connection())
      local _, err = conn:execute("late", nil, { timeout = 0.001, tags = { operation = "late" } })
      code = err.code
    end
    assert.are.equal("ECIRCUITOPEN", code)
    assert.are.equal(5, calls)
  end)

  support.both_ways("returns the backend's own errors, and raises what it raises", function()
    local mine = millpond.error("EUNIQUE", "taken")
    mine.constraint, mine.own = "key", { 1 }
    local raised = { "a table" }
    local db = open {
      refuse = function() return nil, mine end,
      text = function() return nil, "only text" end,
      raise = function() error(raised, 0) end,
    }
    local conn <close> = assert(db:connection())
    assert.are.equal(mine, select(2, conn:execute("refuse")))
    assert.are.equal("only text", select(2, conn:execute("text")))
    local ok, err = pcall(conn.execute, conn, "raise")
    assert.is_false(ok)
    assert.are.equal(raised, err)
    assert.are.equal("EUNIQUE", select(2, conn:executemany("refuse", { {}, {} })).code)
    assert.is_false(conn:in_transaction())
    assert(conn:execute("fine"))
  end)

  support.both_ways("takes and gives values of all types", function()
    local got
    local db = open { ["echo ?"] = function(_, params)
      got = params[1]
      return { { params[1] }, columns = { "value" }, rowcount = 7, lastrowid = 3 }
    end }
    local conn <close> = assert(db:connection())
    for _, value in ipairs { 1, 1.5, "text", "\255\0", true, false, millpond.null,
      millpond.decimal("1.50"), millpond.date("2026-01-02"),
      millpond.timestamptz("2026-01-01 00:00:00Z") } do
      local rows = assert(conn:execute("echo ?", { value }))
      assert.are.equal(value, got)
      assert.are.equal(value, rows[1][1])
      assert.are.same({ { "value" }, 7, 3 }, { rows.columns, rows.rowcount, rows.lastrowid })
    end
    assert.are.equal("bytes", (conn:execute("echo ?", { millpond.bytes("x") }) and got).type)
    assert.are.same({ a = { 1, "b" } }, conn:fetch_value("echo ?", { { a = { 1, "b" } } }))
    assert.are.equal("json", got.type)
    local ok, err = pcall(conn.execute, conn, "echo ?", { print })
    assert.is_false(ok)
    assert.are.equal("EPARAMS", err.code)
  end)

  it("refuses values that no database has, and rows that are none", function()
    local db = open {
      functions = function() return { { print }, columns = { "a" } } end,
      rows = function() return { 1, columns = { "a" } } end,
      names = function() return { { 1 }, columns = { 1 } } end,
      nothing = function() end,
    }
    local conn <close> = assert(db:connection())
    for sql, why in pairs { functions = "is a function", rows = "each row must be a table",
      names = "must be strings" } do
      local ok, err = pcall(conn.execute, conn, sql)
      assert.is_false(ok)
      assert.matches(why, tostring(err))
    end
    local _, err = conn:execute("nothing")
    assert.matches("neither rows nor an error", err.message)
    assert(conn:execute("fine"))
  end)

  it("closes a connection whose statement does not stop in time, and serves on", function()
    local release
    local db = open({ endless = function()
      while not release do
        pcall(millpond.sleep, 0.01) -- whoever wants it to stop
      end
      return {}
    end }, nil, { pool_max_size = 1 })
    millpond.run(function()
      do
        local conn <close> = assert(db:connection())
        local _, err = conn:execute("endless", nil, { timeout = 0.01 })
        assert.is_true(err.code == "EUNKNOWN" or err.code == "ETIMEDOUT", err.code)
      end
      release = true
      local conn <close> = assert(db:connection())
      assert(conn:execute("fine"))
    end)
  end)

  it("has its connection closed where rolling back fails", function()
    local db = open({}, { rollback = function() return nil, millpond.error("EINTERNAL", "stuck") end })
    millpond.run(function()
      local raw
      do
        local conn <close> = assert(db:connection())
        raw = conn:raw()
        assert(conn:begin())
        local ok, err = conn:rollback()
        assert.is_nil(ok)
        assert.are.equal("stuck", err.message)
        assert.are.equal("ECONNLOST", select(2, conn:execute("more")).code)
      end
      assert(db:close(5))
      assert.is_true(raw.closed)
    end)
  end)

  it("resets sessions, or has those closed that were changed", function()
    local resets, opened = 0, 0
    local function connect()
      opened = opened + 1
      return {}
    end
    for _, more in ipairs { { dialect = "postgres", connect = connect },
      { dialect = "postgres", connect = connect, reset = function() resets = resets + 1 end } } do
      local db = open({}, more, { pool_max_size = 1 })
      for _ = 1, 2 do
        local conn <close> = assert(db:connection())
        assert(conn:is_fresh())
        conn:set_up()
        assert(conn:execute("SET search_path = other"))
      end
    end
    assert.are.equal(1, resets)
    assert.are.equal(3, opened)
  end)

  it("converts its statements itself, tags and lists included", function()
    local seen
    local db = open({}, {
      convert = function(sql) return (sql:gsub("%?", ":x")) end,
      execute = function(_, sql, params)
        seen = { sql, table.unpack(params) }
        return {}
      end,
      version = function() return { db_server_version = "9.9", db_driver = "own" } end,
    })
    local conn <close> = assert(db:connection())
    assert(conn:execute("a IN (?) AND b = ?", { { 1, 2 }, 3 }, { tags = { t = 1 } }))
    assert.are.same({ "a IN (:x, :x) AND b = :x\n/*t='1'*/", 1, 2, 3 }, seen)
    assert.are.same({ db_server_version = "9.9", db_driver = "own" }, conn:get_version_details())
  end)

  it("ends the work of a closed coroutine before whatever comes next", function()
    local begun, stopped = 0
    local db = open({ wait = function()
      begun = begun + 1
      local ok = pcall(millpond.sleep, 600)
      stopped = not ok
      return nil, millpond.error("ECANCELLED", "stopped")
    end }, nil, { pool_max_size = 1 })
    millpond.run(function()
      local conn <close> = assert(db:connection())
      for at_once = 0, 1 do
        local co = coroutine.create(function() conn:execute("wait") end)
        coroutine.resume(co)
        while begun < at_once do
          millpond.sleep(0)
        end
        coroutine.close(co)
        assert(conn:execute("fine"))
        assert.are.equal(at_once == 1 or nil, stopped)
      end
    end)
  end)
end)
