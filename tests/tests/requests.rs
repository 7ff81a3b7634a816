//! What an audit of an account costs: 6 requests cold, 5 with known policy documents, 4 with a
//! live session, and no more round trips than one request has to wait for another.
#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use expect_test::{Expect, expect};
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::outcome::{AccountReport, Mode, Outcome};
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
            reports: self.store.all_reports(&record.id),
        }
    }
}

struct Audit {
    calls: BTreeMap<AccountId, Vec<&'static str>>,
    reports: Vec<AccountReport>,
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
        let mut looked = self.reports.iter();
        let looked = looked.find(|report| report.outcome != Outcome::Skipped);
        let duration = looked.unwrap().duration_ms;
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

#[tokio::test(start_paused = true)]
async fn names_of_units_cost_a_call_for_each_unit_with_units_on_the_way_to_an_account() {
    let mut stage = Stage::with(ACCOUNTS).await;
    let audit = stage.audit().await;
    let events = stage.process.listener.events();
    let listings = events
        .iter()
        .filter(|event| {
            matches!(event, Event::CallFinished { operation, .. }
                if *operation == Operation::ListOrganizationalUnitsForParent)
        })
        .count();

    let paths: BTreeMap<AccountId, String> = stage
        .world
        .accounts()
        .into_iter()
        .map(|account| (account.id, account.path))
        .collect();
    // The root, and each unit that has another below it on somebody's way.
    let branches: BTreeSet<&str> = paths
        .values()
        .flat_map(|path| path.match_indices('/').map(|(at, _)| path.split_at(at).0))
        .collect();
    assert!(branches.len() < 8, "{branches:?}");
    assert_eq!(listings, branches.len() + 1);

    for report in &audit.reports {
        let path = report.ou_path.trim_matches('/');
        assert_eq!(Some(path), paths.get(&report.account).map(String::as_str));
    }
    assert_eq!(audit.reports.len(), paths.len());
}
