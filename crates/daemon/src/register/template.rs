//! Texts with placeholders, as the configuration writes them.
//!
//! A body is JSON whose text values are filled in one by one; values are never put together with the
//! JSON as text, so that no account's name can end its string. What was filled in is not
//! looked at again: a name that spells a placeholder stays what it is.

use std::collections::BTreeMap;

use serde_json::Value;

/// What a text may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Word {
    AccountId,
    AccountName,
    RoleArn,
    ExternalId,
    Partition,
    OrganizationId,
    VendorId,
}

impl Word {
    const ALL: [Self; 7] = [
        Self::AccountId,
        Self::AccountName,
        Self::RoleArn,
        Self::ExternalId,
        Self::Partition,
        Self::OrganizationId,
        Self::VendorId,
    ];

    /// What a body may ask for: the vendor's id is its own business.
    pub(crate) const BODY: &'static [Self] = &[
        Self::AccountId,
        Self::AccountName,
        Self::RoleArn,
        Self::ExternalId,
        Self::Partition,
        Self::OrganizationId,
    ];

    /// What the URL of the first call may ask for. No external id and no name: servers and proxies
    /// write URLs into their logs.
    pub(crate) const FIRST_URL: &'static [Self] =
        &[Self::AccountId, Self::Partition, Self::OrganizationId];

    /// What the URL of a later call may ask for.
    pub(crate) const LATER_URL: &'static [Self] = &[
        Self::AccountId,
        Self::Partition,
        Self::OrganizationId,
        Self::VendorId,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::AccountId => "account_id",
            Self::AccountName => "account_name",
            Self::RoleArn => "role_arn",
            Self::ExternalId => "external_id",
            Self::Partition => "partition",
            Self::OrganizationId => "organization_id",
            Self::VendorId => "vendor_id",
        }
    }
}

/// The words and what they stand for.
pub(crate) type Values = BTreeMap<Word, String>;

/// A template is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    /// It is not JSON.
    #[error("it is not JSON: {0}")]
    Json(String),
    /// A placeholder that does not exist there.
    #[error("`${{{found}}}` is not a placeholder here: there are {allowed}")]
    Unknown {
        /// What stands there.
        found: String,
        /// What may stand there.
        allowed: String,
    },
    /// A placeholder that does not end.
    #[error("`${{{0}` has no closing brace")]
    Open(String),
    /// A placeholder where none can be.
    #[error("the key `{0}` has a placeholder: only values can have one")]
    Key(String),
}

/// A text with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Plain(String),
    Word(Word),
}

impl Text {
    /// Reads a text in which the words of `allowed` may stand.
    pub(crate) fn parse(text: &str, allowed: &[Word]) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, behind)) = after.split_once('}') else {
                return Err(TemplateError::Open(shortened(after)));
            };
            let word = Word::ALL.into_iter().find(|word| word.as_str() == name);
            let Some(word) = word.filter(|word| allowed.contains(word)) else {
                return Err(TemplateError::Unknown {
                    found: shortened(name),
                    allowed: names(allowed),
                });
            };
            pieces.push(Piece::Plain(before.to_owned()));
            pieces.push(Piece::Word(word));
            rest = behind;
        }
        pieces.push(Piece::Plain(rest.to_owned()));
        Ok(Self(pieces))
    }

    /// Whether it asks for a word.
    pub(crate) fn uses(&self, word: Word) -> bool {
        self.0.contains(&Piece::Word(word))
    }

    fn fill(&self, values: &Values, written: impl Fn(&str) -> String) -> String {
        let text_of = |piece: &Piece| match piece {
            Piece::Plain(text) => text.clone(),
            Piece::Word(word) => values
                .get(word)
                .map(|value| written(value))
                .unwrap_or_default(),
        };
        self.0.iter().map(text_of).collect()
    }

    /// The text as a URL: a value is one part of a path and cannot become two.
    pub(crate) fn url(&self, values: &Values) -> String {
        self.fill(values, encoded)
    }
}

/// Enough to recognize what one wrote.
fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

fn names(words: &[Word]) -> String {
    let names: Vec<String> = words
        .iter()
        .map(|word| format!("${{{}}}", word.as_str()))
        .collect();
    names.join(", ")
}

fn encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// A JSON body with placeholders in its text values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Body(Node);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Text(Text),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
    Other(Value),
}

impl Body {
    /// Reads a body.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        let value: Value = serde_json::from_str(text)
            .map_err(|problem| TemplateError::Json(problem.to_string()))?;
        Self::of(value)
    }

    /// The body that this JSON describes.
    pub(crate) fn of(value: Value) -> Result<Self, TemplateError> {
        node(value).map(Self)
    }

    /// Whether it asks for a word.
    pub(crate) fn uses(&self, word: Word) -> bool {
        uses(&self.0, word)
    }

    /// The body with its values.
    pub(crate) fn fill(&self, values: &Values) -> String {
        filled(&self.0, values).to_string()
    }
}

