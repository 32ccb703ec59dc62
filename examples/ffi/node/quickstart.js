// In Node, with koffi: calls that wait are promises.
//
//     npm install && node quickstart.js DRIVER DATABASE [KEY=VALUE ...]
import { Database, ETIMEDOUT } from "./pond.js";

const ENDLESS =
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

async function stopInTime(connection) {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    try {
        await connection.execute(ENDLESS, [], 100);
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
    await db.with(useEntity);
    const counts = await Promise.all(Array.from({ length: 10 }, () => db.with(
        (connection) => connection.execute("SELECT count(*) FROM quickstart_users"))));
    if (!counts.every((rows) => rows[0][0] === 2))
        throw new Error(`counted ${counts}`);
    await db.close(30000);
    console.log("pool closed");
}

await main(...process.argv.slice(2));
