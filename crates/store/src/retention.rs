//! What is forgotten, and what never is.

use jiff::{SignedDuration, Timestamp};
use rolekeeper_domain::outcome::Mode;
use rolekeeper_engine::port::store::StoreError;
use serde_json::json;

use crate::db::{corrupt, values};
use crate::journal::chain::{Kind, Links, append};
use crate::open::Store;
use crate::sweeps::over_everybody;

/// Sweeps or records of one transaction: others get their turn in between.
const STEP: u32 = 2_000;

/// How long things are kept.
///
/// Never forgotten, however old: what rolekeeper owns, open findings, the newest
/// report of each account, sweeps that have not ended, the last completed sweep over the
/// organization in each mode, halts in force, undelivered notices, and the journal from its oldest open
/// entry on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Days for which the journal is kept: as long as a sweep can be rolled back and
    /// its writes can be shown. Resolved findings and delivered notices go by it too.
    pub keep_days: u32,
    /// Sweeps whose reports are kept, the newest ones; what they did is in the journal.
    pub keep_sweeps: u32,
}

impl Default for Retention {
    /// A year and a month of journal, so that a yearly audit finds the whole
    /// year; 500 sweeps, three weeks of hourly ones: 10,000 accounts in sync take about
    /// 2 MB a sweep.
    fn default() -> Self {
        Self {
            keep_days: 400,
            keep_sweeps: 500,
        }
    }
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Sweeps with their reports.
    pub sweeps: u64,
    /// Records of the journal.
    pub journal: u64,
    /// Resolved findings.
    pub findings: u64,
    /// Notices.
    pub notices: u64,
}

impl Store {
    /// Forgets what is older than it has to be kept.
    ///
    /// # Errors
    ///
    /// When the store cannot be written; what was done until then stays done.
    pub async fn prune(&self, keep: Retention, now: Timestamp) -> Result<Pruned, StoreError> {
        let age = SignedDuration::from_hours(24 * i64::from(keep.keep_days));
        let oldest = now.checked_sub(age).unwrap_or(Timestamp::MIN);
        Ok(Pruned {
            sweeps: self.prune_sweeps(keep.keep_sweeps).await?,
            journal: self.prune_journal(oldest, now).await?,
            findings: self
                .db
                .run(
                    "DELETE FROM findings WHERE resolved_at IS NOT NULL AND resolved_at < $1",
                    values![oldest],
                )
                .await?,
            notices: self
                .db
                .run(
                    "DELETE FROM notices WHERE due_at IS NULL AND at < $1",
                    values![oldest],
                )
                .await?,
        })
    }

    async fn prune_sweeps(&self, keep: u32) -> Result<u64, StoreError> {
        let mut pruned = 0;
        let last = async |mode| -> Result<String, StoreError> {
            let newest = over_everybody(&self.db, Some(mode))
                .await?
                .into_iter()
                .next();
            Ok(newest
                .map(|sweep| sweep.id.as_str().to_owned())
                .unwrap_or_default())
        };
        let (audit, repair) = (last(Mode::Audit).await?, last(Mode::Repair).await?);
        loop {
            let sql = "SELECT no, id FROM sweeps WHERE finished_at IS NOT NULL AND no NOT IN \
                       (SELECT no FROM sweeps ORDER BY no DESC LIMIT $1) AND id NOT IN ($2, $3) \
                       ORDER BY no LIMIT 1";
            let values = values![keep, audit.as_str(), repair.as_str()];
            let Some(row) = self.db.row(sql, values).await? else {
                return Ok(pruned);
            };
            let (no, id) = (row.int(0)?, row.text(1)?);
            let mut tx = self.db.begin().await?;
            tx.run("DELETE FROM reports WHERE sweep_no = $1", values![no])
                .await?;
            tx.run("DELETE FROM sweeps WHERE no = $1", values![no])
                .await?;
            tx.run("DELETE FROM cancels WHERE sweep = $1", values![id.as_str()])
                .await?;
            tx.run(
                "DELETE FROM sweep_revisions WHERE sweep = $1",
                values![id.as_str()],
            )
            .await?;
            tx.run("DELETE FROM approvals WHERE sweep = $1", values![id])
                .await?;
            tx.commit().await?;
            pruned += 1;
        }
    }

    /// Takes records off the old end, up to the first one that is young enough or whose
    /// step is open. A completion is never older than its intent, so no intent
    /// remains without the end it had: the intent goes first.
    async fn prune_journal(&self, oldest: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
        let mut pruned = 0;
        loop {
            let mut tx = self.db.begin().await?;
            let head = tx
                .locked_row(
                    "SELECT anchor_seq FROM journal_head WHERE id = 1",
                    values![],
                )
                .await?
                .ok_or_else(|| corrupt("a journal without a head"))?;
            let anchor = head.int(0)?;
            let sql = "SELECT min(seq) FROM (SELECT seq FROM journal WHERE at >= $1 \
                       UNION ALL SELECT entry AS seq FROM journal_open \
                       UNION ALL SELECT seq FROM journal_head) AS kept";
            let kept = tx.row(sql, values![oldest]).await?;
            let kept = kept
                .ok_or_else(|| corrupt("a journal without a head"))?
                .opt_int(0)?;
            let upto = kept
                .unwrap_or_default()
                .saturating_sub(1)
                .min(anchor + i64::from(STEP));
            let sql = "SELECT hash, at FROM journal WHERE seq = $1";
            let last = if upto > anchor {
                tx.row(sql, values![upto]).await?
            } else {
                None
            };
            let Some(last) = last else { return Ok(pruned) };
            let (hash, until) = (last.text(0)?, last.time(1)?);
            let removed = tx
                .run("DELETE FROM journal WHERE seq <= $1", values![upto])
                .await?;
            tx.run(
                "UPDATE journal_head SET anchor_seq = $1, anchor_hash = $2 WHERE id = 1",
                values![upto, hash.as_str()],
            )
            .await?;
            let body = json!({ "at": now, "upto": upto, "until": until, "hash": hash });
            append(&mut tx, Kind::Pruned, Links::default(), now, &body).await?;
            tx.commit().await?;
            pruned += removed;
        }
    }
}
