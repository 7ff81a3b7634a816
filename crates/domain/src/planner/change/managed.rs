//! The managed policies that belong to the role.

use super::{Change, Collector, content, slots_in_the_end};
use crate::arn::Arn;
use crate::diff::oldest_idle_version;
use crate::drift::DriftKind;
use crate::limits;
use crate::observation::{ObservedPolicy, Sighting};
use crate::ownership::with_owner_tag;
use crate::plan::Step;
use crate::planner::drifted;
use crate::planner::effect::{Content, shift};
use crate::planner::standing::{Standing, Whose};
use crate::policy::{Document, Verdict};
use crate::role::ManagedPolicySpec;

impl Collector<'_> {
    pub(super) fn managed(&mut self, policy: &ManagedPolicySpec, standing: &Standing) {
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
