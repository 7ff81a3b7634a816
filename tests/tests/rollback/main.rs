//! A sweep undone: what it made goes, what stood before comes back, what others changed
//! since is left alone. And what a dead process left is settled by looking.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

mod guards;
mod killed;
mod left;
mod stage;
mod stale;
#[path = "../wave_support/mod.rs"]
mod wave_support;
mod waves;

use rolekeeper_domain::outcome::{Mode, Outcome, StepResult, SweepId, SweepOutcome};
use rolekeeper_engine::port::store::{Completion, Control as _, Halt, Journal as _, Sweeps as _};
use rolekeeper_engine::{SweepError, SweepOrder};
use rolekeeper_simulator::Drift;
use rolekeeper_tests::sim::check;
use rolekeeper_tests::sim::rig::{Moment, order};
use tokio_util::sync::CancellationToken;

use self::stage::{DRIFTS, Differences, Stage, undo};

#[tokio::test(start_paused = true)]
async fn a_sweep_that_is_rolled_back_leaves_every_account_as_it_was() {
    let stage = Stage::new();
    let before = stage.differences().await;
    assert_eq!(before.len(), DRIFTS.len());
    let repaired = stage.sweep(order(Mode::Repair)).await;
    assert_eq!(
        repaired.summary.repaired,
        DRIFTS.len() as u64,
        "{repaired:?}"
    );
    assert_eq!(stage.differences().await, Differences::new());

    let changes = stage.changes();
    let undone = stage.sweep(undo(&repaired.id, Mode::Repair)).await;
    assert_eq!(undone.outcome, Some(SweepOutcome::Completed), "{undone:?}");
    for report in stage.store.all_reports(&undone.id) {
        assert_eq!(report.outcome, Outcome::Drifted, "{report:#?}");
        assert!(
            report
                .steps
                .iter()
                .all(|step| step.result != StepResult::Failed),
            "{report:#?}"
        );
    }
    assert_eq!(stage.differences().await, before);
    stage.holds(0, changes, "a rollback that went well");
    assert_eq!(check::unsettled(&stage.world, &stage.store), None);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_is_shown_first_and_that_writes_nothing() {
    let stage = Stage::new();
    let repaired = stage.sweep(order(Mode::Repair)).await;
    let (changes, steps) = (stage.world.history().len(), stage.store.journal().len());
    let shown = stage.sweep(undo(&repaired.id, Mode::Audit)).await;
    assert_eq!(stage.world.history().len(), changes);
    assert_eq!(stage.store.journal().len(), steps);
    assert_eq!(stage.store.halted().await.unwrap(), None);
    let planned: usize = stage
        .store
        .all_reports(&shown.id)
        .iter()
        .map(|report| report.steps.len())
        .sum();
    assert_eq!(
        planned, steps,
        "each step that was taken has one that undoes it"
    );
}

#[tokio::test(start_paused = true)]
async fn what_others_changed_since_is_refused_by_name_and_the_rest_is_undone() {
    let stage = Stage::new();
    let before = stage.differences().await;
    let repaired = stage.sweep(order(Mode::Repair)).await;
    let theirs = stage.world.reachable()[4];
    assert!(stage.world.plant(theirs, Drift::TrustOpen));
    let changes_before = stage.world.history().len();
    let undone = stage.sweep(undo(&repaired.id, Mode::Repair)).await;
    let report = stage.report(&undone.id, theirs);
    let reason = report.reason.unwrap();
    assert!(
        reason.contains("the trust policy was changed since"),
        "{reason}"
    );
    assert!(
        report
            .steps
            .iter()
            .all(|step| step.result == StepResult::Refused)
    );
    assert!(!stage.changed_since(changes_before).contains(&theirs));
    stage.holds(0, changes_before, "a rollback of a part");
    let mut after = stage.differences().await;
    after.remove(&theirs);
    let expected: Differences = before
        .into_iter()
        .filter(|(account, _)| *account != theirs)
        .collect();
    assert_eq!(after, expected);
}

#[tokio::test(start_paused = true)]
async fn only_the_accounts_that_are_named_are_rolled_back() {
    let stage = Stage::new();
    let repaired = stage.sweep(order(Mode::Repair)).await;
    let named = stage.world.reachable()[1];
    let order = SweepOrder {
        accounts: Some([named].into()),
        ..undo(&repaired.id, Mode::Repair)
    };
    stage.sweep(order).await;
    let differences = stage.differences().await;
    assert_eq!(differences.keys().copied().collect::<Vec<_>>(), [named]);
}

#[tokio::test(start_paused = true)]
async fn after_a_rollback_nothing_is_written_until_a_person_says_so() {
    let stage = Stage::new();
    let repaired = stage.sweep(order(Mode::Repair)).await;
    stage.sweep(undo(&repaired.id, Mode::Repair)).await;
    let halt = stage.store.halted().await.unwrap().unwrap();
    assert!(halt.why.contains(repaired.id.as_str()), "{halt:?}");
    let process = stage.process("next").await;
    let refused = process
        .engine
        .sweep(order(Mode::Repair), CancellationToken::new())
        .await;
    assert!(
        matches!(refused, Err(SweepError::Halted { .. })),
        "{refused:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_halt_that_was_there_does_not_stop_a_rollback() {
    let stage = Stage::new();
    let repaired = stage.sweep(order(Mode::Repair)).await;
    let halt = Halt {
        why: "too wide".to_owned(),
        by: "bob".to_owned(),
        at: repaired.started_at,
    };
    stage.store.halt(&halt).await.unwrap();
    let undone = stage.sweep(undo(&repaired.id, Mode::Repair)).await;
    assert_eq!(undone.outcome, Some(SweepOutcome::Completed), "{undone:?}");
    assert_eq!(stage.differences().await.len(), DRIFTS.len());
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_never_was_cannot_be_rolled_back() {
    let stage = Stage::new();
    let process = stage.process("ann").await;
    let nowhere = SweepId::parse("nowhere").unwrap();
    let told = process
        .engine
        .sweep(undo(&nowhere, Mode::Repair), CancellationToken::new())
        .await;
    assert!(
        matches!(told, Err(SweepError::NoSuchSweep { .. })),
        "{told:?}"
    );
    // A slip of the pen is not on record as a sweep that failed.
    assert_eq!(stage.store.sweeps(None, 1).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_excluded_since_is_named_and_left_unless_it_is_asked_for() {
    let stage = Stage::new();
    let before = stage.differences().await;
    let repaired = stage.sweep(order(Mode::Repair)).await;
    let out = stage.world.reachable()[1];
    let mut settings = stage::settings("ann");
    settings.selector.exclude.accounts.insert(out);
    let process = stage.process_with(settings).await;
    let undone = process
        .engine
        .sweep(undo(&repaired.id, Mode::Repair), CancellationToken::new());
    let undone = undone.await.unwrap();
    let report = stage.report(&undone.id, out);
    assert_eq!(report.outcome, Outcome::Skipped, "{report:#?}");
    assert!(report.reason.unwrap().contains("skip"), "{undone:?}");
    let named = SweepOrder {
        accounts: Some([out].into()),
        ..undo(&repaired.id, Mode::Repair)
    };
    let undone = process.engine.sweep(named, CancellationToken::new()).await;
    assert_eq!(undone.unwrap().outcome, Some(SweepOutcome::Completed));
    process.engine.release_lease().await.unwrap();
    assert_eq!(stage.differences().await, before);
}

#[tokio::test(start_paused = true)]
async fn the_steps_of_a_process_that_died_are_settled_by_looking() {
    for (moment, expected) in [
        (Moment::Before, Completion::SettledUndone),
        (Moment::After, Completion::SettledDone),
    ] {
        let stage = Stage::new();
        let process = stage.process("first").await;
        process.wire.crash_at(2, moment);
        let dead = tokio::select! {
            biased;
            () = process.wire.dead.cancelled() => true,
            _ = process.engine.sweep(order(Mode::Repair), CancellationToken::new()) => false,
        };
        assert!(dead, "{moment:?}");
        drop(process);
        let open = stage.store.open().await.unwrap();
        assert_eq!(open.len(), 1, "{moment:?}");
        assert_eq!(stage.store.unfinished().await.unwrap().len(), 1);
        stage.sweep(order(Mode::Repair)).await;
        let journal = stage.store.journal();
        let entry = journal
            .iter()
            .find(|entry| entry.id == open[0].id)
            .expect("the entry");
        assert_eq!(entry.completion, Some(expected));
        assert_eq!(stage.store.open().await.unwrap(), []);
        // The sweep of the dead process has an end, too.
        assert_eq!(stage.store.unfinished().await.unwrap(), []);
        let dead = stage.store.sweep(&open[0].sweep).await.unwrap().unwrap();
        assert_eq!(dead.outcome, Some(SweepOutcome::Failed));
    }
}
