//! Changes go out in waves: a few accounts first, then more, and no further
//! when something is wrong. Pure.

use std::collections::BTreeSet;
use std::ops::Range;

use rolekeeper_domain::fault::Category;

/// A part of a whole, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Share(f64);

impl Share {
    /// Nothing.
    pub const NONE: Self = Self(0.0);

    /// The whole.
    pub const ALL: Self = Self(1.0);

    /// A share; none outside 0 to 1.
    pub fn new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then_some(Self(share))
    }

    /// From 0 to 1.
    pub const fn get(self) -> f64 {
        self.0
    }

    /// So many of `total`, rounded up.
    pub fn of(self, total: usize) -> usize {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most 50,000 accounts, and the share is from 0 to 1"
        )]
        let part = (total as f64 * self.0).ceil() as usize;
        part.min(total)
    }
}

/// What a failed change leads to that is of a category which the canary did not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnSurprise {
    /// No further account of the wave is begun, and the rest goes through a canary again.
    Canary,
    /// The writes are halted until a person resumes.
    Halt,
}

/// How changes are rolled out.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollout {
    /// Accounts in the first wave; 0: no canary.
    pub canary: usize,
    /// The share of all accounts that is done after each further wave, growing. The
    /// last wave does all that are left, whatever it says.
    pub waves: Vec<Share>,
    /// The share of changed accounts that may fail before the writes are halted.
    pub max_failures: Share,
    /// What the first failure of its kind after the canary leads to.
    pub on_surprise: OnSurprise,
    /// A repair that changes more accounts than this waits for approval; 0: never.
    pub approve_above: u64,
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            canary: 3,
            waves: vec![Share(0.1), Share(0.5), Share::ALL],
            max_failures: Share(0.02),
            on_surprise: OnSurprise::Canary,
            approve_above: 0,
        }
    }
}

/// So many failed changes are needed to halt outside the canary: two accounts with
/// policies of their own do not stop ten thousand.
const FAILURES_AT_LEAST: usize = 3;

impl Rollout {
    /// The waves over `total` accounts in their order, canary first. Never an empty one.
    pub fn waves(&self, total: usize) -> Vec<Range<usize>> {
        let ends = self.waves.iter().map(|share| share.of(total));
        let mut waves = Vec::new();
        let mut done = 0;
        for end in std::iter::once(self.canary.min(total))
            .chain(ends)
            .chain([total])
        {
            if end > done {
                waves.push(done..end);
                done = end;
            }
        }
        waves
    }

    /// Why the rollout must stop, if it must.
    pub fn verdict(&self, tally: &Tally) -> Option<String> {
        if let Some(surprise) = &tally.surprise {
            return Some(surprise.clone());
        }
        if let (OnSurprise::Halt, Some(setback)) = (self.on_surprise, &tally.setback) {
            return Some(setback.clone());
        }
        if tally.in_canary && tally.failed_in_canary >= 1 {
            return Some(format!(
                "{} of the changed accounts of the canary failed or did not verify",
                tally.failed_in_canary
            ));
        }
        let allowed = self.max_failures.of(tally.changed).max(FAILURES_AT_LEAST);
        (!tally.in_canary && tally.failed >= allowed).then(|| {
            format!(
                "{} of {} changed accounts failed or did not verify, {} are allowed",
                tally.failed,
                tally.changed,
                allowed - 1
            )
        })
    }
}

/// What became of the changes so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Whether the canary is still under way.
    pub in_canary: bool,
    /// Accounts to which a write was made or tried.
    pub changed: usize,
    /// Those whose write failed or did not read back.
    pub failed: usize,
    /// The first result that says the fault is ours, in words.
    pub surprise: Option<String>,
    /// Categories of failed changes that were met so far.
    met: BTreeSet<Category>,
    /// A failed change of a category that was not met before, in words, until it is taken.
    setback: Option<String>,
    /// Failed changes of this canary.
    failed_in_canary: usize,
    /// Changes of this wave that read back right.
    verified_in_wave: usize,
}

