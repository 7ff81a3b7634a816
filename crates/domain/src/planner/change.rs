//! The changes of a role's permissions, each with what it does to the whole.

use std::collections::BTreeSet;

use super::effect::{Content, Delta, Shift, shift};
use super::standing::{Standing, Whose};
use super::{GUARD_POLICY_NAME, drifted};
use crate::arn::Arn;
use crate::diff::{oldest_idle_version, unexpected_attachments, unexpected_inline, within_spec};
use crate::drift::DriftKind;
use crate::limits;
use crate::observation::{Observation, ObservedDocument, ObservedPolicy, Sighting};
use crate::ownership::with_owner_tag;
use crate::plan::{Step, Withheld};
use crate::policy::{Document, Verdict};
use crate::role::{Boundary, Extras, ManagedPolicySpec, RoleSpec};

/// One change that is made whole or not at all.
pub(super) struct Change {
    pub(super) shift: Shift,
    /// Steps that move no power of this role: a policy is made, or gets its version before it is attached.
    pub(super) prepare: Vec<Step>,
    /// The steps that do it.
    pub(super) steps: Vec<Step>,
    pub(super) because: Vec<DriftKind>,
    /// What stood there and what will.
    pub(super) before: Content,
    pub(super) after: Content,
    /// Who gains what, where it gives.
    pub(super) gained: Vec<String>,
}

/// Everything that should change, and what stands in the way.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) wanted: Vec<Change>,
    pub(super) withheld: Vec<Withheld>,
    /// What withheld changes would have done.
    pub(super) held: Vec<Shift>,
    /// What stays although it may give more than agreed, in words.
    pub(super) excess: Vec<String>,
    /// What is somebody else's.
    pub(super) foreign: Vec<String>,
}

pub(super) fn collect(spec: &RoleSpec, observation: &Observation, standing: &Standing) -> Changes {
    let mut collector = Collector {
        spec,
        observation,
        alone: slots(spec, observation) <= 1,
        changes: Changes::default(),
    };
    for policy in &spec.managed_policies {
        collector.managed(policy, standing);
    }
    collector.attach();
    collector.inline();
    collector.unexpected();
    collector.boundary();
    collector.changes
}

/// Everything that the role has, as changes that remove it.
pub(super) fn removals(spec: &RoleSpec, observation: &Observation) -> Vec<Change> {
    let mut collector = Collector {
        spec,
        observation,
        alone: slots(spec, observation) <= 1,
        changes: Changes::default(),
    };
    let role = &spec.name;
    for arn in observation.attachments.seen().into_iter().flatten() {
        let ours = observation.policies.get(arn).and_then(Sighting::seen);
        let before = ours.map_or_else(
            || collector.foreign(arn),
            |found| content(found.document.seen()),
        );
        let step = Step::DetachRolePolicy {
            role: role.clone(),
            arn: arn.clone(),
        };
        collector.removal(step, before, DriftKind::RoleUnexpected);
    }
    for (policy, document) in observation.inline.seen().into_iter().flatten() {
        let step = Step::DeleteRolePolicy {
            role: role.clone(),
            policy: policy.clone(),
        };
        collector.removal(step, content(document.seen()), DriftKind::RoleUnexpected);
    }
    collector.changes.wanted
}

/// How many policies are in play, before or by the specification.
fn slots(spec: &RoleSpec, observation: &Observation) -> usize {
    let mut attached = spec.attachments(observation.account);
    attached.extend(
        observation
            .attachments
            .seen()
            .into_iter()
            .flatten()
            .cloned(),
    );
    let mut inline: BTreeSet<&str> = spec.inline.keys().map(|name| name.as_str()).collect();
    inline.extend(
        observation
            .inline
            .seen()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str()),
    );
    attached.len() + inline.len()
}

/// How many policies are in play once all is removed that will be: what is missing then decides what may be
/// opened, and not what is still there now.
fn slots_in_the_end(spec: &RoleSpec, observation: &Observation) -> usize {
    let agreed = spec.attachments(observation.account).len() + spec.inline.len();
    if spec.extras == Extras::Remove {
        return agreed;
    }
    let inline = observation
        .inline
        .seen()
        .into_iter()
        .flatten()
        .map(|(name, _)| name);
    let others = inline
        .filter(|name| !spec.inline.contains_key(*name) && name.as_str() != GUARD_POLICY_NAME);
    agreed + unexpected_attachments(spec, observation).len() + others.count()
}

