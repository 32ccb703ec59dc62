-- A long write on SQLite; what Ctrl-C made of it. Called by interrupt_spec.lua.
local millpond = require "millpond"

local db = assert(millpond.from_url("sqlite:///" .. arg[1]))
local conn = assert(db:connection())
assert(conn:execute("CREATE TABLE t (body TEXT)"))
local ended = pcall(function()
  assert(conn:execute([[INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL
    SELECT i + 1 FROM n WHERE i < 2000000) SELECT printf('%0100d', i) FROM n]]))
end)
print(ended, assert(conn:execute("SELECT count(*) FROM t"))[1][1])
