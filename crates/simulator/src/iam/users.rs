//! Users and groups.

use std::sync::Arc;

use rolekeeper_domain::account::AccountId;

use crate::ask::Ask;
use crate::call::ApiError;
use crate::iam::permit::own_name;
use crate::iam::roles::{boundary, write_boundary, write_tag_page};
use crate::iam::rules::{date, name, page, path, tag_quota, tags, write_tags};
use crate::iam::state::{Entity, Group, Iam, User, put_tags};
use crate::world::caller::spelled;
use crate::xml::Xml;

type Done = Result<(), ApiError>;

/// `UserName`, or the caller when it is a user and names nobody.
fn user_name(ask: &Ask<'_>) -> Result<String, ApiError> {
    if ask.get("UserName").is_some() {
        return name(ask, "UserName", 64).map(str::to_owned);
    }
    let own = own_name(ask);
    if own.is_empty() {
        return Err(ApiError::validation(
            "Must specify userName when calling with non-User credentials",
        ));
    }
    Ok(own)
}

fn no_such(name: &str) -> ApiError {
    ApiError::no_such(format!("The user with name {name} cannot be found."))
}

pub(crate) fn find<'a>(ask: &Ask<'_>, iam: &'a Iam) -> Result<&'a Arc<User>, ApiError> {
    let name = user_name(ask)?;
    iam.users.get(&name).ok_or_else(|| no_such(&name))
}

pub(crate) fn find_mut<'a>(ask: &Ask<'_>, iam: &'a mut Iam) -> Result<&'a mut User, ApiError> {
    let name = user_name(ask)?;
    iam.users.get_mut(&name).ok_or_else(|| no_such(&name))
}

fn write_user(xml: &mut Xml, account: AccountId, user: &User, whole: bool) {
    let entity = &user.entity;
    xml.leaf("Path", &entity.path);
    xml.leaf("UserName", &entity.name);
    xml.leaf("UserId", &spelled("AIDA", account, entity.id));
    xml.leaf(
        "Arn",
        &format!("arn:aws:iam::{account}:user{}{}", entity.path, entity.name),
    );
    xml.plain("CreateDate", date(entity.created));
    if !whole {
        return;
    }
    if let Some(boundary) = &entity.boundary {
        write_boundary(xml, boundary);
    }
    if !entity.tags.is_empty() {
        write_tags(xml, &entity.tags);
    }
}

pub(crate) fn get(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    let user = find(ask, iam)?;
    xml.element("User", |xml| write_user(xml, ask.account, user, true));
    Ok(())
}

pub(crate) fn list(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    let prefix = ask.get("PathPrefix").unwrap_or("/");
    let users: Vec<_> = iam
        .users
        .iter()
        .filter(|user| user.entity.path.starts_with(prefix))
        .collect();
    let page = page(ask, &users)?;
    xml.list("Users", page.items, |xml, user| {
        write_user(xml, ask.account, user, false)
    });
    page.write_end(xml);
    Ok(())
}

pub(crate) fn list_tags(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    write_tag_page(ask, &find(ask, iam)?.entity.tags, xml)
}

pub(crate) fn create(ask: &Ask<'_>, iam: &mut Iam, xml: &mut Xml) -> Done {
    let (name, path, tags) = (name(ask, "UserName", 64)?, path(ask)?, tags(ask)?);
    if iam.users.get(name).is_some() {
        return Err(ApiError::exists(format!(
            "User with name {name} already exists."
        )));
    }
    let mut entity = Entity::new(name, path, ask.fresh(name), ask.seconds());
    entity.boundary = boundary(ask, iam)?;
    put_tags(&mut entity.tags, &tags);
    tag_quota(&entity.tags, "User")?;
    let user = User::new(entity);
    xml.element("User", |xml| write_user(xml, ask.account, &user, true));
    iam.users.insert(user);
    Ok(())
}

pub(crate) fn tag(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let tags = tags(ask)?;
    let user = find_mut(ask, iam)?;
    put_tags(&mut user.entity.tags, &tags);
    tag_quota(&user.entity.tags, "User")
}

pub(crate) fn untag(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let keys = ask.params().list("TagKeys");
    let user = find_mut(ask, iam)?;
    user.entity
        .tags
        .retain(|(known, _)| !keys.iter().any(|key| known.eq_ignore_ascii_case(key)));
    Ok(())
}

pub(crate) fn put_boundary(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    ask.need("PermissionsBoundary")?;
    let boundary = boundary(ask, iam)?;
    find_mut(ask, iam)?.entity.boundary = boundary;
    Ok(())
}

pub(crate) fn delete_boundary(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let user = find_mut(ask, iam)?;
    if user.entity.boundary.take().is_none() {
        return Err(ApiError::no_such(format!(
            "No permissions boundary is set for user {}.",
            user.entity.name
        )));
    }
    Ok(())
}