struct Collector<'a> {
    spec: &'a RoleSpec,
    observation: &'a Observation,
    alone: bool,
    changes: Changes,
}

impl Collector<'_> {
    fn shift(&self, before: &Content, after: &Content) -> Shift {
        shift(
            before,
            after,
            self.alone,
            self.spec,
            self.observation.account,
        )
    }

    /// Whether somebody who has the policy beside policies that are not known here may gain by the change.
    fn loosens_for_others(&self, before: &Content, after: &Content) -> bool {
        shift(before, after, false, self.spec, self.observation.account).loosens()
    }

    fn is_attached(&self, arn: &Arn) -> bool {
        self.observation
            .attachments
            .seen()
            .is_some_and(|attached| attached.contains(arn))
    }

    fn attach_step(&self, arn: &Arn) -> Step {
        Step::AttachRolePolicy {
            role: self.spec.name.clone(),
            arn: arn.clone(),
        }
    }

    fn gained(&self, name: &str, before: &Content, after: &Content) -> Vec<String> {
        match (before.document(), after.document()) {
            (Some(before), Some(after)) => {
                let comparison = drifted(before, after, self.spec, self.observation.account);
                match comparison.verdict {
                    Verdict::Equivalent | Verdict::Narrower => Vec::new(),
                    _ if comparison.gained.is_empty() => {
                        vec![format!("{name}: it may give more than what stands there")]
                    }
                    _ => comparison
                        .gained
                        .iter()
                        .map(|words| format!("{name}: {words}"))
                        .collect(),
                }
            }
            _ => vec![format!("{} gets {name}", self.spec.name)],
        }
    }

    fn managed(&mut self, policy: &ManagedPolicySpec, standing: &Standing) {
        let arn = self.spec.policy_arn(self.observation.account, policy);
        let after = Content::Known(policy.document.clone());
        let attached = self.is_attached(&arn);
        let Some(found) = self.observation.policies.get(&arn).and_then(Sighting::seen) else {
            let create = Step::CreatePolicy {
                arn: arn.clone(),
                name: policy.name.clone(),
                path: policy.path.clone(),
                document: policy.document.clone(),
                tags: with_owner_tag(&policy.tags),
            };
            self.push_attach(
                &arn,
                policy.name.as_str(),
                after,
                vec![create],
                vec![DriftKind::PolicyMissing],
            );
            return;
        };
        let observed = content(found.document.seen());
        let same = observed.document().is_some_and(|document| {
            drifted(
                &policy.document,
                document,
                self.spec,
                self.observation.account,
            )
            .verdict
                == Verdict::Equivalent
        });
        if same {
            if !attached {
                self.push_attach(
                    &arn,
                    policy.name.as_str(),
                    after,
                    Vec::new(),
                    vec![DriftKind::AttachmentMissing],
                );
            }
            return;
        }
        let others = found.attachment_count.saturating_sub(u32::from(attached));
        let in_force = if attached {
            observed.clone()
        } else {
            Content::Nothing
        };
        let of_document = self.shift(&observed, &after);
        let reason = if standing.policy(&arn) == Whose::Foreign {
            self.changes.foreign.push(arn.resource().to_owned());
            Some(format!(
                "policy {} was not made by rolekeeper and `adopt` does not allow to change it",
                policy.name
            ))
        } else if others > 0 && self.loosens_for_others(&observed, &after) {
            Some(format!(
                "{} is also attached to {others} other user(s), group(s) or role(s), who would gain what it gains",
                policy.name
            ))
        } else {
            None
        };
        if let Some(reason) = reason {
            self.withhold_document(policy, &arn, &in_force, reason);
            return;
        }
        let versions = version_steps(found, &policy.document);
        if attached {
            let because = document_kinds(found);
            let gained = self.gained(policy.name.as_str(), &observed, &after);
            self.push(Change {
                shift: of_document,
                prepare: Vec::new(),
                steps: versions,
                because,
                before: observed,
                after,
                gained,
            });
        } else {
            let mut because = document_kinds(found);
            because.push(DriftKind::AttachmentMissing);
            self.push_attach(&arn, policy.name.as_str(), after, versions, because);
        }
    }

    fn withhold_document(
        &mut self,
        policy: &ManagedPolicySpec,
        arn: &Arn,
        in_force: &Content,
        reason: String,
    ) {
        let step = Step::CreatePolicyVersion {
            arn: arn.clone(),
            document: policy.document.clone(),
        };
        self.withhold(&step, reason.clone());
        let shift = shift(
            in_force,
            &Content::Known(policy.document.clone()),
            slots_in_the_end(self.spec, self.observation) <= 1,
            self.spec,
            self.observation.account,
        );
        self.changes.held.push(shift);
        match in_force {
            Content::Nothing => {
                let step = self.attach_step(arn);
                self.withhold(
                    &step,
                    format!("it says something else than agreed, and {reason}"),
                );
            }
            Content::Known(_) | Content::Unknown if shift.allowed.shrinks => {
                self.changes
                    .excess
                    .push(format!("{arn} gives more than agreed and stays"));
            }
            Content::Known(_) | Content::Unknown => {}
        }
    }

    fn attach(&mut self) {
        for arn in &self.spec.attach {
            if !self.is_attached(arn) {
                let content = self.foreign(arn);
                self.push_attach(
                    arn,
                    arn.as_str(),
                    content,
                    Vec::new(),
                    vec![DriftKind::AttachmentMissing],
                );
            }
        }
    }

    fn foreign(&self, arn: &Arn) -> Content {
        let known = self.observation.foreign_documents.get(arn);
        known.map_or(Content::Unknown, |document| {
            Content::Known(document.clone())
        })
    }

    fn inline(&mut self) {
        for (name, agreed) in &self.spec.inline {
            let found = self
                .observation
                .inline
                .seen()
                .and_then(|found| found.get(name))
                .and_then(Sighting::seen);
            let before = content(found);
            let same = before.document().is_some_and(|document| {
                drifted(agreed, document, self.spec, self.observation.account).verdict
                    == Verdict::Equivalent
            });
            if same {
                continue;
            }
            let after = Content::Known(agreed.clone());
            let step = Step::PutRolePolicy {
                role: self.spec.name.clone(),
                policy: name.clone(),
                document: agreed.clone(),
            };
            let gained = self.gained(name.as_str(), &before, &after);
            self.push(Change {
                shift: self.shift(&before, &after),
                prepare: Vec::new(),
                steps: vec![step],
                because: vec![DriftKind::InlineDocument],
                before,
                after,
                gained,
            });
        }
    }

    fn unexpected(&mut self) {
        if self.spec.extras != Extras::Ignore {
            for arn in unexpected_attachments(self.spec, self.observation) {
                let step = Step::DetachRolePolicy {
                    role: self.spec.name.clone(),
                    arn: arn.clone(),
                };
                let content = self.foreign(&arn);
                self.remove(
                    step,
                    content,
                    arn.as_str(),
                    DriftKind::AttachmentUnexpected,
                    false,
                );
            }
        }
        for (name, document) in unexpected_inline(self.spec, self.observation) {
            let step = Step::DeleteRolePolicy {
                role: self.spec.name.clone(),
                policy: name.clone(),
            };
            let left_behind = name.as_str() == GUARD_POLICY_NAME;
            self.remove(
                step,
                content(document.seen()),
                name.as_str(),
                DriftKind::InlineUnexpected,
                left_behind,
            );
        }
    }

    fn remove(&mut self, step: Step, before: Content, name: &str, kind: DriftKind, always: bool) {
        if self.spec.extras == Extras::Remove || always {
            self.removal(step, before, kind);
            return;
        }
        self.withhold(
            &step,
            "the specification says `extras = \"report\"`".to_owned(),
        );
        let harmless = before.document().is_some_and(|document| {
            within_spec(document, self.spec, self.observation) || !allows_anything(document)
        });
        if !harmless {
            self.changes
                .excess
                .push(format!("{name} was not agreed and stays"));
        }
    }

    fn removal(&mut self, step: Step, before: Content, kind: DriftKind) {
        let shift = self.shift(&before, &Content::Nothing);
        let gained = if shift.loosens() {
            vec![format!(
                "{}: what {} denied is no longer denied",
                self.spec.name,
                step.resource()
            )]
        } else {
            Vec::new()
        };
        self.push(Change {
            shift,
            prepare: Vec::new(),
            steps: vec![step],
            because: vec![kind],
            before,
            after: Content::Nothing,
            gained,
        });
    }

    fn boundary(&mut self) {
        let Some(role) = self.observation.role.seen() else {
            return;
        };
        let name = &self.spec.name;
        let (step, delta) = match (&self.spec.boundary, &role.boundary) {
            (Boundary::Unmanaged, _) | (Boundary::None, None) => return,
            (Boundary::Policy(wanted), Some(found)) if wanted == found => return,
            (Boundary::None, Some(_)) => (
                Step::DeleteRolePermissionsBoundary { role: name.clone() },
                Delta::GROWS,
            ),
            (Boundary::Policy(wanted), found) => (
                Step::PutRolePermissionsBoundary {
                    role: name.clone(),
                    boundary: wanted.clone(),
                },
                if found.is_some() {
                    Delta::UNKNOWN
                } else {
                    Delta::SHRINKS
                },
            ),
        };
        let gained = match (&role.boundary, delta.grows) {
            (Some(found), true) => vec![format!(
                "{name} is no longer limited by the boundary {found}"
            )],
            _ => Vec::new(),
        };
        self.push(Change {
            shift: Shift {
                boundary: delta,
                ..Shift::default()
            },
            prepare: Vec::new(),
            steps: vec![step],
            because: vec![DriftKind::RolePermissionsBoundary],
            before: Content::Nothing,
            after: Content::Nothing,
            gained,
        });
    }

    fn push_attach(
        &mut self,
        arn: &Arn,
        name: &str,
        after: Content,
        prepare: Vec<Step>,
        because: Vec<DriftKind>,
    ) {
        let shift = self.shift(&Content::Nothing, &after);
        let gained = self.gained(name, &Content::Nothing, &after);
        let steps = vec![self.attach_step(arn)];
        self.push(Change {
            shift,
            prepare,
            steps,
            because,
            before: Content::Nothing,
            after,
            gained,
        });
    }

    fn push(&mut self, change: Change) {
        self.changes.wanted.push(change);
    }

    fn withhold(&mut self, step: &Step, reason: String) {
        self.changes.withheld.push(withheld(step, reason));
    }
}

