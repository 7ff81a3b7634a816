//! What changed from one sweep to a later one: which differences are new, which are gone, and what
//! the later one did.

mod forms;

use std::cmp::Reverse;
use std::collections::VecDeque;

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::drift::Drift;
use rolekeeper_domain::finding::{Changes, changes, is_complete};
use rolekeeper_domain::outcome::{AccountReport, Outcome, StepReport, SweepOutcome, SweepRecord};
use rolekeeper_engine::port::store::{ReportFilter, StoreError, Sweeps};

use super::ocsf::Ocsf;
use super::{PAGE, Pages, Sink};
use crate::args::ReportFormat;

/// The document's name and version.
pub(crate) const SCHEMA: &str = "rolekeeper.changes/v1";
/// What is listed of each sort in the forms for people and in JSON; the rest is counted. Whoever needs
/// all of it takes the table (`csv`) or the events (`ocsf`).
const LISTED_MAX: usize = 1_000;
/// How many sweeps back a comparable one is looked for.
const SWEEPS_LOOKED_AT: u32 = 50;

/// One thing and where it is.
#[derive(Clone, Debug)]
struct Item<T> {
    account: AccountId,
    name: String,
    ou_path: String,
    what: T,
}

/// Things of one sort.
#[derive(Clone, Debug)]
struct Items<T> {
    /// All of them.
    count: u64,
    /// The first of them.
    listed: Vec<Item<T>>,
}

impl<T> Items<T> {
    const fn none() -> Self {
        Self {
            count: 0,
            listed: Vec::new(),
        }
    }

    fn add(&mut self, report: &AccountReport, found: Vec<T>) {
        self.count += found.len() as u64;
        self.listed.extend(found.into_iter().map(|what| Item {
            account: report.account,
            name: report.name.clone(),
            ou_path: report.ou_path.clone(),
            what,
        }));
    }

    /// Puts first what comes first by `key`, and forgets what would not be listed.
    fn trim<K: Ord>(&mut self, key: impl Fn(&Item<T>) -> K) {
        self.listed.sort_by_key(key);
        self.listed.truncate(LISTED_MAX);
    }

    /// Whether there is so much that it is worth trimming on the way.
    const fn is_long(&self) -> bool {
        2 * LISTED_MAX <= self.listed.len()
    }

    fn left_out(&self) -> u64 {
        self.count - self.listed.len() as u64
    }
}

/// What changed.
#[derive(Clone, Debug)]
struct Report {
    since: SweepRecord,
    sweep: SweepRecord,
    appeared: Items<Drift>,
    worse: Items<Drift>,
    gone: Items<Drift>,
    stayed: u64,
    /// Steps that the later sweep took.
    taken: Items<StepReport>,
}

impl Report {
    /// Keeps what is listed: of the differences the worst.
    fn trim(&mut self, at_the_end: bool) {
        for items in [&mut self.appeared, &mut self.worse, &mut self.gone] {
            if at_the_end || items.is_long() {
                items.trim(|item| (Reverse(item.what.severity), item.account));
            }
        }
        if at_the_end || self.taken.is_long() {
            self.taken.trim(|item| item.account);
        }
    }
}

/// The sweep that `sweep` is compared with when nobody names one: the newest completed one before it that
/// looked at comparably many accounts, so that a look at a single account is not taken for the whole.
pub(crate) async fn before<S: Sweeps>(
    store: &S,
    sweep: &SweepRecord,
) -> Result<Option<SweepRecord>, StoreError> {
    let earlier = store.sweeps(Some(&sweep.id), SWEEPS_LOOKED_AT).await?;
    Ok(earlier.into_iter().find(|other| {
        other.outcome == Some(SweepOutcome::Completed)
            && sweep.summary.accounts <= other.summary.accounts.saturating_mul(2)
    }))
}

