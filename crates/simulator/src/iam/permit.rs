//! What an IAM call is about, for the policies that permit it.

use rolekeeper_domain::account::AccountId;

use crate::ask::Ask;
use crate::call::ApiError;
use crate::iam::state::{Iam, Tags};
use crate::iam::table::Operation;
use crate::world::authorize::{Case, Powers, Wish, authorize};
use crate::world::caller::Identity;

/// The resource of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The account as a whole, or nothing in particular.
    Account,
    /// All entities of a kind: `role`, `user`, `policy`, `group`.
    Every(&'static str),
    /// A role by `RoleName`, named `role X` in refusals.
    Role,
    /// A role by `RoleName`, named by its ARN: creation and tags.
    RoleArn,
    /// A user by `UserName`; the caller when none is given.
    User,
    /// The user who owns the key of `AccessKeyId`.
    KeyOwner,
    /// A user that is created.
    UserArn,
    /// A group by `GroupName`.
    Group,
    /// A virtual MFA device, by serial number or by the name it is made with.
    Device,
    /// A policy by `PolicyArn`.
    Policy,
    /// A policy that is created.
    NewPolicy,
}

impl Subject {
    /// The entity that parallel writes collide on.
    pub(crate) fn name<'a>(self, ask: &Ask<'a>) -> Option<&'a str> {
        match self {
            Self::Role | Self::RoleArn => ask.get("RoleName"),
            Self::User | Self::UserArn => ask.get("UserName"),
            Self::Group => ask.get("GroupName"),
            Self::Policy => ask.get("PolicyArn"),
            Self::NewPolicy => ask.get("PolicyName"),
            Self::Device => ask
                .get("SerialNumber")
                .or_else(|| ask.get("VirtualMFADeviceName")),
            Self::Account | Self::Every(_) | Self::KeyOwner => None,
        }
    }

    /// The ARN for policies, and the words for refusals.
    fn describe(self, ask: &Ask<'_>, iam: &Iam) -> (String, Option<String>) {
        let account = ask.account;
        let given = |param: &str| ask.get(param).unwrap_or_default().to_owned();
        match self {
            Self::Account => ("*".to_owned(), None),
            Self::Every(kind) => (format!("arn:aws:iam::{account}:{kind}/"), None),
            Self::Role | Self::RoleArn => {
                let name = given("RoleName");
                let known = iam
                    .roles
                    .get(&name)
                    .map(|role| (&*role.entity.path, &*role.entity.name));
                let arn = arn(account, "role", known, ask.get("Path"), &name);
                (arn, (self == Self::Role).then(|| format!("role {name}")))
            }
            Self::User | Self::UserArn => {
                let name = ask
                    .get("UserName")
                    .map_or_else(|| own_name(ask), str::to_owned);
                let known = iam
                    .users
                    .get(&name)
                    .map(|user| (&*user.entity.path, &*user.entity.name));
                let arn = arn(account, "user", known, ask.get("Path"), &name);
                (arn, (self == Self::User).then(|| format!("user {name}")))
            }
            Self::KeyOwner => {
                let id = given("AccessKeyId");
                let mut users = iam.users.iter();
                let owner = users.find(|user| user.keys.iter().any(|key| *key.id == *id));
                let known = owner.map(|user| (&*user.entity.path, &*user.entity.name));
                (
                    arn(account, "user", known, None, ""),
                    Some(format!("access key {id}")),
                )
            }
            Self::Group => {
                let name = given("GroupName");
                (
                    format!("arn:aws:iam::{account}:group/{name}"),
                    Some(format!("group {name}")),
                )
            }
            Self::Device => {
                let made = || {
                    format!(
                        "arn:aws:iam::{account}:mfa/{}",
                        given("VirtualMFADeviceName")
                    )
                };
                let arn = ask.get("SerialNumber").map_or_else(made, str::to_owned);
                let wording = Some(format!("mfa {arn}"));
                (arn, wording)
            }
            Self::Policy => {
                let arn = given("PolicyArn");
                let wording = Some(format!("policy {arn}"));
                (arn, wording)
            }
            Self::NewPolicy => {
                let name = given("PolicyName");
                let path = ask.get("Path").unwrap_or("/");
                (
                    format!("arn:aws:iam::{account}:policy{path}{name}"),
                    Some(format!("policy {name}")),
                )
            }
        }
    }

    fn tags(self, ask: &Ask<'_>, iam: &Iam) -> Option<Tags> {
        match self {
            Self::Role | Self::RoleArn => iam
                .roles
                .get(ask.get("RoleName")?)
                .map(|role| role.entity.tags.clone()),
            Self::User | Self::UserArn => iam
                .users
                .get(ask.get("UserName")?)
                .map(|user| user.entity.tags.clone()),
            Self::Policy => {
                let policy = super::policies::by_arn(iam, ask.account, ask.get("PolicyArn")?)?;
                Some(policy.tags.clone())
            }
            _ => None,
        }
    }

    /// The boundary that stands on the entity before the call.
    fn boundary(self, ask: &Ask<'_>, iam: &Iam) -> Option<String> {
        let entity = match self {
            Self::Role | Self::RoleArn => &iam.roles.get(ask.get("RoleName")?)?.entity,
            Self::User | Self::UserArn => &iam.users.get(ask.get("UserName")?)?.entity,
            _ => return None,
        };
        entity.boundary.as_ref().map(ToString::to_string)
    }
}

