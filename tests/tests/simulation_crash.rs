//! The process dies at each single step of a repair, before and after the call, and the
//! next one converges. Two processes never write at once.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test panics on purpose"
)]

use std::sync::Arc;
use std::time::Duration;

use rolekeeper_domain::call::Operation;
use rolekeeper_domain::outcome::{Mode, Outcome, SweepOutcome};
use rolekeeper_engine::SweepError;
use rolekeeper_engine::event::Event;
use rolekeeper_simulator::check::Mutation;
use rolekeeper_simulator::faults::{Effect, Fault, Script, Trouble};
use rolekeeper_simulator::{ApiError, Drift, Limits, Settings, World};
use rolekeeper_tests::sim::check;
use rolekeeper_tests::sim::clock::SimClock;
use rolekeeper_tests::sim::memory::MemoryStore;
use rolekeeper_tests::sim::rig::{self, Moment, Process, demo_spec, order};
use tokio_util::sync::CancellationToken;

/// What is wrong in the accounts: between them every step that a plan can have.
const DRIFTS: [&[Drift]; 6] = [
    &[Drift::RoleMissing, Drift::PolicyMissing],
    &[
        Drift::TrustOpen,
        Drift::PolicyWider,
        Drift::AttachmentUnexpected,
    ],
    &[
        Drift::AttachmentMissing,
        Drift::RoleTags,
        Drift::RoleDescription,
    ],
    &[
        Drift::PolicyVersionsFull,
        Drift::InlineUnexpected,
        Drift::PolicyTags,
    ],
    &[Drift::RolePermissionsBoundary, Drift::TrustOtherAccount],
    &[
        Drift::PolicyNarrower,
        Drift::TrustWithoutExternalId,
        Drift::RoleMaxSessionDuration,
    ],
];

struct Stage {
    world: Arc<World>,
    store: Arc<MemoryStore>,
    clock: SimClock,
}

impl Stage {
    fn new() -> Self {
        let world = Arc::new(World::new(Settings {
            accounts: DRIFTS.len() as u32,
            provisioned: true,
            inactive: 0.0,
            control_tower: 0.0,
            tail: false,
            limits: Limits::none(),
            latency: Duration::from_millis(20),
            history: true,
            ..Settings::default()
        }));
        for (account, drifts) in world.reachable().iter().zip(DRIFTS) {
            for drift in drifts {
                assert!(world.plant(*account, *drift));
            }
        }
        let store = Arc::new(MemoryStore::default());
        store.watch(&world);
        Self {
            world,
            store,
            clock: SimClock::start(),
        }
    }

    async fn process(&self, holder: &str) -> Process<MemoryStore> {
        let mut settings = rig::settings(holder, demo_spec());
        // One account after the other: the steps have an order that can be counted.
        settings.limits.concurrency = 1;
        Process::start(&self.world, &self.clock, &self.store, settings, 1).await
    }

    /// Whatever happened: a new process puts everything right and a further one writes nothing.
    async fn converges(&self, what: &str) {
        self.clock.wait(Duration::from_secs(30)).await;
        let process = self.process("second").await;
        let record = process
            .engine
            .sweep(order(Mode::Repair), CancellationToken::new())
            .await
            .expect(what);
        assert_eq!(
            record.outcome,
            Some(SweepOutcome::Completed),
            "{what}: {record:?}"
        );
        let wrong: Vec<_> = self
            .store
            .all_reports(&record.id)
            .into_iter()
            .filter(|report| matches!(report.outcome, Outcome::Failed | Outcome::Drifted))
            .collect();
        assert!(wrong.is_empty(), "{what}: {wrong:#?}");
        self.holds(what);
        self.clock.wait(Duration::from_secs(30)).await;
        let quiet = self.process("third").await;
        quiet
            .engine
            .sweep(order(Mode::Repair), CancellationToken::new())
            .await
            .expect(what);
        assert_eq!(
            quiet.wire.writes(),
            0,
            "{what}: a sweep over what is right wrote something"
        );
    }

