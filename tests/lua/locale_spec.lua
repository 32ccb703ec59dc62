-- A program whose locale writes a comma where others write a point.

local millpond = require "millpond"
local support = require("tests.lua.support")(_ENV)

describe("In a locale with a comma", function()
  setup(function()
    assert(os.setlocale("de_DE.UTF-8", "numeric"))
    assert(("%.1f"):format(1.5) == "1,5")
  end)

  teardown(function()
    os.setlocale("C", "numeric")
  end)

  it("decimals are numbers", function()
    assert.are.equal(2.5, millpond.decimal("2.50").number)
    assert.is_true(millpond.decimal("NaN").number ~= millpond.decimal("NaN").number)
  end)

  support.on_each_database(function(kind)
    it("floats go to " .. kind .. " and come back", function()
      local db = support.open(kind, { connection_acquisition_timeout = 7.5 })
      local conn <close> = assert(db:connection())
      assert(conn:execute("DROP TABLE IF EXISTS lua_commas"))
      assert(conn:execute("CREATE TABLE lua_commas (a double precision)"))
      assert(conn:executemany("INSERT INTO lua_commas VALUES (?)", { { 0.5 }, { -1.5e-7 } }))
      local rows = assert(conn:execute("SELECT a FROM lua_commas ORDER BY a"))
      assert.are.same({ -1.5e-7, 0.5 }, { rows[1][1], rows[2][1] })
      rows = assert(conn:execute("SELECT a FROM lua_commas WHERE a = ?", { 0.5 }))
      assert.are.equal(1, #rows)
    end)
  end)
end)
