//! What a setting may be: each kind says it in words and reads it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::rc::Rc;
use std::str::FromStr;
use std::time::Duration;

use axum::http::Uri;
use secrecy::SecretString;

use super::error::{ConfigError, Origin};
use super::node::{Node, Value, quoted};

/// How a value is read.
type Reading<T> = Box<dyn Fn(&Node) -> Result<T, ConfigError>>;
/// The value that a text from the environment is taken for.
type Understanding = Box<dyn Fn(&Node) -> Node>;

/// One kind of value.
pub(crate) struct Kind<T> {
    /// What is allowed, in words.
    pub(crate) allowed: String,
    /// Whether it must never be shown.
    pub(crate) secret: bool,
    read: Reading<T>,
    /// Of a list: its items. Other kinds take a text as it stands, or as the TOML that it spells.
    items: Option<Understanding>,
}

impl<T: 'static> Kind<T> {
    /// A kind from its words and a reading that may say no.
    fn new(allowed: impl Into<String>, read: impl Fn(&Node) -> Option<T> + 'static) -> Self {
        let allowed = allowed.into();
        let words = allowed.clone();
        Self {
            allowed,
            secret: false,
            read: Box::new(move |node| read(node).ok_or_else(|| node.wrong(words.clone()))),
            items: None,
        }
    }

    /// A kind from its words and a reading with errors of its own.
    pub(crate) fn from_fn(
        allowed: impl Into<String>,
        read: impl Fn(&Node) -> Result<T, ConfigError> + 'static,
    ) -> Self {
        Self {
            allowed: allowed.into(),
            secret: false,
            read: Box::new(read),
            items: None,
        }
    }
}

impl<T> Kind<T> {
    /// Reads a value. A text from the environment may also be the TOML it spells.
    pub(crate) fn parse(&self, node: &Node) -> Result<T, ConfigError> {
        let first = (self.read)(node);
        let value = match (first, node.reread()) {
            (Err(error), Some(again)) => (self.read)(&again).map_err(|_| error),
            (result, _) => result,
        };
        value.map_err(|error| {
            if self.secret {
                error.found("something else")
            } else {
                error
            }
        })
    }
}

impl<T> Kind<T> {
    /// The value as it was understood: what `config show` prints. The environment has only texts, and
    /// `"0x20"` for a number would leave it to the reader what that came to.
    pub(crate) fn understood(&self, node: &Node) -> Node {
        let taken = match (self.read)(node) {
            Ok(_) => node.clone(),
            Err(_) => node.reread().unwrap_or_else(|| node.clone()),
        };
        match &self.items {
            Some(items) => items(&taken),
            None => taken,
        }
    }
}

/// Any text.
pub(crate) fn text() -> Kind<String> {
    Kind::new("a text", |node| match &node.value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    })
}

/// A text; an empty one means none.
pub(crate) fn text_or_empty() -> Kind<Option<String>> {
    Kind::new("a text; empty for none", |node| match &node.value {
        Value::Text(text) => Some((!text.is_empty()).then(|| text.clone())),
        _ => None,
    })
}

/// A URL of HTTP; an empty text means none.
pub(crate) fn url_or_empty() -> Kind<Option<String>> {
    let is_url = |text: &str| {
        text.parse::<Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some()
        })
    };
    Kind::new(
        "a URL that begins with https:// or http://; empty for none",
        move |node| match &node.value {
            Value::Text(text) if text.is_empty() => Some(None),
            Value::Text(text) if is_url(text) => Some(Some(text.clone())),
            _ => None,
        },
    )
}

/// The name of a Region.
pub(crate) fn region() -> Kind<String> {
    let is_region = |text: &str| {
        let parts: Vec<&str> = text.split('-').collect();
        let words = |parts: &[&str]| {
            let word =
                |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
            parts.len() >= 2 && parts.iter().all(word)
        };
        let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        parts
            .split_last()
            .is_some_and(|(last, first)| number(last) && words(first))
    };
    Kind::new("a Region such as \"us-east-1\"", move |node| {
        match &node.value {
            Value::Text(text) if is_region(text) => Some(text.clone()),
            _ => None,
        }
    })
}

/// A text that a domain type accepts.
pub(crate) fn parsed<T>(allowed: &str) -> Kind<T>
where
    T: FromStr + 'static,
    T::Err: Display,
{
    Kind::new(allowed, |node| match &node.value {
        Value::Text(text) => text.parse().ok(),
        _ => None,
    })
}

/// A text that is never shown.
pub(crate) fn secret() -> Kind<SecretString> {
    let kind = Kind::new("a text", |node: &Node| match &node.value {
        Value::Text(text) if !text.is_empty() => Some(SecretString::from(text.clone())),
        // In the environment everything is a text, so this one is as it stands.
        _ => None,
    });
    Kind {
        secret: true,
        ..kind
    }
}

/// `true` or `false`.
pub(crate) fn boolean() -> Kind<bool> {
    Kind::new("true or false", |node| match node.value {
        Value::Boolean(value) => Some(value),
        _ => None,
    })
}

