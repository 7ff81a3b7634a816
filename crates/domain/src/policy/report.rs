//! What a difference consists of, sentence by sentence.
//!
//! Sentences speak in the author's own patterns: each pattern of each
//! statement is asked whether the difference reaches into it. What is gained
//! or lost alike is told together.

use std::collections::BTreeMap;

use super::compare::Context;
use super::condition::Condition;
use super::document::{Document, Effect, Kind, Patterns, Statement};
use super::language::covers;
use super::principal::{Name, Principal};
use super::space::{ACTION, Formula, Found, PRINCIPAL, RESOURCE, Search, Set, Space, Within};
use super::who::{StandsFor, Who};
use super::words;

/// The most searches for one list of sentences.
const MAX_QUESTIONS: usize = 1_500;
/// The most sentences in one list.
const MAX_SENTENCES: usize = 40;

/// Which way the difference goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voice {
    Gained,
    Lost,
}

/// Tells differences in a space.
pub(super) struct Reporter<'s, 'a> {
    pub(super) space: &'s Space<'a>,
    pub(super) kind: Kind,
    pub(super) context: &'s Context<'s>,
}

/// A part of an element with its words and representatives.
struct Part {
    words: String,
    columns: Option<Vec<usize>>,
    pattern: Option<super::Pattern>,
}

/// What a group of actions shares: for whom, on what, and how.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shared {
    resources: Vec<String>,
    how: String,
}

impl Reporter<'_, '_> {
    /// Adds a sentence for each group of what `formula` finds in statements
    /// of `from` with this effect. `against` is the other side: what it still
    /// says of the same requests becomes part of the sentence.
    pub(super) fn sentences(
        &self,
        formula: &Formula,
        effect: Effect,
        from: &[&Document],
        against: &[&Document],
        voice: Voice,
        out: &mut Vec<String>,
    ) {
        let against = against.iter().fold(Set::default(), |set, d| set.or(self.space.set(d, effect)));
        let own = from.iter().fold(Set::default(), |set, d| set.or(self.space.set(d, effect)));
        let mut questions = 0;
        for number in own.iter() {
            let Some(statement) = self.space.statement(number) else { continue };
            let mut only = Set::default();
            only.insert(number);
            let formula = Formula::And(vec![Formula::Some(only), formula.clone()]);
            let told = self.groups(&formula, number, statement, against, voice, &mut questions);
            for (names, group) in told {
                for (shared, actions) in group {
                    let sentence = self.sentence(effect, voice, &names, &actions, &shared);
                    if !out.contains(&sentence) {
                        out.push(sentence);
                    }
                }
            }
        }
        if out.len() > MAX_SENTENCES {
            let more = out.len() - MAX_SENTENCES;
            out.truncate(MAX_SENTENCES);
            out.push(format!("and {more} more of the kind"));
        }
    }

    /// Names that share the same groups of actions, with those groups.
    fn groups(
        &self,
        formula: &Formula,
        number: usize,
        statement: &Statement,
        against: Set,
        voice: Voice,
        questions: &mut usize,
    ) -> Vec<(Vec<String>, BTreeMap<Shared, Vec<String>>)> {
        let mut told: Vec<(Vec<String>, BTreeMap<Shared, Vec<String>>)> = Vec::new();
        for who in self.parts_of_principals(statement, formula) {
            let mut groups: BTreeMap<Shared, Vec<String>> = BTreeMap::new();
            for action in self.parts(ACTION, Some(statement.actions()), "every action") {
                let mut resources = Vec::new();
                let mut how = None;
                for resource in self.parts(RESOURCE, statement.resources(), "every resource") {
                    *questions += 1;
                    if *questions > MAX_QUESTIONS {
                        break;
                    }
                    let within = Within {
                        principals: who.columns.clone(),
                        actions: action.columns.clone(),
                        resources: resource.columns.clone(),
                    };
                    if let Search::Found(found) = self.space.find(formula, &within) {
                        let beyond = self.beyond_resources(&resource, statement, against, &found);
                        resources.push(format!("{}{beyond}", resource.words));
                        how.get_or_insert_with(|| self.how(number, statement, against, &found, voice));
                    }
                }
                if let Some(how) = how {
                    let beyond = self.beyond(&action, &who, against, formula);
                    groups.entry(Shared { resources, how }).or_default().push(format!("{}{beyond}", action.words));
                }
            }
            if groups.is_empty() {
                continue;
            }
            let name = format!("{}{}", who.words, self.beyond_principals(&who, statement, against, formula));
            match told.iter_mut().find(|(_, g)| *g == groups) {
                Some((names, _)) => names.push(name),
                None => told.push((vec![name], groups)),
            }
        }
        told
    }

