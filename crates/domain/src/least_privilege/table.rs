//! The table itself.

use crate::call::Operation;
use crate::role::{Boundary, Ensure, Extras, RoleName};

use super::{Audience, Grant, RoleScope, Scope};

/// What a call works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// The call knows no resources: `*` is all that IAM takes.
    NoResource,
    /// Roots and organizational units.
    Units,
    /// Accounts, as Organizations sees them.
    Accounts,
    /// Whatever a policy of the organization can hang on.
    Targets,
    /// The organization's own policies, and AWS's.
    OrganizationPolicies,
    /// The admin roles.
    AdminRoles,
    /// The role that reads the organization.
    OrganizationRole,
    /// A managed role, wherever its path puts it.
    Role,
    /// A managed role, and only the policies of the spec may be attached to it.
    RoleWithSpecPolicies,
    /// The managed policies of a role.
    Policies,
    /// Any policy, since a policy attached beside the spec is explained by what it says.
    AnyPolicy,
    /// The legacy users of the spec.
    LegacyUsers,
    /// The users that may be retired.
    RetiredUsers,
    /// Virtual MFA devices; their names are their makers' choice.
    Devices,
    /// Groups, of which the users that may be retired are taken out.
    Groups,
    /// The calling user itself.
    Caller,
    /// The queue of events.
    Queue,
}

/// What makes a call necessary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum When {
    /// Every sweep.
    Always,
    /// The roles are repaired.
    Repair,
    /// The roles are repaired and have managed policies of their own.
    RepairPolicies,
    /// The roles are repaired and have policies attached.
    RepairAttachments,
    /// The roles are repaired and their description or session length is kept.
    RepairSettings,
    /// The roles are repaired and have a boundary.
    RepairBoundary,
    /// The roles are repaired and must have no boundary.
    RepairNoBoundary,
    /// What the spec does not name is removed.
    RemoveExtras,
    /// The role should not be there.
    Absent,
    /// A sweep's writes may be undone.
    Rollback,
    /// A sweep's writes may be undone, and the roles' boundary is kept.
    RollbackBoundary,
    /// A sweep's writes may be undone, and what it removed was a role.
    RollbackAbsent,
    /// The spec names users that should not be left behind.
    LegacyUsers,
    /// Users are retired.
    RetireUsers,
    /// A selector asks for account tags.
    TagSelectors,
    /// `ListAccounts` gives no OU paths.
    UnitsListed,
    /// The organization is read through a role.
    OrganizationRole,
    /// Events are read from a queue.
    Events,
    /// `check` reads the organization's own policies.
    Walls,
}

impl When {
    fn holds(self, scope: &Scope, role: Option<&RoleScope>) -> bool {
        let repairs = |needs: fn(&RoleScope) -> bool| {
            scope.repair && role.is_some_and(|role| role.ensure == Ensure::Present && needs(role))
        };
        match self {
            Self::Always => true,
            Self::Repair => repairs(|_| true),
            Self::RepairPolicies => repairs(|role| !role.policies.is_empty()),
            Self::RepairAttachments => {
                repairs(|role| !role.policies.is_empty() || !role.attach.is_empty())
            }
            Self::RepairSettings => repairs(|role| role.settings),
            Self::RepairBoundary => repairs(|role| matches!(role.boundary, Boundary::Policy(_))),
            Self::RepairNoBoundary => repairs(|role| role.boundary == Boundary::None),
            Self::RemoveExtras => repairs(|role| role.extras == Extras::Remove),
            Self::Absent => scope.repair && role.is_some_and(|role| role.ensure == Ensure::Absent),
            Self::Rollback => scope.rollback,
            Self::RollbackBoundary => {
                scope.rollback && role.is_some_and(|role| role.boundary != Boundary::Unmanaged)
            }
            Self::RollbackAbsent => {
                scope.rollback && role.is_some_and(|role| role.ensure == Ensure::Absent)
            }
            Self::LegacyUsers => role.is_some_and(|role| !role.legacy_users.is_empty()),
            Self::RetireUsers => !scope.retired_users.is_empty(),
            Self::TagSelectors => scope.tag_selectors,
            Self::UnitsListed => scope.units_listed,
            Self::OrganizationRole => scope.organization_role.is_some(),
            Self::Events => scope.queue.is_some(),
            Self::Walls => scope.walls,
        }
    }
}

