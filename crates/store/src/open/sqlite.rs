//! A file.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, SqlitePool};
use tokio::io::AsyncReadExt as _;

use super::{Access, OpenError, Store, check_version, database_error, migrate_error, newest};
use crate::db::Db;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/sqlite");

/// `RKPR`, in the file's header: whose database this is.
const APPLICATION_ID: i64 = 0x524b_5052;

/// The first bytes of every SQLite database.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// How long to wait while another process writes: the command line beside the
/// daemon, a backup. Transactions here take milliseconds.
const BUSY: Duration = Duration::from_secs(10);

/// How long a task waits for a connection of the pool. All accounts in flight
/// write their intents through one connection.
const ACQUIRE: Duration = Duration::from_secs(30);

/// Prepared statements that a connection keeps. A batch of reports is one statement, of a length of its own and of
/// up to 700 KB in memory: kept by the hundred they would be most of what a sweep of ten thousand accounts takes.
const STATEMENTS: usize = 12;

/// Connections for reading: the API, the page and a report at the same time.
const READERS: u32 = 4;

/// A file up to this size is checked page by page when it is opened, which takes well
/// below a second; in a larger one, damage is met when the page is read.
const CHECKED_BYTES: u64 = 64 << 20;

pub(super) async fn open(path: &str, access: Access) -> Result<Store, OpenError> {
    let path = file(path)?;
    let place = path.display().to_string();
    let length = inspect(&path, &place, access).await?;
    if length > 0 {
        identify(&path, &place, length, access).await?;
    }

    let base = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(false)
        .busy_timeout(BUSY)
        .foreign_keys(true)
        .statement_cache_capacity(STATEMENTS)
        .disable_statement_logging();
    let write = match access {
        Access::Read => None,
        Access::Make | Access::Write => Some(writer(base.clone(), &place).await?),
    };
    let read = SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(ACQUIRE)
        .connect_with(base.read_only(true))
        .await
        .map_err(|error| database_error(&place, error))?;
    Ok(Store {
        db: Db::Sqlite { read, write },
        place,
    })
}

fn file(path: &str) -> Result<PathBuf, OpenError> {
    // `sqlite://a/b` is what other programs write for the relative path a/b.
    let path = path.strip_prefix("//").unwrap_or(path);
    let why = match path {
        "" => "it names no file",
        _ if path.starts_with(":memory:") => {
            "a store in memory would lose the journal; name a file"
        }
        _ if path.contains('?') => "`sqlite:` takes no parameters",
        _ => return Ok(PathBuf::from(path)),
    };
    Err(OpenError::Url {
        why: why.to_owned(),
    })
}

/// Looks at the file before SQLite does; makes it when it may be made, so that
/// nobody else can read it. Returns its length.
async fn inspect(path: &Path, place: &str, access: Access) -> Result<u64, OpenError> {
    let failed = |error: std::io::Error| OpenError::Unavailable {
        place: place.to_owned(),
        message: error.to_string(),
    };
    let mut file = match tokio::fs::File::open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return match access {
                Access::Read | Access::Write => Err(OpenError::Missing {
                    place: place.to_owned(),
                }),
                Access::Make => create(path).await.map(|()| 0).map_err(failed),
            };
        }
        Err(error) => return Err(failed(error)),
    };
    let metadata = file.metadata().await.map_err(failed)?;
    if !metadata.is_file() {
        return Err(OpenError::NotADatabase {
            place: place.to_owned(),
        });
    }
    if metadata.len() == 0 {
        return match access {
            Access::Read | Access::Write => Err(OpenError::Missing {
                place: place.to_owned(),
            }),
            Access::Make => Ok(0),
        };
    }
    let mut head = [0; MAGIC.len()];
    match file.read_exact(&mut head).await {
        Ok(_) if &head == MAGIC => Ok(metadata.len()),
        Ok(_) => Err(OpenError::NotADatabase {
            place: place.to_owned(),
        }),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(OpenError::NotADatabase {
            place: place.to_owned(),
        }),
        Err(error) => Err(failed(error)),
    }
}

async fn create(path: &Path) -> std::io::Result<()> {
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    match options.open(path).await {
        Ok(_) => Ok(()),
        // Another process was faster; both go on with the same file.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whose file it is and whether it is whole, over a connection that changes
/// nothing: no journal mode is set before this is known.
async fn identify(path: &Path, place: &str, length: u64, access: Access) -> Result<(), OpenError> {
    let failed = |error| database_error(place, error);
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .read_only(true)
        .busy_timeout(BUSY)
        .connect()
        .await
        .map_err(failed)?;
    let application = pragma(&mut connection, "PRAGMA application_id")
        .await
        .map_err(failed)?;
    let version = pragma(&mut connection, "PRAGMA user_version")
        .await
        .map_err(failed)?;
    let objects = pragma(&mut connection, "SELECT count(*) FROM sqlite_schema")
        .await
        .map_err(failed)?;
    match application {
        APPLICATION_ID => check_version(place, version, &MIGRATIONS, access)?,
        // A database in which nothing was made yet: a start that was interrupted.
        0 if objects == 0 && access == Access::Make => {}
        0 if objects == 0 => {
            return Err(OpenError::Missing {
                place: place.to_owned(),
            });
        }
        other => {
            let found = format!("an SQLite database with application id {other:#x}");
            return Err(OpenError::Foreign {
                place: place.to_owned(),
                found,
            });
        }
    }
    if length <= CHECKED_BYTES {
        let verdict: String = sqlx::query_scalar("PRAGMA quick_check(1)")
            .fetch_one(&mut connection)
            .await
            .map_err(failed)?;
        if verdict != "ok" {
            return Err(OpenError::Corrupt {
                place: place.to_owned(),
                message: verdict,
            });
        }
    }
    connection.close().await.map_err(failed)
}

async fn pragma(connection: &mut SqliteConnection, sql: &'static str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(sql).fetch_one(connection).await
}

/// The one connection that writes.
async fn writer(base: SqliteConnectOptions, place: &str) -> Result<SqlitePool, OpenError> {
    let options = base
        .journal_mode(SqliteJournalMode::Wal)
        // A commit returns when the log is on disk: the journal's intents must not be
        // lost with the power, or a write to AWS would have no record.
        .synchronous(SqliteSynchronous::Full);
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE)
        // When the disk is full, SQLite ends a transaction by itself; the library then
        // believes that it goes on and would begin no other. Such a connection is replaced.
        .before_acquire(|connection, _| {
            let usable = !connection.is_in_transaction();
            Box::pin(async move { Ok(usable) })
        })
        // Opening it anew would cost the cache and gain nothing.
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await
        .map_err(|error| database_error(place, error))?;
    migrate(&pool, place).await?;
    Ok(pool)
}

/// All migrations in one transaction that holds the write lock: two processes
/// that start at once take turns, and one that dies leaves nothing half made.
async fn migrate(pool: &SqlitePool, place: &str) -> Result<(), OpenError> {
    let failed = |error| database_error(place, error);
    let known = newest(&MIGRATIONS);
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    MIGRATIONS
        .run_direct(None, &mut *tx, false)
        .await
        .map_err(|error| migrate_error(place, known, error))?;
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "PRAGMA application_id = {APPLICATION_ID}"
    )))
    .execute(&mut *tx)
    .await
    .map_err(failed)?;
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "PRAGMA user_version = {known}"
    )))
    .execute(&mut *tx)
    .await
    .map_err(failed)?;
    tx.commit().await.map_err(failed)
}
