//! The one way out: each attempt of each call passes the limiters, is timed, is
//! told, and is tried again as its category says.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::fault::{Category, Fault};
use tracing::Instrument as _;

use crate::event::{CallOutcome, Event, EventSink};
use crate::limit::{Limiters, RateChange};
use crate::port::clock::Clock;
use crate::retry::{self, Budget, Repeatable};
use crate::slot::{Places, Slot};

/// One attempt takes no longer. The SDK's own timeouts are shorter; this is the
/// last line for a reply that trickles in byte by byte.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(60);

/// A wait for a limiter that is worth telling.
const TOLD_WAIT: Duration = Duration::from_millis(1);

/// Makes calls.
pub(crate) struct Gateway<C, E> {
    pub(crate) clock: Arc<C>,
    pub(crate) sink: E,
    pub(crate) limiters: Limiters,
    budget: Mutex<Budget>,
    random: Mutex<StdRng>,
}

/// On whose behalf a call is made.
#[derive(Clone, Copy)]
pub(crate) struct Behalf<'a> {
    pub(crate) account: Option<AccountId>,
    /// The account's place among those in flight, given up while it waits.
    pub(crate) slot: Option<&'a Slot>,
    /// The places, to know how many accounts are busy.
    pub(crate) places: Option<&'a Places>,
}

impl Behalf<'_> {
    /// The hub's own: discovery.
    pub(crate) const HUB: Self = Self {
        account: None,
        slot: None,
        places: None,
    };
}

impl<C: Clock, E: EventSink> Gateway<C, E> {
    pub(crate) fn new(clock: Arc<C>, sink: E, limiters: Limiters, seed: u64) -> Self {
        Self {
            clock,
            sink,
            limiters,
            budget: Mutex::default(),
            random: Mutex::new(StdRng::seed_from_u64(seed)),
        }
    }

    /// Makes a call that only reads, again while its failures and the budget allow it.
    pub(crate) async fn read<T, F, A>(
        &self,
        behalf: Behalf<'_>,
        operation: Operation,
        attempt: F,
    ) -> Result<T, Fault>
    where
        F: FnMut() -> A,
        A: Future<Output = Result<T, Fault>>,
    {
        self.call(behalf, operation, Repeatable::Always, attempt)
            .await
    }

    /// Makes a call that writes: tried again only when AWS surely did nothing.
    pub(crate) async fn write<T, F, A>(
        &self,
        behalf: Behalf<'_>,
        operation: Operation,
        attempt: F,
    ) -> Result<T, Fault>
    where
        F: FnMut() -> A,
        A: Future<Output = Result<T, Fault>>,
    {
        self.call(behalf, operation, Repeatable::WhenThrottled, attempt)
            .await
    }

    async fn call<T, F, A>(
        &self,
        behalf: Behalf<'_>,
        operation: Operation,
        repeatable: Repeatable,
        mut attempt: F,
    ) -> Result<T, Fault>
    where
        F: FnMut() -> A,
        A: Future<Output = Result<T, Fault>>,
    {
        let _running = behalf.slot.map(Slot::running);
        let mut number = 1;
        loop {
            self.wait_turn(behalf, operation).await;
            // Boxed: a call of the SDK is a large future, and many are held at once.
            let span = tracing::debug_span!("call", aws.operation = %operation, attempt = number);
            let fault = match self
                .once(behalf, operation, Box::pin(attempt()))
                .instrument(span)
                .await
            {
                Ok(value) => return Ok(value),
                Err(fault) => fault,
            };
            let again = repeatable.allows(fault.category)
                && number < retry::MAX_ATTEMPTS
                && self.budget(|budget| budget.spend(fault.category));
            if !again {
                return Err(fault);
            }
            let delay = retry::delay(number, self.random());
            self.sink.emit(&Event::Retrying {
                account: behalf.account,
                operation,
                category: fault.category,
                attempt: number,
                delay,
            });
            self.pause(behalf, delay).await;
            number += 1;
        }
    }

