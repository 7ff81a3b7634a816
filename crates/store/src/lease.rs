//! Exactly one writer.

use std::time::Duration;

use jiff::Timestamp;
use rolekeeper_engine::port::store::{Fence, Lease, StoreError};

use crate::db::{Row, Tx, corrupt, values};
use crate::open::Store;

impl Lease for Store {
    async fn acquire(
        &self,
        holder: &str,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<Option<Fence>, StoreError> {
        let mut tx = self.db.begin().await?;
        let now = moment(&mut tx, now).await?;
        let row = tx
            .locked_row(
                "SELECT token, holder, expires_at FROM lease WHERE id = 1",
                values![],
            )
            .await?
            .ok_or_else(|| corrupt("no lease row"))?;
        let (token, current) = (row.int(0)?, row.opt_text(1)?);
        let ours = current.as_deref() == Some(holder);
        let ttl = i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX);
        let expires = row.int(2)?;
        if current.is_some() && !ours && expires > now {
            if expires > now.saturating_add(ttl) {
                // No lease is given for so long: the clock was set back since. One that is alive is renewed
                // before that; one that is not must not be waited for until the clock is there again.
                tx.run(
                    "UPDATE lease SET expires_at = $1 WHERE id = 1",
                    values![now.saturating_add(ttl)],
                )
                .await?;
                tx.commit().await?;
            }
            return Ok(None);
        }
        let token = if ours { token } else { token + 1 };
        tx.run(
            "UPDATE lease SET token = $1, holder = $2, expires_at = $3 WHERE id = 1",
            values![token, holder, now.saturating_add(ttl)],
        )
        .await?;
        tx.commit().await?;
        Ok(Some(Fence(token)))
    }

    async fn release(&self, holder: &str) -> Result<(), StoreError> {
        self.db
            .run(
                "UPDATE lease SET holder = NULL WHERE id = 1 AND holder = $1",
                values![holder],
            )
            .await
            .map(drop)
    }

    async fn holder(&self) -> Result<Option<(String, Timestamp)>, StoreError> {
        let sql = "SELECT holder, expires_at FROM lease WHERE id = 1 AND holder IS NOT NULL";
        let row = self.db.row(sql, values![]).await?;
        row.as_ref()
            .map(|row: &Row| Ok((row.text(0)?, row.time(1)?)))
            .transpose()
    }
}

/// Now, in microseconds. Replicas run on different hosts, whose clocks differ: the
/// server's one clock decides when a lease ends. A file has one host, whose clock the caller read.
pub(crate) async fn moment(tx: &mut Tx, now: Timestamp) -> Result<i64, StoreError> {
    if !tx.is_postgres() {
        return Ok(now.as_microsecond());
    }
    let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    let row = tx.row(sql, values![]).await?;
    row.ok_or_else(|| corrupt("no time"))?.int(0)
}
