//! Steps with what they rest on.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::before::{before, under_keys};
use crate::arn::Arn;
use crate::drift::DriftKind;
use crate::observation::{Observation, ObservedDocument, Sighting};
use crate::plan::{Band, PlannedStep, Precondition, Step};
use crate::role::PolicyName;

/// One fact of an observation that a step can rest on or change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fact {
    Role,
    Trust,
    Settings,
    Boundary,
    RoleTags,
    Attachments,
    Attachment(Arn),
    InlineNames,
    Inline(PolicyName),
    Policy(Arn),
    PolicyTags(Arn),
}

/// Collects steps. A fact that no earlier step of the plan touched becomes a precondition on the
/// observation; one that an earlier step touched makes the later step depend on that one.
pub(super) struct Builder<'a> {
    observation: &'a Observation,
    steps: Vec<PlannedStep>,
    touched: BTreeMap<Fact, usize>,
}

impl<'a> Builder<'a> {
    pub(super) const fn new(observation: &'a Observation) -> Self {
        Self {
            observation,
            steps: Vec::new(),
            touched: BTreeMap::new(),
        }
    }

    /// Adds a step; answers its place.
    pub(super) fn push(
        &mut self,
        step: Step,
        band: Band,
        because: &[DriftKind],
        gives_power: bool,
    ) -> usize {
        let place = self.steps.len();
        let mut facts = rests_on(&step);
        if gives_power {
            facts.extend(self.facts_of_power());
        }
        let before = before(&step, self.observation);
        let preconditions = self.preconditions(&facts, &step);
        for fact in changes(&step) {
            self.touched.insert(fact, place);
        }
        self.steps.push(PlannedStep {
            step,
            band,
            preconditions,
            because: because.to_vec(),
            before,
        });
        place
    }

    /// Makes the last step depend on another one.
    pub(super) fn depend(&mut self, on: usize) {
        let dependency = Precondition::AfterStep { index: on };
        if let Some(last) = self
            .steps
            .last_mut()
            .filter(|last| !last.preconditions.contains(&dependency))
        {
            last.preconditions.push(dependency);
        }
    }

    /// The band of the last step.
    pub(super) fn last_band(&self) -> Option<Band> {
        self.steps.last().map(|step| step.band)
    }

    pub(super) fn into_steps(self) -> Vec<PlannedStep> {
        self.steps
    }

    /// All that decides what somebody gains when the role can do more or more can use it.
    fn facts_of_power(&self) -> Vec<Fact> {
        let mut facts = vec![
            Fact::Trust,
            Fact::Boundary,
            Fact::Attachments,
            Fact::InlineNames,
        ];
        if let Some(attached) = self.observation.attachments.seen() {
            let ours = self
                .observation
                .policies
                .keys()
                .filter(|arn| attached.contains(*arn));
            facts.extend(ours.cloned().map(Fact::Policy));
        }
        if let Some(inline) = self.observation.inline.seen() {
            facts.extend(inline.keys().cloned().map(Fact::Inline));
        }
        facts
    }

    fn preconditions(&self, facts: &[Fact], step: &Step) -> Vec<Precondition> {
        let mut all: Vec<Precondition> = Vec::new();
        for fact in facts {
            let found = match self.touched.get(fact) {
                Some(index) => vec![Precondition::AfterStep { index: *index }],
                None => fact_precondition(fact, self.observation, step),
            };
            for precondition in found {
                if !all.contains(&precondition) {
                    all.push(precondition);
                }
            }
        }
        all
    }
}

/// A digest of a document that stands in AWS, readable or not.
pub(super) fn fingerprint(document: &ObservedDocument) -> String {
    match document {
        ObservedDocument::Valid(document) => document.fingerprint().to_owned(),
        ObservedDocument::Malformed { text, .. } => {
            use std::fmt::Write as _;
            let mut digest = "unreadable-".to_owned();
            for byte in Sha256::digest(text.as_bytes()) {
                // Writing to a String cannot fail.
                _ = write!(digest, "{byte:02x}");
            }
            digest
        }
    }
}

fn rests_on(step: &Step) -> Vec<Fact> {
    match step {
        Step::CreateRole { .. } => vec![Fact::Role],
        Step::DeleteRole { .. } => {
            vec![
                Fact::Role,
                Fact::Trust,
                Fact::Attachments,
                Fact::InlineNames,
            ]
        }
        Step::UpdateAssumeRolePolicy { .. } => vec![Fact::Role, Fact::Trust],
        Step::UpdateRole { .. } => vec![Fact::Role, Fact::Settings],
        Step::PutRolePermissionsBoundary { .. } | Step::DeleteRolePermissionsBoundary { .. } => {
            vec![Fact::Role, Fact::Boundary]
        }
        Step::TagRole { .. } | Step::UntagRole { .. } => vec![Fact::Role, Fact::RoleTags],
        Step::CreatePolicy { arn, .. }
        | Step::CreatePolicyVersion { arn, .. }
        | Step::DeletePolicyVersion { arn, .. } => vec![Fact::Policy(arn.clone())],
        Step::DeletePolicy { arn } => {
            vec![Fact::Policy(arn.clone()), Fact::Attachment(arn.clone())]
        }
        Step::TagPolicy { arn, .. } | Step::UntagPolicy { arn, .. } => {
            vec![Fact::Policy(arn.clone()), Fact::PolicyTags(arn.clone())]
        }
        Step::AttachRolePolicy { arn, .. } => {
            vec![
                Fact::Role,
                Fact::Attachment(arn.clone()),
                Fact::Policy(arn.clone()),
            ]
        }
        Step::DetachRolePolicy { arn, .. } => vec![Fact::Role, Fact::Attachment(arn.clone())],
        Step::PutRolePolicy { policy, .. } | Step::DeleteRolePolicy { policy, .. } => {
            vec![Fact::Role, Fact::Inline(policy.clone())]
        }
    }
}

