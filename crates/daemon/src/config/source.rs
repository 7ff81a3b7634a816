//! Where settings come from: one file, and the environment over it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::{Config as Layers, ConfigError as LayerError, Map, Source, Value as Raw, ValueKind};

use super::error::{ConfigError, Origin};
use super::node::{Node, Value, join};

/// What an environment variable begins with to be a setting.
const PREFIX: &str = "ROLEKEEPER__";
/// Where the file is looked for when nobody names one.
const SEARCHED: [&str; 2] = ["rolekeeper.toml", "/etc/rolekeeper/rolekeeper.toml"];

/// The process environment, read once. The only door to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The real one. Variables that are no text are left out: none of ours is one.
    pub(crate) fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
        )
    }

    /// A variable; none when it is not set or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }
}

/// The file that will be read: the one that was named, or the first that is there.
pub(crate) fn find(
    named: Option<&Path>,
    environment: &Environment,
) -> Result<PathBuf, ConfigError> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    if let Some(path) = environment.get("ROLEKEEPER_CONFIG") {
        return Ok(PathBuf::from(path));
    }
    SEARCHED
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.exists())
        .ok_or_else(|| {
            ConfigError::new(
                Origin::Default,
                String::new(),
                format!(
                    "no configuration file: neither {} is there",
                    SEARCHED.join(" nor ")
                ),
                "a file named with --config or ROLEKEEPER_CONFIG, or one of these two".to_owned(),
            )
            .with_help(
                "`rolekeeper demo` needs none; docs/CONFIGURATION.md shows one of ten lines"
                    .to_owned(),
            )
        })
}

/// Reads the file and lays the environment over it.
pub(crate) fn layers(path: &Path, environment: &Environment) -> Result<Node, ConfigError> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|problem| {
        ConfigError::new(
            Origin::File {
                name: name.clone(),
                line: None,
            },
            String::new(),
            format!("a file that cannot be read: {problem}"),
            "a TOML file that this user may read".to_owned(),
        )
    })?;
    merge(&name, &text, environment)
}

/// Lays the environment over the text of a file.
pub(crate) fn merge(
    name: &str,
    text: &str,
    environment: &Environment,
) -> Result<Node, ConfigError> {
    let lines = Lines::of(name, text)?;
    let broken = |problem: LayerError| {
        ConfigError::new(
            Origin::File {
                name: name.to_owned(),
                line: None,
            },
            String::new(),
            problem.to_string(),
            "TOML".to_owned(),
        )
    };
    let merged = Layers::builder()
        .add_source(config::File::from_str(text, config::FileFormat::Toml))
        .add_source(Overlay::of(environment))
        .build()
        .map_err(broken)?;
    let root = Raw::new(None, merged.cache.into_table().map_err(broken)?);
    let mut node = tree(&root, "", &lines);
    node.origin = lines.origin("");
    Ok(node)
}

/// The environment's settings, each with the name of its variable.
#[derive(Clone, Debug)]
struct Overlay(Vec<(String, Raw)>);

impl Overlay {
    fn of(environment: &Environment) -> Self {
        let settings = environment.0.iter().filter_map(|(name, value)| {
            let path = name.strip_prefix(PREFIX)?;
            let origin = name.clone();
            Some((
                expression(path),
                Raw::new(Some(&origin), ValueKind::String(value.clone())),
            ))
        });
        Self(settings.collect())
    }
}

/// `ROLES__0__NAME` as `roles[0].name`.
fn expression(variable: &str) -> String {
    let mut path = String::new();
    for segment in variable.to_lowercase().split("__") {
        if !segment.is_empty()
            && segment.bytes().all(|byte| byte.is_ascii_digit())
            && !path.is_empty()
        {
            path.push('[');
            path.push_str(segment);
            path.push(']');
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(segment);
        }
    }
    path
}

impl Source for Overlay {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Raw>, LayerError> {
        Ok(self.0.iter().cloned().collect())
    }
}

/// The line of each key of a file.
struct Lines<'a> {
    name: &'a str,
    by_path: BTreeMap<String, usize>,
}

impl<'a> Lines<'a> {
    fn of(name: &'a str, text: &str) -> Result<Self, ConfigError> {
        let table = toml::de::DeTable::parse(text).map_err(|problem| {
            let line = problem.span().map(|span| line_at(text, span.start));
            ConfigError::new(
                Origin::File {
                    name: name.to_owned(),
                    line,
                },
                String::new(),
                problem.message().trim().replace('\n', "; "),
                "TOML".to_owned(),
            )
        })?;
        let mut by_path = BTreeMap::new();
        walk_table(table.get_ref(), "", text, &mut by_path);
        Ok(Self { name, by_path })
    }

    /// The file with the line of the key, or of the nearest key above it.
    fn origin(&self, path: &str) -> Origin {
        Origin::File {
            name: self.name.to_owned(),
            line: self.by_path.get(path).copied(),
        }
    }
}

fn walk_table(
    table: &toml::de::DeTable<'_>,
    path: &str,
    text: &str,
    lines: &mut BTreeMap<String, usize>,
) {
    for (key, value) in table {
        let below = join(path, key.get_ref());
        lines.insert(below.clone(), line_at(text, key.span().start));
        walk_value(value, &below, text, lines);
    }
}

fn walk_value(
    value: &toml::Spanned<toml::de::DeValue<'_>>,
    path: &str,
    text: &str,
    lines: &mut BTreeMap<String, usize>,
) {
    match value.get_ref() {
        toml::de::DeValue::Table(table) => walk_table(table, path, text, lines),
        toml::de::DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let below = format!("{path}[{index}]");
                lines.insert(below.clone(), line_at(text, item.span().start));
                walk_value(item, &below, text, lines);
            }
        }
        _ => {}
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text
        .bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
}

fn tree(raw: &Raw, path: &str, lines: &Lines<'_>) -> Node {
    let origin = match raw.origin() {
        Some(variable) if variable.starts_with(PREFIX) => Origin::Env(variable.to_owned()),
        _ => lines.origin(path),
    };
    let value = match &raw.kind {
        ValueKind::Nil => Value::Text(String::new()),
        ValueKind::Boolean(value) => Value::Boolean(*value),
        ValueKind::I64(value) => Value::Integer(*value),
        ValueKind::U64(value) => {
            i64::try_from(*value).map_or_else(|_| Value::Text(value.to_string()), Value::Integer)
        }
        ValueKind::I128(value) => Value::Text(value.to_string()),
        ValueKind::U128(value) => Value::Text(value.to_string()),
        ValueKind::Float(value) => Value::Float(*value),
        ValueKind::String(text) => Value::Text(text.clone()),
        ValueKind::Array(items) => Value::List(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| tree(item, &format!("{path}[{index}]"), lines))
                .collect(),
        ),
        // Into a sorted map at once: the order of the hash map ends here.
        ValueKind::Table(table) => Value::Table(
            table
                .iter()
                .map(|(key, item)| (key.clone(), tree(item, &join(path, key), lines)))
                .collect(),
        ),
    };
    Node {
        path: path.to_owned(),
        origin,
        value,
    }
}
