//! Telling people: webhooks for what somebody must act on.
//!
//! Level-triggered like everything else: [`scan`] looks at what the store says
//! (findings, halt, sweeps, approvals) and puts a notice for each thing into the
//! durable outbox, once per webhook; [`deliver`] empties the outbox. A process
//! that dies between the two, or before the first, loses nothing: the next scan
//! sees the same facts, and the outbox knows what it has already told, each finding
//! by itself.

mod body;
mod deliver;
mod groups;
mod post;
mod scan;
#[cfg(test)]
mod tests;

pub(crate) use self::deliver::deliver;
pub(crate) use self::post::HttpPost;
pub(crate) use self::scan::Scan;

use std::collections::BTreeSet;
use std::fmt;

use secrecy::SecretString;

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NoticeKind {
    /// Somebody can do more than agreed, since this sweep.
    CriticalDrift,
    /// Writes are halted.
    Halted,
    /// A sweep could not be carried out.
    SweepFailed,
    /// A repair waits for somebody's approval.
    ApprovalWanted,
}

impl NoticeKind {
    /// Every kind.
    pub(crate) const ALL: [Self; 4] = [
        Self::CriticalDrift,
        Self::Halted,
        Self::SweepFailed,
        Self::ApprovalWanted,
    ];

    /// The name used in the configuration and in bodies.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::CriticalDrift => "critical_drift",
            Self::Halted => "halted",
            Self::SweepFailed => "sweep_failed",
            Self::ApprovalWanted => "approval_wanted",
        }
    }

    /// The kind of that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for NoticeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The shape of the body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// rolekeeper's own JSON.
    #[default]
    Generic,
    /// What Slack's incoming webhooks, and many that imitate them, take.
    Slack,
}

/// One webhook of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Webhook {
    /// Its name in logs and in the outbox: never the URL, which may hold a secret.
    pub(crate) name: String,
    /// Where to.
    pub(crate) url: SecretString,
    /// The key of the signature; none: bodies go unsigned.
    pub(crate) secret: Option<SecretString>,
    /// What it wants to hear of.
    pub(crate) on: BTreeSet<NoticeKind>,
    /// The shape it wants.
    pub(crate) format: Format,
}
