//! One door to both databases.
//!
//! The statements are the same text for both: `$1` placeholders, `ON CONFLICT`,
//! `RETURNING`, text, 64-bit integers and doubles are common ground. What differs
//! is small and has a name here: how a transaction begins, and how a row is locked.

mod row;
mod value;

pub(crate) use row::Row;
pub(crate) use value::{Value, placeholders, values};

use std::time::Duration;

use rolekeeper_engine::port::store::StoreError;
use sqlx::{AssertSqlSafe, PgPool, Postgres, SqlSafeStr, Sqlite, SqlitePool, Transaction};

use self::value::numbered;

/// The rows of one statement that writes many: well below the limits of both
/// databases on placeholders (32,766 and 65,535) for any table here.
pub(crate) const CHUNK: usize = 500;

/// How long a server is waited for: a little longer than it may take itself (`statement_timeout`).
const ANSWER: Duration = Duration::from_secs(75);

/// The database.
#[derive(Clone, Debug)]
pub(crate) enum Db {
    /// One file: one connection writes, several read.
    Sqlite {
        /// For reading.
        read: SqlitePool,
        /// For writing; none when the store was opened for reading only.
        write: Option<SqlitePool>,
    },
    /// A server.
    Postgres {
        /// Its connections.
        pool: PgPool,
        /// Whether this process may write.
        writes: bool,
    },
}

impl Db {
    /// Runs one statement that reads.
    pub(crate) async fn rows(
        &self,
        sql: impl SqlSafeStr + Send,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite { read, .. } => sqlite_rows(read, sql, values).await,
            Self::Postgres { pool, .. } => postgres_rows(pool, sql, values).await,
        }
    }

    /// Runs one statement that reads at most one row.
    pub(crate) async fn row(
        &self,
        sql: impl SqlSafeStr + Send,
        values: Vec<Value>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// Begins a transaction that writes. SQLite takes the write lock at once: a
    /// transaction that starts by reading and is refused the lock later on
    /// could not simply wait for it.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        match self {
            Self::Sqlite {
                write: Some(pool), ..
            } => pool
                .begin_with("BEGIN IMMEDIATE")
                .await
                .map(Tx::Sqlite)
                .map_err(store_error),
            Self::Postgres { pool, writes: true } => answered(pool.begin()).await.map(Tx::Postgres),
            Self::Sqlite { write: None, .. } | Self::Postgres { writes: false, .. } => {
                Err(StoreError::Unavailable {
                    message: "it was opened for reading only".to_owned(),
                })
            }
        }
    }

    /// Runs one statement that writes, in a transaction of its own.
    pub(crate) async fn run(
        &self,
        sql: impl SqlSafeStr + Send,
        values: Vec<Value>,
    ) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        let changed = tx.run(sql, values).await?;
        tx.commit().await?;
        Ok(changed)
    }
}

/// A transaction; dropped without [`Tx::commit`], nothing of it remains.
#[derive(Debug)]
pub(crate) enum Tx {
    /// In the file.
    Sqlite(Transaction<'static, Sqlite>),
    /// On the server.
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    /// Runs one statement and returns its rows.
    pub(crate) async fn rows(
        &mut self,
        sql: impl SqlSafeStr + Send,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(tx) => sqlite_rows(&mut **tx, sql, values).await,
            Self::Postgres(tx) => postgres_rows(&mut **tx, sql, values).await,
        }
    }

