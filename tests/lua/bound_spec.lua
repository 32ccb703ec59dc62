-- Every public function is bound, or listed with a reason.

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local function sources()
  local texts = {}
  local list = assert(io.popen("ls bindings/lua/*.c"))
  for path in list:lines() do
    texts[#texts + 1] = read(path)
  end
  list:close()
  return table.concat(texts)
end

local function reasons()
  local patterns = {}
  for line in read("tests/lua/bound.txt"):gmatch("[^\n]+") do
    local name, reason = line:match("^(%S+)%s+(%S.*)$")
    if name and name ~= "#" then
      patterns[#patterns + 1] = { "^" .. name:gsub("%*", ".*") .. "$", #reason }
    end
  end
  return patterns
end

describe("The Lua module", function()
  local text, patterns = sources(), reasons()
  local called = {}
  for name in text:gmatch("%f[%w_](pond_[%w_]+)%s*%(") do
    called[name] = true
  end

  local function listed(name)
    for _, pattern in ipairs(patterns) do
      if name:match(pattern[1]) then
        return pattern
      end
    end
  end

  it("binds each public function, or says why not", function()
    local missing, count = {}, 0
    for name in read("abi/exported.txt"):gmatch("%S+") do
      count = count + 1
      if not called[name] and not listed(name) then
        missing[#missing + 1] = name
      end
    end
    assert.is_true(count > 100)
    assert.are.same({}, missing)
  end)

  it("lists no function that it binds after all", function()
    for name in pairs(called) do
      local pattern = listed(name)
      assert(not pattern or pattern[1]:find(".*", 1, true), name .. " is bound and listed")
    end
  end)
end)

describe("The annotations", function()
  local core = require "millpond.core"
  local text = read("bindings/lua/millpond/meta.lua")

  it("describe each method of connections and breakers that C has", function()
    for class, methods in pairs { Connection = core.connection_methods,
      Breaker = core.breaker_methods } do
      for name, method in pairs(methods) do
        if debug.getinfo(method).what == "C" and not name:find("^_") then
          assert.is_truthy(text:find(("function %s:%s("):format(class, name), 1, true),
            class .. ":" .. name)
        end
      end
    end
  end)

  it("describe nothing that is not there", function()
    local millpond = require "millpond"
    for class, name in text:gmatch("function (%u%a+):([%w_]+)%(") do
      local methods = class == "Connection" and core.connection_methods
        or class == "Breaker" and core.breaker_methods
      assert(not methods or methods[name], class .. ":" .. name)
    end
    for name in text:gmatch("function core%.([%w_]+)%(") do
      assert(core[name], name)
    end
    assert.are.equal(core.fd, millpond.fd)
  end)
end)
