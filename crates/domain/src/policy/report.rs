//! What a difference consists of, sentence by sentence.
//!
//! Sentences speak in the author's own patterns: each pattern of each
//! statement is asked whether the difference reaches into it. What is gained
//! or lost alike is told together.

use std::collections::BTreeMap;

use super::compare::Context;
use super::condition::Condition;
use super::document::{Document, Effect, Kind, Statement};
use super::set::{Formula, Set};
use super::space::{ACTION, Found, RESOURCE, Search, Space, Within};
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

/// What a group of actions shares: for whom, on what, and how.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shared {
    resources: Vec<String>,
    how: String,
}

/// What else counts for a sentence.
#[derive(Clone, Copy, Debug)]
struct Sides {
    /// Statements of the other side with the same effect.
    against: Set,
    /// Denials of the side that the sentence is about.
    denials: Set,
}

/// Actions told together, by what they share.
type Groups = BTreeMap<Shared, Vec<String>>;
/// Names that share the same groups, with those groups.
type Told = (Vec<String>, Groups);

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
        let against = against
            .iter()
            .fold(Set::default(), |set, d| set.or(self.space.set(d, effect)));
        let own = from
            .iter()
            .fold(Set::default(), |set, d| set.or(self.space.set(d, effect)));
        // What the same side denies besides is not gained, and is said to be lost by itself.
        let denials = match (effect, voice) {
            (Effect::Allow, Voice::Gained) => from.iter().fold(Set::default(), |set, d| {
                set.or(self.space.set(d, Effect::Deny))
            }),
            _ => Set::default(),
        };
        let sides = Sides { against, denials };
        let mut questions = 0;
        for number in own.iter() {
            let Some(statement) = self.space.statement(number) else {
                continue;
            };
            let mut only = Set::default();
            only.insert(number);
            let formula = Formula::And(vec![Formula::Some(only), formula.clone()]);
            let told = self.groups(&formula, number, statement, &sides, voice, &mut questions);
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
        sides: &Sides,
        voice: Voice,
        questions: &mut usize,
    ) -> Vec<Told> {
        let against = sides.against;
        let mut told: Vec<Told> = Vec::new();
        for who in self.parts_of_principals(statement, formula) {
            let mut groups = Groups::new();
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
                        how.get_or_insert_with(|| {
                            self.how(number, statement, against, &found, voice)
                        });
                    }
                }
                if let Some(how) = how {
                    let but = self.but(&action, sides.denials);
                    let beyond = self.beyond(&action, &who, against, formula);
                    groups
                        .entry(Shared { resources, how })
                        .or_default()
                        .push(format!("{}{but}{beyond}", action.words));
                }
            }
            if groups.is_empty() {
                continue;
            }
            let name = format!(
                "{}{}",
                who.words,
                self.beyond_principals(&who, statement, against, formula)
            );
            match told.iter_mut().find(|(_, g)| *g == groups) {
                Some((names, _)) => names.push(name),
                None => told.push((vec![name], groups)),
            }
        }
        told
    }

    fn sentence(
        &self,
        effect: Effect,
        voice: Voice,
        names: &[String],
        actions: &[String],
        shared: &Shared,
    ) -> String {
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
                (Effect::Deny, Voice::Gained) => {
                    format!("the denial of {plain}{on} for {names}{how} is gone")
                }
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
    fn how(
        &self,
        number: usize,
        statement: &Statement,
        against: Set,
        found: &Found,
        voice: Voice,
    ) -> String {
        let mut failed: Vec<&Condition> = Vec::new();
        let other = against
            .iter()
            .find(|n| *n != number && self.space.reaches(*n, found));
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
        format!(
            "{}{}",
            words::without(&failed, statement, voice == Voice::Lost, &missing),
            words::conditions(&own)
        )
    }
}
