//! The Security Token Service: sessions and who one is.

use std::sync::Arc;

use jiff::SignedDuration;
use rolekeeper_domain::account::AccountId;

use crate::ask::Ask;
use crate::call::ApiError;
use crate::iam::paper::{Kind, Paper, SESSION_SIZE, size};
use crate::iam::state::{Role, Text};
use crate::iam::{date, principals};
use crate::world::authorize::{Case, Powers, Wish, authorize, managed};
use crate::world::caller::spelled;
use crate::world::credentials::Session;
use crate::xml::Xml;

/// The operations there are.
pub(crate) fn operation(name: &str) -> Option<&'static str> {
    ["AssumeRole", "GetCallerIdentity", "GetAccessKeyInfo"]
        .into_iter()
        .find(|known| *known == name)
}

pub(crate) fn answer(ask: &Ask<'_>) -> Result<String, ApiError> {
    match ask.operation {
        "GetCallerIdentity" => Ok(caller_identity(ask)),
        "GetAccessKeyInfo" => access_key_info(ask),
        _ => assume_role(ask),
    }
}

fn caller_identity(ask: &Ask<'_>) -> String {
    let mut xml = Xml::with_capacity(256);
    xml.leaf("Arn", &ask.caller.arn());
    xml.leaf("UserId", &ask.caller.user_id());
    xml.plain("Account", ask.caller.account);
    xml.into_string()
}

fn access_key_info(ask: &Ask<'_>) -> Result<String, ApiError> {
    let key = ask.need("AccessKeyId")?;
    let account = ask
        .world
        .key_account(key)
        .ok_or_else(|| ApiError::validation("Access key not found"))?;
    let mut xml = Xml::default();
    xml.plain("Account", account);
    Ok(xml.into_string())
}

/// The parameters of `AssumeRole`, checked for form.
struct Wanted<'a> {
    role_arn: &'a str,
    session_name: &'a str,
    seconds: i64,
    source_identity: Option<&'a str>,
    external_id: Option<&'a str>,
    /// The session policy given in the call.
    policy: Option<Arc<Paper>>,
    policy_arns: Vec<&'a str>,
    tags: Vec<(&'a str, &'a str)>,
}

fn assume_role(ask: &Ask<'_>) -> Result<String, ApiError> {
    let wanted = wanted(ask)?;
    let refused = || {
        let message = format!(
            "User: {} is not authorized to perform: sts:AssumeRole on resource: {}",
            ask.caller.arn(),
            wanted.role_arn
        );
        ApiError::new(403, "AccessDenied", message)
    };
    // A role that is not there and a role that does not trust sound the same.
    if !ask.world.is_usable(ask.account) {
        return Err(refused());
    }
    let target = ask.world.seen(ask.account, ask.now).ok_or_else(refused)?;
    let name = wanted.role_arn.rsplit('/').next().unwrap_or_default();
    let role = target.roles.get(name).ok_or_else(refused)?;
    if role_arn(ask.account, role) != wanted.role_arn {
        return Err(refused());
    }
    let trust = principals::effective_trust(ask.world, role);
    permit(ask, &wanted, &trust)?;
    if wanted.seconds > i64::from(role.max_session) {
        return Err(ApiError::validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    if ask.caller.session().is_some() && wanted.seconds > 3_600 {
        return Err(ApiError::validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        ));
    }
    let mut policies: Vec<Arc<Paper>> = wanted.policy.clone().into_iter().collect();
    for arn in &wanted.policy_arns {
        let paper = managed(arn, &target, ask.account).ok_or_else(|| {
            ApiError::bad(
                "InvalidParameterValue",
                format!("Policy {arn} does not exist"),
            )
        })?;
        policies.push(paper);
    }
    let expires = ask
        .now
        .checked_add(SignedDuration::from_secs(wanted.seconds))
        .unwrap_or(ask.now);
    let source_identity = wanted.source_identity.map(Text::from).or_else(|| {
        ask.caller
            .session()
            .and_then(|session| session.source_identity.clone())
    });
    let session = Session {
        account: ask.account,
        role_arn: wanted.role_arn.into(),
        role_name: Arc::clone(&role.entity.name),
        role_id: role.entity.id,
        name: wanted.session_name.into(),
        source_identity: source_identity.clone(),
        expires,
        hub: ask.caller.account,
        policies: (!policies.is_empty()).then_some(policies),
    };
    let key = ask.world.credentials.open(session, ask.ordinal, ask.now);
    Ok(granted(
        ask,
        &wanted,
        role,
        &key,
        expires.as_second(),
        source_identity.as_deref(),
    ))
}

fn granted(
    ask: &Ask<'_>,
    wanted: &Wanted<'_>,
    role: &Role,
    key: &str,
    expires: i64,
    source_identity: Option<&str>,
) -> String {
    let mut xml = Xml::with_capacity(1_024);
    let account = ask.account;
    xml.element("AssumedRoleUser", |xml| {
        let id = spelled("AROA", account, role.entity.id);
        xml.leaf("AssumedRoleId", &format!("{id}:{}", wanted.session_name));
        let arn = format!(
            "arn:aws:sts::{account}:assumed-role/{}/{}",
            role.entity.name, wanted.session_name
        );
        xml.leaf("Arn", &arn);
    });
    xml.element("Credentials", |xml| {
        xml.leaf("AccessKeyId", key);
        xml.leaf("SecretAccessKey", &ask.world.credentials.secret(key));
        xml.leaf("SessionToken", &ask.world.credentials.token(key));
        xml.plain("Expiration", date(expires));
    });
    if let Some(paper) = &wanted.policy {
        xml.plain(
            "PackedPolicySize",
            (paper.text().len() * 100 / SESSION_SIZE).clamp(1, 100),
        );
    }
    if let Some(identity) = source_identity {
        xml.leaf("SourceIdentity", identity);
    }
    xml.into_string()
}

/// Asks the trust policy, the caller's own policies and the organization's.
fn permit(ask: &Ask<'_>, wanted: &Wanted<'_>, trust: &Paper) -> Result<(), ApiError> {
    let own = ask.world.latest(ask.caller.account).unwrap_or_default();
    let powers = Powers::of(ask.caller, &own);
    let rails = ask.world.rails(ask.caller.account);
    let target_rails = ask.world.rails(ask.account);
    let case = Case {
        caller: ask.caller,
        powers: &powers,
        rails: &rails,
        resource_rails: &target_rails.resource,
        trust: Some(trust),
        same_account: ask.caller.account == ask.account,
        organization: &ask.world.organization_id(),
    };
    let mut actions = vec!["sts:AssumeRole"];
    if wanted.source_identity.is_some() {
        actions.push("sts:SetSourceIdentity");
    }
    if !wanted.tags.is_empty() {
        actions.push("sts:TagSession");
    }
    for action in actions {
        let mut wish = Wish::of(action, wanted.role_arn);
        let mut set = |key: &'static str, value: Option<&str>| {
            wish.context
                .extend(value.map(|value| (key.to_owned(), vec![value.to_owned()])));
        };
        set("sts:ExternalId", wanted.external_id);
        set("sts:RoleSessionName", Some(wanted.session_name));
        set("sts:SourceIdentity", wanted.source_identity);
        ask.surround(&mut wish);
        wish.tags(&wanted.tags);
        authorize(&case, &wish)?;
    }
    Ok(())
}

