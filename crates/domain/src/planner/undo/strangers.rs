//! What others added to what the sweep made.

use std::collections::{BTreeMap, BTreeSet};

use super::Taken;
use super::state::State;
use crate::arn::Arn;
use crate::observation::{Observation, Sighting};
use crate::plan::Step;

/// What somebody else put onto a role or policy that the sweep made: it is
/// not removed with it.
pub(super) fn strangers(steps: &[(&Taken, State)], observation: &Observation) -> Vec<String> {
    let mut found = Vec::new();
    let mut attached: BTreeSet<&Arn> = BTreeSet::new();
    let mut inline = BTreeSet::new();
    let mut made_role = false;
    let mut made: BTreeSet<&Arn> = BTreeSet::new();
    for (taken, _) in steps {
        match &taken.step {
            Step::CreateRole { .. } => made_role = true,
            Step::DeleteRole { .. } => made_role = false,
            Step::AttachRolePolicy { arn, .. } => drop(attached.insert(arn)),
            Step::DetachRolePolicy { arn, .. } => drop(attached.remove(arn)),
            Step::PutRolePolicy { policy, .. } => drop(inline.insert(policy)),
            Step::DeleteRolePolicy { policy, .. } => drop(inline.remove(policy)),
            Step::CreatePolicy { arn, .. } => drop(made.insert(arn)),
            Step::DeletePolicy { arn } => drop(made.remove(arn)),
            _ => {}
        }
    }
    if made_role {
        let others = observation.attachments.seen().into_iter().flatten();
        for arn in others.filter(|arn| !attached.contains(arn)) {
            found.push(format!(
                "{arn} was attached since to the role that the sweep made"
            ));
        }
        let names = observation
            .inline
            .seen()
            .into_iter()
            .flat_map(BTreeMap::keys);
        for name in names.filter(|name| !inline.contains(name)) {
            found.push(format!(
                "the inline policy {name} was added since to the role that the sweep made"
            ));
        }
    }
    for arn in made {
        let ours = u32::from(attached.contains(arn));
        let policy = observation.policies.get(arn).and_then(Sighting::seen);
        if policy.is_some_and(|policy| policy.attachment_count > ours) {
            found.push(format!(
                "{arn}, which the sweep made, was attached to something else since"
            ));
        }
    }
    found
}
