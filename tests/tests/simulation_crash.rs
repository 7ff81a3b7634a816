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
use rolekeeper_domain::role::{Ensure, RoleSpec};
use rolekeeper_engine::SweepError;
use rolekeeper_engine::event::Event;
use rolekeeper_engine::port::store::Journal as _;
use rolekeeper_simulator::check::Mutation;
use rolekeeper_simulator::faults::{Effect, Fault, Script, Trouble};
use rolekeeper_simulator::{ApiError, Drift, World};
use rolekeeper_tests::sim::check;
use rolekeeper_tests::sim::clock::SimClock;
use rolekeeper_tests::sim::memory::MemoryStore;
use rolekeeper_tests::sim::rig::{self, Moment, Process, demo_spec, order};
use rolekeeper_tests::sim::wanted::{SECOND_ROLE, absent, second_spec, untagged};
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

/// What is on the roles that are to go: between them every way to take something off a role.
const LEAVING: [&[Drift]; 3] = [
    &[Drift::AttachmentUnexpected, Drift::InlineUnexpected],
    &[Drift::PolicyVersionsFull, Drift::RolePermissionsBoundary],
    &[Drift::AttachmentMissing, Drift::TrustOpen],
];

/// What makes a role and its policy another hand's, and what is wrong with them.
const FOREIGN: [&[Drift]; 3] = [
    &[Drift::RoleTags, Drift::PolicyTags],
    &[
        Drift::RoleTags,
        Drift::TrustOpen,
        Drift::AttachmentUnexpected,
        Drift::InlineUnexpected,
    ],
    &[
        Drift::RoleTags,
        Drift::PolicyTags,
        Drift::PolicyWider,
        Drift::RoleDescription,
    ],
];

/// A repair to be killed.
struct Scenario {
    name: &'static str,
    /// What is wanted.
    specs: Vec<RoleSpec>,
    /// What stands in the accounts at first. Drift is planted in the first of them.
    built: Vec<RoleSpec>,
    drifts: &'static [&'static [Drift]],
    /// Whether the last role is missing in every other account.
    holes: bool,
    /// Whether each of them becomes ours.
    adopts: bool,
    /// Fewer steps would show too little.
    at_least: u64,
}

impl Scenario {
    fn drifted() -> Self {
        Self {
            name: "drift",
            specs: vec![demo_spec()],
            built: vec![demo_spec()],
            drifts: &DRIFTS,
            holes: false,
            adopts: false,
            at_least: 15,
        }
    }

    fn leaving() -> Self {
        Self {
            name: "ensure = absent",
            specs: vec![absent(demo_spec())],
            built: vec![demo_spec()],
            drifts: &LEAVING,
            holes: false,
            adopts: false,
            at_least: 12,
        }
    }

    fn two_roles() -> Self {
        Self {
            name: "two roles",
            specs: vec![second_spec(), demo_spec()],
            built: vec![demo_spec(), second_spec()],
            drifts: DRIFTS.split_at(3).0,
            holes: true,
            adopts: false,
            at_least: 15,
        }
    }

    fn one_comes_and_one_goes() -> Self {
        Self {
            name: "one role comes, one goes",
            specs: vec![absent(demo_spec()), second_spec()],
            built: vec![demo_spec(), second_spec()],
            drifts: LEAVING.split_at(2).0,
            holes: true,
            adopts: false,
            at_least: 10,
        }
    }

    fn adopted() -> Self {
        Self {
            name: "adoption",
            specs: vec![untagged(demo_spec())],
            built: vec![untagged(demo_spec())],
            drifts: &FOREIGN,
            holes: false,
            adopts: true,
            at_least: 5,
        }
    }
}

struct Stage {
    world: Arc<World>,
    store: Arc<MemoryStore>,
    clock: SimClock,
    specs: Arc<[RoleSpec]>,
}

impl Stage {
    fn new() -> Self {
        Self::of(&Scenario::drifted())
    }