fn arn(
    account: AccountId,
    kind: &str,
    known: Option<(&str, &str)>,
    path: Option<&str>,
    name: &str,
) -> String {
    let (path, name) = known.unwrap_or((path.unwrap_or("/"), name));
    format!("arn:aws:iam::{account}:{kind}{path}{name}")
}

/// The user name of the caller; a session has none.
pub(crate) fn own_name(ask: &Ask<'_>) -> String {
    match &ask.caller.identity {
        Identity::User { name } => name.to_string(),
        Identity::Session(_) | Identity::Outsider => String::new(),
    }
}

/// Refuses what the caller may not do.
pub(crate) fn permit(ask: &Ask<'_>, operation: &Operation, iam: &Iam) -> Result<(), ApiError> {
    let powers = Powers::of(ask.caller, iam);
    let rails = ask.world.rails(ask.account);
    let (resource, wording) = operation.subject.describe(ask, iam);
    let mut wish = Wish::of(operation.action, resource);
    wish.wording = wording;
    if powers.is_conditional() || rails.conditional {
        describe_request(ask, operation, iam, &mut wish);
    }
    let case = Case {
        caller: ask.caller,
        powers: &powers,
        rails: &rails,
        // Resource control policies do not reach IAM.
        resource_rails: &[],
        trust: None,
        same_account: true,
        organization: &ask.world.organization_id(),
    };
    authorize(&case, &wish)?;
    // A call that creates something with tags on it has to be allowed to tag as well.
    if let Some(tagging) = tagging(operation).filter(|_| ask.get("Tags.member.1.Key").is_some()) {
        wish.action = tagging;
        authorize(&case, &wish)?;
    }
    Ok(())
}

/// The action that tags what the operation creates.
fn tagging(operation: &Operation) -> Option<&'static str> {
    match operation.name {
        "CreatePolicy" => Some("iam:TagPolicy"),
        "CreateRole" => Some("iam:TagRole"),
        "CreateUser" => Some("iam:TagUser"),
        _ => None,
    }
}

fn describe_request(ask: &Ask<'_>, operation: &Operation, iam: &Iam, wish: &mut Wish<'_>) {
    ask.surround(wish);
    let tags = ask.params().pairs("Tags", "Key", "Value");
    wish.tags(&tags);
    let keys = ask.params().list("TagKeys");
    if !keys.is_empty() {
        wish.context.push((
            "aws:TagKeys".to_owned(),
            keys.into_iter().map(str::to_owned).collect(),
        ));
    }
    let policy = ask
        .get("PolicyArn")
        .filter(|_| operation.subject != Subject::Policy);
    wish.context
        .extend(policy.map(|arn| ("iam:PolicyARN".to_owned(), vec![arn.to_owned()])));
    let boundary = ask.get("PermissionsBoundary").map(str::to_owned);
    let boundary = boundary.or_else(|| operation.subject.boundary(ask, iam));
    wish.context
        .extend(boundary.map(|arn| ("iam:PermissionsBoundary".to_owned(), vec![arn])));
    for (key, value) in operation.subject.tags(ask, iam).unwrap_or_default() {
        wish.context
            .push((format!("aws:ResourceTag/{key}"), vec![value.to_string()]));
        wish.context
            .push((format!("iam:ResourceTag/{key}"), vec![value.to_string()]));
    }
}
