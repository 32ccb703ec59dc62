-- Sessions and leases that only read, on databases of one node.

local millpond = require "millpond"
local support = require("tests.lua.support")(_ENV)

support.on_each_database(function(kind, open)
  if kind ~= "sqlite" then
    support.both_ways("a connection that only reads refuses writes, and the next one does not", function()
      local db = open { pool_max_size = 1 }
      local name = ("reads_%08x"):format(math.random(0, 0x7fffffff))
      assert(db:with_connection(function(conn)
        return conn:execute(("CREATE TABLE %s (n integer)"):format(name))
      end))
      for _, consistency in ipairs { "strong", "session", "eventual", 5 } do
        local rows, err = db:with_connection({ read_only = true, consistency = consistency },
          function(conn)
            assert.are.equal(1, conn:node())
            assert.are.equal(1, conn:fetch_value("SELECT 1"))
            return conn:execute(("INSERT INTO %s VALUES (1)"):format(name))
          end)
        assert.is_nil(rows)
        assert.is_truthy(err.message)
      end
      assert(db:transaction({ timeout = 60 }, function(conn)
        return conn:execute(("INSERT INTO %s VALUES (1)"):format(name))
      end))
      assert(db:with_connection(function(conn)
        assert.are.equal(1, conn:fetch_value("SELECT count(*) FROM " .. name))
        return conn:execute("DROP TABLE " .. name)
      end))
    end)
  end

  it("lists its node", function()
    local db = open()
    assert(db:with_connection(function(conn) return conn:execute("SELECT 1") end))
    assert.are.equal(1, #db:nodes())
    assert.is_string(db:nodes()[1].role)
  end)

  it("refuses options that make no sense", function()
    local db = open()
    for options, why in pairs { [{ read_only = true, consistency = "some" }] = "consistency must be",
      [{ read_only = true, consistency = -1 }] = "above 0 seconds", [{ reed_only = true }] = "no option reed_only",
      [{ consistency = "strong", timeout = "x" }] = "timeout must be" } do
      local ok, err = pcall(db.connection, db, options)
      assert.is_false(ok)
      assert.matches(why, tostring(err))
    end
  end)
end)

describe("A session", function()
  it("travels as a token, and takes those of others", function()
    local session = millpond.session()
    local again = millpond.session(session:token())
    again:merge(session:token())
    assert.are.equal(session:token(), again:token())
    local ok, err = pcall(millpond.session, "no token")
    assert.is_false(ok)
    assert.are.equal("EINVAL", err.code)
  end)

  it("is the coroutine's own, and that of the tasks it spawns", function()
    local outer, inner = millpond.session(), millpond.session()
    millpond.run(function()
      assert.are.equal(7, outer:run(function(n)
        assert.are.equal(outer, millpond.current_session())
        local seen = millpond.gather {
          function()
            return inner:run(function()
              millpond.sleep(0.001)
              return millpond.current_session()
            end)
          end,
          function()
            millpond.sleep(0)
            return millpond.current_session()
          end,
        }
        assert.are.same({ inner, outer }, seen)
        assert.is_false(pcall(inner.run, inner, error))
        assert.are.equal(outer, millpond.current_session())
        return n
      end, 7))
      assert.is_nil(millpond.current_session())
    end)
  end)
end)
