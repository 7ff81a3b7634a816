//! Roles.

use std::sync::Arc;

use rolekeeper_domain::account::AccountId;

use crate::ask::Ask;
use crate::call::ApiError;
use crate::iam::paper::{Kind, TRUST_SIZE};
use crate::iam::principals::{effective_trust, resolve};
use crate::iam::rules::{
    date, description, name, page, path, session_length, tag_quota, tags, write_tags,
};
use crate::iam::state::{Entity, Iam, Role, Tags, put_tags};
use crate::world::World;
use crate::world::authorize::managed;
use crate::world::caller::spelled;
use crate::xml::Xml;

type Done = Result<(), ApiError>;

pub(crate) fn find<'a>(ask: &Ask<'_>, iam: &'a Iam) -> Result<&'a Arc<Role>, ApiError> {
    let name = name(ask, "RoleName", 64)?;
    iam.roles.get(name).ok_or_else(|| no_such(name))
}

/// The role, to be changed: those of AWS's services cannot be.
pub(crate) fn find_mut<'a>(ask: &Ask<'_>, iam: &'a mut Iam) -> Result<&'a mut Role, ApiError> {
    let name = name(ask, "RoleName", 64)?;
    let role = iam.roles.get_mut(name).ok_or_else(|| no_such(name))?;
    if role.entity.path.starts_with("/aws-service-role/") {
        return Err(ApiError::bad(
            "UnmodifiableEntity",
            format!(
                "Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"
            ),
        ));
    }
    Ok(role)
}

fn no_such(name: &str) -> ApiError {
    ApiError::no_such(format!("The role with name {name} cannot be found."))
}

/// How much of a role an answer shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// What `ListRoles` shows: neither tags nor boundary.
    Listed,
    /// What creation answers: the session length only when it was given.
    Created,
    /// Everything.
    Whole,
}

fn write_role(xml: &mut Xml, world: &World, account: AccountId, role: &Role, detail: Detail) {
    let entity = &role.entity;
    xml.leaf("Path", &entity.path);
    xml.leaf("RoleName", &entity.name);
    xml.leaf("RoleId", &spelled("AROA", account, entity.id));
    xml.leaf(
        "Arn",
        &format!("arn:aws:iam::{account}:role{}{}", entity.path, entity.name),
    );
    xml.plain("CreateDate", date(entity.created));
    xml.leaf(
        "AssumeRolePolicyDocument",
        effective_trust(world, role).encoded(),
    );
    if let Some(description) = &role.description {
        xml.leaf("Description", description);
    }
    if detail != Detail::Created || role.max_session != 3_600 {
        xml.plain("MaxSessionDuration", role.max_session);
    }
    if detail == Detail::Listed {
        return;
    }
    if let Some(boundary) = &entity.boundary {
        write_boundary(xml, boundary);
    }
    if !entity.tags.is_empty() {
        write_tags(xml, &entity.tags);
    }
    if detail == Detail::Whole {
        xml.raw("<RoleLastUsed/>");
    }
}

pub(crate) fn write_boundary(xml: &mut Xml, arn: &str) {
    xml.element("PermissionsBoundary", |xml| {
        xml.leaf("PermissionsBoundaryType", "Policy");
        xml.leaf("PermissionsBoundaryArn", arn);
    });
}

pub(crate) fn get(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    let role = find(ask, iam)?;
    xml.element("Role", |xml| {
        write_role(xml, ask.world, ask.account, role, Detail::Whole)
    });
    Ok(())
}

pub(crate) fn list(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    let prefix = ask.get("PathPrefix").unwrap_or("/");
    let roles: Vec<_> = iam
        .roles
        .iter()
        .filter(|role| role.entity.path.starts_with(prefix))
        .collect();
    let page = page(ask, &roles)?;
    xml.list("Roles", page.items, |xml, role| {
        write_role(xml, ask.world, ask.account, role, Detail::Listed)
    });
    page.write_end(xml);
    Ok(())
}

pub(crate) fn list_tags(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    write_tag_page(ask, &find(ask, iam)?.entity.tags, xml)
}

pub(crate) fn write_tag_page(ask: &Ask<'_>, all: &Tags, xml: &mut Xml) -> Done {
    let page = page(ask, all)?;
    xml.list("Tags", page.items, |xml, (key, value)| {
        xml.leaf("Key", key);
        xml.leaf("Value", value);
    });
    page.write_end(xml);
    Ok(())
}

pub(crate) fn instance_profiles(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    let role = find(ask, iam)?;
    let account = ask.account;
    xml.list("InstanceProfiles", &role.instance_profiles, |xml, name| {
        xml.leaf("Path", "/");
        xml.leaf("InstanceProfileName", name);
        xml.leaf(
            "InstanceProfileId",
            &spelled("AIPA", account, crate::seed::word(name)),
        );
        xml.leaf(
            "Arn",
            &format!("arn:aws:iam::{account}:instance-profile/{name}"),
        );
        xml.plain("CreateDate", date(role.entity.created));
        xml.list("Roles", [role], |xml, role| {
            write_role(xml, ask.world, account, role, Detail::Listed)
        });
    });
    xml.plain("IsTruncated", false);
    Ok(())
}

