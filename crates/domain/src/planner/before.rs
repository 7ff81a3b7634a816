//! What stood there before a step, as the journal keeps it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::observation::{Observation, ObservedDocument, ObservedPolicy, ObservedRole};
use crate::plan::Step;

/// What the step replaces, as the journal keeps it: a document's text, a boundary's ARN, or
/// JSON where there are several values. [`super::way_back`] reads it back.
pub(super) fn before(step: &Step, observation: &Observation) -> Option<String> {
    let role = observation.role.seen();
    match step {
        Step::CreateRole { .. }
        | Step::CreatePolicy { .. }
        | Step::AttachRolePolicy { .. }
        | Step::DetachRolePolicy { .. }
        | Step::DeletePolicyVersion { .. } => None,
        Step::UpdateAssumeRolePolicy { .. } => Some(role?.trust.text().to_owned()),
        Step::UpdateRole { .. } => Some(settings_json(role?)),
        Step::PutRolePermissionsBoundary { .. } | Step::DeleteRolePermissionsBoundary { .. } => {
            role?.boundary.as_ref().map(ToString::to_string)
        }
        Step::TagRole { .. } | Step::UntagRole { .. } => {
            Some(tags_json(&under_keys(step, &role?.tags)))
        }
        Step::DeleteRole { .. } => Some(role_json(role?)),
        Step::CreatePolicyVersion { arn, .. } => {
            let policy = observation.policies.get(arn)?.seen()?;
            Some(policy.document.seen()?.text().to_owned())
        }
        Step::TagPolicy { arn, .. } | Step::UntagPolicy { arn, .. } => {
            let policy = observation.policies.get(arn)?.seen()?;
            Some(tags_json(&under_keys(step, &policy.tags)))
        }
        Step::DeletePolicy { arn } => Some(policy_json(observation.policies.get(arn)?.seen()?)),
        Step::PutRolePolicy { policy, .. } | Step::DeleteRolePolicy { policy, .. } => {
            let document = observation.inline.seen()?.get(policy)?.seen()?;
            Some(document.text().to_owned())
        }
    }
}

/// What stands under the keys that a step changes.
pub(super) fn under_keys(
    step: &Step,
    found: &BTreeMap<String, String>,
) -> BTreeMap<String, Option<String>> {
    let keys: Vec<&String> = match step {
        Step::TagRole { tags, .. } | Step::TagPolicy { tags, .. } => tags.keys().collect(),
        Step::UntagRole { keys, .. } | Step::UntagPolicy { keys, .. } => keys.iter().collect(),
        _ => Vec::new(),
    };
    keys.into_iter()
        .map(|key| (key.clone(), found.get(key).cloned()))
        .collect()
}

/// Description and session length, as the journal keeps them.
fn settings_json(role: &ObservedRole) -> String {
    json!({ "description": role.description, "max_session_duration": role.max_session_duration })
        .to_string()
}

/// Tags under some keys, as the journal keeps them; null where a key was absent.
fn tags_json(tags: &BTreeMap<String, Option<String>>) -> String {
    let tags: serde_json::Map<String, Value> = tags
        .iter()
        .map(|(key, value)| (key.clone(), json!(value)))
        .collect();
    Value::Object(tags).to_string()
}

/// All that a create call needs to make the role again.
fn role_json(role: &ObservedRole) -> String {
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
fn policy_json(policy: &ObservedPolicy) -> String {
    let document = policy.document.seen().map(ObservedDocument::text);
    json!({ "document": document, "tags": policy.tags }).to_string()
}
