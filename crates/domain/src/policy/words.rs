//! Policies in words.

use super::condition::Condition;
use super::document::{Kind, Patterns, Statement};
use super::operator::{Quantifier, Test};
use super::principal::{Name, Principals};

/// How many names, actions or resources one sentence lists.
const LISTED: usize = 12;

/// `a`, `a and b`, `a, b and c`; of many the first ones and a count.
pub(super) fn list(items: &[String], last: &str) -> String {
    if items.len() > LISTED {
        let shown: Vec<&str> = items.iter().take(LISTED - 1).map(String::as_str).collect();
        return format!(
            "{} {last} {} more",
            shown.join(", "),
            items.len() - shown.len()
        );
    }
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., end] => format!("{} {last} {end}", all.join(", ")),
    }
}

/// Text of a policy for a sentence: on one line, without control characters.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 200;
    let mut out: String = text
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST)
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    out
}

/// An `Action` or `NotAction` element: "every action", "s3:Get* and s3:List*".
pub(super) fn actions(element: &Patterns) -> String {
    every_but(element, "every action")
}

/// A `Resource` or `NotResource` element.
pub(super) fn resources(element: &Patterns) -> String {
    every_but(element, "every resource")
}

fn every_but(element: &Patterns, every: &str) -> String {
    let spelled: Vec<String> = element
        .patterns()
        .iter()
        .map(|p| shown(p.source()))
        .collect();
    match (element.is_negated(), element.names_everything()) {
        (false, true) => every.to_owned(),
        (false, false) => list(&spelled, "and"),
        (true, true) => format!("no {}", every.trim_start_matches("every ")),
        (true, false) => format!("{every} but {}", list(&spelled, "and")),
    }
}

/// A `Principal` or `NotPrincipal` element.
pub(super) fn principals(element: &Principals) -> String {
    let spare = |name: &Name| match name {
        Name::Account(id) => format!("account {id}"),
        other => shown(&other.to_string()),
    };
    if element.is_negated() {
        let names: Vec<String> = element.names().iter().map(spare).collect();
        return format!("anyone but {}", list(&names, "and"));
    }
    let names: Vec<String> = element
        .names()
        .iter()
        .map(|n| shown(&n.to_string()))
        .collect();
    list(&names, "and")
}

/// What assuming a role takes, in place of the bare actions, in trust policies.
pub(super) fn deeds(kind: Kind, actions: &[String]) -> String {
    if kind != Kind::Trust {
        return format!("do {}", list(actions, "and"));
    }
    let known = |action: &String| match action.to_ascii_lowercase().as_str() {
        "sts:assumerole" => "assume the role".to_owned(),
        "sts:assumerolewithsaml" => "assume the role with SAML".to_owned(),
        "sts:assumerolewithwebidentity" => "assume the role with a web identity".to_owned(),
        "sts:tagsession" => "tag its sessions".to_owned(),
        "sts:setsourceidentity" => "set their source identity".to_owned(),
        _ => format!("do {action} on the role"),
    };
    let deeds: Vec<String> = actions.iter().map(known).collect();
    list(&deeds, "and")
}

/// Whether a key holds a shared secret, whose value is not put into words.
fn is_secret(key_lower: &str) -> bool {
    key_lower == "sts:externalid"
}

/// One condition: "aws:SourceIp is in 192.0.2.0/24".
pub(super) fn condition(condition: &Condition) -> String {
    let operator = condition.operator();
    let key = shown(condition.key());
    if is_secret(condition.key_lower())
        && operator.test == Test::StringEquals
        && operator.quantifier == Quantifier::One
    {
        return match (operator.negated, operator.if_exists) {
            (false, false) => "they present the external id",
            (false, true) => "they present the external id or none",
            (true, _) => "they do not present a certain external id",
        }
        .to_owned();
    }
    let subject = match operator.quantifier {
        Quantifier::One => key.clone(),
        Quantifier::All => format!("each value of {key}"),
        Quantifier::Any => format!("some value of {key}"),
    };
    if operator.test == Test::Null {
        return null_words(condition, &key);
    }
    let values: Vec<String> = if is_secret(condition.key_lower()) {
        vec!["the agreed value".to_owned()]
    } else {
        condition.values().iter().map(|v| shown(v)).collect()
    };
    let values = if values.is_empty() {
        "nothing at all".to_owned()
    } else {
        list(&values, "or")
    };
    let verb = verb(operator.test, operator.negated);
    let absent = if operator.if_exists {
        ", if present,"
    } else {
        ""
    };
    format!("{subject}{absent} {verb} {values}")
}

fn null_words(condition: &Condition, key: &str) -> String {
    let has = |wanted: &str| {
        condition
            .values()
            .iter()
            .any(|v| v.eq_ignore_ascii_case(wanted))
    };
    match (has("true"), has("false")) {
        (true, false) => format!("{key} is absent"),
        (false, true) => format!("{key} is present"),
        (true, true) => format!("{key} is present or absent"),
        (false, false) => format!("{key} is neither present nor absent"),
    }
}

fn verb(test: Test, negated: bool) -> &'static str {
    match (test, negated) {
        (
            Test::StringEquals | Test::NumericEquals | Test::DateEquals | Test::Bool | Test::Binary,
            false,
        ) => "is",
        (
            Test::StringEquals | Test::NumericEquals | Test::DateEquals | Test::Bool | Test::Binary,
            true,
        ) => "is not",
        (Test::StringEqualsIgnoreCase, false) => "is, in any case,",
        (Test::StringEqualsIgnoreCase, true) => "is not, in any case,",
        (Test::StringLike | Test::Arn, false) => "is like",
        (Test::StringLike | Test::Arn, true) => "is not like",
        (Test::NumericLess, _) => "is less than",
        (Test::NumericLessEqual, _) => "is at most",
        (Test::NumericGreater, _) => "is more than",
        (Test::NumericGreaterEqual, _) => "is at least",
        (Test::DateLess, _) => "is before",
        (Test::DateLessEqual, _) => "is not after",
        (Test::DateGreater, _) => "is after",
        (Test::DateGreaterEqual, _) => "is not before",
        (Test::IpAddress, false) => "is in",
        (Test::IpAddress, true) => "is not in",
        (Test::Null, _) => "is absent:",
    }
}

/// All conditions: "" or " if … and …".
pub(super) fn conditions(all: &[Condition]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let words: Vec<String> = all.iter().map(condition).collect();
    format!(" if {}", words.join(" and "))
}

/// Under which circumstances conditions fail that the other side asks for
/// and `speaking` does not. `missing` says whether the request looked at
/// lacks a key; `former` whether `speaking` is the state before.
pub(super) fn without(
    failed: &[&Condition],
    speaking: &Statement,
    former: bool,
    missing: &dyn Fn(&str) -> bool,
) -> String {
    let mut words = Vec::new();
    for other in failed {
        let key = other.key_lower();
        if !is_secret(key) {
            words.push(format!("without the condition that {}", condition(other)));
            continue;
        }
        let asks = speaking.conditions().iter().any(|c| c.key_lower() == key);
        words.push(
            match (asks && !missing(key), former) {
                (false, _) => "without an external id",
                (true, false) => "with another external id",
                (true, true) => "with the external id that was asked for before",
            }
            .to_owned(),
        );
    }
    words.dedup();
    if words.is_empty() {
        String::new()
    } else {
        format!(" {}", words.join(" and "))
    }
}
