//! Again, and when: by category only, with full jitter and a budget. Pure.

use std::time::Duration;

use rolekeeper_domain::fault::{Category, Remedy};

/// Attempts of one call at most. With delays up to 20 s the eighth comes about a
/// minute after the first: longer than AWS's own hiccups, shorter than anybody's patience.
pub const MAX_ATTEMPTS: u32 = 8;

/// The first delay is anything up to this.
const BASE: Duration = Duration::from_millis(200);

/// No delay is longer.
const CAP: Duration = Duration::from_secs(20);

/// Retries per call that went through: when more than a tenth of all calls fail,
/// trying again makes it worse for everybody.
const BUDGET_PER_CALL: f64 = 0.1;

/// Retries that are always there after a quiet time: a sweep of few accounts has
/// few calls to earn them with.
const BUDGET_CAP: f64 = 500.0;

/// Whether a failed attempt of a call may be made again just like that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeatable {
    /// It only reads.
    Always,
    /// It writes: only when AWS surely did nothing, that is when it throttled. After
    /// anything else the write may have been done: look first.
    WhenThrottled,
}

impl Repeatable {
    /// Whether a failure of this category is tried again.
    pub fn allows(self, category: Category) -> bool {
        match self {
            Self::Always => category.remedy() == Remedy::Retry,
            Self::WhenThrottled => category == Category::Throttled,
        }
    }
}

/// How long to wait before attempt number `attempt + 1`, `attempt` counting from 1.
/// `random` is from 0 up to 1: full jitter.
pub fn delay(attempt: u32, random: f64) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    let longest = BASE.saturating_mul(1 << doublings).min(CAP);
    longest.mul_f64(random.clamp(0.0, 1.0))
}

/// The share of calls that may be retries. Shared by the whole process.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    left: f64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: BUDGET_CAP }
    }
}

impl Budget {
    /// A call went through: a tenth of a retry is earned.
    pub fn earn(&mut self) {
        self.left = (self.left + BUDGET_PER_CALL).min(BUDGET_CAP);
    }

    /// Takes a retry out of the budget; answers whether there was one.
    ///
    /// A throttle costs a tenth: the limiter already spaces those out, and giving up
    /// on an account because others are throttled helps nobody.
    pub fn spend(&mut self, category: Category) -> bool {
        let cost = if category == Category::Throttled {
            BUDGET_PER_CALL
        } else {
            1.0
        };
        if self.left < cost {
            return false;
        }
        self.left -= cost;
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_tried_again_follows_from_the_category_alone() {
        for category in Category::ALL {
            let reads = Repeatable::Always.allows(category);
            let expected = matches!(
                category,
                Category::Throttled | Category::Service | Category::Timeout | Category::Network
            );
            assert_eq!(reads, expected, "{category}");
            let writes = Repeatable::WhenThrottled.allows(category);
            assert_eq!(writes, category == Category::Throttled, "{category}");
        }
    }

    #[test]
    fn a_storm_of_failures_spends_the_budget_and_success_earns_it_back() {
        let mut budget = Budget::default();
        let granted = (0..10_000)
            .filter(|_| budget.spend(Category::Service))
            .count();
        assert_eq!(granted, 500);
        assert!(!budget.spend(Category::Network));
        (0..11).for_each(|_| budget.earn());
        assert!(budget.spend(Category::Network));
    }

    proptest! {
        #[test]
        fn a_delay_is_never_longer_than_its_cap(attempt in 1u32..100, random in 0.0f64..1.0) {
            prop_assert!(delay(attempt, random) <= CAP);
            prop_assert!(delay(attempt, random) <= BASE.saturating_mul(1 << (attempt - 1).min(16)));
        }

        #[test]
        fn retries_stay_within_their_share(outcomes in proptest::collection::vec(any::<bool>(), 1..5_000)) {
            let mut budget = Budget::default();
            let (mut calls, mut retries) = (0.0, 0.0);
            for ok in outcomes {
                if ok {
                    calls += 1.0;
                    budget.earn();
                } else if budget.spend(Category::Service) {
                    retries += 1.0;
                }
            }
            prop_assert!(retries <= BUDGET_CAP + calls * BUDGET_PER_CALL + 1e-6);
        }
    }
}
