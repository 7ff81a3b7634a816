//! The real store in simulated time.
//!
//! SQLite works on threads of its own, which paused time does not wait for. So each
//! call runs to its end on another runtime while a blocking task holds simulated time
//! still: for the simulation it takes no time at all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::finding::Finding;
use rolekeeper_domain::outcome::{AccountReport, SweepId, SweepOutcome, SweepRecord, Trigger};
use rolekeeper_domain::plan::PlannedStep;
use rolekeeper_domain::role::RoleName;
use rolekeeper_domain::user::UserStep;
use rolekeeper_engine::port::store::{
    AgreedSpec, Completion, Control, Deed, EntryId, Fence, FleetOrder, FleetPosition, FleetTotals,
    Halt, Intent, Journal, JournalEntry, Lease, Memory, Notice, Outbox, ReportFilter, StoreError,
    SweepRequest, Sweeps, UnitTotals,
};
use rolekeeper_store::Store;
use tokio::runtime::Runtime;

use super::sent::{Sent, Watched};

type Answer<T> = Result<T, StoreError>;

/// A store on disk.
#[derive(Debug)]
pub struct Durable {
    store: Store,
    runtime: Option<Runtime>,
    sent: Arc<Sent>,
}

impl Durable {
    /// Opens the store at `url`, as a process does at its start.
    #[expect(clippy::expect_used, reason = "the rig is part of the tests")]
    pub async fn open(url: String) -> Self {
        let opened = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .expect("a runtime");
            let store = runtime
                .block_on(rolekeeper_store::open(&url))
                .expect("a store");
            Self {
                store,
                runtime: Some(runtime),
                sent: Arc::default(),
            }
        });
        opened.await.expect("a store that opens")
    }

    /// Does something with the store itself.
    #[expect(clippy::expect_used, reason = "the rig is part of the tests")]
    pub async fn with<T, F, A>(&self, call: F) -> T
    where
        T: Send + 'static,
        F: FnOnce(Store) -> A + Send + 'static,
        A: Future<Output = T> + Send,
    {
        let runtime = self
            .runtime
            .as_ref()
            .expect("it is there until the drop")
            .handle()
            .clone();
        let store = self.store.clone();
        let done = tokio::task::spawn_blocking(move || runtime.block_on(call(store)));
        done.await.expect("a call that does not panic")
    }
}

impl Drop for Durable {
    fn drop(&mut self) {
        // Killed, as its process is: nothing is waited for, nothing is said good-bye to.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Watched for Durable {
    fn sent(&self) -> &Arc<Sent> {
        &self.sent
    }
}

impl Sweeps for Durable {
    async fn begin(&self, sweep: &SweepRecord) -> Answer<()> {
        let sweep = sweep.clone();
        self.with(|store| async move { store.begin(&sweep).await })
            .await
    }

    async fn record(&self, sweep: &SweepId, reports: &[AccountReport]) -> Answer<()> {
        let (sweep, reports) = (sweep.clone(), reports.to_vec());
        self.with(|store| async move { store.record(&sweep, &reports).await })
            .await
    }

    async fn note_widens(&self, sweep: &SweepId, widens: &[String]) -> Answer<()> {
        let (sweep, widens) = (sweep.clone(), widens.to_vec());
        self.with(|store| async move { store.note_widens(&sweep, &widens).await })
            .await
    }

    async fn finish(
        &self,
        sweep: &SweepId,
        outcome: SweepOutcome,
        reason: Option<&str>,
        at: Timestamp,
    ) -> Answer<()> {
        let (sweep, reason) = (sweep.clone(), reason.map(str::to_owned));
        self.with(
            move |store| async move { store.finish(&sweep, outcome, reason.as_deref(), at).await },
        )
        .await
    }

    async fn sweep(&self, sweep: &SweepId) -> Answer<Option<SweepRecord>> {
        let sweep = sweep.clone();
        self.with(|store| async move { store.sweep(&sweep).await })
            .await
    }

    async fn last_completed(&self) -> Answer<Option<SweepRecord>> {
        self.with(|store| async move { store.last_completed().await })
            .await
    }

    async fn sweeps(&self, before: Option<&SweepId>, limit: u32) -> Answer<Vec<SweepRecord>> {
        let before = before.cloned();
        self.with(move |store| async move { store.sweeps(before.as_ref(), limit).await })
            .await
    }

    async fn reports(
        &self,
        sweep: &SweepId,
        filter: &ReportFilter,
        after: Option<AccountId>,
        limit: u32,
    ) -> Answer<Vec<AccountReport>> {
        let (sweep, filter) = (sweep.clone(), filter.clone());
        self.with(move |store| async move { store.reports(&sweep, &filter, after, limit).await })
            .await
    }

    async fn fleet(
        &self,
        filter: &ReportFilter,
        order: FleetOrder,
        after: Option<&FleetPosition>,
        limit: u32,
    ) -> Answer<Vec<AccountReport>> {
        let (filter, after) = (filter.clone(), after.cloned());
        self.with(
            move |store| async move { store.fleet(&filter, order, after.as_ref(), limit).await },
        )
        .await
    }

