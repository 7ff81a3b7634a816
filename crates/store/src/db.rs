//! One door to both databases.
//!
//! The statements are the same text for both: `$1` placeholders, `ON CONFLICT`,
//! `RETURNING`, text, 64-bit integers and doubles are common ground. What differs
//! is small and has a name here: how a transaction begins, and how a row is locked.

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::SweepId;
use rolekeeper_engine::port::store::StoreError;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{
    AssertSqlSafe, PgPool, Postgres, Row as _, SqlSafeStr, Sqlite, SqlitePool, Transaction,
};

/// The rows of one statement that writes many: well below the limits of both
/// databases on placeholders (32,766 and 65,535) for any table here.
pub(crate) const CHUNK: usize = 500;

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
            Self::Postgres { pool, writes: true } => {
                pool.begin().await.map(Tx::Postgres).map_err(store_error)
            }
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
        let changed = match self {
            Self::Sqlite(tx) => bind_sqlite(sql, values)
                .execute(&mut **tx)
                .await
                .map(|done| done.rows_affected()),
            Self::Postgres(tx) => bind_postgres(sql, values)
                .execute(&mut **tx)
                .await
                .map(|done| done.rows_affected()),
        };
        changed.map_err(store_error)
    }

    /// Makes it last. When this returns, it is on disk.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await,
            Self::Postgres(tx) => tx.commit().await,
        }
        .map_err(store_error)
    }

    /// Whether the database is a server with a clock of its own.
    pub(crate) const fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}

/// A parameter.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// A number, or NULL.
    Int(Option<i64>),
    /// A text, or NULL.
    Text(Option<String>),
    /// A floating-point number.
    Real(f64),
}

/// Makes a list of [`Value`]s.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::db::Value::from($value)),*] };
}
pub(crate) use values;

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(Some(i64::from(value)))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<&str> for Value {
    /// PostgreSQL cannot hold NUL in text. A text with one is kept in a JSON
    /// body, which escapes it; what is only searched for loses it here.
    fn from(value: &str) -> Self {
        Self::Text(Some(value.replace('\0', "\u{fffd}")))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        if value.contains('\0') {
            Self::from(value.as_str())
        } else {
            Self::Text(Some(value))
        }
    }
}

impl From<Option<&str>> for Value {
    fn from(value: Option<&str>) -> Self {
        value.map_or(Self::Text(None), Self::from)
    }
}

impl From<Timestamp> for Value {
    fn from(value: Timestamp) -> Self {
        Self::Int(Some(value.as_microsecond()))
    }
}

impl From<Option<Timestamp>> for Value {
    fn from(value: Option<Timestamp>) -> Self {
        Self::Int(value.map(Timestamp::as_microsecond))
    }
}

impl From<AccountId> for Value {
    fn from(value: AccountId) -> Self {
        Self::Text(Some(value.to_string()))
    }
}

impl From<&SweepId> for Value {
    fn from(value: &SweepId) -> Self {
        Self::Text(Some(value.as_str().to_owned()))
    }
}

/// `(?, ?), (?, ?)`: placeholders for so many rows of so many columns.
///
/// A statement that is put together takes its values in order, each `?` the next one, and none
/// by number: SQLite looks a numbered placeholder up among all others, which is
/// a second for a statement with 5,000 of them. PostgreSQL knows numbers alone, see [`numbered`].
pub(crate) fn placeholders(rows: usize, columns: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(", "));
    vec![row; rows].join(", ")
}

/// The statement with `$1`, `$2`, … in the place of each `?`. No statement here has a
/// `?` in any other place.
fn numbered(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len() * 2);
    let mut number = 0;
    for part in sql.split_inclusive('?') {
        match part.strip_suffix('?') {
            Some(before) => {
                number += 1;
                text.push_str(before);
                text.push('$');
                text.push_str(&number.to_string());
            }
            None => text.push_str(part),
        }
    }
    text
}

/// A row of an answer.
#[derive(Debug)]
pub(crate) enum Row {
    /// From the file.
    Sqlite(SqliteRow),
    /// From the server.
    Postgres(PgRow),
}

impl Row {
    /// A text.
    pub(crate) fn text(&self, column: usize) -> Result<String, StoreError> {
        self.get(column)
    }

    /// A text, or NULL.
    pub(crate) fn opt_text(&self, column: usize) -> Result<Option<String>, StoreError> {
        self.get(column)
    }

    /// A number.
    pub(crate) fn int(&self, column: usize) -> Result<i64, StoreError> {
        self.get(column)
    }

    /// A number, or NULL.
    pub(crate) fn opt_int(&self, column: usize) -> Result<Option<i64>, StoreError> {
        self.get(column)
    }

    /// A number that is never negative.
    pub(crate) fn count(&self, column: usize) -> Result<u64, StoreError> {
        let value = self.int(column)?;
        value
            .try_into()
            .map_err(|_| corrupt(format!("a count of {value}")))
    }

    /// A floating-point number.
    pub(crate) fn real(&self, column: usize) -> Result<f64, StoreError> {
        self.get(column)
    }

    /// A time.
    pub(crate) fn time(&self, column: usize) -> Result<Timestamp, StoreError> {
        timestamp(self.int(column)?)
    }

    /// A time, or NULL.
    pub(crate) fn opt_time(&self, column: usize) -> Result<Option<Timestamp>, StoreError> {
        self.opt_int(column)?.map(timestamp).transpose()
    }

    /// An account.
    pub(crate) fn account(&self, column: usize) -> Result<AccountId, StoreError> {
        self.text(column)?
            .parse()
            .map_err(|error| corrupt(format!("{error}")))
    }

    /// A sweep's id.
    pub(crate) fn sweep(&self, column: usize) -> Result<SweepId, StoreError> {
        let text = self.text(column)?;
        SweepId::parse(&text).ok_or_else(|| corrupt(format!("`{text}` as a sweep's id")))
    }

    /// One of a closed list of names.
    pub(crate) fn named<T>(
        &self,
        column: usize,
        what: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        let text = self.text(column)?;
        parse(&text).ok_or_else(|| corrupt(format!("`{text}` as {what}")))
    }

    fn get<T>(&self, column: usize) -> Result<T, StoreError>
    where
        T: for<'r> sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
        T: for<'r> sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
        .map_err(store_error)
    }
}

fn timestamp(microseconds: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(microseconds)
        .map_err(|_| corrupt(format!("{microseconds} as a time")))
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
    let rows = bind_postgres(sql, values)
        .fetch_all(executor)
        .await
        .map_err(store_error)?;
    Ok(rows.into_iter().map(Row::Postgres).collect())
}

#[cfg(test)]
mod tests {
    use super::{numbered, placeholders};

    #[test]
    fn placeholders_are_rows_of_columns() {
        assert_eq!(placeholders(0, 3), "");
        assert_eq!(placeholders(1, 1), "(?)");
        assert_eq!(placeholders(2, 2), "(?, ?), (?, ?)");
    }

    #[test]
    fn placeholders_are_numbered_from_left_to_right() {
        assert_eq!(
            numbered("a = ? AND b IN (?, ?) LIMIT 1"),
            "a = $1 AND b IN ($2, $3) LIMIT 1"
        );
        assert_eq!(numbered("?"), "$1");
        assert_eq!(numbered(""), "");
    }
}
