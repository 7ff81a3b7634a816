//! Which policies are attached.

use std::collections::BTreeSet;

use super::meaning::extra;
use super::{Findings, Words};
use crate::arn::Arn;
use crate::drift::{DriftKind, Severity};
use crate::observation::{Observation, Sighting};
use crate::role::{Extras, RoleSpec};

pub(super) fn compare(spec: &RoleSpec, observation: &Observation, findings: &mut Findings<'_>) {
    let attached = match &observation.attachments {
        Sighting::Seen(attached) => attached,
        Sighting::Absent => &BTreeSet::new(),
        Sighting::Unread(fault) => return findings.blind("attached policies", fault),
    };
    for arn in spec.attachments(observation.account) {
        // A policy that is not there cannot be attached: `policy_missing` says it all.
        let missing = matches!(observation.policies.get(&arn), Some(Sighting::Absent));
        if !attached.contains(&arn) && !missing {
            findings.add(
                DriftKind::AttachmentMissing,
                Severity::High,
                Words::new(format!(
                    "{arn} is not attached: the role lacks what it gives"
                ))
                .subject(&arn)
                .after(arn.as_str()),
            );
        }
    }
    if spec.extras == Extras::Ignore {
        return;
    }
    for arn in unexpected_attachments(spec, observation) {
        let (severity, effect) = weigh(spec, observation, &arn);
        findings.add(
            DriftKind::AttachmentUnexpected,
            severity,
            Words::new(format!("{arn} is attached and was not agreed{effect}"))
                .subject(&arn)
                .before(arn.as_str()),
        );
    }
}

/// What is attached beside the specification.
pub(crate) fn unexpected_attachments(spec: &RoleSpec, observation: &Observation) -> Vec<Arn> {
    let wanted = spec.attachments(observation.account);
    let attached = observation.attachments.seen().into_iter().flatten();
    attached
        .filter(|arn| !wanted.contains(*arn))
        .cloned()
        .collect()
}

fn weigh(spec: &RoleSpec, observation: &Observation, arn: &Arn) -> (Severity, &'static str) {
    let Some(document) = observation.foreign_documents.get(arn) else {
        return (
            Severity::Critical,
            "; what it gives was not read, so it is taken for more than agreed",
        );
    };
    extra(document, spec, observation)
}
