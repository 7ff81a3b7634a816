//! A server.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor as _, PgConnection, PgPool};

use super::{Access, OpenError, Store, check_version, database_error, migrate_error, newest};
use crate::db::Db;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/postgres");

/// The schema that holds the tables unless the URL names another one.
const SCHEMA: &str = "rolekeeper";

/// Connections of one process: the journal is written through one at a time, so more
/// would only wait for its lock; the rest serves readers.
const CONNECTIONS: u32 = 8;

/// How long a task waits for a connection, a first one to the server included.
/// The engine stops the writes and tries again later, so this need not be long.
const ACQUIRE: Duration = Duration::from_secs(10);

/// PostgreSQL 13 is the oldest version these statements were run against by their
/// authors; versions before it have no upstream support.
const OLDEST_SERVER: i64 = 130_000;

pub(super) async fn open(url: &str, access: Access) -> Result<Store, OpenError> {
    let (url, schema) = split_schema(url)?;
    let options = options(&url)?;
    let place = place(&options, &schema);
    let failed = |error| database_error(&place, error);

    let pool = pool(options, &schema, access).await.map_err(failed)?;
    let found = identify(&pool, &schema, &place).await?;
    match found {
        Some(version) => check_version(&place, version, &MIGRATIONS, access)?,
        None if access != Access::Make => return Err(OpenError::Missing { place }),
        None => {}
    }
    if access != Access::Read {
        migrate(&pool, &schema, &place).await?;
    }
    Ok(Store {
        db: Db::Postgres {
            pool,
            writes: access != Access::Read,
        },
        place,
    })
}

/// Takes `schema=NAME` out of the URL's parameters, which the library does not know.
fn split_schema(url: &str) -> Result<(String, String), OpenError> {
    let Some((base, query)) = url.split_once('?') else {
        return Ok((url.to_owned(), SCHEMA.to_owned()));
    };
    let mut schema = SCHEMA;
    let mut rest = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("schema", name)) => schema = name,
            _ => rest.push(pair),
        }
    }
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let plain = schema
        .bytes()
        .all(|byte| letter(byte) || byte.is_ascii_digit());
    if !plain || schema.len() > 63 || !schema.bytes().next().is_some_and(letter) {
        let why = format!("`{schema}` is not a schema's name: 1 to 63 of a-z, 0-9 and _");
        return Err(OpenError::Url { why });
    }
    let url = if rest.is_empty() {
        base.to_owned()
    } else {
        format!("{base}?{}", rest.join("&"))
    };
    Ok((url, schema.to_owned()))
}

fn options(url: &str) -> Result<PgConnectOptions, OpenError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|error| OpenError::Url {
            why: error.to_string(),
        })?
        .disable_statement_logging();
    let chosen = ["sslmode=", "ssl-mode="]
        .iter()
        .any(|key| url.contains(key));
    // The library's default falls back to plain text when the server offers no TLS,
    // and so would whoever stands between. To another host that must be asked for.
    let options = if !chosen && !is_local(&options) {
        options.ssl_mode(PgSslMode::Require)
    } else {
        options
    };
    Ok(if options.get_application_name().is_none() {
        options.application_name("rolekeeper")
    } else {
        options
    })
}

fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let loopback = host
        .parse::<std::net::IpAddr>()
        .is_ok_and(|address| address.is_loopback());
    options.get_socket().is_some() || host.starts_with('/') || host == "localhost" || loopback
}

fn place(options: &PgConnectOptions, schema: &str) -> String {
    let host = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let database = options
        .get_database()
        .unwrap_or_else(|| options.get_username());
    format!(
        "postgres://{}@{host}/{database} (schema {schema})",
        options.get_username()
    )
}

async fn pool(
    options: PgConnectOptions,
    schema: &str,
    access: Access,
) -> Result<PgPool, sqlx::Error> {
    let setup = setup(schema, access);
    let opened = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE)
        .after_connect(move |connection, _| {
            let setup = setup.clone();
            Box::pin(async move {
                connection.execute(AssertSqlSafe(setup)).await?;
                Ok(())
            })
        })
        .connect_with(options.clone())
        .await;
    if matches!(opened, Err(sqlx::Error::PoolTimedOut)) {
        // A pool says that it has waited, and one connection says why it cannot be had.
        options.connect().await?;
    }
    opened
}

/// What each connection is told first, whatever the server's own defaults are.
fn setup(schema: &str, access: Access) -> String {
    let read_only = if access == Access::Read { "on" } else { "off" };
    format!(
        // Tables are found in the store's schema alone. A commit returns when it is on
        // disk. A replica that is paused in a transaction does not keep its locks, and a
        // statement that waits for ever ends as an error that stops the writes.
        "SET search_path = {schema}; SET synchronous_commit = on; \
         SET default_transaction_isolation = 'read committed'; \
         SET default_transaction_read_only = {read_only}; SET statement_timeout = '60s'; \
         SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '10s'"
    )
}

