//! A store in memory: survives the simulated process, can be made to fail.
//!
//! Quick enough for thousands of seeds, and it sees the world: between which changes of it an entry was
//! open. What it answers is what the real store answers: a `Twin` asks both.

mod control;
mod inspect;
mod journal;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::drift::Severity;
use rolekeeper_domain::finding::{Finding, fold};
use rolekeeper_domain::outcome::{
    AccountReport, Outcome, Summary, SweepId, SweepOutcome, SweepRecord, Trigger,
};
use rolekeeper_domain::role::RoleName;
use rolekeeper_engine::port::store::{
    AgreedSpec, Fence, FleetOrder, FleetPosition, FleetTotals, Halt, JournalEntry, Memory,
    ReportFilter, StoreError, SweepRequest, Sweeps, UnitTotals,
};
use rolekeeper_simulator::World;

use super::sent::{Sent, Watched};

type Answer<T> = Result<T, StoreError>;

/// The store.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
    world: OnceLock<Arc<World>>,
    sent: Arc<Sent>,
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryStore")
    }
}

/// Between which changes of the world a journal entry was written and completed.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// How many changes the world had seen when the intent was written.
    pub from: usize,
    /// How many when the entry was completed; none while it is open.
    pub to: Option<usize>,
}

#[derive(Debug, Default)]
struct State {
    broken: bool,
    /// Writes that still work before the store breaks.
    breaks_after: Option<u64>,
    sweeps: BTreeMap<SweepId, SweepRecord>,
    /// The sweeps as they were begun: a clock that was set back does not turn that round.
    begun: Vec<SweepId>,
    reports: BTreeMap<(SweepId, AccountId), AccountReport>,
    fleet: BTreeMap<AccountId, AccountReport>,
    looked_at: BTreeMap<AccountId, Timestamp>,
    findings: BTreeMap<AccountId, Vec<Finding>>,
    journal: Vec<JournalEntry>,
    spans: Vec<Span>,
    /// What is ours, by account and by what makes two names the same resource.
    owned: BTreeMap<(AccountId, String), String>,
    documents: BTreeMap<(String, String), String>,
    rates: BTreeMap<String, f64>,
    census: Option<u64>,
    halt: Option<Halt>,
    requests: Vec<SweepRequest>,
    /// The number of the last request.
    requested: i64,
    cancelled: Vec<SweepId>,
    waiting: BTreeMap<SweepId, u64>,
    asked: BTreeMap<SweepId, Timestamp>,
    approved: BTreeMap<SweepId, String>,
    agreed: BTreeMap<RoleName, AgreedSpec>,
    lease: Option<(String, Timestamp)>,
    fence: i64,
}

impl MemoryStore {
    /// Lets every access fail from now on, or work again.
    pub fn set_broken(&self, broken: bool) {
        let mut state = self.raw();
        (state.broken, state.breaks_after) = (broken, None);
    }

    /// Lets `writes` more writes succeed and every access fail then: a full disk.
    pub fn break_after(&self, writes: u64) {
        self.raw().breaks_after = Some(writes);
    }

    /// Lets the journal note how many changes the world had seen at each of its entries.
    pub fn watch(&self, world: &Arc<World>) {
        // A second world is a mistake in the test and changes nothing.
        drop(self.world.set(Arc::clone(world)));
    }

    fn changes(&self) -> usize {
        self.world.get().map_or(0, |world| world.history().len())
    }

    fn raw(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Answer<MutexGuard<'_, State>> {
        let state = self.raw();
        if state.broken {
            return Err(StoreError::Unavailable {
                message: "the disk is gone".to_owned(),
            });
        }
        Ok(state)
    }

    fn write(&self) -> Answer<MutexGuard<'_, State>> {
        {
            let mut state = self.raw();
            if let Some(left) = state.breaks_after {
                state.broken |= left == 0;
                state.breaks_after = Some(left.saturating_sub(1));
            }
        }
        self.read()
    }
}

impl State {
    fn summary(&self, sweep: &SweepId) -> Summary {
        let mut summary = Summary::default();
        for ((_, _), report) in self.reports.iter().filter(|((id, _), _)| id == sweep) {
            summary.count(report.outcome);
        }
        summary
    }

    /// Whether a sweep asked for a word, did not get it and goes on.
    fn waits(&self, sweep: &SweepId) -> bool {
        let record = self.sweeps.get(sweep);
        record.is_some_and(|record| record.finished_at.is_none())
            && self.waiting.contains_key(sweep)
            && !self.approved.contains_key(sweep)
    }

    /// Sweeps with their counts, the first that was begun first.
    fn in_order(&self) -> impl DoubleEndedIterator<Item = SweepRecord> {
        let records = self.begun.iter().filter_map(|id| self.sweeps.get(id));
        records.map(|record| self.with_summary(record))
    }

