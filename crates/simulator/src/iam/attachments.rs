//! Managed policies on roles, users and groups.

use crate::ask::Ask;
use crate::call::ApiError;
use crate::iam::rules::page;
use crate::iam::state::{Entity, Iam};
use crate::iam::{policies, roles, users};
use crate::world::authorize::managed;
use crate::xml::Xml;

type Done = Result<(), ApiError>;

/// The most managed policies of a role, user or group.
const ATTACHMENTS: usize = 10;

fn attach(ask: &Ask<'_>, exists: bool, entity: &mut Entity, what: &str) -> Done {
    let arn = ask.need("PolicyArn")?;
    if !arn.starts_with("arn:") {
        return Err(ApiError::validation(format!("ARN {arn} is not valid.")));
    }
    if !exists {
        return Err(ApiError::no_such(format!(
            "Policy {arn} does not exist or is not attachable."
        )));
    }
    if entity.attached.iter().any(|known| **known == *arn) {
        return Ok(());
    }
    if entity.attached.len() >= ATTACHMENTS {
        return Err(ApiError::quota(format!(
            "Cannot exceed quota for PoliciesPer{what}: {ATTACHMENTS}"
        )));
    }
    entity.attached.push(arn.into());
    Ok(())
}

fn detach(ask: &Ask<'_>, entity: &mut Entity) -> Done {
    let arn = ask.need("PolicyArn")?;
    let before = entity.attached.len();
    entity.attached.retain(|known| **known != *arn);
    if entity.attached.len() == before {
        Err(policies::no_such(arn))
    } else {
        Ok(())
    }
}

fn list(ask: &Ask<'_>, entity: &Entity, xml: &mut Xml) -> Done {
    let prefix = ask.get("PathPrefix").unwrap_or("/");
    let below = |arn: &str| {
        arn.split_once(":policy")
            .is_some_and(|(_, path)| path.starts_with(prefix))
    };
    let attached: Vec<&str> = entity
        .attached
        .iter()
        .map(|arn| &**arn)
        .filter(|arn| below(arn))
        .collect();
    let page = page(ask, &attached)?;
    xml.list("AttachedPolicies", page.items, |xml, arn| {
        xml.leaf("PolicyName", arn.rsplit('/').next().unwrap_or_default());
        xml.leaf("PolicyArn", arn);
    });
    page.write_end(xml);
    Ok(())
}

fn exists(ask: &Ask<'_>, iam: &Iam) -> bool {
    ask.get("PolicyArn")
        .is_some_and(|arn| managed(arn, iam, ask.account).is_some())
}

pub(crate) fn attach_role(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let exists = exists(ask, iam);
    attach(ask, exists, &mut roles::find_mut(ask, iam)?.entity, "Role")
}

pub(crate) fn attach_user(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let exists = exists(ask, iam);
    attach(ask, exists, &mut users::find_mut(ask, iam)?.entity, "User")
}

pub(crate) fn attach_group(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let exists = exists(ask, iam);
    attach(
        ask,
        exists,
        &mut users::find_group_mut(ask, iam)?.entity,
        "Group",
    )
}

pub(crate) fn detach_role(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    detach(ask, &mut roles::find_mut(ask, iam)?.entity)
}

pub(crate) fn detach_user(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    detach(ask, &mut users::find_mut(ask, iam)?.entity)
}

pub(crate) fn detach_group(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    detach(ask, &mut users::find_group_mut(ask, iam)?.entity)
}

pub(crate) fn list_role(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    list(ask, &roles::find(ask, iam)?.entity, xml)
}

pub(crate) fn list_user(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    list(ask, &users::find(ask, iam)?.entity, xml)
}

pub(crate) fn list_group(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    list(ask, &users::find_group(ask, iam)?.entity, xml)
}
