//! The managed policies that belong to the role.

use super::meaning::{Meaning, meaning};
use super::settings::{tag_changes, tag_words};
use super::{Findings, Words};
use crate::drift::{DriftKind, Severity};
use crate::fault::{Category, Fault};
use crate::limits;
use crate::observation::{Observation, ObservedPolicy, PolicyVersion, Sighting};
use crate::role::{ManagedPolicySpec, RoleSpec};

pub(super) fn compare(spec: &RoleSpec, observation: &Observation, findings: &mut Findings<'_>) {
    for policy in &spec.managed_policies {
        let arn = spec.policy_arn(observation.account, policy);
        match observation.policies.get(&arn) {
            Some(Sighting::Seen(found)) => one(spec, policy, found, observation, findings),
            Some(Sighting::Unread(fault)) => findings.blind("managed policies", fault),
            Some(Sighting::Absent) | None => findings.add(
                DriftKind::PolicyMissing,
                Severity::High,
                Words::new(format!(
                    "the policy {} does not exist: the role lacks what it gives",
                    policy.name
                ))
                .subject(&policy.name)
                .after(policy.document.text()),
            ),
        }
    }
}

fn one(
    spec: &RoleSpec,
    policy: &ManagedPolicySpec,
    found: &ObservedPolicy,
    observation: &Observation,
    findings: &mut Findings<'_>,
) {
    match &found.document {
        Sighting::Seen(document) => {
            match meaning(&policy.document, document, spec, observation.account) {
                Meaning::Same => {}
                Meaning::Drifted { severity, words } => {
                    findings.add(
                        DriftKind::PolicyDocument,
                        severity,
                        Words::new(format!("the policy {}: {words}", policy.name))
                            .subject(&policy.name)
                            .before(document.text())
                            .after(policy.document.text()),
                    );
                    versions(policy, found, findings);
                }
            }
        }
        Sighting::Unread(fault) => findings.blind("policy documents", fault),
        Sighting::Absent => {
            let message = format!(
                "version {} of {} was not read",
                found.default_version_id, found.arn
            );
            let fault = Fault::new(Category::NotFound, message);
            findings.blind("policy documents", &fault);
        }
    }
    let (before, after) = tag_changes(&policy.tags, &found.tags);
    if !after.is_empty() {
        findings.add(
            DriftKind::PolicyTags,
            Severity::Low,
            tag_words(&before, &after).subject(&policy.name),
        );
    }
}

fn versions(policy: &ManagedPolicySpec, found: &ObservedPolicy, findings: &mut Findings<'_>) {
    match &found.versions {
        Some(Sighting::Seen(versions)) if versions.len() >= limits::VERSIONS_PER_POLICY => {
            let going = oldest_idle_version(versions)
                .map(|version| {
                    format!(
                        "; {}, the oldest that is not in force, would go",
                        version.id
                    )
                })
                .unwrap_or_default();
            findings.add(
                DriftKind::PolicyVersionsFull,
                Severity::Medium,
                Words::new(format!(
                    "all {} versions of {} are taken{going}",
                    versions.len(),
                    policy.name
                ))
                .subject(&policy.name)
                .before(version_ids(versions)),
            );
        }
        Some(Sighting::Unread(fault)) => findings.blind("policy versions", fault),
        Some(Sighting::Seen(_) | Sighting::Absent) | None => {}
    }
}

fn version_ids(versions: &[PolicyVersion]) -> String {
    let ids: Vec<&str> = versions.iter().map(|version| version.id.as_str()).collect();
    ids.join(", ")
}

/// The version that makes room: the oldest one that is not in force.
pub(crate) fn oldest_idle_version(versions: &[PolicyVersion]) -> Option<&PolicyVersion> {
    let number = |version: &PolicyVersion| {
        version
            .id
            .trim_start_matches('v')
            .parse::<u64>()
            .unwrap_or(u64::MAX)
    };
    versions
        .iter()
        .filter(|version| !version.is_default)
        .min_by_key(|version| (version.created_at, number(version)))
}
