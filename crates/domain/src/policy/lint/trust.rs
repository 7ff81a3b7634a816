//! Remarks on who may assume the role.

use super::super::condition::Condition;
use super::super::document::{Effect, Statement};
use super::super::operator::Test;
use super::super::principal::Name;
use super::super::words;
use super::{LintContext, LintSeverity, Remarks};

/// Keys that say which principals are meant.
const NARROWING: [&str; 8] = [
    "aws:principalarn",
    "aws:principalaccount",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourcearn",
    "aws:sourceaccount",
    "aws:sourceorgid",
    "aws:userid",
];

pub(super) fn lint(
    path: &str,
    statement: &Statement,
    context: &LintContext<'_>,
    remarks: &mut Remarks,
) {
    let Some(principals) = statement.principals() else {
        return;
    };
    for name in principals.names() {
        if let Name::Dead(id) = name {
            let message =
                format!("{id} is what IAM leaves of a deleted user or role; it lets nobody in");
            let remedy = "name the principal by its ARN again, or the account with a condition on aws:PrincipalArn";
            remarks.add(
                LintSeverity::Error,
                "dead_principal",
                &format!("{path}.Principal"),
                message,
                remedy,
            );
        }
    }
    if statement.effect() == Effect::Deny {
        return;
    }
    let narrowed = statement
        .conditions()
        .iter()
        .any(|c| narrows(c, &NARROWING));
    if principals.is_negated() {
        let message =
            "Allow with NotPrincipal lets in everyone who is not listed, from any account";
        remarks.add(
            LintSeverity::Error,
            "allow_not_principal",
            &format!("{path}.NotPrincipal"),
            message,
            "list who is meant with Principal",
        );
    } else if principals.names().contains(&Name::Everyone) && !narrowed {
        let message = if statement.conditions().is_empty() {
            "anyone in any AWS account may assume the role".to_owned()
        } else {
            format!(
                "anyone in any AWS account may assume the role{}",
                words::conditions(statement.conditions())
            )
        };
        let remedy = "name the account or role, or add a condition such as aws:PrincipalOrgID";
        remarks.add(
            LintSeverity::Error,
            "wildcard_trust",
            &format!("{path}.Principal"),
            message,
            remedy,
        );
    } else if !narrowed || context.account.is_some() {
        external_id(path, statement, context, remarks);
    }
}

/// Whether a condition admits only what it lists.
fn narrows(condition: &Condition, keys: &[&str]) -> bool {
    let operator = condition.operator();
    let listed = keys.contains(&condition.key_lower())
        && !operator.negated
        && !operator.if_exists
        && operator.test != Test::Null;
    listed
        && condition
            .values()
            .iter()
            .all(|v| !v.is_empty() && v.chars().any(|c| c != '*'))
}

fn external_id(
    path: &str,
    statement: &Statement,
    context: &LintContext<'_>,
    remarks: &mut Remarks,
) {
    let names = statement
        .principals()
        .map(super::super::Principals::names)
        .unwrap_or_default();
    let foreign = names
        .iter()
        .filter(|n| n.account().is_some_and(|a| context.account != Some(a)));
    let foreign: Vec<String> = foreign.map(Name::to_string).collect();
    let assumes = super::super::Request {
        principal: super::super::Principal::Anonymous,
        action: "sts:AssumeRole".to_owned(),
        resource: "*".to_owned(),
        context: super::super::ConditionContext::new(),
    };
    if foreign.is_empty()
        || !statement
            .actions()
            .covers(&assumes.action, &assumes.context)
    {
        return;
    }
    let on_id: Vec<&Condition> = statement
        .conditions()
        .iter()
        .filter(|c| c.key_lower() == "sts:externalid")
        .collect();
    let org = statement
        .conditions()
        .iter()
        .any(|c| narrows(c, &["aws:principalorgid", "aws:principalorgpaths"]));
    if on_id.iter().any(|c| narrows(c, &["sts:externalid"])) {
        for condition in on_id {
            check_id(path, condition, remarks);
        }
    } else if !org {
        let message = format!(
            "{} may assume the role without an external id",
            words::list(&foreign, "and")
        );
        let remedy = "add \"StringEquals\": {\"sts:ExternalId\": …}, so that the vendor's other customers cannot \
                      have this role used for themselves";
        remarks.add(
            LintSeverity::Warning,
            "missing_external_id",
            path,
            message,
            remedy,
        );
    }
}

fn check_id(path: &str, condition: &Condition, remarks: &mut Remarks) {
    let path = format!(
        "{path}.Condition.{}.{}",
        condition.operator(),
        words::shown(condition.key())
    );
    let possible = |c: char| c.is_ascii_alphanumeric() || "_+=,.@:/-\\".contains(c);
    for value in condition.values() {
        let wild = condition.operator().test == Test::StringLike && value.contains(['*', '?']);
        if wild {
            let message = "the external id has wildcards: whoever guesses one that fits gets in";
            remarks.add(
                LintSeverity::Warning,
                "weak_external_id",
                &path,
                message,
                "compare it with StringEquals",
            );
        } else if !(2..=1224).contains(&value.chars().count()) || !value.chars().all(possible) {
            let message =
                "no external id can look like this one: 2 to 1,224 letters, digits and _+=,.@:/-";
            remarks.add(
                LintSeverity::Error,
                "impossible_external_id",
                &path,
                message,
                "correct the value",
            );
        }
    }
}