/// How the change of one account ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing was written.
    None,
    /// It was made and reads back right.
    Verified,
    /// A write failed.
    Failed(Category),
    /// It was made and does not read back right.
    Unsettled,
}

impl Tally {
    /// A wave begins. Each canary is judged by itself.
    pub const fn begin_wave(&mut self, in_canary: bool) {
        self.in_canary = in_canary;
        self.failed_in_canary = 0;
        self.verified_in_wave = 0;
    }

    /// Whether the wave that is over was a canary that showed nothing: nothing was written in it, because
    /// its accounts were refused or right by then.
    pub const fn proved_nothing(&self) -> bool {
        self.in_canary && self.verified_in_wave == 0
    }

    /// Whether a change failed in a way not met before, so that no further account of the
    /// wave is to be begun.
    pub const fn has_setback(&self) -> bool {
        self.setback.is_some()
    }

    /// Why what is left goes through a canary once more, if it does, once.
    pub fn why_again(&mut self) -> Option<String> {
        let nothing = self.proved_nothing().then(|| {
            "nothing was written in the accounts of the canary, so it shows nothing".to_owned()
        });
        self.setback.take().or(nothing)
    }

    /// Counts one account.
    pub fn count(&mut self, account: impl std::fmt::Display, change: Change) {
        match change {
            Change::None => return,
            Change::Verified => self.verified_in_wave += 1,
            Change::Failed(category) => {
                self.failed += 1;
                self.failed_in_canary += 1;
                if self.met.insert(category) && !self.in_canary {
                    self.setback.get_or_insert_with(|| {
                        format!("the change of {account} failed in a way that the canary did not show ({category})")
                    });
                }
                if is_surprising(category) {
                    self.surprise.get_or_insert_with(|| {
                        format!("the change of {account} failed in a way that every further one would ({category})")
                    });
                }
            }
            Change::Unsettled => {
                self.failed += 1;
                self.failed_in_canary += 1;
                self.surprise.get_or_insert_with(|| {
                    format!("the change of {account} was made and does not read back as the specification says")
                });
            }
        }
        self.changed += 1;
    }
}

