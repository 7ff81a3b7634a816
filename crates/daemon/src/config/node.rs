//! The configuration as a tree in which each value knows its key and where it came from.

use std::collections::BTreeMap;

use super::error::{ConfigError, Origin};

/// One value of the tree.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// Its key with everything above it, such as `roles[0].name`.
    pub(crate) path: String,
    /// Where it came from.
    pub(crate) origin: Origin,
    /// The value itself.
    pub(crate) value: Value,
}

/// What TOML can say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
}

impl Node {
    /// What stands there, in words that fit into an error.
    pub(crate) fn describe(&self) -> String {
        match &self.value {
            Value::Boolean(value) => value.to_string(),
            Value::Integer(value) => format!("the number {value}"),
            Value::Float(value) => format!("the number {value}"),
            Value::Text(text) if text.is_empty() => "an empty text".to_owned(),
            Value::Text(text) => format!("the text {}", quoted(&shortened(text))),
            Value::List(_) => "a list".to_owned(),
            Value::Table(_) => "a table".to_owned(),
        }
    }

    /// The value as TOML would write it on one line.
    pub(crate) fn to_toml(&self) -> String {
        match &self.value {
            Value::Boolean(value) => value.to_string(),
            Value::Integer(value) => value.to_string(),
            Value::Float(value) => value.to_string(),
            Value::Text(text) => quoted(text),
            Value::List(items) => {
                let items: Vec<String> = items.iter().map(Self::to_toml).collect();
                format!("[{}]", items.join(", "))
            }
            Value::Table(table) => {
                let pairs: Vec<String> = table
                    .iter()
                    .map(|(key, node)| format!("{} = {}", bare(key), node.to_toml()))
                    .collect();
                if pairs.is_empty() {
                    "{}".to_owned()
                } else {
                    format!("{{ {} }}", pairs.join(", "))
                }
            }
        }
    }

    /// The error that this value is none of the allowed ones.
    pub(crate) fn wrong(&self, allowed: impl Into<String>) -> ConfigError {
        ConfigError::new(
            self.origin.clone(),
            self.path.clone(),
            self.describe(),
            allowed.into(),
        )
    }

    /// The same value, if it is a text from the environment, as the TOML it may be: `8`, `true`, `["a"]`.
    pub(crate) fn reread(&self) -> Option<Self> {
        let (Origin::Env(_), Value::Text(text)) = (&self.origin, &self.value) else {
            return None;
        };
        let table = toml::de::DeTable::parse(&format!("value = {text}"))
            .ok()
            .map(|_| ());
        table?;
        let parsed: toml::Table = toml::from_str(&format!("value = {text}")).ok()?;
        Some(from_toml(parsed.get("value")?, &self.path, &self.origin))
    }
}

/// A tree made of a TOML value.
pub(crate) fn from_toml(value: &toml::Value, path: &str, origin: &Origin) -> Node {
    let inner = match value {
        toml::Value::Boolean(value) => Value::Boolean(*value),
        toml::Value::Integer(value) => Value::Integer(*value),
        toml::Value::Float(value) => Value::Float(*value),
        toml::Value::String(text) => Value::Text(text.clone()),
        toml::Value::Datetime(moment) => Value::Text(moment.to_string()),
        toml::Value::Array(items) => Value::List(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| from_toml(item, &format!("{path}[{index}]"), origin))
                .collect(),
        ),
        toml::Value::Table(table) => Value::Table(
            table
                .iter()
                .map(|(key, item)| (key.clone(), from_toml(item, &join(path, key), origin)))
                .collect(),
        ),
    };
    Node {
        path: path.to_owned(),
        origin: origin.clone(),
        value: inner,
    }
}

/// A key below another.
pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        bare(key)
    } else {
        format!("{path}.{}", bare(key))
    }
}

/// A text in TOML's quotes.
pub(crate) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn bare(key: &str) -> String {
    let plain = !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if plain { key.to_owned() } else { quoted(key) }
}

fn shortened(text: &str) -> String {
    const MOST: usize = 80; // enough to recognize what one wrote, short enough for one line
    if text.chars().count() <= MOST {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(MOST).collect::<String>())
    }
}
