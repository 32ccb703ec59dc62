-- Errors name the line of the program that made the call, however many of the module's own files
-- are between.

local millpond = require "millpond"
local support = require("tests.lua.support")(_ENV)

local function line()
  return debug.getinfo(2, "l").currentline
end

-- That an error, an object or a text, names this file and a line of it.
local function names(number, err)
  assert.matches("^[^:]*where_spec%.lua:" .. number .. ": ", tostring(err))
  if millpond.is_error(err) then
    assert.matches("where_spec%.lua:" .. number .. "$", err.where)
    assert.is_nil(err.message:find("where_spec", 1, true))
  end
end

describe("The caller's line", function()
  after_each(support.close_all)

  support.both_ways("is in an error that is returned", function()
    local db = support.open("sqlite")
    local conn <close> = assert(db:connection())
    local _, err = conn:execute("SELEC 1")
    names(line() - 1, err)
    local _, fetched = conn:fetch_value("SELEC 1")
    names(line() - 1, fetched)
    local _, transacted = db:transaction(function(other)
      return other:execute("SELEC 1")
    end)
    names(line() - 2, transacted)
    local _, entity = conn:save_entity("person", { id = "a" }, { expected_version = 7 })
    names(line() - 1, entity)
  end)

  support.both_ways("is in an error that is raised", function()
    local db = support.open("sqlite")
    local conn <close> = assert(db:connection())
    local first = line()
    local mistakes = {
      function() return (conn:execute("SELECT ?")) end,
      function() return (conn:execute(7)) end,
      function() return (conn:execute("SELECT 1", nil, { tiemout = 5 })) end,
      function() return (conn:execute("SELECT ?", { function() end })) end,
      function() return (conn:execute("SELECT ?", { { a = print } })) end,
      function() return (conn:execute("SELECT 1", 36)) end,
      function() return (conn:executemany("SELECT ?", { 7 })) end,
      function() return (conn:fetch_one(nil)) end,
      function() return (conn:fetch_value("SELECT ?", { 1, 2 })) end,
      function() return (conn:fetch_value("SELECT 1", nil, 5)) end,
      function() return (conn:stream(nil)) end,
      function() return conn:stream("SELECT ?")() and 1 end,
      function() return (conn:save_entity("person", 7)) end,
      function() return (conn:save_entity(7, {})) end,
      function() return (conn:get_entity("person", {})) end,
      function() return (conn:find_entities("person", { wehre = "" })) end,
      function() return (conn:find_entities("person", "age > ?", { 36 })) end,
      function() return (conn:begin("soon")) end,
      function() return (millpond.from_url("sqlite:///x?nonsense=1")) end,
      function() return (millpond.create_database("sqlite", { databas = "x" })) end,
      function() return (millpond.from_url(nil)) end,
      function() return (millpond.from_url("sqlite:///x", 7)) end,
      function() return (conn:executemany("SELECT ?", 7)) end,
      function() return (conn:save_entities("person", 7)) end,
      function() return (conn:get_entities("person", 7)) end,
      function() return (conn:find_entities("person", { params = 7 })) end,
      function() return (millpond.decimal({})) end,
      function() return (millpond.date("tomorrow")) end,
    }
    for i, mistake in ipairs(mistakes) do
      local ok, err = pcall(mistake)
      assert.is_false(ok, "mistake " .. i .. " raised nothing")
      names(first + 1 + i, err)
    end
    conn:release()
    local ok, err = pcall(function() return (conn:execute("SELECT 1")) end)
    assert.is_false(ok)
    names(line() - 2, err)
  end)
end)

describe("A condition", function()
  after_each(support.close_all)

  it("beside the options is answered with what to write", function()
    local conn <close> = assert(support.open("sqlite"):connection())
    for _, method in ipairs { "find_entities", "count_entities" } do
      local wanted = method .. '("person", { where = "age > ?", params = { 36 } })'
      local ok, err = pcall(conn[method], conn, "person", "age > ?", { 36 })
      assert.is_false(ok)
      assert.is_truthy(err:find(method .. " takes its condition in a table: " .. wanted, 1, true), err)
      ok, err = pcall(conn[method], conn, "person", { where = "age > ?" }, { 36 })
      assert.is_false(ok)
      assert.is_truthy(err:find(wanted, 1, true), err)
    end
    local _, err = pcall(conn.find_entities, conn, "person", "name = ?", { "private" })
    assert.is_nil(err:find("private", 1, true))
    assert(conn:save_entity("person", { age = 37 }))
    assert.are.equal(1, #conn:find_entities("person", { where = "age > ?", params = { 36 } }))
  end)

  it("is not the only thing that belongs in a table", function()
    local conn <close> = assert(support.open("sqlite"):connection())
    local ok, err = pcall(conn.save_entity, conn, "person", {}, "me")
    assert.is_false(ok)
    assert.matches("the options of save_entity are a table such as { timeout = 5 }, not a string", err)
  end)
end)
