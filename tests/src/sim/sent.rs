//! What reached the world: every call that writes, as the wire carried it, for the journal to be held against.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use rolekeeper_domain::call::Operation;
use rolekeeper_domain::record;
use rolekeeper_engine::port::store::{JournalEntry, Store};
use rolekeeper_simulator::Params;
use rolekeeper_simulator::check::Mutation;
use serde_json::{Map, Value};

/// A store that simulations run on: it knows what its processes sent.
pub trait Watched: Store {
    /// What they sent.
    fn sent(&self) -> &Arc<Sent>;
}

/// The bodies of calls that changed the world, by the number of the change.
#[derive(Debug, Default)]
pub struct Sent(Mutex<BTreeMap<usize, String>>);

impl Sent {
    /// Notes a write on its way in, `changes` being how many the world has seen. A call that changes
    /// nothing leaves its number to the next one.
    pub fn note(&self, changes: usize, body: &str) {
        let mut sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sent.insert(changes, body.to_owned());
    }

    /// The call that made a change.
    pub fn of(&self, change: usize) -> Option<String> {
        let sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sent.get(&change).cloned()
    }
}

/// What a journal entry says otherwise than the call, in words: the operation, each parameter, the
/// whole documents, and what was touched.
pub fn difference(entry: &JournalEntry, change: &Mutation, body: &str) -> Option<String> {
    let operation = Operation::from_action(&format!("iam:{}", change.operation));
    if entry.account != change.account || Some(entry.operation) != operation {
        return Some(format!("{} in {}", entry.operation, entry.account));
    }
    let (intended, called) = (intended(entry), called(body));
    if intended != called {
        return Some(format!("intended {intended:?}, called {called:?}"));
    }
    if let Ok(step) = record::step(entry.operation, &entry.parameters)
        && step.resource() != entry.resource
    {
        return Some(format!("a record of {}", entry.resource));
    }
    let named = named(entry);
    let touched = change.touched();
    let is_named = |name: &String| named.as_ref() == Some(name);
    // Users and their keys have no resource that can be told from its name alone.
    let of_users = entry.subject.user().is_some();
    (!of_users && !touched.iter().all(is_named))
        .then(|| format!("a record of {} that touched {touched:?}", entry.resource))
}

/// What an entry says it changes, as the world names it: `role/NAME`, `policy/NAME`.
fn named(entry: &JournalEntry) -> Option<String> {
    let (kind, rest) = entry.resource.split_once('/')?;
    let path = rest.split(' ').next()?;
    Some(format!("{kind}/{}", path.rsplit('/').next()?))
}

/// The parameters of a record as a call has them.
fn intended(entry: &JournalEntry) -> BTreeMap<String, String> {
    let fields: Map<String, Value> = serde_json::from_str(&entry.parameters).unwrap_or_default();
    let mut all = BTreeMap::new();
    for (name, value) in &fields {
        // IAM makes the ARN of what is created itself.
        if entry.operation == Operation::CreatePolicy && name == "PolicyArn" {
            continue;
        }
        match value {
            Value::Null => {}
            Value::String(text) => drop(all.insert(name.clone(), text.clone())),
            Value::Array(items) => {
                for (number, item) in (1..).zip(items) {
                    let text = item.as_str().unwrap_or_default().to_owned();
                    all.insert(format!("{name}.member.{number}"), text);
                }
            }
            Value::Object(tags) => {
                for (number, (key, value)) in (1..).zip(tags) {
                    let text = value.as_str().unwrap_or_default().to_owned();
                    all.insert(format!("{name}.member.{number}.Key"), key.clone());
                    all.insert(format!("{name}.member.{number}.Value"), text);
                }
            }
            other => drop(all.insert(name.clone(), other.to_string())),
        }
    }
    all
}

/// The parameters of a call.
fn called(body: &str) -> BTreeMap<String, String> {
    let params = Params::parse(body);
    let names: BTreeSet<&str> = body
        .split('&')
        .filter_map(|field| field.split('=').next())
        .filter(|name| !matches!(*name, "Action" | "Version"))
        .collect();
    let value = |name: &str| params.get(name).unwrap_or_default().to_owned();
    names
        .into_iter()
        .map(|name| (name.to_owned(), value(name)))
        .collect()
}
