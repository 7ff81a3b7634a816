//! A rollback goes out in waves, as a repair does.

use rolekeeper_domain::outcome::{Mode, SweepOutcome};
use rolekeeper_simulator::Drift;
use rolekeeper_tests::sim::rig::order;

use crate::stage::{Stage, carried_out, settings, undo};
use crate::wave_support::out_of_turn;

#[tokio::test(start_paused = true)]
async fn nothing_is_undone_in_a_wave_before_the_one_before_was_looked_at() {
    for concurrency in [1, 8] {
        let stage = Stage::alike(40, &[Drift::AttachmentMissing, Drift::RoleDescription]);
        let repaired = stage.sweep(order(Mode::Repair)).await;
        let (calls, changes) = (stage.world.requests().len(), stage.changes());
        let mut settings = settings("ann");
        settings.limits.concurrency = concurrency;
        let process = stage.process_with(settings).await;
        let undone = carried_out(&process, undo(&repaired.id, Mode::Repair)).await;
        assert_eq!(undone.outcome, Some(SweepOutcome::Completed), "{undone:?}");
        let calls = stage.world.requests().split_off(calls);
        assert_eq!(out_of_turn(&calls, &[3, 1, 16, 20]), None);
        stage.holds(0, changes, "a rollback in waves");
    }
}
