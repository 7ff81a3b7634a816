//! A place among the accounts in flight, given up while its holder only waits.
//!
//! Backing off takes seconds; a worker that sleeps through them is a worker less.
//! An account whose every running call waits hands its place to the next one and
//! takes a place again before it goes on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Accounts that may wait outside at most, for each place inside. Bounds the
/// memory of a sweep in which everything is throttled.
const PARKED_PER_PLACE: usize = 8;

/// The places.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    inside: Arc<Semaphore>,
    outside: Arc<Semaphore>,
    total: usize,
}

impl Places {
    pub(crate) fn new(places: usize) -> Self {
        let total = places.max(1);
        Self {
            inside: Arc::new(Semaphore::new(total)),
            outside: Arc::new(Semaphore::new(total * PARKED_PER_PLACE)),
            total,
        }
    }

    /// Waits for a place. None once the places are closed, which nothing does.
    pub(crate) async fn take(&self) -> Option<Slot> {
        let permit = Arc::clone(&self.inside).acquire_owned().await.ok()?;
        let state = State {
            permit: Some(permit),
            parked: None,
            running: 0,
            waiting: 0,
            queued: Queued::default(),
        };
        Some(Slot {
            places: self.clone(),
            way_back: tokio::sync::Mutex::new(()),
            state: Mutex::new(state),
        })
    }

    /// How many places are taken.
    pub(crate) fn busy(&self) -> usize {
        self.total.saturating_sub(self.inside.available_permits())
    }
}

/// One account's place.
#[derive(Debug)]
pub(crate) struct Slot {
    places: Places,
    /// Only one call of the account at a time takes a place again: a second one would wait
    /// for the place that its own account has just got.
    way_back: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    permit: Option<OwnedSemaphorePermit>,
    parked: Option<OwnedSemaphorePermit>,
    running: u32,
    waiting: u32,
    queued: Queued,
}

/// The time in which at least one call of the account stood in line for a limiter. It is not
/// the account's fault, so it does not count against its deadline.
#[derive(Debug, Default)]
struct Queued {
    calls: u32,
    since: Duration,
    total: Duration,
}

impl Slot {
    fn with<T>(&self, use_it: impl FnOnce(&mut State) -> T) -> T {
        use_it(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts a call as running until the answer is dropped.
    pub(crate) fn running(&self) -> Running<'_> {
        self.with(|state| state.running += 1);
        Running { slot: self }
    }

    /// A call of the account begins to stand in line for a limiter.
    pub(crate) fn queue(&self, now: Duration) {
        self.with(|State { queued, .. }| {
            if queued.calls == 0 {
                queued.since = now;
            }
            queued.calls += 1;
        });
    }

    /// It had its turn.
    pub(crate) fn turn(&self, now: Duration) {
        self.with(|State { queued, .. }| {
            queued.calls = queued.calls.saturating_sub(1);
            if queued.calls == 0 {
                queued.total += now.saturating_sub(queued.since);
            }
        });
    }

    /// How long the account stood in line so far.
    pub(crate) fn queued(&self, now: Duration) -> Duration {
        self.with(|State { queued, .. }| {
            let current = if queued.calls > 0 {
                now.saturating_sub(queued.since)
            } else {
                Duration::ZERO
            };
            queued.total + current
        })
    }

    /// Waits for `pause` without keeping the place, as soon as every running
    /// call of the account does.
    pub(crate) async fn park<T>(&self, pause: impl Future<Output = T>) -> T {
        let waiting = Waiting::new(self);
        let value = pause.await;
        drop(waiting);
        self.come_back().await;
        value
    }

    fn leave_if_idle(&self) {
        self.with(|state| {
            if state.waiting > 0
                && state.waiting >= state.running
                && state.permit.is_some()
                && let Ok(parked) = Arc::clone(&self.places.outside).try_acquire_owned()
            {
                state.parked = Some(parked);
                state.permit = None;
            }
        });
    }

    async fn come_back(&self) {
        let _turn = self.way_back.lock().await;
        if self.with(|state| state.permit.is_some()) {
            return;
        }
        if let Ok(permit) = Arc::clone(&self.places.inside).acquire_owned().await {
            self.with(|state| {
                state.permit = Some(permit);
                state.parked = None;
            });
        }
    }
}

/// A call that runs.
pub(crate) struct Running<'a> {
    slot: &'a Slot,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.slot.with(|state| state.running -= 1);
        self.slot.leave_if_idle();
    }
}

struct Waiting<'a> {
    slot: &'a Slot,
}

impl<'a> Waiting<'a> {
    fn new(slot: &'a Slot) -> Self {
        slot.with(|state| state.waiting += 1);
        slot.leave_if_idle();
        Self { slot }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.slot.with(|state| state.waiting -= 1);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_waiting_account_lets_the_next_one_in() {
        let places = Places::new(1);
        let slot = places.take().await.unwrap();
        let (done, pause) = oneshot::channel::<()>();
        let waiting = async {
            let _running = slot.running();
            slot.park(pause).await.unwrap();
        };
        let other = async {
            let second = places.take().await.unwrap();
            done.send(()).unwrap();
            drop(second);
        };
        tokio::join!(waiting, other);
        assert_eq!(places.busy(), 1, "the first account has its place again");
    }

    #[tokio::test]
    async fn an_account_keeps_its_place_while_one_of_its_calls_still_runs() {
        let places = Places::new(1);
        let slot = places.take().await.unwrap();
        let (_one, _two) = (slot.running(), slot.running());
        let (done, pause) = oneshot::channel::<()>();
        let waiting = slot.park(pause);
        let check = async {
            assert_eq!(places.busy(), 1);
            done.send(()).unwrap();
        };
        let (result, ()) = tokio::join!(waiting, check);
        result.unwrap();
    }

    #[tokio::test]
    async fn two_calls_of_one_account_that_both_waited_share_the_last_place() {
        let places = Places::new(1);
        let slot = places.take().await.unwrap();
        let (_one, _two) = (slot.running(), slot.running());
        let both = async { tokio::join!(slot.park(yields(3)), slot.park(yields(4))) };
        let other = async {
            let second = places.take().await.unwrap();
            yields(10).await;
            drop(second);
        };
        tokio::join!(both, other);
        assert_eq!(places.busy(), 1);
    }

    async fn yields(times: u32) {
        for _ in 0..times {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn no_more_than_the_bound_wait_outside() {
        let places = Places::new(1);
        let mut slots = Vec::new();
        for _ in 0..PARKED_PER_PLACE {
            let slot = places.take().await.unwrap();
            slot.with(|state| (state.running, state.waiting) = (1, 1));
            slot.leave_if_idle();
            assert_eq!(places.busy(), 0);
            slots.push(slot);
        }
        let last = places.take().await.unwrap();
        last.with(|state| (state.running, state.waiting) = (1, 1));
        last.leave_if_idle();
        assert_eq!(places.busy(), 1, "there is no room outside");
    }
}
