//! Organizational units, and tags on anything.

use serde_json::{Value, json};

use crate::ask::Ask;
use crate::call::ApiError;
use crate::iam::state::{Tags, put_tags};
use crate::organizations::lists::{parent, show_unit};
use crate::organizations::tree::{FULL_ACCESS, Tree, Unit};
use crate::organizations::{Reply, invalid, missing};
use crate::seed::lower_id;

pub(super) fn describe(ask: &Ask<'_>, tree: &Tree) -> Reply {
    let id = ask.get("OrganizationalUnitId").unwrap_or_default();
    if !id.starts_with("ou-") {
        return Err(invalid("INVALID_PATTERN"));
    }
    let unit = tree
        .unit(id)
        .and_then(|index| tree.units.get(index as usize));
    let gone = "We can't find an OU with the OrganizationalUnitId that you specified.";
    let unit = unit.ok_or_else(|| missing("OrganizationalUnitNotFoundException", gone))?;
    Ok(json!({ "OrganizationalUnit": show_unit(tree, unit) }))
}

pub(super) fn create(ask: &Ask<'_>, tree: &mut Tree) -> Reply {
    let parent = parent(ask, tree)?;
    let name = ask
        .get("Name")
        .filter(|name| !name.is_empty() && name.len() <= 128);
    let name = name.ok_or_else(|| invalid("MIN_LENGTH_EXCEEDED"))?;
    if tree
        .units
        .iter()
        .any(|unit| unit.parent == Some(parent) && *unit.name == *name)
    {
        let message = "An OU with the same name already exists.";
        return Err(ApiError::bad(
            "DuplicateOrganizationalUnitException",
            message,
        ));
    }
    let key = tree.root_id().trim_start_matches("r-").to_owned();
    let id = lower_id(&format!("ou-{key}-"), 8, ask.fresh(name));
    let mut tags = Tags::new();
    put_tags(&mut tags, &pairs(ask.json().get("Tags")));
    let unit = Unit {
        id: id.as_str().into(),
        name: name.into(),
        parent: Some(parent),
        tags,
    };
    let shown = show_unit(tree, &unit);
    tree.add_unit(unit);
    tree.attachments.insert(id.into(), vec![FULL_ACCESS.into()]);
    Ok(json!({ "OrganizationalUnit": shown }))
}

pub(super) fn pairs(tags: Option<&Value>) -> Vec<(&str, &str)> {
    let items = tags
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    items
        .iter()
        .filter_map(|tag| Some((tag.get("Key")?.as_str()?, tag.get("Value")?.as_str()?)))
        .collect()
}

fn tags_of<'a>(tree: &'a mut Tree, id: &str) -> Result<&'a mut Tags, ApiError> {
    let gone = || {
        let message =
            "We can't find a root, OU, account, or policy with the TargetId that you specified.";
        missing("TargetNotFoundException", message)
    };
    if let Some(index) = tree.unit(id) {
        return tree
            .units
            .get_mut(index as usize)
            .map(|unit| &mut unit.tags)
            .ok_or_else(gone);
    }
    let account = id.parse().map_err(|_| gone())?;
    tree.member_mut(account)
        .map(|member| &mut member.tags)
        .ok_or_else(gone)
}

pub(super) fn tag(ask: &Ask<'_>, tree: &mut Tree) -> Reply {
    let tags = tags_of(tree, ask.get("ResourceId").unwrap_or_default())?;
    put_tags(tags, &pairs(ask.json().get("Tags")));
    Ok(Value::Null)
}

pub(super) fn untag(ask: &Ask<'_>, tree: &mut Tree) -> Reply {
    let keys = ask.json().get("TagKeys").and_then(Value::as_array);
    let keys: Vec<&str> = keys
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let tags = tags_of(tree, ask.get("ResourceId").unwrap_or_default())?;
    tags.retain(|(known, _)| !keys.iter().any(|key| **known == **key));
    Ok(Value::Null)
}
