//! What comes out: rows.

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::SweepId;
use rolekeeper_engine::port::store::StoreError;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Postgres, Row as _, Sqlite};

use super::{corrupt, store_error};

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
