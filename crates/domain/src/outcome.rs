//! What came of it.

use std::fmt;

use jiff::Timestamp;

use crate::account::AccountId;
use crate::call::Operation;
use crate::drift::Drift;
use crate::fault::Fault;

macro_rules! names {
    ($(#[$meta:meta])* $type:ident { $($(#[$vmeta:meta])* $variant:ident = $name:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type { $($(#[$vmeta])* $variant),+ }

        impl $type {
            /// Every value, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name used in JSON, metrics and the store.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The value of that name.
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == name)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

names! {
    /// An account's outcome in a sweep.
    Outcome {
        /// Everything was read and nothing differs.
        InSync = "in_sync",
        /// Something differs and was not (wholly) repaired.
        Drifted = "drifted",
        /// Something differed, was repaired, and reads back right.
        Repaired = "repaired",
        /// It could not be read or repaired.
        Failed = "failed",
        /// It was left out, with a reason.
        Skipped = "skipped",
        /// The sweep ended before it was reached.
        Pending = "pending",
    }
}

names! {
    /// Why an account was left out.
    SkipReason {
        /// No include rule matches it.
        NotSelected = "not_selected",
        /// An exclude rule matches it.
        Excluded = "excluded",
        /// AWS suspended it.
        Suspended = "suspended",
        /// It is being closed.
        PendingClosure = "pending_closure",
        /// It is closed.
        Closed = "closed",
        /// It is not usable yet.
        PendingActivation = "pending_activation",
        /// It is the management account and the configuration skips that.
        ManagementAccount = "management_account",
    }
}

names! {
    /// Whether a sweep may write.
    Mode {
        /// Reads and reports; never writes.
        Audit = "audit",
        /// Reads and repairs.
        Repair = "repair",
    }
}

names! {
    /// How a sweep ended.
    SweepOutcome {
        /// Every selected account has an outcome.
        Completed = "completed",
        /// Writes were halted on the way.
        Halted = "halted",
        /// Somebody ended it.
        Cancelled = "cancelled",
        /// It could not be carried out: no trustworthy listing, no store.
        Failed = "failed",
    }
}

names! {
    /// Who or what asked for a sweep.
    Trigger {
        /// The schedule.
        Schedule = "schedule",
        /// A person at the command line.
        CommandLine = "command_line",
        /// An API call.
        Api = "api",
        /// An event from AWS.
        Event = "event",
        /// The start of the daemon.
        Startup = "startup",
        /// A rollback.
        Rollback = "rollback",
        /// A temporary user is retired.
        RetireUser = "retire_user",
        /// An account outside the organization is provisioned.
        Bootstrap = "bootstrap",
    }
}

impl Trigger {
    /// What asks for a sweep that is about single accounts: it says nothing about the organization.
    pub const OF_SINGLE_ACCOUNTS: [Self; 4] = [
        Self::RetireUser,
        Self::Bootstrap,
        Self::Rollback,
        Self::Event,
    ];
}

names! {
    /// What became of a step.
    StepResult {
        /// A repair would take it.
        Planned = "planned",
        /// Taken, and AWS said yes.
        Done = "done",
        /// Taken, and AWS said no or nothing.
        Failed = "failed",
        /// Not taken: its precondition no longer held, or a guard said no.
        Refused = "refused",
        /// Not part of the plan, with a reason.
        Withheld = "withheld",
    }
}

impl StepResult {
    /// Whether the step reached AWS.
    pub const fn is_taken(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }
}

/// A sweep's id: sorts by time of start, safe in file names and session names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SweepId(String);

impl SweepId {
    /// An id from the time of start and a random part.
    pub fn new(started_at: Timestamp, salt: u32) -> Self {
        Self(format!(
            "{}-{salt:08x}",
            started_at.strftime("%Y%m%dT%H%M%SZ")
        ))
    }

    /// The id of that text, if it has the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let fits = !text.is_empty() && text.len() <= 40 && text.bytes().all(allowed);
        fits.then(|| Self(text.to_owned()))
    }

    /// The second in which the sweep began, if the id tells.
    pub fn begun_at(&self) -> Option<Timestamp> {
        let (time, _) = self.0.split_once('-')?;
        time.parse().ok()
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SweepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One step in a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepReport {
    /// The call.
    pub operation: Operation,
    /// What it changes.
    pub resource: String,
    /// What became of it.
    pub result: StepResult,
    /// Why, unless it was planned or done.
    pub reason: Option<String>,
}

/// What a sweep says about one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountReport {
    /// The account.
    pub account: AccountId,
    /// Its name, as Organizations gave it.
    pub name: String,
    /// Its place, in names.
    pub ou_path: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Why it was skipped, is pending or was not repaired.
    pub reason: Option<String>,
    /// What failed, when [`Outcome::Failed`].
    pub failure: Option<Fault>,
    /// The differences found, the worst first. They stand, but where the outcome is [`Outcome::Repaired`].
    pub drifts: Vec<Drift>,
    /// Differences that were put right in this sweep while others stand. Where none stands any more
    /// the outcome is [`Outcome::Repaired`], and they are among `drifts`.
    pub mended: Vec<Drift>,
    /// The steps planned or taken.
    pub steps: Vec<StepReport>,
    /// When the account was last looked at in this sweep.
    pub observed_at: Timestamp,
    /// How long its walk took, in milliseconds.
    pub duration_ms: u64,
}

/// How many accounts have which outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the outcome of that name")]
pub struct Summary {
    pub accounts: u64,
    pub in_sync: u64,
    pub drifted: u64,
    pub repaired: u64,
    pub failed: u64,
    pub skipped: u64,
    pub pending: u64,
}

impl Summary {
    /// Counts one account.
    pub fn count(&mut self, outcome: Outcome) {
        self.add(outcome, 1);
    }

    /// Counts several accounts of the same outcome.
    pub fn add(&mut self, outcome: Outcome, accounts: u64) {
        self.accounts += accounts;
        *match outcome {
            Outcome::InSync => &mut self.in_sync,
            Outcome::Drifted => &mut self.drifted,
            Outcome::Repaired => &mut self.repaired,
            Outcome::Failed => &mut self.failed,
            Outcome::Skipped => &mut self.skipped,
            Outcome::Pending => &mut self.pending,
        } += accounts;
    }
}

/// The record of one sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepRecord {
    /// Its id.
    pub id: SweepId,
    /// Whether it may write.
    pub mode: Mode,
    /// Who asked.
    pub trigger: Trigger,
    /// Who asked, in words: a user name, an API token's label, an event id.
    pub requested_by: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How it ended; none while it runs.
    pub outcome: Option<SweepOutcome>,
    /// Why, unless it completed.
    pub reason: Option<String>,
    /// The counts so far.
    pub summary: Summary,
    /// What its specifications give to anybody beyond those that were agreed to, in sentences.
    pub widens: Vec<String>,
}
