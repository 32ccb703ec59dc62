-- Mistakes in the program raise an error that says what to do; nothing is lost by them.

local millpond = require "millpond"
local support = require("tests.lua.support")(_ENV)

-- The error object that f raises.
local function raised(code, pattern, f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok, "nothing was raised")
  if code then
    assert.is_true(millpond.is_error(err), "raised no error object but " .. tostring(err))
    assert.are.equal(code, err.code)
  end
  assert.matches(pattern, tostring(err))
  return err
end

describe("Settings", function()
  after_each(support.close_all)

  it("of an unknown kind name the known ones", function()
    raised("EINVAL", "unknown database type oracle: use one of postgres, mysql, sqlite",
      millpond.create_database, "oracle", { database = "x" })
    raised("EINVAL", "unknown database type nil", millpond.create_database)
  end)

  it("that are missing, unknown or out of range are named", function()
    raised("EINVAL", "database", millpond.create_database, "sqlite", {})
    raised("EINVAL", "must be a table", millpond.create_database, "sqlite")
    raised("EINVAL", 'no setting "sslmod"', millpond.create_database, "postgres",
      { database = "x", sslmod = "require" })
    raised("EINVAL", "pool_max_size", millpond.create_database, "sqlite",
      { database = "x", pool_max_size = -1 })
    raised(nil, "user must be text, a number or a boolean, not a table",
      millpond.create_database, "sqlite", { database = "x", user = {} })
    raised(nil, "database contains a NUL", millpond.create_database, "sqlite",
      { database = "a\0b" })
  end)

  it("come from a URL, which the program's own win over", function()
    local db = assert(millpond.from_url("postgres://me:p%40ss@host:7/shop", { alias = "mine" }))
    assert.are.same({ "shop", "mine", "host", 7, "prod" },
      { db:database(), db:alias(), db:host(), db:port(), db:env() })
    assert.are.equal("p@ss", db:config().password)
    assert.is_nil(tostring(db):find("p@ss", 1, true))
    assert.are.equal(32, #db:hash())
    local err = raised("EINVAL", "port", millpond.from_url, "postgres://me:secret@host:port/x")
    assert.is_nil(tostring(err):find("secret", 1, true))
  end)
end)

describe("Connecting", function()
  after_each(support.close_all)

  support.both_ways("to where nobody listens returns an error that can be retried", function()
    local db = support.open("postgres", { port = 1 })
    local conn, err = db:connection()
    assert.is_nil(conn)
    assert.are.equal("ECONNECT", err.code)
    assert.is_true(err.retryable)
    assert.matches("127.0.0.1:1", err.message, 1, true)
    assert.is_true(support.at_rest(db).errors >= 1)
  end)

  support.both_ways("with a wrong password returns an error without it", function()
    local db = support.open("postgres", { password = "not-the-password" })
    local conn, err = db:connection()
    assert.is_nil(conn)
    assert.are.equal("EAUTH", err.code)
    for _, text in pairs(err) do
      assert.is_nil(tostring(text):find("not-the-password", 1, true))
    end
  end)

  support.both_ways("to a full pool returns an error in time", function()
    local db = support.open("sqlite", { pool_min_size = 1, pool_max_size = 1 })
    local held <close> = assert(db:connection())
    local conn, err = db:connection(0.05)
    assert.is_nil(conn)
    assert.are.equal("EACQUIRE", err.code)
    assert.matches("1 of at most 1 are in use", err.message)
    assert.are.equal(1, db:get_pool_status().timeouts)
    assert(held:execute("SELECT 1"))
  end)
end)

describe("Statements", function()
  support.on_each_database(function(_, open)
    support.both_ways("check their arguments", function()
      local db = open()
      local conn <close> = assert(db:connection())
      raised("EPARAMS", "has 2 placeholders and got 1 parameter", conn.execute, conn,
        "SELECT ?, ?", { 1 })
      raised("EPARAMS", "params must be a table, not a number: write {value}", conn.execute, conn,
        "SELECT ?", 7)
      raised("EPARAMS", "parameter 2 is a function", conn.execute, conn, "SELECT ?, ?", { 1, print })
      raised("EPARAMS", "parameter 1 is an empty table", conn.execute, conn, "SELECT ?", { {} })
      raised("EPARAMS", "parameter 1 is a userdata", conn.execute, conn, "SELECT ?", { io.stdout })
      raised("EPARAMS", "row 1 has 1 parameters, but row 0 has 2", conn.executemany, conn,
        "SELECT ?, ?", { { 1, 2 }, { 3 } })
      raised("EPARAMS", "row 1: parameter 2 is a function", conn.executemany, conn,
        "SELECT ?, ?", { { 1, 2 }, { 3, print } })
      raised(nil, "sql must be a string, not a no value", conn.execute, conn)
      raised(nil, "no option time: use timeout", conn.execute, conn, "SELECT 1", nil, { time = 1 })
      raised(nil, "tags must be a table", conn.execute, conn, "SELECT 1", nil, { tags = "a" })
      for _, timeout in ipairs { 0, -1, 0 / 0, "5" } do
        raised(nil, "timeout must be a positive number", conn.execute, conn, "SELECT 1", nil,
          { timeout = timeout })
        raised(nil, "timeout must be a positive number", db.connection, db, timeout)
      end
      assert.are.equal(1, assert(conn:execute("SELECT 1", {}, { tags = { who = "me", n = 1 } }))[1][1])
    end)

    it("of more or less than one are refused", function()
      local db = open()
      local conn <close> = assert(db:connection())
      for _, sql in ipairs { "SELECT 1; SELECT 2", "", "-- nothing", "SELECT 'a", "SELECT 1 \0" } do
        local rows, err = conn:execute(sql)
        assert.is_nil(rows)
        assert.are.equal("ESYNTAX", err.code)
      end
      assert.are.equal(1, assert(conn:execute("SELECT 1"))[1][1])
    end)

    it("take NULL as millpond.null, or as nil in a table with n", function()
      local db = open()
      local conn <close> = assert(db:connection())
      local row = assert(conn:execute("SELECT COALESCE(?, 5), COALESCE(?, 6)",
        table.pack(nil, millpond.null)))[1]
      assert.are.same({ "5", "6" }, { tostring(row[1]), tostring(row[2]) })
      assert.are.equal(millpond.null, assert(conn:execute("SELECT NULL"))[1][1])
    end)

    it("raise no error at the end of a scope that has one", function()
      local db = open()
      local ok, err = pcall(function()
        local conn <close> = assert(db:connection())
        assert(conn:begin())
        local _ <close> = setmetatable({}, { __close = function() error("in close", 0) end })
        error("first", 0)
      end)
      assert.are.same({ false, "in close" }, { ok, err })
      assert.are.equal(0, support.at_rest(db).current_active)
    end)
  end)
end)

describe("Connections", function()
  support.on_each_database(function(_, open)
    support.both_ways("that were given back are of no use", function()
      local db = open()
      local conn = assert(db:connection())
      assert.is_true(conn:id() > 0)
      conn:release()
      assert.are.equal(0, conn:id())
      for _, name in ipairs { "execute", "begin", "release", "in_transaction",
        "get_version_details" } do
        raised("ESTALE", "given back", conn[name], conn, "SELECT 1")
      end
      raised("ESTALE", "given back", function()
        for _ in conn:stream("SELECT 1") do end
      end)
      assert.matches("given back", tostring(conn))
      assert.are.equal(1, support.at_rest(db).idle)
    end)

    support.both_ways("that are given back by what a statement's tags do are told so", function()
      local db = open()
      local conn = assert(db:connection())
      local tag = setmetatable({}, { __tostring = function()
        conn:release()
        return "released"
      end })
      raised("ESTALE", "given back", conn.execute, conn, "SELECT 1", nil, { tags = { tag = tag } })
      assert.are.equal(0, support.at_rest(db).current_active)
    end)

    support.both_ways("can be closed, which frees their place", function()
      local db = open()
      local id
      do
        local conn <close> = assert(db:connection())
        id = conn:id()
        conn:close()
        conn:close()
        assert.is_false(pcall(function() assert(conn:execute("SELECT 1")) end))
      end
      local conn <close> = assert(db:connection())
      assert.are_not.equal(id, conn:id())
    end)

    it("tell versions", function()
      local db = open()
      local conn <close> = assert(db:connection())
      local versions = conn:get_version_details()
      assert.is_true(#versions.db_server_version > 5 and #versions.db_driver > 5)
    end)

    it("that are dirty are rolled back, and warned of", function()
      local db = open()
      local told = {}
      millpond.set_logger(function(level, area, message)
        told[#told + 1] = ("%d %s %s"):format(level, area, message)
      end)
      do
        local conn <close> = assert(db:connection())
        assert(conn:execute("DROP TABLE IF EXISTS dirty"))
        assert(conn:execute("CREATE TABLE dirty (id integer)"))
        assert(conn:begin())
        assert(conn:execute("INSERT INTO dirty VALUES (1)"))
      end
      local conn <close> = assert(db:connection())
      assert.are.equal(0, assert(conn:execute("SELECT count(*) FROM dirty"))[1][1])
      assert(conn:execute("DROP TABLE dirty"))
      assert.matches("open transaction, which was rolled back", table.concat(told, "\n"))
    end)

    it("that are forgotten come back, with a warning", function()
      local db = open()
      local told = {}
      millpond.set_logger(function(_, _, message)
        told[#told + 1] = message
      end)
      assert(db:connection())
      collectgarbage()
      collectgarbage()
      assert.are.equal(1, support.at_rest(db).idle)
      millpond.step()
      assert.matches("dropped without being released", table.concat(told, "\n"))
    end)

    support.both_ways("of a pool that closes are taken by force, and committed", function()
      local db = open()
      local idle = assert(db:connection())
      assert(idle:execute("DROP TABLE IF EXISTS forced"))
      assert(idle:execute("CREATE TABLE forced (id integer)"))
      assert(idle:begin())
      assert(idle:execute("INSERT INTO forced VALUES (1)"))
      assert(db:close_pool(0.05))
      raised("ESTALE", "", idle.execute, idle, "SELECT 1")
      local conn <close> = assert(db:connection()) -- of a new pool
      assert.are.equal(1, assert(conn:execute("SELECT count(*) FROM forced"))[1][1])
      assert(conn:execute("DROP TABLE forced"))
    end)

    support.both_ways("of a database are closed with it, and those of others are not", function()
      local db, other = open(), open()
      for _, one in ipairs { db, other } do
        assert(one:with_connection(function(conn)
          return conn:execute("SELECT 1")
        end))
      end
      local closed, left = db:pool(), other:pool()
      assert.is_true(db:close(120))
      assert.is_true(closed:closed())
      assert.is_false(left:closed())
      assert.is_true(db:close()) -- twice is no error
      assert.are.equal(1, assert(db:with_connection(function(conn)
        return conn:fetch_value("SELECT 1")
      end)))
    end)
  end)
end)

describe("Streams", function()
  support.on_each_database(function(kind, open)
    local numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
      .. "SELECT i FROM n"
    local most = kind == "mysql" and 1000 or 5000

    support.both_ways("read all rows in batches, and may be left early", function()
      local db = open()
      local conn <close> = assert(db:connection())
      local sum = 0
      for row in conn:stream(numbers, { most }, { batch = 7 }) do
        sum = sum + row[1]
      end
      assert.are.equal(most * (most + 1) // 2, sum)
      local stream <close> = conn:stream(numbers, { most }, { batch = 7, named = true })
      for row in stream do
        if row.i == 10 then
          break
        end
      end
      assert.are.same({ "i" }, stream.columns)
      raised("EMISUSE", "a stream is open", conn.execute, conn, "SELECT 1")
    end)

    support.both_ways("end when their loop or scope does", function()
      local db = open()
      local conn <close> = assert(db:connection())
      for row in conn:stream(numbers, { most }, { batch = 7 }) do
        if row[1] == 1 then
          break
        end
      end
      assert.are.equal(1, assert(conn:execute("SELECT 1"))[1][1])
      pcall(function()
        for _ in conn:stream(numbers, { most }, { batch = 7 }) do
          error("stop")
        end
      end)
      assert.are.equal(1, assert(conn:execute("SELECT 1"))[1][1])
      assert.is_nil(conn:stream("SELECT 1 WHERE 1 = 0")())
    end)
  end)
end)
