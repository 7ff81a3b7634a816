//! Accounts: described, created, moved, closed.

use rolekeeper_domain::account::{AccountId, AccountState};
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::call::ApiError;
use crate::iam::state::{Tags, put_tags};
use crate::organizations::founding::account_id;
use crate::organizations::lists::show_account;
use crate::organizations::tree::{Member, Tree};
use crate::organizations::units::pairs;
use crate::organizations::{Reply, invalid, missing};
use crate::seed::lower_id;

fn account_in(ask: &Ask<'_>, name: &str) -> Result<AccountId, ApiError> {
    ask.get(name)
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| invalid("INVALID_PATTERN"))
}

fn no_account() -> ApiError {
    missing(
        "AccountNotFoundException",
        "We can't find an AWS account with the AccountId that you specified, or the account whose credentials you used to make this request isn't a member of an organization.",
    )
}

pub(super) fn describe(ask: &Ask<'_>, tree: &Tree) -> Reply {
    let member = tree
        .member(account_in(ask, "AccountId")?)
        .ok_or_else(no_account)?;
    Ok(json!({ "Account": show_account(ask, tree, member) }))
}

pub(super) fn describe_organization(_: &Ask<'_>, tree: &Tree) -> Reply {
    let management = tree.management().ok_or_else(no_account)?;
    Ok(json!({ "Organization": {
        "Id": &*tree.id,
        "Arn": format!("arn:aws:organizations::{}:organization/{}", management.id, tree.id),
        "FeatureSet": "ALL",
        "MasterAccountArn": tree.arn("account", &management.id.to_string()),
        "MasterAccountId": management.id.to_string(),
        "MasterAccountEmail": management.email(),
        "AvailablePolicyTypes": [{ "Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED" }],
    }}))
}

pub(super) fn create_organization(_: &Ask<'_>, _: &mut Tree) -> Reply {
    let message = "The AWS account is already a member of an organization.";
    Err(ApiError::bad("AlreadyInOrganizationException", message))
}

fn creation(id: &str, member: &Member) -> Value {
    json!({ "CreateAccountStatus": {
        "Id": id,
        "AccountName": &*member.name,
        "State": "SUCCEEDED",
        "RequestedTimestamp": member.joined,
        "CompletedTimestamp": member.joined,
        "AccountId": member.id.to_string(),
    }})
}

pub(super) fn create(ask: &Ask<'_>, tree: &mut Tree) -> Reply {
    let name = ask
        .get("AccountName")
        .filter(|name| !name.is_empty() && name.len() <= 50);
    let name = name.ok_or_else(|| invalid("MAX_LENGTH_EXCEEDED"))?;
    if ask.get("Email").is_none_or(|email| !email.contains('@')) {
        return Err(invalid("INVALID_EMAIL_ADDRESS_TARGET"));
    }
    let next = u32::try_from(tree.members.len()).unwrap_or(u32::MAX);
    let mut tags = Tags::new();
    put_tags(&mut tags, &pairs(ask.json().get("Tags")));
    let member = Member {
        id: account_id(ask.world.settings.seed, next),
        name: name.into(),
        state: AccountState::Active,
        parent: 0,
        joined: ask.seconds(),
        invited: false,
        tags,
    };
    let request = lower_id("car-", 32, ask.fresh(name));
    let reply = creation(&request, &member);
    tree.creations.push((request.into(), member.id));
    tree.add_member(member);
    Ok(reply)
}

pub(super) fn describe_creation(ask: &Ask<'_>, tree: &Tree) -> Reply {
    let id = ask.get("CreateAccountRequestId").unwrap_or_default();
    let gone = "We can't find an create account request with the CreateAccountRequestId that you specified.";
    let known = tree.creations.iter().find(|(known, _)| **known == *id);
    let member = known.and_then(|(_, account)| tree.member(*account));
    member
        .map(|member| creation(id, member))
        .ok_or_else(|| missing("CreateAccountStatusNotFoundException", gone))
}

pub(super) fn close(ask: &Ask<'_>, tree: &mut Tree) -> Reply {
    let id = account_in(ask, "AccountId")?;
    if tree.is_management(id) {
        let message = "You cannot close the management account.";
        return Err(ApiError::bad("ConstraintViolationException", message));
    }
    let member = tree.member_mut(id).ok_or_else(no_account)?;
    if matches!(member.state, AccountState::Closed) {
        let message = "You attempted to close an account that is already closed.";
        return Err(ApiError::bad("AccountAlreadyClosedException", message));
    }
    member.state = AccountState::Closed;
    Ok(Value::Null)
}

pub(super) fn move_account(ask: &Ask<'_>, tree: &mut Tree) -> Reply {
    let id = account_in(ask, "AccountId")?;
    let unit = |name: &str| ask.get(name).and_then(|id| tree.unit(id));
    let source = unit("SourceParentId").ok_or_else(|| {
        missing(
            "SourceParentNotFoundException",
            "We can't find a source root or OU with the ParentId that you specified.",
        )
    })?;
    let destination = unit("DestinationParentId").ok_or_else(|| {
        let message = "We can't find the destination container (a root or OU) with the ParentId that you specified.";
        missing("DestinationParentNotFoundException", message)
    })?;
    let member = tree.member_mut(id).ok_or_else(no_account)?;
    if member.parent != source {
        let message = "We can't find a source root or OU with the ParentId that you specified.";
        return Err(missing("SourceParentNotFoundException", message));
    }
    if source == destination {
        return Err(ApiError::bad(
            "DuplicateAccountException",
            "That account is already present in the specified destination.",
        ));
    }
    member.parent = destination;
    Ok(Value::Null)
}

pub(super) fn register_delegate(ask: &Ask<'_>, tree: &mut Tree) -> Reply {
    let id = account_in(ask, "AccountId")?;
    tree.member(id).ok_or_else(no_account)?;
    if tree.delegated.contains(&id) {
        let message =
            "The specified account is already a delegated administrator for this AWS service.";
        return Err(ApiError::bad("AccountAlreadyRegisteredException", message));
    }
    tree.delegated.push(id);
    Ok(Value::Null)
}

pub(super) fn deregister_delegate(ask: &Ask<'_>, tree: &mut Tree) -> Reply {
    let id = account_in(ask, "AccountId")?;
    if !tree.delegated.contains(&id) {
        let message =
            "The specified account is not a delegated administrator for this AWS service.";
        return Err(ApiError::bad("AccountNotRegisteredException", message));
    }
    tree.delegated.retain(|known| *known != id);
    Ok(Value::Null)
}