/// Writes what changed into `sink`.
pub(crate) async fn write<S: Sweeps>(
    store: &S,
    since: &SweepRecord,
    sweep: &SweepRecord,
    format: ReportFormat,
    sink: &mut impl Sink,
) -> Result<(), StoreError> {
    let pairs = Pairs::of(since, sweep);
    match format {
        ReportFormat::Ocsf => {
            let ocsf = Ocsf::of(sweep);
            all(store, pairs, sink, |pair| events(&ocsf, pair)).await
        }
        ReportFormat::Csv => {
            if !sink.take(forms::csv_head()).await {
                return Ok(());
            }
            all(store, pairs, sink, forms::csv_lines).await
        }
        ReportFormat::Json | ReportFormat::Markdown | ReportFormat::Html => {
            let report = compare(store, since, sweep).await?;
            sink.take(forms::render(&report, format)).await;
            Ok(())
        }
    }
}

/// Everything, one account after the other: a SIEM and a spreadsheet want all of it.
async fn all<S: Sweeps>(
    store: &S,
    mut pairs: Pairs<'_>,
    sink: &mut impl Sink,
    written: impl Fn(&Pair) -> String + Send,
) -> Result<(), StoreError> {
    while let Some(pair) = pairs.next(store).await? {
        let piece = written(&pair);
        if !piece.is_empty() && !sink.take(piece).await {
            return Ok(());
        }
    }
    Ok(())
}

fn events(ocsf: &Ocsf, pair: &Pair) -> String {
    let found = pair.changes();
    let known = pair.known();
    let appeared = found.appeared.iter().map(|drift| ocsf.open(known, drift));
    let worse = found.worse.iter().map(|drift| ocsf.changed(known, drift));
    let gone = found.gone.iter().map(|drift| ocsf.closed(known, drift));
    let taken = pair.later().into_iter().flat_map(|new| ocsf.changes(new));
    appeared
        .chain(worse)
        .chain(gone)
        .chain(taken)
        .map(|event| format!("{event}\n"))
        .collect()
}

/// Compares two sweeps, page by page.
async fn compare<S: Sweeps>(
    store: &S,
    since: &SweepRecord,
    sweep: &SweepRecord,
) -> Result<Report, StoreError> {
    let mut report = Report {
        since: since.clone(),
        sweep: sweep.clone(),
        appeared: Items::none(),
        worse: Items::none(),
        gone: Items::none(),
        stayed: 0,
        taken: Items::none(),
    };
    let mut pairs = Pairs::of(since, sweep);
    while let Some(pair) = pairs.next(store).await? {
        let found = pair.changes();
        report.appeared.add(pair.known(), found.appeared);
        report.worse.add(pair.known(), found.worse);
        report.gone.add(pair.known(), found.gone);
        report.stayed += found.stayed;
        if let Some(new) = pair.later() {
            report.taken.add(new, taken(new).cloned().collect());
        }
        report.trim(false);
    }
    report.trim(true);
    Ok(report)
}

/// The steps that reached AWS.
pub(super) fn taken(report: &AccountReport) -> impl Iterator<Item = &StepReport> {
    report.steps.iter().filter(|step| step.result.is_taken())
}

/// One account as the two sweeps saw it.
enum Pair {
    Old(AccountReport),
    /// The later sweep could not look at it: it has left the organization.
    Left(AccountReport),
    New(AccountReport),
    Both(Box<(AccountReport, AccountReport)>),
}

impl Pair {
    fn earlier(&self) -> Option<&AccountReport> {
        match self {
            Self::Old(old) | Self::Left(old) => Some(old),
            Self::Both(both) => Some(&both.0),
            Self::New(_) => None,
        }
    }

    fn later(&self) -> Option<&AccountReport> {
        match self {
            Self::New(new) => Some(new),
            Self::Both(both) => Some(&both.1),
            Self::Old(_) | Self::Left(_) => None,
        }
    }

    /// What is known of the account, the newest that there is.
    fn known(&self) -> &AccountReport {
        match self {
            Self::New(report) | Self::Old(report) | Self::Left(report) => report,
            Self::Both(both) => &both.1,
        }
    }

    fn changes(&self) -> Changes {
        match self {
            // With the account all that was different in it is gone.
            Self::Left(old) => changes(
                Some(old),
                Some(&AccountReport {
                    outcome: Outcome::InSync,
                    drifts: Vec::new(),
                    ..old.clone()
                }),
            ),
            _ => changes(self.earlier(), self.later()),
        }
    }
}

