//! The changes of a role's permissions, each with what it does to the whole.

mod extras;
mod managed;

use std::collections::BTreeSet;

use super::effect::{Content, Delta, Shift, shift};
use super::standing::Standing;
use super::{GUARD_POLICY_NAME, drifted};
use crate::arn::Arn;
use crate::diff::unexpected_attachments;
use crate::drift::DriftKind;
use crate::observation::{Observation, ObservedDocument, Sighting};
use crate::plan::{Step, Withheld};
use crate::policy::Verdict;
use crate::role::{Boundary, Extras, RoleSpec};

/// One change that is made whole or not at all.
pub(in crate::planner) struct Change {
    pub(in crate::planner) shift: Shift,
    /// Steps that move no power of this role: a policy is made, or gets its version before it is attached.
    pub(in crate::planner) prepare: Vec<Step>,
    /// The steps that do it.
    pub(in crate::planner) steps: Vec<Step>,
    pub(in crate::planner) because: Vec<DriftKind>,
    /// What stood there and what will.
    pub(in crate::planner) before: Content,
    pub(in crate::planner) after: Content,
    /// Who gains what, where it gives.
    pub(in crate::planner) gained: Vec<String>,
}

impl Change {
    /// Whether it takes away a guard that a repair left behind.
    pub(in crate::planner) fn lowers_guard(&self) -> bool {
        let lowers = |step: &Step| matches!(step, Step::DeleteRolePolicy { policy, .. } if policy.as_str() == GUARD_POLICY_NAME);
        self.steps.iter().any(lowers)
    }
}

/// Everything that should change, and what stands in the way.
#[derive(Default)]
pub(in crate::planner) struct Changes {
    pub(in crate::planner) wanted: Vec<Change>,
    pub(in crate::planner) withheld: Vec<Withheld>,
    /// What withheld changes would have done.
    pub(in crate::planner) held: Vec<Shift>,
    /// What stays although it may give more than agreed, in words.
    pub(in crate::planner) excess: Vec<String>,
    /// What is somebody else's.
    pub(in crate::planner) foreign: Vec<String>,
}

pub(in crate::planner) fn collect(
    spec: &RoleSpec,
    observation: &Observation,
    standing: &Standing,
) -> Changes {
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
pub(in crate::planner) fn removals(spec: &RoleSpec, observation: &Observation) -> Vec<Change> {
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
    pub(in crate::planner) fn loosens_for_others(&self, before: &Content, after: &Content) -> bool {
        shift(before, after, false, self.spec, self.observation.account).loosens()
    }

    pub(in crate::planner) fn is_attached(&self, arn: &Arn) -> bool {
        self.observation
            .attachments
            .seen()
            .is_some_and(|attached| attached.contains(arn))
    }

    pub(in crate::planner) fn attach_step(&self, arn: &Arn) -> Step {
        Step::AttachRolePolicy {
            role: self.spec.name.clone(),
            arn: arn.clone(),
        }
    }

    pub(in crate::planner) fn gained(
        &self,
        name: &str,
        before: &Content,
        after: &Content,
    ) -> Vec<String> {
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

    pub(in crate::planner) fn foreign(&self, arn: &Arn) -> Content {
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

    pub(in crate::planner) fn push_attach(
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

    pub(in crate::planner) fn push(&mut self, change: Change) {
        self.changes.wanted.push(change);
    }

    pub(in crate::planner) fn withhold(&mut self, step: &Step, reason: String) {
        self.changes.withheld.push(withheld(step, reason));
    }
}

pub(in crate::planner) fn withheld(step: &Step, reason: String) -> Withheld {
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
