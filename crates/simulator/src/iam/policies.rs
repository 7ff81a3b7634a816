//! Managed policies.

use std::sync::Arc;

use rolekeeper_domain::account::AccountId;

use crate::ask::Ask;
use crate::call::ApiError;
use crate::iam::aws_managed;
use crate::iam::paper::{Kind, POLICY_SIZE};
use crate::iam::rules::{date, description, name, page, path, tag_quota, tags, write_tags};
use crate::iam::state::{Entity, Iam, Policy, put_tags};
use crate::world::caller::spelled;
use crate::xml::Xml;

type Done = Result<(), ApiError>;

/// A customer-managed policy by its whole ARN.
pub(crate) fn by_arn<'a>(iam: &'a Iam, account: AccountId, arn: &str) -> Option<&'a Arc<Policy>> {
    let name = arn.rsplit('/').next()?;
    iam.policies
        .get(name)
        .filter(|policy| policy_arn(account, policy) == arn)
}

pub(crate) fn policy_arn(account: AccountId, policy: &Policy) -> String {
    format!(
        "arn:aws:iam::{account}:policy{}{}",
        policy.path, policy.name
    )
}

/// The policy that `PolicyArn` names, AWS's own included.
pub(crate) fn find<'a>(ask: &Ask<'_>, iam: &'a Iam) -> Result<&'a Arc<Policy>, ApiError> {
    let arn = arn_of(ask)?;
    let known = aws_managed::find(arn).or_else(|| by_arn(iam, ask.account, arn));
    known.ok_or_else(|| no_such(arn))
}

/// The policy to be changed: AWS's own cannot be.
pub(crate) fn find_mut<'a>(ask: &Ask<'_>, iam: &'a mut Iam) -> Result<&'a mut Policy, ApiError> {
    let arn = arn_of(ask)?;
    if arn.starts_with("arn:aws:iam::aws:") {
        return Err(ApiError::new(
            403,
            "AccessDenied",
            format!(
                "User: {} is not authorized to perform: iam:{} on resource: policy {arn}",
                ask.caller.arn(),
                ask.operation
            ),
        ));
    }
    let known = by_arn(iam, ask.account, arn).map(|policy| Arc::clone(&policy.name));
    known
        .and_then(|name| iam.policies.get_mut(&name))
        .ok_or_else(|| no_such(arn))
}

fn arn_of<'a>(ask: &Ask<'a>) -> Result<&'a str, ApiError> {
    let arn = ask.need("PolicyArn")?;
    if !arn.starts_with("arn:") {
        return Err(ApiError::validation(format!("ARN {arn} is not valid.")));
    }
    Ok(arn)
}

pub(crate) fn no_such(arn: &str) -> ApiError {
    ApiError::no_such(format!("Policy {arn} was not found."))
}

/// Everything a policy can hang on.
pub(crate) fn entities(iam: &Iam) -> impl Iterator<Item = &Entity> {
    let roles = iam.roles.iter().map(|role| &role.entity);
    let users = iam.users.iter().map(|user| &user.entity);
    roles
        .chain(users)
        .chain(iam.groups.iter().map(|group| &group.entity))
}

fn write_policy(
    xml: &mut Xml,
    iam: &Iam,
    arn: &str,
    account: AccountId,
    policy: &Policy,
    whole: bool,
) {
    let attached = entities(iam)
        .filter(|entity| entity.attached.iter().any(|known| **known == *arn))
        .count();
    let bounds = entities(iam)
        .filter(|entity| entity.boundary.as_deref() == Some(arn))
        .count();
    xml.leaf("PolicyName", &policy.name);
    xml.leaf("PolicyId", &spelled("ANPA", account, policy.id));
    xml.leaf("Arn", arn);
    xml.leaf("Path", &policy.path);
    xml.leaf("DefaultVersionId", &format!("v{}", policy.default));
    xml.plain("AttachmentCount", attached);
    xml.plain("PermissionsBoundaryUsageCount", bounds);
    xml.plain("IsAttachable", true);
    if whole && let Some(description) = &policy.description {
        xml.leaf("Description", description);
    }
    xml.plain("CreateDate", date(policy.created));
    xml.plain("UpdateDate", date(policy.updated));
    if whole && !policy.tags.is_empty() {
        write_tags(xml, &policy.tags);
    }
}

