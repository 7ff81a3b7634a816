//! Elements of statements in parts, each with its words and the
//! representatives it stands for.

use super::document::{Patterns, Statement};
use super::language::covers;
use super::pattern::{Pattern, Place};
use super::principal::{Name, Principal, Principals};
use super::report::Reporter;
use super::set::{Formula, Set};
use super::space::{ACTION, Found, PRINCIPAL, Search, Within};
use super::who::{StandsFor, Who};
use super::words;

/// A part of an element with its words and representatives.
pub(super) struct Part {
    pub(super) words: String,
    pub(super) columns: Option<Vec<usize>>,
    pub(super) pattern: Option<Pattern>,
}

impl Reporter<'_, '_> {
    /// For a pattern of which the other side knew a part already: which.
    pub(super) fn beyond(
        &self,
        action: &Part,
        who: &Part,
        against: Set,
        formula: &Formula,
    ) -> String {
        let Some(pattern) = action.pattern.as_ref().filter(|p| !p.is_literal()) else {
            return String::new();
        };
        let within = Within {
            principals: who.columns.clone(),
            actions: action.columns.clone(),
            resources: None,
        };
        let known = Formula::And(vec![Formula::Some(against), formula.clone().negated()]);
        if !matches!(self.space.find(&known, &within), Search::Found(_)) {
            return String::new();
        }
        let parts = self.smaller_than(pattern, against, |_| true);
        if parts.is_empty() {
            String::new()
        } else {
            format!(" (beyond {})", words::list(&parts, "and"))
        }
    }

    /// The actions of some statements that are part of a pattern and not all of it.
    fn smaller_than(
        &self,
        pattern: &Pattern,
        among: Set,
        is_meant: impl Fn(&Statement) -> bool,
    ) -> Vec<String> {
        let mut parts: Vec<String> = Vec::new();
        let statements = among.iter().filter_map(|n| self.space.statement(n));
        for statement in statements.filter(|statement| is_meant(statement)) {
            for other in statement.actions().patterns() {
                let name = words::shown(other.source());
                let smaller = covers(pattern, other) && !covers(other, pattern);
                if !statement.actions().is_negated() && smaller && !parts.contains(&name) {
                    parts.push(name);
                }
            }
        }
        parts
    }

    /// For a pattern of which the same side denies a part to everybody, always and everywhere: all but which.
    pub(super) fn but(&self, action: &Part, denials: Set) -> String {
        let Some(pattern) = action.pattern.as_ref().filter(|p| !p.is_literal()) else {
            return String::new();
        };
        let of_all = |resources: &Patterns| !resources.is_negated() && resources.names_everything();
        let parts = self.smaller_than(pattern, denials, |statement| {
            statement.conditions().is_empty()
                && statement.principals().is_none()
                && statement.resources().is_some_and(of_all)
        });
        if parts.is_empty() {
            String::new()
        } else {
            format!(" but {}", words::list(&parts, "and"))
        }
    }

    /// For an account or everyone, of whom the other side knew some already: whom.
    pub(super) fn beyond_principals(
        &self,
        who: &Part,
        statement: &Statement,
        against: Set,
        formula: &Formula,
    ) -> String {
        let Some(columns) = who.columns.as_ref().filter(|c| c.len() > 1) else {
            return String::new();
        };
        let own = statement
            .principals()
            .map(Principals::names)
            .unwrap_or_default();
        let within = |columns: Vec<usize>| Within {
            principals: Some(columns),
            ..Within::default()
        };
        let mut parts: Vec<String> = Vec::new();
        let others = against
            .iter()
            .filter_map(|n| self.space.statement(n)?.principals());
        for name in others
            .filter(|p| !p.is_negated())
            .flat_map(Principals::names)
        {
            let single = Principals {
                negated: false,
                names: vec![name.clone()],
            };
            let covered = |n: &usize| {
                self.space
                    .who(*n)
                    .is_some_and(|w| single.covers(&w.principal))
            };
            let meant: Vec<usize> = columns.iter().copied().filter(|n| covered(n)).collect();
            let untouched = !meant.is_empty()
                && meant.len() < columns.len()
                && self.space.find(formula, &within(meant)) == Search::None;
            let words = self.name(name);
            if untouched && !own.contains(name) && !parts.contains(&words) {
                parts.push(words);
            }
        }
        if parts.is_empty() {
            String::new()
        } else {
            format!(" (beyond {})", words::list(&parts, "and"))
        }
    }

