//! In Rust, with declarations of its own: the pool serves any number of threads.
//!
//!     quickstart DRIVER DATABASE [KEY=VALUE ...]
mod entity;
mod ffi;
mod pond;

use entity::Entities;
use pond::{Connection, Database, Error, Value};

const ENDLESS: &str =
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

fn stop_in_time(connection: &mut Connection) -> Result<(), Error> {
    match connection.execute(ENDLESS, &[], 100) {
        Err(error) if error.code == ffi::ETIMEDOUT => {
            println!("stopped a statement after 100 ms");
            Ok(())
        }
        Err(error) => Err(error),
        Ok(_) => panic!("an endless statement ended"),
    }
}

fn work(connection: &mut Connection) -> Result<(), Error> {
    println!("connected to {}", connection.server_version());
    connection.execute("DROP TABLE IF EXISTS quickstart_users", &[], -1)?;
    let create = "CREATE TABLE quickstart_users (id integer PRIMARY KEY, name text)";
    connection.execute(create, &[], -1)?;
    connection.transaction(|connection| {
        for (id, name) in [(1, "Ada"), (2, "Grace")] {
            let user = [Value::Integer(id), Value::Text(name.into())];
            connection.execute("INSERT INTO quickstart_users VALUES (?, ?)", &user, -1)?;
        }
        Ok(())
    })?;
    println!("committed");
    stop_in_time(connection)?;
    let select = "SELECT id, name FROM quickstart_users WHERE id = ?";
    match &connection.execute(select, &[Value::Integer(2)], -1)?[0][..] {
        [Value::Integer(id), Value::Text(name)] => println!("user {} is {}", id, name),
        other => panic!("not a user: {:?}", other),
    }
    Ok(())
}

fn use_entity(database: &Database) -> Result<(), Error> {
    let people = Entities::new(database, "quickstart_person")?;
    let mut connection = database.acquire()?;
    let name = |name: &str| ("name", Value::Text(name.into()));
    let id = people.save(&mut connection, &[name("Ada Byron")])?["id"].clone();
    people.save(&mut connection, &[("id", id.clone()), name("Ada Lovelace")])?;
    if let Value::Text(id) = id {
        for version in people.history(&mut connection, &id)? {
            println!("version {} is {}", version["version"], version["name"]);
        }
    }
    Ok(())
}

/// Read the table from several threads at once.
fn count(database: &Database) {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut connection = database.acquire().expect("a connection");
                let rows = connection.execute("SELECT count(*) FROM quickstart_users", &[], -1);
                assert_eq!(rows.expect("a count"), [[Value::Integer(2)]]);
            });
        }
    });
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
    let database = Database::open(&arguments[0], &settings)?;
    work(&mut database.acquire()?)?;
    use_entity(&database)?;
    count(&database);
    database.close(30_000)?;
    println!("pool closed");
    Ok(())
}
