//! A rollback whose process dies in the midst of it.

use rolekeeper_domain::outcome::{Mode, SweepOutcome};
use rolekeeper_engine::port::store::Control as _;
use rolekeeper_tests::sim::rig::{Moment, order};
use tokio_util::sync::CancellationToken;

use crate::stage::{Stage, undo};

#[tokio::test(start_paused = true)]
async fn a_rollback_that_is_killed_at_any_step_goes_on_when_it_is_asked_for_again() {
    let whole = Stage::new();
    let before = whole.differences().await;
    let repaired = whole.sweep(order(Mode::Repair)).await;
    let process = whole.process("ann").await;
    process
        .engine
        .sweep(undo(&repaired.id, Mode::Repair), CancellationToken::new())
        .await
        .unwrap();
    let steps = process.wire.writes();
    assert!(steps >= 15, "only {steps} steps");
    for index in 0..steps {
        for moment in [Moment::Before, Moment::After] {
            let what = format!("killed {moment:?} write {index} of {steps}");
            let stage = Stage::new();
            let repaired = stage.sweep(order(Mode::Repair)).await;
            let swept = stage.changes();
            let process = stage.process("first").await;
            process.wire.crash_at(index, moment);
            tokio::select! {
                biased;
                () = process.wire.dead.cancelled() => {}
                ended = process.engine.sweep(undo(&repaired.id, Mode::Repair), CancellationToken::new()) => {
                    panic!("{what}: it was not: {ended:?}");
                }
            }
            drop(process);
            stage.holds(0, swept, &what);
            // Whoever takes over does not do again what is undone by now.
            let halt = stage.store.halted().await.unwrap().expect(&what);
            assert!(halt.why.contains("rolled back"), "{what}: {halt:?}");
            let again = stage.sweep(undo(&repaired.id, Mode::Repair)).await;
            assert_eq!(
                again.outcome,
                Some(SweepOutcome::Completed),
                "{what}: {again:?}"
            );
            stage.holds(0, swept, &what);
            assert_eq!(stage.differences().await, before, "{what}");
        }
    }
}
