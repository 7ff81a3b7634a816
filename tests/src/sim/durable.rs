//! The real store in simulated time.
//!
//! SQLite works on threads of its own, which paused time does not wait for. So each call runs to its end
//! on another runtime while the thread of the simulation stands still: for the simulation it takes no
//! time at all, and nothing else happens meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::finding::Finding;
use rolekeeper_domain::outcome::{AccountReport, SweepId, SweepOutcome, SweepRecord, Trigger};
use rolekeeper_engine::port::store::{
    AgreedSpec, Completion, Control, EntryId, Fence, FleetOrder, FleetPosition, FleetTotals, Halt,
    Intent, Journal, JournalEntry, Lease, Memory, Notice, Outbox, ReportFilter, StoreError,
    SweepRequest, Sweeps, UnitTotals,
};
use rolekeeper_store::Store;
use tokio::runtime::Runtime;

use super::each::{each_method, each_method_of_the_outbox};
use super::sent::{Sent, Watched};

type Answer<T> = Result<T, StoreError>;

/// A store on disk.
#[derive(Debug)]
pub struct Durable {
    store: Store,
    runtime: Option<Runtime>,
    sent: Arc<Sent>,
}

#[expect(clippy::expect_used, reason = "the rig is part of the tests")]
impl Durable {
    /// Opens the store at `url`, as a process does at its start.
    pub fn open(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let store = to_its_end(&runtime, async || rolekeeper_store::open(url).await);
        Self {
            store: store.expect("a store that opens"),
            runtime: Some(runtime),
            sent: Arc::default(),
        }
    }

    /// Does something with the store itself.
    pub fn with<T: Send>(&self, call: impl AsyncFnOnce(&Store) -> T + Send) -> T {
        let runtime = self.runtime.as_ref().expect("it is there until the drop");
        to_its_end(runtime, async || call(&self.store).await)
    }
}

/// Carries a call out on a runtime while this thread, which has one of its own, waits.
#[expect(clippy::expect_used, reason = "the rig is part of the tests")]
fn to_its_end<T: Send>(runtime: &Runtime, call: impl AsyncFnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let ended = scope.spawn(|| runtime.block_on(call())).join();
        ended.expect("a call that does not panic")
    })
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

macro_rules! on_disk {
    ($port:ident: $($name:ident($($arg:ident: $type:ty),*) -> $answer:ty;)*) => {
        impl $port for Durable {
            $(async fn $name(&self, $($arg: $type),*) -> Answer<$answer> {
                self.with(async |store| $port::$name(store, $($arg),*).await)
            })*
        }
    };
}

each_method!(on_disk);
each_method_of_the_outbox!(on_disk);

impl Journal for Durable {
    async fn intend(&self, intent: &Intent<'_>, fence: Fence) -> Answer<EntryId> {
        self.with(async |store| store.intend(intent, fence).await)
    }

    async fn complete(&self, entry: EntryId, completion: &Completion, at: Timestamp) -> Answer<()> {
        self.with(async |store| store.complete(entry, completion, at).await)
    }

    async fn open(&self) -> Answer<Vec<JournalEntry>> {
        self.with(async |store| Journal::open(store).await)
    }

    async fn history(
        &self,
        account: AccountId,
        before: Option<EntryId>,
        limit: u32,
    ) -> Answer<Vec<JournalEntry>> {
        self.with(async |store| store.history(account, before, limit).await)
    }

    async fn of_sweep(
        &self,
        sweep: &SweepId,
        after: Option<EntryId>,
        limit: u32,
    ) -> Answer<Vec<JournalEntry>> {
        self.with(async |store| store.of_sweep(sweep, after, limit).await)
    }

    async fn owned(&self, account: AccountId) -> Answer<Vec<String>> {
        self.with(async |store| store.owned(account).await)
    }

    async fn forgotten_until(&self) -> Answer<Option<Timestamp>> {
        self.with(async |store| store.forgotten_until().await)
    }

    async fn adopt(
        &self,
        account: AccountId,
        resource: &str,
        sweep: &SweepId,
        at: Timestamp,
        fence: Fence,
    ) -> Answer<()> {
        self.with(async |store| store.adopt(account, resource, sweep, at, fence).await)
    }
}
