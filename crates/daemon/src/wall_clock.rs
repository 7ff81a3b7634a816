//! The one real clock.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use rolekeeper_engine::port::clock::Clock;

/// The machine's clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WallClock {
    started: Instant,
}

impl WallClock {
    /// A clock that counts from now.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

/// The time of day, for those who only want that.
///
/// To the microsecond, as the databases keep it: what was written and is read again is then the same moment.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn time_of_day() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

/// Waits, for those who have no clock at hand.
pub(crate) async fn pause(duration: Duration) {
    WallClock::start().sleep(duration).await;
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        time_of_day()
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
