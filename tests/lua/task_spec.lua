-- Coroutines: side by side, cancelled, timed out, dropped.

local millpond = require "millpond"
local core = require "millpond.core"
local support = require("tests.lua.support")(_ENV)

describe("Tasks", function()
  after_each(support.close_all)

  it("return what their function returns, and raise what it raises", function()
    assert.are.same({ 1, nil, 3, n = 3 }, table.pack(millpond.run(function(...)
      return ...
    end, 1, nil, 3)))
    assert.has_error(function()
      millpond.run(function()
        error("stop", 0)
      end)
    end, "stop")
  end)

  it("run side by side, in the order that they were started", function()
    local order = {}
    millpond.run(function()
      local tasks = {}
      for i = 1, 5 do
        tasks[i] = millpond.spawn(function()
          order[#order + 1] = i
          coroutine.yield()
          order[#order + 1] = i
          return i
        end)
      end
      for i = 1, 5 do
        assert.are.equal(i, tasks[i]:join())
      end
    end)
    assert.are.same({ 1, 2, 3, 4, 5, 1, 2, 3, 4, 5 }, order)
  end)

  it("wait for their time, the shortest first", function()
    local order = {}
    millpond.run(function()
      local functions = {}
      for i, seconds in ipairs { 0.6, 0.2, 0.4, 0 } do
        functions[i] = function()
          millpond.sleep(seconds)
          order[#order + 1] = i
        end
      end
      millpond.gather(functions)
    end)
    assert.are.same({ 4, 2, 3, 1 }, order)
  end)

  it("are gathered: results and errors by number", function()
    local results, errors = millpond.gather {
      function() return "a" end,
      function() return nil, millpond.error("EBUSY", "no") end,
      millpond.spawn(function() return "c" end),
    }
    assert.are.equal("a", results[1])
    assert.is_nil(results[2])
    assert.are.equal("c", results[3])
    assert.are.equal("EBUSY", errors[2].code)
    assert.is_nil((select(2, millpond.gather {})))
  end)

  it("are cancelled when another that is gathered raises an error", function()
    local ended
    assert.has_error(function()
      millpond.gather {
        function()
          local _ <close> = setmetatable({}, { __close = function() ended = true end })
          millpond.sleep(600)
        end,
        function()
          millpond.sleep(0.001)
          error("stop", 0)
        end,
      }
    end, "stop")
    assert.is_true(ended)
  end)

  it("that are cancelled raise an error where they wait, and may clean up", function()
    millpond.run(function()
      local seen
      local one = millpond.spawn(function()
        local ok, err = pcall(millpond.sleep, 600)
        assert.is_false(ok)
        seen = err.code
        millpond.sleep(0.001) -- cancelled once, not for ever
        error(err, 0)
      end)
      coroutine.yield()
      assert.is_true(one:cancel())
      local value, err = one:join()
      assert.is_nil(value)
      assert.are.equal("ECANCELLED", err.code)
      assert.are.equal("ECANCELLED", seen)
      assert.are.equal("cancelled", one:status())
      assert.is_false(one:cancel())
    end)
  end)

  it("that are cancelled before they begin never begin", function()
    local begun = false
    local one = millpond.spawn(function() begun = true end)
    one:cancel()
    local _, err = one:join()
    assert.are.equal("ECANCELLED", err.code)
    assert.is_false(begun)
  end)

  it("that nobody waits for are cancelled at the end of run()", function()
    local ended
    millpond.run(function()
      millpond.spawn(function()
        local _ <close> = setmetatable({}, { __close = function() ended = true end })
        millpond.sleep(600)
      end)
      coroutine.yield()
    end)
    assert.is_true(ended)
  end)

  it("that fail unseen are told of", function()
    local told
    local before = require("millpond.scheduler").on_error
    millpond.set_error_handler(function(err, traceback)
      told = { err, traceback }
    end)
    millpond.run(function()
      millpond.spawn(function() error("lost", 0) end)
      coroutine.yield()
    end)
    collectgarbage()
    collectgarbage()
    millpond.set_error_handler(before)
    assert.are.equal("lost", told[1])
    assert.matches("traceback", told[2])
  end)

  it("cannot wait for each other in a ring", function()
    assert.has_error(function()
      millpond.run(function()
        local first, second
        first = millpond.spawn(function() return second:join() end)
        second = millpond.spawn(function() return first:join() end)
        first:join()
      end)
    end)
  end)

  it("are stopped by a timeout, and the work on the server, too", function()
    local db = support.open("postgres")
    millpond.run(function()
      local conn <close> = assert(db:connection())
      local value, err = millpond.timeout(0.1, function()
        return conn:execute("SELECT pg_sleep(600)")
      end)
      assert.is_nil(value)
      assert.are.equal("ETIMEDOUT", err.code)
      assert.is_true(err.timed_out)
      err = select(2, conn:execute("SELECT pg_sleep(600)", nil, { timeout = 0.1 }))
      assert.is_true(err.timed_out)
      err = select(2, conn:execute("SELECT no_such_column"))
      assert.is_false(err.timed_out)
      assert.are.equal(1, assert(conn:execute("SELECT 1"))[1][1])
      local other <close> = assert(db:connection())
      local running
      for _ = 1, 9000 do -- a busy machine's server may take a moment
        running = assert(other:execute("SELECT count(*) FROM pg_stat_activity "
          .. "WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'"))[1][1]
        if running == 0 then
          break
        end
        millpond.sleep(0.01)
      end
      assert.are.equal(0, running)
      assert.are.equal("soon", millpond.timeout(60, function() return "soon" end))
    end)
  end)

  it("that nest run() are refused", function()
    assert.has_error(function()
      millpond.run(function() millpond.run(print) end)
    end)
  end)
end)

describe("Coroutines", function()
  support.on_each_database(function(kind, open)
    it("share a pool of 20, ten thousand of them", function()
      local db = open { pool_max_size = 20, connection_acquisition_timeout = 0 }
      local sum, tasks = 0, {}
      millpond.run(function()
        for i = 1, 10000 do
          tasks[i] = function()
            local conn <close> = assert(db:connection())
            local number = assert(conn:execute("SELECT 0 + ?", { i }))[1][1]
            sum = sum + number
            return true
          end
        end
        local results, errors = millpond.gather(tasks)
        assert.are.equal(10000, #results)
        assert.is_nil(errors)
      end)
      assert.are.equal(50005000, sum)
      local status = support.at_rest(db)
      assert.is_true(status.size <= 20)
      assert.are.equal(10000, status.total_acquired)
      assert.are.equal(10000, status.total_released)
    end)

    it("that are dropped in a query leave a clean pool", function()
      local db = open { pool_max_size = 2 }
      for _ = 1, 5 do
        local co = coroutine.create(function()
          local conn <close> = assert(db:connection())
          assert(conn:execute(support.endless[kind]))
        end)
        assert(coroutine.resume(co))
        for _ = 1, 50 do -- until it waits for the statement
          millpond.sleep(0)
          if db:get_pool_status().in_use > 0 and core.pending() == 1 then
            break
          end
        end
        assert(coroutine.close(co))
        collectgarbage()
      end
      millpond.run(function()
        local conn <close> = assert(db:connection())
        assert.are.equal(1, assert(conn:execute("SELECT 1"))[1][1])
      end)
      assert.are.equal(0, support.at_rest(db).current_active)
      while core.pending() > 0 do
        millpond.sleep(0.001)
      end
    end)

    it("that are cancelled at random never see each other's rows", function()
      local db = open { pool_max_size = 4, connection_acquisition_timeout = 0 }
      math.randomseed(7)
      local checked = 0
      millpond.run(function()
        local tasks = {}
        for i = 1, 600 do
          tasks[i] = millpond.spawn(function()
            local conn <close> = assert(db:connection())
            for n = 1, 5 do
              local number = i * 100 + n
              assert.are.equal(number, assert(conn:execute("SELECT 0 + ?", { number }))[1][1])
              checked = checked + 1
            end
          end)
        end
        for turn = 1, 200 do
          coroutine.yield()
          if turn % 2 == 0 then
            tasks[math.random(#tasks)]:cancel()
          end
        end
        for _, one in ipairs(tasks) do
          one:join()
        end
      end)
      assert.is_true(checked > 500)
      local status = support.at_rest(db)
      assert.are.equal(status.total_acquired, status.total_released)
    end)

    it("that are generators pass their waits on", function()
      local db = open()
      local function numbers(conn)
        return millpond.wrap(function()
          for i = 1, 3 do
            coroutine.yield(assert(conn:execute("SELECT 0 + ?", { i }))[1][1])
            millpond.sleep(0.001)
          end
        end)
      end
      local function use()
        local conn <close> = assert(db:connection())
        local found = {}
        for number in numbers(conn) do
          found[#found + 1] = number
        end
        assert.are.same({ 1, 2, 3 }, found)
      end
      use()
      millpond.gather { use, use, use }
    end)
  end)

  it("that are resumed too early are told so, and the statement is stopped", function()
    local db = support.open("postgres")
    millpond.run(function()
      local conn <close> = assert(db:connection())
      local generator = coroutine.wrap(function()
        coroutine.yield(assert(conn:execute("SELECT pg_sleep(600)")))
      end)
      generator() -- yields what is not meant for us
      local ok, err = pcall(generator)
      assert.is_false(ok)
      assert.are.equal("EMISUSE", err.code)
      assert.matches("millpond.wrap", err.message, 1, true)
      assert.are.equal(1, assert(conn:execute("SELECT 1"))[1][1])
    end)
    support.close_all()
  end)

  it("where nothing can yield, block", function()
    local db = support.open("sqlite")
    millpond.run(function()
      local conn <close> = assert(db:connection())
      local list = { 3, 1, 2 }
      table.sort(list, function(a, b) -- a C function that no coroutine can yield across
        return assert(conn:execute("SELECT CASE WHEN ? < ? THEN 1 ELSE 0 END", { a, b }))[1][1] == 1
      end)
      assert.are.same({ 1, 2, 3 }, list)
    end)
    support.close_all()
  end)
end)
