//! Sweeps and the reports of their accounts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::finding::Finding;
use rolekeeper_domain::outcome::{
    AccountReport, Mode, Outcome, Summary, SweepId, SweepOutcome, SweepRecord, Trigger,
};
use rolekeeper_engine::port::store::{
    FleetOrder, FleetPosition, FleetTotals, ReportFilter, StoreError, Sweeps, UnitTotals,
};
use sqlx::AssertSqlSafe;

use crate::db::{CHUNK, Db, Row, Tx, Value, corrupt, placeholders, values};
use crate::open::Store;
use crate::page::Page;
use crate::rows::{ReportBody, from_json, named, to_json};
use crate::{findings, fleet};

/// The columns of a [`SweepRecord`], in the order [`sweep_record`] reads them.
/// How many sweeps are compared to know one over everybody from one over a few that somebody named.
const COMPARED: i64 = 50;

const SWEEP: &str = "id, mode, trigger_kind, requested_by, started_at, finished_at, outcome, reason, \
                     in_sync, drifted, repaired, failed, skipped, pending, widens";

impl Sweeps for Store {
    async fn begin(&self, sweep: &SweepRecord) -> Result<(), StoreError> {
        // Once more is the same: a commit whose answer was lost may be tried again.
        self.db
            .run(
                "INSERT INTO sweeps (id, mode, trigger_kind, requested_by, started_at) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING",
                values![
                    &sweep.id,
                    sweep.mode.as_str(),
                    sweep.trigger.as_str(),
                    sweep.requested_by.as_str(),
                    sweep.started_at,
                ],
            )
            .await
            .map(drop)
    }

