//! In Rust, with declarations of its own: futures that any executor runs, on any thread.
//!
//!     quickstart DRIVER DATABASE [KEY=VALUE ...]
mod entity;
mod executor;
mod ffi;
mod operation;
mod pond;
mod value;

use entity::Entities;
use executor::{block_on, Join};
use pond::{Connection, Database, Error};
use value::Value;

// It would take hours, on any database.
const ENDLESS: &str =
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) \
     SELECT count(*) FROM n a, n b, n c, n d";

async fn stop_in_time(connection: &mut Connection<'_>) -> Result<(), Error> {
    match connection.execute(ENDLESS, &[], 100).await {
        Err(error) if error.code == ffi::ETIMEDOUT => {
            println!("stopped a statement after 100 ms");
            Ok(())
        }
        Err(error) => Err(error),
        Ok(_) => panic!("an endless statement ended"),
    }
}

/// What nobody waits for any more is stopped on the server, too.
async fn cancel(connection: &mut Connection<'_>) -> Result<(), Error> {
    let endless = connection.submit(ENDLESS, &[], -1)?;
    endless.cancel();
    match endless.await {
        Err(error) if error.code == ffi::ECANCELLED => Ok(()),
        Err(error) => Err(error),
        Ok(_) => panic!("an endless statement ended"),
    }
}

async fn add_users(connection: &mut Connection<'_>) -> Result<(), Error> {
    connection.transaction(ffi::BEGIN).await?; // who fails gives it back, which rolls back
    for (id, name) in [(1, "Ada"), (2, "Grace")] {
        let user = [Value::Integer(id), Value::Text(name.into())];
        connection.execute("INSERT INTO quickstart_users VALUES (?, ?)", &user, -1).await?;
    }
    connection.transaction(ffi::COMMIT).await
}

async fn work(connection: &mut Connection<'_>) -> Result<(), Error> {
    println!("connected to {}", connection.server_version());
    connection.execute("DROP TABLE IF EXISTS quickstart_users", &[], -1).await?;
    let create = "CREATE TABLE quickstart_users (id integer PRIMARY KEY, name text)";
    connection.execute(create, &[], -1).await?;
    add_users(connection).await?;
    println!("committed");
    stop_in_time(connection).await?;
    cancel(connection).await?;
    let select = "SELECT id, name FROM quickstart_users WHERE id = ?";
    match &connection.execute(select, &[Value::Integer(2)], -1).await?[0][..] {
        [Value::Integer(id), Value::Text(name)] => println!("user {} is {}", id, name),
        other => panic!("not a user: {:?}", other),
    }
    Ok(())
}

fn show(row: &[Value]) -> String {
    row.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ")
}

/// Every type, there and back.
async fn use_values(connection: &mut Connection<'_>, driver: &str) -> Result<(), Error> {
    let postgres = driver.starts_with("postgres");
    let create = format!(
        "CREATE TABLE quickstart_values (flag boolean, big bigint, half double precision, \
         price decimal(10, 2), name text, data {}, day date, moment timestamp NULL, missing text)",
        if postgres { "bytea" } else { "blob" }
    );
    connection.execute("DROP TABLE IF EXISTS quickstart_values", &[], -1).await?;
    connection.execute(&create, &[], -1).await?;
    let values = [
        Value::Bool(true),
        Value::Integer(9007199254740993),
        Value::Real(2.5),
        Value::Decimal("12.50".into()),
        Value::Text("Ada \u{2713}".into()),
        Value::Bytes(vec![0, 1, 255]),
        Value::Date("2026-01-02".into()),
        Value::Timestamp("2026-01-02 03:04:05".into()),
        Value::Null,
    ];
    let insert = "INSERT INTO quickstart_values VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    connection.execute(insert, &values, -1).await?;
    let rows = connection.execute("SELECT * FROM quickstart_values", &[], -1).await?;
    println!("values: {}", show(&rows[0]));
    if !postgres {
        return Ok(());
    }
    let others = [
        Value::Uuid("12345678-9abc-def0-1234-56789abcdef0".into()),
        Value::Json("{\"a\":1}".into()),
        Value::Array(vec![Value::Integer(1), Value::Null, Value::Integer(3)]),
        Value::Time("23:59:59.5".into()),
        Value::TimestampTz("2026-01-02 03:04:05Z".into()),
    ];
    let select = "SELECT CAST(? AS uuid), CAST(? AS json), interval '14 months 3 days 1.5 s', \
                  CAST(? AS integer[]), CAST(? AS time), CAST(? AS timestamptz)";
    println!("and: {}", show(&connection.execute(select, &others, -1).await?[0]));
    Ok(())
}

async fn use_entity(database: &Database) -> Result<(), Error> {
    let people = Entities::new(database, "quickstart_person")?;
    let mut connection = database.acquire().await?;
    let name = |name: &str| ("name", Value::Text(name.into()));
    let id = people.save(&mut connection, &[name("Ada Byron")]).await?["id"].clone();
    people.save(&mut connection, &[("id", id.clone()), name("Ada Lovelace")]).await?;
    if let Value::Text(id) = id {
        for version in people.history(&mut connection, &id).await? {
            println!("version {} is {}", version["version"], version["name"]);
        }
    }
    Ok(())
}

async fn count(database: &Database) -> Result<Value, Error> {
    let mut connection = database.acquire().await?;
    let rows = connection.execute("SELECT count(*) FROM quickstart_users", &[], -1).await?;
    Ok(rows[0][0].clone())
}

/// Read the table with more tasks than the pool has connections, on one thread.
async fn count_often(database: &Database) -> Result<(), Error> {
    for counted in Join::new((0..100).map(|_| count(database))).await {
        assert_eq!(counted?, Value::Integer(2));
    }
    Ok(())
}

/// An executor may move what it runs to another thread at any await.
fn sendable<F: std::future::Future + Send>(future: F) -> F {
    future
}

async fn all(driver: &str, settings: &[(String, String)]) -> Result<(), Error> {
    let database = Database::open(driver, settings)?;
    {
        let mut connection = database.acquire().await?;
        work(&mut connection).await?;
        use_values(&mut connection, driver).await?;
    }
    use_entity(&database).await?;
    count_often(&database).await?;
    database.close(30_000).await
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.len() < 2 {
        return Err("usage: quickstart DRIVER DATABASE [KEY=VALUE ...]".into());
    }
    let mut settings = vec![("database".to_string(), arguments[1].clone())];
    for setting in &arguments[2..] {
        let (key, value) = setting.split_once('=').ok_or("a setting is not KEY=VALUE")?;
        settings.push((key.to_string(), value.to_string()));
    }
    block_on(sendable(all(&arguments[0], &settings)))?;
    println!("pool closed");
    Ok(())
}
