//! A token bucket: pure, time is an argument.

use std::time::Duration;

/// Lets so many calls a second pass, and a few at once after a quiet moment.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    rate: f64,
    burst: f64,
    tokens: f64,
    at: Duration,
}

impl Bucket {
    /// A full bucket of `rate` tokens a second that holds `burst` at most.
    ///
    /// Both are raised to the least value that still lets something pass.
    pub fn new(rate: f64, burst: f64, now: Duration) -> Self {
        let burst = burst.max(1.0);
        Self {
            rate: rate.max(MIN_RATE),
            burst,
            tokens: burst,
            at: now,
        }
    }

    /// Takes one token, or says how long until there is one.
    pub fn take(&mut self, now: Duration) -> Result<(), Duration> {
        self.refill(now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        let missing = 1.0 - self.tokens;
        // A nanosecond more than computed: rounding must not wake the caller
        // just before its token is there, again and again.
        Err(Duration::from_secs_f64(missing / self.rate) + Duration::from_nanos(1))
    }

    /// Changes the pace from now on; what was saved up so far stays.
    pub fn set_rate(&mut self, rate: f64, burst: f64, now: Duration) {
        self.refill(now);
        self.rate = rate.max(MIN_RATE);
        self.burst = burst.max(1.0);
        self.tokens = self.tokens.min(self.burst);
    }

    /// Throws away what was saved up: the other side just said that it is too much.
    pub fn drain(&mut self, now: Duration) {
        self.refill(now);
        self.tokens = self.tokens.min(0.0);
    }

    fn refill(&mut self, now: Duration) {
        // `saturating`: a caller may bring a moment that lies a little before
        // the last one, when two callers read the clock in turn.
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * self.rate).min(self.burst);
        self.at = self.at.max(now);
    }
}

/// Tokens a second that any bucket gives at least: a wait stays finite.
const MIN_RATE: f64 = 0.05;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_bucket_lets_its_burst_pass_and_then_says_how_long() {
        let mut bucket = Bucket::new(10.0, 2.0, Duration::ZERO);
        assert_eq!(bucket.take(Duration::ZERO), Ok(()));
        assert_eq!(bucket.take(Duration::ZERO), Ok(()));
        let wait = bucket.take(Duration::ZERO).err();
        assert_eq!(wait.map(|wait| wait.as_millis()), Some(100));
        assert_eq!(bucket.take(Duration::from_millis(101)), Ok(()));
    }

    #[test]
    fn time_that_goes_back_gives_nothing() {
        let mut bucket = Bucket::new(10.0, 1.0, Duration::from_secs(5));
        assert_eq!(bucket.take(Duration::from_secs(5)), Ok(()));
        assert!(bucket.take(Duration::from_secs(1)).is_err());
        assert!(bucket.take(Duration::from_secs(5)).is_err());
    }

    proptest! {
        #[test]
        fn no_window_ever_sees_more_than_rate_times_length_plus_burst(
            rate in 0.5f64..200.0,
            burst in 1.0f64..50.0,
            gaps in proptest::collection::vec(0u64..200, 1..300),
        ) {
            let mut bucket = Bucket::new(rate, burst, Duration::ZERO);
            let mut now = Duration::ZERO;
            let mut passed = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                if bucket.take(now).is_ok() {
                    passed.push(now);
                }
            }
            for (first, from) in passed.iter().enumerate() {
                for (last, to) in passed.iter().enumerate().skip(first) {
                    let allowed = (*to - *from).as_secs_f64() * rate + burst + 1e-6;
                    prop_assert!((last - first + 1) as f64 <= allowed);
                }
            }
        }

        #[test]
        fn whoever_waits_as_told_gets_its_token(rate in 0.1f64..500.0, burst in 1.0f64..20.0) {
            let mut bucket = Bucket::new(rate, burst, Duration::ZERO);
            let mut now = Duration::ZERO;
            for _ in 0..100 {
                if let Err(wait) = bucket.take(now) {
                    now += wait;
                    prop_assert_eq!(bucket.take(now), Ok(()));
                }
            }
        }
    }
}
