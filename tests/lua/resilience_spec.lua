-- Breakers, retries, health and leaks.

local millpond = require "millpond"
local support = require("tests.lua.support")(_ENV)

describe("A circuit breaker", function()
  it("opens after failures, refuses, and tests before it closes", function()
    local calls = 0
    local function fail_twice(recovery_timeout)
      local breaker = millpond.circuit_breaker { failure_threshold = 2, half_open_max_calls = 1,
        recovery_timeout = recovery_timeout }
      local guarded = breaker:wrap(function(fail)
        calls = calls + 1
        if fail then
          error("down", 0)
        end
        return "up"
      end)
      assert.are.equal("up", guarded())
      for _ = 1, 2 do
        assert.has_error(function() guarded(true) end, "down")
      end
      return breaker, guarded
    end
    local breaker, guarded = fail_twice(3600)
    assert.are.equal("open", breaker:state())
    local value, err = guarded()
    assert.is_nil(value)
    assert.are.equal("ECIRCUITOPEN", err.code)
    assert.are.equal(3, calls)
    local status = breaker:status()
    assert.are.same({ 2, 1, 1 }, { status.failures, status.refused, status.opened })
    assert.is_true(status.retry_after > 3000)

    breaker, guarded = fail_twice(0.02)
    while breaker:status().retry_after > 0 do
      millpond.sleep(0.005)
    end
    assert.are.equal("up", guarded())
    assert.are.equal("closed", breaker:state())
  end)

  it("counts only what tells that the database is not there", function()
    local breaker = millpond.circuit_breaker { failure_threshold = 1 }
    breaker:call(function() return nil, millpond.error("EUNIQUE", "answered") end)
    breaker:call(function() return nil, millpond.error("ECANCELLED", "stopped") end)
    assert.are.equal("closed", breaker:state())
    breaker:call(function() return nil, millpond.error("ECONNLOST", "gone") end)
    assert.are.equal("open", breaker:state())
    breaker:reset()
    assert.are.equal("closed", breaker:state())
  end)

  it("of a name is one for the whole process", function()
    local one = millpond.circuit_breaker { name = "lua test" }
    local same = millpond.circuit_breaker { name = "lua test", failure_threshold = 99 }
    one:record(one:allow(), "failure")
    assert.are.equal(1, same:status().failures)
    local names = {}
    for _, breaker in ipairs(millpond.circuit_breakers()) do
      names[breaker:status().name] = true
    end
    assert.is_true(names["lua test"])
    assert.is_true(millpond.forget_circuit_breaker("lua test"))
    assert.is_false(millpond.forget_circuit_breaker("lua test"))
    assert.has_error(function() millpond.circuit_breaker { failure_threshold = 0 } end)
  end)
end)

describe("A retry", function()
  it("calls again while the error can be retried, and gives up in the end", function()
    local calls = 0
    local function flaky(succeed_at, retryable)
      calls = 0
      return millpond.retry_with_backoff(function()
        calls = calls + 1
        if calls == succeed_at then
          return "done", calls
        end
        return nil, millpond.error("EDEADLOCK", "again", retryable)
      end, { max_retries = 3, base_delay = 0.001 })
    end
    assert.are.same({ "done", 3 }, { flaky(3, true)() })
    local _, err = flaky(9, true)()
    assert.are.same({ "EDEADLOCK", 4 }, { err.code, calls })
    flaky(9, false)()
    assert.are.equal(1, calls)
  end)

  it("waits in a coroutine while others go on", function()
    local others = 0
    millpond.gather {
      millpond.retry_with_backoff(function()
        return others > 2 or nil, millpond.error("EBUSY", "wait", true)
      end, { max_retries = 1000000, base_delay = 0.001, max_delay = 0.001 }),
      function()
        for _ = 1, 3 do
          millpond.sleep(0.001)
          others = others + 1
        end
      end,
    }
    assert.are.equal(3, others)
  end)
end)

describe("A slow call", function()
  it("is told of in the log", function()
    local told = {}
    millpond.set_logger(function(level, area, message)
      told[#told + 1] = level .. " " .. area .. " " .. message
    end)
    local slow = millpond.track_slow(function(...) return ... end, "nothing", -1)
    assert.are.same({ 1, 2 }, { slow(1, 2) })
    millpond.track_slow(function() end, "quick", 60)()
    assert.are.equal(1, #told)
    assert.matches("30 slow nothing took", told[1])
  end)
end)

describe("A pool", function()
  after_each(support.close_all)

  support.on_each_database(function(_, open)
    support.both_ways("tells whether it can serve", function()
      local db = open()
      do
        local conn <close> = assert(db:connection())
        assert(conn:execute("SELECT 1"))
      end
      local health, errors = millpond.health_check_all_pools(10)
      assert.is_true(health[db:hash()])
      assert.is_nil(errors[db:hash()])
    end)

    it("names connections that are out for long, and where they were acquired", function()
      local db = open()
      millpond.track_leaks(true)
      local conn <close> = assert(db:connection())
      local leaks = db:check_for_leaked_connections(0)
      assert.are.equal(conn:id(), leaks[1].connection_id)
      assert.matches("resilience_spec.lua", leaks[1].stack)
      assert.are.equal(0, #db:check_for_leaked_connections(600))
      millpond.track_leaks(false)
      assert.is_nil(db:check_for_leaked_connections(0)[1].stack)
    end)

    it("lets a session be set up once", function()
      local db = open()
      local id
      for turn = 1, 2 do
        local conn <close> = assert(db:connection())
        id = id or conn:id()
        if conn:id() == id then
          assert.are.equal(turn == 1, conn:is_fresh())
        end
        if conn:is_fresh() then
          conn:set_up()
        end
      end
    end)
  end)

  it("that cannot serve says why", function()
    local db = support.open("postgres", { port = 1 })
    local health, errors = millpond.health_check_all_pools(10)
    assert.is_false(health[db:hash()])
    assert.are.equal("ECONNECT", errors[db:hash()].code)
  end)

  it("has metrics by hash", function()
    local db = support.open("sqlite")
    do
      local conn <close> = assert(db:connection())
      assert(conn:execute("SELECT 1"))
    end
    local metrics = millpond.get_pool_metrics(db:hash())
    assert.are.equal(1, metrics.total_acquired)
    assert.are.equal(0, metrics.current_active)
    assert.are.same({}, millpond.get_pool_metrics("none"))
    assert.are.equal(1, millpond.get_pool_metrics()[db:hash()].total_acquired)
    local status = db:get_pool_status()
    assert.is_true(status.initialized)
    assert.are.same({ db:hash(), db:alias(), "prod" }, { status.hash, status.alias, status.env })
  end)
end)
