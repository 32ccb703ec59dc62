-- One value, one type, one error on every database, whichever call it goes through.

local millpond = require "millpond"
local json = require "millpond.json"
local support = require("tests.lua.support")(_ENV)

local cases = support.cases "values"

local function unhex(text)
  return (text:gsub("%x%x", function(pair)
    return string.char(tonumber(pair, 16))
  end))
end

-- The parameter of a case, and what a result shows.
local makers = {
  integer = function(case) return math.tointeger(tonumber(case.text)) end,
  float = function(case) return tonumber(case.text) + 0.0 end,
  decimal = function(case) return millpond.decimal(case.text) end,
  text = function(case) return case.text:rep(case.times or 1) end,
  bytes = function(case)
    local text = unhex(case.hex):rep(case.times or 1)
    return millpond.bytes(text), text
  end,
  boolean = function(case) return case.text == "true" end,
  date = function(case) return millpond.date(case.text) end,
  time = function(case) return millpond.time(case.text) end,
  timestamp = function(case) return millpond.timestamp(case.text) end,
  zoned = function(case) return millpond.timestamptz(case.text) end,
  json = function(case)
    local value = json.decode(case.text)
    return millpond.json(value), value
  end,
}

local function make(case)
  local parameter, shown = makers[case.type](case)
  if shown == nil then
    shown = parameter
  end
  return parameter, shown
end

local function assert_value(expected, actual)
  if type(expected) == "table" then
    assert.are.same(expected, actual)
    assert.are.equal(json.encode(expected), json.encode(actual))
  else
    assert(expected == actual, "the value changed")
    assert.are.equal(math.type(expected) or type(expected), math.type(actual) or type(actual))
  end
end

local function create(conn, kind, column)
  assert(conn:execute("DROP TABLE IF EXISTS kept"))
  assert(conn:execute(("CREATE TABLE kept (id integer PRIMARY KEY, value %s)")
    :format(cases.columns[column][kind])))
end

