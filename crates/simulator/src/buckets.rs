//! Token buckets: how AWS says "slower".

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;

/// A bucket that fills at `rate` a second up to `burst`.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    rate: f64,
    burst: f64,
    level: f64,
    filled_at: Option<Timestamp>,
}

impl Bucket {
    /// A full bucket. A burst below 1 would never let anything pass and
    /// counts as 1.
    pub fn new(rate: f64, burst: f64) -> Self {
        let burst = burst.max(1.0);
        Self {
            rate,
            burst,
            level: burst,
            filled_at: None,
        }
    }

    /// Takes one token. False when there is none; asking costs nothing then.
    pub fn take(&mut self, now: Timestamp) -> bool {
        self.fill(now);
        if self.level < 1.0 {
            return false;
        }
        self.level -= 1.0;
        true
    }

    /// Tokens a second.
    pub const fn rate(&self) -> f64 {
        self.rate
    }

    /// Gives a token back that was taken for nothing.
    pub fn give_back(&mut self) {
        self.level = (self.level + 1.0).min(self.burst);
    }

    /// Changes the rate and keeps what is in the bucket, as far as it fits.
    pub fn set(&mut self, rate: f64, burst: f64, now: Timestamp) {
        self.fill(now);
        self.rate = rate;
        self.burst = burst.max(1.0);
        self.level = self.level.min(self.burst);
    }

    fn fill(&mut self, now: Timestamp) {
        let since = self
            .filled_at
            .map_or(0.0, |then| now.duration_since(then).as_secs_f64().max(0.0));
        self.level = (self.level + since * self.rate).min(self.burst);
        if self.filled_at.is_none_or(|then| now > then) {
            self.filled_at = Some(now);
        }
    }
}

/// The published rate and burst of an Organizations operation.
pub fn organizations(operation: &str) -> (f64, f64) {
    match operation {
        "ListAccounts" => (8.0, 12.0),
        "ListAccountsForParent"
        | "ListParents"
        | "ListChildren"
        | "ListOrganizationalUnitsForParent" => (5.0, 8.0),
        "ListTagsForResource" => (10.0, 15.0),
        "DescribeAccount" | "DescribeOrganization" => (20.0, 30.0),
        "DescribeOrganizationalUnit"
        | "ListRoots"
        | "DescribePolicy"
        | "ListPolicies"
        | "ListPoliciesForTarget" => (5.0, 8.0),
        "CreateAccount" | "CloseAccount" | "MoveAccount" | "CreateOrganizationalUnit" => (1.0, 4.0),
        _ => (2.0, 5.0),
    }
}

/// STS: all calls of an account in a Region together.
pub const STS: (f64, f64) = (600.0, 600.0);

/// What a bucket is kept for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// An Organizations operation of a calling account.
    Organizations(AccountId, &'static str),
    /// An account's STS calls in a Region.
    Sts(AccountId, String),
    /// The IAM calls of sessions whose `AssumeRole` came from this account.
    Hub(AccountId),
}

/// The buckets that belong to callers. Those of targets sit in the accounts.
#[derive(Debug, Default)]
pub(crate) struct Buckets(Mutex<BTreeMap<Owner, Bucket>>);

impl Buckets {
    /// Takes a token from the owner's bucket, which is full when first asked.
    pub(crate) fn take(&self, owner: Owner, (rate, burst): (f64, f64), now: Timestamp) -> bool {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets
            .entry(owner)
            .or_insert_with(|| Bucket::new(rate, burst));
        if (bucket.rate - rate).abs() > f64::EPSILON {
            bucket.set(rate, burst, now);
        }
        bucket.take(now)
    }

    pub(crate) fn give_back(&self, owner: &Owner) {
        if let Some(bucket) = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_mut(owner)
        {
            bucket.give_back();
        }
    }

    pub(crate) fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::Bucket;

    fn taken(bucket: &mut Bucket, at: f64, wanted: usize) -> usize {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_secs_f64(at);
        (0..wanted).filter(|_| bucket.take(now)).count()
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::new(8.0, 12.0);
        assert_eq!(taken(&mut bucket, 100.0, 50), 12);
        assert_eq!(taken(&mut bucket, 100.5, 50), 4);
        assert_eq!(taken(&mut bucket, 101.5, 50), 8);
        assert_eq!(taken(&mut bucket, 1_000.0, 50), 12);
    }

    #[test]
    fn a_clock_that_steps_back_neither_fills_nor_empties() {
        let mut bucket = Bucket::new(1.0, 2.0);
        assert_eq!(taken(&mut bucket, 100.0, 5), 2);
        assert_eq!(taken(&mut bucket, 50.0, 5), 0);
        assert_eq!(taken(&mut bucket, 101.0, 5), 1);
    }

    #[test]
    fn a_halved_rate_holds_from_the_moment_it_is_set() {
        let mut bucket = Bucket::new(100.0, 50.0);
        assert_eq!(taken(&mut bucket, 10.0, 500), 50);
        bucket.set(
            50.0,
            25.0,
            Timestamp::UNIX_EPOCH + SignedDuration::from_secs(10),
        );
        assert_eq!(taken(&mut bucket, 10.1, 500), 5);
        assert_eq!(taken(&mut bucket, 20.0, 500), 25);
    }
}
