//! What every command has at hand.

use std::path::PathBuf;

use crate::args::Global;
use crate::config::{self, Config, Environment};
use crate::failure::Failure;
use crate::output::Terminal;
use crate::specs::Specs;

/// The command line's common part, the environment and the terminal.
#[derive(Clone, Debug)]
pub(crate) struct App {
    /// What was said to every command.
    pub(crate) global: Global,
    /// The process environment.
    pub(crate) environment: Environment,
    /// Where results and messages go.
    pub(crate) terminal: Terminal,
}

impl App {
    /// The configuration file that is meant.
    pub(crate) fn config_path(&self) -> Result<PathBuf, Failure> {
        Ok(config::find(
            self.global.config.as_deref(),
            &self.environment,
        )?)
    }

    /// The configuration.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        let config = config::load(&self.config_path()?, &self.environment)?;
        // What is wrong in the documents is as wrong as a misspelled key, and is said as early.
        let (_, warnings) = Specs::new(&config)?;
        for warning in warnings {
            self.terminal.warn(&warning);
        }
        Ok(config)
    }

    /// Who gives the command, for the journal.
    pub(crate) fn person(&self) -> String {
        let user = self
            .environment
            .get("SUDO_USER")
            .or_else(|| self.environment.get("USER"));
        match user {
            Some(user) => format!("{user} at the command line"),
            None => "the command line".to_owned(),
        }
    }
}
