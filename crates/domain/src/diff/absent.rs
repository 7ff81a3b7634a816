//! `ensure = "absent"`: what is still there.

use super::{Findings, Words};
use crate::drift::{DriftKind, Severity};
use crate::observation::{Observation, Sighting};
use crate::ownership::OwnershipRecord;
use crate::role::RoleSpec;

pub(super) fn compare(
    spec: &RoleSpec,
    observation: &Observation,
    record: &OwnershipRecord,
    findings: &mut Findings<'_>,
) {
    match &observation.role {
        Sighting::Seen(role) => {
            let powerless = observation
                .attachments
                .seen()
                .is_some_and(|found| found.is_empty())
                && observation
                    .inline
                    .seen()
                    .is_some_and(|found| found.is_empty());
            let severity = if powerless {
                Severity::Medium
            } else {
                Severity::Critical
            };
            let whose = if record.owns_role(&spec.name, role) {
                ""
            } else {
                "; rolekeeper did not make it and will not remove it"
            };
            findings.add(
                DriftKind::RoleUnexpected,
                severity,
                Words::new(format!(
                    "the role {} is there and should not be{whose}",
                    spec.name
                ))
                .before(role.arn.as_str()),
            );
            unread(observation, findings);
        }
        Sighting::Absent => {}
        Sighting::Unread(fault) => findings.blind("role", fault),
    }
    for policy in &spec.managed_policies {
        let arn = spec.policy_arn(observation.account, policy);
        match observation.policies.get(&arn) {
            Some(Sighting::Seen(found)) if record.owns_policy(found) => {
                findings.add(
                    DriftKind::RoleUnexpected,
                    Severity::Medium,
                    Words::new(format!(
                        "the policy {} made for the role is still there",
                        policy.name
                    ))
                    .subject(&policy.name)
                    .before(arn.as_str()),
                );
                if let Some(Sighting::Unread(fault)) = &found.versions {
                    findings.blind("policy versions", fault);
                }
            }
            Some(Sighting::Unread(fault)) => findings.blind("managed policies", fault),
            Some(Sighting::Seen(_) | Sighting::Absent) | None => {}
        }
    }
}

fn unread(observation: &Observation, findings: &mut Findings<'_>) {
    if let Some(fault) = observation.attachments.fault() {
        findings.blind("attached policies", fault);
    }
    if let Some(fault) = observation.inline.fault() {
        findings.blind("inline policies", fault);
    }
}
