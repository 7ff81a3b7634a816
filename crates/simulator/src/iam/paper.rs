//! Policy documents as IAM takes, keeps and answers them.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rolekeeper_domain::policy::{self, Document};
use serde_json::{Map, Value};

use crate::call::ApiError;
use crate::iam::state::Text;
use crate::seed;

/// The most characters, without white space, of a managed policy.
pub(crate) const POLICY_SIZE: usize = 6_144;
/// The most characters, without white space, of a trust policy.
pub(crate) const TRUST_SIZE: usize = 2_048;
/// The most characters, without white space, of a role's inline policies together.
pub(crate) const INLINE_SIZE: usize = 10_240;
/// The most characters of a session policy.
pub(crate) const SESSION_SIZE: usize = 2_048;

/// What RFC 3986 leaves unreserved is not encoded; all else is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Which rules a document has to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Managed, inline, session, and service control policies.
    Identity,
    /// Who may assume a role.
    Trust,
    /// Resource control policies: with principals and resources.
    ResourceControl,
}

impl Kind {
    const fn of_evaluator(self) -> policy::Kind {
        match self {
            Self::Identity => policy::Kind::Identity,
            Self::Trust => policy::Kind::Trust,
            Self::ResourceControl => policy::Kind::ResourceControl,
        }
    }
}

/// A policy document, kept as it is answered.
#[derive(Debug)]
pub(crate) struct Paper {
    kind: Kind,
    text: Text,
    /// Whether it looks at the context of requests.
    conditional: bool,
    encoded: OnceLock<Text>,
    meaning: OnceLock<Option<Document>>,
    /// Role and user ARNs that a trust policy names.
    principals: Vec<Text>,
}

impl Paper {
    /// An identity policy that is known to be right.
    pub(crate) fn known(text: &str) -> Arc<Self> {
        Arc::new(Self::build(Kind::Identity, text, Vec::new()))
    }

    /// A document of a kind that is known to be right.
    pub(crate) fn known_as(kind: Kind, text: &str) -> Arc<Self> {
        Arc::new(Self::build(kind, text, Vec::new()))
    }

    fn build(kind: Kind, text: &str, principals: Vec<Text>) -> Self {
        Self {
            kind,
            text: text.into(),
            conditional: text.contains("\"Condition\"") || text.contains("${"),
            encoded: OnceLock::new(),
            meaning: OnceLock::new(),
            principals,
        }
    }

    pub(crate) const fn is_conditional(&self) -> bool {
        self.conditional
    }

    pub(crate) fn text(&self) -> &Text {
        &self.text
    }

    pub(crate) fn encoded(&self) -> &str {
        self.encoded.get_or_init(|| encode(&self.text).into())
    }

    /// What it means to the evaluator; none when it cannot be read, and then
    /// it grants nothing.
    pub(crate) fn meaning(&self) -> Option<&Document> {
        self.meaning
            .get_or_init(|| Document::parse(self.kind.of_evaluator(), &self.text).ok())
            .as_ref()
    }

    pub(crate) fn principals(&self) -> &[Text] {
        &self.principals
    }

    pub(crate) fn size(&self) -> usize {
        size(&self.text)
    }
}

/// Percent-encoded as IAM answers documents.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// Characters, white space not counted.
pub(crate) fn size(text: &str) -> usize {
    text.chars()
        .filter(|character| !character.is_whitespace())
        .count()
}

/// How many shelves the library has; each keeps one document.
const SHELVES: usize = 1_024;

/// What was offered as what, and what it became.
type Shelf = Option<(Kind, Text, Arc<Paper>)>;

/// The documents in use, so that equal ones are one.
#[derive(Debug)]
pub(crate) struct Library {
    shelves: Vec<Mutex<Shelf>>,
}

impl Default for Library {
    fn default() -> Self {
        Self {
            shelves: (0..SHELVES).map(|_| Mutex::default()).collect(),
        }
    }
}

