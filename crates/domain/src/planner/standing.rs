//! Whose the role and its policies are.

use std::collections::BTreeMap;

use crate::arn::Arn;
use crate::diff::{Meaning, meaning};
use crate::drift::{Diff, DriftKind};
use crate::observation::{Observation, ObservedPolicy, Sighting};
use crate::ownership::OwnershipRecord;
use crate::role::{Adopt, ManagedPolicySpec, RoleSpec};

/// Whose one thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// It is not there.
    Nobodys,
    /// Made or adopted by us.
    Ours,
    /// Somebody else's, and `adopt` lets it become ours now.
    Adopted,
    /// Somebody else's, and it stays so.
    Foreign,
}

impl Whose {
    /// Whether it may be changed.
    pub(super) const fn may_change(self) -> bool {
        !matches!(self, Self::Foreign)
    }
}

/// Whose the role and each of its policies is.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) role: Whose,
    pub(super) policies: BTreeMap<Arn, Whose>,
}

impl Standing {
    pub(super) fn of(
        spec: &RoleSpec,
        observation: &Observation,
        diff: &Diff,
        record: &OwnershipRecord,
    ) -> Self {
        let policies = spec
            .managed_policies
            .iter()
            .map(|policy| {
                let arn = spec.policy_arn(observation.account, policy);
                let whose = match observation.policies.get(&arn).and_then(Sighting::seen) {
                    None => Whose::Nobodys,
                    Some(found) => policy_standing(spec, policy, found, observation, record),
                };
                (arn, whose)
            })
            .collect();
        let role = match observation.role.seen() {
            None => Whose::Nobodys,
            Some(role) if record.owns_role(&spec.name, role) => Whose::Ours,
            Some(_) => match spec.adopt {
                Adopt::Always => Whose::Adopted,
                Adopt::IfEquivalent if !diff.drifts.iter().any(|drift| is_meaning(drift.kind)) => {
                    Whose::Adopted
                }
                Adopt::IfEquivalent | Adopt::Never => Whose::Foreign,
            },
        };
        Self { role, policies }
    }

    pub(super) fn policy(&self, arn: &Arn) -> Whose {
        self.policies.get(arn).copied().unwrap_or(Whose::Nobodys)
    }
}

fn policy_standing(
    spec: &RoleSpec,
    policy: &ManagedPolicySpec,
    found: &ObservedPolicy,
    observation: &Observation,
    record: &OwnershipRecord,
) -> Whose {
    if record.owns_policy(found) {
        return Whose::Ours;
    }
    let same = found.document.seen().is_some_and(|document| {
        matches!(
            meaning(&policy.document, document, spec, observation.account),
            Meaning::Same
        )
    });
    match spec.adopt {
        Adopt::Always => Whose::Adopted,
        Adopt::IfEquivalent if same => Whose::Adopted,
        Adopt::IfEquivalent | Adopt::Never => Whose::Foreign,
    }
}

/// Whether drift of this kind means that a role does not mean what the
/// specification says: all but what leaves everybody's power alone.
const fn is_meaning(kind: DriftKind) -> bool {
    match kind {
        DriftKind::RoleDescription
        | DriftKind::RoleMaxSessionDuration
        | DriftKind::RoleTags
        | DriftKind::PolicyTags
        | DriftKind::LegacyUser => false,
        DriftKind::RoleMissing
        | DriftKind::RolePath
        | DriftKind::RolePermissionsBoundary
        | DriftKind::TrustPolicy
        | DriftKind::PolicyMissing
        | DriftKind::PolicyDocument
        | DriftKind::AttachmentMissing
        | DriftKind::AttachmentUnexpected
        | DriftKind::InlineUnexpected
        | DriftKind::InlineDocument
        | DriftKind::PolicyVersionsFull
        | DriftKind::RoleUnexpected => true,
    }
}