fn changes(step: &Step) -> Vec<Fact> {
    match step {
        // A role is only deleted once nothing is attached: whether a policy still is does not change by it.
        Step::CreateRole { .. } | Step::DeleteRole { .. } => vec![
            Fact::Role,
            Fact::Trust,
            Fact::Settings,
            Fact::Boundary,
            Fact::RoleTags,
            Fact::Attachments,
            Fact::InlineNames,
        ],
        Step::UpdateAssumeRolePolicy { .. } => vec![Fact::Trust],
        Step::UpdateRole { .. } => vec![Fact::Settings],
        Step::PutRolePermissionsBoundary { .. } | Step::DeleteRolePermissionsBoundary { .. } => {
            vec![Fact::Boundary]
        }
        Step::TagRole { .. } | Step::UntagRole { .. } => vec![Fact::RoleTags],
        Step::CreatePolicy { arn, .. } => {
            vec![Fact::Policy(arn.clone()), Fact::PolicyTags(arn.clone())]
        }
        Step::CreatePolicyVersion { arn, .. }
        | Step::DeletePolicyVersion { arn, .. }
        | Step::DeletePolicy { arn } => vec![Fact::Policy(arn.clone())],
        Step::TagPolicy { arn, .. } | Step::UntagPolicy { arn, .. } => {
            vec![Fact::PolicyTags(arn.clone())]
        }
        Step::AttachRolePolicy { arn, .. } | Step::DetachRolePolicy { arn, .. } => {
            vec![Fact::Attachment(arn.clone()), Fact::Attachments]
        }
        Step::PutRolePolicy { policy, .. } | Step::DeleteRolePolicy { policy, .. } => {
            vec![Fact::Inline(policy.clone()), Fact::InlineNames]
        }
    }
}

/// What must hold for a fact to be as it was observed.
pub(super) fn fact_precondition(
    fact: &Fact,
    observation: &Observation,
    step: &Step,
) -> Vec<Precondition> {
    let Some(role) = observation.role.seen() else {
        return match fact {
            Fact::Role => vec![Precondition::RoleAbsent],
            Fact::Policy(arn) => policy_preconditions(arn, observation),
            _ => Vec::new(),
        };
    };
    match fact {
        Fact::Role => vec![Precondition::RoleIs {
            role_id: role.role_id.clone(),
        }],
        Fact::Trust => vec![Precondition::TrustIs {
            fingerprint: fingerprint(&role.trust),
        }],
        Fact::Settings => vec![Precondition::SettingsAre {
            description: role.description.clone(),
            max_session_duration: role.max_session_duration,
        }],
        Fact::Boundary => vec![Precondition::BoundaryIs {
            boundary: role.boundary.clone(),
        }],
        Fact::RoleTags => {
            vec![Precondition::RoleTagsAre {
                tags: under_keys(step, &role.tags),
            }]
        }
        Fact::Attachments => observation
            .attachments
            .seen()
            .map(|arns| Precondition::AttachmentsAre { arns: arns.clone() })
            .into_iter()
            .collect(),
        Fact::Attachment(arn) => {
            let attached = observation
                .attachments
                .seen()
                .is_some_and(|arns| arns.contains(arn));
            let arn = arn.clone();
            vec![if attached {
                Precondition::Attached { arn }
            } else {
                Precondition::NotAttached { arn }
            }]
        }
        Fact::InlineNames => observation
            .inline
            .seen()
            .map(|found| Precondition::InlineNamesAre {
                names: found.keys().cloned().collect(),
            })
            .into_iter()
            .collect(),
        Fact::Inline(policy) => {
            let policy = policy.clone();
            match observation
                .inline
                .seen()
                .and_then(|found| found.get(&policy))
            {
                Some(Sighting::Seen(document)) => {
                    vec![Precondition::InlineIs {
                        fingerprint: fingerprint(document),
                        policy,
                    }]
                }
                Some(Sighting::Unread(_)) => Vec::new(),
                Some(Sighting::Absent) | None => vec![Precondition::InlineAbsent { policy }],
            }
        }
        Fact::Policy(arn) => policy_preconditions(arn, observation),
        Fact::PolicyTags(arn) => match observation.policies.get(arn).and_then(Sighting::seen) {
            Some(policy) => vec![Precondition::PolicyTagsAre {
                arn: arn.clone(),
                tags: under_keys(step, &policy.tags),
            }],
            None => Vec::new(),
        },
    }
}

fn policy_preconditions(arn: &Arn, observation: &Observation) -> Vec<Precondition> {
    match observation.policies.get(arn) {
        Some(Sighting::Seen(policy)) => {
            let mut all = vec![Precondition::PolicyIs {
                arn: arn.clone(),
                policy_id: policy.policy_id.clone(),
                default_version_id: policy.default_version_id.clone(),
            }];
            if let Some(Sighting::Seen(versions)) = &policy.versions {
                let ids = versions.iter().map(|version| version.id.clone()).collect();
                all.push(Precondition::VersionsAre {
                    arn: arn.clone(),
                    ids,
                });
            }
            all
        }
        Some(Sighting::Absent) => vec![Precondition::PolicyAbsent { arn: arn.clone() }],
        // A policy of somebody else's, such as AWS's own: nothing was read about it.
        Some(Sighting::Unread(_)) | None => Vec::new(),
    }
}