impl Library {
    /// Checks a document and keeps it: by the rules of its kind, without its quota.
    pub(crate) fn take(&self, kind: Kind, text: &str) -> Result<Arc<Paper>, ApiError> {
        let shelf = self.shelves.get(seed::below(seed::word(text), SHELVES));
        if let Some(shelf) = shelf
            && let Some((as_kind, source, kept)) =
                &*shelf.lock().unwrap_or_else(PoisonError::into_inner)
            && *as_kind == kind
            && **source == *text
        {
            return Ok(Arc::clone(kept));
        }
        let value = check(kind, text)?;
        let paper = Arc::new(match kind {
            Kind::Identity | Kind::ResourceControl => Paper::build(kind, text, Vec::new()),
            Kind::Trust => normalize_trust(value),
        });
        if let Some(shelf) = shelf {
            *shelf.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((kind, text.into(), Arc::clone(&paper)));
        }
        Ok(paper)
    }
}

fn malformed(message: impl Into<String>) -> ApiError {
    ApiError::bad("MalformedPolicyDocument", message)
}

fn check(kind: Kind, text: &str) -> Result<Value, ApiError> {
    let value: Value = serde_json::from_str(text).map_err(|_| {
        malformed(match kind {
            Kind::Trust => "This policy contains invalid Json",
            Kind::Identity | Kind::ResourceControl => "Syntax errors in policy.",
        })
    })?;
    let Some(body) = value.as_object() else {
        return Err(malformed("Syntax errors in policy."));
    };
    let version = body.get("Version").map(Value::as_str);
    if !matches!(version, None | Some(Some("2012-10-17" | "2008-10-17"))) {
        return Err(malformed("The policy must contain a valid version string"));
    }
    if let Some(key) = body
        .keys()
        .find(|key| !matches!(key.as_str(), "Version" | "Id" | "Statement"))
    {
        return Err(malformed(format!(
            "Syntax errors in policy. Unknown field {key}"
        )));
    }
    let statements = match body.get("Statement") {
        Some(Value::Array(statements)) if !statements.is_empty() => statements.as_slice(),
        Some(statement @ Value::Object(_)) => std::slice::from_ref(statement),
        _ => return Err(malformed("Syntax errors in policy.")),
    };
    statements
        .iter()
        .try_for_each(|statement| check_statement(kind, statement))?;
    Ok(value)
}

fn check_statement(kind: Kind, statement: &Value) -> Result<(), ApiError> {
    let Some(fields) = statement.as_object() else {
        return Err(malformed("Syntax errors in policy."));
    };
    if !matches!(
        fields.get("Effect").and_then(Value::as_str),
        Some("Allow" | "Deny")
    ) {
        return Err(malformed("Syntax errors in policy."));
    }
    let one_of = |left: &str, right: &str| fields.contains_key(left) != fields.contains_key(right);
    if !one_of("Action", "NotAction") {
        return Err(malformed("Policy statement must contain actions."));
    }
    let principal = fields.contains_key("Principal") || fields.contains_key("NotPrincipal");
    let resource = fields.contains_key("Resource") || fields.contains_key("NotResource");
    match kind {
        Kind::Trust if resource => return Err(malformed("Has prohibited field Resource")),
        Kind::Trust if !principal => return Err(malformed("Missing required field Principal")),
        Kind::Identity if principal => {
            return Err(malformed("Policy document should not specify a principal."));
        }
        Kind::Identity if !one_of("Resource", "NotResource") => {
            return Err(malformed("Policy statement must contain resources."));
        }
        Kind::Trust | Kind::Identity | Kind::ResourceControl => {}
    }
    let actions = strings(fields.get("Action").or_else(|| fields.get("NotAction")));
    for action in actions.ok_or_else(|| malformed("Syntax errors in policy."))? {
        if action != "*" && !action.contains(':') {
            return Err(malformed(
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
            ));
        }
        if kind == Kind::Trust && !action.to_ascii_lowercase().starts_with("sts:") && action != "*"
        {
            return Err(malformed(
                "AssumeRole policy may only specify STS AssumeRole actions.",
            ));
        }
    }
    if kind == Kind::Identity {
        let resources = strings(fields.get("Resource").or_else(|| fields.get("NotResource")));
        for resource in resources.ok_or_else(|| malformed("Syntax errors in policy."))? {
            if resource != "*" && !resource.starts_with("arn:") && !resource.starts_with('*') {
                return Err(malformed(format!(
                    "Resource {resource} must be in ARN format or \"*\"."
                )));
            }
        }
    }
    Ok(())
}