pub(crate) fn get(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    let policy = find(ask, iam)?;
    let arn = ask.get("PolicyArn").unwrap_or_default();
    xml.element("Policy", |xml| {
        write_policy(xml, iam, arn, ask.account, policy, true)
    });
    Ok(())
}

pub(crate) fn list(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    let scope = ask.get("Scope").unwrap_or("All");
    let prefix = ask.get("PathPrefix").unwrap_or("/");
    let only_attached = ask.get("OnlyAttached") == Some("true");
    let own = iam
        .policies
        .iter()
        .map(|policy| (policy_arn(ask.account, policy), policy));
    let aws = aws_managed::all()
        .iter()
        .map(|(arn, policy)| (arn.clone(), policy));
    let all = own
        .filter(|_| scope != "AWS")
        .chain(aws.filter(|_| scope != "Local"));
    let attached =
        |arn: &str| entities(iam).any(|entity| entity.attached.iter().any(|known| **known == *arn));
    let wanted: Vec<_> = all
        .filter(|(arn, policy)| {
            policy.path.starts_with(prefix) && (!only_attached || attached(arn))
        })
        .collect();
    let page = page(ask, &wanted)?;
    xml.list("Policies", page.items, |xml, (arn, policy)| {
        write_policy(xml, iam, arn, ask.account, policy, false)
    });
    page.write_end(xml);
    Ok(())
}

pub(crate) fn list_tags(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    super::roles::write_tag_page(ask, &find(ask, iam)?.tags, xml)
}

pub(crate) fn create(ask: &Ask<'_>, iam: &mut Iam, xml: &mut Xml) -> Done {
    let (name, path) = (name(ask, "PolicyName", 128)?, path(ask)?);
    let (document, description, tags) =
        (ask.need("PolicyDocument")?, description(ask)?, tags(ask)?);
    if iam.policies.get(name).is_some() {
        return Err(ApiError::exists(format!(
            "A policy called {name} already exists. Duplicate names are not allowed."
        )));
    }
    let paper = ask.world.library.take(Kind::Identity, document)?;
    quota(paper.size())?;
    let mut policy = Policy::new(name, path, ask.fresh(name), ask.seconds(), paper);
    put_tags(&mut policy.tags, &tags);
    tag_quota(&policy.tags, "Policy")?;
    let arn = policy_arn(ask.account, &policy);
    xml.element("Policy", |xml| {
        write_policy(xml, iam, &arn, ask.account, &policy, true)
    });
    // The answer to a creation leaves the description out.
    policy.description = description.map(Into::into);
    iam.policies.insert(policy);
    Ok(())
}

pub(crate) fn quota(size: usize) -> Done {
    if size > POLICY_SIZE {
        return Err(ApiError::quota(format!(
            "Cannot exceed quota for PolicySize: {POLICY_SIZE}"
        )));
    }
    Ok(())
}

pub(crate) fn tag(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let tags = tags(ask)?;
    let policy = find_mut(ask, iam)?;
    put_tags(&mut policy.tags, &tags);
    tag_quota(&policy.tags, "Policy")
}

pub(crate) fn untag(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let keys = ask.params().list("TagKeys");
    let policy = find_mut(ask, iam)?;
    policy
        .tags
        .retain(|(known, _)| !keys.iter().any(|key| known.eq_ignore_ascii_case(key)));
    Ok(())
}

pub(crate) fn delete(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let arn = arn_of(ask)?;
    let used = entities(iam).any(|entity| {
        entity.attached.iter().any(|known| **known == *arn)
            || entity.boundary.as_deref() == Some(arn)
    });
    let policy = find_mut(ask, iam)?;
    if used {
        return Err(ApiError::conflict(
            "Cannot delete a policy attached to entities.",
        ));
    }
    if policy.versions.len() > 1 {
        return Err(ApiError::conflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
        ));
    }
    let name = Arc::clone(&policy.name);
    iam.policies.remove(&name);
    Ok(())
}