    /// Runs one statement and returns its first row.
    pub(crate) async fn row(
        &mut self,
        sql: impl SqlSafeStr + Send,
        values: Vec<Value>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// Reads one row and holds it until the transaction ends, so that nobody
    /// changes it in between. SQLite has one writer anyway.
    pub(crate) async fn locked_row(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Option<Row>, StoreError> {
        match self {
            Self::Sqlite(_) => self.row(sql, values).await,
            Self::Postgres(_) => {
                self.row(AssertSqlSafe(format!("{sql} FOR UPDATE")), values)
                    .await
            }
        }
    }

    /// Runs one statement and returns how many rows it changed.
    pub(crate) async fn run(
        &mut self,
        sql: impl SqlSafeStr + Send,
        values: Vec<Value>,
    ) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(tx) => {
                let done = bind_sqlite(sql, values).execute(&mut **tx).await;
                Ok(done.map_err(store_error)?.rows_affected())
            }
            Self::Postgres(tx) => {
                let done = answered(bind_postgres(sql, values).execute(&mut **tx)).await;
                Ok(done?.rows_affected())
            }
        }
    }

    /// Makes it last. When this returns, it is on disk.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await.map_err(store_error),
            Self::Postgres(tx) => answered(tx.commit()).await,
        }
    }

    /// Whether the database is a server with a clock of its own.
    pub(crate) const fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}

/// What stands in the store cannot be understood.
pub(crate) fn corrupt(message: impl Into<String>) -> StoreError {
    StoreError::Corrupt {
        message: message.into(),
    }
}

/// Whether the database itself says that its data are damaged: SQLite's CORRUPT and
/// NOTADB, PostgreSQL's data_corrupted and index_corrupted.
pub(crate) fn is_damage(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    let sqlite = |code: &str| {
        code.parse::<u32>()
            .is_ok_and(|code| matches!(code & 0xff, 11 | 26))
    };
    // A five-digit code is PostgreSQL's, whose own are XX001 and XX002.
    code.is_some_and(|code| match code.len() {
        5 => matches!(&*code, "XX001" | "XX002"),
        _ => sqlite(&code),
    })
}

/// Turns the library's error into the port's.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    let undecodable = matches!(
        error,
        sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
    );
    if undecodable || is_damage(&error) {
        return corrupt(error.to_string());
    }
    StoreError::Unavailable {
        message: error.to_string(),
    }
}

/// A server's answer. One that is gone without a word, or behind a network that drops everything, never gives one, and
/// TCP notices after a quarter of an hour.
async fn answered<T>(
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(ANSWER, answer).await {
        Ok(answer) => answer.map_err(store_error),
        Err(_) => Err(StoreError::Unavailable {
            message: format!("the server gave no answer within {} s", ANSWER.as_secs()),
        }),
    }
}

macro_rules! bind {
    ($sql:expr, $values:expr) => {{
        let mut query = sqlx::query($sql);
        for value in $values {
            query = match value {
                Value::Int(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
                Value::Real(value) => query.bind(value),
            };
        }
        query
    }};
}

fn bind_sqlite(
    sql: impl SqlSafeStr,
    values: Vec<Value>,
) -> sqlx::query::Query<'static, Sqlite, sqlx::sqlite::SqliteArguments> {
    bind!(sql, values)
}

fn bind_postgres(
    sql: impl SqlSafeStr,
    values: Vec<Value>,
) -> sqlx::query::Query<'static, Postgres, sqlx::postgres::PgArguments> {
    let sql = sql.into_sql_str();
    if sql.as_str().contains('?') {
        bind!(AssertSqlSafe(numbered(sql.as_str())), values)
    } else {
        bind!(sql, values)
    }
}

async fn sqlite_rows<'c>(
    executor: impl sqlx::Executor<'c, Database = Sqlite>,
    sql: impl SqlSafeStr,
    values: Vec<Value>,
) -> Result<Vec<Row>, StoreError> {
    let rows = bind_sqlite(sql, values)
        .fetch_all(executor)
        .await
        .map_err(store_error)?;
    Ok(rows.into_iter().map(Row::Sqlite).collect())
}

async fn postgres_rows<'c>(
    executor: impl sqlx::Executor<'c, Database = Postgres>,
    sql: impl SqlSafeStr,
    values: Vec<Value>,
) -> Result<Vec<Row>, StoreError> {
    let rows = answered(bind_postgres(sql, values).fetch_all(executor)).await?;
    Ok(rows.into_iter().map(Row::Postgres).collect())
}
