//! When a call that failed is made again.

use jiff::{SignedDuration, Timestamp};

/// Delays that double, up to a longest one, for a number of attempts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    /// The first delay.
    pub(crate) first_seconds: i64,
    /// The longest delay.
    pub(crate) longest_seconds: i64,
    /// After this many attempts the call is given up.
    pub(crate) attempts: u32,
}

impl Backoff {
    /// When to try again after `tried` attempts, the last one now; none: never.
    ///
    /// `spread` is from 0 to 1: 1 waits the whole delay, 0 half of it. Drawn at random it keeps
    /// many calls that failed together from coming back together.
    pub(crate) fn next(&self, tried: u32, now: Timestamp, spread: f64) -> Option<Timestamp> {
        if self.attempts <= tried {
            return None;
        }
        let doublings = tried.saturating_sub(1).min(20);
        let whole = (self.first_seconds << doublings).min(self.longest_seconds);
        let delay = SignedDuration::from_millis(whole.saturating_mul(500))
            + SignedDuration::from_secs(whole).mul_f64(spread.clamp(0.0, 1.0) / 2.0);
        now.checked_add(delay).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOURLY: Backoff = Backoff {
        first_seconds: 5,
        longest_seconds: 3_600,
        attempts: 30,
    };

    #[test]
    fn delays_double_up_to_the_longest_and_end() {
        let after = |tried| {
            HOURLY
                .next(tried, Timestamp::UNIX_EPOCH, 1.0)
                .map(|at| at.as_second())
        };
        assert_eq!(after(1), Some(5));
        assert_eq!(after(2), Some(10));
        assert_eq!(after(10), Some(2_560));
        assert_eq!(after(11), Some(3_600));
        assert_eq!(after(29), Some(3_600));
        assert_eq!(after(30), None);
    }

    #[test]
    fn a_spread_delay_is_between_half_and_whole() {
        let after = |spread| {
            HOURLY
                .next(3, Timestamp::UNIX_EPOCH, spread)
                .map(|at| at.as_millisecond())
        };
        assert_eq!(after(0.0), Some(10_000));
        assert_eq!(after(0.25), Some(12_500));
        assert_eq!(after(1.0), Some(20_000));
        assert_eq!(after(7.0), Some(20_000));
    }
}
