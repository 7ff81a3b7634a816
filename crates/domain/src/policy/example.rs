//! A request that shows a difference.

use super::context::ConditionContext;
use super::document::{Document, Effect};
use super::evaluate::Request;
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
    let Some(space) = Space::of(&[before, after]) else {
        return Examples::default();
    };
    if space.entangled {
        return Examples::default();
    }
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
                Search::Found(found) => Some(request(&space, &found)),
                _ => None,
            })
    };
    Examples {
        gained: find(before, after),
        lost: find(after, before),
    }
}

fn request(space: &Space<'_>, found: &Found) -> Request {
    let column = |dimension: usize| {
        let n = found.path.get(dimension).copied().unwrap_or_default();
        space.columns(dimension).get(n)
    };
    let text = |dimension| {
        column(dimension)
            .map(|c| instantiated(&c.text))
            .unwrap_or_default()
    };
    let who = found.path.get(PRINCIPAL).and_then(|n| space.who(*n));
    let mut context = ConditionContext::new();
    for (key, symbol) in space.variables() {
        context.set(key, instantiated(symbol));
    }
    for (dimension, key) in space.keys() {
        let values = column(dimension)
            .map(|c| c.values.as_slice())
            .unwrap_or_default();
        if !values.is_empty() {
            context.set_many(key, values.iter().map(|v| instantiated(v)));
        }
    }
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

fn someone() -> Principal {
    Principal::User {
        arn: "arn:aws:iam::000000000000:user/someone".to_owned(),
    }
}

/// Gives each variable's stand-in a made-up value.
fn instantiated(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_symbol(c) {
            out.push_str(&format!("value-{:x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}