    async fn fleet_account(&self, account: AccountId) -> Answer<Option<AccountReport>> {
        self.with(move |store| async move { store.fleet_account(account).await })
            .await
    }

    async fn fleet_totals(&self) -> Answer<FleetTotals> {
        self.with(|store| async move { store.fleet_totals().await })
            .await
    }

    async fn fleet_units(&self) -> Answer<Vec<UnitTotals>> {
        self.with(|store| async move { store.fleet_units().await })
            .await
    }

    async fn findings(&self, account: Option<AccountId>) -> Answer<Vec<Finding>> {
        self.with(move |store| async move { store.findings(account).await })
            .await
    }

    async fn findings_of(&self, accounts: &[AccountId]) -> Answer<Vec<Finding>> {
        let accounts = accounts.to_vec();
        self.with(move |store| async move { store.findings_of(&accounts).await })
            .await
    }

    async fn critical_findings(&self, since: Timestamp) -> Answer<Vec<Finding>> {
        self.with(move |store| async move { store.critical_findings(since).await })
            .await
    }

    async fn unfinished(&self) -> Answer<Vec<SweepRecord>> {
        self.with(|store| async move { store.unfinished().await })
            .await
    }
}

/// A deed that can go to another thread.
enum OwnDeed {
    Role(RoleName, PlannedStep),
    User(String, UserStep),
}

impl OwnDeed {
    fn of(deed: Deed<'_>) -> Self {
        match deed {
            Deed::Role { role, step } => Self::Role(role.clone(), step.clone()),
            Deed::User { user, step } => Self::User(user.to_owned(), step.clone()),
        }
    }
}

impl Journal for Durable {
    async fn intend(&self, intent: &Intent<'_>, fence: Fence) -> Answer<EntryId> {
        let (sweep, requested_by) = (intent.sweep.clone(), intent.requested_by.to_owned());
        let (account, at) = (intent.account, intent.at);
        let deed = OwnDeed::of(intent.deed);
        self.with(move |store| async move {
            let deed = match &deed {
                OwnDeed::Role(role, step) => Deed::Role { role, step },
                OwnDeed::User(user, step) => Deed::User { user, step },
            };
            let intent = Intent {
                sweep: &sweep,
                requested_by: &requested_by,
                account,
                deed,
                at,
            };
            store.intend(&intent, fence).await
        })
        .await
    }

    async fn complete(&self, entry: EntryId, completion: &Completion, at: Timestamp) -> Answer<()> {
        let completion = completion.clone();
        self.with(move |store| async move { store.complete(entry, &completion, at).await })
            .await
    }

    async fn open(&self) -> Answer<Vec<JournalEntry>> {
        self.with(|store| async move { Journal::open(&store).await })
            .await
    }

    async fn history(
        &self,
        account: AccountId,
        before: Option<EntryId>,
        limit: u32,
    ) -> Answer<Vec<JournalEntry>> {
        self.with(move |store| async move { store.history(account, before, limit).await })
            .await
    }

    async fn of_sweep(
        &self,
        sweep: &SweepId,
        after: Option<EntryId>,
        limit: u32,
    ) -> Answer<Vec<JournalEntry>> {
        let sweep = sweep.clone();
        self.with(move |store| async move { store.of_sweep(&sweep, after, limit).await })
            .await
    }

    async fn owned(&self, account: AccountId) -> Answer<Vec<String>> {
        self.with(move |store| async move { store.owned(account).await })
            .await
    }

    async fn kept_since(&self) -> Answer<Option<Timestamp>> {
        self.with(|store| async move { store.kept_since().await })
            .await
    }

    async fn adopt(
        &self,
        account: AccountId,
        resource: &str,
        sweep: &SweepId,
        at: Timestamp,
        fence: Fence,
    ) -> Answer<()> {
        let (resource, sweep) = (resource.to_owned(), sweep.clone());
        self.with(
            move |store| async move { store.adopt(account, &resource, &sweep, at, fence).await },
        )
        .await
    }
}

impl Memory for Durable {
    async fn known_documents(
        &self,
        policy_ids: &[String],
    ) -> Answer<BTreeMap<(String, String), String>> {
        let ids = policy_ids.to_vec();
        self.with(|store| async move { store.known_documents(&ids).await })
            .await
    }

    async fn remember_documents(&self, documents: &[(String, String, String)]) -> Answer<()> {
        let documents = documents.to_vec();
        self.with(|store| async move { store.remember_documents(&documents).await })
            .await
    }

    async fn rates(&self) -> Answer<BTreeMap<String, f64>> {
        self.with(|store| async move { store.rates().await }).await
    }

    async fn remember_rates(&self, rates: &BTreeMap<String, f64>) -> Answer<()> {
        let rates = rates.clone();
        self.with(|store| async move { store.remember_rates(&rates).await })
            .await
    }

    async fn census_size(&self) -> Answer<Option<u64>> {
        self.with(|store| async move { store.census_size().await })
            .await
    }

