//! What a rollback heeds: a change freeze, a word that is wanted, its canary, a newer halt.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use rolekeeper_domain::fault::Category;
use rolekeeper_domain::outcome::{Mode, Outcome, StepResult, SweepOutcome, SweepRecord};
use rolekeeper_engine::port::store::Control as _;
use rolekeeper_engine::rollout::Rollout;
use rolekeeper_engine::{EngineSettings, SweepOrder};
use rolekeeper_simulator::faults::{Effect, Fault, Script, Trouble};
use rolekeeper_simulator::{ApiError, Drift};
use rolekeeper_tests::sim::rig::order;

use crate::stage::{DRIFTS, Stage, bob_halts, carried_out, settings, undo};

/// An order to undo a sweep that nobody has agreed to beforehand.
fn unagreed(repaired: &SweepRecord) -> SweepOrder {
    SweepOrder {
        approved_by: None,
        ..undo(&repaired.id, Mode::Repair)
    }
}

/// Both ways of having to ask.
fn asking() -> [(&'static str, EngineSettings); 2] {
    let (mut widening, mut above) = (settings("ann"), settings("ann"));
    widening.approve_widening = true;
    above.rollout = Rollout {
        approve_above: DRIFTS.len() as u64 - 1,
        ..Rollout::default()
    };
    [("approve_widening", widening), ("approve_above", above)]
}

#[tokio::test(start_paused = true)]
async fn a_rollback_in_a_frozen_time_undoes_nothing_and_says_why() {
    let stage = Stage::new();
    let repaired = stage.sweep(order(Mode::Repair)).await;
    let changes = stage.changes();
    let mut settings = settings("ann");
    settings.freeze = Some(Arc::new(|_| Some("year's end".to_owned())));
    let process = stage.process_with(settings).await;
    let frozen = carried_out(&process, undo(&repaired.id, Mode::Repair)).await;
    let reports = stage.store.all_reports(&frozen.id);
    assert_eq!(reports.len(), DRIFTS.len());
    for report in reports {
        let reason = report.reason.as_deref().unwrap_or_default();
        assert!(reason.contains("year's end"), "{report:#?}");
        assert!(!report.steps.is_empty(), "{report:#?}");
        let refused = |result| result == StepResult::Refused;
        assert!(report.steps.iter().all(|step| refused(step.result)));
    }
    assert_eq!((process.wire.writes(), stage.changes()), (0, changes));
}

#[tokio::test(start_paused = true)]
async fn a_freeze_that_begins_in_the_midst_of_a_rollback_holds_from_the_next_step_on() {
    let stage = Stage::alike(10, &[Drift::AttachmentMissing, Drift::RoleDescription]);
    let repaired = stage.sweep(order(Mode::Repair)).await;
    let changes = stage.changes();
    let mut settings = settings("ann");
    let (clock, frozen) = (stage.clock.clone(), Arc::new(std::sync::OnceLock::new()));
    let from = Arc::clone(&frozen);
    settings.freeze = Some(Arc::new(move |now| {
        let is_frozen = from.get().is_some_and(|from| *from <= now);
        is_frozen.then(|| "year's end".to_owned())
    }));
    let process = stage.process_with(settings).await;
    let freeze = async {
        while process.wire.writes() < 7 {
            clock.wait(Duration::from_millis(5)).await;
        }
        frozen.set(clock.true_time()).unwrap();
        process.wire.writes()
    };
    let rollback = carried_out(&process, undo(&repaired.id, Mode::Repair));
    let (record, written) = tokio::join!(rollback, freeze);
    assert_eq!(process.wire.writes(), written);
    let reports = stage.store.all_reports(&record.id);
    let told = reports.iter().filter(|report| {
        let reason = report.reason.as_deref().unwrap_or_default();
        reason.contains("year's end")
    });
    assert_eq!(told.count(), 7, "three accounts were undone before");
    stage.holds(0, changes, "frozen midway");
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_needs_a_word_waits_for_it_and_goes_on_with_it() {
    for (what, settings) in asking() {
        let stage = Stage::new();
        let before = stage.differences().await;
        let repaired = stage.sweep(order(Mode::Repair)).await;
        let changes = stage.changes();
        let process = stage.process_with(settings).await;
        let word = async {
            let waiting = loop {
                stage.clock.wait(Duration::from_secs(1)).await;
                if let Some(sweep) = stage.store.waiting().pop() {
                    break sweep;
                }
            };
            stage.clock.wait(Duration::from_secs(60)).await;
            assert_eq!(process.wire.writes(), 0, "{what}: nobody agreed yet");
            // Nothing is undone by then, so there is nothing to keep.
            assert_eq!(stage.store.halted().await.unwrap(), None, "{what}");
            let now = stage.clock.true_time();
            assert!(stage.store.approve(&waiting, "bob", now).await.unwrap());
        };
        let (undone, ()) = tokio::join!(carried_out(&process, unagreed(&repaired)), word);
        assert_eq!(undone.outcome, Some(SweepOutcome::Completed), "{what}");
        assert_eq!(stage.differences().await, before, "{what}");
        stage.holds(0, changes, what);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_nobody_agrees_to_undoes_nothing_and_halts_nobody() {
    for (what, mut settings) in asking() {
        settings.limits.approval_wait = Duration::from_secs(90);
        let stage = Stage::new();
        let repaired = stage.sweep(order(Mode::Repair)).await;
        let changes = stage.changes();
        let process = stage.process_with(settings).await;
        let undone = carried_out(&process, unagreed(&repaired)).await;
        assert_eq!(undone.outcome, Some(SweepOutcome::Cancelled), "{what}");
        let reason = undone.reason.unwrap();
        assert!(reason.contains("nobody approved its 5 changes"), "{reason}");
        assert_eq!((process.wire.writes(), stage.changes()), (0, changes));
        assert_eq!(stage.store.halted().await.unwrap(), None, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_only_takes_away_needs_no_word() {
    let stage = Stage::alike(3, &[Drift::RoleMissing]);
    let before = stage.differences().await;
    let repaired = stage.sweep(order(Mode::Repair)).await;
    let [(_, widening), _] = asking();
    let process = stage.process_with(widening).await;
    let undone = carried_out(&process, unagreed(&repaired)).await;
    assert_eq!(undone.outcome, Some(SweepOutcome::Completed), "{undone:?}");
    assert_eq!(stage.differences().await, before);
}

#[tokio::test(start_paused = true)]
async fn a_failure_in_the_canary_of_a_rollback_stops_it_and_the_others_keep_what_they_have() {
    let stage = Stage::alike(20, &[Drift::AttachmentMissing]);
    let repaired = stage.sweep(order(Mode::Repair)).await;
    let changes = stage.changes();
    let accounts = stage.accounts();
    let denied = ApiError {
        status: 403,
        code: "AccessDenied".into(),
        message: "not here".to_owned(),
    };
    let denied = Fault {
        effect: Effect::None,
        trouble: Trouble::Error(denied),
    };
    let script = Script::on("DetachRolePolicy", denied).account(accounts[1]);
    stage.world.script(script);
    let undone = stage.sweep(undo(&repaired.id, Mode::Repair)).await;
    assert_eq!(undone.outcome, Some(SweepOutcome::Halted), "{undone:?}");
    assert!(undone.reason.unwrap().contains("of the canary failed"));
    let report = stage.report(&undone.id, accounts[1]);
    assert_eq!(report.outcome, Outcome::Failed, "{report:#?}");
    assert_eq!(report.failure.unwrap().category, Category::AccessDenied);
    // The canary is three accounts, and the third is not begun after the second has failed.
    assert_eq!(stage.changed_since(changes), [accounts[0]].into());
    assert!(stage.store.halted().await.unwrap().is_some());
    stage.world.clear_scripts();
    let differ: Vec<_> = stage.differences().await.into_keys().collect();
    assert_eq!(differ, [accounts[0]]);
    stage.holds(0, changes, "a canary that failed");
    // Once that is put right, the rest is undone as well.
    let again = stage.sweep(undo(&repaired.id, Mode::Repair)).await;
    assert_eq!(again.outcome, Some(SweepOutcome::Completed), "{again:?}");
    assert_eq!(stage.differences().await.len(), accounts.len());
}

/// Somebody halts once a rollback has sent so many writes. Answers whether an account was left between two of its
/// steps.
async fn halted_after(writes: u64, poll: Duration) -> bool {
    let stage = Stage::alike(12, &[Drift::AttachmentMissing, Drift::RoleDescription]);
    let repaired = stage.sweep(order(Mode::Repair)).await;
    let changes = stage.changes();
    let mut settings = settings("ann");
    settings.limits.poll = poll;
    let process = stage.process_with(settings).await;
    let (store, clock) = (&stage.store, &stage.clock);
    let halt = async {
        while process.wire.writes() < writes {
            clock.wait(Duration::from_millis(5)).await;
        }
        bob_halts(&stage).await
    };
    let rollback = carried_out(&process, undo(&repaired.id, Mode::Repair));
    let (record, halt) = tokio::join!(rollback, halt);
    let what = format!("halted after {writes} writes, seen within {poll:?}");
    assert_eq!(record.outcome, Some(SweepOutcome::Halted), "{what}");
    assert_eq!(record.reason.as_deref(), Some("not so fast"), "{what}");
    assert_eq!(store.halted().await.unwrap(), Some(halt.clone()), "{what}");
    let poll = SignedDuration::try_from(poll).unwrap();
    for entry in store.journal() {
        let late = entry.intended_at.duration_since(halt.at);
        assert!(late <= poll, "{what}: begun {late:?} after it: {entry:?}");
    }
    let undone = stage.changed_since(changes);
    assert!(undone.len() < 12, "{what}: all was undone");
    stage.holds(0, changes, &what);
    let differ = stage.differences().await;
    assert!(differ.keys().eq(undone.iter()), "{what}: {differ:?}");
    let reports = store.all_reports(&record.id);
    reports.into_iter().any(|report| {
        let took = |result| report.steps.iter().any(|step| step.result == result);
        took(StepResult::Done) && took(StepResult::Refused)
    })
}

#[tokio::test(start_paused = true)]
async fn a_halt_that_comes_midway_stops_a_rollback_and_stays_in_force() {
    let mut between = Vec::new();
    for writes in [1, 4] {
        for poll in [Duration::from_millis(10), Duration::from_secs(2)] {
            between.push(halted_after(writes, poll).await);
        }
    }
    assert!(
        between.contains(&true),
        "nothing was stopped between two steps"
    );
}
