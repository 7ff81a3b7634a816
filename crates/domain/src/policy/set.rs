//! Sets of statements, and questions about which of them speak of a request.

/// The most different statements looked at together. IAM's limits admit about
/// a hundred to a document.
pub(super) const MAX_STATEMENTS: usize = 256;

/// A set of statements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Set([u64; MAX_STATEMENTS / 64]);

impl Set {
    pub(super) fn insert(&mut self, n: usize) {
        if let Some(word) = self.0.get_mut(n / 64) {
            *word |= 1 << (n % 64);
        }
    }

    pub(super) fn contains(&self, n: usize) -> bool {
        self.0
            .get(n / 64)
            .is_some_and(|word| word & (1 << (n % 64)) != 0)
    }

    pub(super) fn and(self, other: Set) -> Set {
        let mut out = self;
        for (mine, theirs) in out.0.iter_mut().zip(other.0) {
            *mine &= theirs;
        }
        out
    }

    pub(super) fn or(self, other: Set) -> Set {
        let mut out = self;
        for (mine, theirs) in out.0.iter_mut().zip(other.0) {
            *mine |= theirs;
        }
        out
    }

    pub(super) fn meets(self, other: Set) -> bool {
        self.0.iter().zip(other.0).any(|(a, b)| a & b != 0)
    }

    pub(super) fn iter(self) -> impl Iterator<Item = usize> {
        (0..MAX_STATEMENTS).filter(move |n| self.contains(*n))
    }
}

/// A question about the statements that speak of a request.
#[derive(Clone, Debug)]
pub(super) enum Formula {
    /// At least one statement of the set does.
    Some(Set),
    Not(Box<Formula>),
    And(Vec<Formula>),
    Always,
}

impl Formula {
    pub(super) fn negated(self) -> Formula {
        Formula::Not(Box::new(self))
    }

    /// `possible` may still speak of the request, `certain` do. `None`: open.
    pub(super) fn decide(&self, possible: Set, certain: Set) -> Option<bool> {
        match self {
            Formula::Always => Some(true),
            Formula::Some(set) if certain.meets(*set) => Some(true),
            Formula::Some(set) if !possible.meets(*set) => Some(false),
            Formula::Some(_) => None,
            Formula::Not(inner) => inner.decide(possible, certain).map(|b| !b),
            Formula::And(all) => all_hold(all, possible, certain),
        }
    }
}

fn all_hold(all: &[Formula], possible: Set, certain: Set) -> Option<bool> {
    let mut open = false;
    for formula in all {
        match formula.decide(possible, certain) {
            Some(false) => return Some(false),
            Some(true) => {}
            None => open = true,
        }
    }
    if open { None } else { Some(true) }
}
