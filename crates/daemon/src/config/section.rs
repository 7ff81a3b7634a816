//! A table that is being read: what nobody asks for is a mistake.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use secrecy::SecretString;

use super::error::{ConfigError, Origin};
use super::kind::Kind;
use super::node::{Node, Value, from_toml, join, quoted};

/// One value as `config show` prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Its key.
    pub(crate) key: String,
    /// Its value as TOML; `"(hidden)"` for a secret.
    pub(crate) value: String,
    /// Where it came from.
    pub(crate) origin: Origin,
}

/// What every table of one reading shares.
#[derive(Debug, Default)]
pub(crate) struct Context {
    /// What relative paths are relative to.
    pub(crate) folder: PathBuf,
    /// Everything that was read, in the order of reading.
    pub(crate) shown: RefCell<Vec<Shown>>,
}

/// A table that is being read. What nobody asks for is a mistake.
pub(crate) struct Section<'a> {
    path: String,
    table: BTreeMap<String, Node>,
    origin: Origin,
    asked: RefCell<BTreeSet<String>>,
    context: &'a Context,
}

impl<'a> Section<'a> {
    /// The table `node`; an error if it is something else.
    pub(crate) fn open(node: &Node, context: &'a Context) -> Result<Self, ConfigError> {
        match &node.value {
            Value::Table(table) => Ok(Self {
                path: node.path.clone(),
                table: table.clone(),
                origin: node.origin.clone(),
                asked: RefCell::default(),
                context,
            }),
            _ => Err(node.wrong("a table")),
        }
    }

