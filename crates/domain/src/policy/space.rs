//! All requests that a set of statements can tell apart, as a product of few
//! representatives, and the search for one with a given property.
//!
//! Every dimension of a request (principal, action, resource, each context
//! key) gets representatives for each way in which the statements can tell
//! its values apart. Whether a statement speaks of a representative is asked
//! of the very code that evaluates requests. So what the search finds is a
//! request, and what it does not find in complete dimensions does not exist.

use std::collections::{BTreeMap, BTreeSet};

use super::build::{Builder, Symbols};
use super::document::{Document, Effect, Kind, Statement};
use super::pattern::Pattern;
use super::search::{Walk, choices};
use super::set::{Formula, MAX_STATEMENTS, Set};
use super::who::{Cast, FROM_PRINCIPAL, Who, cast};

/// One representative value and the statements that speak of it.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Its text, for actions and resources.
    pub(super) text: String,
    /// Its values, for context keys.
    pub(super) values: Vec<String>,
    pub(super) set: Set,
}

/// One dimension of a request.
#[derive(Clone, Debug)]
pub(super) struct Dimension {
    pub(super) columns: Vec<Column>,
    /// The context key; empty for principal, action, resource.
    pub(super) key: String,
    /// Statements that speak of all its values.
    pub(super) indifferent: Set,
}

/// Positions of the first three dimensions.
pub(super) const PRINCIPAL: usize = 0;
pub(super) const ACTION: usize = 1;
pub(super) const RESOURCE: usize = 2;

/// See the module.
pub(super) struct Space<'a> {
    statements: Vec<&'a Statement>,
    pub(super) cast: Cast,
    symbols: Symbols,
    pub(super) dimensions: Vec<Dimension>,
    /// Statements that no dimension from this one on restricts.
    pub(super) settled: Vec<Set>,
    /// Whether a context key follows from the principal.
    pub(super) correlated: bool,
    /// Whether the representatives stand for all requests.
    pub(super) complete: bool,
    /// Whether what is found may not exist: a policy variable's key is also
    /// compared by a condition, and the two are not looked at together.
    pub(super) entangled: bool,
    places: BTreeMap<&'a str, usize>,
}

/// A request found: its representatives' positions, dimension by dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: Vec<usize>,
    pub(super) speaking: Set,
}

/// The outcome of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Search {
    Found(Found),
    None,
    GaveUp,
}

/// Which representatives a search may use; `None` is all.
#[derive(Clone, Debug, Default)]
pub(super) struct Within {
    pub(super) principals: Option<Vec<usize>>,
    pub(super) actions: Option<Vec<usize>>,
    pub(super) resources: Option<Vec<usize>>,
}

impl<'a> Space<'a> {
    /// The space that the documents' statements span; `None` when there are
    /// too many of them.
    pub(super) fn of(documents: &[&'a Document]) -> Option<Space<'a>> {
        let mut statements = Vec::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for document in documents {
            for (statement, row) in document.statements().iter().zip(document.rows()) {
                places.entry(row.as_str()).or_insert_with(|| {
                    statements.push(statement);
                    statements.len() - 1
                });
            }
        }
        if statements.len() > MAX_STATEMENTS {
            return None;
        }
        let with_principals = documents.iter().any(|d| d.kind().has_principals());
        let trust = documents.iter().all(|d| d.kind() == Kind::Trust);
        let mut builder = Builder::new(&statements);
        let cast = if with_principals {
            cast(&statements)
        } else {
            Cast {
                complete: true,
                ..Cast::default()
            }
        };
        let mut dimensions = vec![builder.principals(&cast), builder.actions()];
        dimensions.push(if trust {
            builder.indifferent()
        } else {
            builder.resources()
        });
        dimensions.extend(builder.keys(&cast, with_principals));
        let everything = builder.everything();
        let mut settled = vec![everything];
        for dimension in dimensions.iter().rev() {
            let behind = settled.last().copied().unwrap_or_default();
            settled.push(behind.and(dimension.indifferent));
        }
        settled.reverse();
        let correlated = with_principals
            && dimensions
                .iter()
                .any(|d| FROM_PRINCIPAL.contains(&d.key.as_str()));
        Some(Space {
            complete: builder.complete && cast.complete,
            entangled: builder.entangled,
            symbols: builder.symbols,
            statements,
            cast,
            dimensions,
            settled,
            correlated,
            places,
        })
    }

    /// The statements of a document with this effect.
    pub(super) fn set(&self, document: &Document, effect: Effect) -> Set {
        let mut set = Set::default();
        for (statement, row) in document.statements().iter().zip(document.rows()) {
            if statement.effect() == effect
                && let Some(n) = self.places.get(row.as_str())
            {
                set.insert(*n);
            }
        }
        set
    }

    /// One statement of a document.
    pub(super) fn only(&self, document: &Document, n: usize) -> Set {
        let mut set = Set::default();
        if let Some(place) = document
            .rows()
            .get(n)
            .and_then(|row| self.places.get(row.as_str()))
        {
            set.insert(*place);
        }
        set
    }

    pub(super) fn statement(&self, n: usize) -> Option<&'a Statement> {
        self.statements.get(n).copied()
    }

    pub(super) fn columns(&self, dimension: usize) -> &[Column] {
        self.dimensions
            .get(dimension)
            .map_or(&[], |d| d.columns.as_slice())
    }

    pub(super) fn who(&self, column: usize) -> Option<&Who> {
        self.cast.all.get(column)
    }

    /// The context keys with their position in a path.
    pub(super) fn keys(&self) -> impl Iterator<Item = (usize, &str)> {
        self.dimensions
            .iter()
            .enumerate()
            .skip(RESOURCE + 1)
            .map(|(n, d)| (n, d.key.as_str()))
    }

    /// The keys of policy variables with what stands for their values.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.symbols
            .0
            .iter()
            .map(|(key, symbol)| (key.as_str(), symbol.as_str()))
    }

