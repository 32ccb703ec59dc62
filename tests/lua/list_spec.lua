-- Lists as parameters, and placeholders of other libraries.

local millpond = require "millpond"
local support = require("tests.lua.support")(_ENV)

local rows = { { 1, "a" }, { 2, "b" }, { 3, "c" }, { 4, millpond.null } }

local cases = {
  { "name IN (?)", { { "a", "b" } }, { 1, 2 } },
  { "name NOT IN (?)", { { "a", "b" } }, { 3 } },
  { "id IN (?)", { millpond.array {} }, {} },
  { "name NOT IN (?)", { millpond.array {} }, { 1, 2, 3, 4 } },
  { "id IN (?, ?) AND id < ?", { { 1, 3 }, 4, 4 }, { 1, 3 } },
  { "(id, name) IN (?)", { { { 1, "a" }, { 2, "x" } } }, { 1 } },
}

support.on_each_database(function(kind, open)
  local function filled(conn)
    local name = ("letters_%08x"):format(math.random(0, 0x7fffffff))
    assert(conn:execute(("CREATE TABLE %s (id integer, name varchar(20))"):format(name)))
    assert(conn:executemany(("INSERT INTO %s VALUES (?, ?)"):format(name), rows))
    return name
  end

  local function ids(conn, name, condition, params)
    local sql = ("SELECT id FROM %s WHERE %s ORDER BY id"):format(name, condition)
    local found = {}
    for i, row in ipairs(assert(conn:execute(sql, params))) do
      found[i] = row[1]
    end
    return found
  end

  it("stand for their items in IN on " .. kind, function()
    local conn <close> = assert(open():connection())
    local name = filled(conn)
    for _, case in ipairs(cases) do
      assert.are.same(case[3], ids(conn, name, case[1], case[2]))
    end
    local changed = assert(conn:executemany(("DELETE FROM %s WHERE id = ? AND name IN (?)"):format(name),
      { { 1, { "a", "b", "c" } }, { 2, millpond.array {} }, { 3, { "c" } } }))
    assert.are.equal(2, changed.rowcount)
    assert.are.same({ 2, 4 }, ids(conn, name, "1 = 1"))
    assert(conn:execute("DROP TABLE " .. name))
  end)

  it("are refused where one value is wanted on " .. kind, function()
    local conn <close> = assert(open():connection())
    local name = filled(conn)
    local ok, rows_or_err, err = pcall(ids, conn, name, "name = ?", { { "a", "b" } })
    assert.is_false(ok)
    assert.is_truthy(tostring(rows_or_err or err):find("parameter 1 is a list", 1, true))
    assert.are.equal(4, #ids(conn, name, "1 = 1"))
    assert(conn:execute("DROP TABLE " .. name))
  end)

  it("of names are answered with what to write on " .. kind, function()
    local conn <close> = assert(open():connection())
    local ok, err = pcall(conn.execute, conn, "SELECT :name", { name = 1 })
    assert.is_false(ok)
    assert.is_truthy(tostring(err):find("write ? in the statement for each value", 1, true))
  end)
end)

describe("A backend in Lua", function()
  it("gets lists in IN as its database takes them", function()
    local inner = support.open("sqlite")
    local seen = {}
    local own = millpond.backend {
      dialect = "sqlite",
      connect = function() return inner:connection() end,
      execute = function(raw, sql, params)
        seen[#seen + 1] = { sql, params }
        return raw:execute(sql, params)
      end,
      begin = function(raw) return raw:begin() end,
      commit = function(raw) return raw:commit() end,
      rollback = function(raw) return raw:rollback() end,
      in_transaction = function(raw) return raw:in_transaction() end,
      close = function(raw) raw:release() end,
    }
    local db = own:create_database { pool_max_size = 1 }
    do
      local conn <close> = assert(db:connection())
      local sql = "SELECT ? WHERE 2 IN (?) AND ? NOT IN (?)"
      local found = assert(conn:execute(sql, { "x", { 1, 2, 3 }, millpond.null, millpond.array {} }))
      assert.are.same({ "x" }, found[1])
      local ok, err = pcall(conn.execute, conn, "SELECT 1 WHERE 1 = ?", { { 1 } })
      assert.is_false(ok)
      assert.are.equal("EPARAMS", err.code)
    end
    db:close_pool()
    assert.are.equal("SELECT ? WHERE 2 IN (?, ?, ?, ?) AND ? NOT IN (SELECT NULL WHERE FALSE)",
      seen[1][1])
    assert.are.equal(6, #seen[1][2])
    support.close_all()
  end)
end)
