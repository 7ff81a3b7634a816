//! What can go wrong in a developer command.

use std::error::Error;
use std::io;
use std::path::PathBuf;

/// Why a command did not succeed. `Display` says this layer only; [`Failure::chain`]
/// says all of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A program could not be started at all.
    #[error("{program} could not be started")]
    Start {
        program: String,
        #[source]
        source: io::Error,
    },
    /// A program ran and said no.
    #[error("{command} ended with {status}")]
    Exit { command: String, status: String },
    /// A file or folder could not be used.
    #[error("{}: {doing}", path.display())]
    File {
        path: PathBuf,
        doing: &'static str,
        #[source]
        source: io::Error,
    },
    /// Something that a step needs is neither here nor could be installed.
    #[error("{tool} is missing: {remedy}")]
    Missing { tool: String, remedy: String },
    /// A check found something wrong.
    #[error("{0}")]
    Found(String),
    /// Some of the steps failed; each has said why.
    #[error("failed: {}", .0.join(", "))]
    Steps(Vec<&'static str>),
}

impl Failure {
    /// This failure and what caused it, on one line.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }

    /// For `map_err`: what was being done to which file.
    pub(crate) fn file(
        path: impl Into<PathBuf>,
        doing: &'static str,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            path,
            doing,
            source,
        }
    }
}
