//! The policies written into the role itself.

use std::collections::BTreeMap;

use super::meaning::{Meaning, extra, meaning};
use super::{Findings, Words};
use crate::drift::{DriftKind, Severity};
use crate::observation::{Observation, ObservedDocument, Sighting};
use crate::planner::GUARD_POLICY_NAME;
use crate::role::{Extras, PolicyName, RoleSpec};

pub(super) fn compare(spec: &RoleSpec, observation: &Observation, findings: &mut Findings<'_>) {
    let found = match &observation.inline {
        Sighting::Seen(found) => found,
        Sighting::Absent => &BTreeMap::new(),
        Sighting::Unread(fault) => return findings.blind("inline policies", fault),
    };
    for (name, agreed) in &spec.inline {
        let (severity, words, before) = match found.get(name) {
            Some(Sighting::Unread(fault)) => {
                findings.blind("inline policies", fault);
                continue;
            }
            Some(Sighting::Seen(document)) => {
                match meaning(agreed, document, spec, observation.account) {
                    Meaning::Same => continue,
                    Meaning::Drifted { severity, words } => (
                        severity,
                        format!("the inline policy {name}: {words}"),
                        Some(document.text().to_owned()),
                    ),
                }
            }
            Some(Sighting::Absent) | None => {
                let words =
                    format!("the inline policy {name} is missing: the role lacks what it gives");
                (Severity::High, words, None)
            }
        };
        let mut words = Words::new(words).subject(name).after(agreed.text());
        if let Some(before) = before {
            words = words.before(before);
        }
        findings.add(DriftKind::InlineDocument, severity, words);
    }
    unexpected(spec, observation, findings);
}

fn unexpected(spec: &RoleSpec, observation: &Observation, findings: &mut Findings<'_>) {
    for (name, document) in unexpected_inline(spec, observation) {
        let (severity, effect) = match document {
            Sighting::Unread(fault) => {
                findings.blind("inline policies", fault);
                continue;
            }
            Sighting::Absent => continue,
            Sighting::Seen(document) => weigh(spec, observation, document),
        };
        let words = if name.as_str() == GUARD_POLICY_NAME {
            format!(
                "the inline policy {name} was left by a repair that did not finish; it only takes away"
            )
        } else {
            format!("the inline policy {name} was not agreed{effect}")
        };
        let text = document
            .seen()
            .map(ObservedDocument::text)
            .unwrap_or_default();
        findings.add(
            DriftKind::InlineUnexpected,
            severity,
            Words::new(words).subject(name).before(text),
        );
    }
}

/// Inline policies beside the specification that are somebody's business: all of
/// them, or with `extras = "ignore"` only what a repair of ours left behind.
pub(crate) fn unexpected_inline<'a>(
    spec: &RoleSpec,
    observation: &'a Observation,
) -> Vec<(&'a PolicyName, &'a Sighting<ObservedDocument>)> {
    let found = observation.inline.seen().into_iter().flatten();
    found
        .filter(|(name, _)| !spec.inline.contains_key(*name))
        .filter(|(name, _)| spec.extras != Extras::Ignore || name.as_str() == GUARD_POLICY_NAME)
        .collect()
}

fn weigh(
    spec: &RoleSpec,
    observation: &Observation,
    found: &ObservedDocument,
) -> (Severity, &'static str) {
    let Some(document) = found.document() else {
        return (
            Severity::Critical,
            "; it cannot be read as a policy, so it is taken for more than agreed",
        );
    };
    extra(document, spec, observation)
}
