//! What must outlive the process.
//!
//! One concern a trait. A store that answers with an error stops the writes to
//! AWS: nothing is done that could not be recorded.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::drift::{DriftKind, Severity};
use rolekeeper_domain::finding::Finding;
use rolekeeper_domain::outcome::{
    AccountReport, Mode, Outcome, SkipReason, SweepId, SweepOutcome, SweepRecord, Trigger,
};
use rolekeeper_domain::role::RoleName;

pub use super::journal::{
    Completion, Deed, EntryId, Fence, Intent, Journal, JournalEntry, Subject, precondition_words,
};

/// The store could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached or written: disk full, connection lost, locked.
    #[error("the store cannot be used: {message}")]
    Unavailable {
        /// What the database said.
        message: String,
    },
    /// This process is not, or no longer, the one that may write.
    #[error("another replica holds the lease (fencing token {held}, ours is {ours})")]
    Fenced {
        /// Our token.
        ours: i64,
        /// The token in the store.
        held: i64,
    },
    /// What stands in the store cannot be understood.
    #[error("the store holds something this version cannot read: {message}")]
    Corrupt {
        /// What and where.
        message: String,
    },
}

/// A future of the store.
pub trait StoreFuture<T>: Future<Output = Result<T, StoreError>> + Send {}
impl<T, F: Future<Output = Result<T, StoreError>> + Send> StoreFuture<T> for F {}

/// Which accounts of a sweep a reader wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportFilter {
    /// Only this outcome.
    pub outcome: Option<Outcome>,
    /// Only below this OU path.
    pub ou: Option<String>,
    /// Only ids or names that contain this text, without regard to case.
    pub text: Option<String>,
    /// Only these accounts; all of them when empty. At most a page of them.
    pub accounts: Vec<AccountId>,
}

/// What the fleet is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FleetKey {
    /// By account id alone.
    #[default]
    Account,
    /// The worst first: by severity, then failures, then the rest.
    Worst,
    /// By name, without regard to case.
    Name,
    /// By path in the organization.
    Unit,
    /// The longest unseen first.
    Observed,
}

/// The order of a fleet listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FleetOrder {
    /// What it goes by.
    pub key: FleetKey,
    /// Whether the order is turned round.
    pub descending: bool,
}

/// A place in an ordered listing: the sort key and, for ties, the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetPosition {
    /// The key as text: compared byte by byte. Stores keep one column for each
    /// [`FleetKey`] with exactly this text.
    pub key: String,
    /// The account.
    pub account: AccountId,
}

impl FleetKey {
    /// The text a report is sorted by.
    pub fn of(self, report: &AccountReport) -> String {
        match self {
            Self::Account => String::new(),
            Self::Worst => {
                let worst = report.drifts.iter().map(|drift| drift.severity).max();
                let rank = match (worst, report.outcome) {
                    (Some(Severity::Critical), _) => 0,
                    (_, Outcome::Failed) => 1,
                    (Some(Severity::High), _) => 2,
                    (Some(Severity::Medium), _) => 3,
                    (Some(Severity::Low), _) => 4,
                    (None, Outcome::Pending) => 5,
                    (None, Outcome::Repaired | Outcome::Drifted) => 6,
                    (None, Outcome::InSync) => 7,
                    (None, Outcome::Skipped) => 8,
                };
                rank.to_string()
            }
            Self::Name => report.name.to_lowercase(),
            Self::Unit => report.ou_path.clone(),
            // The default form drops trailing zeros and would not sort as text.
            Self::Observed => format!("{:.9}", report.observed_at),
        }
    }
}

impl FleetOrder {
    /// Where a report stands in this order.
    pub fn position(self, report: &AccountReport) -> FleetPosition {
        FleetPosition {
            key: self.key.of(report),
            account: report.account,
        }
    }
}

/// Counts over the newest reports of all accounts that are still in the
/// organization, and over the open findings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetTotals {
    /// Accounts by outcome.
    pub accounts: BTreeMap<Outcome, u64>,
    /// Skipped accounts by reason: the report's `reason` is the reason's name.
    pub skipped: BTreeMap<SkipReason, u64>,
    /// Open findings by role, kind and severity.
    pub findings: BTreeMap<(RoleName, DriftKind, Severity), u64>,
    /// When the oldest of them was first seen.
    pub since: BTreeMap<(RoleName, DriftKind, Severity), Timestamp>,
    /// When the newest sweep of each mode began.
    pub last_start: BTreeMap<Mode, Timestamp>,
    /// When the newest completed sweep of each mode ended.
    pub last_success: BTreeMap<Mode, Timestamp>,
}

/// Counts over the accounts directly in one organizational unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitTotals {
    /// The unit's path in names; `/` for the root.
    pub ou_path: String,
    /// Accounts by outcome.
    pub accounts: BTreeMap<Outcome, u64>,
    /// The worst open finding.
    pub worst: Option<Severity>,
}

