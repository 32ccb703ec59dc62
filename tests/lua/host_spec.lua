-- Hosts with a loop of their own: luv, and any other through fd, timeout and step.

local millpond = require "millpond"
local json = require "millpond.json"
local support = require("tests.lua.support")(_ENV)

local function run(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local said = pipe:read("a")
  local ok = pipe:close()
  return ok, said
end

describe("Hosts", function()
  after_each(support.close_all)

  for _, kind in ipairs(support.kinds) do
    it("luv: one loop for a TCP server and for " .. kind, function()
      local url = "sqlite:///:memory:"
      if kind ~= "sqlite" then
        local at = json.decode(os.getenv("MILLPOND_TEST_" .. kind:upper()))
        url = ("%s://%s:%s@%s:%d/%s"):format(kind, at.user, at.password, at.host, at.port,
          at.database)
      end
      url = url .. "?pool_max_size=5&connection_acquisition_timeout=120"
      local ok, said = run(("%s tests/lua/luv_server.lua '%s'"):format(arg[-1], url))
      assert.is_true(ok, said)
      assert.are.equal("answered 40\n", said)
    end)
  end

  it("any other: steps when the descriptor is readable or the time has come", function()
    local uv = require "luv" -- only to poll, as a host with a loop of its own would
    local db = support.open("postgres")
    local done = {}
    for i = 1, 10 do
      millpond.spawn(function()
        local conn <close> = assert(db:connection())
        done[i] = assert(conn:execute("SELECT 0 + ?", { i }))[1][1]
        millpond.sleep(0.001 * i)
        done[i] = -done[i]
      end)
    end
    local poll, timer = uv.new_poll(millpond.fd()), uv.new_timer()
    local sum = 0
    while sum ~= -55 do
      local seconds = millpond.host_timeout()
      poll:start("r", uv.stop)
      timer:start(math.ceil((seconds or 60) * 1000), 0, uv.stop)
      uv.run()
      poll:stop()
      timer:stop()
      millpond.step()
      sum = 0
      for i = 1, 10 do
        sum = sum + (done[i] or 0)
      end
    end
    poll:close()
    timer:close()
    uv.run()
    assert.is_false(require("millpond.scheduler").busy())
  end)
end)