pub(super) fn withheld(step: &Step, reason: String) -> Withheld {
    Withheld {
        operation: step.operation(),
        resource: step.resource(),
        reason,
    }
}

fn content(found: Option<&ObservedDocument>) -> Content {
    match found {
        None => Content::Nothing,
        Some(ObservedDocument::Valid(document)) => Content::Known(document.clone()),
        Some(ObservedDocument::Malformed { .. }) => Content::Unknown,
    }
}

fn allows_anything(document: &Document) -> bool {
    document
        .statements()
        .iter()
        .any(|statement| statement.effect() == crate::policy::Effect::Allow)
}

fn document_kinds(found: &ObservedPolicy) -> Vec<DriftKind> {
    let mut kinds = vec![DriftKind::PolicyDocument];
    if matches!(&found.versions, Some(Sighting::Seen(versions)) if versions.len() >= limits::VERSIONS_PER_POLICY)
    {
        kinds.push(DriftKind::PolicyVersionsFull);
    }
    kinds
}

/// A new version in force; when all are taken the oldest idle one makes room first.
fn version_steps(found: &ObservedPolicy, document: &Document) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(Sighting::Seen(versions)) = &found.versions
        && versions.len() >= limits::VERSIONS_PER_POLICY
        && let Some(oldest) = oldest_idle_version(versions)
    {
        steps.push(Step::DeletePolicyVersion {
            arn: found.arn.clone(),
            version_id: oldest.id.clone(),
        });
    }
    steps.push(Step::CreatePolicyVersion {
        arn: found.arn.clone(),
        document: document.clone(),
    });
    steps
}
