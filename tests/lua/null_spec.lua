-- NULL is millpond.null, or nil where the program asks for that.

local millpond = require "millpond"
local support = require("tests.lua.support")(_ENV)

local NULLS = "SELECT 1 AS a, NULL AS b, 3 AS c, NULL AS d"

support.on_each_database(function(_, open)
  support.both_ways("NULL is nil on request, in every shape", function()
    local conn <close> = assert(open():connection())
    local rows = assert(conn:execute(NULLS))
    assert.are.same({ 1, millpond.null, 3, millpond.null }, rows[1])
    rows = assert(conn:execute(NULLS, nil, { null_as_nil = true }))
    assert.are.same({ 1, nil, 3, nil, n = 4 }, rows[1])
    local named = { null_as_nil = true, named = true }
    assert.are.same({ { a = 1, c = 3 } }, { conn:execute(NULLS, nil, named)[1] })
    assert.are.same({ a = 1, c = 3 }, conn:fetch_one(NULLS, nil, named))
    assert.are.equal(millpond.null, conn:fetch_value("SELECT NULL"))
    assert.is_nil(conn:fetch_value("SELECT NULL", nil, { null_as_nil = true }))
    local seen = {}
    for row in conn:stream(NULLS .. " UNION ALL " .. NULLS, nil, { null_as_nil = true, batch = 1 }) do
      seen[#seen + 1] = row
    end
    assert.are.same({ { 1, nil, 3, nil, n = 4 }, { 1, nil, 3, nil, n = 4 } }, seen)
    assert.are.equal(millpond.null, conn:fetch_value("SELECT NULL", nil, { null_as_nil = false }))
  end)

  support.both_ways("a field of an entity that is NULL is missing on request", function()
    local conn <close> = assert(open():connection())
    local name = "nulls_" .. tostring({}):match("0x(%x+)")
    local id = assert(conn:save_entity(name, { a = 1, b = 2 })).id
    assert(conn:save_entity(name, { id = id, b = millpond.null }))
    assert.are.equal(millpond.null, conn:get_entity(name, id).b)
    for _, entity in ipairs {
      conn:get_entity(name, id, { null_as_nil = true }),
      conn:find_entities(name, { null_as_nil = true })[1],
      conn:get_entity_history(name, id, { null_as_nil = true })[2],
      conn:save_entity(name, { id = id, c = 2 }, { null_as_nil = true }),
    } do
      assert.are.equal(id, entity.id)
      assert.is_nil(entity.b)
      for _, value in pairs(entity) do
        assert.are_not.equal(millpond.null, value)
      end
    end
  end)
end)

describe("A backend in Lua", function()
  after_each(support.close_all)

  it("has the same shapes of rows, and savepoints", function()
    local inner = support.open("sqlite")
    local own = support.backend_over(inner)
    local db = own:create_database { pool_max_size = 1 }
    local conn = assert(db:connection())
    assert.are.same({ 1, nil, 3, nil, n = 4 }, conn:execute(NULLS, nil, { null_as_nil = true })[1])
    assert.are.same({ a = 1, b = millpond.null, c = 3, d = millpond.null },
      conn:execute(NULLS, nil, { named = true })[1])
    assert.are.same({ a = 1, c = 3 },
      conn:fetch_one(NULLS, nil, { named = true, null_as_nil = true }))
    assert(conn:execute("CREATE TABLE kept (n integer UNIQUE)"))
    assert(conn:transaction(function()
      assert(conn:execute("INSERT INTO kept VALUES (1)"))
      local _, err = conn:transaction(function()
        assert(conn:execute("INSERT INTO kept VALUES (2)"))
        return conn:execute("INSERT INTO kept VALUES (1)")
      end)
      assert.are.equal("EUNIQUE", err.code)
      return true
    end))
    assert.are.equal(1, conn:fetch_value("SELECT count(*) FROM kept"))
    conn:release()
    db:close_pool()
  end)
end)
