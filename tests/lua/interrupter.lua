-- Run by interrupt_spec.lua, as luv may be loaded but once in a process, and busted loads modules
-- anew for each file: it sends Ctrl-C to a child, and prints what that said and how it ended.
local uv = require "luv"

local path = arg[1]
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
io.write(status, " ", table.concat(said))