fn strings(value: Option<&Value>) -> Option<Vec<&str>> {
    match value? {
        Value::String(one) => Some(vec![one]),
        Value::Array(many) => many.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// IAM keeps a trust policy as JSON, not as text: white space is gone, and
/// an account id has become the ARN of its root.
fn normalize_trust(mut value: Value) -> Paper {
    let mut principals = Vec::new();
    let statements = match value.get_mut("Statement") {
        Some(Value::Array(statements)) => statements.iter_mut().collect(),
        Some(statement) => vec![statement],
        None => Vec::new(),
    };
    for fields in statements.into_iter().filter_map(Value::as_object_mut) {
        for key in ["Principal", "NotPrincipal"] {
            if let Some(principal) = fields.get_mut(key).and_then(Value::as_object_mut) {
                normalize_principal(principal, &mut principals);
            }
        }
    }
    Paper::build(Kind::Trust, &value.to_string(), principals)
}

fn normalize_principal(principal: &mut Map<String, Value>, named: &mut Vec<Text>) {
    let items = match principal.get_mut("AWS") {
        Some(Value::Array(items)) => items.iter_mut().collect(),
        Some(item) => vec![item],
        None => Vec::new(),
    };
    for item in items {
        let Some(text) = item.as_str() else { continue };
        if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            *item = Value::String(format!("arn:aws:iam::{text}:root"));
        } else if text.contains(":role/") || text.contains(":user/") {
            named.push(text.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Library, encode, size};

    const TRUST: &str = r#"{ "Statement": { "Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": { "AWS": ["111122223333", "arn:aws:iam::111122223333:role/Reader"] } } }"#;

    fn refusal(kind: Kind, text: &str) -> String {
        Library::default()
            .take(kind, text)
            .map_or_else(|error| error.message, |_| "taken".to_owned())
    }

    #[test]
    fn a_trust_policy_is_kept_compact_with_root_arns() {
        let paper = Library::default().take(Kind::Trust, TRUST).expect("valid");
        assert_eq!(
            &**paper.text(),
            r#"{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":["arn:aws:iam::111122223333:root","arn:aws:iam::111122223333:role/Reader"]}}}"#
        );
        assert_eq!(paper.principals().len(), 1);
    }

    #[test]
    fn documents_are_refused_in_the_words_of_iam() {
        let rows = [
            (
                Kind::Identity,
                r#"{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#,
                "taken",
            ),
            (Kind::Identity, "{", "Syntax errors in policy."),
            (Kind::Trust, "{", "This policy contains invalid Json"),
            (Kind::Identity, "{}", "Syntax errors in policy."),
            (
                Kind::Identity,
                r#"{"Statement":[{"Effect":"Allow","Action":"s3","Resource":"*"}]}"#,
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
            ),
            (
                Kind::Identity,
                r#"{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"bucket"}]}"#,
                "Resource bucket must be in ARN format or \"*\".",
            ),
            (
                Kind::Trust,
                r#"{"Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}"#,
                "Has prohibited field Resource",
            ),
        ];
        for (kind, text, wanted) in rows {
            assert_eq!(refusal(kind, text), wanted, "{text}");
        }
    }

    #[test]
    fn documents_are_encoded_as_rfc_3986_says() {
        assert_eq!(
            encode("{\"a\": \"b+c~*\"}"),
            "%7B%22a%22%3A%20%22b%2Bc~%2A%22%7D"
        );
        assert_eq!(size(" a b\n"), 2);
    }
}
