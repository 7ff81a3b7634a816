//! Opening a store: whose it is, which version it is, and nothing overwritten.

mod error;
mod postgres;
mod sqlite;

pub use error::OpenError;

use sqlx::migrate::{MigrateError, Migrator};

use crate::db::{Db, is_damage};

/// Whether a store may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// It is made if it is missing, and brought to this version's schema.
    Make,
    /// It must be there, and is brought to this version's schema.
    Write,
    /// It must be there with this version's schema.
    Read,
}

/// A store, open. Cheap to clone: clones share the connections.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) db: Db,
    place: String,
}

impl Store {
    /// Where it is, without a password: for messages.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Closes the connections. What was committed is safe without this; SQLite's
    /// write-ahead log is folded into the file here.
    pub async fn close(&self) {
        match &self.db {
            Db::Sqlite { read, write } => {
                read.close().await;
                if let Some(write) = write {
                    write.close().await;
                }
            }
            Db::Postgres { pool, .. } => pool.close().await,
        }
    }
}

/// Opens the store at `url`, making it or bringing its schema up to date first.
///
/// `sqlite:PATH` is a file, `postgres://…` a server. Of the latter's parameters,
/// `schema` names the schema that holds the tables (default `rolekeeper`), so that
/// several hubs can share a database.
///
/// # Errors
///
/// When the place holds something else, something damaged or something a newer
/// version made, and when it cannot be reached. Nothing is changed in any of these cases.
pub async fn open(url: &str) -> Result<Store, OpenError> {
    open_as(url, Access::Make).await
}

/// Opens the store at `url` for writing, if there is one: for what is told to a process that has it.
///
/// # Errors
///
/// As [`open`]; also when there is no store yet.
pub async fn open_existing(url: &str) -> Result<Store, OpenError> {
    open_as(url, Access::Write).await
}

/// Opens the store at `url` for reading alone: beside a running daemon, or a copy.
///
/// # Errors
///
/// As [`open`]; also when there is no store yet, and when its schema is older than this version's.
pub async fn open_read_only(url: &str) -> Result<Store, OpenError> {
    open_as(url, Access::Read).await
}

async fn open_as(url: &str, access: Access) -> Result<Store, OpenError> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        sqlite::open(path, access).await
    } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        postgres::open(url, access).await
    } else {
        Err(OpenError::Url {
            why: "it begins with neither `sqlite:` nor `postgres://`".to_owned(),
        })
    }
}

/// The newest schema that `migrator` can make.
fn newest(migrator: &Migrator) -> i64 {
    migrator
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or_default()
}

/// Compares the schema found with the one that this version makes.
fn check_version(
    place: &str,
    found: i64,
    migrator: &Migrator,
    access: Access,
) -> Result<(), OpenError> {
    let known = newest(migrator);
    let place = place.to_owned();
    if found > known {
        Err(OpenError::Newer {
            place,
            found,
            known,
        })
    } else if found < known && access == Access::Read {
        Err(OpenError::Older {
            place,
            found,
            known,
        })
    } else {
        Ok(())
    }
}

fn migrate_error(place: &str, known: i64, error: MigrateError) -> OpenError {
    match error {
        MigrateError::VersionMissing(found) => OpenError::Newer {
            place: place.to_owned(),
            found,
            known,
        },
        MigrateError::VersionMismatch(version) => OpenError::Altered {
            place: place.to_owned(),
            version,
        },
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            database_error(place, error)
        }
        other => OpenError::Unavailable {
            place: place.to_owned(),
            message: other.to_string(),
        },
    }
}

fn database_error(place: &str, error: sqlx::Error) -> OpenError {
    let place = place.to_owned();
    let message = error.to_string();
    if is_damage(&error) {
        OpenError::Corrupt { place, message }
    } else {
        OpenError::Unavailable { place, message }
    }
}