/// One call, who makes it, on what, and when.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The call.
    pub operation: Operation,
    /// Who makes it.
    pub audiences: &'static [Audience],
    /// On what.
    pub target: Target,
    /// When: any of these.
    pub when: &'static [When],
    /// What for, in words for a reviewer.
    pub purpose: &'static str,
}

impl Row {
    /// The statements this row asks for in `scope`.
    pub fn grants(&self, scope: &Scope) -> Vec<Grant> {
        let wanted = |role| self.when.iter().any(|when| when.holds(scope, role));
        match self.target {
            Target::Role
            | Target::RoleWithSpecPolicies
            | Target::Policies
            | Target::LegacyUsers => scope
                .roles
                .iter()
                .filter(|role| wanted(Some(*role)))
                .filter_map(|role| self.grant(scope, role))
                .collect(),
            _ if wanted(None) => {
                let resources = self.resources(scope);
                let some = !resources.is_empty();
                some.then(|| Grant::of(self.operation, resources))
                    .into_iter()
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn grant(&self, scope: &Scope, role: &RoleScope) -> Option<Grant> {
        let resources: Vec<String> = match self.target {
            Target::Policies => role
                .policies
                .iter()
                .map(|(path, name)| scope.iam(&format!("policy{path}{name}")))
                .collect(),
            Target::LegacyUsers => role
                .legacy_users
                .iter()
                .flat_map(|name| named(scope, "user", name))
                .collect(),
            _ => role_arns(scope, &role.name).to_vec(),
        };
        if resources.is_empty() {
            return None;
        }
        let mut grant = Grant::of(self.operation, resources);
        if self.target == Target::RoleWithSpecPolicies && !scope.rollback {
            let own = role
                .policies
                .iter()
                .map(|(path, name)| scope.iam(&format!("policy{path}{name}")));
            let others = role.attach.iter().map(|arn| arn.as_str().to_owned());
            grant.attachable = own.chain(others).collect();
        }
        Some(grant)
    }

    fn resources(&self, scope: &Scope) -> Vec<String> {
        let organizations = |kind: &str| format!("arn:{}:organizations::*:{kind}", scope.partition);
        let users = || scope.retired_users.iter();
        match self.target {
            Target::NoResource => vec!["*".to_owned()],
            Target::Units => vec![organizations("root/o-*/r-*"), organizations("ou/o-*/ou-*")],
            Target::Accounts => vec![organizations("account/o-*/*")],
            Target::Targets => ["root/o-*/r-*", "ou/o-*/ou-*", "account/o-*/*"]
                .map(organizations)
                .to_vec(),
            Target::OrganizationPolicies => vec![
                organizations("policy/o-*/*/p-*"),
                format!("arn:{}:organizations::aws:policy/*/p-*", scope.partition),
            ],
            Target::AdminRoles => scope
                .admin_roles
                .iter()
                .map(|name| scope.iam(&format!("role/{name}")))
                .collect(),
            Target::OrganizationRole => scope
                .organization_role
                .iter()
                .map(|arn| arn.as_str().to_owned())
                .collect(),
            Target::AnyPolicy => {
                vec![
                    scope.iam("policy/*"),
                    format!("arn:{}:iam::aws:policy/*", scope.partition),
                ]
            }
            Target::RetiredUsers => users()
                .flat_map(|name| named(scope, "user", name))
                .collect(),
            Target::Devices => vec![scope.iam("mfa/*")],
            Target::Groups => vec![scope.iam("group/*")],
            Target::Caller => named(scope, "user", "${aws:username}").to_vec(),
            Target::Queue => scope
                .queue
                .iter()
                .map(|arn| arn.as_str().to_owned())
                .collect(),
            Target::Role
            | Target::RoleWithSpecPolicies
            | Target::Policies
            | Target::LegacyUsers => Vec::new(),
        }
    }
}

/// A role of that name, at the root or under any path: a role under the wrong
/// path is drift, and must be readable to be found.
pub(super) fn role_arns(scope: &Scope, name: &RoleName) -> [String; 2] {
    named(scope, "role", name.as_str())
}

fn named(scope: &Scope, kind: &str, name: &str) -> [String; 2] {
    [
        scope.iam(&format!("{kind}/{name}")),
        scope.iam(&format!("{kind}/*/{name}")),
    ]
}

const HUB: &[Audience] = &[Audience::Hub];
const ORGANIZATION: &[Audience] = &[Audience::Organization];
const ADMIN: &[Audience] = &[Audience::Admin];
const READER: &[Audience] = &[Audience::Admin, Audience::Session];
const BOOTSTRAP: &[Audience] = &[Audience::Bootstrap];

macro_rules! table {
    ($($operation:ident, $audiences:ident, $target:ident, [$($when:ident),*], $purpose:literal;)+) => {
        &[$(Row {
            operation: Operation::$operation,
            audiences: $audiences,
            target: Target::$target,
            when: &[$(When::$when),*],
            purpose: $purpose,
        }),+]
    };
}

/// Every call, who makes it, on what, and when.
///
/// `sts:GetCallerIdentity` is not here: AWS lets everybody call it.
pub const TABLE: &[Row] = table! {
    AssumeRole, HUB, AdminRoles, [Always], "enter the member accounts";
    AssumeRole, HUB, OrganizationRole, [OrganizationRole], "read the organization";
    ReceiveMessage, HUB, Queue, [Events], "learn of new accounts and of changes";
    DeleteMessage, HUB, Queue, [Events], "take an event off the queue once it is acted upon";
    ChangeMessageVisibility, HUB, Queue, [Events], "put an event back that cannot be acted upon yet";
    GetQueueAttributes, HUB, Queue, [Events], "tell in `check` whether events pile up";

    DescribeOrganization, ORGANIZATION, NoResource, [Always], "know the management account";
    ListRoots, ORGANIZATION, NoResource, [Always], "begin the tree of units";
    ListOrganizationalUnitsForParent, ORGANIZATION, Units, [Always], "know the units' names";
    ListAccounts, ORGANIZATION, NoResource, [Always], "know the accounts";
    ListAccountsForParent, ORGANIZATION, Units, [UnitsListed], "know which unit an account is in";
    ListTagsForResource, ORGANIZATION, Accounts, [TagSelectors], "select accounts by tag";
    ListPoliciesForTarget, ORGANIZATION, Targets, [Walls], "see in `check` which policies bind an account";
    DescribePolicy, ORGANIZATION, OrganizationPolicies, [Walls], "see in `check` what they would deny";

    GetRole, READER, Role, [Always], "compare trust, settings, boundary and tags";
    ListAttachedRolePolicies, READER, Role, [Always], "compare what is attached";
    ListRolePolicies, READER, Role, [Always], "find inline policies";
    GetRolePolicy, READER, Role, [Always], "compare inline policies";
    GetPolicy, READER, AnyPolicy, [Always], "find the version in force";
    GetPolicyVersion, READER, AnyPolicy, [Always], "compare what a policy says";
    ListPolicyVersions, READER, Policies, [Always], "know whether there is room for a version";
    GetUser, READER, LegacyUsers, [LegacyUsers], "find temporary users that were left behind";

    CreateRole, ADMIN, Role, [Repair, RollbackAbsent], "make a missing role";
    UpdateAssumeRolePolicy, ADMIN, Role, [Repair, Rollback], "put the trust policy right";
    TagRole, ADMIN, Role, [Repair, Rollback], "put tags right";
    UpdateRole, ADMIN, Role, [RepairSettings], "put description and session length right";
    PutRolePermissionsBoundary, ADMIN, Role, [RepairBoundary, RollbackBoundary], "put the boundary right";
    DeleteRolePermissionsBoundary, ADMIN, Role, [RepairNoBoundary, RollbackBoundary], "take a boundary away";
    CreatePolicy, ADMIN, Policies, [RepairPolicies, RollbackAbsent], "make a missing policy";
    CreatePolicyVersion, ADMIN, Policies, [RepairPolicies], "put a policy right";
    DeletePolicyVersion, ADMIN, Policies, [RepairPolicies, Absent, Rollback], "make room for a version";
    TagPolicy, ADMIN, Policies, [RepairPolicies, Rollback], "put a policy's tags right";
    AttachRolePolicy, ADMIN, RoleWithSpecPolicies, [RepairAttachments, Rollback], "attach what is missing";
    DetachRolePolicy, ADMIN, Role, [RemoveExtras, Absent, Rollback], "detach what is not agreed";
    PutRolePolicy, ADMIN, Role, [Repair, Absent, Rollback], "put an inline policy right, and guard the role while it is in between";
    DeleteRolePolicy, ADMIN, Role, [Repair, Absent, Rollback], "take the guard away, and what is not agreed";
    UntagRole, ADMIN, Role, [Rollback], "take back a tag";
    UntagPolicy, ADMIN, Policies, [Rollback], "take back a policy's tag";
    DeleteRole, ADMIN, Role, [Absent, Rollback], "remove a role that rolekeeper made";
    DeletePolicy, ADMIN, Policies, [Absent, Rollback], "remove a policy that rolekeeper made";

    GetUser, ADMIN, RetiredUsers, [RetireUsers], "see whether the user is there";
    ListAccessKeys, ADMIN, RetiredUsers, [RetireUsers], "find the user's keys";
    GetAccessKeyLastUsed, ADMIN, RetiredUsers, [RetireUsers], "refuse a user that is in use";
    ListAttachedUserPolicies, ADMIN, RetiredUsers, [RetireUsers], "find what must be detached first";
    ListUserPolicies, ADMIN, RetiredUsers, [RetireUsers], "find what must be deleted first";
    ListGroupsForUser, ADMIN, RetiredUsers, [RetireUsers], "find the groups to leave first";
    ListMFADevices, ADMIN, RetiredUsers, [RetireUsers], "find the devices to give up first";
    GetLoginProfile, ADMIN, RetiredUsers, [RetireUsers], "see whether there is a password";
    ListSigningCertificates, ADMIN, RetiredUsers, [RetireUsers], "find the certificates to delete first";
    ListSSHPublicKeys, ADMIN, RetiredUsers, [RetireUsers], "find the SSH keys to delete first";
    ListServiceSpecificCredentials, ADMIN, RetiredUsers, [RetireUsers], "find the credentials to delete first";
    UpdateAccessKey, ADMIN, RetiredUsers, [RetireUsers], "deactivate a key before it is deleted";
    DeleteAccessKey, ADMIN, RetiredUsers, [RetireUsers], "delete a key";
    DetachUserPolicy, ADMIN, RetiredUsers, [RetireUsers], "clear the way for deleting the user";
    DeleteUserPolicy, ADMIN, RetiredUsers, [RetireUsers], "clear the way for deleting the user";
    RemoveUserFromGroup, ADMIN, Groups, [RetireUsers], "clear the way for deleting the user";
    DeactivateMFADevice, ADMIN, RetiredUsers, [RetireUsers], "clear the way for deleting the user";
    DeleteVirtualMFADevice, ADMIN, Devices, [RetireUsers], "clear the way for deleting the user";
    DeleteLoginProfile, ADMIN, RetiredUsers, [RetireUsers], "clear the way for deleting the user";
    DeleteSigningCertificate, ADMIN, RetiredUsers, [RetireUsers], "clear the way for deleting the user";
    DeleteSSHPublicKey, ADMIN, RetiredUsers, [RetireUsers], "clear the way for deleting the user";
    DeleteServiceSpecificCredential, ADMIN, RetiredUsers, [RetireUsers], "clear the way for deleting the user";
    DeleteUser, ADMIN, RetiredUsers, [RetireUsers], "delete the user";

    GetUser, BOOTSTRAP, Caller, [Always], "as the FAQ lists it; whose keys these are is asked of STS";
    GetRole, BOOTSTRAP, Role, [Always], "see whether the role is there";
    GetPolicy, BOOTSTRAP, Policies, [Always], "see whether the policy is there";
    CreateRole, BOOTSTRAP, Role, [Always], "make the role";
    CreatePolicy, BOOTSTRAP, Policies, [Always], "make the policy";
    AttachRolePolicy, BOOTSTRAP, RoleWithSpecPolicies, [Always], "attach the policy";
};
