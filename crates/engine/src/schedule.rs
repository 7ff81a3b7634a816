//! When the next sweep is due. Pure, time is an argument.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rolekeeper_domain::outcome::Mode;

use crate::rollout::Share;

/// How often sweeps come.
#[derive(Clone)]
pub enum Cadence {
    /// Only when somebody asks.
    Never,
    /// This long from the start of one to the start of the next.
    Every(Duration),
    /// At the moments that follow from a moment; none when there is no further one (a cron
    /// expression, read by whoever knows the language).
    At(Arc<dyn Fn(Timestamp) -> Option<Timestamp> + Send + Sync>),
}

impl fmt::Debug for Cadence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("Never"),
            Self::Every(every) => f.debug_tuple("Every").field(every).finish(),
            Self::At(_) => f.write_str("At(…)"),
        }
    }
}

/// When and how the daemon sweeps by itself.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// How often.
    pub cadence: Cadence,
    /// The part of the time to the next sweep by which it may come earlier or later,
    /// so that many hubs do not ask AWS at the same second.
    pub jitter: Share,
    /// What the sweeps may do.
    pub mode: Mode,
}

impl Schedule {
    /// No sweep by itself.
    pub const NEVER: Self = Self {
        cadence: Cadence::Never,
        jitter: Share::NONE,
        mode: Mode::Audit,
    };

    /// Whether sweeps are made only when somebody asks.
    pub const fn is_never(&self) -> bool {
        matches!(self.cadence, Cadence::Never)
    }

    /// The longest time between two sweeps that follow each other, from `now` on, jitter aside; none where sweeps
    /// are made only when somebody asks.
    pub fn longest_interval(&self, now: Timestamp) -> Option<Duration> {
        /// A cron expression names days of a week or of a month at its coarsest, as a rule: so many moments show its
        /// longest pause.
        const MOMENTS: usize = 400;
        match &self.cadence {
            Cadence::Never => None,
            Cadence::Every(every) => Some(*every),
            Cadence::At(next) => {
                let moments = std::iter::successors(next(now), |at| next(*at));
                let moments: Vec<Timestamp> = moments.take(MOMENTS).collect();
                let pauses = moments.iter().zip(moments.iter().skip(1));
                pauses
                    .filter_map(|(one, then)| Duration::try_from(then.duration_since(*one)).ok())
                    .max()
            }
        }
    }

    /// When the next sweep is due, the last one having begun at `last`. `random` is from 0 up to 1.
    pub fn next(&self, last: Option<Timestamp>, now: Timestamp, random: f64) -> Option<Timestamp> {
        let jitter = self.jitter.get();
        match &self.cadence {
            Cadence::Never => None,
            Cadence::Every(every) => {
                let Some(last) = last else { return Some(now) };
                // A last sweep in the future: the clock was set back.
                let last = last.min(now);
                let stretched = every.mul_f64(1.0 + jitter * (2.0 * random - 1.0));
                Some(later(last, stretched))
            }
            Cadence::At(next) => {
                let at = next(now)?;
                let gap = Duration::try_from(at.duration_since(now)).unwrap_or_default();
                Some(later(at, gap.mul_f64(jitter * random)))
            }
        }
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn hourly(jitter: f64) -> Schedule {
        Schedule {
            cadence: Cadence::Every(HOUR),
            jitter: Share::new(jitter).unwrap(),
            mode: Mode::Audit,
        }
    }

    #[test]
    fn the_first_sweep_is_due_at_once_and_the_next_an_hour_after_its_start() {
        assert_eq!(hourly(0.0).next(None, at(1_000), 0.5), Some(at(1_000)));
        assert_eq!(
            hourly(0.0).next(Some(at(1_000)), at(1_500), 0.5),
            Some(at(4_600))
        );
    }

    #[test]
    fn the_longest_interval_is_the_longest_pause_of_an_expression() {
        assert_eq!(Schedule::NEVER.longest_interval(at(0)), None);
        assert_eq!(hourly(0.1).longest_interval(at(0)), Some(HOUR));
        // At the full hour, but for those of the night.
        let by_day = |now: Timestamp| {
            let hour = now.as_second() / 3_600 + 1;
            let open = if hour % 24 < 8 {
                hour - hour % 24 + 8
            } else {
                hour
            };
            Some(at(open * 3_600))
        };
        let daily = Schedule {
            cadence: Cadence::At(Arc::new(by_day)),
            ..hourly(0.0)
        };
        assert_eq!(daily.longest_interval(at(0)), Some(9 * HOUR));
    }

    #[test]
    fn a_sweep_that_was_missed_is_due() {
        let due = hourly(0.0).next(Some(at(1_000)), at(100_000), 0.5).unwrap();
        assert!(due <= at(100_000));
    }

    #[test]
    fn jitter_goes_both_ways_and_no_further_than_its_share() {
        assert_eq!(hourly(0.1).next(Some(at(0)), at(0), 0.0), Some(at(3_240)));
        assert_eq!(hourly(0.1).next(Some(at(0)), at(0), 0.5), Some(at(3_600)));
        let latest = hourly(0.1).next(Some(at(0)), at(0), 0.999_999).unwrap();
        assert!(latest <= at(3_960));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_put_the_next_sweep_off() {
        assert_eq!(
            hourly(0.0).next(Some(at(900_000)), at(1_000), 0.5),
            Some(at(4_600))
        );
    }

    #[test]
    fn moments_come_from_the_function_and_only_later_by_jitter() {
        let cadence = Cadence::At(Arc::new(|after: Timestamp| {
            Timestamp::from_second((after.as_second() / 600 + 1) * 600).ok()
        }));
        let schedule = Schedule {
            cadence,
            jitter: Share::new(0.5).unwrap(),
            mode: Mode::Audit,
        };
        assert_eq!(schedule.next(None, at(500), 0.0), Some(at(600)));
        assert_eq!(schedule.next(None, at(500), 1.0), Some(at(650)));
    }

    #[test]
    fn never_is_never() {
        assert_eq!(Schedule::NEVER.next(None, at(0), 0.5), None);
    }
}
