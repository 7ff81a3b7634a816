//! The way back: what the journal keeps of the state before a step.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::observation::{ObservedDocument, ObservedPolicy, ObservedRole, Sighting};

/// Description and session length, as the journal keeps them.
pub(crate) fn before_settings(role: &ObservedRole) -> String {
    json!({ "description": role.description, "max_session_duration": role.max_session_duration })
        .to_string()
}

/// Tags under some keys, as the journal keeps them; null where a key was absent.
pub(crate) fn before_tags(tags: &BTreeMap<String, Option<String>>) -> String {
    let tags: serde_json::Map<String, Value> = tags
        .iter()
        .map(|(key, value)| (key.clone(), json!(value)))
        .collect();
    Value::Object(tags).to_string()
}

/// All that a create call needs to make the role again.
pub(crate) fn before_role(role: &ObservedRole) -> String {
    json!({
        "path": role.path,
        "trust": role.trust.text(),
        "description": role.description,
        "max_session_duration": role.max_session_duration,
        "boundary": role.boundary.as_ref().map(ToString::to_string),
        "tags": role.tags,
    })
    .to_string()
}

/// All that a create call needs to make the policy again.
pub(crate) fn before_policy(policy: &ObservedPolicy) -> String {
    let document = policy.document.seen().map(ObservedDocument::text);
    let document = document.filter(|_| matches!(policy.document, Sighting::Seen(_)));
    json!({ "document": document, "tags": policy.tags }).to_string()
}
