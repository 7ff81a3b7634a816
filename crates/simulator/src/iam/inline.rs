//! Inline policies of roles and users.

use crate::ask::Ask;
use crate::call::ApiError;
use crate::iam::paper::{INLINE_SIZE, Kind};
use crate::iam::rules::{name, page};
use crate::iam::state::{Entity, Iam};
use crate::iam::{roles, users};
use crate::xml::Xml;

type Done = Result<(), ApiError>;

/// The most characters of a user's inline policies together.
const USER_SIZE: usize = 2_048;

fn put(ask: &Ask<'_>, entity: &mut Entity, what: &str, quota: usize) -> Done {
    let name = name(ask, "PolicyName", 128)?;
    let paper = ask
        .world
        .library
        .take(Kind::Identity, ask.need("PolicyDocument")?)?;
    entity.put_inline(name, paper);
    let size: usize = entity.inline.iter().map(|(_, paper)| paper.size()).sum();
    if size > quota {
        return Err(ApiError::quota(format!(
            "Maximum policy size of {quota} bytes exceeded for {what} {}",
            entity.name
        )));
    }
    Ok(())
}

fn no_such(what: &str, name: &str) -> ApiError {
    ApiError::no_such(format!(
        "The {what} policy with name {name} cannot be found."
    ))
}

fn delete(ask: &Ask<'_>, entity: &mut Entity, what: &str) -> Done {
    let name = name(ask, "PolicyName", 128)?;
    let before = entity.inline.len();
    entity.inline.retain(|(known, _)| **known != *name);
    if entity.inline.len() == before {
        Err(no_such(what, name))
    } else {
        Ok(())
    }
}

fn get(ask: &Ask<'_>, entity: &Entity, what: &str, tag: &str, xml: &mut Xml) -> Done {
    let name = name(ask, "PolicyName", 128)?;
    let paper = entity.inline(name).ok_or_else(|| no_such(what, name))?;
    xml.leaf(tag, &entity.name);
    xml.leaf("PolicyName", name);
    xml.leaf("PolicyDocument", paper.encoded());
    Ok(())
}

fn list(ask: &Ask<'_>, entity: &Entity, xml: &mut Xml) -> Done {
    let page = page(ask, &entity.inline)?;
    xml.list("PolicyNames", page.items, |xml, (name, _)| xml.text(name));
    page.write_end(xml);
    Ok(())
}

pub(crate) fn put_role(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    put(
        ask,
        &mut roles::find_mut(ask, iam)?.entity,
        "role",
        INLINE_SIZE,
    )
}

pub(crate) fn put_user(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    put(
        ask,
        &mut users::find_mut(ask, iam)?.entity,
        "user",
        USER_SIZE,
    )
}

pub(crate) fn delete_role(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    delete(ask, &mut roles::find_mut(ask, iam)?.entity, "role")
}

pub(crate) fn delete_user(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    delete(ask, &mut users::find_mut(ask, iam)?.entity, "user")
}

pub(crate) fn get_role(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    get(ask, &roles::find(ask, iam)?.entity, "role", "RoleName", xml)
}

pub(crate) fn get_user(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    get(ask, &users::find(ask, iam)?.entity, "user", "UserName", xml)
}

pub(crate) fn list_role(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    list(ask, &roles::find(ask, iam)?.entity, xml)
}

pub(crate) fn list_user(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    list(ask, &users::find(ask, iam)?.entity, xml)
}
