//! How fast: every attempt of every call passes here first.
//!
//! A call passes the limiter of its target, if that one has been throttled by
//! itself, and then the one of the hub: the published quota's share for Organizations
//! (per operation) and STS, a discovered rate for IAM. Each limiter is a turnstile: first
//! come, first served, and only the first one in line watches the clock, so a changed
//! rate holds for everybody behind it at once.

mod adaptive;
mod attribution;
mod bucket;
mod quota;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::call::{Access, Operation, Service};
use tokio::sync::Semaphore;

pub use self::adaptive::{Adaptive, Bounds, CUT, FIRST_CUT, Learned};
pub use self::attribution::{Attribution, Culprit};
pub use self::bucket::Bucket;
pub use self::quota::{Quota, published};
use crate::port::clock::Clock;

/// IAM calls per second before anything is known: what others find harmless.
pub const IAM_START: f64 = 50.0;
/// IAM calls per second at most. No AWS account has been seen near it.
pub const IAM_CEILING: f64 = 10_000.0;
/// The slowest a hub limiter gets: 10,000 accounts would take a day, but they would be done.
const HUB_FLOOR: f64 = 1.0;
/// The slowest a single target's limiter gets.
const TARGET_FLOOR: f64 = 0.5;
/// Where a target begins once it was throttled by itself: a handful of calls a second.
const TARGET_START: f64 = 8.0;
/// A target's limiter is forgotten when it was not throttled for so long.
const TARGET_MEMORY: Duration = Duration::from_secs(300);
/// Targets with a limiter of their own at most; a further one goes without.
const MAX_TARGETS: usize = 4_096;
/// How much of a second's calls may go out at once: enough to make up for timers that
/// wake a millisecond late, too little to empty a bucket on the other side.
const BURST_SECONDS: f64 = 0.02;
/// The shortest wait for a token. At hundreds of calls a second a timer for each would be most of what a limiter
/// costs; so a few go out together. Well below the burst, so that no token is lost for it.
const SHORTEST_WAIT: Duration = Duration::from_millis(8);
/// A limiter counts as used up for so long after somebody waited for it.
const LIMITED_FOR: Duration = Duration::from_millis(250);
/// A rate is told to listeners when it changed by this share.
const TELL_CHANGE: f64 = 0.05;

/// What one limiter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Hub {
    /// One operation of Organizations.
    Organizations(Operation),
    /// All of STS in the Region.
    Sts,
    /// IAM reads.
    IamRead,
    /// IAM writes.
    IamWrite,
}

impl Hub {
    const fn of(operation: Operation) -> Option<Self> {
        match operation.service() {
            Service::Organizations => Some(Self::Organizations(operation)),
            Service::Sts => Some(Self::Sts),
            Service::Iam => Some(match operation.access() {
                Access::Read => Self::IamRead,
                Access::Write => Self::IamWrite,
            }),
            Service::Sqs => None,
        }
    }

    /// The name it is remembered and shown under.
    const fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::Organizations(operation) => ("organizations", operation.name()),
            Self::Sts => ("sts", "all"),
            Self::IamRead => ("iam", "read"),
            Self::IamWrite => ("iam", "write"),
        }
    }

    fn key(self) -> String {
        let (service, operation) = self.name();
        format!("{service}:{operation}")
    }

    /// The name of the rate that was reached without meeting the limit.
    fn key_of_reached(self) -> String {
        format!("{}:reached", self.key())
    }
}

/// A rate to tell listeners about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateChange {
    /// The service.
    pub service: &'static str,
    /// The operation, or the group of operations that share the limiter.
    pub operation: &'static str,
    /// Calls per second.
    pub rate: f64,
}

/// One turnstile.
#[derive(Debug)]
struct Limiter {
    turnstile: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    bucket: Bucket,
    adaptive: Adaptive,
    /// The burst that is published; a discovered rate has a short one of its own.
    burst: Option<f64>,
    /// What the bucket's pace was last set to.
    paced: f64,
    waited_at: Option<Duration>,
    told: f64,
}

