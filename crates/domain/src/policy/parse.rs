//! From JSON to statements, by the grammar of each kind of policy.

use thiserror::Error;

use super::condition::Condition;
use super::document::{Effect, Kind, Patterns, Statement, Version};
use super::grammar::{get, join, known_keys, no_repetition, object, one_of, principal, text_of};
use super::json::{Json, minify, quoted};
use super::operator::Operator;
use super::pattern::{Pattern, Place};
use super::principal::{Name, Principals};

/// The longest text that is read at all. AWS's own largest managed policies
/// are around 60 kB; nothing a customer can store comes near this.
const MAX_BYTES: usize = 512 * 1024;
/// The most statements in one document; the character limits allow fewer.
const MAX_STATEMENTS: usize = 4_096;
/// The most values (patterns, principals, condition values) in one document.
const MAX_VALUES: usize = 32_768;

/// Why a text is no policy document of its kind.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{path}: found {found}, expected {allowed}")]
pub struct ParseError {
    /// Where, as a path into the document: `Statement[2].Condition.StringEquals`.
    pub path: String,
    /// What stands there.
    pub found: String,
    /// What may stand there.
    pub allowed: String,
}

impl ParseError {
    pub(super) fn new(
        path: &str,
        found: impl Into<String>,
        allowed: impl Into<String>,
    ) -> ParseError {
        let path = if path.is_empty() { "document" } else { path };
        ParseError {
            path: path.to_owned(),
            found: found.into(),
            allowed: allowed.into(),
        }
    }
}

pub(super) struct Parsed {
    pub(super) text: String,
    pub(super) version: Version,
    pub(super) statements: Vec<Statement>,
}

/// Reads a whole document.
pub(super) fn document(kind: Kind, text: &str) -> Result<Parsed, ParseError> {
    if text.len() > MAX_BYTES {
        return Err(ParseError::new(
            "",
            format!("{} bytes", text.len()),
            format!("at most {MAX_BYTES} bytes"),
        ));
    }
    let json = Json::read(text).map_err(|error| {
        let at = format!("line {} column {}", error.line(), error.column());
        ParseError::new(&at, error.classify_words(), "a JSON document")
    })?;
    let top = object("", &json)?;
    known_keys("", top, &["Version", "Id", "Statement"])?;
    let version = version(get(top, "Version"))?;
    if let Some(id) = get(top, "Id") {
        text_of("Id", id)?;
    }
    let Some(list) = get(top, "Statement") else {
        return Err(ParseError::new("", "no Statement", "a Statement element"));
    };
    let mut reader = Reader {
        kind,
        version,
        values: 0,
    };
    let statements = match list {
        Json::Object(_) => vec![reader.statement("Statement", list)?],
        Json::List(all) if all.len() > MAX_STATEMENTS => {
            let found = format!("{} statements", all.len());
            return Err(ParseError::new(
                "Statement",
                found,
                format!("at most {MAX_STATEMENTS}"),
            ));
        }
        Json::List(all) => {
            let each = all.iter().enumerate();
            each.map(|(n, s)| reader.statement(&format!("Statement[{n}]"), s))
                .collect::<Result<_, _>>()?
        }
        other => {
            return Err(ParseError::new(
                "Statement",
                other.describe(),
                "a statement or a list of statements",
            ));
        }
    };
    Ok(Parsed {
        text: minify(text),
        version,
        statements,
    })
}

/// What was wrong with the JSON itself, without its position.
trait ClassifyWords {
    fn classify_words(&self) -> String;
}

impl ClassifyWords for serde_json::Error {
    fn classify_words(&self) -> String {
        let full = self.to_string();
        let cut = full.rfind(" at line ").unwrap_or(full.len());
        full.get(..cut).unwrap_or(&full).to_owned()
    }
}

fn version(json: Option<&Json>) -> Result<Version, ParseError> {
    match json {
        None => Ok(Version::V2008),
        Some(Json::Text(v)) if v == "2012-10-17" => Ok(Version::V2012),
        Some(Json::Text(v)) if v == "2008-10-17" => Ok(Version::V2008),
        Some(other) => Err(ParseError::new(
            "Version",
            other.describe(),
            "\"2012-10-17\" or \"2008-10-17\"",
        )),
    }
}

