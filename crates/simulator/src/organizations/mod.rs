//! AWS Organizations.

mod accounts;
pub(crate) mod founding;
mod guards;
mod lists;
pub(crate) mod tree;
mod units;

use serde_json::Value;

use crate::ask::Ask;
use crate::call::ApiError;
use crate::organizations::tree::Tree;
use crate::sqs::News;
use crate::world::authorize::{Case, Powers, Wish, authorize};
use crate::world::{read, write};

type Reply = Result<Value, ApiError>;

#[derive(Clone, Copy)]
enum Run {
    Read(fn(&Ask<'_>, &Tree) -> Reply),
    Write(fn(&Ask<'_>, &mut Tree) -> Reply),
}

struct Operation {
    name: &'static str,
    action: &'static str,
    run: Run,
}

macro_rules! table {
    ($($name:literal $run:ident($function:path);)*) => {
        &[$(Operation {
            name: $name,
            action: concat!("organizations:", $name),
            run: Run::$run($function),
        }),*]
    };
}

static OPERATIONS: &[Operation] = table! {
    "AttachPolicy" Write(guards::attach);
    "CloseAccount" Write(accounts::close);
    "CreateAccount" Write(accounts::create);
    "CreateOrganization" Write(accounts::create_organization);
    "CreateOrganizationalUnit" Write(units::create);
    "CreatePolicy" Write(guards::create);
    "DeletePolicy" Write(guards::delete);
    "DeregisterDelegatedAdministrator" Write(accounts::deregister_delegate);
    "DescribeAccount" Read(accounts::describe);
    "DescribeCreateAccountStatus" Read(accounts::describe_creation);
    "DescribeOrganization" Read(accounts::describe_organization);
    "DescribeOrganizationalUnit" Read(units::describe);
    "DescribePolicy" Read(guards::describe);
    "DetachPolicy" Write(guards::detach);
    "ListAccounts" Read(lists::accounts);
    "ListAccountsForParent" Read(lists::accounts_for_parent);
    "ListChildren" Read(lists::children);
    "ListDelegatedAdministrators" Read(lists::delegates);
    "ListOrganizationalUnitsForParent" Read(lists::units_for_parent);
    "ListParents" Read(lists::parents);
    "ListPolicies" Read(guards::list);
    "ListPoliciesForTarget" Read(guards::list_for_target);
    "ListRoots" Read(lists::roots);
    "ListTagsForResource" Read(lists::tags);
    "ListTargetsForPolicy" Read(guards::list_targets);
    "MoveAccount" Write(accounts::move_account);
    "RegisterDelegatedAdministrator" Write(accounts::register_delegate);
    "TagResource" Write(units::tag);
    "UntagResource" Write(units::untag);
};

fn find(name: &str) -> Option<&'static Operation> {
    let index = OPERATIONS
        .binary_search_by(|operation| operation.name.cmp(name))
        .ok()?;
    OPERATIONS.get(index)
}

/// The world's own text of an operation's name.
pub(crate) fn operation(name: &str) -> Option<&'static str> {
    find(name).map(|operation| operation.name)
}

/// Answers an Organizations call with its JSON body.
pub(crate) fn answer(ask: &Ask<'_>) -> Result<String, ApiError> {
    let Some(operation) = find(ask.operation) else {
        return Err(ApiError::bad("UnknownOperationException", ""));
    };
    permit(ask, operation)?;
    let reply = match operation.run {
        Run::Read(run) => run(ask, &read(&ask.world.tree))?,
        Run::Write(_) if ask.pretend => return Ok("{}".to_owned()),
        Run::Write(run) => {
            let reply = run(ask, &mut write(&ask.world.tree))?;
            ask.world.grow();
            if let Some(news) = news(ask, &reply) {
                ask.world.tell(|| news);
            }
            reply
        }
    };
    // An operation without output answers an empty body.
    Ok(if reply.is_null() {
        "{}".to_owned()
    } else {
        reply.to_string()
    })
}

/// What a change has to tell.
fn news(ask: &Ask<'_>, reply: &Value) -> Option<News> {
    let named = || ask.get("AccountId")?.parse().ok();
    match ask.operation {
        "CreateAccount" => {
            let id = reply
                .get("CreateAccountStatus")?
                .get("AccountId")?
                .as_str()?;
            Some(News::Created(id.parse().ok()?))
        }
        "MoveAccount" => named().map(News::Moved),
        "CloseAccount" => named().map(News::Closed),
        _ => None,
    }
}

/// Asks the caller's policies, and whether its account may look at all.
fn permit(ask: &Ask<'_>, operation: &Operation) -> Result<(), ApiError> {
    let iam = ask.world.latest(ask.caller.account).unwrap_or_default();
    let powers = Powers::of(ask.caller, &iam);
    let rails = ask.world.rails(ask.caller.account);
    let case = Case {
        caller: ask.caller,
        powers: &powers,
        rails: &rails,
        resource_rails: &[],
        trust: None,
        same_account: true,
        organization: &ask.world.organization_id(),
    };
    let resource = resource(ask, &read(&ask.world.tree));
    authorize(&case, &Wish::of(operation.action, resource)).map_err(|mut error| {
        error.code = "AccessDeniedException".into();
        error
    })?;
    let tree = read(&ask.world.tree);
    let caller = ask.caller.account;
    let looks = matches!(operation.run, Run::Read(_));
    let may = tree.is_management(caller)
        || (looks && tree.delegated.contains(&caller))
        || operation.name == "DescribeOrganization";
    if !may {
        let message = "You don't have permissions to access this resource.";
        return Err(ApiError::bad("AccessDeniedException", message));
    }
    Ok(())
}

/// The ARN of what a call names.
fn resource(ask: &Ask<'_>, tree: &Tree) -> String {
    let named = [
        "AccountId",
        "ResourceId",
        "OrganizationalUnitId",
        "ParentId",
        "ChildId",
        "TargetId",
        "PolicyId",
    ];
    let Some(id) = named.into_iter().find_map(|name| ask.get(name)) else {
        return "*".to_owned();
    };
    match id {
        id if id.starts_with("r-") => tree.arn("root", id),
        id if id.starts_with("ou-") => tree.arn("ou", id),
        id if id.starts_with("p-") => tree.arn("policy", &format!("service_control_policy/{id}")),
        id => tree.arn("account", id),
    }
}

/// `TargetNotFoundException` and its relatives.
fn missing(code: &'static str, message: &str) -> ApiError {
    ApiError::bad(code, message)
}

/// A value of the wrong form.
fn invalid(reason: &str) -> ApiError {
    ApiError::bad(
        "InvalidInputException",
        format!("You specified an invalid value. ({reason})"),
    )
}

#[cfg(test)]
mod tests {
    use super::{OPERATIONS, find};

    #[test]
    fn the_table_is_in_order_so_that_everything_in_it_is_found() {
        for known in OPERATIONS {
            assert!(find(known.name).is_some(), "{} is out of order", known.name);
        }
    }
}
