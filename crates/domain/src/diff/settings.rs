//! Path, description, session length, tags.

use std::collections::BTreeMap;

use super::{Findings, Words, tag_text};
use crate::drift::{DriftKind, Severity};
use crate::observation::ObservedRole;
use crate::role::RoleSpec;

pub(super) fn compare(spec: &RoleSpec, role: &ObservedRole, findings: &mut Findings<'_>) {
    if role.path != spec.path.as_str() {
        findings.add(
            DriftKind::RolePath,
            Severity::Medium,
            Words::new(format!(
                "the role sits under {}, not {}, so its ARN is another one than agreed; IAM cannot move a role",
                role.path, spec.path
            ))
            .before(role.path.as_str())
            .after(spec.path.as_str()),
        );
    }
    if let Some(wanted) = spec
        .description
        .as_deref()
        .filter(|wanted| *wanted != role.description)
    {
        findings.add(
            DriftKind::RoleDescription,
            Severity::Low,
            Words::new("the description is another one".to_owned())
                .before(role.description.as_str())
                .after(wanted),
        );
    }
    if let Some(wanted) = spec
        .max_session_duration
        .filter(|wanted| *wanted != role.max_session_duration)
    {
        findings.add(
            DriftKind::RoleMaxSessionDuration,
            Severity::Low,
            Words::new(format!(
                "a session may last {} s, agreed are {wanted} s",
                role.max_session_duration
            ))
            .before(role.max_session_duration.to_string())
            .after(wanted.to_string()),
        );
    }
    let (before, after) = tag_changes(&spec.tags, &role.tags);
    if !after.is_empty() {
        findings.add(
            DriftKind::RoleTags,
            Severity::Low,
            tag_words(&before, &after),
        );
    }
}

/// The wanted tags that are missing or have another value: what stands there under
/// their keys, and what should.
pub(crate) fn tag_changes(
    wanted: &BTreeMap<String, String>,
    found: &BTreeMap<String, String>,
) -> (BTreeMap<String, Option<String>>, BTreeMap<String, String>) {
    let after: BTreeMap<String, String> = wanted
        .iter()
        .filter(|(key, value)| found.get(*key) != Some(*value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let before = after
        .keys()
        .map(|key| (key.clone(), found.get(key).cloned()))
        .collect();
    (before, after)
}

/// The words for tags that differ.
pub(super) fn tag_words(
    before: &BTreeMap<String, Option<String>>,
    after: &BTreeMap<String, String>,
) -> Words {
    let wanted = after
        .iter()
        .map(|(key, value)| (key.clone(), Some(value.clone())))
        .collect();
    Words::new(format!(
        "tags differ: {}, agreed are {}",
        tag_text(before),
        tag_text(&wanted)
    ))
    .before(tag_text(before))
    .after(tag_text(&wanted))
}