    /// Only the holder of the lease may write what is fenced.
    fn check_fence(&self, fence: Fence) -> Answer<()> {
        if self.lease.is_some() && self.fence == fence.0 {
            return Ok(());
        }
        Err(StoreError::Fenced {
            ours: fence.0,
            held: self.fence,
        })
    }

    fn with_summary(&self, sweep: &SweepRecord) -> SweepRecord {
        SweepRecord {
            summary: self.summary(&sweep.id),
            ..sweep.clone()
        }
    }
}

impl Watched for MemoryStore {
    fn sent(&self) -> &Arc<Sent> {
        &self.sent
    }
}

impl Sweeps for MemoryStore {
    async fn begin(&self, sweep: &SweepRecord) -> Answer<()> {
        let mut state = self.write()?;
        if !state.sweeps.contains_key(&sweep.id) {
            state.begun.push(sweep.id.clone());
            state.sweeps.insert(sweep.id.clone(), sweep.clone());
        }
        Ok(())
    }

    async fn record(&self, sweep: &SweepId, reports: &[AccountReport]) -> Answer<()> {
        let mut state = self.write()?;
        for report in reports {
            let before = state.findings.remove(&report.account).unwrap_or_default();
            state.findings.insert(report.account, fold(&before, report));
            // Who was not reached was not looked at.
            if !matches!(report.outcome, Outcome::Pending | Outcome::Skipped) {
                state.looked_at.insert(report.account, report.observed_at);
            }
            if report.outcome != Outcome::Pending || !state.fleet.contains_key(&report.account) {
                state.fleet.insert(report.account, report.clone());
            }
            state
                .reports
                .insert((sweep.clone(), report.account), report.clone());
        }
        Ok(())
    }

    async fn note_widens(&self, sweep: &SweepId, widens: &[String]) -> Answer<()> {
        if let Some(record) = self.write()?.sweeps.get_mut(sweep) {
            record.widens = widens.to_vec();
        }
        Ok(())
    }

    async fn finish(
        &self,
        sweep: &SweepId,
        outcome: SweepOutcome,
        reason: Option<&str>,
        at: Timestamp,
    ) -> Answer<()> {
        let mut state = self.write()?;
        if let Some(record) = state.sweeps.get_mut(sweep) {
            record.outcome = Some(outcome);
            record.reason = reason.map(str::to_owned);
            record.finished_at = Some(at);
        }
        Ok(())
    }

    async fn sweep(&self, sweep: &SweepId) -> Answer<Option<SweepRecord>> {
        let state = self.read()?;
        Ok(state
            .sweeps
            .get(sweep)
            .map(|record| state.with_summary(record)))
    }

    async fn last_completed(&self) -> Answer<Option<SweepRecord>> {
        /// How many are compared to know one over everybody from one over a few.
        const COMPARED: usize = 50;
        let state = self.read()?;
        let completed = state
            .in_order()
            .rev()
            .filter(|record| record.outcome == Some(SweepOutcome::Completed))
            .filter(|record| !Trigger::OF_SINGLE_ACCOUNTS.contains(&record.trigger));
        let recent: Vec<SweepRecord> = completed.take(COMPARED).collect();
        let most = recent.iter().map(|sweep| sweep.summary.accounts).max();
        let over_everybody =
            |sweep: &SweepRecord| Some(sweep.summary.accounts.saturating_mul(2)) >= most;
        Ok(recent.into_iter().find(over_everybody))
    }

    async fn sweeps(&self, before: Option<&SweepId>, limit: u32) -> Answer<Vec<SweepRecord>> {
        let state = self.read()?;
        let end = before.map_or(state.begun.len(), |id| {
            let place = state.begun.iter().position(|begun| begun == id);
            place.unwrap_or_default()
        });
        let older = state.in_order().take(end).collect::<Vec<_>>();
        Ok(older.into_iter().rev().take(limit as usize).collect())
    }

    async fn reports(
        &self,
        sweep: &SweepId,
        filter: &ReportFilter,
        after: Option<AccountId>,
        limit: u32,
    ) -> Answer<Vec<AccountReport>> {
        let reports = self.read()?.reports.clone();
        let wanted = reports.into_iter().filter(|((id, account), report)| {
            id == sweep
                && after.is_none_or(|after| *account > after)
                && (filter.accounts.is_empty() || filter.accounts.contains(account))
                && filter
                    .outcome
                    .is_none_or(|outcome| report.outcome == outcome)
        });
        Ok(wanted
            .take(limit as usize)
            .map(|(_, report)| report)
            .collect())
    }