/// Carries what every element needs to know.
struct Reader {
    kind: Kind,
    version: Version,
    values: usize,
}

impl Reader {
    fn statement(&mut self, path: &str, json: &Json) -> Result<Statement, ParseError> {
        let entries = object(path, json)?;
        let mut allowed = vec!["Sid", "Effect", "Action", "NotAction", "Condition"];
        if self.kind.has_principals() {
            allowed.extend(["Principal", "NotPrincipal"]);
        }
        if self.kind != Kind::Trust {
            allowed.extend(["Resource", "NotResource"]);
        }
        known_keys(path, entries, &allowed)?;
        let sid = get(entries, "Sid")
            .map(|s| text_of(&join(path, "Sid"), s))
            .transpose()?
            .map(str::to_owned);
        let effect = self.effect(path, get(entries, "Effect"))?;
        let principals = if self.kind.has_principals() {
            let (negated, path, json) = one_of(path, entries, "Principal", "NotPrincipal")?;
            Some(self.principals(&path, json, negated)?)
        } else {
            None
        };
        let (negated, at, json) = one_of(path, entries, "Action", "NotAction")?;
        let actions = self.actions(&at, json, negated)?;
        let resources = match (
            self.kind,
            get(entries, "Resource"),
            get(entries, "NotResource"),
        ) {
            // A resource policy may leave the resource it is attached to unsaid.
            (Kind::Trust, ..) | (Kind::Resource, None, None) => None,
            _ => {
                let (negated, at, json) = one_of(path, entries, "Resource", "NotResource")?;
                Some(self.resources(&at, json, negated)?)
            }
        };
        let conditions = match get(entries, "Condition") {
            Some(json) => self.conditions(&join(path, "Condition"), json)?,
            None => Vec::new(),
        };
        Ok(Statement {
            sid,
            effect,
            principals,
            actions,
            resources,
            conditions,
        })
    }

    fn effect(&self, path: &str, json: Option<&Json>) -> Result<Effect, ParseError> {
        match json {
            Some(Json::Text(e)) if e == "Allow" => Ok(Effect::Allow),
            Some(Json::Text(e)) if e == "Deny" => Ok(Effect::Deny),
            Some(other) => Err(ParseError::new(
                &join(path, "Effect"),
                other.describe(),
                "\"Allow\" or \"Deny\" in this case",
            )),
            None => Err(ParseError::new(path, "no Effect", "an Effect element")),
        }
    }

    fn principals(
        &mut self,
        path: &str,
        json: &Json,
        negated: bool,
    ) -> Result<Principals, ParseError> {
        let mut names = Vec::new();
        match json {
            Json::Text(t) if t == "*" => names.push(Name::Everyone),
            Json::Object(entries) if !entries.is_empty() => {
                known_keys(
                    path,
                    entries,
                    &["AWS", "Service", "Federated", "CanonicalUser"],
                )?;
                for (key, value) in entries {
                    let path = join(path, key);
                    for (at, text) in self.texts(&path, value)? {
                        names.push(principal(&at, key, &text)?);
                    }
                }
            }
            other => {
                let allowed = "\"*\" or an object with AWS, Service, Federated or CanonicalUser";
                return Err(ParseError::new(path, other.describe(), allowed));
            }
        }
        if negated && names.contains(&Name::Everyone) {
            return Err(ParseError::new(
                path,
                "\"*\"",
                "principals to spare: with \"*\" it would speak of nobody",
            ));
        }
        names.sort();
        names.dedup();
        Ok(Principals { negated, names })
    }

