//! Being the one that writes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::event::{Event, EventSink};
use crate::gateway::within;
use crate::port::clock::Clock;
use crate::port::store::{Fence, Lease, StoreError};

/// A lease is renewed when a third of it is over: two renewals may be lost.
const RENEWALS: u32 = 3;

/// This share of the lease at its end is not used: clocks of replicas run a little apart, and a
/// call may be a moment on its way.
const SAFETY: u32 = 5;

#[derive(Clone, Copy, Debug)]
struct Held {
    fence: Fence,
    /// By our own steady clock, which also runs while the process is stopped.
    until: Duration,
}

/// Holds the lease, or knows that it does not.
#[derive(Debug)]
pub(crate) struct Keeper {
    holder: String,
    ttl: Duration,
    held: Mutex<Option<Held>>,
}

impl Keeper {
    pub(crate) fn new(holder: String, ttl: Duration) -> Self {
        Self {
            holder,
            ttl,
            held: Mutex::default(),
        }
    }

    /// The fence, while the lease is surely ours.
    pub(crate) fn fence(&self, clock: &impl Clock) -> Option<Fence> {
        let held = (*self.held.lock().unwrap_or_else(PoisonError::into_inner))?;
        (clock.elapsed() < held.until).then_some(held.fence)
    }

    /// Takes the lease or makes it last longer; answers whether it is ours.
    pub(crate) async fn acquire(
        &self,
        store: &impl Lease,
        clock: &impl Clock,
        sink: &impl EventSink,
    ) -> Result<Option<Fence>, StoreError> {
        // Counted from before the question: the answer may have been slow.
        let asked = clock.elapsed();
        // A connection that was cut without a word answers never. Whatever this one still brings about is a
        // lease that nobody uses.
        let answer = store.acquire(&self.holder, self.ttl, clock.now());
        let answer = within(clock, self.ttl / RENEWALS, answer)
            .await
            .unwrap_or_else(|| {
                Err(StoreError::Unavailable {
                    message: "no answer came in time".to_owned(),
                })
            });
        let usable = self.ttl - self.ttl / SAFETY;
        match answer {
            Ok(fence) => {
                self.note(
                    fence.map(|fence| Held {
                        fence,
                        until: asked + usable,
                    }),
                    sink,
                );
                Ok(fence)
            }
            // Unknown: what was held stays held until its time is over, and no longer.
            Err(error) => {
                if self.fence(clock).is_none() {
                    self.note(None, sink);
                }
                Err(error)
            }
        }
    }

    /// Renews for ever. Ends only when the store fails for good or another replica took over.
    pub(crate) async fn keep(&self, store: &impl Lease, clock: &impl Clock, sink: &impl EventSink) {
        loop {
            clock.sleep(self.ttl / RENEWALS).await;
            match self.acquire(store, clock, sink).await {
                Ok(_) => {}
                Err(error) => sink.emit(&Event::StoreFailed {
                    message: error.to_string(),
                }),
            }
        }
    }

    /// Gives the lease back, so that another replica need not wait for its end.
    pub(crate) async fn release(
        &self,
        store: &impl Lease,
        sink: &impl EventSink,
    ) -> Result<(), StoreError> {
        self.note(None, sink);
        store.release(&self.holder).await
    }

    fn note(&self, new: Option<Held>, sink: &impl EventSink) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let before = held.is_some();
        *held = new;
        drop(held);
        if before != new.is_some() {
            sink.emit(&Event::LeaderChanged {
                leading: new.is_some(),
            });
        }
    }
}