    /// For a resource pattern of which the other side knew a part already,
    /// for the same action: which.
    pub(super) fn beyond_resources(
        &self,
        resource: &Part,
        statement: &Statement,
        against: Set,
        found: &Found,
    ) -> String {
        let everything = Pattern::new("*", Place::Resource, false);
        let pattern = match (&resource.pattern, statement.resources()) {
            (Some(pattern), _) => pattern,
            (None, Some(r)) if !r.is_negated() => &everything,
            _ => return String::new(),
        };
        let mut parts: Vec<String> = Vec::new();
        for number in against
            .iter()
            .filter(|n| self.space.speaks_of_deed(*n, found))
        {
            let Some(other) = self.space.statement(number).and_then(Statement::resources) else {
                continue;
            };
            for known in other.patterns().iter().filter(|_| !other.is_negated()) {
                let name = words::shown(known.source());
                if covers(pattern, known) && !covers(known, pattern) && !parts.contains(&name) {
                    parts.push(name);
                }
            }
        }
        if parts.is_empty() {
            String::new()
        } else {
            format!(" (beyond {})", words::list(&parts, "and"))
        }
    }

    pub(super) fn parts(
        &self,
        dimension: usize,
        element: Option<&Patterns>,
        every: &str,
    ) -> Vec<Part> {
        let Some(element) = element else {
            return vec![Part {
                words: every.to_owned(),
                columns: None,
                pattern: None,
            }];
        };
        if element.is_negated() || element.names_everything() {
            let words = if dimension == ACTION {
                words::actions(element)
            } else {
                words::resources(element)
            };
            let pattern = element
                .patterns()
                .iter()
                .find(|p| p.is_everything())
                .cloned();
            return vec![Part {
                words,
                columns: None,
                pattern,
            }];
        }
        let part = |pattern: &Pattern| Part {
            words: words::shown(pattern.source()),
            columns: Some(self.space.matched_by(dimension, pattern)),
            pattern: Some(pattern.clone()),
        };
        element.patterns().iter().map(part).collect()
    }

    pub(super) fn parts_of_principals(
        &self,
        statement: &Statement,
        formula: &Formula,
    ) -> Vec<Part> {
        let Some(principals) = statement.principals() else {
            return vec![Part {
                words: String::new(),
                columns: None,
                pattern: None,
            }];
        };
        let count = self.space.columns(PRINCIPAL).len();
        let all: Vec<(usize, &Who)> = (0..count)
            .filter_map(|n| Some((n, self.space.who(n)?)))
            .collect();
        if !principals.is_negated() && !principals.names().contains(&Name::Everyone) {
            let meant = |name: &Name| {
                let single = Principals {
                    negated: false,
                    names: vec![name.clone()],
                };
                let columns = all
                    .iter()
                    .filter(|(_, w)| single.covers(&w.principal))
                    .map(|(n, _)| *n)
                    .collect();
                Part {
                    words: self.name(name),
                    columns: Some(columns),
                    pattern: None,
                }
            };
            return principals.names().iter().map(meant).collect();
        }
        let touched = |n: usize| {
            let within = Within {
                principals: Some(vec![n]),
                ..Within::default()
            };
            matches!(self.space.find(formula, &within), Search::Found(_))
        };
        let covered: Vec<usize> = all
            .iter()
            .filter(|(_, w)| principals.covers(&w.principal))
            .map(|(n, _)| *n)
            .collect();
        let touched: Vec<(usize, &Who)> = all.into_iter().filter(|(n, _)| touched(*n)).collect();
        if touched
            .iter()
            .any(|(_, w)| w.stands_for == StandsFor::Strangers)
        {
            let words = words::principals(principals);
            return vec![Part {
                words,
                columns: Some(covered),
                pattern: None,
            }];
        }
        let part = |(n, who): (usize, &Who)| Part {
            words: self.describe(who),
            columns: Some(vec![n]),
            pattern: None,
        };
        touched.into_iter().map(part).collect()
    }

    fn name(&self, name: &Name) -> String {
        match name {
            Name::Account(id) if self.context.account == Some(id) => {
                "anyone in this account".to_owned()
            }
            other => words::shown(&other.to_string()),
        }
    }

    fn describe(&self, who: &Who) -> String {
        match (&who.stands_for, &who.principal) {
            (StandsFor::AnyoneIn(account), _) => self.name(&Name::Account(account.clone())),
            (StandsFor::Strangers, _) => "anyone in any other account".to_owned(),
            (_, Principal::Root { account }) => format!("the root user of account {account}"),
            (StandsFor::Sessions, Principal::Session { role, .. }) => {
                self.name(&Name::Arn(role.clone()))
            }
            (_, Principal::Service(name)) => self.name(&Name::Service(name.clone())),
            (_, Principal::Federated(name)) => self.name(&Name::Federated(name.clone())),
            (_, Principal::Anonymous) => "anyone without credentials".to_owned(),
            (_, other) => other
                .arn()
                .map_or_else(String::new, |arn| self.name(&Name::Arn(arn.into_owned()))),
        }
    }
}