    fn actions(&mut self, path: &str, json: &Json, negated: bool) -> Result<Patterns, ParseError> {
        let mut patterns = Vec::new();
        for (at, text) in self.texts(path, json)? {
            let well_formed = text == "*"
                || text
                    .split_once(':')
                    .is_some_and(|(service, name)| !service.is_empty() && !name.is_empty());
            if !well_formed || text.chars().any(char::is_whitespace) {
                return Err(ParseError::new(
                    &at,
                    quoted(&text),
                    "\"*\" or \"service:Action\", with * and ? as wildcards",
                ));
            }
            patterns.push(Pattern::new(&text, Place::Action, false));
        }
        Ok(Patterns { negated, patterns })
    }

    fn resources(
        &mut self,
        path: &str,
        json: &Json,
        negated: bool,
    ) -> Result<Patterns, ParseError> {
        let mut patterns = Vec::new();
        for (at, text) in self.texts(path, json)? {
            let variable_first = self.version == Version::V2012 && text.starts_with("${");
            if text != "*"
                && !text.starts_with("arn:")
                && !variable_first
                && !text.starts_with(['*', '?'])
            {
                return Err(ParseError::new(
                    &at,
                    quoted(&text),
                    "\"*\" or an ARN, with * and ? as wildcards",
                ));
            }
            patterns.push(Pattern::new(
                &text,
                Place::Resource,
                self.version == Version::V2012,
            ));
        }
        Ok(Patterns { negated, patterns })
    }

    fn conditions(&mut self, path: &str, json: &Json) -> Result<Vec<Condition>, ParseError> {
        let blocks = object(path, json)?;
        no_repetition(path, blocks)?;
        let mut conditions = Vec::new();
        for (name, block) in blocks {
            let path = join(path, name);
            let Some(operator) = Operator::read(name) else {
                return Err(ParseError::new(
                    &path,
                    quoted(name),
                    "a condition operator, such as StringEquals",
                ));
            };
            let entries = object(&path, block)?;
            no_repetition(&path, entries)?;
            for (key, value) in entries {
                let path = join(&path, key);
                if key.trim().is_empty() {
                    return Err(ParseError::new(
                        &path,
                        quoted(key),
                        "a condition key, such as aws:SourceIp",
                    ));
                }
                let values = self.condition_values(&path, value)?;
                conditions.push(Condition::new(
                    operator,
                    key,
                    values,
                    self.version == Version::V2012,
                ));
            }
        }
        Ok(conditions)
    }

    fn condition_values(&mut self, path: &str, json: &Json) -> Result<Vec<String>, ParseError> {
        let list = match json {
            Json::List(values) => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        self.count(path, list.len())?;
        list.iter()
            .enumerate()
            .map(|(n, value)| match value {
                Json::Text(t) | Json::Number(t) => Ok(t.clone()),
                Json::Bool(b) => Ok(b.to_string()),
                other => {
                    let path = if matches!(json, Json::List(_)) {
                        format!("{path}[{n}]")
                    } else {
                        path.to_owned()
                    };
                    Err(ParseError::new(
                        &path,
                        other.describe(),
                        "a string, a number, true or false, or a list of them",
                    ))
                }
            })
            .collect()
    }

    /// A string or a list of at least one string, each with its path.
    fn texts(&mut self, path: &str, json: &Json) -> Result<Vec<(String, String)>, ParseError> {
        let allowed = "a string or a list of at least one string";
        match json {
            Json::Text(t) => {
                self.count(path, 1)?;
                Ok(vec![(path.to_owned(), t.clone())])
            }
            Json::List(values) if !values.is_empty() => {
                self.count(path, values.len())?;
                let each = values.iter().enumerate().map(|(n, value)| {
                    let at = format!("{path}[{n}]");
                    match value {
                        Json::Text(t) => Ok((at, t.clone())),
                        other => Err(ParseError::new(&at, other.describe(), "a string")),
                    }
                });
                each.collect()
            }
            other => Err(ParseError::new(path, other.describe(), allowed)),
        }
    }

    fn count(&mut self, path: &str, more: usize) -> Result<(), ParseError> {
        self.values += more;
        if self.values > MAX_VALUES {
            return Err(ParseError::new(
                path,
                format!("value {}", self.values),
                format!("at most {MAX_VALUES} values"),
            ));
        }
        Ok(())
    }
}
