//! The search for a request with a given property.

use std::collections::BTreeSet;

use super::set::{Formula, Set};
use super::space::{Dimension, RESOURCE, Space};
use super::who::FROM_PRINCIPAL;

/// The most steps of one search.
const MAX_SEARCH: usize = 100_000;

/// The representatives to try: of those with the same statements one is enough.
pub(super) fn choices(
    dimension: &Dimension,
    allowed: Option<&Vec<usize>>,
    keep_all: bool,
) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    let all = dimension.columns.iter().enumerate();
    let allowed = |n: &usize| allowed.is_none_or(|list| list.contains(n));
    all.filter(|(n, column)| allowed(n) && (keep_all || seen.insert(column.set)))
        .map(|(n, _)| n)
        .collect()
}

/// One search under way.
pub(super) struct Walk<'s, 'a> {
    pub(super) space: &'s Space<'a>,
    pub(super) wanted: &'s Formula,
    pub(super) seen: BTreeSet<(usize, usize, Set)>,
    pub(super) steps: usize,
    pub(super) choices: Vec<Vec<usize>>,
}

impl Walk<'_, '_> {
    /// `Some(Some(_))` found, `Some(None)` not there, `None` gave up.
    pub(super) fn step(
        &mut self,
        depth: usize,
        possible: Set,
        path: &mut Vec<usize>,
    ) -> Option<Option<Set>> {
        self.steps += 1;
        if self.steps > MAX_SEARCH {
            return None;
        }
        let certain = possible.and(self.space.settled.get(depth).copied().unwrap_or_default());
        match self.wanted.decide(possible, certain) {
            Some(false) => return Some(None),
            Some(true) if depth > RESOURCE && !self.space.correlated => return Some(Some(certain)),
            _ => {}
        }
        let Some(dimension) = self.space.dimensions.get(depth) else {
            return Some(
                self.wanted
                    .decide(possible, possible)
                    .filter(|b| *b)
                    .map(|_| possible),
            );
        };
        let who = if self.space.correlated {
            path.first().copied().unwrap_or_default()
        } else {
            0
        };
        if !self.seen.insert((depth, who, possible)) {
            return Some(None);
        }
        let from_principal =
            self.space.correlated && FROM_PRINCIPAL.contains(&dimension.key.as_str());
        for n in self.choices.get(depth).cloned().unwrap_or_default() {
            let Some(column) = dimension.columns.get(n) else {
                continue;
            };
            if from_principal
                && let Some(who) = self.space.who(who)
                && !self.space.cast.admits(who, &dimension.key, &column.values)
            {
                continue;
            }
            path.push(n);
            match self.step(depth + 1, possible.and(column.set), path) {
                Some(None) => {
                    path.pop();
                }
                other => return other,
            }
        }
        Some(None)
    }
}
