//! Drift with its history. What a report means for it, the domain says.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::drift::Severity;
use rolekeeper_domain::finding::{Finding, fold};
use rolekeeper_domain::outcome::AccountReport;
use rolekeeper_engine::port::store::StoreError;
use sqlx::AssertSqlSafe;

use crate::db::{CHUNK, Db, Row, Tx, Value, corrupt, placeholders, values};
use crate::journal::chain::digest;
use crate::rows::{DriftRow, from_json, to_json};

/// The columns of a [`Finding`], in the order [`finding`] reads them.
const FINDING: &str = "account, body, first_seen, last_seen, resolved_at, repairs";

/// Folds reports into what is known of their accounts, in the transaction that
/// records them.
pub(crate) async fn fold_in(tx: &mut Tx, reports: &[&AccountReport]) -> Result<(), StoreError> {
    let sql = of_accounts(reports.len());
    let accounts = reports
        .iter()
        .map(|report| Value::from(report.account))
        .collect();
    let mut known: BTreeMap<AccountId, Vec<Finding>> = BTreeMap::new();
    for row in tx.rows(AssertSqlSafe(sql), accounts).await? {
        let finding = finding(&row)?;
        known.entry(finding.account).or_default().push(finding);
    }
    let mut changed: BTreeMap<(AccountId, String), Finding> = BTreeMap::new();
    for report in reports {
        let before = known.remove(&report.account).unwrap_or_default();
        for finding in fold(&before, report) {
            if !before.contains(&finding) {
                changed.insert((finding.account, key(&finding)), finding);
            }
        }
    }
    write(tx, changed).await
}

async fn write(
    tx: &mut Tx,
    findings: BTreeMap<(AccountId, String), Finding>,
) -> Result<(), StoreError> {
    let findings: Vec<_> = findings.into_iter().collect();
    for chunk in findings.chunks(CHUNK) {
        let sql = format!(
            "INSERT INTO findings (account, key, role, kind, severity, first_seen, last_seen, \
             resolved_at, repairs, body) VALUES {} ON CONFLICT (account, key) DO UPDATE SET \
             severity = excluded.severity, first_seen = excluded.first_seen, \
             last_seen = excluded.last_seen, resolved_at = excluded.resolved_at, \
             repairs = excluded.repairs, body = excluded.body",
            placeholders(chunk.len(), 10)
        );
        let mut values = Vec::with_capacity(chunk.len() * 10);
        for ((account, key), finding) in chunk {
            values.extend(values![
                *account,
                key.as_str(),
                finding.drift.role.as_str(),
                finding.drift.kind.as_str(),
                finding.drift.severity.as_str(),
                finding.first_seen,
                finding.last_seen,
                finding.resolved_at,
                finding.repairs,
                to_json(&DriftRow::from(&finding.drift))?,
            ]);
        }
        tx.run(AssertSqlSafe(sql), values).await?;
    }
    Ok(())
}

/// Open findings, or all of one account.
pub(crate) async fn read(db: &Db, account: Option<AccountId>) -> Result<Vec<Finding>, StoreError> {
    let rows = match account {
        None => {
            let sql = format!(
                "SELECT {FINDING} FROM findings WHERE resolved_at IS NULL ORDER BY account, key"
            );
            db.rows(AssertSqlSafe(sql), values![]).await?
        }
        Some(account) => {
            let sql = format!("SELECT {FINDING} FROM findings WHERE account = $1 ORDER BY key");
            db.rows(AssertSqlSafe(sql), values![account]).await?
        }
    };
    rows.iter().map(finding).collect()
}

fn of_accounts(count: usize) -> String {
    let accounts = placeholders(1, count);
    format!("SELECT {FINDING} FROM findings WHERE account IN {accounts} ORDER BY account, key")
}

/// All of these accounts.
pub(crate) async fn of(db: &Db, accounts: &[AccountId]) -> Result<Vec<Finding>, StoreError> {
    let mut findings = Vec::new();
    for chunk in accounts.chunks(CHUNK) {
        let sql = of_accounts(chunk.len());
        let values = chunk.iter().copied().map(Value::from).collect();
        for row in &db.rows(AssertSqlSafe(sql), values).await? {
            findings.push(finding(row)?);
        }
    }
    Ok(findings)
}

/// Critical ones first seen at `since` or later.
pub(crate) async fn critical(db: &Db, since: Timestamp) -> Result<Vec<Finding>, StoreError> {
    let sql = format!(
        "SELECT {FINDING} FROM findings WHERE severity = $1 AND first_seen >= $2 ORDER BY account, key"
    );
    let values = values![Severity::Critical.as_str(), since];
    let rows = db.rows(AssertSqlSafe(sql), values).await?;
    rows.iter().map(finding).collect()
}

/// What makes two findings the same one: role, kind and subject.
fn key(finding: &Finding) -> String {
    let drift = &finding.drift;
    let subject = drift
        .subject
        .as_deref()
        .map_or_else(String::new, |subject| format!("={subject}"));
    digest(&[drift.role.as_str(), drift.kind.as_str(), &subject])
}

fn finding(row: &Row) -> Result<Finding, StoreError> {
    let body: DriftRow = from_json(&row.text(1)?)?;
    let repairs = row.int(5)?;
    Ok(Finding {
        account: row.account(0)?,
        drift: body.drift()?,
        first_seen: row.time(2)?,
        last_seen: row.time(3)?,
        resolved_at: row.opt_time(4)?,
        repairs: repairs
            .try_into()
            .map_err(|_| corrupt(format!("{repairs} repairs")))?,
    })
}