/// Sweeps and what they found. Recording reports folds them into the findings
/// in the same transaction.
pub trait Sweeps: Send + Sync + 'static {
    /// Records that a sweep begins.
    fn begin(&self, sweep: &SweepRecord) -> impl StoreFuture<()>;
    /// Records what was found in some accounts; again for the same account: replaces it.
    fn record(&self, sweep: &SweepId, reports: &[AccountReport]) -> impl StoreFuture<()>;
    /// Records what a running sweep's specifications give beyond those that were agreed to.
    fn note_widens(&self, sweep: &SweepId, widens: &[String]) -> impl StoreFuture<()>;
    /// Records that a sweep ended.
    fn finish(
        &self,
        sweep: &SweepId,
        outcome: SweepOutcome,
        reason: Option<&str>,
        at: Timestamp,
    ) -> impl StoreFuture<()>;
    /// One sweep with its counts.
    fn sweep(&self, sweep: &SweepId) -> impl StoreFuture<Option<SweepRecord>>;
    /// The last sweep over the organization that completed, in any mode: not what was done to single accounts, and
    /// not one over a few that somebody named.
    fn last_completed(&self) -> impl StoreFuture<Option<SweepRecord>>;
    /// Sweeps, the newest first, older than `before`.
    fn sweeps(&self, before: Option<&SweepId>, limit: u32) -> impl StoreFuture<Vec<SweepRecord>>;
    /// Reports of a sweep by account id, after `after`.
    fn reports(
        &self,
        sweep: &SweepId,
        filter: &ReportFilter,
        after: Option<AccountId>,
        limit: u32,
    ) -> impl StoreFuture<Vec<AccountReport>>;
    /// The newest report of every account that is still in the organization,
    /// whatever sweep it came from: what the page and the fleet gauges show.
    ///
    /// In the order asked for, after `after`: the [`FleetOrder::position`] of the last
    /// report of the page before. Ties are broken by account id, so a page
    /// neither repeats nor leaves out an account that did not itself change.
    fn fleet(
        &self,
        filter: &ReportFilter,
        order: FleetOrder,
        after: Option<&FleetPosition>,
        limit: u32,
    ) -> impl StoreFuture<Vec<AccountReport>>;
    /// The newest report of one account.
    fn fleet_account(&self, account: AccountId) -> impl StoreFuture<Option<AccountReport>>;
    /// Counts over the fleet, for gauges and the page's tiles.
    fn fleet_totals(&self) -> impl StoreFuture<FleetTotals>;
    /// Counts over the fleet by organizational unit, by path of names: the unit's
    /// own accounts, without those of units below. For the page's map.
    fn fleet_units(&self) -> impl StoreFuture<Vec<UnitTotals>>;
    /// Open findings, or those of one account, resolved ones included.
    fn findings(&self, account: Option<AccountId>) -> impl StoreFuture<Vec<Finding>>;
    /// What is known of these accounts, at most a page of them: open and resolved.
    fn findings_of(&self, accounts: &[AccountId]) -> impl StoreFuture<Vec<Finding>>;
    /// Critical findings first seen at `since` or later, also those that are resolved by now.
    fn critical_findings(&self, since: Timestamp) -> impl StoreFuture<Vec<Finding>>;
    /// Sweeps that began and never ended, left by a process that died.
    fn unfinished(&self) -> impl StoreFuture<Vec<SweepRecord>>;
}

/// What is worth remembering between sweeps; losing it costs calls, not truth.
pub trait Memory: Send + Sync + 'static {
    /// The document of a policy version, by policy id and version id: immutable in AWS.
    fn known_documents(
        &self,
        policy_ids: &[String],
    ) -> impl StoreFuture<BTreeMap<(String, String), String>>;
    /// Remembers documents.
    fn remember_documents(&self, documents: &[(String, String, String)]) -> impl StoreFuture<()>;
    /// The IAM rates learned so far: calls per second by limiter name.
    fn rates(&self) -> impl StoreFuture<BTreeMap<String, f64>>;
    /// Remembers rates.
    fn remember_rates(&self, rates: &BTreeMap<String, f64>) -> impl StoreFuture<()>;
    /// How many accounts the last trusted listing had.
    fn census_size(&self) -> impl StoreFuture<Option<u64>>;
    /// Remembers a trusted listing: its size; accounts not in `present` leave the fleet.
    fn remember_census(&self, present: &[AccountId], at: Timestamp) -> impl StoreFuture<()>;
    /// When each account was last looked at.
    fn last_seen(&self) -> impl StoreFuture<BTreeMap<AccountId, Timestamp>>;
}

/// A stop that holds across restarts and replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halt {
    /// Why.
    pub why: String,
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A sweep somebody asked for, waiting to be taken up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepRequest {
    /// Its number.
    pub id: i64,
    /// Mode.
    pub mode: Mode,
    /// Only these accounts; all selected ones when none.
    pub accounts: Option<Vec<AccountId>>,
    /// What asked.
    pub trigger: Trigger,
    /// Who asked.
    pub requested_by: String,
    /// When.
    pub at: Timestamp,
}