/// Whose schema it is; its version when it is ours, none when it is empty.
async fn identify(pool: &PgPool, schema: &str, place: &str) -> Result<Option<i64>, OpenError> {
    let failed = |error| database_error(place, error);
    let server: i64 = sqlx::query_scalar("SELECT current_setting('server_version_num')::bigint")
        .fetch_one(pool)
        .await
        .map_err(failed)?;
    if server < OLDEST_SERVER {
        let message = format!(
            "the server is PostgreSQL {}; 13 or later is needed",
            server / 10_000
        );
        return Err(OpenError::Unavailable {
            place: place.to_owned(),
            message,
        });
    }
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = $1")
            .bind(schema)
            .fetch_all(pool)
            .await
            .map_err(failed)?;
    let has = |name: &str| tables.iter().any(|table| table == name);
    // Another start is half way through: the migration's lock makes this one wait.
    if tables.is_empty() || tables == ["_sqlx_migrations"] {
        return Ok(None);
    }
    let foreign = |found: &str| OpenError::Foreign {
        place: place.to_owned(),
        found: found.to_owned(),
    };
    if !has("identity") || !has("_sqlx_migrations") {
        return Err(foreign("tables of another program"));
    }
    let application: Option<String> =
        sqlx::query_scalar("SELECT application FROM identity LIMIT 1")
            .fetch_optional(pool)
            .await
            .map_err(failed)?;
    if application.as_deref() != Some("rolekeeper") {
        return Err(foreign(
            application.as_deref().unwrap_or("no application named"),
        ));
    }
    let version: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
        .fetch_one(pool)
        .await
        .map_err(failed)?;
    Ok(version)
}

async fn migrate(pool: &PgPool, schema: &str, place: &str) -> Result<(), OpenError> {
    let failed = |error| database_error(place, error);
    let mut connection = pool.acquire().await.map_err(failed)?;
    make_schema(&mut connection, schema).await.map_err(failed)?;
    // The migrator holds an advisory lock: replicas that start at once take turns.
    MIGRATIONS
        .run_direct(None, &mut *connection, false)
        .await
        .map_err(|error| migrate_error(place, newest(&MIGRATIONS), error))
}

/// Makes the schema when it is missing. Asking first lets a role that may not make
/// schemas use one that was made for it.
async fn make_schema(connection: &mut PgConnection, schema: &str) -> Result<(), sqlx::Error> {
    let there: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)")
            .bind(schema)
            .fetch_one(&mut *connection)
            .await?;
    if there {
        return Ok(());
    }
    let made = connection
        .execute(AssertSqlSafe(format!(
            "CREATE SCHEMA IF NOT EXISTS {schema}"
        )))
        .await;
    match made {
        // Two replicas can still meet in the catalog: the schema is there, then.
        Err(error) if is_duplicate(&error) => Ok(()),
        other => other.map(drop),
    }
}

fn is_duplicate(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("23505" | "42P06"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

    use super::*;

    #[test]
    fn the_schema_is_taken_out_of_the_url() {
        let plain = split_schema("postgres://h/d").unwrap();
        assert_eq!(
            plain,
            ("postgres://h/d".to_owned(), "rolekeeper".to_owned())
        );
        let named = split_schema("postgres://h/d?sslmode=require&schema=hub_2").unwrap();
        assert_eq!(
            named,
            (
                "postgres://h/d?sslmode=require".to_owned(),
                "hub_2".to_owned()
            )
        );
        for bad in ["", "2hub", "Hub", "a;drop", "a\"b", &"a".repeat(64)] {
            assert!(
                split_schema(&format!("postgres://h/d?schema={bad}")).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn another_host_is_reached_by_tls_unless_the_url_says_otherwise() {
        let mode = |url| format!("{:?}", options(url).unwrap().get_ssl_mode());
        assert_eq!(mode("postgres://u@db.example.com/d"), "Require");
        assert_eq!(
            mode("postgres://u@db.example.com/d?sslmode=verify-full"),
            "VerifyFull"
        );
        assert_eq!(
            mode("postgres://u@db.example.com/d?sslmode=disable"),
            "Disable"
        );
        assert_eq!(mode("postgres://u@127.0.0.1/d"), "Prefer");
        assert_eq!(mode("postgres://u@localhost/d"), "Prefer");
    }

    #[test]
    fn a_place_never_shows_the_password() {
        let options = options("postgres://keeper:s3cret@db.example.com:5433/roles").unwrap();
        let place = place(&options, "rolekeeper");
        assert_eq!(
            place,
            "postgres://keeper@db.example.com:5433/roles (schema rolekeeper)"
        );
    }
}
