//! What a statement's conditions leave: whether they name who is let in, or only seem to.

use crate::policy::{Condition, Quantifier, Statement, Test};

/// Whether a condition leaves only principals that it names by their account, organization or
/// id: `Principal *` with `aws:PrincipalOrgID` is a common and safe way to say "us". A value with a
/// wildcard where the account or the organization stands names nobody.
pub(super) fn principals(statement: &Statement) -> bool {
    statement.conditions().iter().any(|condition| {
        demands(condition)
            && match condition.key_lower() {
                "aws:principalorgid" => all(condition, |value| {
                    is_organization(value) || is_own(value, "ResourceOrgID")
                }),
                "aws:principalorgpaths" => {
                    all(condition, |value| is_organization(first_of_path(value)))
                }
                "aws:principalaccount" | "aws:sourceaccount" => all(condition, |value| {
                    is_account(value) || is_own(value, "ResourceAccount")
                }),
                "aws:principalarn" => all(condition, |value| names_account(condition, value)),
                "aws:userid" => all(condition, is_unique_id),
                _ => false,
            }
    })
}

/// Whether an external id is demanded, one that cannot be guessed its way into: `StringEquals` alone, and
/// no variable, whose value the caller may choose.
pub(super) fn external_id(statement: &Statement) -> bool {
    statement.conditions().iter().any(|condition| {
        condition.key_lower() == "sts:externalid"
            && demands(condition)
            && condition.operator().test == Test::StringEquals
            && all(condition, |value| !value.is_empty() && is_literal(value))
    })
}

/// Whether everybody who is let in has to be in this organization.
pub(super) fn within(statement: &Statement, organization: Option<&str>) -> bool {
    let ours = |value: &str| is_own(value, "ResourceOrgID") || Some(value) == organization;
    statement.conditions().iter().any(|condition| {
        demands(condition)
            && match condition.key_lower() {
                "aws:principalorgid" => all(condition, ours),
                "aws:principalorgpaths" => all(condition, |value| {
                    Some(first_of_path(value)) == organization
                }),
                _ => false,
            }
    })
}

/// Whether a condition demands that its key is there and has one of its values.
fn demands(condition: &Condition) -> bool {
    let operator = condition.operator();
    let compares = matches!(
        operator.test,
        Test::StringEquals | Test::StringEqualsIgnoreCase | Test::StringLike | Test::Arn
    );
    compares && !operator.negated && !operator.if_exists && operator.quantifier != Quantifier::All
}

/// One value is enough to get in, so each has to hold.
fn all(condition: &Condition, holds: impl Fn(&str) -> bool) -> bool {
    condition.values().iter().all(|value| holds(value))
}

fn is_literal(value: &str) -> bool {
    !value.contains(['*', '?']) && !value.contains("${")
}

/// The policy variable of the account that the role is in.
fn is_own(value: &str, name: &str) -> bool {
    let variable = value
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'));
    let name_of = variable.and_then(|variable| variable.split_once(':'));
    name_of.is_some_and(|(service, key)| {
        service.eq_ignore_ascii_case("aws") && key.eq_ignore_ascii_case(name)
    })
}

fn is_account(value: &str) -> bool {
    value.len() == 12 && value.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_organization(value: &str) -> bool {
    value.starts_with("o-") && is_literal(value)
}

/// The organization of `o-abc/r-def/ou-ghi/*`. Without the slash a wildcard could go on with the id.
fn first_of_path(value: &str) -> &str {
    value.split_once('/').map_or("", |(first, _)| first)
}

/// Whether the ARN's account is written out. `ArnLike` compares part by part; in `StringLike` a wildcard
/// further ahead may stand for colons as well, and move the account into a user's path.
fn names_account(condition: &Condition, value: &str) -> bool {
    let mut parts = value.splitn(6, ':');
    let by_part = condition.operator().test == Test::Arn;
    let ahead = parts
        .by_ref()
        .take(4)
        .all(|part| by_part || is_literal(part));
    ahead && parts.next().is_some_and(is_account) && parts.next().is_some()
}

/// Whether it begins with the unique id of a role, a user or an account: what follows the colon is
/// the session's name.
fn is_unique_id(value: &str) -> bool {
    let id = value.split(':').next().unwrap_or_default();
    id.len() >= 12 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
