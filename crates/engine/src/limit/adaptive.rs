//! A rate that nobody publishes, found by asking: pure, time is an argument.
//!
//! Three phases. *Discovering*: the rate nearly doubles every second until the
//! first throttle. *Recovering*: a throttle cuts the rate to 0.7 and it comes back to the
//! rate that was known to work along a cubic, quickly at first and ever slower near the
//! top. *Probing*: beyond that it grows by 0.3 % a second, faster the longer nothing
//! happens. The flat top is what keeps throttles rare and the use high: a saw
//! tooth that climbs straight from 0.7 would leave 15 % unused.

use std::time::Duration;

/// What a throttle leaves of the rate.
pub const CUT: f64 = 0.7;

/// What the first one leaves, which ends the discovery: AWS's bucket hid the limit until it was empty, so the
/// rate is above the limit by more than what a round trip adds.
pub const FIRST_CUT: f64 = 0.6;

/// How long a cut takes to come back. At latencies of up to
/// 0.2 s that is a dozen round trips in which the queue in front of the limit drains.
const RECOVERY: Duration = Duration::from_millis(2_500);

/// Throttles this soon after a cut belong to calls that were already on their
/// way; they cut again only when they go on for longer.
const COOLDOWN: Duration = Duration::from_millis(300);

/// Growth per call that got through while discovering: `rate` calls a second add
/// 0.65 × rate a second, which nearly doubles it.
const DISCOVERY_GROWTH: f64 = 0.65;

/// Growth per call while probing: 0.3 % of the rate a second.
const PROBE_GROWTH: f64 = 0.003;

/// Throttled again on the way back: the rate that was believed in is cut by this as well.
const DISBELIEF: f64 = 0.85;

/// The plateau lies this much below the rate that met a throttle: time is spent
/// just below the limit rather than just above it.
const MARGIN: f64 = 0.98;

/// After so long without a throttle probing speeds up: AWS may have raised the limit.
const PROBE_PATIENCE: Duration = Duration::from_secs(25);

/// Calls are counted over windows of this length to learn what really got through.
const WINDOW: Duration = Duration::from_millis(300);

/// The bounds and the start of a rate, in calls per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Never slower.
    pub floor: f64,
    /// Never faster.
    pub ceiling: f64,
    /// Where to begin.
    pub start: f64,
    /// Whether `start` is believed to be the limit, or only a safe place to begin.
    pub known: bool,
}

/// What was learned about a rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Learned {
    /// The rate that worked just below a limit that was met.
    Limit(f64),
    /// The rate reached so far; no limit was met.
    Reached(f64),
}

/// A rate under discovery.
#[derive(Clone, Copy, Debug)]
pub struct Adaptive {
    floor: f64,
    ceiling: f64,
    start: f64,
    rate: f64,
    /// The rate that worked, as far as is known.
    plateau: Option<f64>,
    last_cut: Option<Duration>,
    /// What the last cut left of the plateau.
    depth: f64,
    quiet_since: Duration,
    window: Window,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began: Duration,
    passed: u32,
    throttled: u32,
    /// Calls per second that got through in the last whole window, if it was throttled.
    last_saturated: Option<f64>,
}

impl Adaptive {
    /// A rate within `bounds`.
    pub fn new(bounds: Bounds, now: Duration) -> Self {
        let rate = bounds.start.clamp(bounds.floor, bounds.ceiling);
        Self {
            floor: bounds.floor,
            ceiling: bounds.ceiling,
            start: rate,
            rate,
            plateau: bounds.known.then_some(rate),
            last_cut: None,
            depth: CUT,
            quiet_since: now,
            window: Window {
                began: now,
                passed: 0,
                throttled: 0,
                last_saturated: None,
            },
        }
    }

    /// Calls per second, now.
    pub fn rate(&self, now: Duration) -> f64 {
        match (self.plateau, self.last_cut) {
            (Some(plateau), Some(cut)) if now < cut + RECOVERY => {
                let left = 1.0 - (now.saturating_sub(cut)).as_secs_f64() / RECOVERY.as_secs_f64();
                (plateau * (1.0 - (1.0 - self.depth) * left.powi(3)))
                    .clamp(self.floor, self.ceiling)
            }
            _ => self.rate,
        }
    }

    /// What is worth remembering: the rate that worked, or the one reached so far;
    /// nothing while it is only the start.
    pub fn learned(&self) -> Option<Learned> {
        let moved = (self.rate - self.start).abs() > f64::EPSILON;
        let reached = moved.then_some(Learned::Reached(self.rate));
        self.plateau.map(Learned::Limit).or(reached)
    }

