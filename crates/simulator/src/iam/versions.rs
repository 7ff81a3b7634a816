//! Versions of managed policies.

use crate::ask::Ask;
use crate::call::ApiError;
use crate::iam::paper::Kind;
use crate::iam::policies::{find, find_mut, quota};
use crate::iam::rules::{date, page, violates};
use crate::iam::state::{Iam, Version};
use crate::xml::Xml;

type Done = Result<(), ApiError>;

/// The most versions a policy keeps.
pub(crate) const VERSIONS: usize = 5;

fn write_version(xml: &mut Xml, version: &Version, default: u32, with_document: bool) {
    if with_document {
        xml.leaf("Document", version.paper.encoded());
    }
    xml.leaf("VersionId", &format!("v{}", version.number));
    xml.plain("IsDefaultVersion", version.number == default);
    xml.plain("CreateDate", date(version.created));
}

fn version_id<'a>(ask: &Ask<'a>) -> Result<&'a str, ApiError> {
    let id = ask.need("VersionId")?;
    let right = id
        .strip_prefix('v')
        .is_some_and(|number| number.parse::<u32>().is_ok_and(|number| number > 0));
    if !right {
        let pattern =
            r"Member must satisfy regular expression pattern: v[1-9][0-9]*(\.[A-Za-z0-9-]*)?";
        return Err(violates("versionId", id, pattern));
    }
    Ok(id)
}

fn no_such(arn: &str, id: &str) -> ApiError {
    ApiError::no_such(format!(
        "Policy {arn} version {id} does not exist or is not attachable."
    ))
}

pub(crate) fn get(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    let id = version_id(ask)?;
    let policy = find(ask, iam)?;
    let arn = ask.get("PolicyArn").unwrap_or_default();
    let version = policy.version(id).ok_or_else(|| no_such(arn, id))?;
    xml.element("PolicyVersion", |xml| {
        write_version(xml, version, policy.default, true)
    });
    Ok(())
}

pub(crate) fn list(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    let policy = find(ask, iam)?;
    let newest_first: Vec<&Version> = policy.versions.iter().rev().collect();
    let page = page(ask, &newest_first)?;
    xml.list("Versions", page.items, |xml, version| {
        write_version(xml, version, policy.default, false)
    });
    page.write_end(xml);
    Ok(())
}

pub(crate) fn create(ask: &Ask<'_>, iam: &mut Iam, xml: &mut Xml) -> Done {
    let document = ask.need("PolicyDocument")?;
    let as_default = ask.get("SetAsDefault") == Some("true");
    let policy = find_mut(ask, iam)?;
    let paper = ask.world.library.take(Kind::Identity, document)?;
    quota(paper.size())?;
    if policy.versions.len() >= VERSIONS {
        return Err(ApiError::quota(format!(
            "A managed policy can have up to {VERSIONS} versions. Before you create a new version, you must delete an existing version."
        )));
    }
    let version = policy.add_version(paper, ask.seconds(), as_default);
    let default = policy.default;
    xml.element("PolicyVersion", |xml| {
        write_version(xml, &version, default, false)
    });
    Ok(())
}

pub(crate) fn set_default(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let (id, arn) = (version_id(ask)?, ask.get("PolicyArn").unwrap_or_default());
    let policy = find_mut(ask, iam)?;
    policy.default = policy.version(id).ok_or_else(|| no_such(arn, id))?.number;
    policy.updated = ask.seconds();
    Ok(())
}

pub(crate) fn delete(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let (id, arn) = (version_id(ask)?, ask.get("PolicyArn").unwrap_or_default());
    let policy = find_mut(ask, iam)?;
    let number = policy.version(id).ok_or_else(|| no_such(arn, id))?.number;
    if number == policy.default {
        return Err(ApiError::conflict(
            "Cannot delete the default version of a policy.",
        ));
    }
    policy.versions.retain(|version| version.number != number);
    policy.updated = ask.seconds();
    Ok(())
}
