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
