//! The lists: pages of 20, now and then short or empty.

use rolekeeper_domain::account::AccountState;
use serde_json::{Map, Value, json};

use crate::ask::Ask;
use crate::call::ApiError;
use crate::organizations::tree::{Member, Tree, Unit, UnitIndex};
use crate::organizations::{Reply, invalid, missing};
use crate::seed::{mix, word};

/// The most items of a page.
const PAGE: usize = 20;

/// One page of `total` items: from where to where, and the next token.
struct Cut {
    from: usize,
    to: usize,
    next: Option<String>,
}

/// Cuts out the page that `NextToken` and `MaxResults` ask for.
fn cut(ask: &Ask<'_>, total: usize) -> Result<Cut, ApiError> {
    let seed = ask.world.settings.seed;
    let from = match ask.get("NextToken") {
        None => 0,
        Some(token) => {
            read_token(seed, ask.operation, token).ok_or_else(|| invalid("INVALID_NEXT_TOKEN"))?
        }
    };
    let asked = ask
        .json()
        .get("MaxResults")
        .map_or(Some(PAGE as u64), Value::as_u64);
    let size = asked
        .and_then(|size| usize::try_from(size).ok())
        .filter(|size| (1..=PAGE).contains(size));
    let size = size.ok_or_else(|| invalid("MAX_LENGTH_EXCEEDED"))?;
    let mut to = (from + size).min(total);
    if ask.world.settings.ragged_pages && to < total {
        // The first call for a place may get less; the next one gets on.
        to = match mix(seed, &[word(ask.operation), from as u64]) % 64 {
            0 if ask
                .get("NextToken")
                .is_some_and(|token| !token.ends_with('e')) =>
            {
                from
            }
            1 | 2 => from + size.div_ceil(3),
            _ => to,
        };
    }
    let next = (to < total).then(|| write_token(seed, ask.operation, to, to == from));
    Ok(Cut {
        from: from.min(total),
        to,
        next,
    })
}

fn write_token(seed: u64, operation: &str, offset: usize, empty: bool) -> String {
    let check = mix(seed, &[word(operation), offset as u64, word("token")]);
    // The last letter says that an empty page went before.
    format!("{offset:08x}{check:016x}{}", if empty { 'e' } else { 'a' })
}

fn read_token(seed: u64, operation: &str, token: &str) -> Option<usize> {
    let offset = usize::from_str_radix(token.get(..8)?, 16).ok()?;
    let empty = token.ends_with('e');
    (write_token(seed, operation, offset, empty) == token).then_some(offset)
}

fn reply(name: &str, items: Vec<Value>, next: Option<String>) -> Value {
    let mut reply = Map::new();
    reply.insert(name.to_owned(), Value::Array(items));
    if let Some(next) = next {
        reply.insert("NextToken".to_owned(), Value::String(next));
    }
    Value::Object(reply)
}

pub(super) fn state_name(state: &AccountState) -> Option<&str> {
    match state {
        AccountState::Active => Some("ACTIVE"),
        AccountState::Suspended => Some("SUSPENDED"),
        AccountState::PendingClosure => Some("PENDING_CLOSURE"),
        AccountState::Closed => Some("CLOSED"),
        AccountState::PendingActivation => Some("PENDING_ACTIVATION"),
        AccountState::Unknown(name) => name.as_deref(),
    }
}

/// An account as the lists and `DescribeAccount` show it.
pub(super) fn show_account(ask: &Ask<'_>, tree: &Tree, member: &Member) -> Value {
    let mut shown = json!({
        "Id": member.id.to_string(),
        "Arn": tree.arn("account", &member.id.to_string()),
        "Email": member.email(),
        "Name": &*member.name,
        "JoinedMethod": if member.invited { "INVITED" } else { "CREATED" },
        "JoinedTimestamp": member.joined,
    });
    if let Some(fields) = shown.as_object_mut() {
        if ask.world.settings.paths_field {
            let path = format!("{}{}/", tree.path(member), member.id);
            fields.insert("Paths".to_owned(), json!([path]));
        }
        if let Some(state) = state_name(&member.state) {
            fields.insert("State".to_owned(), state.into());
        }
        // What Status never learned to say is SUSPENDED there.
        let status = match &member.state {
            AccountState::Active | AccountState::PendingActivation => Some("ACTIVE"),
            AccountState::PendingClosure => Some("PENDING_CLOSURE"),
            AccountState::Suspended | AccountState::Closed => Some("SUSPENDED"),
            AccountState::Unknown(_) => None,
        };
        if let Some(status) = status.filter(|_| ask.world.settings.status_field) {
            fields.insert("Status".to_owned(), status.into());
        }
    }
    shown
}

pub(super) fn show_unit(tree: &Tree, unit: &Unit) -> Value {
    let above = unit
        .parent
        .map(|parent| tree.chain(parent))
        .unwrap_or_default();
    let above: String = above.iter().map(|unit| format!("{}/", unit.id)).collect();
    let path = format!("{}/{above}{}/", tree.id, unit.id);
    json!({ "Id": &*unit.id, "Arn": tree.arn("ou", &unit.id), "Name": &*unit.name, "Path": path })
}

pub(super) fn accounts(ask: &Ask<'_>, tree: &Tree) -> Reply {
    let cut = cut(ask, tree.members.len())?;
    let page = tree.members.get(cut.from..cut.to).unwrap_or_default();
    let items = page
        .iter()
        .map(|member| show_account(ask, tree, member))
        .collect();
    Ok(reply("Accounts", items, cut.next))
}