    fn of(scenario: &Scenario) -> Self {
        let settings = rig::calm(scenario.drifts.len() as u32);
        let built = scenario.built.clone();
        let world = Arc::new(World::provisioned_with(settings, move |_| built.clone()));
        for (index, (account, drifts)) in (0..).zip(world.reachable().iter().zip(scenario.drifts)) {
            for drift in *drifts {
                assert!(world.plant(*account, *drift));
            }
            if scenario.holes && index % 2 == 0 {
                assert!(world.remove_role(*account, SECOND_ROLE));
            }
        }
        let store = Arc::new(MemoryStore::default());
        store.watch(&world);
        Self {
            world,
            store,
            clock: SimClock::start(),
            specs: Arc::from(scenario.specs.clone()),
        }
    }

    async fn process(&self, holder: &str) -> Process<MemoryStore> {
        let mut settings = rig::settings_of(holder, Arc::clone(&self.specs));
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
        assert_eq!(check::unsettled(&self.world, &self.store), None, "{what}");
        self.is_as_specified(what);
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
        let (world, specs) = (&self.world, &self.specs);
        assert_eq!(check::unrecorded(world, &self.store), None, "{what}");
        assert_eq!(check::strayed_from(world, specs), None, "{what}");
        assert_eq!(check::exposed_under(world, specs, 0), None, "{what}");
    }

    /// What the reports say is what stands there.
    fn is_as_specified(&self, what: &str) {
        for account in self.world.reachable() {
            for spec in self.specs.iter() {
                let role = self.world.role(account, spec.name.as_str());
                let is_wanted = spec.ensure == Ensure::Present;
                assert_eq!(role.is_some(), is_wanted, "{what}: {}", spec.name);
                for policy in &spec.managed_policies {
                    let policy = self.world.policy(account, policy.name.as_str());
                    assert_eq!(policy.is_some(), is_wanted, "{what}: {policy:?}");
                }
            }
        }
    }
}

/// Kills a repair at each of its steps, before and after the call.
async fn killed_at_each_step(scenario: &Scenario) {
    let name = scenario.name;
    let whole = Stage::of(scenario);
    let process = whole.process("first").await;
    process
        .engine
        .sweep(order(Mode::Repair), CancellationToken::new())
        .await
        .unwrap();
    whole.holds("the whole repair");
    whole.is_as_specified("the whole repair");
    let steps = process.wire.writes();
    assert!(
        steps >= scenario.at_least,
        "only {steps} steps: {name} does not need enough of them"
    );
    for index in 0..steps {
        for moment in [Moment::Before, Moment::After] {
            let what = format!("{name}: killed {moment:?} write {index} of {steps}");
            let stage = Stage::of(scenario);
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
            stage.converges(&what).await;
            for account in stage.world.reachable().iter().filter(|_| scenario.adopts) {
                let owned = stage.store.owned(*account).await.unwrap();
                assert!(!owned.is_empty(), "{what}: not adopted in {account}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_at_any_step_leaves_nothing_that_the_next_one_does_not_put_right() {
    killed_at_each_step(&Scenario::drifted()).await;
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_is_killed_at_any_step_is_finished_by_the_next_process() {
    killed_at_each_step(&Scenario::leaving()).await;
}

#[tokio::test(start_paused = true)]
async fn a_repair_of_two_roles_that_is_killed_at_any_step_is_finished_by_the_next_process() {
    killed_at_each_step(&Scenario::two_roles()).await;
}

#[tokio::test(start_paused = true)]
async fn a_role_that_comes_while_another_goes_is_finished_by_the_next_process() {
    killed_at_each_step(&Scenario::one_comes_and_one_goes()).await;
}

#[tokio::test(start_paused = true)]
async fn an_adoption_that_is_killed_at_any_step_is_finished_by_the_next_process() {
    killed_at_each_step(&Scenario::adopted()).await;
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