fn node(value: Value) -> Result<Node, TemplateError> {
    Ok(match value {
        Value::String(text) => Node::Text(Text::parse(&text, Word::BODY)?),
        Value::Array(items) => Node::List(items.into_iter().map(node).collect::<Result<_, _>>()?),
        Value::Object(table) => {
            let mut pairs = Vec::with_capacity(table.len());
            for (key, value) in table {
                if key.contains("${") {
                    return Err(TemplateError::Key(key));
                }
                pairs.push((key, node(value)?));
            }
            Node::Table(pairs)
        }
        other => Node::Other(other),
    })
}

fn uses(node: &Node, word: Word) -> bool {
    match node {
        Node::Text(text) => text.uses(word),
        Node::List(items) => items.iter().any(|item| uses(item, word)),
        Node::Table(pairs) => pairs.iter().any(|(_, item)| uses(item, word)),
        Node::Other(_) => false,
    }
}

fn filled(node: &Node, values: &Values) -> Value {
    match node {
        Node::Text(text) => Value::String(text.fill(values, str::to_owned)),
        Node::List(items) => items.iter().map(|item| filled(item, values)).collect(),
        Node::Table(pairs) => pairs
            .iter()
            .map(|(key, item)| (key.clone(), filled(item, values)))
            .collect(),
        Node::Other(value) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn values(name: &str) -> Values {
        [
            (Word::AccountId, "111122223333"),
            (Word::AccountName, name),
            (Word::RoleArn, "arn:aws:iam::111122223333:role/Vendor"),
            (Word::ExternalId, "shared+secret"),
            (Word::Partition, "aws"),
            (Word::OrganizationId, "o-example"),
            (Word::VendorId, "a/../b?c"),
        ]
        .into_iter()
        .map(|(word, value)| (word, value.to_owned()))
        .collect()
    }

    #[track_caller]
    fn check(template: &str, name: &str, expected: Expect) {
        let said = match Body::parse(template) {
            Ok(body) => body.fill(&values(name)),
            Err(problem) => problem.to_string(),
        };
        expected.assert_eq(&said);
    }

    #[test]
    fn a_body_is_filled_value_by_value() {
        check("{}", "prod", expect!["{}"]);
        check(
            r#"{"n":"${account_name}","deep":[{"arn":"${role_arn}"},1,true,null,"x-${partition}-${account_id}-y"]}"#,
            "prod",
            expect![[
                r#"{"n":"prod","deep":[{"arn":"arn:aws:iam::111122223333:role/Vendor"},1,true,null,"x-aws-111122223333-y"]}"#
            ]],
        );
        check(
            r#"{"n":"${acount_name}"}"#,
            "prod",
            expect![
                "`${acount_name}` is not a placeholder here: there are ${account_id}, ${account_name}, ${role_arn}, ${external_id}, ${partition}, ${organization_id}"
            ],
        );
        check(
            r#"{"n":"${vendor_id}"}"#,
            "prod",
            expect![
                "`${vendor_id}` is not a placeholder here: there are ${account_id}, ${account_name}, ${role_arn}, ${external_id}, ${partition}, ${organization_id}"
            ],
        );
        check(
            r#"{"n":"${account_id"}"#,
            "prod",
            expect!["`${account_id` has no closing brace"],
        );
        check(
            r#"{"${account_id}":1}"#,
            "prod",
            expect!["the key `${account_id}` has a placeholder: only values can have one"],
        );
        check(
            r#"{"n":}"#,
            "prod",
            expect!["it is not JSON: expected value at line 1 column 6"],
        );
    }

    #[test]
    fn a_hostile_name_stays_inside_its_string() {
        let template = r#"{"admin":false,"name":"${account_name}","id":"${external_id}"}"#;
        let hostile = [
            r#"","admin":true,"x":""#,
            "\\",
            "\\\"",
            "line\nfeed\r\0\u{1b}[31m",
            "${external_id}",
            "$${account_id}",
            "\u{2028}</script><script>",
            "\u{1f600}\u{202e}",
        ];
        for name in hostile {
            let body = Body::parse(template).expect("a template");
            let sent: Value = serde_json::from_str(&body.fill(&values(name))).expect("JSON");
            let expected = serde_json::json!({"admin": false, "name": name, "id": "shared+secret"});
            assert_eq!(sent, expected, "{name:?}");
        }
    }

    #[test]
    fn a_value_is_one_part_of_a_url() {
        let url =
            |text: &str| Text::parse(text, Word::LATER_URL).map(|text| text.url(&values("prod")));
        assert_eq!(
            url("https://v.example/a/${vendor_id}/re-validate").as_deref(),
            Ok("https://v.example/a/a%2F..%2Fb%3Fc/re-validate")
        );
        assert!(url("https://v.example/${external_id}").is_err());
        assert!(url("https://v.example/${account_name}").is_err());
        assert!(Text::parse("https://v.example/${vendor_id}", Word::FIRST_URL).is_err());
    }
}
