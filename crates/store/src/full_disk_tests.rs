//! A full disk, by SQLite's own quota on the file's pages.

#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

use std::time::Duration;

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::{
    AccountReport, Mode, Outcome, Summary, SweepId, SweepRecord, Trigger,
};
use rolekeeper_domain::plan::{Band, PlannedStep, Step};
use rolekeeper_domain::role::RoleName;
use rolekeeper_engine::port::store::{
    Completion, Deed, Intent, Journal as _, Lease as _, ReportFilter, StoreError, Sweeps as _,
};

use crate::db::Db;
use crate::{Store, open};

/// Sets how many pages the file may have; PostgreSQL's disk is its operator's.
async fn allow_pages(store: &Store, pages: u32) {
    let Db::Sqlite {
        write: Some(pool), ..
    } = &store.db
    else {
        unreachable!("a file")
    };
    let sql = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
    sqlx::query(sql).execute(pool).await.unwrap();
}

fn report(number: u32) -> AccountReport {
    AccountReport {
        account: account(number),
        name: "x".repeat(2_000),
        ou_path: "prod".to_owned(),
        outcome: Outcome::InSync,
        reason: None,
        failure: None,
        drifts: Vec::new(),
        steps: Vec::new(),
        mended: Vec::new(),
        observed_at: Timestamp::UNIX_EPOCH,
        duration_ms: 1,
    }
}

fn account(number: u32) -> AccountId {
    format!("{number:012}").parse().unwrap()
}

#[tokio::test]
async fn a_full_disk_is_an_error_that_leaves_everything_whole() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let store = open(&url).await.unwrap();
    let now = Timestamp::UNIX_EPOCH;
    let sweep = SweepRecord {
        id: SweepId::parse("sweep-1").unwrap(),
        mode: Mode::Repair,
        trigger: Trigger::Api,
        requested_by: "ann".to_owned(),
        started_at: now,
        finished_at: None,
        outcome: None,
        reason: None,
        summary: Summary::default(),
        widens: Vec::new(),
    };
    store.begin(&sweep).await.unwrap();
    let fence = store
        .acquire("me", Duration::from_secs(60), now)
        .await
        .unwrap()
        .unwrap();
    let role: RoleName = "Auditor".parse().unwrap();
    let step = PlannedStep {
        step: Step::DeleteRole { role: role.clone() },
        band: Band::Narrow,
        preconditions: Vec::new(),
        because: Vec::new(),
        before: Some("y".repeat(20_000)),
    };
    let intent = Intent {
        sweep: &sweep.id,
        requested_by: "ann",
        account: account(1),
        deed: Deed::Role {
            role: &role,
            step: &step,
        },
        at: now,
    };
    let entry = store.intend(&intent, fence).await.unwrap();

    // SQLite never takes pages away: the quota becomes the file's present size.
    allow_pages(&store, 1).await;
    let reports: Vec<_> = (1..=100).map(report).collect();
    let told = store.record(&sweep.id, &reports).await;
    assert!(
        matches!(told, Err(StoreError::Unavailable { .. })),
        "{told:?}"
    );
    assert!(told.unwrap_err().to_string().contains("disk is full"));
    // The quota is the connection's, and the connection was replaced.
    allow_pages(&store, 1).await;
    let told = store.intend(&intent, fence).await;
    assert!(
        matches!(told, Err(StoreError::Unavailable { .. })),
        "{told:?}"
    );

    // Nothing of either is there, what was there before is, and reading goes on.
    let any = ReportFilter::default();
    assert_eq!(store.reports(&sweep.id, &any, None, 10).await.unwrap(), []);
    assert_eq!(store.sweep(&sweep.id).await.unwrap(), Some(sweep.clone()));
    assert_eq!(store.open().await.unwrap().len(), 1);
    assert!(store.verify_journal(None).await.unwrap().is_ok());

    // Room again: the same process goes on where it was.
    allow_pages(&store, 1_000_000).await;
    store
        .complete(entry, &Completion::SettledUndone, now)
        .await
        .unwrap();
    store.intend(&intent, fence).await.unwrap();
    store.record(&sweep.id, &reports).await.unwrap();
    assert_eq!(
        store
            .sweep(&sweep.id)
            .await
            .unwrap()
            .unwrap()
            .summary
            .in_sync,
        100
    );
    assert_eq!(
        store.verify_journal(None).await.unwrap().unwrap().records,
        3
    );
}