    fn sentence(&self, effect: Effect, voice: Voice, names: &[String], actions: &[String], shared: &Shared) -> String {
        let names = words::list(names, "and");
        let on = match (self.kind, shared.resources.as_slice()) {
            (Kind::Trust, _) => String::new(),
            (_, [one]) if one == "every resource" => String::new(),
            (_, many) => format!(" on {}", words::list(many, "and")),
        };
        let how = &shared.how;
        let plain = words::list(actions, "and");
        if self.kind.has_principals() {
            let deeds = words::deeds(self.kind, actions);
            return match (effect, voice) {
                (Effect::Allow, Voice::Gained) => format!("{names} may {deeds}{on}{how}"),
                (Effect::Allow, Voice::Lost) => format!("{names} may no longer {deeds}{on}{how}"),
                (Effect::Deny, Voice::Gained) => format!("the denial of {plain}{on} for {names}{how} is gone"),
                (Effect::Deny, Voice::Lost) => format!("{names} may in no case {deeds}{on}{how}"),
            };
        }
        let is = if actions.len() == 1 { "is" } else { "are" };
        match (effect, voice) {
            (Effect::Allow, Voice::Gained) => format!("{plain} {is} allowed{on}{how}"),
            (Effect::Allow, Voice::Lost) => format!("{plain} {is} no longer allowed{on}{how}"),
            (Effect::Deny, Voice::Gained) => format!("the denial of {plain}{on}{how} is gone"),
            (Effect::Deny, Voice::Lost) => format!("{plain} {is} denied{on}{how}"),
        }
    }

    /// The circumstances: what the other side still asks for, or else the
    /// statement's own conditions.
    fn how(&self, number: usize, statement: &Statement, against: Set, found: &Found, voice: Voice) -> String {
        let mut failed: Vec<&Condition> = Vec::new();
        let other = against.iter().find(|n| *n != number && self.space.reaches(*n, found));
        if let Some(other) = other
            && let Some(old) = self.space.statement(other)
        {
            failed = old
                .conditions()
                .iter()
                .filter(|c| !self.space.holds_on(other, c.key_lower(), found))
                .collect();
        }
        let mut failed_keys: Vec<&str> = failed.iter().map(|c| c.key_lower()).collect();
        failed_keys.dedup();
        if failed.is_empty() {
            return words::conditions(statement.conditions());
        }
        let own: Vec<Condition> = statement
            .conditions()
            .iter()
            .filter(|c| !failed_keys.contains(&c.key_lower()))
            .cloned()
            .collect();
        let missing = |key: &str| self.space.is_missing(key, found);
        format!("{}{}", words::without(&failed, statement, voice == Voice::Lost, &missing), words::conditions(&own))
    }

    /// For a pattern of which the other side knew a part already: which.
    fn beyond(&self, action: &Part, who: &Part, against: Set, formula: &Formula) -> String {
        let Some(pattern) = action.pattern.as_ref().filter(|p| !p.is_literal()) else { return String::new() };
        let within = Within { principals: who.columns.clone(), actions: action.columns.clone(), resources: None };
        let known = Formula::And(vec![Formula::Some(against), formula.clone().negated()]);
        if !matches!(self.space.find(&known, &within), Search::Found(_)) {
            return String::new();
        }
        let mut parts: Vec<String> = Vec::new();
        for statement in against.iter().filter_map(|n| self.space.statement(n)) {
            for other in statement.actions().patterns() {
                let name = words::shown(other.source());
                let smaller = covers(pattern, other) && !covers(other, pattern);
                if !statement.actions().is_negated() && smaller && !parts.contains(&name) {
                    parts.push(name);
                }
            }
        }
        if parts.is_empty() { String::new() } else { format!(" (beyond {})", words::list(&parts, "and")) }
    }

    /// For an account or everyone, of whom the other side knew some already: whom.
    fn beyond_principals(&self, who: &Part, statement: &Statement, against: Set, formula: &Formula) -> String {
        let Some(columns) = who.columns.as_ref().filter(|c| c.len() > 1) else { return String::new() };
        let own = statement.principals().map(super::Principals::names).unwrap_or_default();
        let within = |columns: Vec<usize>| Within { principals: Some(columns), ..Within::default() };
        let mut parts: Vec<String> = Vec::new();
        let others = against.iter().filter_map(|n| self.space.statement(n)?.principals());
        for name in others.filter(|p| !p.is_negated()).flat_map(super::Principals::names) {
            let single = super::Principals { negated: false, names: vec![name.clone()] };
            let covered = |n: &usize| self.space.who(*n).is_some_and(|w| single.covers(&w.principal));
            let meant: Vec<usize> = columns.iter().copied().filter(|n| covered(n)).collect();
            let untouched = !meant.is_empty()
                && meant.len() < columns.len()
                && self.space.find(formula, &within(meant)) == Search::None;
            let words = self.name(name);
            if untouched && !own.contains(name) && !parts.contains(&words) {
                parts.push(words);
            }
        }
        if parts.is_empty() { String::new() } else { format!(" (beyond {})", words::list(&parts, "and")) }
    }

