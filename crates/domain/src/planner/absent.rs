//! `ensure = "absent"`: what rolekeeper made goes, the most powerful first.

use super::builder::Builder;
use super::change::{removals, withheld};
use super::order::{Work, arrange};
use crate::call::Operation;
use crate::drift::DriftKind;
use crate::observation::{Observation, ObservedPolicy, Sighting};
use crate::ownership::OwnershipRecord;
use crate::plan::{Band, Plan, Step, Withheld};
use crate::role::RoleSpec;

const BECAUSE: &[DriftKind] = &[DriftKind::RoleUnexpected];

pub(super) fn plan(
    spec: &RoleSpec,
    observation: &Observation,
    record: &OwnershipRecord,
    plan: &mut Plan,
) {
    let mut builder = Builder::new(observation);
    let removed = remove_role(spec, observation, record, plan, &mut builder);
    for policy in &spec.managed_policies {
        let arn = spec.policy_arn(observation.account, policy);
        let found = observation.policies.get(&arn).and_then(Sighting::seen);
        if let Some(found) = found.filter(|found| record.owns_policy(found)) {
            remove_policy(found, observation, removed, plan, &mut builder);
        }
    }
    plan.steps = builder.into_steps();
}

/// Takes everything off the role and then the role away, in the order of risk: an Allow
/// goes before the Deny that holds it back. Answers whether the role goes.
fn remove_role(
    spec: &RoleSpec,
    observation: &Observation,
    record: &OwnershipRecord,
    plan: &mut Plan,
    builder: &mut Builder<'_>,
) -> bool {
    let Some(role) = observation.role.seen() else {
        return true;
    };
    let name = &spec.name;
    if !record.owns_role(name, role) {
        let resource = role.arn.resource().to_owned();
        plan.withheld.push(Withheld {
            operation: Operation::DeleteRole,
            resource: resource.clone(),
            reason: "rolekeeper removes only what it made or adopted".to_owned(),
        });
        plan.foreign.push(resource);
        return false;
    }
    arrange(
        Work {
            role: name.clone(),
            create: None,
            trust: None,
            may_open: false,
            changes: removals(spec, observation),
            settings: Vec::new(),
        },
        builder,
    );
    let band = builder.last_band().unwrap_or(Band::Narrow);
    let place = builder.push(
        Step::DeleteRole { role: name.clone() },
        band,
        BECAUSE,
        false,
    );
    for earlier in 0..place {
        builder.depend(earlier);
    }
    true
}

fn remove_policy(
    found: &ObservedPolicy,
    observation: &Observation,
    role_goes: bool,
    plan: &mut Plan,
    builder: &mut Builder<'_>,
) {
    let attached = observation
        .attachments
        .seen()
        .is_some_and(|attached| attached.contains(&found.arn));
    let others = found.attachment_count.saturating_sub(u32::from(attached));
    let delete = Step::DeletePolicy {
        arn: found.arn.clone(),
    };
    let reason = if others > 0 {
        Some(format!(
            "it is also attached to {others} other user(s), group(s) or role(s)"
        ))
    } else if attached && !role_goes {
        Some("it is attached to a role that is not ours".to_owned())
    } else {
        None
    };
    if let Some(reason) = reason {
        plan.withheld.push(withheld(&delete, reason));
        return;
    }
    let band = builder.last_band().unwrap_or(Band::Narrow);
    if let Some(Sighting::Seen(versions)) = &found.versions {
        for version in versions.iter().filter(|version| !version.is_default) {
            let step = Step::DeletePolicyVersion {
                arn: found.arn.clone(),
                version_id: version.id.clone(),
            };
            builder.push(step, band, BECAUSE, false);
        }
    }
    builder.push(delete, band, BECAUSE, false);
}