    async fn record(&self, sweep: &SweepId, reports: &[AccountReport]) -> Result<(), StoreError> {
        // The last report of an account counts, also within one call.
        let latest: BTreeMap<AccountId, &AccountReport> = reports
            .iter()
            .map(|report| (report.account, report))
            .collect();
        let latest: Vec<&AccountReport> = latest.into_values().collect();
        if latest.is_empty() {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        let no = tx
            .locked_row("SELECT no FROM sweeps WHERE id = $1", values![sweep])
            .await?
            .ok_or_else(|| corrupt(format!("reports of the sweep {sweep}, which never began")))?
            .int(0)?;
        for chunk in latest.chunks(CHUNK) {
            let replaced = outcomes_of(&mut tx, no, chunk).await?;
            write_reports(&mut tx, no, chunk).await?;
            count(&mut tx, no, &replaced, chunk).await?;
            fleet::write(&mut tx, chunk).await?;
            findings::fold_in(&mut tx, chunk).await?;
        }
        tx.commit().await
    }

    async fn note_widens(&self, sweep: &SweepId, widens: &[String]) -> Result<(), StoreError> {
        self.db
            .run(
                "UPDATE sweeps SET widens = $2 WHERE id = $1",
                values![sweep, to_json(&widens)?],
            )
            .await
            .map(drop)
    }

    async fn finish(
        &self,
        sweep: &SweepId,
        outcome: SweepOutcome,
        reason: Option<&str>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.db
            .run(
                "UPDATE sweeps SET outcome = $2, reason = $3, finished_at = $4 WHERE id = $1",
                values![sweep, outcome.as_str(), reason, at],
            )
            .await
            .map(drop)
    }

    async fn sweep(&self, sweep: &SweepId) -> Result<Option<SweepRecord>, StoreError> {
        let sql = format!("SELECT {SWEEP} FROM sweeps WHERE id = $1");
        one_sweep(&self.db, sql, values![sweep]).await
    }

    async fn last_completed(&self) -> Result<Option<SweepRecord>, StoreError> {
        let mut whole = over_everybody(&self.db, None).await?;
        Ok((!whole.is_empty()).then(|| whole.swap_remove(0)))
    }

    async fn sweeps(
        &self,
        before: Option<&SweepId>,
        limit: u32,
    ) -> Result<Vec<SweepRecord>, StoreError> {
        let limit_value = i64::from(limit);
        let rows = match before {
            Some(before) => {
                let sql = format!(
                    "SELECT {SWEEP} FROM sweeps WHERE no < (SELECT no FROM sweeps WHERE id = $1) \
                     ORDER BY no DESC LIMIT $2"
                );
                self.db
                    .rows(AssertSqlSafe(sql), values![before, limit_value])
                    .await?
            }
            None => {
                let sql = format!("SELECT {SWEEP} FROM sweeps ORDER BY no DESC LIMIT $1");
                self.db
                    .rows(AssertSqlSafe(sql), values![limit_value])
                    .await?
            }
        };
        rows.iter().map(sweep_record).collect()
    }

    async fn reports(
        &self,
        sweep: &SweepId,
        filter: &ReportFilter,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<AccountReport>, StoreError> {
        let mut page = Page::new("reports");
        page.and(
            "sweep_no = (SELECT no FROM sweeps WHERE id = ?)",
            [Value::from(sweep)],
        );
        page.filter(filter);
        if let Some(after) = after {
            page.and("account > ?", [Value::from(after)]);
        }
        page.read(&self.db, "account", limit).await
    }

    async fn fleet(
        &self,
        filter: &ReportFilter,
        order: FleetOrder,
        after: Option<&FleetPosition>,
        limit: u32,
    ) -> Result<Vec<AccountReport>, StoreError> {
        let mut page = Page::new("fleet");
        page.filter(filter);
        page.fleet(&self.db, order, after, limit).await
    }

    async fn fleet_account(&self, account: AccountId) -> Result<Option<AccountReport>, StoreError> {
        let mut page = Page::new("fleet");
        page.and("account = ?", [Value::from(account)]);
        Ok(page.read(&self.db, "account", 1).await?.pop())
    }

    async fn fleet_totals(&self) -> Result<FleetTotals, StoreError> {
        fleet::totals(&self.db).await
    }

    async fn fleet_units(&self) -> Result<Vec<UnitTotals>, StoreError> {
        fleet::units(&self.db).await
    }

    async fn findings(&self, account: Option<AccountId>) -> Result<Vec<Finding>, StoreError> {
        findings::read(&self.db, account).await
    }

    async fn findings_of(&self, accounts: &[AccountId]) -> Result<Vec<Finding>, StoreError> {
        findings::of(&self.db, accounts).await
    }

    async fn critical_findings(&self, since: Timestamp) -> Result<Vec<Finding>, StoreError> {
        findings::critical(&self.db, since).await
    }

    async fn unfinished(&self) -> Result<Vec<SweepRecord>, StoreError> {
        let sql = format!("SELECT {SWEEP} FROM sweeps WHERE finished_at IS NULL ORDER BY no");
        self.db
            .rows(AssertSqlSafe(sql), values![])
            .await?
            .iter()
            .map(sweep_record)
            .collect()
    }
}

/// The newest completed sweeps over the organization, in one mode or in any, the newest first: not what was done to
/// single accounts, and not one over a few that somebody named.
pub(crate) async fn over_everybody(
    db: &Db,
    mode: Option<Mode>,
) -> Result<Vec<SweepRecord>, StoreError> {
    let sql = format!(
        "SELECT {SWEEP} FROM sweeps WHERE outcome = $1 AND trigger_kind NOT IN ($2, $3, $4, $5) \
         AND mode IN ($6, $7) ORDER BY no DESC LIMIT $8"
    );
    let completed = SweepOutcome::Completed.as_str();
    let [retire, bootstrap, rollback, event] = Trigger::OF_SINGLE_ACCOUNTS.map(Trigger::as_str);
    let [one, other] = mode
        .map_or([Mode::Audit, Mode::Repair], |mode| [mode, mode])
        .map(Mode::as_str);
    let values = values![
        completed, retire, bootstrap, rollback, event, one, other, COMPARED
    ];
    let rows = db.rows(AssertSqlSafe(sql), values).await?;
    let mut recent: Vec<SweepRecord> = rows.iter().map(sweep_record).collect::<Result<_, _>>()?;
    let most = recent.iter().map(|sweep| sweep.summary.accounts).max();
    recent.retain(|sweep| Some(sweep.summary.accounts.saturating_mul(2)) >= most);
    Ok(recent)
}

async fn one_sweep(
    db: &Db,
    sql: String,
    values: Vec<Value>,
) -> Result<Option<SweepRecord>, StoreError> {
    db.row(AssertSqlSafe(sql), values)
        .await?
        .as_ref()
        .map(sweep_record)
        .transpose()
}

fn sweep_record(row: &Row) -> Result<SweepRecord, StoreError> {
    let mut summary = Summary::default();
    for (outcome, column) in Outcome::ALL.iter().zip(8..) {
        summary.add(*outcome, row.count(column)?);
    }
    Ok(SweepRecord {
        id: row.sweep(0)?,
        mode: row.named(1, "a sweep's mode", Mode::parse)?,
        trigger: row.named(2, "a sweep's trigger", Trigger::parse)?,
        requested_by: row.text(3)?,
        started_at: row.time(4)?,
        finished_at: row.opt_time(5)?,
        outcome: row
            .opt_text(6)?
            .map(|text| named("a sweep's outcome", &text, SweepOutcome::parse))
            .transpose()?,
        reason: row.opt_text(7)?,
        summary,
        widens: from_json(&row.text(14)?)?,
    })
}

/// What was recorded of these accounts in this sweep before.
async fn outcomes_of(
    tx: &mut Tx,
    no: i64,
    reports: &[&AccountReport],
) -> Result<Vec<Outcome>, StoreError> {
    let sql = format!(
        "SELECT outcome FROM reports WHERE sweep_no = ? AND account IN {}",
        placeholders(1, reports.len())
    );
    let mut values = values![no];
    values.extend(reports.iter().map(|report| Value::from(report.account)));
    let rows = tx.rows(AssertSqlSafe(sql), values).await?;
    rows.iter()
        .map(|row| row.named(0, "an outcome", Outcome::parse))
        .collect()
}

async fn write_reports(tx: &mut Tx, no: i64, reports: &[&AccountReport]) -> Result<(), StoreError> {
    let sql = format!(
        "INSERT INTO reports (sweep_no, account, outcome, ou_path, search, body) VALUES {} \
         ON CONFLICT (sweep_no, account) DO UPDATE SET outcome = excluded.outcome, \
         ou_path = excluded.ou_path, search = excluded.search, body = excluded.body",
        placeholders(reports.len(), 6)
    );
    let mut values = Vec::with_capacity(reports.len() * 6);
    for report in reports {
        values.extend(values![
            no,
            report.account,
            report.outcome.as_str(),
            report.ou_path.as_str(),
            search_text(report),
            to_json(&ReportBody::from(*report))?,
        ]);
    }
    tx.run(AssertSqlSafe(sql), values).await.map(drop)
}

/// Keeps the sweep's counts with the sweep, so that a list of sweeps need not count
/// ten thousand rows for each.
async fn count(
    tx: &mut Tx,
    no: i64,
    replaced: &[Outcome],
    reports: &[&AccountReport],
) -> Result<(), StoreError> {
    let mut changes: BTreeMap<Outcome, i64> = BTreeMap::new();
    for outcome in replaced {
        *changes.entry(*outcome).or_default() -= 1;
    }
    for report in reports {
        *changes.entry(report.outcome).or_default() += 1;
    }
    let change = |outcome| changes.get(&outcome).copied().unwrap_or_default();
    tx.run(
        "UPDATE sweeps SET in_sync = in_sync + $2, drifted = drifted + $3, repaired = repaired + $4, \
         failed = failed + $5, skipped = skipped + $6, pending = pending + $7 WHERE no = $1",
        values![
            no,
            change(Outcome::InSync),
            change(Outcome::Drifted),
            change(Outcome::Repaired),
            change(Outcome::Failed),
            change(Outcome::Skipped),
            change(Outcome::Pending),
        ],
    )
    .await
    .map(drop)
}

/// What a search for an account looks in: its id and its name. Folded here,
/// since the two databases fold letters differently.
pub(crate) fn search_text(report: &AccountReport) -> String {
    format!("{} {}", report.account, report.name.to_lowercase())
}
