//! `ensure = "present"`.

use super::builder::Builder;
use super::change::{self, Change, Changes, withheld};
use super::order::{Work, arrange};
use super::standing::{Standing, Whose};
use super::trust::TrustChange;
use crate::call::Operation;
use crate::diff::tag_changes;
use crate::drift::{Diff, Drift, DriftKind};
use crate::observation::{Observation, ObservedRole, Sighting};
use crate::ownership::{OwnershipRecord, with_owner_tag};
use crate::plan::{Band, Plan, Step, Withheld};
use crate::role::{Boundary, RoleName, RoleSpec};

pub(super) fn plan(
    spec: &RoleSpec,
    observation: &Observation,
    diff: &Diff,
    record: &OwnershipRecord,
    plan: &mut Plan,
) {
    let standing = Standing::of(spec, observation, diff, record);
    legacy_users(diff, plan);
    if standing.role == Whose::Foreign {
        withhold_all(spec, observation, diff, plan);
        return;
    }
    adopt(observation, &standing, plan);
    let mut changes = change::collect(spec, observation, &standing);
    if standing.role == Whose::Nobodys {
        for change in &mut changes.wanted {
            because_of_the_role(&mut change.because);
        }
    }
    plan.withheld.append(&mut changes.withheld);
    plan.foreign.append(&mut changes.foreign);
    path(spec, observation, plan);
    let trust = trust_change(spec, observation, diff);
    let may_open = hold_back(&mut changes, trust.as_ref(), &spec.name, plan);

    for change in changes
        .wanted
        .iter()
        .filter(|change| change.shift.loosens())
    {
        plan.widens.extend(change.gained.iter().cloned());
    }
    let create = create(spec, observation);
    if create.is_some() {
        plan.widens.push(format!(
            "the role {} comes into being, for whom its trust policy names",
            spec.name
        ));
    }
    if let Some(trust) = trust
        .as_ref()
        .filter(|trust| may_open && trust.band != Band::Narrow)
    {
        plan.widens.extend(
            trust
                .gained
                .iter()
                .map(|words| format!("trust policy: {words}")),
        );
    }
    let work = Work {
        role: spec.name.clone(),
        create,
        trust,
        may_open,
        changes: changes.wanted,
        settings: settings(spec, observation, &standing),
    };
    let mut builder = Builder::new(observation);
    arrange(work, &mut builder);
    plan.steps = builder.into_steps();
}

/// Where the role is missing, that is why nothing is attached to it or written into it.
fn because_of_the_role(because: &mut Vec<DriftKind>) {
    for kind in because.iter_mut() {
        if matches!(
            kind,
            DriftKind::AttachmentMissing | DriftKind::InlineDocument
        ) {
            *kind = DriftKind::RoleMissing;
        }
    }
    because.dedup();
}

/// What becomes ours.
fn adopt(observation: &Observation, standing: &Standing, plan: &mut Plan) {
    if standing.role == Whose::Adopted
        && let Some(role) = observation.role.seen()
    {
        plan.adopts.push(role.arn.resource().to_owned());
    }
    let adopted = standing
        .policies
        .iter()
        .filter(|(_, whose)| **whose == Whose::Adopted);
    plan.adopts
        .extend(adopted.map(|(arn, _)| arn.resource().to_owned()));
}

/// The role is somebody else's: nothing is done, each thing that would be says so.
fn withhold_all(spec: &RoleSpec, observation: &Observation, diff: &Diff, plan: &mut Plan) {
    let resource = observation
        .role
        .seen()
        .map_or_else(String::new, |role| role.arn.resource().to_owned());
    let reason = format!(
        "role {} was not made by rolekeeper and `adopt` does not allow to change it",
        spec.name
    );
    for drift in &diff.drifts {
        if let Some(operation) = operation_for(drift) {
            let resource = match &drift.subject {
                Some(subject) => format!("{resource} {subject}"),
                None => resource.clone(),
            };
            plan.withheld.push(Withheld {
                operation,
                resource,
                reason: reason.clone(),
            });
        }
    }
    plan.foreign.push(resource);
}

