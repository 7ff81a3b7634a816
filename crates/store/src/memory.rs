//! What is worth remembering between sweeps.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_engine::port::store::{Memory, StoreError};
use sqlx::AssertSqlSafe;

use crate::db::{CHUNK, Value, placeholders, values};
use crate::fleet;
use crate::open::Store;

/// IAM's ids have at most 128 characters. What is longer is not remembered: it would
/// not fit into PostgreSQL's index, and forgetting costs one call.
const LONGEST_ID: usize = 128;

impl Memory for Store {
    async fn known_documents(
        &self,
        policy_ids: &[String],
    ) -> Result<BTreeMap<(String, String), String>, StoreError> {
        let mut known = BTreeMap::new();
        for chunk in policy_ids.chunks(CHUNK) {
            let sql = format!(
                "SELECT policy_id, version_id, document FROM documents WHERE policy_id IN {}",
                placeholders(1, chunk.len())
            );
            let ids = chunk.iter().map(|id| Value::from(id.as_str())).collect();
            for row in self.db.rows(AssertSqlSafe(sql), ids).await? {
                known.insert((row.text(0)?, row.text(1)?), row.text(2)?);
            }
        }
        Ok(known)
    }

    async fn remember_documents(
        &self,
        documents: &[(String, String, String)],
    ) -> Result<(), StoreError> {
        let storable = |part: &String| part.len() <= LONGEST_ID && !part.contains('\0');
        // One row a key: a statement may not touch the same row twice.
        let documents: BTreeMap<(&String, &String), &String> = documents
            .iter()
            // A text that could not be kept to the letter would be a wrong document.
            .filter(|(_, _, document)| !document.contains('\0'))
            .filter(|(policy, version, _)| storable(policy) && storable(version))
            .map(|(policy, version, document)| ((policy, version), document))
            .collect();
        let documents: Vec<_> = documents.into_iter().collect();
        if documents.is_empty() {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        for chunk in documents.chunks(CHUNK) {
            let sql = format!(
                "INSERT INTO documents (policy_id, version_id, document) VALUES {} \
                 ON CONFLICT (policy_id, version_id) DO NOTHING",
                placeholders(chunk.len(), 3)
            );
            let mut values = Vec::with_capacity(chunk.len() * 3);
            for ((policy, version), document) in chunk {
                values.extend(values![
                    policy.as_str(),
                    version.as_str(),
                    document.as_str()
                ]);
            }
            tx.run(AssertSqlSafe(sql), values).await?;
        }
        tx.commit().await
    }

    async fn rates(&self) -> Result<BTreeMap<String, f64>, StoreError> {
        let rows = self
            .db
            .rows("SELECT name, rate FROM rates", values![])
            .await?;
        rows.iter()
            .map(|row| Ok((row.text(0)?, row.real(1)?)))
            .collect()
    }

    async fn remember_rates(&self, rates: &BTreeMap<String, f64>) -> Result<(), StoreError> {
        let finite: Vec<_> = rates.iter().filter(|(_, rate)| rate.is_finite()).collect();
        if finite.is_empty() {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        for chunk in finite.chunks(CHUNK) {
            let sql = format!(
                "INSERT INTO rates (name, rate) VALUES {} \
                 ON CONFLICT (name) DO UPDATE SET rate = excluded.rate",
                placeholders(chunk.len(), 2)
            );
            let mut values = Vec::with_capacity(chunk.len() * 2);
            for (name, rate) in chunk {
                values.extend(values![name.as_str(), **rate]);
            }
            tx.run(AssertSqlSafe(sql), values).await?;
        }
        tx.commit().await
    }

    async fn census_size(&self) -> Result<Option<u64>, StoreError> {
        let row = self
            .db
            .row("SELECT accounts FROM census WHERE id = 1", values![])
            .await?;
        row.map(|row| row.count(0)).transpose()
    }

    async fn remember_census(
        &self,
        present: &[AccountId],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let accounts = i64::try_from(present.len()).unwrap_or(i64::MAX);
        tx.run(
            "INSERT INTO census (id, accounts, at) VALUES (1, $1, $2) \
             ON CONFLICT (id) DO UPDATE SET accounts = excluded.accounts, at = excluded.at",
            values![accounts, at],
        )
        .await?;
        fleet::retain(&mut tx, present, at).await?;
        tx.commit().await
    }

    async fn last_seen(&self) -> Result<BTreeMap<AccountId, Timestamp>, StoreError> {
        let sql = "SELECT account, looked_at FROM fleet WHERE looked_at IS NOT NULL \
                   AND account > $1 ORDER BY account LIMIT 1000";
        let mut seen = BTreeMap::new();
        let mut after = String::new();
        loop {
            let rows = self.db.rows(sql, values![after.as_str()]).await?;
            for row in &rows {
                seen.insert(row.account(0)?, row.time(1)?);
            }
            match rows.last() {
                Some(last) => after = last.text(0)?,
                None => return Ok(seen),
            }
        }
    }
}
