//! What people tell rolekeeper: halt, resume, sweep, cancel, approve. Each is a
//! record of the journal as well.

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::{Mode, SweepId, Trigger};
use rolekeeper_engine::port::store::{AgreedSpec, Control, Fence, Halt, StoreError, SweepRequest};
use serde_json::json;

use crate::db::{Row, corrupt, values};
use crate::journal::chain::{Kind, Links, append};
use crate::journal::check_fence;
use crate::lease::moment;
use crate::open::Store;
use crate::rows::{from_json, to_json};

impl Control for Store {
    async fn halted(&self) -> Result<Option<Halt>, StoreError> {
        let sql = "SELECT why, by_whom, at FROM halts WHERE lifted_at IS NULL \
                   ORDER BY id DESC LIMIT 1";
        let row = self.db.row(sql, values![]).await?;
        row.map(|row| {
            Ok(Halt {
                why: row.text(0)?,
                by: row.text(1)?,
                at: row.time(2)?,
            })
        })
        .transpose()
    }

    async fn halt(&self, halt: &Halt) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let body = json!({ "at": halt.at, "by": halt.by, "why": halt.why });
        append(&mut tx, Kind::Halt, Links::default(), halt.at, &body).await?;
        tx.run(
            "INSERT INTO halts (why, by_whom, at) VALUES ($1, $2, $3)",
            values![halt.why.as_str(), halt.by.as_str(), halt.at],
        )
        .await?;
        tx.commit().await
    }

    async fn resume(&self, by: &str, at: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let lifted = tx
            .run(
                "UPDATE halts SET lifted_by = $1, lifted_at = $2 WHERE lifted_at IS NULL",
                values![by, at],
            )
            .await?;
        if lifted > 0 {
            let body = json!({ "at": at, "by": by });
            append(&mut tx, Kind::Resume, Links::default(), at, &body).await?;
        }
        tx.commit().await
    }

    async fn request(&self, request: &SweepRequest) -> Result<i64, StoreError> {
        let accounts = match &request.accounts {
            Some(accounts) => {
                let ids: Vec<String> = accounts.iter().map(AccountId::to_string).collect();
                Some(to_json(&ids)?)
            }
            None => None,
        };
        let mut tx = self.db.begin().await?;
        let row = tx
            .row(
                "INSERT INTO requests (mode, accounts, trigger_kind, requested_by, at) \
                 VALUES ($1, $2, $3, $4, $5) RETURNING id",
                values![
                    request.mode.as_str(),
                    accounts.as_deref(),
                    request.trigger.as_str(),
                    request.requested_by.as_str(),
                    request.at,
                ],
            )
            .await?;
        let id = row
            .ok_or_else(|| corrupt("a request without a number"))?
            .int(0)?;
        tx.commit().await?;
        Ok(id)
    }

    async fn next_request(
        &self,
        trigger: Option<Trigger>,
    ) -> Result<Option<SweepRequest>, StoreError> {
        let sql = "SELECT id, mode, accounts, trigger_kind, requested_by, at FROM requests \
                   WHERE trigger_kind = coalesce($1, trigger_kind) ORDER BY id LIMIT 1";
        let values = values![trigger.map(Trigger::as_str)];
        let Some(row) = self.db.row(sql, values).await? else {
            return Ok(None);
        };
        match request(&row) {
            Ok(request) => Ok(Some(request)),
            Err(unreadable) => {
                // Of another version, perhaps. Told once; it must not stand in the way of all others.
                self.forget_request(row.int(0)?).await?;
                Err(unreadable)
            }
        }
    }

    async fn forget_request(&self, id: i64) -> Result<(), StoreError> {
        let sql = "DELETE FROM requests WHERE id = $1";
        self.db.run(sql, values![id]).await.map(drop)
    }

    async fn cancel(&self, sweep: &SweepId, by: &str, at: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let first = tx
            .run(
                "INSERT INTO cancels (sweep, by_whom, at) VALUES ($1, $2, $3) \
                 ON CONFLICT (sweep) DO NOTHING",
                values![sweep, by, at],
            )
            .await?;
        if first > 0 {
            let links = Links {
                sweep: Some(sweep),
                ..Links::default()
            };
            let body = json!({ "at": at, "by": by, "sweep": sweep.as_str() });
            append(&mut tx, Kind::Cancel, links, at, &body).await?;
        }
        tx.commit().await
    }

    async fn cancelled(&self, sweep: &SweepId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM cancels WHERE sweep = $1";
        Ok(self.db.row(sql, values![sweep]).await?.is_some())
    }

    async fn await_approval(
        &self,
        sweep: &SweepId,
        changes: u64,
        widens: &[String],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.db
            .run(
                "INSERT INTO approvals (sweep, changes, widens, asked_at) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (sweep) DO UPDATE SET changes = excluded.changes, widens = excluded.widens",
                values![
                    sweep,
                    i64::try_from(changes).unwrap_or(i64::MAX),
                    to_json(&widens)?,
                    at
                ],
            )
            .await
            .map(drop)
    }

    async fn approval_asked_at(&self, sweep: &SweepId) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT asked_at FROM approvals WHERE sweep = $1";
        let row = self.db.row(sql, values![sweep]).await?;
        row.map(|row| row.time(0)).transpose()
    }

    async fn approve(&self, sweep: &SweepId, by: &str, at: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        // The process that waits holds the lease. Without one, nothing would go on.
        let now = moment(&mut tx, at).await?;
        let led = tx
            .row(
                "SELECT 1 FROM lease WHERE id = 1 AND holder IS NOT NULL AND expires_at > $1",
                values![now],
            )
            .await?;
        if led.is_none() {
            return Ok(false);
        }
        let row = tx
            .locked_row(
                "SELECT changes, widens FROM approvals WHERE sweep = $1 AND approved_at IS NULL \
                 AND EXISTS (SELECT 1 FROM sweeps WHERE id = $1 AND finished_at IS NULL)",
                values![sweep],
            )
            .await?;
        let Some(row) = row else { return Ok(false) };
        // What was approved is part of the record: the counts may be asked for later.
        let widens: Vec<String> = from_json(&row.text(1)?)?;
        let body = json!({
            "at": at, "by": by, "sweep": sweep.as_str(), "changes": row.int(0)?, "widens": widens,
        });
        let links = Links {
            sweep: Some(sweep),
            ..Links::default()
        };
        append(&mut tx, Kind::Approval, links, at, &body).await?;
        tx.run(
            "UPDATE approvals SET approved_by = $2, approved_at = $3 WHERE sweep = $1",
            values![sweep, by, at],
        )
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn approved_by(&self, sweep: &SweepId) -> Result<Option<String>, StoreError> {
        let sql = "SELECT approved_by FROM approvals WHERE sweep = $1 AND approved_at IS NOT NULL";
        let row = self.db.row(sql, values![sweep]).await?;
        row.map(|row| row.text(0)).transpose()
    }

    async fn approved(&self, sweep: &SweepId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM approvals WHERE sweep = $1 AND approved_at IS NOT NULL";
        Ok(self.db.row(sql, values![sweep]).await?.is_some())
    }

    async fn agreed_specs(&self) -> Result<Vec<AgreedSpec>, StoreError> {
        let sql = "SELECT role, digest, body, by_whom, sweep, at FROM agreed ORDER BY role";
        let rows = self.db.rows(sql, values![]).await?;
        let agreed = |row: &Row| {
            let role = row.text(0)?;
            Ok(AgreedSpec {
                role: role.parse().map_err(|error| corrupt(format!("{error}")))?,
                digest: row.text(1)?,
                body: row.text(2)?,
                by: row.text(3)?,
                sweep: row.sweep(4)?,
                at: row.time(5)?,
            })
        };
        rows.iter().map(agreed).collect()
    }

    async fn agree(&self, spec: &AgreedSpec, fence: Fence) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        check_fence(&mut tx, fence).await?;
        let links = Links {
            sweep: Some(&spec.sweep),
            ..Links::default()
        };
        // The whole specification: who looks at the chain later need not believe the table.
        let body = json!({
            "at": spec.at, "by": spec.by, "sweep": spec.sweep.as_str(), "role": spec.role.as_str(),
            "digest": spec.digest, "specification": spec.body,
        });
        append(&mut tx, Kind::Agreement, links, spec.at, &body).await?;
        tx.run(
            "INSERT INTO agreed (role, digest, body, by_whom, sweep, at) \
             VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (role) DO UPDATE SET digest = excluded.digest, body = excluded.body, \
             by_whom = excluded.by_whom, sweep = excluded.sweep, at = excluded.at",
            values![
                spec.role.as_str(),
                spec.digest.as_str(),
                spec.body.as_str(),
                spec.by.as_str(),
                &spec.sweep,
                spec.at,
            ],
        )
        .await?;
        tx.commit().await
    }

    async fn awaiting_approval(&self) -> Result<Vec<(SweepId, u64)>, StoreError> {
        let sql = "SELECT approvals.sweep, approvals.changes FROM approvals \
                   JOIN sweeps ON sweeps.id = approvals.sweep \
                   WHERE approvals.approved_at IS NULL AND sweeps.finished_at IS NULL \
                   ORDER BY sweeps.no";
        let rows = self.db.rows(sql, values![]).await?;
        rows.iter()
            .map(|row| Ok((row.sweep(0)?, row.count(1)?)))
            .collect()
    }
}

fn request(row: &Row) -> Result<SweepRequest, StoreError> {
    let accounts = match row.opt_text(2)? {
        Some(text) => Some(accounts(&text)?),
        None => None,
    };
    Ok(SweepRequest {
        id: row.int(0)?,
        mode: row.named(1, "a sweep's mode", Mode::parse)?,
        accounts,
        trigger: row.named(3, "a sweep's trigger", Trigger::parse)?,
        requested_by: row.text(4)?,
        at: row.time(5)?,
    })
}

fn accounts(text: &str) -> Result<Vec<AccountId>, StoreError> {
    let ids: Vec<String> = from_json(text)?;
    ids.iter()
        .map(|id| id.parse().map_err(|error| corrupt(format!("{error}"))))
        .collect()
}
