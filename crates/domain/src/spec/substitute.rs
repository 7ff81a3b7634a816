//! Placeholders in texts.
//!
//! `${account_id}` and its siblings are ours. IAM's own policy variables have a colon
//! (`${aws:username}`) or are one of `${*}`, `${?}`, `${$}`; they are left for IAM.

use std::collections::BTreeSet;

/// The placeholders that a specification may use.
pub const PLACEHOLDERS: [&str; 6] = [
    "account_id",
    "partition",
    "organization_id",
    "hub_account_id",
    "vendor_account_id",
    "external_id",
];

/// A `${word}` that is neither ours nor IAM's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`${{{name}}}` is not a placeholder: there are ${{{}}}", PLACEHOLDERS.join("}, ${"))]
pub struct UnknownPlaceholder {
    /// The word.
    pub name: String,
}

/// One piece of a text.
enum Piece<'a> {
    Text(&'a str),
    Placeholder(&'static str),
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, UnknownPlaceholder> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else {
            break;
        };
        let opening = before.len() + 2;
        if is_iams(name) {
            let (taken, left) = rest.split_at(opening + name.len() + 1);
            pieces.push(Piece::Text(taken));
            rest = left;
            continue;
        }
        let known = PLACEHOLDERS
            .into_iter()
            .find(|placeholder| *placeholder == name);
        let placeholder = known.ok_or_else(|| UnknownPlaceholder {
            name: name.to_owned(),
        })?;
        pieces.push(Piece::Text(before));
        pieces.push(Piece::Placeholder(placeholder));
        rest = behind;
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

/// Whether what stands between the braces is IAM's business.
fn is_iams(name: &str) -> bool {
    name.contains(':') || matches!(name, "*" | "?" | "$") || !name.bytes().all(is_word)
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// The placeholders that a text uses.
///
/// # Errors
///
/// When it uses one that does not exist.
pub fn placeholders(text: &str) -> Result<BTreeSet<&'static str>, UnknownPlaceholder> {
    let used = pieces(text)?.into_iter().filter_map(|piece| match piece {
        Piece::Placeholder(name) => Some(name),
        Piece::Text(_) => None,
    });
    Ok(used.collect())
}

/// Where a text is used, which decides how a value is written into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    /// Plain text: an ARN, a description.
    Plain,
    /// Inside the strings of a JSON document: a value cannot end its string.
    Json,
}

/// Fills placeholders in. `value` answers none for one that has no value.
pub(super) fn fill<'v>(
    text: &str,
    setting: Setting,
    value: impl Fn(&'static str) -> Option<&'v str>,
) -> Result<String, Unfilled> {
    let mut out = String::with_capacity(text.len() + 32);
    for piece in pieces(text).map_err(Unfilled::Unknown)? {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Placeholder(name) => {
                let value = value(name).ok_or(Unfilled::WithoutValue(name))?;
                match setting {
                    Setting::Plain => out.push_str(value),
                    Setting::Json => out.push_str(&escaped(value)),
                }
            }
        }
    }
    Ok(out)
}

/// Why a text could not be filled in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfilled {
    Unknown(UnknownPlaceholder),
    WithoutValue(&'static str),
}

/// A value as the inside of a JSON string.
fn escaped(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    let inner = quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &Expect) {
        let value = |name| match name {
            "account_id" => Some("111111111111"),
            "external_id" => Some("a\"b\\c"),
            _ => None,
        };
        let said = match fill(text, Setting::Json, value) {
            Ok(text) => text,
            Err(Unfilled::Unknown(unknown)) => unknown.to_string(),
            Err(Unfilled::WithoutValue(name)) => format!("{name} has no value"),
        };
        expected.assert_eq(&said);
    }

    #[test]
    fn placeholders_are_filled_in_and_iam_variables_left_alone() {
        check("nothing", &expect!["nothing"]);
        check("${account_id}", &expect!["111111111111"]);
        check(
            "a ${account_id} b ${account_id}",
            &expect!["a 111111111111 b 111111111111"],
        );
        check(
            "${aws:username} ${*} ${?} ${$}",
            &expect!["${aws:username} ${*} ${?} ${$}"],
        );
        check(
            "${aws:PrincipalTag/team, 'none'}",
            &expect!["${aws:PrincipalTag/team, 'none'}"],
        );
        check("${$}{account_id}", &expect!["${$}{account_id}"]);
        check("${account_id", &expect!["${account_id"]);
    }

    #[test]
    fn an_unknown_or_empty_placeholder_is_named() {
        check(
            "${acount_id}",
            &expect![
                "`${acount_id}` is not a placeholder: there are ${account_id}, ${partition}, ${organization_id}, ${hub_account_id}, ${vendor_account_id}, ${external_id}"
            ],
        );
        check(
            "${organization_id}",
            &expect!["organization_id has no value"],
        );
    }

    #[test]
    fn a_value_cannot_end_its_string() {
        check(
            r#"{"x":"${external_id}"}"#,
            &expect![[r#"{"x":"a\"b\\c"}"#]],
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_the_value_the_document_keeps_its_shape(value in ".*") {
            let text = r#"{"a":"x${external_id}y","b":["${external_id}"]}"#;
            let filled = fill(text, Setting::Json, |_| Some(&value)).expect("a known placeholder");
            let parsed: serde_json::Value = serde_json::from_str(&filled).expect("still JSON");
            prop_assert_eq!(parsed, serde_json::json!({ "a": format!("x{value}y"), "b": [value] }));
        }

        #[test]
        fn texts_without_placeholders_come_through(text in "[^$]*") {
            prop_assert_eq!(fill(&text, Setting::Plain, |_| None).expect("nothing to fill"), text);
        }
    }
}