/// The unit that `ParentId` names.
pub(super) fn parent(ask: &Ask<'_>, tree: &Tree) -> Result<UnitIndex, ApiError> {
    let id = ask.get("ParentId").unwrap_or_default();
    if !id.starts_with("r-") && !id.starts_with("ou-") {
        return Err(invalid("INVALID_PATTERN"));
    }
    let gone = "We can't find a root or OU with the ParentId that you specified.";
    tree.unit(id)
        .ok_or_else(|| missing("ParentNotFoundException", gone))
}

pub(super) fn accounts_for_parent(ask: &Ask<'_>, tree: &Tree) -> Reply {
    let parent = parent(ask, tree)?;
    let all: Vec<&Member> = tree
        .members
        .iter()
        .filter(|member| member.parent == parent)
        .collect();
    let cut = cut(ask, all.len())?;
    let page = all.get(cut.from..cut.to).unwrap_or_default();
    let items = page
        .iter()
        .map(|member| show_account(ask, tree, member))
        .collect();
    Ok(reply("Accounts", items, cut.next))
}

pub(super) fn units_for_parent(ask: &Ask<'_>, tree: &Tree) -> Reply {
    let parent = parent(ask, tree)?;
    let all: Vec<&Unit> = tree
        .units
        .iter()
        .filter(|unit| unit.parent == Some(parent))
        .collect();
    let cut = cut(ask, all.len())?;
    let page = all.get(cut.from..cut.to).unwrap_or_default();
    Ok(reply(
        "OrganizationalUnits",
        page.iter().map(|unit| show_unit(tree, unit)).collect(),
        cut.next,
    ))
}

pub(super) fn children(ask: &Ask<'_>, tree: &Tree) -> Reply {
    let parent = parent(ask, tree)?;
    let kind = ask.get("ChildType").unwrap_or_default();
    let all: Vec<String> = match kind {
        "ACCOUNT" => tree
            .members
            .iter()
            .filter(|member| member.parent == parent)
            .map(|member| member.id.to_string())
            .collect(),
        "ORGANIZATIONAL_UNIT" => tree
            .units
            .iter()
            .filter(|unit| unit.parent == Some(parent))
            .map(|unit| unit.id.to_string())
            .collect(),
        _ => return Err(invalid("INVALID_ENUM")),
    };
    let cut = cut(ask, all.len())?;
    let page = all.get(cut.from..cut.to).unwrap_or_default();
    Ok(reply(
        "Children",
        page.iter()
            .map(|id| json!({ "Id": id, "Type": kind }))
            .collect(),
        cut.next,
    ))
}

pub(super) fn parents(ask: &Ask<'_>, tree: &Tree) -> Reply {
    let id = ask.get("ChildId").unwrap_or_default();
    let above = if let Some(unit) = tree.unit(id) {
        tree.units.get(unit as usize).and_then(|unit| unit.parent)
    } else {
        id.parse()
            .ok()
            .and_then(|id| tree.member(id))
            .map(|member| member.parent)
    };
    let gone = "We can't find an organizational unit (OU) or AWS account with the ChildId that you specified.";
    let parent = above.and_then(|index| tree.units.get(index as usize));
    let parent = parent.ok_or_else(|| missing("ChildNotFoundException", gone))?;
    let kind = if parent.parent.is_none() {
        "ROOT"
    } else {
        "ORGANIZATIONAL_UNIT"
    };
    Ok(reply(
        "Parents",
        vec![json!({ "Id": &*parent.id, "Type": kind })],
        None,
    ))
}

pub(super) fn roots(_: &Ask<'_>, tree: &Tree) -> Reply {
    let root = json!({
        "Id": tree.root_id(),
        "Arn": tree.arn("root", tree.root_id()),
        "Name": "Root",
        "PolicyTypes": [
            { "Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED" },
            { "Type": "RESOURCE_CONTROL_POLICY", "Status": "ENABLED" },
        ],
    });
    Ok(reply("Roots", vec![root], None))
}

pub(super) fn delegates(ask: &Ask<'_>, tree: &Tree) -> Reply {
    let all: Vec<&Member> = tree
        .delegated
        .iter()
        .filter_map(|id| tree.member(*id))
        .collect();
    let cut = cut(ask, all.len())?;
    let page = all.get(cut.from..cut.to).unwrap_or_default();
    let items = page.iter().map(|member| {
        let mut shown = show_account(ask, tree, member);
        if let Some(fields) = shown.as_object_mut() {
            fields.remove("Paths");
            fields.insert("DelegationEnabledDate".to_owned(), member.joined.into());
        }
        shown
    });
    Ok(reply("DelegatedAdministrators", items.collect(), cut.next))
}

pub(super) fn tags(ask: &Ask<'_>, tree: &Tree) -> Reply {
    let id = ask.get("ResourceId").unwrap_or_default();
    let tags = if let Some(unit) = tree.unit(id) {
        tree.units.get(unit as usize).map(|unit| &unit.tags)
    } else {
        id.parse()
            .ok()
            .and_then(|id| tree.member(id))
            .map(|member| &member.tags)
    };
    let gone = "We can't find a root, OU, account, or policy with the TargetId that you specified.";
    let tags = tags.ok_or_else(|| missing("TargetNotFoundException", gone))?;
    let items = tags
        .iter()
        .map(|(key, value)| json!({ "Key": &**key, "Value": &**value }))
        .collect();
    Ok(reply("Tags", items, None))
}
