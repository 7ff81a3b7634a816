//! A halt that somebody calls in the midst of a repair, in simulated time.
#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use rolekeeper_domain::outcome::{Mode, StepResult, SweepOutcome};
use rolekeeper_engine::port::store::{Control as _, Halt};
use rolekeeper_simulator::{Drift, World};
use rolekeeper_tests::sim::check;
use rolekeeper_tests::sim::clock::SimClock;
use rolekeeper_tests::sim::memory::MemoryStore;
use rolekeeper_tests::sim::rig::{self, Process, demo_spec, order};
use tokio_util::sync::CancellationToken;

/// Somebody halts once so many writes were sent. Answers whether an account was left between two of its steps.
async fn halted_after(writes: u64, poll: Duration) -> bool {
    let world = Arc::new(World::new(rig::calm(30)));
    for account in world.reachable() {
        assert!(world.plant(account, Drift::RoleMissing));
        assert!(world.plant(account, Drift::PolicyMissing));
    }
    let (store, clock) = (Arc::new(MemoryStore::default()), SimClock::start());
    store.watch(&world);
    let mut settings = rig::settings("one", demo_spec());
    settings.limits.concurrency = 1;
    settings.limits.poll = poll;
    let process = Process::start(&world, &clock, &store, settings, 1).await;
    let halt = async {
        while process.wire.writes() < writes {
            clock.wait(Duration::from_millis(5)).await;
        }
        let halt = Halt {
            why: "look at this first".to_owned(),
            by: "somebody".to_owned(),
            at: clock.true_time(),
        };
        store.halt(&halt).await.unwrap();
        halt.at
    };
    let sweep = process
        .engine
        .sweep(order(Mode::Repair), CancellationToken::new());
    let (record, halted) = tokio::join!(sweep, halt);
    let record = record.unwrap();
    assert_eq!(record.outcome, Some(SweepOutcome::Halted), "{record:?}");
    assert_eq!(record.reason.as_deref(), Some("look at this first"));
    let poll = SignedDuration::try_from(poll).unwrap();
    for entry in store.journal() {
        let late = entry.intended_at.duration_since(halted);
        assert!(late <= poll, "begun {late:?} after the halt: {entry:?}");
    }
    assert_eq!(check::unrecorded(&world, &store), None);
    assert_eq!(check::exposed(&world, 0), None);
    let reports = store.all_reports(&record.id);
    reports.into_iter().any(|report| {
        let took = |result| report.steps.iter().any(|step| step.result == result);
        took(StepResult::Done) && took(StepResult::Refused)
    })
}

#[tokio::test(start_paused = true)]
async fn a_halt_is_seen_within_a_poll_and_no_step_begins_after_it_was() {
    let mut between = Vec::new();
    for writes in 1..=6 {
        for poll in [Duration::from_millis(10), Duration::from_secs(2)] {
            between.push(halted_after(writes, poll).await);
        }
    }
    assert!(
        between.contains(&true),
        "nothing was stopped between two steps"
    );
}
