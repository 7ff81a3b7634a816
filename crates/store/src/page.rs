//! One page of reports: which accounts, in which order, after which one.

use rolekeeper_domain::outcome::{AccountReport, Outcome};
use rolekeeper_engine::port::store::{
    FleetKey, FleetOrder, FleetPosition, ReportFilter, StoreError,
};
use sqlx::AssertSqlSafe;

use crate::db::{Db, Value, placeholders};
use crate::rows::{ReportBody, from_json};

/// A query for reports, built condition by condition. A page begins after a
/// place in the order, never after a number of rows: it does not move when others change.
pub(crate) struct Page {
    table: &'static str,
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Page {
    /// Of this table, without conditions.
    pub(crate) const fn new(table: &'static str) -> Self {
        Self {
            table,
            conditions: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Adds a condition; each `?` stands for the next value.
    pub(crate) fn and<const N: usize>(&mut self, condition: &str, values: [Value; N]) {
        self.conditions.push(condition.to_owned());
        self.values.extend(values);
    }

    /// Adds what the reader asked for.
    pub(crate) fn filter(&mut self, filter: &ReportFilter) {
        if let Some(outcome) = filter.outcome {
            self.and("outcome = ?", [Value::from(outcome.as_str())]);
        }
        let ou = filter.ou.as_deref().map_or("", |ou| ou.trim_matches('/'));
        if !ou.is_empty() {
            // The unit itself and what is below it; `prod` is not `production`.
            let below = format!("{ou}/");
            self.and(
                "(ou_path = ? OR substr(ou_path, 1, length(?)) = ?)",
                [
                    Value::from(ou),
                    Value::from(below.as_str()),
                    Value::from(below.as_str()),
                ],
            );
        }
        if !filter.accounts.is_empty() {
            let places = placeholders(1, filter.accounts.len());
            self.conditions.push(format!("account IN {places}"));
            self.values
                .extend(filter.accounts.iter().copied().map(Value::from));
        }
        let text = filter.text.as_deref().unwrap_or_default().to_lowercase();
        if !text.is_empty() {
            // Plain containment, the same in both databases: LIKE would give `%` and
            // `_` a meaning that nobody typed.
            self.and("replace(search, ?, '') <> search", [Value::from(text)]);
        }
    }

    /// Reads a page of the fleet in the order asked for.
    pub(crate) async fn fleet(
        mut self,
        db: &Db,
        order: FleetOrder,
        after: Option<&FleetPosition>,
        limit: u32,
    ) -> Result<Vec<AccountReport>, StoreError> {
        let key = match order.key {
            FleetKey::Account => None,
            FleetKey::Worst => Some("key_worst"),
            FleetKey::Name => Some("key_name"),
            FleetKey::Unit => Some("ou_path"),
            FleetKey::Observed => Some("key_observed"),
        };
        let (than, way) = if order.descending {
            ("<", "DESC")
        } else {
            (">", "ASC")
        };
        if let Some(after) = after {
            let account = Value::from(after.account);
            match key {
                None => self.and(&format!("account {than} ?"), [account]),
                Some(key) => {
                    let place = [Value::from(after.key.as_str()), account];
                    self.and(&format!("({key}, account) {than} (?, ?)"), place);
                }
            }
        }
        let order = match key {
            None => format!("account {way}"),
            Some(key) => format!("{key} {way}, account {way}"),
        };
        self.read(db, &order, limit).await
    }

    /// Reads a page in this order.
    pub(crate) async fn read(
        mut self,
        db: &Db,
        order: &str,
        limit: u32,
    ) -> Result<Vec<AccountReport>, StoreError> {
        let conditions = if self.conditions.is_empty() {
            String::new()
        } else {
            format!("WHERE {}", self.conditions.join(" AND "))
        };
        self.values.push(Value::from(limit));
        let sql = format!(
            "SELECT account, outcome, body FROM {} {conditions} ORDER BY {order} LIMIT ?",
            self.table
        );
        let rows = db.rows(AssertSqlSafe(sql), self.values).await?;
        rows.iter()
            .map(|row| {
                let body: ReportBody = from_json(&row.text(2)?)?;
                body.report(row.account(0)?, row.named(1, "an outcome", Outcome::parse)?)
            })
            .collect()
    }
}
