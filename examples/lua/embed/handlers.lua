-- Request handlers, each a function of the database and the request's text. The host runs them in
-- several threads, each with a Lua state of its own; all share one pool of connections.

local millpond = require "millpond"

local handlers = {}

local function open(url)
  return assert(millpond.from_url(url, { pool_max_size = 4 }))
end

--- Called once, before any thread begins.
function handlers.prepare(url)
  local conn <close> = assert(open(url):connection())
  assert(conn:execute("DROP TABLE IF EXISTS embed_notes"))
  assert(conn:execute("CREATE TABLE embed_notes (author varchar(20), note text)"))
end

local routes = {}

function routes.add(conn, author, note)
  assert(conn:execute("INSERT INTO embed_notes VALUES (?, ?)", { author, note }))
  return "kept"
end

function routes.count(conn, author)
  local rows = assert(conn:execute("SELECT count(*) FROM embed_notes WHERE author = ?", { author }))
  return tostring(rows[1][1])
end

local databases = {}

--- Answer a batch of requests of one thread side by side: a list of answers.
function handlers.handle(url, requests)
  databases[url] = databases[url] or open(url)
  local tasks = {}
  for i, request in ipairs(requests) do
    tasks[i] = function()
      local verb, author, rest = request:match("^(%w+) (%w+) ?(.*)$")
      if not routes[verb] then
        return "unknown request"
      end
      local conn <close> = assert(databases[url]:connection())
      return routes[verb](conn, author, rest)
    end
  end
  return (millpond.gather(tasks))
end

--- How many connections the process has to the database.
function handlers.connections(url)
  return open(url):get_pool_status().size
end

return handlers
