-- A TCP server on luv's loop that answers each line from the database; stops after one client.
--
-- lua5.4 luv_server.lua         serves and asks itself, on SQLite in memory

local uv = require "luv"
local millpond = require "millpond.luv"

local db = assert(millpond.create_database("sqlite", { database = ":memory:" }))
local server = uv.new_tcp()

-- Each line is a statement of one number: the answer is its square.
local function answer(client, line)
  local conn <close> = assert(db:connection())
  local rows, err = conn:execute("SELECT ? * ?", { tonumber(line), tonumber(line) })
  client:write(rows and ("%d\n"):format(rows[1][1]) or tostring(err) .. "\n")
end

local function on_client()
  local client = uv.new_tcp()
  server:accept(client)
  client:read_start(function(err, data)
    if err or not data then
      client:close()
      server:close()
      return
    end
    for line in data:gmatch("[^\n]+") do
      millpond.spawn(answer, client, line) -- others are served while it waits
    end
  end)
end

server:bind("127.0.0.1", 0)
server:listen(128, on_client)

local client = uv.new_tcp()
client:connect("127.0.0.1", server:getsockname().port, function()
  client:write("12\n")
  client:read_start(function(_, data)
    print("12 squared is " .. data:gsub("\n", ""))
    client:close()
  end)
end)
uv.run() -- ends when neither luv nor millpond has anything left to do
assert(db:close_pool(30))