/// A whole number.
pub(crate) fn count(least: i64, most: i64) -> Kind<u64> {
    Kind::new(
        format!("a whole number from {least} to {most}"),
        move |node| match node.value {
            Value::Integer(value) if (least..=most).contains(&value) => u64::try_from(value).ok(),
            _ => None,
        },
    )
}

/// A number, fractions included.
pub(crate) fn number(above: f64, most: f64) -> Kind<f64> {
    Kind::new(
        format!("a number above {above} and at most {most}"),
        move |node| {
            let value = match node.value {
                Value::Float(value) => value,
                #[expect(clippy::cast_precision_loss, reason = "a setting is nowhere near 2^53")]
                Value::Integer(value) => value as f64,
                _ => return None,
            };
            (value > above && value <= most).then_some(value)
        },
    )
}

/// A part of a whole as a percentage, such as `"10%"`; kept as a share from 0 to 1.
pub(crate) fn percent() -> Kind<f64> {
    Kind::new(
        "a percentage such as \"10%\", from 0% to 100%",
        |node| match &node.value {
            Value::Text(text) => {
                let share = text.strip_suffix('%')?.trim().parse::<f64>().ok()? / 100.0;
                (0.0..=1.0).contains(&share).then_some(share)
            }
            _ => None,
        },
    )
}

/// A span of time, such as `"90s"`, `"1h30m"`.
pub(crate) fn duration(least: &'static str, most: &'static str) -> Kind<Duration> {
    let bounds = parse_duration(least).zip(parse_duration(most));
    Kind::new(
        format!("a span of time such as \"90s\" or \"1h30m\", from {least} to {most}"),
        move |node| match &node.value {
            Value::Text(text) => {
                let value = parse_duration(text)?;
                let (least, most) = bounds?;
                (least..=most).contains(&value).then_some(value)
            }
            _ => None,
        },
    )
}

fn parse_duration(text: &str) -> Option<Duration> {
    let span: jiff::Span = text.parse().ok()?;
    // A day is 24 hours here: there is no place whose clock changes could matter.
    let seconds = span
        .total((
            jiff::Unit::Second,
            jiff::SpanRelativeTo::days_are_24_hours(),
        ))
        .ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// One of a few words.
pub(crate) fn one_of<T: Copy + 'static>(words: &'static [(&'static str, T)]) -> Kind<T> {
    let names: Vec<String> = words.iter().map(|(word, _)| quoted(word)).collect();
    Kind::new(one_of_words(&names), move |node| match &node.value {
        Value::Text(text) => words
            .iter()
            .find(|(word, _)| word == text)
            .map(|(_, value)| *value),
        _ => None,
    })
}

fn one_of_words(names: &[String]) -> String {
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

/// A list of one kind. From the environment also the values with commas between.
pub(crate) fn list<T: 'static>(inner: Kind<T>) -> Kind<Vec<T>> {
    let allowed = format!("a list; each item {}", inner.allowed);
    let inner = Rc::new(inner);
    let shown = Rc::clone(&inner);
    let kind = Kind::from_fn(allowed.clone(), move |node| {
        let items = items_of(node).ok_or_else(|| node.wrong(allowed.clone()))?;
        items.iter().map(|item| inner.parse(item)).collect()
    });
    let understood = move |node: &Node| match items_of(node) {
        Some(items) => Node {
            value: Value::List(items.iter().map(|item| shown.understood(item)).collect()),
            ..node.clone()
        },
        None => node.clone(),
    };
    Kind {
        items: Some(Box::new(understood)),
        ..kind
    }
}

fn items_of(node: &Node) -> Option<Vec<Node>> {
    match (&node.value, &node.origin) {
        (Value::List(items), _) => Some(items.clone()),
        (Value::Text(text), Origin::Env(_)) if !text.starts_with('[') => {
            let parts = text.split(',').map(str::trim);
            let item = |part: &str| Node {
                value: Value::Text(part.to_owned()),
                ..node.clone()
            };
            Some(parts.filter(|part| !part.is_empty()).map(item).collect())
        }
        _ => None,
    }
}

/// A list that has something in it.
pub(crate) fn some<T: 'static>(inner: Kind<T>) -> Kind<Vec<T>> {
    let Kind {
        allowed,
        read,
        items,
        ..
    } = list(inner);
    let allowed = format!("{allowed}; one at least");
    let kind = Kind::from_fn(allowed.clone(), move |node| {
        let all = read(node)?;
        if all.is_empty() {
            return Err(node.wrong(allowed.clone()));
        }
        Ok(all)
    });
    Kind { items, ..kind }
}

/// A table of names and texts, such as tags.
pub(crate) fn texts() -> Kind<BTreeMap<String, String>> {
    Kind::from_fn("a table of texts", |node| match &node.value {
        Value::Table(table) => table
            .iter()
            .map(|(name, item)| Ok((name.clone(), text().parse(item)?)))
            .collect(),
        _ => Err(node.wrong("a table of texts, such as { team = \"security\" }")),
    })
}
