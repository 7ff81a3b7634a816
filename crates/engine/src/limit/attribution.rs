//! Who is too fast: the hub, or one target? Pure, time is an argument.
//!
//! IAM throttles by several buckets and does not say which one was empty. Many
//! targets throttled within a moment: it was the hub's. One alone: it was its own.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rolekeeper_domain::account::AccountId;

/// Throttles within this time belong together. Shorter than a second, a slow
/// trickle of hub throttles would look like many single targets; longer, two unlucky targets
/// would look like the hub.
pub(super) const WINDOW: Duration = Duration::from_secs(1);

/// So many targets throttled within the window are the hub, however many are busy.
const MANY: usize = 3;

/// Throttles remembered at most: the window of a hub that runs into its limit at 5,000 calls a second.
const MAX_REMEMBERED: usize = 8_192;

/// Whose limit it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Culprit {
    /// The account the calls come from.
    Hub,
    /// The account the calls go to.
    Target,
}

/// Remembers the last moment's throttles.
#[derive(Debug, Default)]
pub struct Attribution {
    recent: VecDeque<(Duration, AccountId)>,
    by_target: BTreeMap<AccountId, u32>,
}

impl Attribution {
    /// Counts a throttle of a call to `target` and says whose limit it was.
    ///
    /// `busy` is how many accounts are being worked on: where only two are, two
    /// throttled ones are already everybody.
    pub fn throttled(&mut self, now: Duration, target: AccountId, busy: usize) -> Culprit {
        self.forget_before(now.saturating_sub(WINDOW));
        if self.recent.len() < MAX_REMEMBERED {
            self.recent.push_back((now, target));
            *self.by_target.entry(target).or_default() += 1;
        }
        let targets = self.by_target.len();
        if targets >= MANY || (targets >= 2 && targets >= busy) {
            Culprit::Hub
        } else {
            Culprit::Target
        }
    }

    fn forget_before(&mut self, moment: Duration) {
        while self.recent.front().is_some_and(|(at, _)| *at < moment) {
            let Some((_, target)) = self.recent.pop_front() else {
                break;
            };
            if let Some(count) = self.by_target.get_mut(&target) {
                *count -= 1;
                if *count == 0 {
                    self.by_target.remove(&target);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

    use super::*;

    fn account(n: u32) -> AccountId {
        format!("{n:012}").parse().unwrap()
    }

    #[test]
    fn one_target_alone_is_itself_to_blame_however_often() {
        let mut attribution = Attribution::default();
        for millis in 0..500 {
            let culprit = attribution.throttled(Duration::from_millis(millis * 10), account(1), 64);
            assert_eq!(culprit, Culprit::Target);
        }
    }

    #[test]
    fn many_targets_in_a_moment_are_the_hub() {
        let mut attribution = Attribution::default();
        let now = Duration::from_secs(1);
        assert_eq!(attribution.throttled(now, account(1), 64), Culprit::Target);
        assert_eq!(attribution.throttled(now, account(2), 64), Culprit::Target);
        assert_eq!(attribution.throttled(now, account(3), 64), Culprit::Hub);
    }

    #[test]
    fn many_targets_over_a_long_time_are_not_the_hub() {
        let mut attribution = Attribution::default();
        for n in 1..50 {
            let culprit =
                attribution.throttled(Duration::from_secs(u64::from(n) * 2), account(n), 64);
            assert_eq!(culprit, Culprit::Target);
        }
    }

    #[test]
    fn two_targets_are_the_hub_when_only_two_are_busy() {
        let mut attribution = Attribution::default();
        let now = Duration::from_secs(1);
        attribution.throttled(now, account(1), 2);
        assert_eq!(attribution.throttled(now, account(2), 2), Culprit::Hub);
    }
}