    /// A call got through. `limited`: whether calls have been waiting for this
    /// limiter; a rate that nobody uses up says nothing about the limit.
    pub fn passed(&mut self, now: Duration, limited: bool) {
        self.turn_window(now);
        self.window.passed += 1;
        if !limited || self.last_cut.is_some_and(|cut| now < cut + RECOVERY) {
            return;
        }
        let growth = if self.plateau.is_none() {
            DISCOVERY_GROWTH
        } else {
            let quiet = now.saturating_sub(self.quiet_since).as_secs_f64();
            let impatience = 1.0 + (quiet / PROBE_PATIENCE.as_secs_f64() - 1.0).max(0.0);
            (PROBE_GROWTH * impatience * impatience).min(DISCOVERY_GROWTH)
        };
        self.rate = (self.rate + growth).min(self.ceiling);
    }

    /// A call was throttled. Answers whether the rate was cut.
    pub fn throttled(&mut self, now: Duration) -> bool {
        self.turn_window(now);
        self.window.throttled += 1;
        if self.last_cut.is_some_and(|cut| now < cut + COOLDOWN) {
            return false;
        }
        let current = self.rate(now);
        // What got through while the limit was in force *is* the limit.
        let again = self.last_cut.is_some_and(|cut| now < cut + RECOVERY);
        let believed = match self.window.last_saturated {
            Some(seen) => seen.min(current),
            None if again => current * DISBELIEF,
            None => current * MARGIN,
        };
        self.depth = if self.plateau.is_none() {
            FIRST_CUT
        } else {
            CUT
        };
        let plateau = believed.clamp(self.floor, self.ceiling);
        self.plateau = Some(plateau);
        self.rate = plateau;
        self.last_cut = Some(now);
        self.quiet_since = now;
        true
    }

