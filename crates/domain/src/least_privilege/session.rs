//! Session policies: what is left of the admin role for one look, or for one plan.

use std::collections::BTreeSet;

use super::table::Row;
use super::{Audience, Grant, Scope, TABLE, When, document, grants_for, merge, table};
use crate::account::AccountId;
use crate::arn::Partition;
use crate::call::{Access, Operation};
use crate::plan::Step;
use crate::role::RoleSpec;
use crate::user::UserStep;

/// The most characters STS takes as a session policy.
pub const MAX_SESSION_POLICY: usize = 2_048;

/// The session policy that leaves only the reading of `roles`: compact, and
/// never longer than [`MAX_SESSION_POLICY`].
pub fn audit_session(partition: Partition, account: AccountId, roles: &[RoleSpec]) -> String {
    fit(
        partition,
        account,
        grants_for(Audience::Session, &Scope::audit(partition, account, roles)),
    )
}

/// The session policy that leaves exactly the calls of `steps`: compact, and
/// never longer than [`MAX_SESSION_POLICY`].
pub fn repair_session<'a>(
    partition: Partition,
    account: AccountId,
    steps: impl IntoIterator<Item = &'a Step>,
) -> String {
    let scope = Scope {
        partition,
        account: Some(account),
        ..Scope::default()
    };
    let grants = steps
        .into_iter()
        .map(|step| step_grant(&scope, step))
        .collect();
    fit(partition, account, merge(grants))
}

/// The session policy that leaves only the reading of one user.
pub fn user_audit_session(partition: Partition, account: AccountId, user: &str) -> String {
    let reads = |operation: Operation| operation.access() == Access::Read;
    user_session(partition, account, user, reads)
}

/// The session policy that leaves exactly these steps on one user.
pub fn user_repair_session(
    partition: Partition,
    account: AccountId,
    user: &str,
    steps: &[UserStep],
) -> String {
    let wanted: BTreeSet<Operation> = steps.iter().map(UserStep::operation).collect();
    user_session(partition, account, user, |operation| {
        wanted.contains(&operation)
    })
}

fn user_session(
    partition: Partition,
    account: AccountId,
    user: &str,
    wanted: impl Fn(Operation) -> bool,
) -> String {
    let retired_users = BTreeSet::from([user.to_owned()]);
    let scope = Scope {
        partition,
        account: Some(account),
        retired_users,
        ..Scope::default()
    };
    let about_users = |row: &&Row| row.when == [When::RetireUsers] && wanted(row.operation);
    let grants = TABLE
        .iter()
        .filter(about_users)
        .flat_map(|row| row.grants(&scope))
        .collect();
    fit(partition, account, merge(grants))
}

fn step_grant(scope: &Scope, step: &Step) -> Grant {
    let operation = step.operation();
    match step {
        Step::CreateRole {
            role,
            path,
            boundary,
            ..
        } => {
            let mut grant = Grant::of(operation, [scope.iam(&format!("role{path}{role}"))]);
            if boundary.is_some() {
                grant
                    .actions
                    .insert(Operation::PutRolePermissionsBoundary.action());
            }
            grant
        }
        Step::UpdateAssumeRolePolicy { role, .. }
        | Step::UpdateRole { role, .. }
        | Step::PutRolePermissionsBoundary { role, .. }
        | Step::DeleteRolePermissionsBoundary { role }
        | Step::TagRole { role, .. }
        | Step::UntagRole { role, .. }
        | Step::DeleteRole { role }
        | Step::PutRolePolicy { role, .. }
        | Step::DeleteRolePolicy { role, .. } => {
            Grant::of(operation, table::role_arns(scope, role))
        }
        Step::AttachRolePolicy { role, arn } | Step::DetachRolePolicy { role, arn } => {
            let mut grant = Grant::of(operation, table::role_arns(scope, role));
            grant.attachable.insert(arn.as_str().to_owned());
            grant
        }
        Step::CreatePolicy { arn, .. }
        | Step::CreatePolicyVersion { arn, .. }
        | Step::DeletePolicyVersion { arn, .. }
        | Step::TagPolicy { arn, .. }
        | Step::UntagPolicy { arn, .. }
        | Step::DeletePolicy { arn } => Grant::of(operation, [arn.as_str().to_owned()]),
    }
}

/// The shortest widening of the resources, never of the actions, that STS takes.
fn fit(partition: Partition, account: AccountId, grants: Vec<Grant>) -> String {
    let exact = document(&grants).to_string();
    if exact.len() <= MAX_SESSION_POLICY {
        return exact;
    }
    // Which policies may be attached is the last thing to give up: it is what keeps a session from making
    // an administrator of the role.
    let (bound, free): (Vec<Grant>, Vec<Grant>) = grants
        .into_iter()
        .partition(|grant| !grant.attachable.is_empty());
    let mut all = together(free);
    let mut shorter: Vec<Grant> = bound.clone();
    shorter.extend((!all.actions.is_empty()).then(|| all.clone()));
    let one = document(&shorter).to_string();
    if one.len() <= MAX_SESSION_POLICY {
        return one;
    }
    let kind = |resource: &String| {
        let kind = resource
            .splitn(6, ':')
            .nth(5)
            .and_then(|rest| rest.split('/').next())
            .unwrap_or_default();
        let owner = if resource.contains(":iam::aws:") {
            "aws".to_owned()
        } else {
            account.to_string()
        };
        format!("arn:{partition}:iam::{owner}:{kind}/*")
    };
    all.resources = all.resources.iter().map(kind).collect();
    let mut bound = together(bound);
    bound.resources = bound.resources.iter().map(kind).collect();
    let grants: Vec<Grant> = [bound.clone(), all.clone()]
        .into_iter()
        .filter(|grant| !grant.actions.is_empty())
        .collect();
    let by_kind = document(&grants).to_string();
    if by_kind.len() <= MAX_SESSION_POLICY {
        return by_kind;
    }
    // Dozens of policies to attach: the admin role's own policy is left to bound them.
    let mut all = together(vec![bound, all]);
    all.attachable.clear();
    document(&[all]).to_string()
}

fn together(grants: Vec<Grant>) -> Grant {
    let mut all = Grant {
        actions: BTreeSet::new(),
        resources: BTreeSet::new(),
        attachable: BTreeSet::new(),
    };
    for grant in grants {
        all.actions.extend(grant.actions);
        all.resources.extend(grant.resources);
        all.attachable.extend(grant.attachable);
    }
    all
}