    async fn wait_turn(&self, behalf: Behalf<'_>, operation: Operation) {
        let pass = self
            .limiters
            .pass(self.clock.as_ref(), operation, behalf.account);
        // Whoever waits for the hub keeps its place: the hub has no more to give. Whoever waits
        // for its own target stands in nobody's way.
        if let Some(slot) = behalf.slot {
            slot.queue(self.clock.elapsed());
        }
        let waited = match behalf.slot {
            Some(slot) if self.limiters.is_slowed(operation, behalf.account) => {
                slot.park(pass).await
            }
            _ => pass.await,
        };
        if let Some(slot) = behalf.slot {
            slot.turn(self.clock.elapsed());
        }
        if waited >= TOLD_WAIT {
            self.sink.emit(&Event::LimiterWaited { operation, waited });
        }
    }

    async fn once<T>(
        &self,
        behalf: Behalf<'_>,
        operation: Operation,
        attempt: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let began = self.clock.elapsed();
        let result = match within(self.clock.as_ref(), ATTEMPT_TIMEOUT, attempt).await {
            Some(result) => result,
            None => Err(Fault::new(
                Category::Timeout,
                format!("no whole answer within {} s", ATTEMPT_TIMEOUT.as_secs()),
            )
            .during(operation)),
        };
        let now = self.clock.elapsed();
        let outcome = match &result {
            Ok(_) => CallOutcome::Ok,
            Err(fault) => CallOutcome::Failed(fault.category),
        };
        let change = match outcome {
            CallOutcome::Failed(Category::Throttled) => {
                let busy = behalf.places.map_or(1, Places::busy);
                self.limiters
                    .throttled(now, operation, behalf.account, busy)
            }
            CallOutcome::Ok | CallOutcome::Failed(_) => {
                self.limiters.passed(now, operation, behalf.account)
            }
        };
        if result.is_ok() {
            self.budget(Budget::earn);
        }
        if let Some(RateChange {
            service,
            operation,
            rate,
        }) = change
        {
            self.sink.emit(&Event::LimiterRate {
                service,
                operation,
                rate,
            });
        }
        let duration = now.saturating_sub(began);
        self.sink.emit(&Event::CallFinished {
            account: behalf.account,
            operation,
            outcome,
            duration,
        });
        result
    }

    /// Waits without standing in anybody's way.
    pub(crate) async fn pause(&self, behalf: Behalf<'_>, delay: Duration) {
        match behalf.slot {
            Some(slot) => slot.park(self.clock.sleep(delay)).await,
            None => self.clock.sleep(delay).await,
        }
    }

    /// From 0 up to 1.
    pub(crate) fn random(&self) -> f64 {
        self.random
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .random()
    }

    /// Thirty-two random bits, for ids.
    pub(crate) fn salt(&self) -> u32 {
        self.random
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .random()
    }

    fn budget<T>(&self, use_it: impl FnOnce(&mut Budget) -> T) -> T {
        use_it(&mut self.budget.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The answer, unless it takes longer than `limit`, not counting the time in which the
/// account's calls stood in line for a limiter.
pub(crate) async fn within_own_time<T>(
    clock: &impl Clock,
    limit: Duration,
    slot: &Slot,
    work: impl Future<Output = T>,
) -> Option<T> {
    let began = clock.elapsed();
    let queued = slot.queued(began);
    let mut work = std::pin::pin!(work);
    loop {
        let now = clock.elapsed();
        let allowed = limit + slot.queued(now).saturating_sub(queued);
        let left = (began + allowed).saturating_sub(now);
        if left.is_zero() {
            return None;
        }
        if let Some(value) = within(clock, left, work.as_mut()).await {
            return Some(value);
        }
    }
}

/// The answer, unless it takes longer than `limit`.
pub(crate) async fn within<T>(
    clock: &impl Clock,
    limit: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        value = work => Some(value),
        () = clock.sleep(limit) => None,
    }
}
