//! The durable record of each step: written before the step is taken, completed after it.

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::drift::DriftKind;
use rolekeeper_domain::fault::Fault;
use rolekeeper_domain::outcome::SweepId;
use rolekeeper_domain::plan::{PlannedStep, Precondition};
use rolekeeper_domain::role::RoleName;
use rolekeeper_domain::user::UserStep;
use rolekeeper_domain::{record, user};

use super::store::StoreFuture;

/// Proof of holding the lease, checked in the journal's transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence(pub i64);

/// A step about to be taken.
#[derive(Clone, Debug)]
pub struct Intent<'a> {
    /// The sweep.
    pub sweep: &'a SweepId,
    /// Who asked for the sweep.
    pub requested_by: &'a str,
    /// The account.
    pub account: AccountId,
    /// The step, and what it is a step on.
    pub deed: Deed<'a>,
    /// When.
    pub at: Timestamp,
}

/// One mutating call, with what it is a step on.
#[derive(Clone, Copy, Debug)]
pub enum Deed<'a> {
    /// A step of the plan for a managed role.
    Role {
        /// The role.
        role: &'a RoleName,
        /// The step.
        step: &'a PlannedStep,
    },
    /// A step on the way to retiring a user.
    User {
        /// The user's name.
        user: &'a str,
        /// The step.
        step: &'a UserStep,
    },
}

impl Deed<'_> {
    /// What it is a step on.
    pub fn subject(&self) -> Subject {
        match self {
            Self::Role { role, .. } => Subject::Role((*role).clone()),
            Self::User { user, .. } => Subject::User((*user).to_owned()),
        }
    }

    /// The AWS call.
    pub const fn operation(&self) -> Operation {
        match self {
            Self::Role { step, .. } => step.step.operation(),
            Self::User { step, .. } => step.operation(),
        }
    }

    /// What it changes, as people read it.
    pub fn resource(&self) -> String {
        match self {
            Self::Role { step, .. } => step.step.resource(),
            Self::User { user, step } => step.resource(user),
        }
    }

    /// Its parameters, as JSON.
    pub fn parameters(&self) -> String {
        match self {
            Self::Role { step, .. } => record::parameters(&step.step).to_string(),
            Self::User { user, step } => user::record::parameters(user, step).to_string(),
        }
    }

    /// What has to hold before it, in words.
    pub fn preconditions(&self) -> Vec<String> {
        match self {
            Self::Role { step, .. } => precondition_words(&step.preconditions),
            Self::User { .. } => Vec::new(),
        }
    }

    /// The kinds of drift it is to end.
    pub fn because(&self) -> Vec<DriftKind> {
        match self {
            Self::Role { step, .. } => step.because.clone(),
            Self::User { .. } => vec![DriftKind::LegacyUser],
        }
    }

    /// What stood there before.
    pub fn before(&self) -> Option<&str> {
        match self {
            Self::Role { step, .. } => step.before.as_deref(),
            Self::User { .. } => None,
        }
    }
}

/// What a journaled step was a step on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A managed role.
    Role(RoleName),
    /// A temporary user, by name.
    User(String),
}

impl Subject {
    /// The role, if it is one.
    pub const fn role(&self) -> Option<&RoleName> {
        match self {
            Self::Role(role) => Some(role),
            Self::User(_) => None,
        }
    }

    /// The user, if it is one.
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Role(_) => None,
            Self::User(user) => Some(user),
        }
    }
}

/// A journal entry's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub i64);

/// How a journaled step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// AWS said yes.
    Done {
        /// AWS's request id.
        request_id: Option<String>,
        /// The id of what was made.
        created: Option<String>,
    },
    /// AWS said no, or nothing.
    Failed(Fault),
    /// Found by observation after a crash: it had been taken.
    SettledDone,
    /// Found by observation after a crash: it had not been taken.
    SettledUndone,
}

impl Completion {
    /// Whether the step was taken, as its answer or a look told.
    pub const fn is_done(&self) -> bool {
        match self {
            Self::Done { .. } | Self::SettledDone => true,
            Self::Failed(_) | Self::SettledUndone => false,
        }
    }
}

/// A journal entry, as it is read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// Its number; grows.
    pub id: EntryId,
    /// The sweep.
    pub sweep: SweepId,
    /// Who asked.
    pub requested_by: String,
    /// The account.
    pub account: AccountId,
    /// What it was a step on.
    pub subject: Subject,
    /// The call.
    pub operation: Operation,
    /// What it changes.
    pub resource: String,
    /// The step's parameters, as JSON.
    pub parameters: String,
    /// What had to hold, in words.
    pub preconditions: Vec<String>,
    /// What stood there before.
    pub before: Option<String>,
    /// What the step puts there.
    pub after: Option<String>,
    /// When it was intended.
    pub intended_at: Timestamp,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// How it ended; none while it is open.
    pub completion: Option<Completion>,
}

/// The durable record of each step.
pub trait Journal: Send + Sync + 'static {
    /// Written, and on disk, before the call is made.
    fn intend(&self, intent: &Intent<'_>, fence: Fence) -> impl StoreFuture<EntryId>;
    /// Written after the call was made.
    fn complete(
        &self,
        entry: EntryId,
        completion: &Completion,
        at: Timestamp,
    ) -> impl StoreFuture<()>;
    /// Entries without an end.
    fn open(&self) -> impl StoreFuture<Vec<JournalEntry>>;
    /// Entries of one account, the newest first.
    fn history(
        &self,
        account: AccountId,
        before: Option<EntryId>,
        limit: u32,
    ) -> impl StoreFuture<Vec<JournalEntry>>;
    /// Entries of one sweep, the oldest first, after `after`.
    fn of_sweep(
        &self,
        sweep: &SweepId,
        after: Option<EntryId>,
        limit: u32,
    ) -> impl StoreFuture<Vec<JournalEntry>>;
    /// What rolekeeper made or adopted in an account: resource names as in
    /// [`JournalEntry::resource`] of creating steps, `role/NAME`, `policy/NAME`.
    fn owned(&self, account: AccountId) -> impl StoreFuture<Vec<String>>;
    /// The time of the youngest record that is not kept any more, if there is one.
    fn forgotten_until(&self) -> impl StoreFuture<Option<Timestamp>>;
    /// Records that a resource was adopted. Writes nothing to AWS.
    fn adopt(
        &self,
        account: AccountId,
        resource: &str,
        sweep: &SweepId,
        at: Timestamp,
        fence: Fence,
    ) -> impl StoreFuture<()>;
}

/// The preconditions of a step in words, for the journal.
pub fn precondition_words(preconditions: &[Precondition]) -> Vec<String> {
    preconditions.iter().map(ToString::to_string).collect()
}
