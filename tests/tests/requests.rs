//! What an audit of an account costs: 6 requests cold, 5 with known policy documents, 4 with a
//! live session, and no more round trips than one request has to wait for another.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test panics on purpose"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use expect_test::{Expect, expect};
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::{Mode, Outcome, SweepRecord};
use rolekeeper_engine::event::Event;
use rolekeeper_simulator::{Limits, Settings, World};
use rolekeeper_tests::sim::clock::SimClock;
use rolekeeper_tests::sim::memory::MemoryStore;
use rolekeeper_tests::sim::rig::{self, Process, demo_spec, order};
use tokio_util::sync::CancellationToken;

const ACCOUNTS: u32 = 60;
/// Long, so that what the limiters add while they learn the rate is no round trip.
const LATENCY: Duration = Duration::from_secs(1);

struct Stage {
    world: Arc<World>,
    store: Arc<MemoryStore>,
    clock: SimClock,
    process: Process<MemoryStore>,
    seen: usize,
}

impl Stage {
    async fn with(accounts: u32) -> Self {
        let world = Arc::new(World::new(Settings {
            accounts,
            provisioned: true,
            inactive: 0.0,
            control_tower: 0.0,
            tail: false,
            limits: Limits::none(),
            latency: LATENCY,
            ..Settings::default()
        }));
        let store = Arc::new(MemoryStore::default());
        let clock = SimClock::start();
        let settings = rig::settings("one", demo_spec());
        let process = Process::start(&world, &clock, &store, settings, 1).await;
        Self {
            world,
            store,
            clock,
            process,
            seen: 0,
        }
    }

    /// One audit, and the requests it made in accounts.
    async fn audit(&mut self) -> Audit {
        let sweep = order(Mode::Audit);
        let record = self
            .process
            .engine
            .sweep(sweep, CancellationToken::new())
            .await
            .unwrap();
        let events = self.process.listener.events();
        let mut calls: BTreeMap<AccountId, Vec<&'static str>> = BTreeMap::new();
        for event in events.iter().skip(self.seen) {
            if let Event::CallFinished {
                account: Some(account),
                operation,
                ..
            } = event
            {
                calls.entry(*account).or_default().push(operation.name());
            }
        }
        self.seen = events.len();
        Audit {
            calls,
            durations: self.durations(&record),
        }
    }

    fn durations(&self, record: &SweepRecord) -> Vec<u64> {
        let reports = self.store.all_reports(&record.id);
        let looked = reports
            .iter()
            .filter(|report| report.outcome != Outcome::Skipped);
        looked.map(|report| report.duration_ms).collect()
    }
}

struct Audit {
    calls: BTreeMap<AccountId, Vec<&'static str>>,
    durations: Vec<u64>,
}

impl Audit {
    /// Every account made the same calls, and these.
    #[track_caller]
    fn check(&self, accounts: u32, expected: &Expect) {
        assert_eq!(self.calls.len(), usize::try_from(accounts).unwrap());
        let mut shapes: Vec<String> = self
            .calls
            .values()
            .map(|calls| {
                let mut calls = calls.clone();
                calls.sort_unstable();
                format!("{} requests: {}", calls.len(), calls.join(" "))
            })
            .collect();
        shapes.sort();
        shapes.dedup();
        expected.assert_eq(&shapes.join("\n"));
    }

    /// The one account took so many round trips, each after the one before it.
    #[track_caller]
    fn took(&self, round_trips: u64) {
        let [duration] = self.durations.as_slice() else {
            panic!("{:?}", self.durations)
        };
        let latency = u64::try_from(LATENCY.as_millis()).unwrap();
        assert_eq!(duration / latency, round_trips, "{duration} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn an_audit_takes_six_requests_cold_five_warm_and_four_in_a_live_session() {
    let mut stage = Stage::with(ACCOUNTS).await;
    let cold = expect![
        "6 requests: AssumeRole GetPolicy GetPolicyVersion GetRole ListAttachedRolePolicies ListRolePolicies"
    ];
    stage.audit().await.check(ACCOUNTS, &cold);

    // The sessions of the first audit are still good, and what the policies say is known.
    let live = expect!["4 requests: GetPolicy GetRole ListAttachedRolePolicies ListRolePolicies"];
    stage.audit().await.check(ACCOUNTS, &live);

    // An hour later they are not, and the policies still are.
    stage.clock.wait(Duration::from_secs(3_600)).await;
    let warm = expect![
        "5 requests: AssumeRole GetPolicy GetRole ListAttachedRolePolicies ListRolePolicies"
    ];
    stage.audit().await.check(ACCOUNTS, &warm);
}

#[tokio::test(start_paused = true)]
async fn what_policies_say_is_known_to_the_next_process() {
    let mut first = Stage::with(ACCOUNTS).await;
    first.audit().await;
    let again = rig::settings("two", demo_spec());
    let process = Process::start(&first.world, &first.clock, &first.store, again, 2).await;
    let mut second = Stage {
        process,
        seen: 0,
        ..first
    };
    let warm = expect![
        "5 requests: AssumeRole GetPolicy GetRole ListAttachedRolePolicies ListRolePolicies"
    ];
    second.audit().await.check(ACCOUNTS, &warm);
}

#[tokio::test(start_paused = true)]
async fn only_what_needs_an_answer_waits_for_one() {
    let mut stage = Stage::with(1).await;
    // AssumeRole, then four at once, then what the policy says.
    stage.audit().await.took(3);
    stage.audit().await.took(1);
    stage.clock.wait(Duration::from_secs(3_600)).await;
    stage.audit().await.took(2);
}
