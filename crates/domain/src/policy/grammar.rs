//! The pieces of which the grammar's rules are made.

use super::json::{Json, quoted};
use super::parse::ParseError;
use super::principal::Name;

pub(super) fn principal(path: &str, kind: &str, text: &str) -> Result<Name, ParseError> {
    match kind {
        "AWS" => Name::aws(text).ok_or_else(|| {
            let allowed = "\"*\", an account id, or the ARN of an account's root, a user, a role or a session, \
                           without wildcards in it";
            ParseError::new(path, quoted(text), allowed)
        }),
        _ if text == "*" => Ok(Name::Everyone),
        _ if text.is_empty() || text.contains(['*', '?']) => {
            Err(ParseError::new(path, quoted(text), "a name without wildcards"))
        }
        "Service" => Ok(Name::Service(text.to_owned())),
        "Federated" => Ok(Name::Federated(text.to_owned())),
        _ => Ok(Name::Canonical(text.to_owned())),
    }
}

pub(super) fn object<'a>(path: &str, json: &'a Json) -> Result<&'a [(String, Json)], ParseError> {
    match json {
        Json::Object(entries) => Ok(entries),
        other => Err(ParseError::new(path, other.describe(), "an object")),
    }
}

pub(super) fn get<'a>(entries: &'a [(String, Json)], key: &str) -> Option<&'a Json> {
    entries.iter().find(|(k, _)| k == key).map(|(_, v)| v)
}

pub(super) fn text_of<'a>(path: &str, json: &'a Json) -> Result<&'a str, ParseError> {
    match json {
        Json::Text(text) => Ok(text),
        other => Err(ParseError::new(path, other.describe(), "a string")),
    }
}

/// Of an element and its negation exactly one must be there.
pub(super) fn one_of<'a>(
    path: &str,
    entries: &'a [(String, Json)],
    plain: &str,
    negation: &str,
) -> Result<(bool, String, &'a Json), ParseError> {
    match (get(entries, plain), get(entries, negation)) {
        (Some(json), None) => Ok((false, join(path, plain), json)),
        (None, Some(json)) => Ok((true, join(path, negation), json)),
        (Some(_), Some(_)) => Err(ParseError::new(
            path,
            format!("both {plain} and {negation}"),
            format!("one of {plain} and {negation}"),
        )),
        (None, None) => Err(ParseError::new(
            path,
            format!("neither {plain} nor {negation}"),
            format!("one of {plain} and {negation}"),
        )),
    }
}

pub(super) fn known_keys(
    path: &str,
    entries: &[(String, Json)],
    allowed: &[&str],
) -> Result<(), ParseError> {
    for (key, _) in entries {
        if !allowed.contains(&key.as_str()) {
            let other_case = allowed.iter().find(|a| a.eq_ignore_ascii_case(key));
            let hint = other_case.map_or_else(
                || allowed.join(", "),
                |right| format!("{right} in this case"),
            );
            return Err(ParseError::new(
                &join(path, key),
                "an unknown element",
                hint,
            ));
        }
    }
    no_repetition(path, entries)
}

pub(super) fn no_repetition(path: &str, entries: &[(String, Json)]) -> Result<(), ParseError> {
    let mut keys: Vec<&str> = entries.iter().map(|(k, _)| k.as_str()).collect();
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair.first() == pair.last()) {
        Some([key, _]) => Err(ParseError::new(
            &join(path, key),
            "the key twice",
            "each key once",
        )),
        _ => Ok(()),
    }
}

pub(super) fn join(path: &str, key: &str) -> String {
    let shown: String = key.chars().filter(|c| !c.is_control()).take(60).collect();
    if path.is_empty() {
        shown
    } else {
        format!("{path}.{shown}")
    }
}
