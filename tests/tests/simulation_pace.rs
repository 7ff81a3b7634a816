//! Pace in simulated time: how near the engine comes to what AWS allows, and how rarely it
//! is told to slow down. Counts and simulated seconds, so the same on every machine.
#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rolekeeper_domain::call::{Operation, Service};
use rolekeeper_domain::fault::Category;
use rolekeeper_domain::outcome::{Mode, SweepRecord};
use rolekeeper_engine::event::{CallOutcome, Event};
use rolekeeper_engine::port::store::Memory as _;
use rolekeeper_simulator::{Limits, Settings, World};
use rolekeeper_tests::sim::clock::SimClock;
use rolekeeper_tests::sim::memory::MemoryStore;
use rolekeeper_tests::sim::rig::{self, Process, demo_spec, order};
use tokio_util::sync::CancellationToken;

const ACCOUNTS: u32 = 400;

struct Pace {
    world: Arc<World>,
    store: Arc<MemoryStore>,
    clock: SimClock,
}

/// What a sweep took and met.
struct Measured {
    record: SweepRecord,
    seconds: f64,
    iam_calls: f64,
    throttled: f64,
}

impl Pace {
    fn of(limits: Limits, latency: u64) -> Self {
        let world = Arc::new(World::new(Settings {
            accounts: ACCOUNTS,
            provisioned: true,
            inactive: 0.0,
            control_tower: 0.0,
            ragged_pages: false,
            tail: false,
            limits,
            latency: Duration::from_millis(latency),
            ..Settings::default()
        }));
        Self {
            world,
            store: Arc::default(),
            clock: SimClock::start(),
        }
    }

    async fn process(&self) -> Process<MemoryStore> {
        let settings = rig::settings("one", demo_spec());
        Process::start(&self.world, &self.clock, &self.store, settings, 1).await
    }

    async fn audit(&self, process: &Process<MemoryStore>) -> Measured {
        let before = process.listener.events().len();
        let begun = self.clock.true_time();
        let record = process
            .engine
            .sweep(order(Mode::Audit), CancellationToken::new())
            .await
            .unwrap();
        let seconds = self.clock.true_time().duration_since(begun).as_secs_f64();
        let (mut iam_calls, mut throttled) = (0.0, 0.0);
        for event in process.listener.events().into_iter().skip(before) {
            if let Event::CallFinished {
                operation, outcome, ..
            } = event
                && operation.service() == Service::Iam
            {
                iam_calls += 1.0;
                if outcome == CallOutcome::Failed(Category::Throttled) {
                    throttled += 1.0;
                }
            }
        }
        Measured {
            record,
            seconds,
            iam_calls,
            throttled,
        }
    }
}