    async fn remember_census(&self, present: &[AccountId], at: Timestamp) -> Answer<()> {
        let present = present.to_vec();
        self.with(move |store| async move { store.remember_census(&present, at).await })
            .await
    }

    async fn last_seen(&self) -> Answer<BTreeMap<AccountId, Timestamp>> {
        self.with(|store| async move { store.last_seen().await })
            .await
    }
}

impl Control for Durable {
    async fn halted(&self) -> Answer<Option<Halt>> {
        self.with(|store| async move { store.halted().await }).await
    }

    async fn halt(&self, halt: &Halt) -> Answer<()> {
        let halt = halt.clone();
        self.with(|store| async move { store.halt(&halt).await })
            .await
    }

    async fn resume(&self, by: &str, at: Timestamp) -> Answer<()> {
        let by = by.to_owned();
        self.with(move |store| async move { store.resume(&by, at).await })
            .await
    }

    async fn request(&self, request: &SweepRequest) -> Answer<i64> {
        let request = request.clone();
        self.with(|store| async move { store.request(&request).await })
            .await
    }

    async fn next_request(&self, trigger: Option<Trigger>) -> Answer<Option<SweepRequest>> {
        self.with(move |store| async move { store.next_request(trigger).await })
            .await
    }

    async fn forget_request(&self, id: i64) -> Answer<()> {
        self.with(move |store| async move { store.forget_request(id).await })
            .await
    }

    async fn cancel(&self, sweep: &SweepId, by: &str, at: Timestamp) -> Answer<()> {
        let (sweep, by) = (sweep.clone(), by.to_owned());
        self.with(move |store| async move { store.cancel(&sweep, &by, at).await })
            .await
    }

    async fn cancelled(&self, sweep: &SweepId) -> Answer<bool> {
        let sweep = sweep.clone();
        self.with(|store| async move { store.cancelled(&sweep).await })
            .await
    }

    async fn await_approval(
        &self,
        sweep: &SweepId,
        changes: u64,
        widens: &[String],
        at: Timestamp,
    ) -> Answer<()> {
        let (sweep, widens) = (sweep.clone(), widens.to_vec());
        self.with(
            move |store| async move { store.await_approval(&sweep, changes, &widens, at).await },
        )
        .await
    }

    async fn approve(&self, sweep: &SweepId, by: &str, at: Timestamp) -> Answer<bool> {
        let (sweep, by) = (sweep.clone(), by.to_owned());
        self.with(move |store| async move { store.approve(&sweep, &by, at).await })
            .await
    }

    async fn approval_asked_at(&self, sweep: &SweepId) -> Answer<Option<Timestamp>> {
        let sweep = sweep.clone();
        self.with(|store| async move { store.approval_asked_at(&sweep).await })
            .await
    }

    async fn approved_by(&self, sweep: &SweepId) -> Answer<Option<String>> {
        let sweep = sweep.clone();
        self.with(|store| async move { store.approved_by(&sweep).await })
            .await
    }

    async fn approved(&self, sweep: &SweepId) -> Answer<bool> {
        let sweep = sweep.clone();
        self.with(|store| async move { store.approved(&sweep).await })
            .await
    }

    async fn agreed_specs(&self) -> Answer<Vec<AgreedSpec>> {
        self.with(|store| async move { store.agreed_specs().await })
            .await
    }

    async fn agree(&self, spec: &AgreedSpec, fence: Fence) -> Answer<()> {
        let spec = spec.clone();
        self.with(move |store| async move { store.agree(&spec, fence).await })
            .await
    }

    async fn awaiting_approval(&self) -> Answer<Vec<(SweepId, u64)>> {
        self.with(|store| async move { store.awaiting_approval().await })
            .await
    }
}

impl Lease for Durable {
    async fn acquire(&self, holder: &str, ttl: Duration, now: Timestamp) -> Answer<Option<Fence>> {
        let holder = holder.to_owned();
        self.with(move |store| async move { store.acquire(&holder, ttl, now).await })
            .await
    }

    async fn release(&self, holder: &str) -> Answer<()> {
        let holder = holder.to_owned();
        self.with(|store| async move { store.release(&holder).await })
            .await
    }

    async fn holder(&self) -> Answer<Option<(String, Timestamp)>> {
        self.with(|store| async move { store.holder().await }).await
    }
}

impl Outbox for Durable {
    async fn post(&self, notice: &Notice) -> Answer<bool> {
        let notice = notice.clone();
        self.with(|store| async move { store.post(&notice).await })
            .await
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Answer<Vec<Notice>> {
        self.with(move |store| async move { store.due(now, limit).await })
            .await
    }

    async fn delivered(&self, id: i64, at: Timestamp) -> Answer<()> {
        self.with(move |store| async move { store.delivered(id, at).await })
            .await
    }

    async fn postponed(&self, id: i64, why: &str, again_at: Option<Timestamp>) -> Answer<()> {
        let why = why.to_owned();
        self.with(move |store| async move { store.postponed(id, &why, again_at).await })
            .await
    }
}
