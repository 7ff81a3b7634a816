//! Which halt a rollback leaves, and which it may not pass over.

use std::sync::Arc;
use std::time::Duration;

use rolekeeper_domain::outcome::{Mode, SweepOutcome};
use rolekeeper_engine::port::store::Control as _;
use rolekeeper_simulator::Drift;
use rolekeeper_tests::sim::rig::order;

use crate::stage::{Stage, bob_halts, carried_out, settings, undo};

#[tokio::test(start_paused = true)]
async fn a_rollback_that_undid_nothing_in_a_frozen_time_leaves_no_halt() {
    let stage = Stage::new();
    let repaired = stage.sweep(order(Mode::Repair)).await;
    let mut settings = settings("ann");
    settings.freeze = Some(Arc::new(|_| Some("year's end".to_owned())));
    let process = stage.process_with(settings).await;
    carried_out(&process, undo(&repaired.id, Mode::Repair)).await;
    assert_eq!(process.wire.writes(), 0);
    assert_eq!(stage.store.halted().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_finds_nothing_to_undo_leaves_no_halt() {
    let stage = Stage::new();
    // Everything is right by then, so this one did nothing.
    stage.sweep(order(Mode::Repair)).await;
    let idle = stage.sweep(order(Mode::Repair)).await;
    let undone = stage.sweep(undo(&idle.id, Mode::Repair)).await;
    assert_eq!(undone.outcome, Some(SweepOutcome::Completed), "{undone:?}");
    assert_eq!(stage.store.halted().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_of_what_others_changed_since_everywhere_leaves_no_halt() {
    let stage = Stage::alike(2, &[Drift::AttachmentMissing]);
    let repaired = stage.sweep(order(Mode::Repair)).await;
    let changes = stage.changes();
    for account in stage.accounts() {
        assert!(stage.world.plant(account, Drift::RoleMissing));
    }
    stage.sweep(undo(&repaired.id, Mode::Repair)).await;
    assert_eq!(stage.changes(), changes);
    assert_eq!(stage.store.halted().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_halt_that_comes_while_a_rollback_looks_is_not_written_over() {
    let stage = Stage::new();
    let repaired = stage.sweep(order(Mode::Repair)).await;
    let changes = stage.changes();
    let process = stage.process_with(settings("ann")).await;
    let (store, clock) = (&stage.store, &stage.clock);
    let halt = async {
        clock.wait(Duration::from_millis(200)).await;
        assert_eq!(process.wire.writes(), 0);
        bob_halts(&stage).await
    };
    let rollback = carried_out(&process, undo(&repaired.id, Mode::Repair));
    let (record, halt) = tokio::join!(rollback, halt);
    assert_eq!(stage.changes(), changes, "{record:?}");
    assert_eq!(record.outcome, Some(SweepOutcome::Halted), "{record:?}");
    assert_eq!(store.halted().await.unwrap(), Some(halt));
}