/// The call that would end a drift; none where no call of ours does.
const fn operation_for(drift: &Drift) -> Option<Operation> {
    Some(match drift.kind {
        DriftKind::RoleMissing | DriftKind::RolePath => Operation::CreateRole,
        DriftKind::RoleDescription | DriftKind::RoleMaxSessionDuration => Operation::UpdateRole,
        DriftKind::RolePermissionsBoundary => Operation::PutRolePermissionsBoundary,
        DriftKind::RoleTags => Operation::TagRole,
        DriftKind::TrustPolicy => Operation::UpdateAssumeRolePolicy,
        DriftKind::PolicyMissing => Operation::CreatePolicy,
        DriftKind::PolicyDocument => Operation::CreatePolicyVersion,
        DriftKind::PolicyTags => Operation::TagPolicy,
        DriftKind::AttachmentMissing => Operation::AttachRolePolicy,
        DriftKind::AttachmentUnexpected => Operation::DetachRolePolicy,
        DriftKind::InlineUnexpected => Operation::DeleteRolePolicy,
        DriftKind::InlineDocument => Operation::PutRolePolicy,
        DriftKind::PolicyVersionsFull => Operation::DeletePolicyVersion,
        DriftKind::RoleUnexpected => Operation::DeleteRole,
        DriftKind::LegacyUser => return None,
    })
}

fn legacy_users(diff: &Diff, plan: &mut Plan) {
    let users = diff
        .drifts
        .iter()
        .filter(|drift| drift.kind == DriftKind::LegacyUser);
    for user in users.filter_map(|drift| drift.subject.as_ref()) {
        plan.withheld.push(Withheld {
            operation: Operation::DeleteUser,
            resource: format!("user/{user}"),
            reason: format!("a user is only removed by name: `rolekeeper retire-user {user}`"),
        });
    }
}

fn path(spec: &RoleSpec, observation: &Observation, plan: &mut Plan) {
    let Some(role) = observation
        .role
        .seen()
        .filter(|role| role.path != spec.path.as_str())
    else {
        return;
    };
    plan.withheld.push(Withheld {
        operation: Operation::CreateRole,
        resource: format!("role{}{}", spec.path, spec.name),
        reason: format!(
            "IAM cannot move a role from {} to {}: it has to be deleted and made again, which a person should decide \
             (or set `path` in the specification to where it is)",
            role.path, spec.path
        ),
    });
}

fn trust_change(spec: &RoleSpec, observation: &Observation, diff: &Diff) -> Option<TrustChange> {
    let role = observation.role.seen()?;
    let drifted = diff
        .drifts
        .iter()
        .any(|drift| drift.kind == DriftKind::TrustPolicy);
    drifted.then(|| TrustChange::of(spec, role, observation))
}

/// While something stays that gives more than agreed, nothing may be opened that
/// would hand it on: no trust, no lifted denial. And where a withheld change would have brought
/// denials, nothing is granted that they were to hold back. Answers whether trust may be opened.
fn hold_back(
    changes: &mut Changes,
    trust: Option<&TrustChange>,
    role: &RoleName,
    plan: &mut Plan,
) -> bool {
    let stays = changes.excess.join("; ");
    if !changes.excess.is_empty() {
        hold(
            changes,
            plan,
            // What a guard held back was there before the repair that left it: lifting it hands nothing on.
            |change| change.shift.releases() && !change.lowers_guard(),
            &format!("it would hand on what stays: {stays}"),
        );
    }
    let missing_denials = changes
        .held
        .iter()
        .any(|shift| shift.denied.grows || shift.boundary.shrinks);
    if missing_denials {
        let reason = "what was to limit it is withheld in this plan";
        hold(changes, plan, |change| change.shift.loosens(), reason);
    }
    let may_open = changes.excess.is_empty()
        && !missing_denials
        && changes.held.iter().all(|held| !held.tightens());
    if let Some(trust) = trust.filter(|trust| !may_open && trust.band != Band::Narrow) {
        let step = Step::UpdateAssumeRolePolicy {
            role: role.clone(),
            trust: trust.goal.clone(),
        };
        let why = if stays.is_empty() {
            "a change that it depends on is withheld"
        } else {
            &stays
        };
        let reason =
            format!("whoever the agreed trust policy lets in would gain more than agreed: {why}");
        plan.withheld.push(withheld(&step, reason));
    }
    may_open
}