    fn holds(&self, what: &str) {
        assert_eq!(check::unrecorded(&self.world, &self.store), None, "{what}");
        assert_eq!(check::strayed(&self.world), None, "{what}");
        assert_eq!(check::exposed(&self.world, 0), None, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_at_any_step_leaves_nothing_that_the_next_one_does_not_put_right() {
    let whole = Stage::new();
    let process = whole.process("first").await;
    process
        .engine
        .sweep(order(Mode::Repair), CancellationToken::new())
        .await
        .unwrap();
    whole.holds("the whole repair");
    let steps = process.wire.writes();
    assert!(
        steps >= 15,
        "only {steps} steps: the drifts do not need enough of them"
    );
    for index in 0..steps {
        for moment in [Moment::Before, Moment::After] {
            let what = format!("killed {moment:?} write {index} of {steps}");
            let stage = Stage::new();
            let process = stage.process("first").await;
            process.wire.crash_at(index, moment);
            tokio::select! {
                biased;
                () = process.wire.dead.cancelled() => {}
                ended = process.engine.sweep(order(Mode::Repair), CancellationToken::new()) => {
                    panic!("{what}: it was not: {ended:?}");
                }
            }
            drop(process);
            stage.holds(&what);
            stage.converges(&what).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stood_still_past_its_lease_begins_no_further_step() {
    for after in [10, 130, 400, 900] {
        let what = format!("paused after {after} ms of writing");
        let stage = Stage::new();
        let first = stage.process("first").await;
        let second = stage.process("second").await;
        let sweep = first
            .engine
            .sweep(order(Mode::Repair), CancellationToken::new());
        let takeover = async {
            // The first phase is over when the first write is sent.
            while first.wire.writes() == 0 {
                stage.clock.wait(Duration::from_millis(1)).await;
            }
            stage.clock.wait(Duration::from_millis(after)).await;
            let paused = first.wire.pause();
            let at_pause = stage.store.journal().len();
            stage.clock.wait(Duration::from_secs(5)).await;
            let too_early = second
                .engine
                .sweep(order(Mode::Repair), CancellationToken::new())
                .await;
            assert!(
                matches!(too_early, Err(SweepError::NotLeader { .. })),
                "{what}: {too_early:?}"
            );
            stage.clock.wait(Duration::from_secs(15)).await;
            second
                .engine
                .sweep(order(Mode::Repair), CancellationToken::new())
                .await
                .expect(&what);
            let of_second = stage.store.journal().len();
            assert!(of_second >= at_pause);
            paused.cancel();
            of_second
        };
        let (first_ended, of_second) = tokio::join!(sweep, takeover);
        // At the moment of the pause one call may have been on its way; nothing was begun since.
        assert_eq!(stage.store.journal().len(), of_second, "{what}");
        // It may find that nothing is left to do. If something is, that is not its to do.
        let outcome = first_ended.expect(&what).outcome;
        let good = [Some(SweepOutcome::Failed), Some(SweepOutcome::Completed)];
        assert!(good.contains(&outcome), "{what}: {outcome:?}");
        stage.holds(&what);
        stage.converges(&what).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_process_with_a_clock_a_day_ahead_left_is_settled_within_minutes() {
    let stage = Stage::new();
    let process = stage.process("first").await;
    process.clock.jump(86_400);
    process.wire.crash_at(3, Moment::Before);
    tokio::select! {
        biased;
        () = process.wire.dead.cancelled() => {}
        ended = process.engine.sweep(order(Mode::Repair), CancellationToken::new()) => {
            panic!("it was not killed: {ended:?}");
        }
    }
    drop(process);
    let begun = stage.clock.true_time();
    let second = stage.process("second").await;
    let early = second
        .engine
        .sweep(order(Mode::Repair), CancellationToken::new())
        .await;
    assert!(
        matches!(early, Err(SweepError::NotLeader { .. })),
        "{early:?}"
    );
    stage.converges("after a clock that was ahead").await;
    let took = stage.clock.true_time().duration_since(begun).as_secs();
    assert!(took < 600, "it took {took} s");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_another_attempt_is_not_made_once_the_sweep_has_stopped() {
    let stage = Stage::new();
    let slow = Fault {
        effect: Effect::None,
        trouble: Trouble::Error(ApiError {
            status: 400,
            code: "Throttling".into(),
            message: "simulated".to_owned(),
        }),
    };
    stage.world.script(Script::on("CreateRole", slow).nth(1));
    let process = stage.process("first").await;
    let cancel = CancellationToken::new();
    let stop = async {
        let is_waiting = |event: &Event| {
            matches!(
                event,
                Event::Retrying {
                    operation: Operation::CreateRole,
                    ..
                }
            )
        };
        while process.listener.count(is_waiting) == 0 {
            stage.clock.wait(Duration::from_millis(1)).await;
        }
        cancel.cancel();
    };
    let sweep = process.engine.sweep(order(Mode::Repair), cancel.clone());
    let (record, ()) = tokio::join!(sweep, stop);
    assert_eq!(record.unwrap().outcome, Some(SweepOutcome::Cancelled));
    let made = |change: &Mutation| change.operation == "CreateRole";
    assert!(
        !stage.world.history().iter().any(made),
        "it was made all the same"
    );
    let open = stage.store.journal();
    let open = open.iter().filter(|entry| entry.completion.is_none());
    assert_eq!(
        open.count(),
        0,
        "what was not made is on record as not made"
    );
    stage.holds("the stopped sweep");
    stage.converges("the stopped sweep").await;
}
