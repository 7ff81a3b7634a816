//! What the vendor was told about each account.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::SweepId;
use rolekeeper_domain::registration::{Action, Registration, State, Task, Told, Trouble};
use rolekeeper_domain::role::RoleName;
use rolekeeper_engine::port::registration::Registrations;
use rolekeeper_engine::port::store::StoreError;
use sqlx::AssertSqlSafe;

use crate::db::{Row, Tx, corrupt, values};
use crate::open::Store;

const COLUMNS: &str = "account, role, name, version, told_digest, told_at, vendor_id, \
    validated_at, withdrawn_at, action, task_digest, wanted_at, attempts, due_at, trouble, trouble_at";

impl Registrations for Store {
    async fn registrations_of(&self, account: AccountId) -> Result<Vec<Registration>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM registrations WHERE account = $1 ORDER BY role");
        let rows = self.db.rows(AssertSqlSafe(sql), values![account]).await?;
        rows.iter().map(registration).collect()
    }

    async fn registrations(
        &self,
        role: &RoleName,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<Registration>, StoreError> {
        let after = after.map(|account| account.to_string()).unwrap_or_default();
        let sql = format!(
            "SELECT {COLUMNS} FROM registrations WHERE role = $1 AND account > $2 \
             ORDER BY account LIMIT $3"
        );
        let values = values![role.as_str(), after, limit];
        let rows = self.db.rows(AssertSqlSafe(sql), values).await?;
        rows.iter().map(registration).collect()
    }

    async fn registrations_due(
        &self,
        role: &RoleName,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Registration>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM registrations WHERE role = $1 AND due_at IS NOT NULL \
             AND due_at <= $2 ORDER BY due_at, account LIMIT $3"
        );
        let values = values![role.as_str(), now, limit];
        let rows = self.db.rows(AssertSqlSafe(sql), values).await?;
        rows.iter().map(registration).collect()
    }

    async fn save_registrations(&self, registrations: &[Registration]) -> Result<u64, StoreError> {
        if registrations.is_empty() {
            return Ok(0);
        }
        let mut tx = self.db.begin().await?;
        let mut written = 0;
        for registration in registrations {
            written += save(&mut tx, registration).await?;
        }
        tx.commit().await?;
        Ok(written)
    }

    async fn registration_counts(&self) -> Result<BTreeMap<State, u64>, StoreError> {
        let sql = "SELECT CASE WHEN action IS NOT NULL AND due_at IS NULL THEN $1 \
                   WHEN action IS NOT NULL THEN $2 WHEN told_at IS NOT NULL THEN $3 ELSE $4 END \
                   AS state, count(*) FROM registrations GROUP BY 1";
        let values = values![
            State::GivenUp.as_str(),
            State::Waiting.as_str(),
            State::Registered.as_str(),
            State::Unregistered.as_str(),
        ];
        let rows = self.db.rows(sql, values).await?;
        let parse = |name: &str| State::ALL.into_iter().find(|state| state.as_str() == name);
        rows.iter()
            .map(|row| {
                Ok((
                    row.named(0, "a state of a registration", parse)?,
                    row.count(1)?,
                ))
            })
            .collect()
    }

    async fn mark_sweep(&self, sweep: &SweepId, revision: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO sweep_revisions (sweep, revision) VALUES ($1, $2) \
                   ON CONFLICT (sweep) DO UPDATE SET revision = excluded.revision";
        self.db.run(sql, values![sweep, revision]).await.map(drop)
    }

    async fn sweeps_under(&self, revision: &str) -> Result<BTreeSet<SweepId>, StoreError> {
        let sql = "SELECT sweep FROM sweep_revisions WHERE revision = $1";
        let rows = self.db.rows(sql, values![revision]).await?;
        rows.iter().map(|row| row.sweep(0)).collect()
    }

    async fn refused_settings(&self) -> Result<Option<String>, StoreError> {
        let sql = "SELECT settings FROM registration_refused WHERE id = 1";
        let row = self.db.row(sql, values![]).await?;
        row.map(|row| row.text(0)).transpose()
    }

    async fn refuse_settings(&self, settings: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO registration_refused (id, settings) VALUES (1, $1) \
                   ON CONFLICT (id) DO UPDATE SET settings = excluded.settings";
        self.db.run(sql, values![settings]).await.map(drop)
    }
}

async fn save(tx: &mut Tx, it: &Registration) -> Result<u64, StoreError> {
    let (told, task, trouble) = (it.told.as_ref(), it.task.as_ref(), it.trouble.as_ref());
    let sql = if it.version == 0 {
        "INSERT INTO registrations (account, role, name, version, told_digest, told_at, \
         vendor_id, validated_at, withdrawn_at, action, task_digest, wanted_at, attempts, \
         due_at, trouble, trouble_at) \
         VALUES ($1, $2, $3, $4 + 1, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
         ON CONFLICT (account, role) DO NOTHING"
    } else {
        "UPDATE registrations SET name = $3, version = $4 + 1, told_digest = $5, told_at = $6, \
         vendor_id = $7, validated_at = $8, withdrawn_at = $9, action = $10, \
         task_digest = $11, wanted_at = $12, attempts = $13, due_at = $14, trouble = $15, \
         trouble_at = $16 WHERE account = $1 AND role = $2 AND version = $4"
    };
    let values = values![
        it.account,
        it.role.as_str(),
        it.name.as_str(),
        it.version,
        told.map(|told| told.digest.as_str()),
        told.map(|told| told.at),
        told.and_then(|told| told.vendor_id.as_deref()),
        it.validated_at,
        it.withdrawn_at,
        task.map(|task| task.action.as_str()),
        task.map(|task| task.digest.as_str()),
        task.map(|task| task.wanted_at),
        task.map_or(0, |task| task.attempts),
        task.and_then(|task| task.due_at),
        trouble.map(|trouble| trouble.why.as_str()),
        trouble.map(|trouble| trouble.at),
    ];
    tx.run(sql, values).await
}

fn registration(row: &Row) -> Result<Registration, StoreError> {
    let told = match (row.opt_text(4)?, row.opt_time(5)?) {
        (Some(digest), Some(at)) => Some(Told {
            digest,
            vendor_id: row.opt_text(6)?,
            at,
        }),
        _ => None,
    };
    let task = match (row.opt_text(9)?, row.opt_text(10)?, row.opt_time(11)?) {
        (Some(action), Some(digest), Some(wanted_at)) => {
            let attempts = row.int(12)?;
            Some(Task {
                action: Action::parse(&action)
                    .ok_or_else(|| corrupt(format!("`{action}` as an action")))?,
                digest,
                wanted_at,
                attempts: attempts
                    .try_into()
                    .map_err(|_| corrupt(format!("{attempts} attempts")))?,
                due_at: row.opt_time(13)?,
            })
        }
        _ => None,
    };
    let trouble = match (row.opt_text(14)?, row.opt_time(15)?) {
        (Some(why), Some(at)) => Some(Trouble { at, why }),
        _ => None,
    };
    let parse = |name: &str| name.parse::<RoleName>().ok();
    Ok(Registration {
        account: row.account(0)?,
        role: row.named(1, "a role's name", parse)?,
        name: row.text(2)?,
        version: row.int(3)?,
        told,
        validated_at: row.opt_time(7)?,
        withdrawn_at: row.opt_time(8)?,
        task,
        trouble,
    })
}
