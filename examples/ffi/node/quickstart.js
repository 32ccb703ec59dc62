// In Node, with koffi: calls that wait are promises.
//
//     npm install && node quickstart.js DRIVER DATABASE [KEY=VALUE ...]
import { Database } from "./pond.js";
import { ETIMEDOUT } from "./ffi.js";
import { Typed, typed } from "./values.js";

// It would take hours, on any database.
const ENDLESS =
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) " +
    "SELECT count(*) FROM n a, n b, n c, n d";

async function stopInTime(connection) {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    try {
        await connection.execute(ENDLESS, [], { timeout: 100 });
        throw new Error("an endless statement ended");
    } catch (error) {
        if (error.code !== ETIMEDOUT)
            throw error;
    } finally {
        clearInterval(timer);
    }
    if (!ticks)
        throw new Error("Node stood still meanwhile");
    console.log("stopped a statement after 100 ms");
}

// What nobody waits for any more is stopped on the server, too.
async function abort(connection) {
    const controller = new AbortController();
    const endless = connection.execute(ENDLESS, [], { signal: controller.signal });
    controller.abort();
    const outcome = await endless.then(() => "ended", (error) => error.message);
    if (!/cancel/.test(outcome))
        throw new Error(`an aborted statement: ${outcome}`);
}

function show(value) {
    if (value === null)
        return "NULL";
    if (value instanceof Uint8Array)
        return Buffer.from(value).toString("hex");
    if (Array.isArray(value))
        return `[${value.map(show).join(", ")}]`;
    return typeof value === "object" && !(value instanceof Typed) ? JSON.stringify(value)
        : String(value);
}

// Every type, there and back.
async function useValues(connection, driver) {
    const postgres = driver.startsWith("postgres");
    await connection.execute("DROP TABLE IF EXISTS quickstart_values");
    await connection.execute(
        "CREATE TABLE quickstart_values (flag boolean, big bigint, half double precision, " +
        `price decimal(10, 2), name text, data ${postgres ? "bytea" : "blob"}, day date, ` +
        "moment timestamp NULL, missing text)");
    await connection.execute("INSERT INTO quickstart_values VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", [
        true, 9007199254740993n, 2.5, typed("decimal", "12.50"), "Ada \u2713",
        Buffer.from([0, 1, 255]), typed("date", "2026-01-02"),
        typed("timestamp", "2026-01-02 03:04:05"), null]);
    const [row] = await connection.execute("SELECT * FROM quickstart_values");
    console.log("values:", row.map(show).join(" | "));
    if (!postgres)
        return;
    const [others] = await connection.execute(
        "SELECT CAST(? AS uuid), CAST(? AS json), interval '14 months 3 days 1.5 s', " +
        "CAST(? AS integer[]), CAST(? AS time), CAST(? AS timestamptz)",
        [typed("uuid", "12345678-9abc-def0-1234-56789abcdef0"), { a: 1 }, [1, null, 3],
            typed("time", "23:59:59.5"), new Date(Date.UTC(2026, 0, 2, 3, 4, 5))]);
    console.log("and:", others.map(show).join(" | "));
}

async function work(connection) {
    console.log("connected to", connection.serverVersion);
    await connection.execute("DROP TABLE IF EXISTS quickstart_users");
    await connection.execute(
        "CREATE TABLE quickstart_users (id integer PRIMARY KEY, name text)");
    await connection.transaction(async () => {
        const insert = "INSERT INTO quickstart_users VALUES (?, ?)";
        await connection.execute(insert, [1, "Ada"]);
        await connection.execute(insert, [2, "Grace"]);
    });
    console.log("committed");
    await stopInTime(connection);
    const [[id, name]] = await connection.execute(
        "SELECT id, name FROM quickstart_users WHERE id = ?", [2]);
    console.log("user", id, "is", name);
}

async function useEntity(connection) {
    const { id } = await connection.save("quickstart_person", { name: "Ada Byron" });
    await connection.save("quickstart_person", { id, name: "Ada Lovelace" });
    for (const { version, name } of await connection.history("quickstart_person", id))
        console.log("version", version, "is", name);
}

async function main(driver, database, ...others) {
    const settings = others.map((setting) => setting.split(/=(.*)/s).slice(0, 2));
    const db = new Database(driver, { database, ...Object.fromEntries(settings) });
    await db.with(work);
    await db.with((connection) => useValues(connection, driver));
    await db.with(abort);
    await db.with(useEntity);
    // More than the pool has connections, and than Node has threads.
    const counts = await Promise.all(Array.from({ length: 100 }, () => db.with(
        (connection) => connection.execute("SELECT count(*) FROM quickstart_users"))));
    if (!counts.every((rows) => rows[0][0] === 2))
        throw new Error(`counted ${counts}`);
    await db.close(30000);
    console.log("pool closed");
}

await main(...process.argv.slice(2));