fn hub(rate: f64) -> Limits {
    Limits {
        published: false,
        iam_rate: Some(rate),
        target_rate: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_hidden_rate_is_discovered_with_few_throttles_and_used_up_once_known() {
    let pace = Pace::of(hub(100.0), 40);
    let process = pace.process().await;
    let cold = pace.audit(&process).await;
    assert_eq!(cold.record.summary.in_sync, u64::from(ACCOUNTS));
    let share = cold.throttled / cold.iam_calls;
    assert!(share <= 0.02, "discovering: {share:.4} throttled");

    // The next process begins with what this one learned.
    let rates = pace.store.rates().await.unwrap();
    let known = rates.get("iam:read").copied().unwrap();
    assert!((70.0..140.0).contains(&known), "learned {known}");
    let process = pace.process().await;
    pace.clock.wait(Duration::from_secs(60)).await;
    let warm = pace.audit(&process).await;
    let share = warm.throttled / warm.iam_calls;
    assert!(share <= 0.005, "known: {share:.4} throttled");
    // Four calls an account at the allowed rate.
    let floor = 4.0 * f64::from(ACCOUNTS) / 100.0;
    // The first page of accounts is there after a second and a half.
    let seconds = warm.seconds - 1.5;
    assert!(
        floor / seconds >= 0.9,
        "{seconds} s where {floor} are the floor"
    );
}

#[tokio::test(start_paused = true)]
async fn without_limits_latency_is_what_counts() {
    let pace = Pace::of(Limits::none(), 100);
    let rates = BTreeMap::from([("iam:read".to_owned(), 5_000.0)]);
    pace.store.remember_rates(&rates).await.unwrap();
    let process = pace.process().await;
    let cold = pace.audit(&process).await;
    // Three rounds an account, 64 in flight; before that: who we are, the tree, 21 pages at 8 a second.
    let floor = 3.0 * 0.1 * f64::from(ACCOUNTS) / 64.0;
    let discovery = 4.0;
    assert!(
        cold.seconds <= floor / 0.85 + discovery,
        "{} s where {floor} are the floor",
        cold.seconds
    );
}

#[tokio::test(start_paused = true)]
async fn one_target_that_is_always_throttled_costs_the_others_next_to_nothing() {
    beside_a_slow_target(95.0).await;
}

/// Where the hub itself runs into its limit now and then, the slow one is not counted among its throttled targets.
#[tokio::test(start_paused = true)]
async fn one_target_that_is_always_throttled_is_no_sign_of_a_hub_that_is_too_fast() {
    beside_a_slow_target(105.0).await;
}

/// A sweep that begins at this remembered pace, where 100 a second are allowed, with and without a slow target.
async fn beside_a_slow_target(remembered: f64) {
    let rates = BTreeMap::from([("iam:read".to_owned(), remembered)]);
    let calm = Pace::of(hub(100.0), 40);
    calm.store.remember_rates(&rates).await.unwrap();
    let without = calm.audit(&calm.process().await).await;

    let pace = Pace::of(hub(100.0), 40);
    pace.store.remember_rates(&rates).await.unwrap();
    let slow = *pace.world.reachable().get(100).unwrap();
    assert!(pace.world.set_target_rate(slow, Some(0.01)));
    let process = pace.process().await;
    let others = async {
        loop {
            pace.clock.wait(Duration::from_millis(100)).await;
            let done = process.listener.count(|event| {
                matches!(event, Event::AccountFinished { report, .. } if report.account != slow)
            });
            if done >= ACCOUNTS as usize {
                return pace.clock.true_time();
            }
        }
    };
    let begun = pace.clock.true_time();
    let (with, others) = tokio::join!(pace.audit(&process), others);
    let seconds = others.duration_since(begun).as_secs_f64();
    assert!(
        seconds <= without.seconds * 1.05 + 0.2,
        "{seconds} s against {} s",
        without.seconds
    );
    assert_eq!(with.record.summary.failed, 1, "{:?}", with.record);
}

#[tokio::test(start_paused = true)]
async fn ten_seconds_after_the_rate_halves_nine_tenths_of_it_are_used() {
    let pace = Pace::of(hub(120.0), 40);
    let rates = BTreeMap::from([("iam:read".to_owned(), 115.0)]);
    pace.store.remember_rates(&rates).await.unwrap();
    let process = pace.process().await;
    let passed = || {
        process.listener.count(|event| {
            matches!(event, Event::CallFinished { operation, outcome: CallOutcome::Ok, .. }
                if operation.service() == Service::Iam && *operation != Operation::AssumeRole)
        })
    };
    let observe = async {
        pace.clock.wait(Duration::from_secs(6)).await;
        pace.world.set_limits(hub(60.0));
        pace.clock.wait(Duration::from_secs(10)).await;
        let before = passed();
        pace.clock.wait(Duration::from_secs(4)).await;
        passed() - before
    };
    let (measured, in_four_seconds) = tokio::join!(pace.audit(&process), observe);
    assert!(
        in_four_seconds >= 54 * 4,
        "{in_four_seconds} calls in four seconds at 60 a second"
    );
    assert_eq!(measured.record.summary.in_sync, u64::from(ACCOUNTS));
}