local function assert_kept(conn, case)
  local parameter, shown = make(case)
  local insert = "INSERT INTO kept VALUES (?, ?)"
  assert(conn:execute(insert, { 0, parameter }))
  assert(conn:executemany(insert, { { 1, parameter }, { 2, millpond.null }, { 3, parameter } }))
  local select = "SELECT value FROM kept ORDER BY id"
  local rows = assert(conn:execute(select))
  local streamed = {}
  for row in conn:stream(select, nil, { batch = 3 }) do
    streamed[#streamed + 1] = row
  end
  for _, list in ipairs { rows, streamed } do
    assert.are.equal(4, #list)
    assert.are.equal(millpond.null, list[3][1])
    for _, i in ipairs { 1, 2, 4 } do
      assert_value(shown, list[i][1])
    end
  end
end

describe("Conformance", function()
  support.on_each_database(function(kind, open)
    for number, case in ipairs(cases.values) do
      support.both_ways(("keeps %s %d"):format(case.type, number), function()
        local db = open()
        local conn <close> = assert(db:connection())
        create(conn, kind, case.type)
        assert_kept(conn, case)
        assert(conn:execute("DROP TABLE kept"))
      end)
    end

    support.both_ways("has the same errors as other databases", function()
      local db = open()
      local conn <close> = assert(db:connection())
      assert(conn:execute("DROP TABLE IF EXISTS kept"))
      assert(conn:execute("CREATE TABLE kept (id varchar(9) PRIMARY KEY NOT NULL, value integer)"))
      assert(conn:execute("INSERT INTO kept VALUES ('1', 1)"))
      for _, case in ipairs(cases.errors) do
        local rows, err = conn:execute(case.sql)
        assert.is_nil(rows)
        assert.are.equal(case.class, err.class)
        assert.is_true(err:is(case.base))
        assert.is_true(err:is("DatabaseError") and err:is("Error"))
        assert.are.equal(5, #err.sqlstate)
        assert.is_false(err.retryable)
        local ok, raised = pcall(function()
          for _ in conn:stream(case.sql) do end
        end)
        assert.is_false(ok)
        assert.are.equal(case.class, raised.class)
      end
      assert.are.equal(1, assert(conn:execute("SELECT count(*) FROM kept"))[1][1])
      assert(conn:execute("DROP TABLE kept"))
    end)

    support.both_ways("executemany names the failing row and changes nothing", function()
      local db = open()
      local conn <close> = assert(db:connection())
      create(conn, kind, "integer")
      local rows = {}
      for i = 1, 500 do
        rows[i] = { i - 1, i }
      end
      rows[322] = { 7, 7 }
      local done, err = conn:executemany("INSERT INTO kept VALUES (?, ?)", rows)
      assert.is_nil(done)
      assert.are.equal("EUNIQUE", err.code)
      assert.matches("row 321: ", err.message)
      assert.are.equal(0, assert(conn:execute("SELECT count(*) FROM kept"))[1][1])
      assert.is_false(conn:in_transaction())
      assert(conn:execute("DROP TABLE kept"))
    end)

    support.both_ways("counts rows and names columns", function()
      local db = open()
      local conn <close> = assert(db:connection())
      create(conn, kind, "integer")
      local rows = {}
      for i = 1, 10 do
        rows[i] = { i, i }
      end
      assert.are.equal(10, assert(conn:executemany("INSERT INTO kept VALUES (?, ?)", rows)).rowcount)
      local changed = assert(conn:execute("UPDATE kept SET value = 0 WHERE id < ?", { 4 }))
      assert.are.equal(3, changed.rowcount)
      local read = assert(conn:execute("SELECT id AS a, value AS b FROM kept WHERE id < ?", { 3 }))
      assert.are.same({ "a", "b" }, read.columns)
      assert.are.equal(2, read.rowcount)
      local named = assert(conn:execute("SELECT id AS a FROM kept ORDER BY id", nil,
        { named = true }))
      assert.are.same({ a = 1 }, named[1])
      local empty = assert(conn:execute("SELECT id AS a FROM kept WHERE id = 99"))
      assert.are.equal(0, #empty)
      assert.are.same({ "a" }, empty.columns)
      assert(conn:execute("DROP TABLE kept"))
    end)

    support.both_ways("stops work on a timeout, and the transaction can be rolled back", function()
      local db = open()
      local conn <close> = assert(db:connection())
      create(conn, kind, "integer")
      assert(conn:begin())
      assert(conn:execute("INSERT INTO kept VALUES (1, 1)"))
      local id = conn:id()
      local rows, err = conn:execute(support.endless[kind], nil, { timeout = 0.1 })
      assert.is_nil(rows)
      assert.are.equal("ETIMEDOUT", err.code)
      assert.matches("timed out after 0.1 s", err.message, 1, true)
      assert.are.equal(id, conn:id())
      assert.is_true(conn:in_transaction())
      assert(conn:rollback())
      assert.are.equal(0, assert(conn:execute("SELECT count(*) FROM kept"))[1][1])
      assert(conn:execute("DROP TABLE kept"))
    end)

    support.both_ways("keeps transactions apart from what follows", function()
      local db = open()
      local conn <close> = assert(db:connection())
      create(conn, kind, "integer")
      local kept = assert(conn:transaction(function(same, value)
        assert.are.equal(conn, same)
        assert.is_true(conn:in_transaction())
        assert(conn:execute("INSERT INTO kept VALUES (1, ?)", { value }))
        return value
      end, 5))
      assert.are.equal(5, kept)
      assert.are.equal(6, db:transaction(function(other, value)
        assert.is_true(other:in_transaction())
        return value
      end, 6))
      local nothing, err = conn:transaction(function()
        assert(conn:execute("INSERT INTO kept VALUES (2, 2)"))
        return conn:execute("INSERT INTO kept VALUES (1, 1)")
      end)
      assert.is_nil(nothing)
      assert.are.equal("EUNIQUE", err.code)
      assert.has_error(function()
        conn:transaction(function()
          assert(conn:execute("INSERT INTO kept VALUES (3, 3)"))
          error("stop", 0)
        end)
      end, "stop")
      assert.is_false(conn:in_transaction())
      assert.are.same({ { 1, 5 } }, { table.unpack(assert(conn:execute("SELECT * FROM kept"))) })
      local _, again = conn:commit()
      assert.are.equal("ETRANSACTION", again.code)
      assert(conn:execute("DROP TABLE kept"))
    end)
  end)
end)