    /// A table below this one; an empty one when it is not there.
    pub(crate) fn section(&self, name: &str) -> Result<Section<'a>, ConfigError> {
        match self.take(name) {
            Some(node) => Section::open(&node, self.context),
            None => Ok(Section {
                path: join(&self.path, name),
                table: BTreeMap::new(),
                origin: Origin::Default,
                asked: RefCell::default(),
                context: self.context,
            }),
        }
    }

    /// The tables of an array of tables below this one; none when it is not there.
    pub(crate) fn sections(&self, name: &str) -> Result<Vec<Section<'a>>, ConfigError> {
        let Some(node) = self.take(name) else {
            return Ok(Vec::new());
        };
        match &node.value {
            Value::List(items) => items
                .iter()
                .map(|item| Section::open(item, self.context))
                .collect(),
            _ => Err(node.wrong(format!("a list of tables: [[{}]]", node.path))),
        }
    }

    /// The value of a key, or the default, which is written as TOML.
    pub(crate) fn default<T>(
        &self,
        name: &str,
        kind: &Kind<T>,
        toml: &str,
    ) -> Result<T, ConfigError> {
        let node = match self.take(name) {
            Some(node) => node,
            None => self.literal(name, toml, Origin::Default)?,
        };
        self.read(&node, kind)
    }

    /// The value of a key, if it is there.
    pub(crate) fn optional<T>(&self, name: &str, kind: &Kind<T>) -> Result<Option<T>, ConfigError> {
        self.take(name)
            .map(|node| self.read(&node, kind))
            .transpose()
    }

    /// The value of a key that has to be there.
    pub(crate) fn required<T>(&self, name: &str, kind: &Kind<T>) -> Result<T, ConfigError> {
        match self.take(name) {
            Some(node) => self.read(&node, kind),
            None => Err(self.missing(name, &kind.allowed)),
        }
    }

    /// The error that a key is missing.
    pub(crate) fn missing(&self, name: &str, allowed: &str) -> ConfigError {
        ConfigError::new(
            self.origin.clone(),
            join(&self.path, name),
            "nothing: the key is missing and has no default".to_owned(),
            allowed.to_owned(),
        )
    }

    /// An error about the whole table.
    pub(crate) fn wrong(
        &self,
        found: impl Into<String>,
        allowed: impl Into<String>,
    ) -> ConfigError {
        ConfigError::new(
            self.origin.clone(),
            self.path.clone(),
            found.into(),
            allowed.into(),
        )
    }

    /// An error about one key of the table, which is known to be there.
    pub(crate) fn wrong_at(
        &self,
        name: &str,
        found: impl Into<String>,
        allowed: impl Into<String>,
    ) -> ConfigError {
        match self.table.get(name) {
            Some(node) => ConfigError::new(
                node.origin.clone(),
                node.path.clone(),
                found.into(),
                allowed.into(),
            ),
            None => self.wrong(found, allowed),
        }
    }

    /// A policy document: inline when the text begins with a brace, else the name of a file.
    pub(crate) fn document(
        &self,
        name: &str,
        kind: &Kind<String>,
    ) -> Result<Option<String>, ConfigError> {
        let Some(node) = self.take(name) else {
            return Ok(None);
        };
        self.document_of(&node, kind).map(Some)
    }

    /// The same for a value that is already at hand.
    pub(crate) fn document_of(
        &self,
        node: &Node,
        kind: &Kind<String>,
    ) -> Result<String, ConfigError> {
        let text = self.read(node, kind)?;
        if text.trim_start().starts_with('{') {
            return Ok(text);
        }
        self.file(node, &text)
    }

    /// A secret: in place, or in the file that `NAME_file` names.
    pub(crate) fn secret(
        &self,
        name: &str,
        kind: &Kind<SecretString>,
    ) -> Result<Option<SecretString>, ConfigError> {
        let in_file = self
            .take(&format!("{name}_file"))
            .filter(|node| node.value != Value::Text(String::new()));
        match (self.take(name), in_file) {
            (Some(_), Some(file)) => Err(file
                .wrong(format!("one of `{name}` and `{name}_file`"))
                .found(format!("both `{name}` and `{name}_file`"))),
            (Some(node), None) => self.read(&node, kind).map(Some),
            (None, Some(node)) => {
                let text = self.read(&node, &super::kind::text())?;
                let secret = self.file(&node, &text)?;
                if secret.trim().is_empty() {
                    return Err(node
                        .wrong("a file with the secret in it")
                        .found(format!("the file \"{text}\", which is empty")));
                }
                Ok(Some(SecretString::from(secret.trim().to_owned())))
            }
            (None, None) => Ok(None),
        }
    }

    fn file(&self, node: &Node, name: &str) -> Result<String, ConfigError> {
        let path = self.context.folder.join(name);
        std::fs::read_to_string(&path).map_err(|problem| {
            node.wrong("a file that this user may read, relative to the configuration file")
                .found(format!("{}: {problem}", path.display()))
        })
    }

    /// Hides a value that was shown already and turned out to hold a password.
    pub(crate) fn hide(&self, name: &str) {
        let key = join(&self.path, name);
        for shown in self
            .context
            .shown
            .borrow_mut()
            .iter_mut()
            .filter(|shown| shown.key == key)
        {
            shown.value = quoted("(hidden)");
        }
    }

    /// The raw value of a key.
    pub(crate) fn take(&self, name: &str) -> Option<Node> {
        self.asked.borrow_mut().insert(name.to_owned());
        self.table.get(name).cloned()
    }

    /// Whether a key is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    /// The key of this table.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Where this table came from.
    pub(crate) const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Adds values under this table where nothing stands yet: what a preset does.
    pub(crate) fn fill(&mut self, keys: &toml::Table, preset: &'static str) {
        let origin = Origin::Preset(preset);
        for (key, value) in keys {
            if !self.table.contains_key(key) {
                self.table.insert(
                    key.clone(),
                    from_toml(value, &join(&self.path, key), &origin),
                );
            }
        }
    }

    /// Reads a value that was taken, and keeps it for `config show`.
    pub(crate) fn read<T>(&self, node: &Node, kind: &Kind<T>) -> Result<T, ConfigError> {
        let value = kind.parse(node)?;
        self.show(&kind.understood(node), kind.secret);
        Ok(value)
    }

    /// Keeps a value for `config show`.
    pub(crate) fn show(&self, node: &Node, secret: bool) {
        let value = if secret {
            quoted("(hidden)")
        } else {
            node.to_toml()
        };
        self.context.shown.borrow_mut().push(Shown {
            key: node.path.clone(),
            value,
            origin: node.origin.clone(),
        });
    }

    /// Ends the reading: a key that nobody asked for is a mistake.
    pub(crate) fn finish(&self) -> Result<(), ConfigError> {
        let asked = self.asked.borrow();
        let Some((name, node)) = self.table.iter().find(|(name, _)| !asked.contains(*name)) else {
            return Ok(());
        };
        let known: Vec<&str> = asked.iter().map(String::as_str).collect();
        let mut error = ConfigError::new(
            node.origin.clone(),
            node.path.clone(),
            "a key that does not exist".to_owned(),
            known.join(", "),
        );
        if let Some(near) = nearest(name, &known) {
            error = error.with_help(format!("did you mean `{}`?", join(&self.path, near)));
        }
        Err(error)
    }

    fn literal(&self, name: &str, toml: &str, origin: Origin) -> Result<Node, ConfigError> {
        let path = join(&self.path, name);
        let broken = |problem: String| {
            ConfigError::new(origin.clone(), path.clone(), problem, "TOML".to_owned())
        };
        let table: toml::Table = toml::from_str(&format!("value = {toml}"))
            .map_err(|problem| broken(problem.to_string()))?;
        let value = table
            .get("value")
            .ok_or_else(|| broken("nothing".to_owned()))?;
        Ok(from_toml(value, &path, &origin))
    }
}

/// The known name that a misspelled one most likely means.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).clamp(1, 3);
    known
        .iter()
        .map(|candidate| (distance(name, candidate), *candidate))
        .filter(|(edits, candidate)| {
            *edits <= allowed || (name.len() >= 4 && candidate.contains(name))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits between two words (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let replace = row.get(j).copied().unwrap_or(usize::MAX) + usize::from(from != *to);
            let delete = row.get(j + 1).copied().unwrap_or(usize::MAX) + 1;
            let insert = next.last().copied().unwrap_or(usize::MAX) + 1;
            next.push(replace.min(delete).min(insert));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
