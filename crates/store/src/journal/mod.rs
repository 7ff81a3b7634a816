//! The durable record of each step, and what follows from it.

mod body;
pub(crate) mod chain;
mod export;
#[cfg(test)]
mod old_end_tests;
mod ownership;

pub use export::{Break, ExportLine, Head, InvalidHead, Verified, Verifier};

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::SweepId;
use rolekeeper_engine::port::store::{
    Completion, EntryId, Fence, Intent, Journal, JournalEntry, StoreError,
};
use sqlx::AssertSqlSafe;

use self::body::{AdoptionBody, CompletionBody, IntentBody};
use self::chain::{Kind, Links, append};
use self::export::Pruned;
use crate::db::{Row, Tx, Value, corrupt, values};
use crate::open::Store;
use crate::rows::from_json;

/// Intents with their completions, in the order [`entry`] reads them.
const ENTRIES: &str = "SELECT intent.seq, intent.body, completion.body FROM journal AS intent \
    LEFT JOIN journal AS completion ON completion.seq = (SELECT max(seq) FROM journal \
    WHERE entry = intent.seq AND kind = 'completion') WHERE intent.kind = 'intent'";

impl Journal for Store {
    async fn intend(&self, intent: &Intent<'_>, fence: Fence) -> Result<EntryId, StoreError> {
        let mut tx = self.db.begin().await?;
        check_fence(&mut tx, fence).await?;
        let links = Links {
            sweep: Some(intent.sweep),
            account: Some(intent.account),
            entry: None,
        };
        let seq = append(
            &mut tx,
            Kind::Intent,
            links,
            intent.at,
            &IntentBody::new(intent)?,
        )
        .await?;
        tx.run("INSERT INTO journal_open (entry) VALUES ($1)", values![seq])
            .await?;
        tx.commit().await?;
        Ok(EntryId(seq))
    }

    // No fence here: the call was made, whoever leads by now, and its end belongs on record.
    async fn complete(
        &self,
        entry: EntryId,
        completion: &Completion,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let closed = tx
            .run(
                "DELETE FROM journal_open WHERE entry = $1",
                values![entry.0],
            )
            .await?;
        if closed == 0 && !supersedes(&mut tx, entry, completion).await? {
            return Ok(());
        }
        let row = tx
            .row(
                "SELECT body FROM journal WHERE seq = $1 AND kind = 'intent'",
                values![entry.0],
            )
            .await?
            .ok_or_else(|| corrupt(format!("no journal entry {}", entry.0)))?;
        let intent: IntentBody = from_json(&row.text(0)?)?;
        let account = intent.account()?;
        let body = CompletionBody::new(&intent, entry, completion, at);
        let links = Links {
            sweep: None,
            account: Some(account),
            entry: Some(entry.0),
        };
        append(&mut tx, Kind::Completion, links, at, &body).await?;
        ownership::follow(&mut tx, account, intent.subject(), completion, entry.0).await?;
        tx.commit().await
    }

    async fn open(&self) -> Result<Vec<JournalEntry>, StoreError> {
        let sql =
            format!("{ENTRIES} AND intent.seq IN (SELECT entry FROM journal_open) ORDER BY 1");
        self.entries(sql, values![]).await
    }

    async fn history(
        &self,
        account: AccountId,
        before: Option<EntryId>,
        limit: u32,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        let before = before.map_or(i64::MAX, |entry| entry.0);
        let sql = format!(
            "{ENTRIES} AND intent.account = $1 AND intent.seq < $2 ORDER BY 1 DESC LIMIT $3"
        );
        self.entries(sql, values![account, before, limit]).await
    }

    async fn of_sweep(
        &self,
        sweep: &SweepId,
        after: Option<EntryId>,
        limit: u32,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        let after = after.map_or(0, |entry| entry.0);
        let sql =
            format!("{ENTRIES} AND intent.sweep = $1 AND intent.seq > $2 ORDER BY 1 LIMIT $3");
        self.entries(sql, values![sweep, after, limit]).await
    }

    async fn forgotten_until(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT body FROM journal WHERE kind = $1 ORDER BY seq DESC LIMIT 1";
        let cut = self.db.row(sql, values![Kind::Pruned.as_str()]).await?;
        let Some(cut) = cut else { return Ok(None) };
        let cut: Pruned = serde_json::from_str(&cut.text(0)?)
            .map_err(|error| corrupt(format!("a record of a cut: {error}")))?;
        Ok(Some(cut.until.unwrap_or(cut.at)))
    }

    async fn owned(&self, account: AccountId) -> Result<Vec<String>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT resource FROM owned WHERE account = $1 ORDER BY key",
                values![account],
            )
            .await?;
        rows.iter().map(|row| row.text(0)).collect()
    }

    async fn adopt(
        &self,
        account: AccountId,
        resource: &str,
        sweep: &SweepId,
        at: Timestamp,
        fence: Fence,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        check_fence(&mut tx, fence).await?;
        let links = Links {
            sweep: Some(sweep),
            account: Some(account),
            entry: None,
        };
        let body = AdoptionBody {
            at,
            sweep: sweep.as_str(),
            account: account.to_string(),
            resource,
        };
        let seq = append(&mut tx, Kind::Adoption, links, at, &body).await?;
        ownership::own(&mut tx, account, resource, seq).await?;
        tx.commit().await
    }
}

impl Store {
    async fn entries(
        &self,
        sql: String,
        values: Vec<Value>,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        self.db
            .rows(AssertSqlSafe(sql), values)
            .await?
            .iter()
            .map(entry)
            .collect()
    }
}

fn entry(row: &Row) -> Result<JournalEntry, StoreError> {
    let intent: IntentBody = from_json(&row.text(1)?)?;
    let completion = row
        .opt_text(2)?
        .map(|body| from_json::<CompletionBody>(&body))
        .transpose()?;
    intent.entry(row.int(0)?, completion)
}

/// Nobody may have taken the lease since this process did. Locked, so that a
/// takeover waits until the intent is on disk and sees it among the open ones.
pub(crate) async fn check_fence(tx: &mut Tx, fence: Fence) -> Result<(), StoreError> {
    let row = tx
        .locked_row("SELECT token, holder FROM lease WHERE id = 1", values![])
        .await?
        .ok_or_else(|| corrupt("no lease row"))?;
    let held = row.int(0)?;
    if held == fence.0 && row.opt_text(1)?.is_some() {
        Ok(())
    } else {
        Err(StoreError::Fenced {
            ours: fence.0,
            held,
        })
    }
}

/// Whether an end is recorded although the entry has one already. A step ends once, and the
/// first record stands, but for one case: a call that was settled as never taken (its
/// process was paused, and another one took over) and that AWS carried out after all.
async fn supersedes(
    tx: &mut Tx,
    entry: EntryId,
    completion: &Completion,
) -> Result<bool, StoreError> {
    let sql = "SELECT body FROM journal WHERE entry = $1 AND kind = 'completion' \
               ORDER BY seq DESC LIMIT 1";
    let row = tx
        .row(sql, values![entry.0])
        .await?
        .ok_or_else(|| corrupt(format!("no journal entry {} is open", entry.0)))?;
    let first: CompletionBody = from_json(&row.text(0)?)?;
    let undone = first.completion()? == Completion::SettledUndone;
    Ok(undone && matches!(completion, Completion::Done { .. }))
}