    /// Positions of the representatives that a pattern matches.
    pub(super) fn matched_by(&self, dimension: usize, pattern: &Pattern) -> Vec<usize> {
        let all = self.columns(dimension).iter().enumerate();
        all.filter(|(_, c)| pattern.matches(&c.text, &self.symbols))
            .map(|(n, _)| n)
            .collect()
    }

    /// Whether a statement speaks of the principal, action and resource of a
    /// request found, whatever it says of the context.
    pub(super) fn reaches(&self, statement: usize, found: &Found) -> bool {
        let first = found.path.iter().take(RESOURCE + 1).enumerate();
        first
            .map(|(d, n)| self.columns(d).get(*n))
            .all(|c| c.is_some_and(|c| c.set.contains(statement)))
    }

    /// Whether a statement speaks of the principal and action of a request
    /// found, whatever it says of resource and context.
    pub(super) fn speaks_of_deed(&self, statement: usize, found: &Found) -> bool {
        let first = found.path.iter().take(RESOURCE).enumerate();
        first
            .map(|(d, n)| self.columns(d).get(*n))
            .all(|c| c.is_some_and(|c| c.set.contains(statement)))
    }

    /// Whether a request found lacks a context key.
    pub(super) fn is_missing(&self, key: &str, found: &Found) -> bool {
        let at = self.dimensions.iter().position(|d| d.key == key);
        let column = at.and_then(|at| self.columns(at).get(*found.path.get(at)?));
        column.is_some_and(|c| c.values.is_empty())
    }

    /// Whether the conditions on a key hold, by one statement, in a request
    /// found. A key that the search did not come to is open: `true`.
    pub(super) fn holds_on(&self, statement: usize, key: &str, found: &Found) -> bool {
        let Some(at) = self
            .dimensions
            .iter()
            .skip(RESOURCE + 1)
            .position(|d| d.key == key)
        else {
            return true;
        };
        let at = at + RESOURCE + 1;
        let Some(n) = found.path.get(at) else {
            return true;
        };
        self.columns(at)
            .get(*n)
            .is_none_or(|c| c.set.contains(statement))
    }

    /// Looks for a request of which `wanted` holds.
    pub(super) fn find(&self, wanted: &Formula, within: &Within) -> Search {
        let mut walk = Walk {
            space: self,
            wanted,
            seen: BTreeSet::new(),
            steps: 0,
            choices: Vec::new(),
        };
        for (n, dimension) in self.dimensions.iter().enumerate() {
            let allowed = match n {
                PRINCIPAL => within.principals.as_ref(),
                ACTION => within.actions.as_ref(),
                RESOURCE => within.resources.as_ref(),
                _ => None,
            };
            let keep_all = self.correlated
                && (n == PRINCIPAL || FROM_PRINCIPAL.contains(&dimension.key.as_str()));
            walk.choices.push(choices(dimension, allowed, keep_all));
        }
        let mut path = Vec::with_capacity(self.dimensions.len());
        match walk.step(0, self.settled_everything(), &mut path) {
            Some(Some(speaking)) => Search::Found(Found { path, speaking }),
            Some(None) => Search::None,
            None => Search::GaveUp,
        }
    }

    fn settled_everything(&self) -> Set {
        self.settled.last().copied().unwrap_or_default()
    }
}