/// Whether a failure says something about the change rather than about the
/// account it was made in: AWS rejects the specification, or we misbehave.
const fn is_surprising(category: Category) -> bool {
    match category {
        Category::InvalidSpec | Category::Internal | Category::Credentials => true,
        Category::AccessDenied
        | Category::Throttled
        | Category::NotFound
        | Category::Conflict
        | Category::Quota
        | Category::Service
        | Category::Timeout
        | Category::Network => false,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

    use proptest::prelude::*;

    use super::*;

    fn tally(in_canary: bool, changed: usize, failed: usize) -> Tally {
        Tally {
            in_canary,
            changed,
            failed,
            failed_in_canary: if in_canary { failed } else { 0 },
            ..Tally::default()
        }
    }

    #[test]
    fn waves_grow_from_the_canary_to_everybody() {
        let rollout = Rollout::default();
        assert_eq!(rollout.waves(0), vec![]);
        assert_eq!(rollout.waves(1), vec![0..1]);
        assert_eq!(rollout.waves(5), vec![0..3, 3..5]);
        assert_eq!(rollout.waves(100), vec![0..3, 3..10, 10..50, 50..100]);
        let short = Rollout {
            waves: vec![Share::new(0.5).unwrap()],
            ..Rollout::default()
        };
        assert_eq!(short.waves(10), vec![0..3, 3..5, 5..10]);
    }

    #[test]
    fn one_failure_in_the_canary_halts() {
        let rollout = Rollout::default();
        assert_eq!(rollout.verdict(&tally(true, 3, 0)), None);
        assert!(rollout.verdict(&tally(true, 1, 1)).is_some());
    }

    #[test]
    fn later_three_failures_or_the_share_halt_whichever_is_more() {
        let rollout = Rollout::default();
        assert_eq!(rollout.verdict(&tally(false, 10, 2)), None);
        assert!(rollout.verdict(&tally(false, 10, 3)).is_some());
        assert_eq!(rollout.verdict(&tally(false, 1_000, 19)), None);
        assert!(rollout.verdict(&tally(false, 1_000, 20)).is_some());
    }

    #[test]
    fn a_rejected_specification_halts_at_once() {
        let mut tally = tally(false, 1_000, 0);
        tally.count("111111111111", Change::Failed(Category::AccessDenied));
        assert_eq!(Rollout::default().verdict(&tally), None);
        tally.count("111111111111", Change::Failed(Category::InvalidSpec));
        assert!(Rollout::default().verdict(&tally).is_some());
    }

    #[test]
    fn a_way_of_failing_that_is_new_after_the_canary_is_a_setback_once() {
        let mut tally = Tally::default();
        tally.begin_wave(true);
        tally.count("111111111111", Change::Verified);
        assert_eq!(tally.why_again(), None);
        tally.begin_wave(false);
        tally.count("222222222222", Change::Failed(Category::AccessDenied));
        assert_eq!(Rollout::default().verdict(&tally), None);
        assert!(tally.why_again().unwrap().contains("222222222222"));
        // Met by now: the share decides about the next one of its kind, and another kind is new.
        tally.count("333333333333", Change::Failed(Category::AccessDenied));
        assert!(!tally.has_setback());
        tally.count("444444444444", Change::Failed(Category::Quota));
        assert!(tally.has_setback());
    }

    #[test]
    fn a_way_of_failing_that_is_new_after_the_canary_halts_if_that_is_asked_for() {
        let strict = Rollout {
            on_surprise: OnSurprise::Halt,
            ..Rollout::default()
        };
        let mut tally = Tally::default();
        tally.begin_wave(true);
        tally.count("111111111111", Change::Verified);
        tally.begin_wave(false);
        tally.count("222222222222", Change::Verified);
        assert_eq!(strict.verdict(&tally), None);
        tally.count("333333333333", Change::Failed(Category::AccessDenied));
        assert_eq!(Rollout::default().verdict(&tally), None);
        let why = strict.verdict(&tally).unwrap();
        assert!(
            why.contains("333333333333") && why.contains("access_denied"),
            "{why}"
        );
    }

    #[test]
    fn a_canary_in_which_nothing_was_written_proves_nothing() {
        let mut tally = Tally::default();
        tally.begin_wave(true);
        tally.count("111111111111", Change::None);
        assert!(tally.proved_nothing());
        tally.count("222222222222", Change::Verified);
        assert!(!tally.proved_nothing());
        tally.begin_wave(false);
        assert!(!tally.proved_nothing());
    }

    #[test]
    fn each_canary_is_judged_by_itself() {
        let mut tally = Tally::default();
        tally.count("111111111111", Change::Failed(Category::AccessDenied));
        tally.begin_wave(true);
        assert_eq!(Rollout::default().verdict(&tally), None);
        tally.count("222222222222", Change::Failed(Category::AccessDenied));
        assert!(Rollout::default().verdict(&tally).is_some());
    }

    #[test]
    fn a_change_that_does_not_read_back_halts_at_once() {
        let mut tally = tally(false, 1_000, 0);
        tally.count("111111111111", Change::Unsettled);
        assert!(Rollout::default().verdict(&tally).is_some());
    }

    #[test]
    fn an_account_without_a_write_is_no_change() {
        let mut counted = tally(true, 0, 0);
        counted.count("111111111111", Change::None);
        assert_eq!(counted, tally(true, 0, 0));
    }

    proptest! {
        #[test]
        fn every_account_is_in_exactly_one_wave(
            total in 0usize..5_000,
            canary in 0usize..50,
            shares in proptest::collection::vec(0.0f64..=1.0, 0..6),
        ) {
            let waves = shares.iter().map(|share| Share::new(*share).unwrap()).collect();
            let rollout = Rollout { canary, waves, ..Rollout::default() };
            let mut next = 0;
            for wave in rollout.waves(total) {
                prop_assert_eq!(wave.start, next);
                prop_assert!(wave.end > wave.start);
                next = wave.end;
            }
            prop_assert_eq!(next, total);
        }
    }
}