fn wanted<'a>(ask: &Ask<'a>) -> Result<Wanted<'a>, ApiError> {
    let role_arn = ask.need("RoleArn")?;
    let session_name = ask.need("RoleSessionName")?;
    if role_arn.len() < 20 || !role_arn.starts_with("arn:") {
        return Err(ApiError::validation(format!("{role_arn} is invalid")));
    }
    let name_like = |text: &str| {
        (2..=64).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_=,.@-".contains(&byte))
    };
    for (field, value) in [
        ("roleSessionName", Some(session_name)),
        ("sourceIdentity", ask.get("SourceIdentity")),
    ] {
        if let Some(value) = value.filter(|value| !name_like(value)) {
            return Err(ApiError::validation(format!(
                "1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*"
            )));
        }
    }
    let external_id = ask.get("ExternalId");
    if external_id.is_some_and(|id| !(2..=1_224).contains(&id.len())) {
        return Err(ApiError::validation(
            "1 validation error detected: Value at 'externalId' failed to satisfy constraint: Member must have length between 2 and 1224",
        ));
    }
    let seconds = ask
        .get("DurationSeconds")
        .map_or(Some(3_600), |text| text.parse().ok());
    let seconds = seconds.filter(|seconds| (900..=43_200).contains(seconds)).ok_or_else(|| {
        let given = ask.get("DurationSeconds").unwrap_or_default();
        ApiError::validation(format!(
            "1 validation error detected: Value '{given}' at 'durationSeconds' failed to satisfy constraint: Member must have value between 900 and 43200"
        ))
    })?;
    let policy = match ask.get("Policy") {
        Some(text) if size(text) > SESSION_SIZE => {
            return Err(ApiError::bad(
                "PackedPolicyTooLarge",
                "The session policy is too large",
            ));
        }
        Some(text) => Some(ask.world.library.take(Kind::Identity, text)?),
        None => None,
    };
    let policy_arns: Vec<&str> = ask
        .params()
        .pairs("PolicyArns", "arn", "arn")
        .into_iter()
        .map(|(arn, _)| arn)
        .collect();
    if policy_arns.len() > 10 {
        return Err(ApiError::validation("At most 10 managed session policies"));
    }
    let tags = ask.params().pairs("Tags", "Key", "Value");
    Ok(Wanted {
        role_arn,
        session_name,
        seconds,
        source_identity: ask.get("SourceIdentity"),
        external_id,
        policy,
        policy_arns,
        tags,
    })
}

fn role_arn(account: AccountId, role: &Role) -> String {
    format!(
        "arn:aws:iam::{account}:role{}{}",
        role.entity.path, role.entity.name
    )
}