    fn turn_window(&mut self, now: Duration) {
        let length = now.saturating_sub(self.window.began);
        if length < WINDOW {
            return;
        }
        let whole = length < WINDOW * 2;
        let busy = self.window.throttled > 2;
        // A window is evidence only when it was full to its end and its throttles
        // were no accident.
        self.window.last_saturated =
            (whole && busy).then(|| f64::from(self.window.passed) / length.as_secs_f64());
        self.window.began = now;
        self.window.passed = 0;
        self.window.throttled = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::bucket::Bucket;
    use super::*;

    /// A limit on the other side: calls arrive as the rate says, half a
    /// latency later they are judged, another half later the answer is known.
    struct Trial {
        adaptive: Adaptive,
        ours: Bucket,
        theirs: Bucket,
        now: Duration,
        answers: std::collections::VecDeque<(Duration, bool)>,
        passed: u32,
        throttled: u32,
    }

    const LATENCY: Duration = Duration::from_millis(100);
    const TICK: Duration = Duration::from_millis(1);

    impl Trial {
        fn new(bounds: Bounds, limit: f64, burst: f64) -> Self {
            Self {
                adaptive: Adaptive::new(bounds, Duration::ZERO),
                ours: Bucket::new(bounds.start, 1.0, Duration::ZERO),
                theirs: Bucket::new(limit, burst, Duration::ZERO),
                now: Duration::ZERO,
                answers: std::collections::VecDeque::new(),
                passed: 0,
                throttled: 0,
            }
        }

        /// Runs at full demand; answers the calls that got through and those throttled.
        fn run(&mut self, length: Duration) -> (f64, f64) {
            (self.passed, self.throttled) = (0, 0);
            let end = self.now + length;
            while self.now < end {
                self.now += TICK;
                while self.answers.front().is_some_and(|(at, _)| *at <= self.now) {
                    match self.answers.pop_front() {
                        Some((_, true)) => self.adaptive.passed(self.now, true),
                        Some((_, false)) => {
                            self.adaptive.throttled(self.now);
                        }
                        None => {}
                    }
                }
                let rate = self.adaptive.rate(self.now);
                self.ours.set_rate(rate, (rate * 0.05).max(1.0), self.now);
                while self.ours.take(self.now).is_ok() {
                    let ok = self.theirs.take(self.now).is_ok();
                    if ok {
                        self.passed += 1
                    } else {
                        self.throttled += 1
                    }
                    self.answers.push_back((self.now + LATENCY, ok));
                }
            }
            (f64::from(self.passed), f64::from(self.throttled))
        }
    }

    const UNKNOWN: Bounds = Bounds {
        floor: 1.0,
        ceiling: 5_000.0,
        start: 50.0,
        known: false,
    };

    fn known(start: f64) -> Bounds {
        Bounds {
            floor: 1.0,
            ceiling: 5_000.0,
            start,
            known: true,
        }
    }

    #[test]
    fn discovery_finds_the_limit_with_few_throttles() {
        for (limit, burst) in [
            (100.0, 10.0),
            (200.0, 200.0),
            (400.0, 40.0),
            (1_000.0, 100.0),
        ] {
            let mut trial = Trial::new(UNKNOWN, limit, burst);
            let (passed, throttled) = trial.run(Duration::from_secs(60));
            let share = throttled / (passed + throttled);
            assert!(share <= 0.02, "{limit}/{burst}: {share:.4} throttled");
            assert!(
                passed >= 0.93 * limit * 60.0,
                "{limit}/{burst}: {passed} passed"
            );
            let learned = match trial.adaptive.learned() {
                Some(Learned::Limit(rate)) => rate,
                Some(Learned::Reached(_)) | None => 0.0,
            };
            assert!(
                (0.93 * limit..1.03 * limit).contains(&learned),
                "{limit}/{burst}: learned {learned}"
            );
        }
    }

    #[test]
    fn a_known_limit_is_used_up_with_hardly_a_throttle() {
        for (limit, burst) in [(50.0, 5.0), (200.0, 20.0), (200.0, 400.0), (1_000.0, 100.0)] {
            let mut trial = Trial::new(known(limit), limit, burst);
            let (passed, throttled) = trial.run(Duration::from_secs(120));
            let share = throttled / (passed + throttled);
            assert!(share <= 0.005, "{limit}/{burst}: {share:.4} throttled");
            assert!(
                passed >= 0.95 * limit * 120.0,
                "{limit}/{burst}: {passed} passed"
            );
        }
    }

    #[test]
    fn ten_seconds_after_the_limit_halves_nine_tenths_of_it_are_used() {
        for (limit, burst) in [(100.0, 10.0), (400.0, 40.0), (1_000.0, 1_000.0)] {
            let mut trial = Trial::new(known(limit), limit, burst);
            trial.run(Duration::from_secs(30));
            trial.theirs.set_rate(limit / 2.0, burst / 2.0, trial.now);
            trial.run(Duration::from_secs(10));
            let (passed, throttled) = trial.run(Duration::from_secs(5));
            assert!(
                passed >= 0.9 * limit / 2.0 * 5.0,
                "{limit}: {passed} in five seconds"
            );
            assert!(throttled <= 0.05 * passed, "{limit}: {throttled} throttled");
        }
    }

    #[test]
    fn a_limit_that_was_raised_is_found_again() {
        let mut trial = Trial::new(known(100.0), 100.0, 10.0);
        trial.run(Duration::from_secs(20));
        trial.theirs.set_rate(300.0, 30.0, trial.now);
        trial.run(Duration::from_secs(120));
        let (passed, _) = trial.run(Duration::from_secs(10));
        assert!(passed >= 0.9 * 300.0 * 10.0, "{passed} in ten seconds");
    }

    #[test]
    fn a_rate_that_nobody_uses_up_does_not_grow() {
        let mut adaptive = Adaptive::new(UNKNOWN, Duration::ZERO);
        for second in 0..100 {
            adaptive.passed(Duration::from_secs(second), false);
        }
        assert!(adaptive.rate(Duration::from_secs(100)) <= 50.0);
    }

    #[test]
    fn throttles_of_one_moment_cut_once() {
        let mut adaptive = Adaptive::new(known(100.0), Duration::ZERO);
        let now = Duration::from_secs(1);
        assert!(adaptive.throttled(now));
        assert!(!adaptive.throttled(now + Duration::from_millis(100)));
        assert!((adaptive.rate(now) - 98.0 * CUT).abs() < 0.01);
        assert!((adaptive.rate(now + Duration::from_secs(3)) - 98.0).abs() < 0.01);
    }

    #[test]
    fn the_rate_never_leaves_its_bounds() {
        let bounds = Bounds {
            floor: 2.0,
            ceiling: 10.0,
            start: 100.0,
            known: false,
        };
        let mut adaptive = Adaptive::new(bounds, Duration::ZERO);
        let mut now = Duration::ZERO;
        for _ in 0..1_000 {
            adaptive.passed(now, true);
            assert!(adaptive.rate(now) <= 10.0);
        }
        for _ in 0..100 {
            now += Duration::from_secs(1);
            adaptive.throttled(now);
            assert!(adaptive.rate(now) >= 2.0);
        }
    }
}
