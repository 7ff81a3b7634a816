//! Tokio's paused time, as the engine's clock: a day of sweeps takes a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rolekeeper_engine::port::clock::Clock;

use super::rig::Wire;

/// When every simulation begins.
const BEGIN: i64 = 1_795_000_000;

/// Simulated time. The time of day can be made to jump; elapsed time cannot.
#[derive(Clone, Debug)]
pub struct SimClock {
    begun: tokio::time::Instant,
    /// Milliseconds by which the time of day is off.
    jump: Arc<AtomicI64>,
    /// What a paused or dead process stands still at.
    gate: Option<Arc<Wire>>,
}

impl SimClock {
    /// A clock that begins now. Needs a runtime whose time is paused.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn start() -> Self {
        Self {
            begun: tokio::time::Instant::now(),
            jump: Arc::new(AtomicI64::new(0)),
            gate: None,
        }
    }

    /// The clock of one process: its time of day can be set without the others', and it
    /// stands still when the process does.
    pub fn of_process(&self, wire: &Arc<Wire>) -> Self {
        Self {
            begun: self.begun,
            jump: Arc::new(AtomicI64::new(self.jump.load(Ordering::Relaxed))),
            gate: Some(Arc::clone(wire)),
        }
    }

    /// Sets the time of day forward or back.
    pub fn jump(&self, seconds: i64) {
        self.jump.fetch_add(seconds * 1_000, Ordering::Relaxed);
    }

    /// When every simulation begins.
    pub fn begin() -> Timestamp {
        Timestamp::from_second(BEGIN).unwrap_or_default()
    }

    /// The time without any jump: what the world goes by.
    pub fn true_time(&self) -> Timestamp {
        Self::begin() + SignedDuration::try_from(self.begun.elapsed()).unwrap_or_default()
    }

    /// Waits.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub async fn wait(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.true_time() + SignedDuration::from_millis(self.jump.load(Ordering::Relaxed))
    }

    fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        self.wait(duration).await;
        if let Some(gate) = &self.gate {
            gate.gate().await;
        }
    }
}

impl rolekeeper_simulator::ports::Time for SimClock {
    fn now(&self) -> Timestamp {
        self.true_time()
    }

    async fn wait(&self, duration: Duration) {
        Self::wait(self, duration).await;
    }
}
