-- Entities with history, on the library's connections and on those of a backend written in Lua.

local millpond = require "millpond"
local support = require("tests.lua.support")(_ENV)

local null = millpond.null

-- A backend whose own connections are the library's, but only execute statements: the plans are
-- driven in Lua.
local function through_backend(kind, open)
  local inner = open { pool_max_size = 8 }
  local own = support.backend_over(inner, {
    dialect = kind,
    can_return = kind ~= "mysql",
    can_write_in_cte = kind == "postgres",
  })
  return own:create_database { pool_max_size = 4 }
end

local function drop(conn, ...)
  for _, name in ipairs { ... } do
    for _, suffix in ipairs { "", "_meta", "_history" } do
      assert(conn:execute(("DROP TABLE IF EXISTS %s%s"):format(name, suffix)))
    end
  end
end

-- Give the inner connections back.
local function finish(db)
  if db.backend then
    db:close_pool()
  end
end

local function tests(_, open, decodes_json)
  -- A test in a coroutine and blocking, with tables of its own.
  local function entity_test(name, f)
    support.both_ways(name, function()
      local db = open()
      do
        local conn <close> = assert(db:connection())
        drop(conn, "person", "thing")
        f(conn, db)
        drop(conn, "person", "thing")
      end
      finish(db)
    end)
  end

  entity_test("are created with their tables, and changed in the given fields only", function(conn)
    local made = assert(conn:save_entity("person", { name = "Ada", age = 36 }, { user_id = "me" }))
    assert.are.equal(36, #made.id)
    assert.are.same({ "Ada", 36, "me", "me" },
      { made.name, made.age, made.created_by, made.updated_by })
    assert.are.equal(null, made.deleted_at)
    local changed = assert(conn:save_entity("person", { id = made.id, age = 37 },
      { user_id = "you", comment = "birthday" }))
    assert.are.same({ "Ada", 37, "me", "you" },
      { changed.name, changed.age, changed.created_by, changed.updated_by })
    local read = assert(conn:get_entity("person", made.id))
    assert.are.same(changed, read)
    assert.is_nil((conn:get_entity("person", "nobody")))
    assert.are.same({ nil, nil }, { conn:get_entity("person", "nobody") })
  end)

  entity_test("keep a history of every change", function(conn)
    assert(conn:save_entity("person", { id = "p", name = "a" }, { user_id = "u1", comment = "c1" }))
    assert(conn:save_entity("person", { id = "p", name = "b" }))
    assert.is_true(conn:delete_entity("person", "p", { user_id = "u3" }))
    assert.is_true(conn:restore_entity("person", "p"))
    local history = assert(conn:get_entity_history("person", "p"))
    local versions, names = {}, {}
    for i, row in ipairs(history) do
      versions[i], names[i] = row.version, row.name
    end
    assert.are.same({ 1, 2, 3, 4 }, versions)
    assert.are.same({ "a", "b", "b", "b" }, names)
    assert.are.same({ "u1", "c1" }, { history[1].history_user_id, history[1].history_comment })
    assert.are.equal("a", assert(conn:get_entity_by_version("person", "p", 1)).name)
    assert.is_nil((conn:get_entity_by_version("person", "p", 9)))
    local changes = assert(conn:get_entity_history_between("person", millpond.timestamptz(0),
      millpond.timestamptz(os.time() + 86400), "p", { limit = 2 }))
    assert.are.equal(2, #changes)
  end)

  entity_test("are deleted softly or for good, and restored", function(conn)
    assert(conn:save_entity("person", { id = "p", name = "a" }))
    assert.is_true(conn:delete_entity("person", "p"))
    assert.is_false(conn:delete_entity("person", "p"))
    assert.is_nil((conn:get_entity("person", "p")))
    assert.is_truthy(assert(conn:get_entity("person", "p", { include_deleted = true })).deleted_at)
    assert.is_true(conn:restore_entity("person", "p"))
    assert.is_false(conn:restore_entity("person", "p"))
    assert.is_true(conn:delete_entity("person", "p", { permanent = true }))
    assert.is_nil((conn:get_entity("person", "p", { include_deleted = true })))
    assert(conn:save_entity("person", { id = "p", name = "again" }))
    local history = assert(conn:get_entity_history("person", "p"))
    assert.are.equal(#history, history[#history].version)
  end)

  entity_test("are saved many at once, found and counted", function(conn)
    local records = {}
    for i = 1, 25 do
      records[i] = { id = ("p%02d"):format(i), age = i, name = i % 2 == 0 and "even" or nil }
    end
    local ids = assert(conn:save_entities("person", records, { user_id = "me" }))
    assert.are.equal(25, #ids)
    assert.are.equal("p07", ids[7])
    local found = assert(conn:find_entities("person",
      { where = "[age] > ? OR [name] = ?", params = { 20, "even" }, order_by = "age DESC",
        limit = 3, offset = 1 }))
    assert.are.same({ 24, 23, 22 }, { found[1].age, found[2].age, found[3].age })
    assert.are.equal(12, conn:count_entities("person", { where = "name = ?", params = { "even" } }))
    assert.are.equal(25, conn:count_entities("person"))
    assert.are.equal(2, #assert(conn:get_entities("person", { "p01", "p02", "none" })))
    local names = assert(conn:list_entities())
    local listed = false
    for _, name in ipairs(names) do
      listed = listed or name == "person"
    end
    assert.is_true(listed)
  end)

  entity_test("keep types, or give plain scalars", function(conn)
    local values = {
      id = "t", flag = true, count = 7, ratio = 0.5, price = millpond.decimal("12.50"),
      word = "text", raw = millpond.bytes("\0\1"), day = millpond.date("2026-11-25"),
      at = millpond.timestamptz("2026-11-25 10:00:00.5Z"), list = { a = millpond.array { 1, "two" } },
      number = millpond.uuid("12345678-9abc-def0-1234-56789abcdef0"), nothing = null,
    }
    assert(conn:save_entity("thing", values))
    local plain = assert(conn:get_entity("thing", "t"))
    assert.are.same({ true, 7, 0.5, "12.5", "text", "\0\1" },
      { plain.flag, plain.count, plain.ratio, tostring(plain.price), plain.word, plain.raw })
    assert.are.equal("string", type(plain.at))
    assert.are.equal("2026-11-25", plain.day)
    assert.are.equal("12345678-9abc-def0-1234-56789abcdef0", plain.number)
    local typed = assert(conn:get_entity("thing", "t", { deserialize = true }))
    assert.are.equal(values.day, typed.day)
    assert.are.equal(values.at, typed.at)
    assert.are.equal(values.price, typed.price)
    assert.are.same({ 1, "two" }, { table.unpack(typed.list.a) })
    assert.are.equal("\0\1", typed.raw)
    local _, err = conn:save_entity("thing", { id = "t", count = "many" })
    assert.are.equal("EDATA", err.code)
  end)

  entity_test("take types of the program's own", function(conn)
    local Point = {}
    Point.__index = Point
    millpond.register_serializer("point", Point, function(point)
      return { x = point.x, y = point.y }
    end, function(value)
      return setmetatable(value, Point)
    end)
    local point = setmetatable({ x = 1, y = 2 }, Point)
    assert(conn:save_entity("thing", { id = "p", at = point }))
    assert(conn:save_entities("thing", { { id = "q", at = point }, { id = "r" } }))
    local read = assert(conn:get_entity("thing", "q", { deserialize = true }))
    assert.are.equal(Point, getmetatable(read.at))
    assert.are.equal(2, read.at.y)
    assert.are.equal(null, assert(conn:get_entity("thing", "r", { deserialize = true })).at)
  end)

  -- Of a driver that decodes JSON itself, text that looks like JSON could not be told from JSON.
  local text_test = decodes_json and function() end or entity_test

  text_test("take a string as text, whatever it contains", function(conn)
    assert(conn:save_entity("thing", { id = "t", list = { a = 1 }, note = "n" }))
    local texts = { "", "word", "[1, 2]", "null", '"quoted"', '{"$type": "tuple", "$value": [1]}',
      '{"$type": "set", "$value": [[]]}', "\"\\\n\7 é" }
    for _, text in ipairs(texts) do
      assert(conn:save_entity("thing", { id = "t", list = text }))
      assert.are.equal(text, assert(conn:get_entity("thing", "t", { deserialize = true })).list)
      local plain = assert(conn:get_entity("thing", "t"))
      assert.are.equal(text, plain.list)
      assert(conn:save_entity("thing", plain))
      assert.are.equal(text, assert(conn:get_entity("thing", "t", { deserialize = true })).list)
    end
  end)

  text_test("take a row of a plain read back as it was", function(conn)
    assert(conn:save_entity("thing", { id = "t", list = { a = millpond.array { 1 } }, note = "n" }))
    local plain = assert(conn:get_entity("thing", "t"))
    assert.are.equal('{"a":[1]}', plain.list)
    plain.note = plain.list
    assert(conn:save_entity("thing", plain))
    local read = assert(conn:get_entity("thing", "t", { deserialize = true }))
    assert.are.equal(1, read.list.a[1])
    assert.are.equal('{"a":[1]}', read.note)
    assert(conn:save_entity("thing", { id = "t", list = plain.list }))
    assert.are.equal('{"a":[1]}', assert(conn:get_entity("thing", "t", { deserialize = true })).list)
  end)

  entity_test("keep content that looks like a typed value", function(conn)
    local content = { ["$type"] = "tuple", ["$value"] = { ["$$type"] = "x", ["$type"] = "y" } }
    assert(conn:save_entity("thing", { id = "t", doc = content }))
    local stored = assert(conn:get_entity("thing", "t")).doc
    assert.are.equal('{"$$type":"tuple","$value":{"$$$type":"x","$$type":"y"}}', stored)
    local read = assert(conn:get_entity("thing", "t", { deserialize = true })).doc
    assert.are.same(content, read)
    local plain = assert(conn:get_entity("thing", "t"))
    assert(conn:save_entity("thing", plain))
    assert.are.equal(stored, assert(conn:get_entity("thing", "t")).doc)
  end)

  entity_test("name the value that cannot be read, and leave the others readable", function(conn)
    local Even = {}
    millpond.register_serializer("even", Even, function(even)
      return even.number
    end, function(number)
      assert(number % 2 == 0, "odd")
      return setmetatable({ number = number }, Even)
    end)
    for id, number in pairs { a = 2, b = 3, c = 4 } do
      assert(conn:save_entity("thing", { id = id, at = setmetatable({ number = number }, Even) }))
    end
    local rows, err = conn:find_entities("thing", { deserialize = true })
    assert.is_nil(rows)
    assert.are.same({ "EDATA", "thing", "b", "at" },
      { err.code, err.entity_name, err.entity_id, err.field })
    rows = assert(conn:find_entities("thing", { deserialize = true, on_error = "skip" }))
    assert.are.same({ "a", "c" }, { rows[1].id, rows[2].id })
    rows = assert(conn:find_entities("thing", { deserialize = true, on_error = "plain" }))
    assert.are.same({ 2, 3, 4 }, { rows[1].at.number, rows[2].at, rows[3].at.number })
    assert.has_error(function() conn:find_entities("thing", { on_error = "ignore" }) end)
  end)

  it("check the names of types", function()
    for _, name in ipairs { "", "Point", "a b", 'a"b', "a(json)", "tuple", "json", "enum:x",
      ("a"):rep(121) } do
      assert.has_error(function()
        millpond.register_serializer(name, {}, print, print)
      end)
    end
  end)

  entity_test("fail if they were changed meanwhile", function(conn)
    assert(conn:save_entity("person", { id = "p", name = "a" }, { expected_version = 0 }))
    assert(conn:save_entity("person", { id = "p", name = "b" }, { expected_version = 1 }))
    local _, err = conn:save_entity("person", { id = "p", name = "c" }, { expected_version = 1 })
    assert.are.equal("EVERSION", err.code)
    assert.are.equal("b", assert(conn:get_entity("person", "p")).name)
  end)

  entity_test("join an open transaction", function(conn)
    assert(conn:save_entity("person", { id = "p", name = "a" }))
    assert(conn:begin())
    assert(conn:save_entity("person", { id = "p", name = "b" }))
    local _, err = conn:save_entity("person", { id = "p", name = millpond.bytes("\0") })
    assert.are.equal("EDATA", err.code)
    assert.is_true(conn:in_transaction())
    assert(conn:save_entity("person", { id = "p", name = "c" }))
    assert(conn:rollback())
    assert.are.equal("a", assert(conn:get_entity("person", "p")).name)
    assert.are.equal(1, #assert(conn:get_entity_history("person", "p")))
  end)

  entity_test("check names, options and conditions", function(conn)
    for _, name in ipairs { "", "1st", "a b", "a;b", ("x"):rep(99) } do
      assert.has_error(function() conn:get_entity(name, "p") end)
    end
    assert.has_error(function() conn:save_entity("person", { ["a b"] = 1 }) end)
    assert.has_error(function() conn:save_entity("person", "p") end)
    assert.has_error(function() conn:find_entities("person", { wher = "1" }) end)
    assert.has_error(function() conn:find_entities("person", { limit = 1.5 }) end)
    assert(conn:save_entity("person", { id = "p", name = "a" }))
    local found, err = conn:find_entities("person", { where = "1=1) OR (1=1" })
    assert.is_nil(found)
    assert.are.equal("ESYNTAX", err.code)
  end)

  it("are saved by many at once without gaps in their history", function()
    local db = open()
    millpond.run(function()
      do
        local conn <close> = assert(db:connection())
        drop(conn, "person")
        assert(conn:save_entity("person", { id = "p", name = "first" }))
      end
      local tasks = {}
      for i = 1, 20 do
        tasks[i] = function()
          local conn <close> = assert(db:connection())
          return conn:save_entity("person", { id = "p", ["field" .. i % 3] = i })
        end
      end
      local _, errors = millpond.gather(tasks)
      assert(not errors, errors and tostring(select(2, next(errors))))
      local conn <close> = assert(db:connection())
      local history = assert(conn:get_entity_history("person", "p"))
      for i, row in ipairs(history) do
        assert.are.equal(i, row.version)
      end
      assert.are.equal(21, #history)
      drop(conn, "person")
    end)
    finish(db)
  end)
end

describe("Entities", function()
  support.on_each_database(tests)
end)

describe("Entities of a backend in Lua", function()
  support.on_each_database(function(kind, open)
    tests(kind, function()
      return through_backend(kind, open)
    end, kind ~= "mysql")
  end)
end)

describe("A backend in Lua", function()
  after_each(support.close_all)

  local function echo(more)
    local functions = {
      dialect = "sqlite",
      connect = function() return { open = true } end,
      execute = function(_, sql, params) return { { sql, table.unpack(params) }, columns = { "sql" } } end,
      begin = function(raw) raw.inside = true end,
      commit = function(raw) raw.inside = false end,
      rollback = function(raw) raw.inside = false raw.rolled_back = true end,
      in_transaction = function(raw) return raw.inside end,
      close = function(raw) raw.open = false end,
    }
    for name, value in pairs(more or {}) do
      functions[name] = value
    end
    return millpond.backend(functions)
  end

  it("gets tags, placeholders, transactions and a pool", function()
    local db = echo():create_database { pool_max_size = 1, connection_acquisition_timeout = 0.01 }
    millpond.run(function()
      local raw
      do
        local conn <close> = assert(db:connection())
        raw = conn:raw()
        assert.are.equal("SELECT ?\n/*a='1'*/",
          assert(conn:execute("SELECT ?", { 5 }, { tags = { a = 1 } }))[1][1])
        local _, full = db:connection()
        assert.are.equal("EACQUIRE", full.code)
        assert(conn:begin())
      end
      local order = {}
      local tasks = {}
      for i = 1, 5 do
        tasks[i] = function()
          local conn <close> = assert(db:connection(60))
          assert.is_true(raw.rolled_back) -- before anyone gets it
          millpond.sleep(0.001)
          order[#order + 1] = i
          return conn:raw() == raw
        end
      end
      assert.are.same({ true, true, true, true, true }, (millpond.gather(tasks)))
      assert.are.same({ 1, 2, 3, 4, 5 }, order)
      assert.are.same({ 1, 1, 0 }, { db:get_pool_status().size, db:get_pool_status().idle,
        db:get_pool_status().waiting })
      db:close_pool()
      assert.is_false(raw.open)
      assert(db:connection()):release() -- of a new one
      db:close()
    end)
  end)

  it("tells those who wait that its pool closes, and opens nothing for them", function()
    local opened = 0
    local db = echo { connect = function() opened = opened + 1 return {} end }
      :create_database { pool_max_size = 1 }
    millpond.run(function()
      local conn = assert(db:connection())
      local told = 0
      local function wait_in_vain()
        local got, err = db:connection(60)
        told = told + 1
        return got, err
      end
      local _, errors = millpond.gather {
        wait_in_vain,
        wait_in_vain,
        function() return db:close_pool() end,
        function()
          while told < 2 do
            millpond.sleep(0.001)
          end
          conn:release()
        end,
      }
      assert.are.same({ "ECLOSED", "ECLOSED" }, { errors[1].code, errors[2].code })
      assert.are.equal(1, opened)
      assert.are.same({ 0, 0 }, { db:get_pool_status().waiting, db:get_pool_status().size })
    end)
  end)

  it("tells those who wait that no connection could be made, and tries again after that", function()
    local tries = 0
    local db = echo { connect = function()
      tries = tries + 1
      millpond.sleep(0.001)
      return tries > 1 and {} or nil
    end }:create_database { pool_max_size = 1 }
    millpond.run(function()
      local results, errors = millpond.gather {
        function() return db:connection(60) end,
        function() return db:connection(60) end,
      }
      assert.are.same({}, results)
      assert.are.same({ "ECONNECT", "ECONNECT" }, { errors[1].code, errors[2].code })
      local conn
      repeat -- until the outage is over
        millpond.sleep(0.01)
        conn = db:connection(60)
      until conn
      conn:release()
    end)
  end)

  it("is stopped by timeouts", function()
    local db = echo { execute = function() millpond.sleep(600) end }:create_database {}
    millpond.run(function()
      local conn <close> = assert(db:connection())
      local _, err = conn:execute("SELECT 1", nil, { timeout = 0.01 })
      assert.are.equal("ETIMEDOUT", err.code)
    end)
  end)

  -- A backend over SQLite whose n-th call from now on stops in a way.
  local function stopping(way)
    local inner = support.open("sqlite")
    local calls = { left = 0 }
    local function counted(method)
      return function(raw, ...)
        calls.left = calls.left - 1
        if calls.left == 0 then
          calls.reached = true
          way(calls)
        end
        return raw[method](raw, ...)
      end
    end
    local own = millpond.backend {
      dialect = "sqlite", can_return = true,
      convert = function(sql) return sql end,
      connect = function() return inner:connection() end,
      execute = counted("execute"), begin = counted("begin"), commit = counted("commit"),
      rollback = function(raw) return raw:rollback() end,
      in_transaction = function(raw) return raw:in_transaction() end,
      close = function(raw) raw:release() end,
    }
    return own:create_database {}, calls
  end

  local function raises()
    error("the driver's own error", 0)
  end

  local function waits(calls)
    calls.waits = true
    millpond.sleep(600)
  end

  -- Each way to stop a call: returns whether it was stopped.
  local function fails(calls, f, conn)
    local ok, err = pcall(f, conn)
    assert(ok or err == "the driver's own error", err)
    return calls.reached, ok
  end

  local function until_it_waits(calls, f, conn, stop)
    local ended
    local work = millpond.spawn(function()
      ended = { pcall(f, conn) }
      if not ended[1] then
        error(ended[2], 0)
      end
    end)
    while not ended and not calls.waits do
      millpond.sleep(0)
    end
    calls.waits = nil
    if not ended then
      stop(work)
    end
    work:join()
    return calls.reached
  end

  local function is_cancelled(calls, f, conn)
    return until_it_waits(calls, f, conn, function(work) work:cancel() end)
  end

  local function is_late(calls, f, conn)
    local limit, step = 0.02, calls.left
    while true do
      local _, err = millpond.timeout(limit, f, conn)
      assert(not err or err.code == "ETIMEDOUT", err)
      if calls.reached or not err then
        return calls.reached
      end
      limit, calls.left = limit * 2, step -- the machine was busy: it came too early
    end
  end

  local function is_closed(calls, f, conn)
    local co = coroutine.create(f)
    coroutine.resume(co, conn)
    while coroutine.status(co) ~= "dead" and not calls.waits do
      millpond.sleep(0)
    end
    calls.waits = nil
    coroutine.close(co)
    return calls.reached
  end

  local changes = {
    save = function(conn) assert(conn:save_entity("pond", { id = "one", name = "changed" })) end,
    ["save many"] = function(conn)
      assert(conn:save_entities("pond", { { id = "one", name = "changed" }, { name = "new" } }))
    end,
    transaction = function(conn)
      assert(conn:transaction(function()
        return conn:execute("UPDATE pond SET name = 'changed'")
      end))
    end,
    executemany = function(conn)
      assert(conn:executemany("UPDATE pond SET name = ?", { { "changed" } }))
    end,
  }

  for what, stop in pairs { ["fails"] = { raises, fails }, ["is cancelled"] = { waits, is_cancelled },
    ["is too late"] = { waits, is_late }, ["is closed"] = { waits, is_closed } } do
    for name, change in pairs(changes) do
      it(("undoes %s that %s at any step"):format(name, what), function()
        local db, calls = stopping(stop[1])
        millpond.run(function()
          local conn <close> = assert(db:connection())
          assert(conn:save_entity("pond", { id = "one", name = "mill" }))
          local step = 0
          repeat
            step = step + 1
            calls.left, calls.reached = step, nil
            local stopped = stop[2](calls, change, conn)
            calls.left = 0
            assert.is_false(conn:in_transaction())
            local found = conn:execute("SELECT name FROM pond WHERE id = 'one'")[1][1]
            assert.are.equal(stopped and "mill" or "changed", found)
          until not stopped
          assert.is_true(step > 2)
        end)
        db:close_pool()
      end)
    end
  end

  it("undoes no more than the call in a transaction of the caller's", function()
    local db, calls = stopping(raises)
    millpond.run(function()
      local conn <close> = assert(db:connection())
      assert(conn:save_entity("pond", { id = "one", name = "mill" }))
      assert(conn:begin())
      assert(conn:execute("UPDATE pond SET name = 'mine'"))
      local step = 0
      repeat
        step = step + 1
        calls.left, calls.reached = step, nil
        local stopped = fails(calls, changes["save many"], conn)
        calls.left = 0
        assert.is_true(conn:in_transaction())
        local found = conn:execute("SELECT name FROM pond WHERE id = 'one'")[1][1]
        assert.are.equal(stopped and "mine" or "changed", found)
      until not stopped
      assert(conn:rollback())
    end)
    db:close()
  end)

  it("lends a connection for a transaction", function()
    local db, calls = stopping(raises)
    millpond.run(function()
      assert(db:transaction(function(conn)
        return conn:execute("CREATE TABLE kept (n integer)")
      end))
      assert.are.equal(5, db:transaction(function(conn, n)
        assert(conn:execute("INSERT INTO kept VALUES (1)"))
        return n
      end, 5))
      local ok = pcall(db.transaction, db, function(conn)
        assert(conn:execute("INSERT INTO kept VALUES (2)"))
        error("no")
      end)
      assert.is_false(ok)
      calls.left = 1
      assert.is_false(pcall(db.transaction, db, print))
      local count = db:with_connection(function(conn)
        return conn:execute("SELECT count(*) FROM kept")[1][1]
      end)
      assert.are.equal(1, count)
      assert.are.equal(0, db:get_pool_status().in_use)
    end)
    db:close()
  end)

  it("says what to return where names are missing", function()
    local db = echo { execute = function() return { { 1 } } end }:create_database {}
    local conn <close> = assert(db:connection())
    local _, err = conn:save_entity("pond", { name = "mill" })
    assert.are.equal("ENOTSUPPORTED", err.code)
    assert.truthy(err.message:find('columns = {"id", "name"}', 1, true))
  end)

  it("that lacks a function is refused, and one that is given back is of no use", function()
    assert.has_error(function() millpond.backend { connect = print } end)
    local db = echo():create_database {}
    local conn = assert(db:connection())
    conn:release()
    assert.has_error(function() conn:execute("SELECT 1") end)
    assert.has_error(function() conn:release() end)
  end)
end)

describe("Metrics", function()
  after_each(support.close_all)

  support.on_each_database(function(_, open)
    it("count and time queries, and tell how to scale", function()
      local db = open()
      do
        local conn <close> = assert(db:connection())
        assert(conn:execute("SELECT 1", nil, { tags = { operation = "look" } }))
      end
      local metrics = db:get_metrics()
      assert.are.equal(1, metrics.acquired)
      assert.are.equal(1, metrics.query.look.count)
      assert.is_true(metrics.query.look.max > 0)
      assert.is_true(millpond.get_metrics().acquired >= 1)
      local scaling = db:get_pool_status().scaling
      assert.are.equal(0, scaling.timeout_rate)
      assert.is_string(scaling.action)
      assert.matches("# TYPE ", millpond.prometheus())
    end)
  end)
end)
