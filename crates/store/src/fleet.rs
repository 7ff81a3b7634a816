//! The newest report of each account of the organization, and counts over them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::drift::{DriftKind, Severity};
use rolekeeper_domain::outcome::{AccountReport, Mode, Outcome, SkipReason, Trigger};
use rolekeeper_engine::port::store::{FleetKey, FleetTotals, StoreError, UnitTotals};
use sqlx::AssertSqlSafe;

use crate::db::{CHUNK, Db, Row, Tx, Value, corrupt, placeholders, values};
use crate::rows::{ReportBody, to_json};
use crate::sweeps::{over_everybody, search_text};

/// Writes the newest reports. That a sweep ended before it reached an account says
/// nothing about the account: `pending` replaces no report, it only fills a gap.
pub(crate) async fn write(tx: &mut Tx, reports: &[&AccountReport]) -> Result<(), StoreError> {
    let (pending, told): (Vec<&AccountReport>, Vec<&AccountReport>) = reports
        .iter()
        .partition(|report| report.outcome == Outcome::Pending);
    insert(tx, &told, UPDATE).await?;
    insert(tx, &pending, "DO NOTHING").await
}

const UPDATE: &str = "DO UPDATE SET outcome = excluded.outcome, reason = excluded.reason, \
    ou_path = excluded.ou_path, search = excluded.search, body = excluded.body, \
    looked_at = coalesce(excluded.looked_at, fleet.looked_at), key_worst = excluded.key_worst, \
    key_name = excluded.key_name, key_observed = excluded.key_observed";

async fn insert(
    tx: &mut Tx,
    reports: &[&AccountReport],
    on_conflict: &str,
) -> Result<(), StoreError> {
    if reports.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO fleet (account, outcome, reason, ou_path, search, looked_at, key_worst, \
         key_name, key_observed, body) VALUES {} ON CONFLICT (account) {on_conflict}",
        placeholders(reports.len(), 10)
    );
    let mut values = Vec::with_capacity(reports.len() * 10);
    for report in reports {
        values.extend(values![
            report.account,
            report.outcome.as_str(),
            report.reason.as_deref(),
            report.ou_path.as_str(),
            search_text(report),
            looked_at(report),
            FleetKey::Worst.of(report),
            FleetKey::Name.of(report),
            FleetKey::Observed.of(report),
            to_json(&ReportBody::from(*report))?,
        ]);
    }
    tx.run(AssertSqlSafe(sql), values).await.map(drop)
}

/// When the account was looked at, if it was.
fn looked_at(report: &AccountReport) -> Option<Timestamp> {
    match report.outcome {
        Outcome::InSync | Outcome::Drifted | Outcome::Repaired | Outcome::Failed => {
            Some(report.observed_at)
        }
        Outcome::Skipped | Outcome::Pending => None,
    }
}

/// Takes the accounts out that are no longer in the organization; their open
/// findings are resolved with them.
pub(crate) async fn retain(
    tx: &mut Tx,
    present: &[AccountId],
    at: Timestamp,
) -> Result<(), StoreError> {
    let mut present = present.to_vec();
    present.sort_unstable();
    let mut gone = Vec::new();
    let mut after = String::new();
    loop {
        // Page by page: a row in memory is many times an account's id.
        let known = tx
            .rows(
                "SELECT account FROM (SELECT account FROM fleet \
                 UNION SELECT account FROM findings WHERE resolved_at IS NULL) AS known \
                 WHERE account > $1 ORDER BY account LIMIT 1000",
                values![after.as_str()],
            )
            .await?;
        for row in &known {
            let account = row.account(0)?;
            if present.binary_search(&account).is_err() {
                gone.push(account);
            }
        }
        match known.last() {
            Some(last) => after = last.text(0)?,
            None => break,
        }
    }
    for chunk in gone.chunks(CHUNK) {
        let accounts: Vec<Value> = chunk.iter().copied().map(Value::from).collect();
        let list = placeholders(1, chunk.len());
        let sql = format!("DELETE FROM fleet WHERE account IN {list}");
        tx.run(AssertSqlSafe(sql), accounts.clone()).await?;
        let sql = format!(
            "UPDATE findings SET resolved_at = ? WHERE resolved_at IS NULL AND account IN {}",
            placeholders(1, chunk.len())
        );
        let mut values = values![at];
        values.extend(accounts);
        tx.run(AssertSqlSafe(sql), values).await?;
    }
    Ok(())
}

