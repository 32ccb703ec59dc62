-- Sessions on a primary and two replicas, which tests/support/replicas.py has started:
--
--     python3 tests/support/replicas.py postgres15 lua5.4 tests/lua/replicated.lua
--
-- The replicas stop applying what the primary does, are waited for, and lose their primary.

local millpond = require "millpond"

local urls = {}
for url in os.getenv("MILLPOND_TEST_REPLICAS_POSTGRES"):gmatch("%S+") do
  urls[#urls + 1] = url
end

local function address(url)
  return url:match("//[^@]*@([^:/]+):(%d+)")
end

local hosts, ports, nodes = {}, {}, {}
for i, url in ipairs(urls) do
  hosts[i], ports[i] = address(url)
  nodes[i] = assert(millpond.from_url(url, { alias = "node" .. i }))
end
local db = assert(millpond.from_url(urls[1],
  { host = table.concat(hosts, ","), port = table.concat(ports, ","), alias = "all" }))

local function on_node(i, sql)
  return assert(nodes[i]:with_connection(function(conn) return conn:execute(sql) end))
end

local function until_true(f, what)
  for _ = 1, 6000 do
    if f() then
      return
    end
    millpond.sleep(0.01)
  end
  error("never came: " .. what)
end

local function write(sql)
  return db:with_connection(function(conn) return conn:execute(sql) end)
end

local function read(consistency)
  return db:with_connection({ read_only = true, consistency = consistency }, function(conn)
    return { conn:fetch_value("SELECT max(n) FROM seen"), conn:node() }
  end)
end

local function replicas_are_healthy()
  local healthy = 0
  for _, node in ipairs(db:nodes()) do
    healthy = healthy + ((node.role == "replica" and node.is_healthy) and 1 or 0)
  end
  return healthy == 2
end

millpond.run(function()
  assert(write "CREATE TABLE seen (n integer)")
  until_true(function()
    read("eventual")
    return replicas_are_healthy()
  end, "two healthy replicas")

  -- lag: what the session wrote is seen, wherever the read goes
  for i = 2, 3 do
    on_node(i, "SELECT pg_wal_replay_pause()")
  end
  local session = millpond.session()
  session:run(function()
    assert(write "INSERT INTO seen VALUES (1)")
    assert(assert(read("session"))[1] == 1, "its own write is missed")
  end)
  assert(assert(read("strong"))[1] == 1)
  local token = session:token()
  for i = 2, 3 do
    on_node(i, "SELECT pg_wal_replay_resume()")
  end
  until_true(function()
    return millpond.session(token):run(function()
      local seen = assert(read("session"))
      assert(seen[1] == 1, "a token's write is missed")
      return seen[2] ~= 1
    end)
  end, "a read of the session on a replica")

  -- failover: a replica is the primary
  local folder = on_node(1, "SHOW data_directory")[1][1]
  assert(os.execute(("kill -9 $(head -1 %s/postmaster.pid)"):format(folder)))
  on_node(2, "SELECT pg_promote()")
  local new
  until_true(function()
    new = millpond.session()
    return new:run(write, "INSERT INTO seen VALUES (2)")
  end, "a write on the new primary")
  new:run(function()
    assert(assert(read("session"))[1] == 2, "a write on the new primary is missed")
  end)
end)
for _, node in ipairs(nodes) do
  node:close(1)
end
assert(db:close(5))
print("ok")
