//! What happens, told once: the one source of logs, metrics, transcripts and
//! live updates.

use std::time::Duration;

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::outcome::{AccountReport, StepResult, SweepId, SweepRecord};
use rolekeeper_domain::plan::Plan;

/// How one attempt of an AWS call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallOutcome {
    /// AWS answered, "not there" included.
    Ok,
    /// It failed with this category.
    Failed(Category),
}

/// One thing that happened.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are named after what they are")]
pub enum Event {
    /// A sweep began.
    SweepStarted { sweep: SweepRecord },
    /// Discovery found this many accounts so far; `whole` once it is complete.
    Discovered {
        sweep: SweepId,
        listed: u64,
        selected: u64,
        whole: bool,
    },
    /// An account's walk began.
    AccountStarted { sweep: SweepId, account: AccountId },
    /// A plan was made for one role of an account (not for one in which nothing is to be done).
    Planned { sweep: SweepId, plan: Box<Plan> },
    /// An account's walk ended.
    AccountFinished {
        sweep: SweepId,
        report: Box<AccountReport>,
    },
    /// A step ended.
    StepFinished {
        sweep: SweepId,
        account: AccountId,
        operation: Operation,
        resource: String,
        result: StepResult,
        fault: Option<Fault>,
    },
    /// One attempt of an AWS call ended.
    CallFinished {
        account: Option<AccountId>,
        operation: Operation,
        outcome: CallOutcome,
        duration: Duration,
    },
    /// A call will be tried again.
    Retrying {
        account: Option<AccountId>,
        operation: Operation,
        category: Category,
        attempt: u32,
        delay: Duration,
    },
    /// A call waited for its limiter.
    LimiterWaited {
        operation: Operation,
        waited: Duration,
    },
    /// A limiter's rate in calls per second changed.
    LimiterRate {
        service: &'static str,
        operation: &'static str,
        rate: f64,
    },
    /// A repair waits for approval.
    ApprovalWanted {
        sweep: SweepId,
        changes: u64,
        widens: Vec<String>,
    },
    /// A wave of a rollout began.
    WaveStarted {
        sweep: SweepId,
        wave: u32,
        of: u32,
        accounts: u64,
    },
    /// A change failed in a way that the canary did not show: the rest goes through a canary again.
    CanaryAgain { sweep: SweepId, why: String },
    /// Writes were halted.
    Halted { sweep: Option<SweepId>, why: String },
    /// A sweep ended.
    SweepFinished { sweep: SweepRecord },
    /// A sweep that was due or asked for was not carried out, or not to its end.
    SweepRefused { why: String },
    /// This replica became, or stopped being, the one that writes.
    LeaderChanged { leading: bool },
    /// The whole organization was listed, and no account matches these rules of the selector, a sentence each.
    IdleRules { sweep: SweepId, rules: Vec<String> },
    /// Another process holds the lease: this one reads, and takes over when that one ends.
    LeaseHeld { holder: String },
    /// The schedule's next sweep is due then; none: it has none, or this replica does not write.
    NextSweep { at: Option<Timestamp> },
    /// The store failed.
    StoreFailed { message: String },
}

/// Listens to events. Must not block.
pub trait EventSink: Send + Sync + 'static {
    /// Takes one event.
    fn emit(&self, event: &Event);
}

/// Listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSink;

impl EventSink for NoSink {
    fn emit(&self, _: &Event) {}
}

impl<T: EventSink + ?Sized> EventSink for std::sync::Arc<T> {
    fn emit(&self, event: &Event) {
        (**self).emit(event);
    }
}
