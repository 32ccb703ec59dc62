-- Ctrl-C, as a real signal to a process of its own.

local uv = require "luv"

describe("Ctrl-C", function()
  it("ends a running statement of SQLite", function()
    local folder = assert(uv.fs_mkdtemp("/tmp/millpond-interrupt-XXXXXX"))
    local path = folder .. "/a.db"
    local out = uv.new_pipe()
    local said, status = {}, nil
    local child = assert(uv.spawn(arg[-1], {
      args = { "--interruptible", "tests/lua/interrupted.lua", path },
      stdio = { nil, out, 2 },
    }, function(code)
      status = code
    end))
    out:read_start(function(_, data)
      said[#said + 1] = data
    end)
    -- The statement runs once it has spilled rows of its own to the file.
    local looks = uv.new_timer()
    looks:start(5, 5, function()
      local wal = uv.fs_stat(path .. "-wal")
      if status or wal and wal.size > 1000000 then
        looks:close()
        if not status then
          child:kill("sigint")
        end
      end
    end)
    uv.run()
    os.execute("rm -r " .. folder)
    assert.are.equal(0, status)
    assert.are.equal("false\t0\n", table.concat(said))
  end)
end)
