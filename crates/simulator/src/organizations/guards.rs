//! Service and resource control policies.

use serde_json::{Value, json};

use crate::ask::Ask;
use crate::call::ApiError;
use crate::iam::paper::Kind;
use crate::organizations::tree::{FULL_ACCESS, Guard, GuardKind, Tree};
use crate::organizations::{Reply, invalid, missing};
use crate::seed::lower_id;

/// The most policies of a kind on one target.
const PER_TARGET: usize = 5;

fn summary(tree: &Tree, guard: &Guard) -> Value {
    let kind = guard.kind.as_str();
    let arn = if guard.aws_managed {
        format!(
            "arn:aws:organizations::aws:policy/{}/{}",
            kind.to_lowercase(),
            guard.id
        )
    } else {
        tree.arn("policy", &format!("{}/{}", kind.to_lowercase(), guard.id))
    };
    json!({
        "Id": &*guard.id, "Arn": arn, "Name": &*guard.name, "Description": &*guard.description,
        "Type": kind, "AwsManaged": guard.aws_managed,
    })
}

fn kind(ask: &Ask<'_>, name: &str) -> Result<GuardKind, ApiError> {
    ask.get(name)
        .and_then(GuardKind::parse)
        .ok_or_else(|| invalid("INVALID_ENUM_POLICY_TYPE"))
}

fn named<'a>(ask: &Ask<'_>, tree: &'a Tree) -> Result<&'a Guard, ApiError> {
    let gone = "We can't find a policy with the PolicyId that you specified.";
    tree.guard(ask.get("PolicyId").unwrap_or_default())
        .ok_or_else(|| missing("PolicyNotFoundException", gone))
}

/// The target that is named: a root, a unit or an account.
fn target<'a>(ask: &Ask<'a>, tree: &Tree) -> Result<&'a str, ApiError> {
    let id = ask.get("TargetId").unwrap_or_default();
    let account = id.parse().ok().and_then(|id| tree.member(id)).is_some();
    let gone = "We can't find a root, OU, account, or policy with the TargetId that you specified.";
    if account || tree.unit(id).is_some() {
        Ok(id)
    } else {
        Err(missing("TargetNotFoundException", gone))
    }
}

pub(super) fn describe(ask: &Ask<'_>, tree: &Tree) -> Reply {
    let guard = named(ask, tree)?;
    Ok(
        json!({ "Policy": { "PolicySummary": summary(tree, guard), "Content": &**guard.paper.text() } }),
    )
}

pub(super) fn list(ask: &Ask<'_>, tree: &Tree) -> Reply {
    let kind = kind(ask, "Filter")?;
    let of_kind = tree.guards.iter().filter(|guard| guard.kind == kind);
    Ok(json!({ "Policies": of_kind.map(|guard| summary(tree, guard)).collect::<Vec<_>>() }))
}

pub(super) fn list_for_target(ask: &Ask<'_>, tree: &Tree) -> Reply {
    let (kind, target) = (kind(ask, "Filter")?, target(ask, tree)?);
    let attached: Vec<Value> = tree
        .attached(target, kind)
        .map(|guard| summary(tree, guard))
        .collect();
    Ok(json!({ "Policies": attached }))
}

pub(super) fn list_targets(ask: &Ask<'_>, tree: &Tree) -> Reply {
    let guard = named(ask, tree)?;
    let hung = tree
        .attachments
        .iter()
        .filter(|(_, ids)| ids.contains(&guard.id))
        .map(|(target, _)| target);
    let shown = hung.map(|target| {
        let (kind, name) = match tree
            .unit(target)
            .and_then(|index| tree.units.get(index as usize))
        {
            Some(unit) if unit.parent.is_none() => ("ROOT", &unit.name),
            Some(unit) => ("ORGANIZATIONAL_UNIT", &unit.name),
            None => {
                let member = target.parse().ok().and_then(|id| tree.member(id));
                ("ACCOUNT", member.map_or(target, |member| &member.name))
            }
        };
        json!({ "TargetId": &**target, "Name": &**name, "Type": kind })
    });
    Ok(json!({ "Targets": shown.collect::<Vec<_>>() }))
}

pub(super) fn create(ask: &Ask<'_>, tree: &mut Tree) -> Reply {
    let kind = kind(ask, "Type")?;
    let name = ask
        .get("Name")
        .filter(|name| !name.is_empty())
        .ok_or_else(|| invalid("MIN_LENGTH_EXCEEDED"))?;
    if tree
        .guards
        .iter()
        .any(|guard| *guard.name == *name && guard.kind == kind)
    {
        return Err(ApiError::bad(
            "DuplicatePolicyException",
            "A policy with the same name already exists.",
        ));
    }
    let rules = if kind == GuardKind::ServiceControl {
        Kind::Identity
    } else {
        Kind::ResourceControl
    };
    let content = ask.get("Content").unwrap_or_default();
    let paper = ask.world.library.take(rules, content).map_err(|error| {
        let message = format!("The provided policy document does not meet the requirements of the specified policy type. ({})", error.message);
        ApiError::bad("MalformedPolicyDocumentException", message)
    })?;
    let guard = Guard {
        id: lower_id("p-", 10, ask.fresh(name)).into(),
        name: name.into(),
        description: ask.get("Description").unwrap_or_default().into(),
        kind,
        aws_managed: false,
        paper,
    };
    let shown = json!({ "Policy": { "PolicySummary": summary(tree, &guard), "Content": content } });
    tree.guards.push(guard);
    tree.generation += 1;
    Ok(shown)
}

pub(super) fn delete(ask: &Ask<'_>, tree: &mut Tree) -> Reply {
    let id = std::sync::Arc::clone(&named(ask, tree)?.id);
    if tree.attachments.values().any(|ids| ids.contains(&id)) {
        let message = "The policy is attached to one or more entities. You must detach it from all roots, OUs, and accounts before performing this operation.";
        return Err(ApiError::bad("PolicyInUseException", message));
    }
    tree.guards.retain(|guard| guard.id != id);
    tree.generation += 1;
    Ok(Value::Null)
}

pub(super) fn attach(ask: &Ask<'_>, tree: &mut Tree) -> Reply {
    let target = target(ask, tree)?;
    let guard = named(ask, tree)?;
    let (id, kind) = (std::sync::Arc::clone(&guard.id), guard.kind);
    if tree.attached(target, kind).any(|known| known.id == id) {
        let message = "The selected policy is already attached to the specified target.";
        return Err(ApiError::bad("DuplicatePolicyAttachmentException", message));
    }
    if tree.attached(target, kind).count() >= PER_TARGET {
        let message =
            "You have attached the maximum number of policies of this type to the target.";
        return Err(ApiError::bad("ConstraintViolationException", message));
    }
    // An account that never had one of its own has the policy that allows all.
    let hung = tree
        .attachments
        .entry(target.into())
        .or_insert_with(|| vec![FULL_ACCESS.into()]);
    hung.push(id);
    tree.generation += 1;
    Ok(Value::Null)
}

pub(super) fn detach(ask: &Ask<'_>, tree: &mut Tree) -> Reply {
    let target = target(ask, tree)?;
    let id = std::sync::Arc::clone(&named(ask, tree)?.id);
    let hung = tree
        .attachments
        .entry(target.into())
        .or_insert_with(|| vec![FULL_ACCESS.into()]);
    if !hung.contains(&id) {
        let message = "The policy isn't attached to the specified target in the specified root.";
        return Err(ApiError::bad("PolicyNotAttachedException", message));
    }
    hung.retain(|known| *known != id);
    tree.detached = true;
    tree.generation += 1;
    Ok(Value::Null)
}
