//! Why a command could not do its work, for the person who gave it.

use std::error::Error;

use rolekeeper_aws::BuildError;
use rolekeeper_domain::fault::Category;
use rolekeeper_engine::SweepError;
use rolekeeper_engine::port::store::StoreError;
use rolekeeper_store::OpenError;

use crate::config::ConfigError;
use crate::exit::Exit;
use crate::output::{Terminal, plain};

/// One failure of a command.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    help: Option<String>,
}

impl Failure {
    /// A failure in one's own words.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Error,
            message: message.into(),
            help: None,
        }
    }

    /// The same, with what to do about it.
    #[must_use]
    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What went wrong.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub(crate) fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Somebody pressed Ctrl-C.
    pub(crate) fn interrupted() -> Self {
        Self {
            exit: Exit::Interrupted,
            message: "interrupted".to_owned(),
            help: None,
        }
    }

    /// Tells it and says how the process ends.
    pub(crate) fn tell(&self, terminal: &Terminal) -> Exit {
        terminal.error(&self.message);
        if let Some(help) = &self.help {
            terminal.tell(&format!("help:  {help}"));
        }
        self.exit
    }
}

/// An error with its causes, in one line.
pub(crate) fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    plain(&text)
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::new(whole(&error))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(whole(&error))
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        Self::new(whole(&error))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(whole(&error))
    }
}

impl From<SweepError> for Failure {
    fn from(error: SweepError) -> Self {
        let failure = Self::new(whole(&error));
        match remedy(&error) {
            Some(help) => failure.with_help(help),
            None => failure,
        }
    }
}

/// How a daemon gets a way to write.
const AUDIT_ONLY: &str = "set schedule.repair_on_request = true, or schedule.mode = \"repair\", and start it again; \
     or repair from a command line: `rolekeeper apply`";

/// What most often helps.
pub(crate) fn remedy(error: &SweepError) -> Option<&'static str> {
    match error {
        SweepError::Credentials(_) => Some(
            "rolekeeper takes the credentials that the AWS command line would: AWS_PROFILE or aws.profile, \
             AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the role of the container or instance it runs in",
        ),
        SweepError::Census(_) => match error.fault()?.category {
            Category::AccessDenied => Some(
                "only the management account or a delegated administrator may list the organization; \
                 `rolekeeper iam-policy hub` prints what the hub needs, aws.organization_role_arn names a role that may",
            ),
            Category::Network | Category::Timeout => {
                Some("is the network or aws.endpoint_url right?")
            }
            _ => None,
        },
        SweepError::Halted { .. } => Some("`rolekeeper resume` lifts the halt"),
        SweepError::AuditOnly => Some(AUDIT_ONLY),
        SweepError::NotLeader { .. } => Some(
            "a daemon keeps it for as long as it runs: ask it to repair, on its page or by POST /api/v1/sweeps \
             (schedule.repair_on_request), or stop it first; the lease of a process that was killed ends by itself",
        ),
        SweepError::NoSuchAccount { .. } => Some("`rolekeeper accounts` lists all there are"),
        SweepError::NoSuchSweep { .. } => Some("`rolekeeper sweeps` lists all there are"),
        SweepError::Forgotten { .. } => Some(
            "what it did may be in an export of the journal; correct the specification and let a sweep put it right",
        ),
        SweepError::Irreversible { .. } => Some(
            "make the user and its keys anew if they are needed; everything the sweep did is in `rolekeeper history ACCOUNT`",
        ),
        SweepError::Frozen { .. } => Some("rollout.freeze says when"),
        SweepError::Unreadable { .. } => {
            Some("name the other accounts with --accounts, and undo this one by hand")
        }
        SweepError::Store(_) => None,
    }
}
