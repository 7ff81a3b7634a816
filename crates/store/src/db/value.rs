//! What goes in: parameters and their places.

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::SweepId;

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
pub(super) fn numbered(sql: &str) -> String {
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
