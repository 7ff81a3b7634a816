//! Time, as an argument.

use std::time::Duration;

use jiff::Timestamp;

/// A source of time. Production has one; simulation brings its own.
pub trait Clock: Send + Sync + 'static {
    /// The time of day: for records and schedules. It may jump.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment: for durations and limits. It never goes back.
    fn elapsed(&self) -> Duration;

    /// Waits.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}