pub(crate) fn delete(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let user = find_mut(ask, iam)?;
    let left = [
        (
            !user.groups.is_empty(),
            "must remove users from group first",
        ),
        (
            !user.entity.attached.is_empty(),
            "must detach all policies first",
        ),
        (!user.entity.inline.is_empty(), "must delete policies first"),
        (!user.keys.is_empty(), "must delete access keys first"),
        (
            !user.certificates.is_empty(),
            "must delete signing certificates first",
        ),
        (
            !user.ssh_keys.is_empty(),
            "must delete SSH public keys first",
        ),
        (
            !user.service_credentials.is_empty(),
            "must delete service specific credentials first",
        ),
        (!user.mfa.is_empty(), "must delete MFA device first"),
        (
            user.login_profile.is_some(),
            "must delete login profile first",
        ),
    ];
    if let Some((_, what)) = left.into_iter().find(|(left, _)| *left) {
        return Err(ApiError::conflict(format!("Cannot delete entity, {what}.")));
    }
    let name = Arc::clone(&user.entity.name);
    iam.users.remove(&name);
    Ok(())
}

pub(crate) fn find_group<'a>(ask: &Ask<'_>, iam: &'a Iam) -> Result<&'a Arc<Group>, ApiError> {
    let name = name(ask, "GroupName", 128)?;
    iam.groups.get(name).ok_or_else(|| no_such_group(name))
}

pub(crate) fn find_group_mut<'a>(
    ask: &Ask<'_>,
    iam: &'a mut Iam,
) -> Result<&'a mut Group, ApiError> {
    let name = name(ask, "GroupName", 128)?;
    iam.groups.get_mut(name).ok_or_else(|| no_such_group(name))
}

fn no_such_group(name: &str) -> ApiError {
    ApiError::no_such(format!("The group with name {name} cannot be found."))
}

fn write_group(xml: &mut Xml, account: AccountId, group: &Group) {
    let entity = &group.entity;
    xml.leaf("Path", &entity.path);
    xml.leaf("GroupName", &entity.name);
    xml.leaf("GroupId", &spelled("AGPA", account, entity.id));
    xml.leaf(
        "Arn",
        &format!("arn:aws:iam::{account}:group{}{}", entity.path, entity.name),
    );
    xml.plain("CreateDate", date(entity.created));
}

pub(crate) fn list_groups(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    let groups: Vec<_> = iam.groups.iter().collect();
    let page = page(ask, &groups)?;
    xml.list("Groups", page.items, |xml, group| {
        write_group(xml, ask.account, group)
    });
    page.write_end(xml);
    Ok(())
}

pub(crate) fn groups_for_user(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    let user = find(ask, iam)?;
    let groups: Vec<_> = user
        .groups
        .iter()
        .filter_map(|name| iam.groups.get(name))
        .collect();
    let page = page(ask, &groups)?;
    xml.list("Groups", page.items, |xml, group| {
        write_group(xml, ask.account, group)
    });
    page.write_end(xml);
    Ok(())
}

pub(crate) fn create_group(ask: &Ask<'_>, iam: &mut Iam, xml: &mut Xml) -> Done {
    let (name, path) = (name(ask, "GroupName", 128)?, path(ask)?);
    if iam.groups.get(name).is_some() {
        return Err(ApiError::exists(format!(
            "Group with name {name} already exists."
        )));
    }
    let group = Group {
        entity: Entity::new(name, path, ask.fresh(name), ask.seconds()),
    };
    xml.element("Group", |xml| write_group(xml, ask.account, &group));
    iam.groups.insert(group);
    Ok(())
}

pub(crate) fn delete_group(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let group = find_group(ask, iam)?;
    if !group.entity.attached.is_empty() {
        return Err(ApiError::conflict(
            "Cannot delete entity, must detach all policies first.",
        ));
    }
    if iam
        .users
        .iter()
        .any(|user| user.groups.contains(&group.entity.name))
    {
        return Err(ApiError::conflict(
            "Cannot delete entity, must remove users from group first.",
        ));
    }
    let name = Arc::clone(&group.entity.name);
    iam.groups.remove(&name);
    Ok(())
}

pub(crate) fn add_to_group(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let group = Arc::clone(&find_group(ask, iam)?.entity.name);
    let user = find_mut(ask, iam)?;
    if !user.groups.contains(&group) {
        user.groups.push(group);
    }
    Ok(())
}

pub(crate) fn remove_from_group(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let group = Arc::clone(&find_group(ask, iam)?.entity.name);
    let user = find_mut(ask, iam)?;
    user.groups.retain(|known| *known != group);
    Ok(())
}
