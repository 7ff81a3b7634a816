//! Somebody with write access takes records off the old end.

use std::error::Error;

use jiff::Timestamp;
use rolekeeper_engine::port::store::Control as _;

use super::{Break, Head};
use crate::db::values;
use crate::{Retention, Store, open};

async fn told(store: &Store, by: &str, day: i64) -> Result<(), Box<dyn Error>> {
    let at = Timestamp::from_second(1_767_225_600 + day * 86_400)?;
    store.resume(by, at).await?;
    let halt = rolekeeper_engine::port::store::Halt {
        why: "a test".to_owned(),
        by: by.to_owned(),
        at,
    };
    Ok(store.halt(&halt).await?)
}

/// Removes the records up to that one, and says so in the head: everything that can be done
/// without writing a record.
async fn cut(store: &Store, upto: i64) -> Result<Head, Box<dyn Error>> {
    let row = store
        .db
        .row("SELECT hash FROM journal WHERE seq = $1", values![upto])
        .await?
        .ok_or("no such record")?;
    let hash = row.text(0)?;
    store
        .db
        .run("DELETE FROM journal WHERE seq <= $1", values![upto])
        .await?;
    store
        .db
        .run(
            "UPDATE journal_head SET anchor_seq = $1, anchor_hash = $2 WHERE id = 1",
            values![upto, hash.as_str()],
        )
        .await?;
    Ok(Head { seq: upto, hash })
}

#[tokio::test]
async fn an_old_end_that_no_record_of_retention_leads_to_was_cut() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let store = open(&url).await?;
    for day in 0..3 {
        told(&store, "ann", day).await?;
    }
    assert!(store.verify_journal(None).await?.is_ok());
    let from = cut(&store, 2).await?;
    let broken = store.verify_journal(None).await?;
    assert_eq!(broken, Err(Break::OldEnd { from: from.clone() }));
    assert_eq!(
        Break::OldEnd { from }.to_string(),
        "the journal begins after record 2, and no record of retention leads there: its old end was cut"
    );
    // All of it.
    let head = store.head().await?;
    let from = cut(&store, head.seq).await?;
    let broken = store.verify_journal(Some(head)).await?;
    assert_eq!(broken, Err(Break::OldEnd { from }));
    Ok(())
}

#[tokio::test]
async fn a_cut_beyond_that_of_retention_is_found() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let store = open(&url).await?;
    for day in [0, 1, 20, 21] {
        told(&store, "ann", day).await?;
    }
    let keep = Retention {
        keep_days: 10,
        keep_sweeps: 2,
    };
    let now = Timestamp::from_second(1_767_225_600 + 25 * 86_400)?;
    assert_ne!(store.prune(keep, now).await?.journal, 0);
    let verified = store.verify_journal(None).await?;
    let from = verified.map_err(|broken| broken.to_string())?.from;
    let from = cut(&store, from.seq + 1).await?;
    let broken = store.verify_journal(None).await?;
    assert_eq!(broken, Err(Break::OldEnd { from }));
    Ok(())
}
