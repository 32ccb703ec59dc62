-- In LuaJIT, through its FFI, with the module in bindings/luajit, which OpenResty takes, too.
--
--     LUA_PATH="bindings/luajit/?.lua;;" luajit quickstart.lua DRIVER DATABASE [KEY=VALUE ...]
local millpond = require("resty.millpond")
local typed, null = millpond.typed, millpond.null

-- It would take hours, on any database.
local ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) "
    .. "SELECT count(*) FROM n a, n b, n c, n d"

local function stop_in_time(connection)
    local rows, err = connection:execute(ENDLESS, {}, { timeout = 0.1 })
    assert(not rows and err.is_timeout, err)
    print("stopped a statement after 100 ms")
end

local function work(connection)
    print("connected to " .. connection:server_version())
    assert(connection:execute("DROP TABLE IF EXISTS quickstart_users"))
    assert(connection:execute("CREATE TABLE quickstart_users (id integer PRIMARY KEY, name text)"))
    assert(connection:transaction(function()
        for id, name in ipairs({ "Ada", "Grace" }) do
            assert(connection:execute("INSERT INTO quickstart_users VALUES (?, ?)", { id, name }))
        end
    end))
    print("committed")
    stop_in_time(connection)
    local rows = assert(connection:execute("SELECT id, name FROM quickstart_users WHERE id = ?", { 2 }))
    print("user " .. rows[1].id .. " is " .. rows[1].name)
end

local function show(value)
    if value == null then
        return "NULL"
    elseif type(value) == "table" then
        local shown = {}
        for i = 1, value.n do
            shown[i] = show(value[i])
        end
        return "[" .. table.concat(shown, ", ") .. "]"
    end
    return (tostring(value):gsub("LL$", ""))
end

local function show_row(row, count)
    local shown = {}
    for i = 1, count do
        shown[i] = show(row[i])
    end
    return table.concat(shown, " | ")
end

local function hex(bytes)
    return (bytes:gsub(".", function(byte)
        return string.format("%02x", byte:byte())
    end))
end

-- Every type, there and back.
local function use_values(connection, postgres)
    assert(connection:execute("DROP TABLE IF EXISTS quickstart_values"))
    assert(connection:execute("CREATE TABLE quickstart_values (flag boolean, big bigint, "
        .. "half double precision, price decimal(10, 2), name text, data "
        .. (postgres and "bytea" or "blob") .. ", day date, moment timestamp NULL, missing text)"))
    assert(connection:execute("INSERT INTO quickstart_values VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", {
        true, 9007199254740993LL, 2.5, typed("decimal", "12.50"), "Ada \226\156\147",
        typed("bytes", "\0\1\255"), typed("date", "2026-01-02"),
        typed("timestamp", "2026-01-02 03:04:05"), null,
    }))
    local row = assert(connection:execute("SELECT * FROM quickstart_values"))[1]
    row[6] = hex(row.data)
    print("values: " .. show_row(row, 9))
    if not postgres then
        return
    end
    local others = assert(connection:execute("SELECT CAST(? AS uuid), CAST(? AS json), "
        .. "interval '14 months 3 days 1.5 s', CAST(? AS integer[]), CAST(? AS time), "
        .. "CAST(? AS timestamptz)", {
        typed("uuid", "12345678-9abc-def0-1234-56789abcdef0"), typed("json", '{"a":1}'),
        { 1, null, 3 }, typed("time", "23:59:59.5"), typed("timestamptz", "2026-01-02 03:04:05Z"),
    }))
    print("and: " .. show_row(others[1], 6))
end

local function use_entity(connection)
    local person = assert(connection:save("quickstart_person", { name = "Ada Byron" }))
    assert(connection:save("quickstart_person", { id = person.id, name = "Ada Lovelace" }))
    for _, version in ipairs(assert(connection:history("quickstart_person", person.id))) do
        print("version " .. version.version .. " is " .. version.name)
    end
end

-- More coroutines than the pool has connections: they wait for each other, and block nobody.
local function count_often(db)
    local counted, tasks = 0, {}
    for i = 1, 100 do
        tasks[i] = function()
            local rows = assert(db:query("SELECT count(*) AS users FROM quickstart_users"))
            counted = counted + rows[1].users
        end
    end
    millpond.run(unpack(tasks))
    assert(counted == 200, counted)
end

local function main(driver, database, ...)
    local settings = { database = database }
    for _, setting in ipairs({ ... }) do
        local key, value = setting:match("^([^=]*)=(.*)$")
        settings[assert(key, "a setting is not KEY=VALUE")] = value
    end
    local db = assert(millpond.new(driver, settings))
    assert(db:with(function(connection)
        work(connection)
        use_values(connection, driver:find("^postgres"))
        use_entity(connection)
        return true
    end))
    count_often(db)
    assert(db:close(30))
    print("pool closed")
end

local right, problem = pcall(main, ...)
if not right then
    io.stderr:write(tostring(problem), "\n")
    os.exit(1)
end
