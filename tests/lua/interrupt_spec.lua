-- Ctrl-C, as a real signal to a process of its own.

describe("Ctrl-C", function()
  it("ends a running statement of SQLite", function()
    local path = os.tmpname()
    local pipe = assert(io.popen(("%s tests/lua/interrupter.lua %s 2>&1"):format(arg[-1], path)))
    local said = pipe:read("a")
    local ok = pipe:close()
    for _, suffix in ipairs { "", "-wal", "-shm" } do
      os.remove(path .. suffix)
    end
    assert.is_true(ok, said)
    assert.are.equal("0 false\t0\n", said)
  end)
end)
