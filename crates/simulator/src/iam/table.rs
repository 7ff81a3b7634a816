//! The operations there are, each with what it is about.

use crate::ask::Ask;
use crate::call::ApiError;
use crate::iam::permit::Subject;
use crate::iam::state::Iam;
use crate::iam::{attachments, inline, keys, lookaround, policies, roles, users, versions};
use crate::xml::Xml;

/// How an operation is carried out.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    /// It only looks, at what some replica knows.
    Read(fn(&Ask<'_>, &Iam, &mut Xml) -> Result<(), ApiError>),
    /// It changes the account.
    Write(fn(&Ask<'_>, &mut Iam, &mut Xml) -> Result<(), ApiError>),
}

/// One operation.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// The action that policies permit it by.
    pub(crate) action: &'static str,
    pub(crate) subject: Subject,
    pub(crate) run: Run,
}

macro_rules! table {
    ($($name:literal $run:ident($function:path) $subject:expr;)*) => {
        &[$(Operation {
            name: $name,
            action: concat!("iam:", $name),
            subject: $subject,
            run: Run::$run($function),
        }),*]
    };
}

/// In the order of their names.
static OPERATIONS: &[Operation] = table! {
    "AddUserToGroup" Write(users::add_to_group) Subject::Group;
    "AttachGroupPolicy" Write(attachments::attach_group) Subject::Group;
    "AttachRolePolicy" Write(attachments::attach_role) Subject::Role;
    "AttachUserPolicy" Write(attachments::attach_user) Subject::User;
    "CreateAccessKey" Write(keys::create) Subject::User;
    "CreateGroup" Write(users::create_group) Subject::Group;
    "CreateLoginProfile" Write(keys::create_login_profile) Subject::User;
    "CreatePolicy" Write(policies::create) Subject::NewPolicy;
    "CreatePolicyVersion" Write(versions::create) Subject::Policy;
    "CreateRole" Write(roles::create) Subject::RoleArn;
    "CreateServiceSpecificCredential" Write(keys::create_service_credential) Subject::User;
    "CreateUser" Write(users::create) Subject::UserArn;
    "CreateVirtualMFADevice" Write(keys::create_virtual_mfa) Subject::Device;
    "DeactivateMFADevice" Write(keys::deactivate_mfa) Subject::User;
    "DeleteAccessKey" Write(keys::delete) Subject::User;
    "DeleteGroup" Write(users::delete_group) Subject::Group;
    "DeleteLoginProfile" Write(keys::delete_login_profile) Subject::User;
    "DeletePolicy" Write(policies::delete) Subject::Policy;
    "DeletePolicyVersion" Write(versions::delete) Subject::Policy;
    "DeleteRole" Write(roles::delete) Subject::Role;
    "DeleteRolePermissionsBoundary" Write(roles::delete_boundary) Subject::Role;
    "DeleteRolePolicy" Write(inline::delete_role) Subject::Role;
    "DeleteSSHPublicKey" Write(keys::delete_ssh_key) Subject::User;
    "DeleteServiceSpecificCredential" Write(keys::delete_service_credential) Subject::User;
    "DeleteSigningCertificate" Write(keys::delete_certificate) Subject::User;
    "DeleteUser" Write(users::delete) Subject::User;
    "DeleteUserPermissionsBoundary" Write(users::delete_boundary) Subject::User;
    "DeleteUserPolicy" Write(inline::delete_user) Subject::User;
    "DeleteVirtualMFADevice" Write(keys::delete_virtual_mfa) Subject::Device;
    "DetachGroupPolicy" Write(attachments::detach_group) Subject::Group;
    "DetachRolePolicy" Write(attachments::detach_role) Subject::Role;
    "DetachUserPolicy" Write(attachments::detach_user) Subject::User;
    "EnableMFADevice" Write(keys::enable_mfa) Subject::User;
    "GetAccessKeyLastUsed" Read(keys::last_used) Subject::KeyOwner;
    "GetAccountSummary" Read(lookaround::account_summary) Subject::Account;
    "GetLoginProfile" Read(keys::login_profile) Subject::User;
    "GetPolicy" Read(policies::get) Subject::Policy;
    "GetPolicyVersion" Read(versions::get) Subject::Policy;
    "GetRole" Read(roles::get) Subject::Role;
    "GetRolePolicy" Read(inline::get_role) Subject::Role;
    "GetUser" Read(users::get) Subject::User;
    "GetUserPolicy" Read(inline::get_user) Subject::User;
    "ListAccessKeys" Read(keys::list) Subject::User;
    "ListAccountAliases" Read(lookaround::aliases) Subject::Account;
    "ListAttachedGroupPolicies" Read(attachments::list_group) Subject::Group;
    "ListAttachedRolePolicies" Read(attachments::list_role) Subject::Role;
    "ListAttachedUserPolicies" Read(attachments::list_user) Subject::User;
    "ListEntitiesForPolicy" Read(lookaround::entities_for_policy) Subject::Policy;
    "ListGroups" Read(users::list_groups) Subject::Every("group");
    "ListGroupsForUser" Read(users::groups_for_user) Subject::User;
    "ListInstanceProfilesForRole" Read(roles::instance_profiles) Subject::Role;
    "ListMFADevices" Read(keys::list_mfa) Subject::User;
    "ListPolicies" Read(policies::list) Subject::Every("policy");
    "ListPolicyTags" Read(policies::list_tags) Subject::Policy;
    "ListPolicyVersions" Read(versions::list) Subject::Policy;
    "ListRolePolicies" Read(inline::list_role) Subject::Role;
    "ListRoleTags" Read(roles::list_tags) Subject::Role;
    "ListRoles" Read(roles::list) Subject::Every("role");
    "ListSSHPublicKeys" Read(keys::list_ssh_keys) Subject::User;
    "ListServiceSpecificCredentials" Read(keys::list_service_credentials) Subject::User;
    "ListSigningCertificates" Read(keys::list_certificates) Subject::User;
    "ListUserPolicies" Read(inline::list_user) Subject::User;
    "ListUserTags" Read(users::list_tags) Subject::User;
    "ListUsers" Read(users::list) Subject::Every("user");
    "PutRolePermissionsBoundary" Write(roles::put_boundary) Subject::Role;
    "PutRolePolicy" Write(inline::put_role) Subject::Role;
    "PutUserPermissionsBoundary" Write(users::put_boundary) Subject::User;
    "PutUserPolicy" Write(inline::put_user) Subject::User;
    "RemoveUserFromGroup" Write(users::remove_from_group) Subject::Group;
    "SetDefaultPolicyVersion" Write(versions::set_default) Subject::Policy;
    "TagPolicy" Write(policies::tag) Subject::Policy;
    "TagRole" Write(roles::tag) Subject::RoleArn;
    "TagUser" Write(users::tag) Subject::UserArn;
    "UntagPolicy" Write(policies::untag) Subject::Policy;
    "UntagRole" Write(roles::untag) Subject::RoleArn;
    "UntagUser" Write(users::untag) Subject::UserArn;
    "UpdateAccessKey" Write(keys::update) Subject::User;
    "UpdateAssumeRolePolicy" Write(roles::update_trust) Subject::Role;
    "UpdateRole" Write(roles::update) Subject::Role;
    "UpdateRoleDescription" Write(roles::update_description) Subject::Role;
    "UploadSSHPublicKey" Write(keys::upload_ssh_key) Subject::User;
    "UploadSigningCertificate" Write(keys::upload_certificate) Subject::User;
};

/// The operation of this name.
pub(crate) fn operation(name: &str) -> Option<&'static Operation> {
    let index = OPERATIONS
        .binary_search_by(|operation| operation.name.cmp(name))
        .ok()?;
    OPERATIONS.get(index)
}

#[cfg(test)]
mod tests {
    use super::{OPERATIONS, operation};

    #[test]
    fn the_table_is_in_order_so_that_everything_in_it_is_found() {
        for known in OPERATIONS {
            assert!(
                operation(known.name).is_some(),
                "{} is out of order",
                known.name
            );
        }
        assert!(operation("CreateUniverse").is_none());
    }
}
