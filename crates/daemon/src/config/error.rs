//! One way to say that a setting is wrong.

use std::fmt;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The configuration file, and the line where known.
    File {
        /// As it was named.
        name: String,
        /// Counted from 1.
        line: Option<usize>,
    },
    /// An environment variable.
    Env(String),
    /// A preset.
    Preset(&'static str),
    /// Nobody set it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File {
                name,
                line: Some(line),
            } => write!(f, "{name}:{line}"),
            Self::File { name, line: None } => f.write_str(name),
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::Preset(name) => write!(f, "preset {name}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One mistake in the configuration: where, which key, what stands there, what may stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// The file and line, or the environment variable.
    pub(crate) at: Origin,
    /// The key with everything above it, such as `limits.concurrency`. Empty when it is about the whole file.
    pub(crate) key: String,
    /// What was found, in words.
    pub(crate) found: String,
    /// What may stand there, in words. Empty when there is nothing to say.
    pub(crate) allowed: String,
    /// What to do about it, where that is known.
    pub(crate) help: Option<String>,
}

/// A [`Mistake`], as an error. Boxed: every setting is read through a `Result`, and hardly any is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) struct ConfigError(Box<Mistake>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mistake {
            at,
            key,
            found,
            allowed,
            help,
        } = self.0.as_ref();
        match (at, key.is_empty()) {
            // About no value at all: there is no configuration.
            (Origin::Default, true) => f.write_str("configuration")?,
            _ => write!(f, "{at}")?,
        }
        if !key.is_empty() {
            write!(f, ": {key}")?;
        }
        write!(f, "\n  found:   {found}")?;
        if !allowed.is_empty() {
            write!(f, "\n  allowed: {allowed}")?;
        }
        if let Some(help) = help {
            write!(f, "\n  help:    {help}")?;
        }
        Ok(())
    }
}

impl ConfigError {
    /// A mistake.
    pub(crate) fn new(
        at: Origin,
        key: impl Into<String>,
        found: impl Into<String>,
        allowed: impl Into<String>,
    ) -> Self {
        Self(Box::new(Mistake {
            at,
            key: key.into(),
            found: found.into(),
            allowed: allowed.into(),
            help: None,
        }))
    }

    /// The same mistake with a hint.
    #[must_use]
    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// The same mistake, found in other words.
    #[must_use]
    pub(crate) fn found(mut self, found: impl Into<String>) -> Self {
        self.0.found = found.into();
        self
    }
}
