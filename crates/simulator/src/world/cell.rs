//! One account's place in the world: its IAM, its replicas, its own bucket.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::buckets::Bucket;
use crate::iam::state::Iam;
use crate::seed::{below, mix, unit};

/// How many replicas answer reads.
const REPLICAS: usize = 3;

/// The state of an account that has been asked for at least once.
#[derive(Debug)]
pub(crate) struct Cell {
    current: Arc<Iam>,
    written_at: Timestamp,
    /// States before the last writes, oldest first, each with when it came to be.
    older: VecDeque<(Timestamp, Arc<Iam>)>,
    /// Calls that concerned this account; each draws its luck from the number.
    pub(crate) calls: u64,
    pub(crate) writes: u64,
    pub(crate) bucket: Option<Bucket>,
    /// A rate of its own; none: the one of all targets.
    pub(crate) own_rate: Option<f64>,
    /// Roles that a write is under way on, and until when.
    busy: Vec<(u64, Timestamp)>,
}

impl Cell {
    pub(crate) fn new(iam: Arc<Iam>) -> Self {
        Self {
            current: iam,
            written_at: Timestamp::MIN,
            older: VecDeque::new(),
            calls: 0,
            writes: 0,
            bucket: None,
            own_rate: None,
            busy: Vec::new(),
        }
    }

    /// The state as the last write left it.
    pub(crate) fn latest(&self) -> &Arc<Iam> {
        &self.current
    }

    /// The state as the replica that happens to answer knows it.
    pub(crate) fn seen(&self, seed: u64, stale: Duration, now: Timestamp) -> &Arc<Iam> {
        if stale.is_zero() || self.older.is_empty() {
            return &self.current;
        }
        let replica = below(mix(seed, &[self.calls]), REPLICAS);
        let arrived = |written_at: Timestamp| {
            let lag = stale.mul_f64(unit(mix(seed, &[replica as u64, nanos(written_at)])));
            now.duration_since(written_at) >= SignedDuration::try_from(lag).unwrap_or_default()
        };
        if arrived(self.written_at) {
            return &self.current;
        }
        let known = self
            .older
            .iter()
            .rev()
            .find(|(written_at, _)| arrived(*written_at));
        known
            .or(self.older.front())
            .map_or(&self.current, |(_, iam)| iam)
    }

    /// Puts a new state in place.
    pub(crate) fn commit(&mut self, iam: Arc<Iam>, stale: Duration, now: Timestamp) {
        let before = std::mem::replace(&mut self.current, iam);
        if !stale.is_zero() {
            self.older.push_back((self.written_at, before));
            let horizon = SignedDuration::try_from(stale).unwrap_or_default();
            // The second oldest has arrived everywhere: nobody sees the oldest any more.
            while let Some((written_at, _)) = self.older.get(1)
                && now.duration_since(*written_at) >= horizon
            {
                self.older.pop_front();
            }
        }
        self.written_at = now;
        self.writes += 1;
    }

    /// Claims an entity for a write that lasts until `until`. False while
    /// another one is under way.
    pub(crate) fn claim(&mut self, entity: u64, now: Timestamp, until: Timestamp) -> bool {
        self.busy.retain(|(_, until)| *until > now);
        if self.busy.iter().any(|(known, _)| *known == entity) {
            return false;
        }
        if until > now {
            self.busy.push((entity, until));
        }
        true
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "only a word to draw from"
)]
fn nanos(at: Timestamp) -> u64 {
    at.as_nanosecond() as u64
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use jiff::{SignedDuration, Timestamp};

    use super::Cell;
    use crate::iam::state::{Entity, Group, Iam};

    fn with_groups(names: &[&str]) -> Arc<Iam> {
        let mut iam = Iam::default();
        for name in names {
            iam.groups.insert(Group {
                entity: Entity::new(*name, "/", 1, 0),
            });
        }
        Arc::new(iam)
    }

    fn seen_over(cell: &mut Cell, at: i64, stale: u64) -> Vec<usize> {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_millis(at);
        let look = |_| {
            cell.calls += 1;
            cell.seen(9, Duration::from_secs(stale), now).groups.len()
        };
        (0..60).map(look).collect()
    }

    #[test]
    fn replicas_learn_of_a_write_one_by_one_and_never_forget_it() {
        let stale = Duration::from_secs(4);
        let mut cell = Cell::new(with_groups(&[]));
        let written = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(100);
        cell.commit(with_groups(&["a"]), stale, written);
        let knowing: Vec<usize> = (0..=8)
            .map(|step| {
                seen_over(&mut cell, 100_000 + step * 500, 4)
                    .iter()
                    .sum::<usize>()
            })
            .collect();
        assert!(
            knowing.first() < Some(&60),
            "right after the write some replica must be behind: {knowing:?}"
        );
        assert_eq!(
            knowing.last(),
            Some(&60),
            "after the longest lag all know: {knowing:?}"
        );
    }

    #[test]
    fn a_second_write_to_the_same_role_collides_until_the_first_is_over() {
        let mut cell = Cell::new(with_groups(&[]));
        let at = |millis| Timestamp::UNIX_EPOCH + SignedDuration::from_millis(millis);
        assert!(cell.claim(7, at(0), at(100)));
        assert!(!cell.claim(7, at(99), at(200)));
        assert!(cell.claim(8, at(99), at(200)));
        assert!(cell.claim(7, at(100), at(200)));
    }
}