impl Limiter {
    fn new(bounds: Bounds, burst: Option<f64>, now: Duration) -> Self {
        let adaptive = Adaptive::new(bounds, now);
        let rate = adaptive.rate(now);
        let bucket = Bucket::new(rate, burst_of(rate, burst), now);
        let state = State {
            bucket,
            adaptive,
            burst,
            paced: rate,
            waited_at: None,
            told: 0.0,
        };
        Self {
            turnstile: Semaphore::new(1),
            state: Mutex::new(state),
        }
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut State) -> T) -> T {
        // No code panics while it holds this lock, and the state is whole between any two lines.
        use_it(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits in line for one token.
    async fn pass(&self, clock: &impl Clock) {
        // The semaphore is never closed, so the error cannot come.
        let turn = self.turnstile.acquire().await;
        while let Err(wait) = self.with(|state| state.take(clock.elapsed())) {
            clock.sleep(wait.max(SHORTEST_WAIT)).await;
        }
        drop(turn);
    }
}

/// How many calls may go out at once: what is published, and never less than what makes up
/// for a late timer.
fn burst_of(rate: f64, published: Option<f64>) -> f64 {
    published.unwrap_or(0.0).max(rate * BURST_SECONDS)
}

impl State {
    fn take(&mut self, now: Duration) -> Result<(), Duration> {
        self.pace(now);
        let taken = self.bucket.take(now);
        if taken.is_err() {
            self.waited_at = Some(now);
        }
        taken
    }

    fn pace(&mut self, now: Duration) {
        let rate = self.adaptive.rate(now);
        if (rate - self.paced).abs() > f64::EPSILON {
            self.bucket.set_rate(rate, burst_of(rate, self.burst), now);
            self.paced = rate;
        }
    }

    fn passed(&mut self, now: Duration) {
        let limited = self
            .waited_at
            .is_some_and(|at| now.saturating_sub(at) < LIMITED_FOR);
        self.adaptive.passed(now, limited);
    }

    fn throttled(&mut self, now: Duration) {
        if self.adaptive.throttled(now) {
            self.pace(now);
            self.bucket.drain(now);
        }
    }

    /// The rate, when it changed enough to be worth telling.
    fn news(&mut self, now: Duration) -> Option<f64> {
        let rate = self.adaptive.rate(now);
        let changed = (rate - self.told).abs() > self.told * TELL_CHANGE;
        changed.then(|| {
            self.told = rate;
            rate
        })
    }
}

struct Target {
    limiter: Arc<Limiter>,
    created_at: Duration,
    throttled_at: Duration,
}

/// All limiters of a hub. Shared by every sweep of the process.
pub struct Limiters {
    hubs: BTreeMap<Hub, Limiter>,
    targets: Mutex<Targets>,
}

#[derive(Default)]
struct Targets {
    by_account: BTreeMap<AccountId, Target>,
    attribution: Attribution,
}

impl Limiters {
    /// Limiters at `quota_share` of the published rates (0 to 1), and at the IAM rates
    /// remembered from before.
    pub fn new(quota_share: f64, remembered: &BTreeMap<String, f64>, now: Duration) -> Self {
        let hubs = Operation::ALL
            .iter()
            .filter_map(|operation| Hub::of(*operation).map(|hub| (hub, *operation)))
            .map(|(hub, operation)| (hub, Self::hub(hub, operation, quota_share, remembered, now)))
            .collect();
        Self {
            hubs,
            targets: Mutex::default(),
        }
    }

    fn hub(
        hub: Hub,
        operation: Operation,
        share: f64,
        remembered: &BTreeMap<String, f64>,
        now: Duration,
    ) -> Limiter {
        if let Some(quota) = published(operation) {
            let rate = quota.rate * share;
            let bounds = Bounds {
                floor: HUB_FLOOR.min(rate),
                ceiling: rate,
                start: rate,
                known: true,
            };
            return Limiter::new(bounds, Some((quota.burst * share).max(1.0)), now);
        }
        let rate_of = |key: String| {
            let rate = remembered.get(&key).copied();
            rate.filter(|rate| rate.is_finite())
        };
        let known = rate_of(hub.key());
        // A rate that met no limit is a place to begin, not the limit.
        let reached = rate_of(hub.key_of_reached());
        let bounds = Bounds {
            floor: HUB_FLOOR,
            ceiling: IAM_CEILING,
            start: known.or(reached).unwrap_or(IAM_START),
            known: known.is_some(),
        };
        Limiter::new(bounds, None, now)
    }

    /// Waits until the call may go out; answers how long that took.
    pub async fn pass(
        &self,
        clock: &impl Clock,
        operation: Operation,
        account: Option<AccountId>,
    ) -> Duration {
        let began = clock.elapsed();
        if let Some(target) = self.target(operation, account) {
            target.pass(clock).await;
        }
        if let Some(hub) = self.hub_of(operation) {
            hub.pass(clock).await;
        }
        clock.elapsed().saturating_sub(began)
    }

    /// Whether the account has a limiter of its own at the moment: waiting for it
    /// should hold up nobody else.
    pub fn is_slowed(&self, operation: Operation, account: Option<AccountId>) -> bool {
        self.target(operation, account).is_some()
    }

    /// A call got through.
    pub fn passed(
        &self,
        now: Duration,
        operation: Operation,
        account: Option<AccountId>,
    ) -> Option<RateChange> {
        if let Some(target) = self.target(operation, account) {
            target.with(|state| state.passed(now));
        }
        self.learn(operation, now, |state| state.passed(now))
    }

    /// A call was throttled. `busy` is how many accounts are being worked on.
    pub fn throttled(
        &self,
        now: Duration,
        operation: Operation,
        account: Option<AccountId>,
        busy: usize,
    ) -> Option<RateChange> {
        if operation.service() == Service::Iam
            && let Some(account) = account
            && self.blame(now, account, busy) == Culprit::Target
        {
            return None;
        }
        self.learn(operation, now, |state| state.throttled(now))
    }

    /// The rates in force, so that they can be shown before one of them changes.
    pub fn rates(&self, now: Duration) -> Vec<RateChange> {
        let rate_of = |(hub, limiter): (&Hub, &Limiter)| {
            let (service, operation) = hub.name();
            let rate = limiter.with(|state| state.adaptive.rate(now));
            RateChange {
                service,
                operation,
                rate,
            }
        };
        self.hubs.iter().map(rate_of).collect()
    }

    /// The discovered rates, to be remembered. Published ones are not: the quota is known
    /// and the share may be configured anew.
    pub fn learned(&self) -> BTreeMap<String, f64> {
        self.hubs
            .iter()
            .filter(|(hub, _)| matches!(hub, Hub::IamRead | Hub::IamWrite))
            .filter_map(|(hub, limiter)| {
                let learned = limiter.with(|state| state.adaptive.learned())?;
                Some(match learned {
                    Learned::Limit(rate) => (hub.key(), rate),
                    Learned::Reached(rate) => (hub.key_of_reached(), rate),
                })
            })
            .collect()
    }

    fn hub_of(&self, operation: Operation) -> Option<&Limiter> {
        Hub::of(operation).and_then(|hub| self.hubs.get(&hub))
    }

    fn learn(
        &self,
        operation: Operation,
        now: Duration,
        lesson: impl FnOnce(&mut State),
    ) -> Option<RateChange> {
        let hub = Hub::of(operation)?;
        let rate = self.hubs.get(&hub)?.with(|state| {
            lesson(state);
            state.news(now)
        })?;
        let (service, operation) = hub.name();
        Some(RateChange {
            service,
            operation,
            rate,
        })
    }

    fn target(&self, operation: Operation, account: Option<AccountId>) -> Option<Arc<Limiter>> {
        if operation.service() != Service::Iam {
            return None;
        }
        let targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        targets
            .by_account
            .get(&account?)
            .map(|target| Arc::clone(&target.limiter))
    }

    /// Decides whose limit it was and slows the target down if it was its own.
    fn blame(&self, now: Duration, account: AccountId, busy: usize) -> Culprit {
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let moment = now.saturating_sub(attribution::WINDOW);
        // One that was slow before by itself says nothing about the hub: with it, each two unlucky ones would.
        let known = targets.by_account.get(&account);
        let culprit = if known.is_some_and(|target| target.created_at < moment) {
            Culprit::Target
        } else {
            targets.attribution.throttled(now, account, busy)
        };
        if culprit == Culprit::Hub {
            // The first few of them were taken for the targets' own fault.
            targets
                .by_account
                .retain(|_, target| target.created_at < moment);
            return culprit;
        }
        if targets.by_account.len() >= MAX_TARGETS {
            let forgotten = now.saturating_sub(TARGET_MEMORY);
            targets
                .by_account
                .retain(|_, target| target.throttled_at >= forgotten);
        }
        if targets.by_account.len() < MAX_TARGETS {
            let target = targets.by_account.entry(account).or_insert_with(|| {
                let bounds = Bounds {
                    floor: TARGET_FLOOR,
                    ceiling: IAM_CEILING,
                    start: TARGET_START,
                    known: true,
                };
                Target {
                    limiter: Arc::new(Limiter::new(bounds, None, now)),
                    created_at: now,
                    throttled_at: now,
                }
            });
            target.throttled_at = now;
            target.limiter.with(|state| state.throttled(now));
        }
        culprit
    }

    /// Forgets the targets that have not been throttled for a while.
    pub fn forget_calm_targets(&self, now: Duration) {
        let forgotten = now.saturating_sub(TARGET_MEMORY);
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        targets
            .by_account
            .retain(|_, target| target.throttled_at >= forgotten);
    }
}

#[cfg(test)]
mod tests;