fn hold(changes: &mut Changes, plan: &mut Plan, which: impl Fn(&Change) -> bool, reason: &str) {
    let (held, kept): (Vec<Change>, Vec<Change>) = std::mem::take(&mut changes.wanted)
        .into_iter()
        .partition(|change| which(change));
    changes.wanted = kept;
    for change in held {
        changes.held.push(change.shift);
        let steps = change.prepare.iter().chain(&change.steps);
        plan.withheld
            .extend(steps.map(|step| withheld(step, reason.to_owned())));
    }
}

fn create(spec: &RoleSpec, observation: &Observation) -> Option<Step> {
    matches!(observation.role, Sighting::Absent).then(|| Step::CreateRole {
        role: spec.name.clone(),
        path: spec.path.clone(),
        trust: spec.trust.clone(),
        description: spec.description.clone(),
        max_session_duration: spec.max_session_duration,
        boundary: match &spec.boundary {
            Boundary::Policy(arn) => Some(arn.clone()),
            Boundary::Unmanaged | Boundary::None => None,
        },
        tags: with_owner_tag(&spec.tags),
    })
}

fn settings(
    spec: &RoleSpec,
    observation: &Observation,
    standing: &Standing,
) -> Vec<(Step, Band, Vec<DriftKind>)> {
    let mut steps = Vec::new();
    if let Some(role) = observation.role.seen() {
        steps.extend(update_role(spec, role));
        let (_, tags) = tag_changes(&spec.tags, &role.tags);
        if !tags.is_empty() {
            steps.push((
                Step::TagRole {
                    role: spec.name.clone(),
                    tags,
                },
                Band::Turn,
                vec![DriftKind::RoleTags],
            ));
        }
    }
    for policy in &spec.managed_policies {
        let arn = spec.policy_arn(observation.account, policy);
        let Some(found) = observation.policies.get(&arn).and_then(Sighting::seen) else {
            continue;
        };
        let (_, tags) = tag_changes(&policy.tags, &found.tags);
        if !tags.is_empty() && standing.policy(&arn).may_change() {
            steps.push((
                Step::TagPolicy { arn, tags },
                Band::Turn,
                vec![DriftKind::PolicyTags],
            ));
        }
    }
    steps
}

fn update_role(spec: &RoleSpec, role: &ObservedRole) -> Option<(Step, Band, Vec<DriftKind>)> {
    let description = spec
        .description
        .clone()
        .unwrap_or_else(|| role.description.clone());
    let seconds = spec
        .max_session_duration
        .unwrap_or(role.max_session_duration);
    let mut because = Vec::new();
    if description != role.description {
        because.push(DriftKind::RoleDescription);
    }
    if seconds != role.max_session_duration {
        because.push(DriftKind::RoleMaxSessionDuration);
    }
    if because.is_empty() {
        return None;
    }
    let band = match seconds.cmp(&role.max_session_duration) {
        std::cmp::Ordering::Less => Band::Narrow,
        std::cmp::Ordering::Equal => Band::Turn,
        std::cmp::Ordering::Greater => Band::Widen,
    };
    let step = Step::UpdateRole {
        role: spec.name.clone(),
        description,
        max_session_duration: seconds,
    };
    Some((step, band, because))
}
