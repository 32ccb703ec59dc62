-- What the requests of test_openresty.py do.
local host = require("resty.millpond.host")
local millpond = require("resty.millpond")

local app = {}
local db, held
host.turns = 7 -- so that one light thread follows another

local function database()
    db = db or assert(millpond.connect(app.url, { pool_max_size = "5" }))
    return db
end

local LOCK = {
    postgres = { take = "SELECT pg_advisory_lock(7)", drop = "SELECT pg_advisory_unlock(7)" },
    mysql = { take = "SELECT GET_LOCK('millpond', 600)", drop = "SELECT RELEASE_LOCK('millpond')" },
}

local function statement(name)
    return LOCK[app.url:match("^%a+")][name]
end

function app.set_up()
    return database():with(function(connection)
        assert(connection:execute("DROP TABLE IF EXISTS resty_users"))
        assert(connection:execute("CREATE TABLE resty_users (id integer PRIMARY KEY, name text)"))
        assert(connection:transaction(function()
            assert(connection:execute("INSERT INTO resty_users VALUES (?, ?)", { 1, "Ada" }))
            assert(connection:execute("INSERT INTO resty_users VALUES (?, ?)", { 2, ngx.null }))
        end))
        return "made"
    end)
end

function app.user()
    local rows = assert(database():query("SELECT name FROM resty_users WHERE id = ?",
        { tonumber(ngx.var.arg_id) }))
    local name = rows[1].name
    return name == ngx.null and "NULL" or name
end

-- A failed transaction leaves nothing.
function app.roll_back()
    local connection = assert(database():acquire())
    local ok, err = connection:transaction(function()
        assert(connection:execute("INSERT INTO resty_users VALUES (?, ?)", { 3, "Grace" }))
        return connection:execute("INSERT INTO resty_users VALUES (?, ?)", { 1, "again" })
    end)
    local left = assert(connection:execute("SELECT count(*) AS users FROM resty_users"))[1].users
    connection:release()
    return string.format("%s %s %d", tostring(ok), err.name, left)
end

function app.wrong()
    local _, err = database():query("SELECT 1 FROM nowhere")
    return tostring(err)
end

function app.entity()
    return database():with(function(connection)
        local person = assert(connection:save("resty_person", { name = "Ada", age = 36 }))
        assert(connection:save("resty_person", { id = person.id, age = 37 }))
        local found = assert(connection:find("resty_person",
            { where = "id = ? AND age > ?", params = { person.id, 36 } }))
        local versions = #assert(connection:history("resty_person", person.id))
        local deleted = assert(connection:delete("resty_person", person.id))
        local gone = connection:get("resty_person", person.id)
        return string.format("%d %d %d %d %s", #found, found[1].age, versions, deleted,
            tostring(gone))
    end)
end

-- Hold a lock beyond this request; another waits for it on the server.
function app.lock()
    held = assert(database():acquire())
    assert(held:execute(statement("take")))
    return "held"
end

function app.wait()
    ngx.shared.state:incr("waiting", 1, 0)
    return database():with(function(connection)
        assert(connection:execute(statement("take"), {}, { timeout = 500 }))
        assert(connection:execute(statement("drop")))
        return "got it"
    end)
end

function app.is_waiting()
    return tostring(ngx.shared.state:get("waiting") or 0)
end

function app.unlock()
    assert(held:execute(statement("drop")))
    held:release()
    held = nil
    return "dropped"
end

local SLEEP = {
    sqlite = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) "
        .. "SELECT count(*) FROM n",
    postgres = "SELECT pg_sleep(1)",
    mysql = "SELECT SLEEP(1)",
}

function app.sleep()
    ngx.shared.state:incr("waiting", 1, 0)
    assert(database():query(SLEEP[app.url:match("^%a+")]))
    assert(database():query("SELECT 1"))
    return "awake"
end

-- Many light threads in one request.
function app.many()
    local threads, sum = {}, 0
    for i = 1, 60 do
        threads[i] = ngx.thread.spawn(function()
            return assert(database():query("SELECT ? + 0 AS number", { i }))[1].number
        end)
    end
    for _, thread in ipairs(threads) do
        local _, number = ngx.thread.wait(thread)
        sum = sum + tonumber(number)
    end
    return tostring(sum)
end

function app.stopped()
    local _, err = database():query("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
        .. "WHERE i < 900) SELECT count(*) FROM n a, n b, n c, n d", {}, { timeout = 0.1 })
    return err.name
end

function app.serve()
    local ok, said = pcall(app[ngx.var.uri:sub(2)])
    ngx.status = ok and 200 or 500
    ngx.say(tostring(said))
end

return app
