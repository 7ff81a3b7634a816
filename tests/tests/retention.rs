//! What retention took away cannot be rolled back, and a rollback says so instead of doing half of it.
#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use rolekeeper_domain::outcome::{Mode, Trigger};
use rolekeeper_engine::{SweepError, SweepOrder};
use rolekeeper_simulator::{Drift, World};
use rolekeeper_store::Retention;
use rolekeeper_tests::sim::clock::SimClock;
use rolekeeper_tests::sim::durable::Durable;
use rolekeeper_tests::sim::rig::{self, Process, demo_spec, order};
use tokio_util::sync::CancellationToken;

#[tokio::test(start_paused = true)]
async fn a_sweep_whose_journal_was_cut_cannot_be_rolled_back_and_a_later_one_can() {
    let world = Arc::new(World::new(rig::calm(2)));
    let clock = SimClock::start();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let store = Arc::new(Durable::open(&url));
    let account = *world.reachable().first().unwrap();
    let settings = rig::settings("one", demo_spec());
    let process = Process::start(&world, &clock, &store, settings, 1).await;
    let mut sweeps = Vec::new();
    for drift in [Drift::TrustOpen, Drift::AttachmentUnexpected] {
        assert!(world.plant(account, drift));
        let record = process
            .engine
            .sweep(order(Mode::Repair), CancellationToken::new());
        sweeps.push(record.await.unwrap().id);
        clock.wait(Duration::from_secs(2 * 86_400)).await;
    }
    // Three days: the first one's steps are older, the second one's are not.
    let now = clock.true_time() - SignedDuration::from_hours(1);
    let keep = Retention {
        keep_days: 3,
        ..Retention::default()
    };
    let pruned = store.with(async |store| store.prune(keep, now).await);
    assert!(pruned.unwrap().journal > 0);
    let undo = |sweep| SweepOrder {
        undo: Some(sweep),
        ..SweepOrder::new(Mode::Audit, Trigger::Rollback, "ann")
    };
    let (first, second) = (sweeps.remove(0), sweeps.remove(0));
    let refused = process
        .engine
        .sweep(undo(first.clone()), CancellationToken::new());
    let refused = refused.await;
    let is_said = matches!(&refused, Err(SweepError::Forgotten { sweep, .. }) if *sweep == first);
    assert!(is_said, "{refused:?}");
    let shown = process.engine.sweep(undo(second), CancellationToken::new());
    shown.await.unwrap();
}
