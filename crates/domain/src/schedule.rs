//! When to look next. The clock is an argument.

use jiff::{SignedDuration, Timestamp};

/// A share of the interval by which runs are moved apart, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Jitter(f64);

impl Jitter {
    /// A jitter of this share; none when it is not between 0 and 1.
    pub fn new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then_some(Self(share))
    }

    /// The share.
    pub const fn share(self) -> f64 {
        self.0
    }
}

/// When the next run is due, given when the last one began.
///
/// Runs are due `every` after the beginning of the last, moved later by up to the jitter's share of `every`:
/// `draw` is a random number in [0, 1). A run that is overdue is due now, once: runs that were missed are not made up
/// for, since each works from what it observes.
pub fn next_run(
    last_began: Option<Timestamp>,
    every: SignedDuration,
    jitter: Jitter,
    draw: f64,
    now: Timestamp,
) -> Timestamp {
    let Some(last) = last_began else { return now };
    let delay = every.as_secs_f64() * jitter.share() * draw.clamp(0.0, 1.0);
    let delay = SignedDuration::try_from_secs_f64(delay).unwrap_or(SignedDuration::ZERO);
    let due = last
        .checked_add(every)
        .and_then(|due| due.checked_add(delay))
        .unwrap_or(Timestamp::MAX);
    // A clock that was set back leaves a last run in the future: do not wait longer than one interval for it.
    let latest = now
        .checked_add(every)
        .and_then(|at| at.checked_add(delay))
        .unwrap_or(Timestamp::MAX);
    due.clamp(now, latest.max(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
    }

    #[track_caller]
    fn check(last: Option<i64>, draw: f64, now: i64, expected: i64) {
        let jitter = Jitter::new(0.1).expect("a share");
        let next = next_run(
            last.map(at),
            SignedDuration::from_mins(60),
            jitter,
            draw,
            at(now),
        );
        assert_eq!(next, at(expected));
    }

    #[test]
    fn runs_are_an_interval_apart() {
        check(Some(0), 0.0, 1, 60);
        check(Some(0), 0.5, 1, 63);
    }

    #[test]
    fn a_first_or_overdue_run_is_due_now() {
        check(None, 0.5, 7, 7);
        check(Some(0), 0.0, 500, 500);
    }

    #[test]
    fn a_clock_set_back_costs_one_interval_at_most() {
        check(Some(100_000), 0.0, 10, 70);
    }

    #[test]
    fn a_share_is_between_nothing_and_all() {
        assert_eq!(Jitter::new(1.1), None);
        assert_eq!(Jitter::new(-0.1), None);
        assert_eq!(Jitter::new(f64::NAN), None);
    }
}