pub(crate) fn create(ask: &Ask<'_>, iam: &mut Iam, xml: &mut Xml) -> Done {
    let (name, path) = (name(ask, "RoleName", 64)?, path(ask)?);
    let document = ask.need("AssumeRolePolicyDocument")?;
    let (description, seconds, tags) = (description(ask)?, session_length(ask)?, tags(ask)?);
    if path.starts_with("/aws-service-role/") || path.starts_with("/aws-reserved/") {
        return Err(ApiError::validation(format!(
            "The specified path {path} is reserved."
        )));
    }
    if iam.roles.get(name).is_some() {
        return Err(ApiError::exists(format!(
            "Role with name {name} already exists."
        )));
    }
    let trust = ask.world.library.take(Kind::Trust, document)?;
    let trusted = resolve(ask.world, &trust)?;
    trust_quota(trust.size())?;
    let mut entity = Entity::new(name, path, ask.fresh(name), ask.seconds());
    put_tags(&mut entity.tags, &tags);
    tag_quota(&entity.tags, "Role")?;
    entity.boundary = boundary(ask, iam)?;
    let description = description.map(Into::into);
    let max_session = seconds.unwrap_or(3_600);
    let role = Role {
        entity,
        description,
        max_session,
        trust,
        trusted,
        instance_profiles: Vec::new(),
    };
    xml.element("Role", |xml| {
        write_role(xml, ask.world, ask.account, &role, Detail::Created)
    });
    iam.roles.insert(role);
    Ok(())
}

fn trust_quota(size: usize) -> Done {
    if size > TRUST_SIZE {
        return Err(ApiError::quota(format!(
            "Cannot exceed quota for ACLSizePerRole: {TRUST_SIZE}"
        )));
    }
    Ok(())
}

/// The boundary in a call; it must be there to be attached.
pub(crate) fn boundary(ask: &Ask<'_>, iam: &Iam) -> Result<Option<Arc<str>>, ApiError> {
    let Some(arn) = ask.get("PermissionsBoundary") else {
        return Ok(None);
    };
    if !arn.starts_with("arn:") {
        return Err(ApiError::validation(format!("ARN {arn} is not valid.")));
    }
    if managed(arn, iam, ask.account).is_none() {
        return Err(ApiError::no_such(format!(
            "Scope ARN: {arn} does not exist or is not attachable."
        )));
    }
    Ok(Some(arn.into()))
}

pub(crate) fn update(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let (description, seconds) = (description(ask)?, session_length(ask)?);
    let role = find_mut(ask, iam)?;
    if let Some(description) = description {
        role.description = (!description.is_empty()).then(|| description.into());
    }
    role.max_session = seconds.unwrap_or(role.max_session);
    Ok(())
}

pub(crate) fn update_description(ask: &Ask<'_>, iam: &mut Iam, xml: &mut Xml) -> Done {
    let description = description(ask)?;
    let role = find_mut(ask, iam)?;
    role.description = description.map(Into::into);
    let role = find(ask, iam)?;
    xml.element("Role", |xml| {
        write_role(xml, ask.world, ask.account, role, Detail::Whole)
    });
    Ok(())
}

pub(crate) fn update_trust(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let document = ask.need("PolicyDocument")?;
    let role = find_mut(ask, iam)?;
    let trust = ask.world.library.take(Kind::Trust, document)?;
    trust_quota(trust.size())?;
    role.trusted = resolve(ask.world, &trust)?;
    role.trust = trust;
    Ok(())
}

pub(crate) fn put_boundary(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    ask.need("PermissionsBoundary")?;
    let boundary = boundary(ask, iam)?;
    find_mut(ask, iam)?.entity.boundary = boundary;
    Ok(())
}

pub(crate) fn delete_boundary(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let role = find_mut(ask, iam)?;
    if role.entity.boundary.take().is_none() {
        return Err(ApiError::no_such(format!(
            "No permissions boundary is set for role {}.",
            role.entity.name
        )));
    }
    Ok(())
}

pub(crate) fn tag(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let tags = tags(ask)?;
    let role = find_mut(ask, iam)?;
    put_tags(&mut role.entity.tags, &tags);
    tag_quota(&role.entity.tags, "Role")
}

pub(crate) fn untag(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let keys = ask.params().list("TagKeys");
    let role = find_mut(ask, iam)?;
    role.entity
        .tags
        .retain(|(known, _)| !keys.iter().any(|key| known.eq_ignore_ascii_case(key)));
    Ok(())
}

pub(crate) fn delete(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let role = find_mut(ask, iam)?;
    if !role.instance_profiles.is_empty() {
        return Err(ApiError::conflict(
            "Cannot delete entity, must remove roles from instance profile first.",
        ));
    }
    if !role.entity.attached.is_empty() {
        return Err(ApiError::conflict(
            "Cannot delete entity, must detach all policies first.",
        ));
    }
    if !role.entity.inline.is_empty() {
        return Err(ApiError::conflict(
            "Cannot delete entity, must delete policies first.",
        ));
    }
    let name = Arc::clone(&role.entity.name);
    iam.roles.remove(&name);
    Ok(())
}
