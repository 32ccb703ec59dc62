-- One row or one value of a statement, on the library's connections and on those of a backend.

local millpond = require "millpond"
local support = require("tests.lua.support")(_ENV)

local function check(conn)
  assert.are.same({ 1, "a" }, conn:fetch_one("SELECT 0 + ?, 'a'", { 1 }))
  assert.are.same({ one = 1 }, conn:fetch_one("SELECT 1 AS one", nil, { named = true }))
  assert.are.equal(1, conn:fetch_value("SELECT 1 AS one, 2 AS two"))
  assert.are.equal(1, conn:fetch_value("SELECT 1 AS one, 2 AS two", nil, { named = true }))
  assert.are.equal(millpond.null, conn:fetch_value("SELECT NULL"))
  for _, call in ipairs { "fetch_one", "fetch_value" } do
    local row, err = conn[call](conn, "SELECT 1 WHERE 1 = 0")
    assert.are.same({ nil, nil, n = 2 }, table.pack(row, err))
    row, err = conn[call](conn, "SELECT no_such_column FROM no_such_table")
    assert.is_nil(row)
    assert.is_true(err:is("ProgrammingError"))
  end
end

describe("Fetching", function()
  after_each(support.close_all)

  support.on_each_database(function(_, open)
    support.both_ways("gives a row or a value, nil where there is none, or an error", function()
      local conn <close> = assert(open():connection())
      check(conn)
    end)
  end)

  it("works on a backend in Lua", function()
    local own = millpond.backend {
      dialect = "sqlite",
      connect = function() return {} end,
      execute = function(_, sql)
        return sql == "none" and { columns = { "a" } } or { { 7, 8 }, columns = { "a", "b" } }
      end,
      begin = function() end,
      commit = function() end,
      rollback = function() end,
      in_transaction = function() return false end,
      close = function() end,
    }
    local conn <close> = assert(own:create_database({}):connection())
    assert.are.same({ 7, 8 }, conn:fetch_one("some"))
    assert.are.equal(7, conn:fetch_value("some"))
    assert.is_nil(conn:fetch_one("none"))
    assert.is_nil(conn:fetch_value("none"))
  end)
end)
