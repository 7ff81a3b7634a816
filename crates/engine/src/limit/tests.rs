#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use tokio::task::JoinSet;

use super::*;

/// Tokio's paused time as a [`Clock`].
#[derive(Clone)]
struct Paused(tokio::time::Instant);

impl Clock for Paused {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        #[expect(clippy::disallowed_methods, reason = "this is the test's clock")]
        tokio::time::sleep(duration).await;
    }
}

fn paused() -> Paused {
    #[expect(clippy::disallowed_methods, reason = "this is the test's clock")]
    Paused(tokio::time::Instant::now())
}

fn account(n: u32) -> AccountId {
    format!("{n:012}").parse().unwrap()
}

fn limiters(share: f64) -> Arc<Limiters> {
    Arc::new(Limiters::new(share, &BTreeMap::new(), Duration::ZERO))
}

#[tokio::test(start_paused = true)]
async fn organizations_calls_keep_to_their_share_of_the_quota() {
    let clock = paused();
    let limiters = limiters(0.5);
    for _ in 0..46 {
        limiters.pass(&clock, Operation::ListAccounts, None).await;
    }
    // Half of 8 a second, after half of a burst of 12.
    let seconds = clock.elapsed().as_secs_f64();
    assert!((9.9..10.2).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn operations_of_organizations_do_not_wait_for_each_other() {
    let clock = paused();
    let limiters = limiters(1.0);
    for _ in 0..12 {
        limiters.pass(&clock, Operation::ListAccounts, None).await;
    }
    let waited = limiters.pass(&clock, Operation::ListRoots, None).await;
    assert_eq!(waited, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn whoever_came_first_goes_first() {
    let clock = paused();
    let limiters = limiters(1.0);
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    for n in 0..40 {
        let (limiters, clock, order) = (Arc::clone(&limiters), clock.clone(), Arc::clone(&order));
        tasks.spawn(async move {
            limiters.pass(&clock, Operation::ListAccounts, None).await;
            order.lock().unwrap().push(n);
        });
    }
    tasks.join_all().await;
    let order = order.lock().unwrap().clone();
    assert_eq!(order, (0..40).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_throttled_target_slows_down_alone() {
    let clock = paused();
    let limiters = limiters(1.0);
    for _ in 0..20 {
        let now = clock.elapsed();
        limiters.throttled(now, Operation::GetRole, Some(account(1)), 64);
        clock.sleep(Duration::from_secs(1)).await;
    }
    assert!(limiters.is_slowed(Operation::GetRole, Some(account(1))));
    assert!(!limiters.is_slowed(Operation::GetRole, Some(account(2))));
    let mut slow = Duration::ZERO;
    for _ in 0..3 {
        slow += limiters
            .pass(&clock, Operation::GetRole, Some(account(1)))
            .await;
    }
    let quick = limiters
        .pass(&clock, Operation::GetRole, Some(account(2)))
        .await;
    assert!(slow > Duration::from_millis(500), "{slow:?}");
    assert!(quick < Duration::from_millis(50), "{quick:?}");
    assert!(
        limiters.learned().is_empty(),
        "the hub learned nothing from it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_slow_by_itself_does_not_count_against_the_hub() {
    let clock = paused();
    let limiters = limiters(1.0);
    let throttled = |n| {
        let now = clock.elapsed();
        limiters.throttled(now, Operation::GetRole, Some(account(n)), 64)
    };
    assert!(throttled(1).is_none());
    clock.sleep(Duration::from_secs(5)).await;
    for n in 1..=3 {
        assert!(throttled(n).is_none(), "two unlucky targets are no hub");
    }
    assert!(limiters.learned().is_empty());
    assert!(throttled(4).is_some(), "three are");
}

#[tokio::test(start_paused = true)]
async fn many_throttled_targets_slow_the_hub_down() {
    let clock = paused();
    let limiters = limiters(1.0);
    let changes: Vec<_> = (1..=4)
        .filter_map(|n| {
            limiters.throttled(clock.elapsed(), Operation::GetRole, Some(account(n)), 64)
        })
        .collect();
    let cut = changes.last().unwrap();
    assert_eq!((cut.service, cut.operation), ("iam", "read"));
    assert!((cut.rate - IAM_START * FIRST_CUT).abs() < 1.0, "{cut:?}");
    assert!(limiters.learned().contains_key("iam:read"));
}

#[tokio::test(start_paused = true)]
async fn what_was_learned_is_where_the_next_process_begins() {
    let clock = paused();
    let remembered = BTreeMap::from([("iam:read".to_owned(), 200.0)]);
    let limiters = Limiters::new(1.0, &remembered, Duration::ZERO);
    for _ in 0..400 {
        limiters
            .pass(&clock, Operation::GetRole, Some(account(1)))
            .await;
    }
    let seconds = clock.elapsed().as_secs_f64();
    assert!((1.9..2.1).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_met_no_limit_is_where_discovery_goes_on() {
    let clock = paused();
    let first = limiters(1.0);
    let ask = async |limiters: &Limiters, calls: u32| {
        for _ in 0..calls {
            let operation = Operation::GetRole;
            limiters.pass(&clock, operation, Some(account(1))).await;
            limiters.passed(clock.elapsed(), operation, Some(account(1)));
        }
    };
    ask(&first, 200).await;
    let learned = first.learned();
    let reached = *learned.get("iam:read:reached").unwrap();
    assert!(reached > IAM_START * 1.5, "{learned:?}");
    // The next process begins there, and still nearly doubles it every second.
    let next = Limiters::new(1.0, &learned, Duration::ZERO);
    ask(&next, 200).await;
    let learned = next.learned();
    let further = *learned.get("iam:read:reached").unwrap();
    assert!(further > reached * 1.2, "{reached} and then {further}");
}

/// 64 workers at a hub whose hidden limit is 300 a second, with one target that is always throttled.
#[tokio::test(start_paused = true)]
async fn a_hidden_limit_is_found_by_many_workers_at_once() {
    const LIMIT: f64 = 300.0;
    let clock = paused();
    let limiters = limiters(1.0);
    let theirs = Arc::new(Mutex::new(Bucket::new(LIMIT, 30.0, Duration::ZERO)));
    let (ok, no) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut tasks = JoinSet::new();
    for n in 0..64 {
        let (limiters, clock, theirs) = (Arc::clone(&limiters), clock.clone(), Arc::clone(&theirs));
        let (ok, no) = (Arc::clone(&ok), Arc::clone(&no));
        tasks.spawn(async move {
            let end = Duration::from_secs(60);
            while clock.elapsed() < end {
                limiters
                    .pass(&clock, Operation::GetRole, Some(account(n)))
                    .await;
                clock.sleep(Duration::from_millis(50)).await;
                let granted = theirs.lock().unwrap().take(clock.elapsed()).is_ok();
                clock.sleep(Duration::from_millis(50)).await;
                if granted {
                    ok.fetch_add(1, Ordering::Relaxed);
                    limiters.passed(clock.elapsed(), Operation::GetRole, Some(account(n)));
                } else {
                    no.fetch_add(1, Ordering::Relaxed);
                    limiters.throttled(clock.elapsed(), Operation::GetRole, Some(account(n)), 64);
                }
            }
        });
    }
    tasks.join_all().await;
    let (ok, no) = (
        ok.load(Ordering::Relaxed) as f64,
        no.load(Ordering::Relaxed) as f64,
    );
    assert!(ok >= 0.93 * LIMIT * 60.0, "{ok} passed");
    assert!(no / (ok + no) <= 0.02, "{no} throttled of {}", ok + no);
}