/// The accounts of two sweeps, by id.
struct Pairs<'a> {
    then: Walk<'a>,
    now: Walk<'a>,
}

impl<'a> Pairs<'a> {
    fn of(since: &'a SweepRecord, sweep: &'a SweepRecord) -> Self {
        Self {
            then: Walk::of(since, LookBack::Wanted),
            now: Walk::of(sweep, LookBack::No),
        }
    }

    async fn next<S: Sweeps>(&mut self, store: &S) -> Result<Option<Pair>, StoreError> {
        let (old, new) = (self.then.peek(store).await?, self.now.peek(store).await?);
        let Some(account) = old.into_iter().chain(new).min() else {
            return Ok(None);
        };
        Ok(match (self.then.take(account), self.now.take(account)) {
            (Some(old), Some(new)) => Some(Pair::Both(Box::new((old, new)))),
            (Some(old), None) if store.fleet_account(account).await?.is_none() => {
                Some(Pair::Left(old))
            }
            (Some(old), None) => Some(Pair::Old(old)),
            (None, new) => new.map(Pair::New),
        })
    }
}

/// What stands for an account that a sweep could not read.
enum LookBack {
    /// Its own report.
    No,
    /// The newest earlier report that says how it stood; the sweeps are read when they are needed.
    Wanted,
    /// The same, with the earlier sweeps at hand.
    Through(Vec<SweepRecord>),
}

/// The reports of a sweep by account, one at a time.
struct Walk<'a> {
    sweep: &'a SweepRecord,
    pages: Pages<'a>,
    page: VecDeque<AccountReport>,
    look_back: LookBack,
}

impl<'a> Walk<'a> {
    fn of(sweep: &'a SweepRecord, look_back: LookBack) -> Self {
        Self {
            sweep,
            pages: Pages::of(sweep, None),
            page: VecDeque::new(),
            look_back,
        }
    }

    /// Puts earlier reports in the place of those that say nothing: a difference that was known
    /// before is not new after a failure, and what is right after one is gone.
    async fn look_back<S: Sweeps>(
        &mut self,
        store: &S,
        page: &mut [AccountReport],
    ) -> Result<(), StoreError> {
        let mut silent: Vec<AccountId> = page
            .iter()
            .filter(|report| !says_how_it_stands(report))
            .map(|report| report.account)
            .collect();
        if silent.is_empty() {
            return Ok(());
        }
        if matches!(self.look_back, LookBack::Wanted) {
            let earlier = store.sweeps(Some(&self.sweep.id), SWEEPS_LOOKED_AT).await?;
            self.look_back = LookBack::Through(earlier);
        }
        let LookBack::Through(sweeps) = &self.look_back else {
            return Ok(());
        };
        for sweep in sweeps {
            if silent.is_empty() {
                break;
            }
            let filter = ReportFilter {
                accounts: silent.clone(),
                ..ReportFilter::default()
            };
            let earlier = store.reports(&sweep.id, &filter, None, PAGE).await?;
            for report in earlier.into_iter().filter(says_how_it_stands) {
                silent.retain(|account| *account != report.account);
                let place = page.iter_mut().find(|old| old.account == report.account);
                if let Some(place) = place {
                    *place = report;
                }
            }
        }
        Ok(())
    }

    async fn peek<S: Sweeps>(&mut self, store: &S) -> Result<Option<AccountId>, StoreError> {
        if self.page.is_empty()
            && let Some(mut page) = self.pages.next(store).await?
        {
            self.look_back(store, &mut page).await?;
            self.page = page.into();
        }
        Ok(self.page.front().map(|report| report.account))
    }

    fn take(&mut self, account: AccountId) -> Option<AccountReport> {
        let is_next = self
            .page
            .front()
            .is_some_and(|report| report.account == account);
        if is_next { self.page.pop_front() } else { None }
    }
}

/// A repair that failed half way has read the account before; only what it could not read is unknown.
fn says_how_it_stands(report: &AccountReport) -> bool {
    is_complete(report) || !report.drifts.is_empty()
}
