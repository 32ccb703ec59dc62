-- A transaction inside a transaction is a savepoint.

local millpond = require "millpond"
local support = require("tests.lua.support")(_ENV)

support.on_each_database(function(_, open)
  local conn, name

  local function insert(number)
    return conn:execute(("INSERT INTO %s VALUES (?)"):format(name), { number })
  end

  local function kept()
    local rows = assert(conn:execute(("SELECT n FROM %s ORDER BY n"):format(name)))
    local found = {}
    for i, row in ipairs(rows) do
      found[i] = row[1]
    end
    return found
  end

  local function with_table(f)
    return function()
      name = "kept_" .. tostring({}):match("0x(%x+)")
      local lease <close> = assert(open():connection())
      conn = lease
      assert(conn:execute(("CREATE TABLE %s (n integer PRIMARY KEY)"):format(name)))
      f()
      assert.is_false(conn:in_transaction())
      assert(conn:execute("DROP TABLE " .. name))
    end
  end

  support.both_ways("what fails inside undoes only itself", with_table(function()
    local answer = assert(conn:transaction(function()
      assert(insert(1))
      local ok, err = pcall(conn.transaction, conn, function()
        assert(insert(2))
        error("enough")
      end)
      assert.is_false(ok)
      assert.matches("enough", err)
      assert.are.equal(3, conn:transaction(function()
        assert(insert(3))
        local _, refused = conn:transaction(function()
          assert(insert(4))
          return insert(3)
        end)
        assert.are.equal("EUNIQUE", refused.code)
        assert(insert(5))
        return 3
      end))
      return "done"
    end))
    assert.are.equal("done", answer)
    assert.are.same({ 1, 3, 5 }, kept())
  end))

  support.both_ways("one that was begun by hand is the outer one", with_table(function()
    assert(conn:begin())
    assert(conn:transaction(function() return insert(1) end))
    assert.is_true(conn:in_transaction())
    assert(conn:rollback())
    assert.are.same({}, kept())
  end))

  support.both_ways("a failure outside undoes what was done inside", with_table(function()
    local ok = pcall(conn.transaction, conn, function()
      assert(conn:transaction(function() return insert(1) end))
      error("all of it")
    end)
    assert.is_false(ok)
    assert.are.same({}, kept())
  end))

  it("a cancelled task undoes both", with_table(function()
    millpond.run(function()
      local inside = false
      local task = millpond.spawn(function()
        return conn:transaction(function()
          assert(insert(1))
          return conn:transaction(function()
            assert(insert(2))
            inside = true
            millpond.sleep(600)
          end)
        end)
      end)
      while not inside do
        millpond.sleep(0.001)
      end
      assert.is_true(task:cancel())
      assert.are.equal("ECANCELLED", select(2, task:join()).code)
    end)
    assert.are.same({}, kept())
  end))
end)