    /// For a resource pattern of which the other side knew a part already,
    /// for the same action: which.
    fn beyond_resources(&self, resource: &Part, statement: &Statement, against: Set, found: &Found) -> String {
        let everything = super::Pattern::new("*", super::pattern::Place::Resource, false);
        let pattern = match (&resource.pattern, statement.resources()) {
            (Some(pattern), _) => pattern,
            (None, Some(r)) if !r.is_negated() => &everything,
            _ => return String::new(),
        };
        let mut parts: Vec<String> = Vec::new();
        for number in against.iter().filter(|n| self.space.speaks_of_deed(*n, found)) {
            let Some(other) = self.space.statement(number).and_then(Statement::resources) else { continue };
            for known in other.patterns().iter().filter(|_| !other.is_negated()) {
                let name = words::shown(known.source());
                if covers(pattern, known) && !covers(known, pattern) && !parts.contains(&name) {
                    parts.push(name);
                }
            }
        }
        if parts.is_empty() { String::new() } else { format!(" (beyond {})", words::list(&parts, "and")) }
    }

    fn parts(&self, dimension: usize, element: Option<&Patterns>, every: &str) -> Vec<Part> {
        let Some(element) = element else {
            return vec![Part { words: every.to_owned(), columns: None, pattern: None }];
        };
        if element.is_negated() || element.names_everything() {
            let words = if dimension == ACTION { words::actions(element) } else { words::resources(element) };
            let pattern = element.patterns().iter().find(|p| p.is_everything()).cloned();
            return vec![Part { words, columns: None, pattern }];
        }
        let part = |pattern: &super::Pattern| Part {
            words: words::shown(pattern.source()),
            columns: Some(self.space.matched_by(dimension, pattern)),
            pattern: Some(pattern.clone()),
        };
        element.patterns().iter().map(part).collect()
    }

    fn parts_of_principals(&self, statement: &Statement, formula: &Formula) -> Vec<Part> {
        let Some(principals) = statement.principals() else {
            return vec![Part { words: String::new(), columns: None, pattern: None }];
        };
        let count = self.space.columns(PRINCIPAL).len();
        let all: Vec<(usize, &Who)> = (0..count).filter_map(|n| Some((n, self.space.who(n)?))).collect();
        if !principals.is_negated() && !principals.names().contains(&Name::Everyone) {
            let meant = |name: &Name| {
                let single = super::Principals { negated: false, names: vec![name.clone()] };
                let columns = all.iter().filter(|(_, w)| single.covers(&w.principal)).map(|(n, _)| *n).collect();
                Part { words: self.name(name), columns: Some(columns), pattern: None }
            };
            return principals.names().iter().map(meant).collect();
        }
        let touched = |n: usize| {
            let within = Within { principals: Some(vec![n]), ..Within::default() };
            matches!(self.space.find(formula, &within), Search::Found(_))
        };
        let covered: Vec<usize> =
            all.iter().filter(|(_, w)| principals.covers(&w.principal)).map(|(n, _)| *n).collect();
        let touched: Vec<(usize, &Who)> = all.into_iter().filter(|(n, _)| touched(*n)).collect();
        if touched.iter().any(|(_, w)| w.stands_for == StandsFor::Strangers) {
            let words = words::principals(principals);
            return vec![Part { words, columns: Some(covered), pattern: None }];
        }
        let part = |(n, who): (usize, &Who)| Part { words: self.describe(who), columns: Some(vec![n]), pattern: None };
        touched.into_iter().map(part).collect()
    }

    fn name(&self, name: &Name) -> String {
        match name {
            Name::Account(id) if self.context.account == Some(id) => "anyone in this account".to_owned(),
            other => words::shown(&other.to_string()),
        }
    }

    fn describe(&self, who: &Who) -> String {
        match (&who.stands_for, &who.principal) {
            (StandsFor::AnyoneIn(account), _) => self.name(&Name::Account(account.clone())),
            (StandsFor::Strangers, _) => "anyone in any other account".to_owned(),
            (_, Principal::Root { account }) => format!("the root user of account {account}"),
            (StandsFor::Sessions, Principal::Session { role, .. }) => self.name(&Name::Arn(role.clone())),
            (_, Principal::Service(name)) => self.name(&Name::Service(name.clone())),
            (_, Principal::Federated(name)) => self.name(&Name::Federated(name.clone())),
            (_, Principal::Anonymous) => "anyone without credentials".to_owned(),
            (_, other) => other.arn().map_or_else(String::new, |arn| self.name(&Name::Arn(arn.into_owned()))),
        }
    }
}
