//! Notifications that are not lost by a restart.

use jiff::Timestamp;
use rolekeeper_engine::port::store::{Notice, Outbox, StoreError};

use crate::db::{Row, corrupt, values};
use crate::journal::chain::digest;
use crate::open::Store;

impl Outbox for Store {
    async fn post(&self, notice: &Notice) -> Result<bool, StoreError> {
        // The length keeps ("a\nb", "c") and ("a", "b\nc") apart.
        let length = notice.target.len().to_string();
        let key = digest(&[&length, &notice.target, &notice.dedup_key]);
        let added = self
            .db
            .run(
                "INSERT INTO notices (key, kind, dedup_key, target, body, at, attempts, due_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $6) ON CONFLICT (key) DO NOTHING",
                values![
                    key,
                    notice.kind.as_str(),
                    notice.dedup_key.as_str(),
                    notice.target.as_str(),
                    notice.body.as_str(),
                    notice.at,
                    notice.attempts,
                ],
            )
            .await?;
        Ok(added == 1)
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Notice>, StoreError> {
        let sql = "SELECT id, kind, dedup_key, target, body, at, attempts FROM notices \
                   WHERE due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at, id LIMIT $2";
        self.db
            .rows(sql, values![now, limit])
            .await?
            .iter()
            .map(notice)
            .collect()
    }

    async fn delivered(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        self.db
            .run(
                "UPDATE notices SET delivered_at = $2, due_at = NULL, attempts = attempts + 1, \
                 last_error = NULL WHERE id = $1",
                values![id, at],
            )
            .await
            .map(drop)
    }

    async fn postponed(
        &self,
        id: i64,
        why: &str,
        again_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.db
            .run(
                "UPDATE notices SET due_at = $3, attempts = attempts + 1, last_error = $2 \
                 WHERE id = $1 AND delivered_at IS NULL",
                values![id, why, again_at],
            )
            .await
            .map(drop)
    }
}

fn notice(row: &Row) -> Result<Notice, StoreError> {
    let attempts = row.int(6)?;
    Ok(Notice {
        id: row.int(0)?,
        kind: row.text(1)?,
        dedup_key: row.text(2)?,
        target: row.text(3)?,
        body: row.text(4)?,
        at: row.time(5)?,
        attempts: attempts
            .try_into()
            .map_err(|_| corrupt(format!("{attempts} attempts")))?,
    })
}
