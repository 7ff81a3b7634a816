//! A request that shows a difference.

use std::collections::BTreeMap;

use super::context::ConditionContext;
use super::document::{Document, Effect};
use super::evaluate::{Request, document_says};
use super::pattern::is_symbol;
use super::principal::Principal;
use super::set::Formula;
use super::space::{ACTION, Found, PRINCIPAL, RESOURCE, Search, Space, Within};

/// Requests that two documents decide differently.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examples {
    /// One that `after` lets further than `before`: allowed instead of not,
    /// or no longer denied.
    pub gained: Option<Request>,
    /// One that `before` lets further than `after`.
    pub lost: Option<Request>,
}

/// Finds a request for each way in which two documents differ. Where none is
/// found there may still be one; [`super::compare()`] says what is proven. Names in
/// the requests that do not stand in the documents are made up.
pub fn examples(before: &Document, after: &Document) -> Examples {
    match Space::of(&[before, after]) {
        Some(space) => examples_in(&space, before, after),
        None => Examples::default(),
    }
}

/// The same in a space that is there already.
pub(super) fn examples_in(space: &Space<'_>, before: &Document, after: &Document) -> Examples {
    let find = |old: &Document, new: &Document| {
        let allows = |d| Formula::Some(space.set(d, Effect::Allow));
        let denies = |d| Formula::Some(space.set(d, Effect::Deny));
        let gone = Formula::And(vec![denies(old), denies(new).negated()]);
        let granted = Formula::And(vec![
            allows(new),
            denies(new).negated(),
            allows(old).negated(),
            denies(old).negated(),
        ]);
        [granted, gone]
            .iter()
            .find_map(|formula| match space.find(formula, &Within::default()) {
                Search::Found(found) => {
                    let request = request(space, &found);
                    // Where a variable is entangled with a condition, the search
                    // alone is no proof; the evaluator is.
                    let shows = !space.entangled || reach(new, &request) > reach(old, &request);
                    shows.then_some(request)
                }
                _ => None,
            })
    };
    Examples {
        gained: find(before, after),
        lost: find(after, before),
    }
}

/// How far a document lets a request come: denied, unmentioned, allowed.
fn reach(document: &Document, request: &Request) -> u8 {
    match document_says(document, request) {
        Some(Effect::Deny) => 0,
        None => 1,
        Some(Effect::Allow) => 2,
    }
}

fn request(space: &Space<'_>, found: &Found) -> Request {
    let column = |dimension: usize| {
        let n = found.path.get(dimension).copied().unwrap_or_default();
        space.columns(dimension).get(n)
    };
    let on_key = |key: &str| {
        let (dimension, _) = space.keys().find(|(_, k)| *k == key)?;
        column(dimension).map(|c| c.values.as_slice())
    };
    let mut context = ConditionContext::new();
    // What a variable stands for: the value that the key has anyway, where a
    // condition asks for it, or a made-up one.
    let mut stand_ins = BTreeMap::new();
    for (key, symbol) in space.variables() {
        let value = match on_key(key) {
            Some([]) => continue,
            Some([one]) if !one.chars().any(is_symbol) => one.clone(),
            _ => made_up(symbol),
        };
        context.set(key, value.clone());
        stand_ins.extend(symbol.chars().map(|c| (c, value.clone())));
    }
    let instantiated = |text: &str| {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            match stand_ins.get(&c) {
                Some(value) => out.push_str(value),
                None if is_symbol(c) => out.push_str(&made_up(&c.to_string())),
                None => out.push(c),
            }
        }
        out
    };
    for (dimension, key) in space.keys() {
        let values = column(dimension)
            .map(|c| c.values.as_slice())
            .unwrap_or_default();
        if !values.is_empty() {
            context.set_many(key, values.iter().map(|v| instantiated(v)));
        }
    }
    let text = |dimension| {
        column(dimension)
            .map(|c| instantiated(&c.text))
            .unwrap_or_default()
    };
    let who = found.path.get(PRINCIPAL).and_then(|n| space.who(*n));
    let resource = text(RESOURCE);
    Request {
        principal: who.map_or_else(someone, |w| w.principal.clone()),
        action: text(ACTION),
        resource: if resource.is_empty() {
            "*".to_owned()
        } else {
            resource
        },
        context,
    }
}

/// A value that no policy names.
fn made_up(symbol: &str) -> String {
    symbol
        .chars()
        .map(|c| format!("value-{:x}", u32::from(c)))
        .collect()
}

fn someone() -> Principal {
    Principal::User {
        arn: "arn:aws:iam::000000000000:user/someone".to_owned(),
    }
}
