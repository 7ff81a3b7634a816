//! What has to be read besides, now that it is known what differs.

use std::collections::{BTreeMap, BTreeSet};

use super::meaning::{Meaning, meaning};
use super::unexpected_attachments;
use crate::arn::Arn;
use crate::observation::{Observation, Sighting};
use crate::ownership::OwnershipRecord;
use crate::role::{Ensure, Extras, RoleSpec};

/// Reads that only some accounts need. An account in sync needs none: its audit stays at six calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Policies whose versions must be listed: a version has to be made, or all have to go.
    /// They go into `ObservedPolicy::versions`.
    pub versions: BTreeSet<Arn>,
    /// Attached policies whose documents decide how bad drift is and in what order it can be ended.
    /// They go into `Observation::foreign_documents`.
    pub documents: BTreeSet<Arn>,
}

impl Wants {
    /// Whether nothing more has to be read.
    pub fn is_empty(&self) -> bool {
        self.versions.is_empty() && self.documents.is_empty()
    }
}

/// What should be read besides before [`super::diff`] and the planner are asked: once, after the
/// first look. What then still cannot be read is treated as unknown, not as harmless.
pub fn wants(spec: &RoleSpec, observation: &Observation, record: &OwnershipRecord) -> Wants {
    let mut wants = Wants::default();
    for policy in &spec.managed_policies {
        let arn = spec.policy_arn(observation.account, policy);
        let Some(Sighting::Seen(found)) = observation.policies.get(&arn) else {
            continue;
        };
        let changes = match (spec.ensure, &found.document) {
            (Ensure::Present, Sighting::Seen(document)) => !matches!(
                meaning(&policy.document, document, spec, observation.account),
                Meaning::Same
            ),
            (Ensure::Present, Sighting::Absent | Sighting::Unread(_)) => false,
            (Ensure::Absent, _) => record.owns_policy(found),
        };
        if changes && found.versions.is_none() {
            wants.versions.insert(arn);
        }
    }
    if spec.ensure == Ensure::Present {
        wants.documents = documents(spec, observation, !wants.versions.is_empty());
    }
    wants
}

/// The documents of others that matter: those of unexpected policies, and then the agreed ones too, which tell
/// whether the unexpected ones give more; and those about to be attached, when more than one thing changes, since a
/// Deny in one may be what holds another back.
fn documents(spec: &RoleSpec, observation: &Observation, rewrites: bool) -> BTreeSet<Arn> {
    let none = BTreeSet::new();
    let attached = match &observation.attachments {
        Sighting::Seen(attached) => attached,
        Sighting::Absent => &none,
        Sighting::Unread(_) => return none,
    };
    let unexpected = match spec.extras {
        Extras::Ignore => Vec::new(),
        Extras::Report | Extras::Remove => unexpected_attachments(spec, observation),
    };
    let missing = spec
        .attachments(observation.account)
        .iter()
        .filter(|arn| !attached.contains(*arn))
        .count();
    let inline = observation.inline.seen().map_or(0, BTreeMap::len);
    let several = missing + inline + spec.inline.len() + usize::from(rewrites) > 1;
    let mut wanted = BTreeSet::new();
    if !unexpected.is_empty() {
        wanted.extend(spec.attach.iter().cloned());
    } else if missing > 0 && several {
        wanted.extend(
            spec.attach
                .iter()
                .filter(|arn| !attached.contains(*arn))
                .cloned(),
        );
    }
    wanted.extend(unexpected);
    wanted.retain(|arn| !observation.foreign_documents.contains_key(arn));
    wanted
}