/// A specification that was agreed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreedSpec {
    /// The role that it is for.
    pub role: RoleName,
    /// Its digest: what is compared first.
    pub digest: String,
    /// As [`rolekeeper_domain::agreement::Agreed::record`] wrote it.
    pub body: String,
    /// Who agreed, in words.
    pub by: String,
    /// The sweep that it was agreed to for; an approval of it in the journal says more.
    pub sweep: SweepId,
    /// When.
    pub at: Timestamp,
}

/// What people tell a running sweep.
pub trait Control: Send + Sync + 'static {
    /// The halt in force.
    fn halted(&self) -> impl StoreFuture<Option<Halt>>;
    /// Stops all writes.
    fn halt(&self, halt: &Halt) -> impl StoreFuture<()>;
    /// Lifts the halt.
    fn resume(&self, by: &str, at: Timestamp) -> impl StoreFuture<()>;
    /// Asks for a sweep; answers the request's number.
    fn request(&self, request: &SweepRequest) -> impl StoreFuture<i64>;
    /// The oldest request, if there is one; only one that `trigger` made, where that is given. It stays until it is
    /// forgotten, so that a process that dies before it answers loses none.
    fn next_request(&self, trigger: Option<Trigger>) -> impl StoreFuture<Option<SweepRequest>>;
    /// A request is answered.
    fn forget_request(&self, id: i64) -> impl StoreFuture<()>;
    /// Asks that a sweep end.
    fn cancel(&self, sweep: &SweepId, by: &str, at: Timestamp) -> impl StoreFuture<()>;
    /// Whether somebody asked that a sweep end.
    fn cancelled(&self, sweep: &SweepId) -> impl StoreFuture<bool>;
    /// Records that a sweep waits for approval: how many accounts it would change and what it widens.
    fn await_approval(
        &self,
        sweep: &SweepId,
        changes: u64,
        widens: &[String],
        at: Timestamp,
    ) -> impl StoreFuture<()>;
    /// When a sweep first asked for approval, if it ever did.
    fn approval_asked_at(&self, sweep: &SweepId) -> impl StoreFuture<Option<Timestamp>>;
    /// Approves a sweep's changes; answers whether it was waiting and a process holds the lease: without one
    /// nothing waits any more, whatever is on record.
    fn approve(&self, sweep: &SweepId, by: &str, at: Timestamp) -> impl StoreFuture<bool>;
    /// Whether a sweep has been approved.
    fn approved(&self, sweep: &SweepId) -> impl StoreFuture<bool>;
    /// Who approved a sweep, if somebody has.
    fn approved_by(&self, sweep: &SweepId) -> impl StoreFuture<Option<String>>;
    /// The specifications that were agreed to last, one a role, by role.
    fn agreed_specs(&self) -> impl StoreFuture<Vec<AgreedSpec>>;
    /// Remembers a specification as the one that was agreed to, in the place of its role's last.
    fn agree(&self, spec: &AgreedSpec, fence: Fence) -> impl StoreFuture<()>;
    /// Sweeps that wait: id, accounts they would change.
    fn awaiting_approval(&self) -> impl StoreFuture<Vec<(SweepId, u64)>>;
}

/// Exactly one writer.
pub trait Lease: Send + Sync + 'static {
    /// Takes or keeps the lease; none when another replica holds it.
    fn acquire(
        &self,
        holder: &str,
        ttl: Duration,
        now: Timestamp,
    ) -> impl StoreFuture<Option<Fence>>;
    /// Gives it back.
    fn release(&self, holder: &str) -> impl StoreFuture<()>;
    /// Who holds it and until when.
    fn holder(&self) -> impl StoreFuture<Option<(String, Timestamp)>>;
}

/// A notification waiting to be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its number.
    pub id: i64,
    /// What it is about: `critical_drift`, `halted`, `sweep_failed`, `approval_wanted`.
    pub kind: String,
    /// The same thing is told once.
    pub dedup_key: String,
    /// The webhook it goes to (its place in the configuration or its name).
    pub target: String,
    /// The body, as JSON.
    pub body: String,
    /// When it was written.
    pub at: Timestamp,
    /// How often delivery was tried.
    pub attempts: u32,
}

/// Notifications that are not lost by a restart.
pub trait Outbox: Send + Sync + 'static {
    /// Adds a notice unless one of its key and target is there already; answers whether it was added.
    fn post(&self, notice: &Notice) -> impl StoreFuture<bool>;
    /// Notices due by `now`.
    fn due(&self, now: Timestamp, limit: u32) -> impl StoreFuture<Vec<Notice>>;
    /// It was delivered.
    fn delivered(&self, id: i64, at: Timestamp) -> impl StoreFuture<()>;
    /// It was not; try again at `again_at`, or never when none.
    fn postponed(&self, id: i64, why: &str, again_at: Option<Timestamp>) -> impl StoreFuture<()>;
}

/// Everything above, from one database.
pub trait Store: Sweeps + Journal + Memory + Control + Lease + Outbox {}
impl<T: Sweeps + Journal + Memory + Control + Lease + Outbox> Store for T {}