    async fn fleet(
        &self,
        _: &ReportFilter,
        order: FleetOrder,
        after: Option<&FleetPosition>,
        limit: u32,
    ) -> Answer<Vec<AccountReport>> {
        let mut fleet: Vec<AccountReport> = self.read()?.fleet.values().cloned().collect();
        let place = |report: &AccountReport| {
            let FleetPosition { key, account } = order.position(report);
            (key, account)
        };
        fleet.sort_by_key(place);
        if order.descending {
            fleet.reverse();
        }
        if let Some(after) = after {
            let seen = fleet
                .iter()
                .position(|report| report.account == after.account);
            fleet.drain(..seen.map_or(0, |index| index + 1));
        }
        fleet.truncate(limit as usize);
        Ok(fleet)
    }

    async fn fleet_account(&self, account: AccountId) -> Answer<Option<AccountReport>> {
        Ok(self.read()?.fleet.get(&account).cloned())
    }

    async fn fleet_totals(&self) -> Answer<FleetTotals> {
        let state = self.read()?;
        let mut totals = FleetTotals::default();
        for report in state.fleet.values() {
            *totals.accounts.entry(report.outcome).or_default() += 1;
        }
        Ok(totals)
    }

    async fn fleet_units(&self) -> Answer<Vec<UnitTotals>> {
        let state = self.read()?;
        let mut units: BTreeMap<String, UnitTotals> = BTreeMap::new();
        for report in state.fleet.values() {
            let unit = units.entry(report.ou_path.clone()).or_default();
            unit.ou_path.clone_from(&report.ou_path);
            *unit.accounts.entry(report.outcome).or_default() += 1;
        }
        Ok(units.into_values().collect())
    }

    async fn findings(&self, account: Option<AccountId>) -> Answer<Vec<Finding>> {
        let state = self.read()?;
        Ok(match account {
            Some(account) => state.findings.get(&account).cloned().unwrap_or_default(),
            None => {
                let all = state.findings.values().flatten();
                all.filter(|finding| finding.resolved_at.is_none())
                    .cloned()
                    .collect()
            }
        })
    }

    async fn findings_of(&self, accounts: &[AccountId]) -> Answer<Vec<Finding>> {
        let state = self.read()?;
        let known = accounts
            .iter()
            .filter_map(|account| state.findings.get(account));
        Ok(known.flatten().cloned().collect())
    }

    async fn critical_findings(&self, since: Timestamp) -> Answer<Vec<Finding>> {
        let state = self.read()?;
        let all = state.findings.values().flatten();
        Ok(all
            .filter(|finding| {
                finding.drift.severity == Severity::Critical && since <= finding.first_seen
            })
            .cloned()
            .collect())
    }

    async fn unfinished(&self) -> Answer<Vec<SweepRecord>> {
        let state = self.read()?;
        let unfinished = state.in_order().filter(|sweep| sweep.finished_at.is_none());
        Ok(unfinished.collect())
    }
}

impl Memory for MemoryStore {
    async fn known_documents(
        &self,
        policy_ids: &[String],
    ) -> Answer<BTreeMap<(String, String), String>> {
        let state = self.read()?;
        let known = state
            .documents
            .iter()
            .filter(|((id, _), _)| policy_ids.contains(id));
        Ok(known
            .map(|(key, text)| (key.clone(), text.clone()))
            .collect())
    }

    async fn remember_documents(&self, documents: &[(String, String, String)]) -> Answer<()> {
        let mut state = self.write()?;
        for (id, version, text) in documents {
            // A version never says anything else.
            let known = state.documents.entry((id.clone(), version.clone()));
            known.or_insert_with(|| text.clone());
        }
        Ok(())
    }

    async fn rates(&self) -> Answer<BTreeMap<String, f64>> {
        Ok(self.read()?.rates.clone())
    }

    async fn remember_rates(&self, rates: &BTreeMap<String, f64>) -> Answer<()> {
        self.write()?.rates.extend(rates.clone());
        Ok(())
    }

    async fn census_size(&self) -> Answer<Option<u64>> {
        Ok(self.read()?.census)
    }

    async fn remember_census(&self, present: &[AccountId], at: Timestamp) -> Answer<()> {
        let mut state = self.write()?;
        state.census = Some(present.len() as u64);
        state.fleet.retain(|account, _| present.contains(account));
        state
            .looked_at
            .retain(|account, _| present.contains(account));
        for finding in state.findings.values_mut().flatten() {
            if !present.contains(&finding.account) {
                finding.resolved_at.get_or_insert(at);
            }
        }
        Ok(())
    }

    async fn last_seen(&self) -> Answer<BTreeMap<AccountId, Timestamp>> {
        let state = self.read()?;
        Ok(state.looked_at.clone())
    }
}