pub(crate) async fn totals(db: &Db) -> Result<FleetTotals, StoreError> {
    let mut totals = FleetTotals::default();
    for row in db
        .rows(
            "SELECT outcome, count(*) FROM fleet GROUP BY outcome",
            values![],
        )
        .await?
    {
        totals.accounts.insert(outcome(&row, 0)?, row.count(1)?);
    }
    let skipped = "SELECT coalesce(reason, ''), count(*) FROM fleet WHERE outcome = 'skipped' \
                   GROUP BY coalesce(reason, '')";
    for row in db.rows(skipped, values![]).await? {
        // A reason in other words is counted among the skipped, though under no name.
        if let Some(reason) = SkipReason::parse(&row.text(0)?) {
            totals.skipped.insert(reason, row.count(1)?);
        }
    }
    let open = "SELECT role, kind, severity, count(*), min(first_seen) FROM findings WHERE resolved_at IS NULL \
                GROUP BY role, kind, severity";
    for row in db.rows(open, values![]).await? {
        let role = row
            .text(0)?
            .parse()
            .map_err(|error| corrupt(format!("{error}")))?;
        let kind = row.named(1, "a kind of drift", DriftKind::parse)?;
        let key = (role, kind, severity(&row, 2)?);
        totals.since.insert(key.clone(), row.time(4)?);
        totals.findings.insert(key, row.count(3)?);
    }
    // What is done to single accounts says nothing about when all of them were last seen to; nor does a sweep over
    // a few that somebody named.
    let [retire, bootstrap, rollback, event] = Trigger::OF_SINGLE_ACCOUNTS.map(Trigger::as_str);
    let start = "SELECT mode, max(started_at) FROM sweeps WHERE trigger_kind NOT IN ($1, $2, $3, $4) GROUP BY mode";
    totals.last_start = by_mode(
        db.rows(start, values![retire, bootstrap, rollback, event])
            .await?,
    )?;
    for mode in [Mode::Audit, Mode::Repair] {
        let completed = over_everybody(db, Some(mode)).await?;
        let ends = completed.iter().filter_map(|sweep| sweep.finished_at);
        totals
            .last_success
            .extend(ends.max().map(|end| (mode, end)));
    }
    Ok(totals)
}

fn by_mode(rows: Vec<Row>) -> Result<BTreeMap<Mode, Timestamp>, StoreError> {
    rows.iter()
        .map(|row| Ok((row.named(0, "a sweep's mode", Mode::parse)?, row.time(1)?)))
        .collect()
}

pub(crate) async fn units(db: &Db) -> Result<Vec<UnitTotals>, StoreError> {
    let mut units: BTreeMap<String, UnitTotals> = BTreeMap::new();
    let unit = |ou_path: String| UnitTotals {
        ou_path,
        ..UnitTotals::default()
    };
    let accounts = "SELECT ou_path, outcome, count(*) FROM fleet GROUP BY ou_path, outcome";
    for row in db.rows(accounts, values![]).await? {
        let path = row.text(0)?;
        let totals = units.entry(path.clone()).or_insert_with(|| unit(path));
        totals.accounts.insert(outcome(&row, 1)?, row.count(2)?);
    }
    let findings = "SELECT fleet.ou_path, findings.severity FROM fleet \
                    JOIN findings ON findings.account = fleet.account \
                    WHERE findings.resolved_at IS NULL GROUP BY fleet.ou_path, findings.severity";
    for row in db.rows(findings, values![]).await? {
        let path = row.text(0)?;
        let totals = units.entry(path.clone()).or_insert_with(|| unit(path));
        totals.worst = totals.worst.max(Some(severity(&row, 1)?));
    }
    Ok(units.into_values().collect())
}

fn outcome(row: &Row, column: usize) -> Result<Outcome, StoreError> {
    row.named(column, "an outcome", Outcome::parse)
}

fn severity(row: &Row, column: usize) -> Result<Severity, StoreError> {
    row.named(column, "a severity", Severity::parse)
}
