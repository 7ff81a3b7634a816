//! What tools ask to find their way about an account.

use crate::ask::Ask;
use crate::call::ApiError;
use crate::iam::policies;
use crate::iam::state::Iam;
use crate::world::caller::spelled;
use crate::xml::Xml;

type Done = Result<(), ApiError>;

pub(crate) fn account_summary(_: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    let mfa: usize = iam.users.iter().map(|user| user.mfa.len()).sum();
    let versions: usize = iam
        .policies
        .iter()
        .map(|policy| policy.versions.len())
        .sum();
    let rows = [
        ("AccessKeysPerUserQuota", 2),
        ("AccountAccessKeysPresent", 0),
        ("AccountMFAEnabled", 1),
        ("AssumeRolePolicySizeQuota", 2_048),
        ("AttachedPoliciesPerRoleQuota", 10),
        ("Groups", iam.groups.len()),
        ("GroupsQuota", 300),
        ("MFADevices", mfa),
        ("MFADevicesInUse", mfa),
        ("Policies", iam.policies.len()),
        ("PoliciesQuota", 1_500),
        ("PolicySizeQuota", 6_144),
        ("PolicyVersionsInUse", versions),
        ("PolicyVersionsInUseQuota", 10_000),
        ("RolePolicySizeQuota", 10_240),
        ("Roles", iam.roles.len()),
        ("RolesQuota", 1_000),
        ("UserPolicySizeQuota", 2_048),
        ("Users", iam.users.len()),
        ("UsersQuota", 5_000),
        ("VersionsPerPolicyQuota", 5),
    ];
    xml.element("SummaryMap", |xml| {
        for (key, value) in rows {
            xml.element("entry", |xml| {
                xml.leaf("key", key);
                xml.plain("value", value);
            });
        }
    });
    Ok(())
}

pub(crate) fn aliases(_: &Ask<'_>, _: &Iam, xml: &mut Xml) -> Done {
    xml.raw("<AccountAliases/>");
    xml.plain("IsTruncated", false);
    Ok(())
}

pub(crate) fn entities_for_policy(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    policies::find(ask, iam)?;
    let arn = ask.get("PolicyArn").unwrap_or_default();
    let filter = ask.get("EntityFilter");
    let as_boundary = ask.get("PolicyUsageFilter") == Some("PermissionsBoundary");
    let uses = |entity: &crate::iam::state::Entity| {
        if as_boundary {
            entity.boundary.as_deref() == Some(arn)
        } else {
            entity.attached.iter().any(|known| **known == *arn)
        }
    };
    let wanted = |kind: &str| filter.is_none_or(|filter| filter == kind);
    let account = ask.account;
    let groups = iam
        .groups
        .iter()
        .map(|group| &group.entity)
        .filter(|entity| uses(entity) && wanted("Group"));
    xml.list("PolicyGroups", groups, |xml, entity| {
        xml.leaf("GroupName", &entity.name);
        xml.leaf("GroupId", &spelled("AGPA", account, entity.id));
    });
    let users = iam
        .users
        .iter()
        .map(|user| &user.entity)
        .filter(|entity| uses(entity) && wanted("User"));
    xml.list("PolicyUsers", users, |xml, entity| {
        xml.leaf("UserName", &entity.name);
        xml.leaf("UserId", &spelled("AIDA", account, entity.id));
    });
    let roles = iam
        .roles
        .iter()
        .map(|role| &role.entity)
        .filter(|entity| uses(entity) && wanted("Role"));
    xml.list("PolicyRoles", roles, |xml, entity| {
        xml.leaf("RoleName", &entity.name);
        xml.leaf("RoleId", &spelled("AROA", account, entity.id));
    });
    xml.plain("IsTruncated", false);
    Ok(())
}
