//! The store of the storms: in memory and, where a seed is given a file, on the real store as well. Every
//! call is made on both, and what they answer has to be the same.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
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

use super::durable::Durable;
use super::each::{each_method, each_method_of_the_outbox};
use super::memory::MemoryStore;
use super::sent::{Sent, Watched};
use super::violation::Stores;

type Answer<T> = Result<T, StoreError>;

/// More than a seed ever leaves of one kind.
const ALL: u32 = 100_000;

/// The store.
#[derive(Debug, Default)]
pub struct Twin {
    memory: MemoryStore,
    real: Option<Real>,
    differences: Mutex<Vec<String>>,
}

/// The one on a file.
#[derive(Debug)]
struct Real {
    store: Durable,
    file: PathBuf,
    /// The real number of each journal entry, by its number in memory: the real journal numbers all its
    /// records, not its intents alone.
    entries: Mutex<BTreeMap<EntryId, EntryId>>,
}

impl Deref for Twin {
    type Target = MemoryStore;

    fn deref(&self) -> &MemoryStore {
        &self.memory
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        for ending in ["", "-wal", "-shm"] {
            let mut name = self.file.clone().into_os_string();
            name.push(ending);
            // Its folder is thrown away as well.
            drop(std::fs::remove_file(name));
        }
    }
}

impl Real {
    fn of(folder: &Path, name: &str) -> Self {
        let file = folder.join(format!("{name}.db"));
        Self {
            store: Durable::open(&format!("sqlite:{}", file.display())),
            file,
            entries: Mutex::default(),
        }
    }

    fn number(&self, entry: EntryId) -> EntryId {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        // What memory never numbered is nothing to the real one either.
        entries.get(&entry).copied().unwrap_or(EntryId(i64::MAX))
    }

    /// The real entries as memory has them: by its numbers, and without what a step puts there, which the real
    /// store reads out of the step for a rollback and for people, and no engine asks of a store.
    fn as_in_memory(&self, told: Answer<Vec<JournalEntry>>) -> Answer<Vec<JournalEntry>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let numbers: BTreeMap<EntryId, EntryId> = entries
            .iter()
            .map(|(memory, real)| (*real, *memory))
            .collect();
        let as_in_memory = |entry: JournalEntry| JournalEntry {
            id: numbers.get(&entry.id).copied().unwrap_or(entry.id),
            after: None,
            ..entry
        };
        told.map(|told| told.into_iter().map(as_in_memory).collect())
    }
}

impl Twin {
    /// An empty store of that name.
    pub fn of(stores: Stores<'_>, name: &str) -> Self {
        let real = match stores {
            Stores::Memory => None,
            Stores::Sqlite(folder) => Some(Real::of(folder, name)),
        };
        Self {
            real,
            ..Self::default()
        }
    }

    /// The first answer in which the two differed, in words.
    pub fn difference(&self) -> Option<String> {
        let all = self.differences.lock();
        all.unwrap_or_else(PoisonError::into_inner).first().cloned()
    }

    /// The real store, where memory answered. A broken disk is played by memory for both: the real one is then
    /// not asked at all.
    fn beside<T>(&self, told: &Answer<T>) -> Option<&Real> {
        let broken = matches!(told, Err(StoreError::Unavailable { .. }));
        self.real.as_ref().filter(|_| !broken)
    }

    fn compare<T: Any + Clone + Debug + PartialEq>(
        &self,
        call: &str,
        memory: &Answer<T>,
        real: &Answer<T>,
    ) {
        let same = match (memory, real) {
            (Ok(memory), Ok(real)) => in_order(memory) == in_order(real),
            // What is wrong they may say in words of their own.
            (Err(StoreError::Corrupt { .. }), Err(StoreError::Corrupt { .. })) => true,
            _ => memory == real,
        };
        if !same {
            let what = format!("{call}: memory answered {memory:?}, the real store {real:?}");
            let all = self.differences.lock();
            all.unwrap_or_else(PoisonError::into_inner).push(what);
        }
    }

    /// Asks both for all that they hold, and the real one whether its journal holds together. Answers the first
    /// difference there ever was, in words.
    pub async fn settled(&self, accounts: &[AccountId]) -> Option<String> {
        let filter = ReportFilter::default();
        let sweeps = self.sweeps(None, ALL).await.unwrap_or_default();
        for sweep in &sweeps {
            drop(self.sweep(&sweep.id).await);
            drop(self.reports(&sweep.id, &filter, None, ALL).await);
            drop(self.of_sweep(&sweep.id, None, ALL).await);
            drop(self.approved_by(&sweep.id).await);
        }
        for account in accounts {
            drop(self.fleet_account(*account).await);
            drop(self.findings(Some(*account)).await);
            drop(self.history(*account, None, ALL).await);
            drop(self.owned(*account).await);
        }
        drop(self.fleet(&filter, FleetOrder::default(), None, ALL).await);
        drop(self.findings(None).await);
        drop(self.last_completed().await);
        drop(self.agreed_specs().await);
        drop(self.awaiting_approval().await);
        drop(self.last_seen().await);
        drop(self.holder().await);
        let verified = self.real.as_ref().map(|real| {
            real.store
                .with(async |store| store.verify_journal(None).await)
        });
        let broken = match verified {
            None | Some(Ok(Ok(_))) => None,
            Some(other) => Some(format!("the journal does not hold together: {other:?}")),
        };
        self.difference().or(broken)
    }
}

/// An answer in an order of its own, where the port promises none: the real store goes by digests.
fn in_order<T: Any + Clone>(told: &T) -> T {
    let mut told = told.clone();
    if let Some(findings) = (&mut told as &mut dyn Any).downcast_mut::<Vec<Finding>>() {
        findings.sort_by_key(|finding| {
            let drift = &finding.drift;
            (
                finding.account,
                drift.role.clone(),
                drift.kind,
                drift.subject.clone(),
            )
        });
    }
    told
}

impl Watched for Twin {
    fn sent(&self) -> &Arc<Sent> {
        self.memory.sent()
    }
}

macro_rules! on_both {
    ($port:ident: $($name:ident($($arg:ident: $type:ty),*) -> $answer:ty;)*) => {
        impl $port for Twin {
            $(async fn $name(&self, $($arg: $type),*) -> Answer<$answer> {
                let told = $port::$name(&self.memory, $($arg),*).await;
                if ASKED_OF_MEMORY_ALONE.contains(&stringify!($name)) {
                    return told;
                }
                if let Some(real) = self.beside(&told) {
                    let other = $port::$name(&real.store, $($arg),*).await;
                    self.compare(stringify!($name), &told, &other);
                }
                told
            })*
        }
    };
}

/// Counts for gauges and the page, which no engine asks for and memory does not keep.
const ASKED_OF_MEMORY_ALONE: [&str; 2] = ["fleet_totals", "fleet_units"];

each_method!(on_both);

macro_rules! in_memory {
    ($port:ident: $($name:ident($($arg:ident: $type:ty),*) -> $answer:ty;)*) => {
        impl $port for Twin {
            $(async fn $name(&self, $($arg: $type),*) -> Answer<$answer> {
                $port::$name(&self.memory, $($arg),*).await
            })*
        }
    };
}

// The engine posts nothing; the daemon does.
each_method_of_the_outbox!(in_memory);

impl Journal for Twin {
    async fn intend(&self, intent: &Intent<'_>, fence: Fence) -> Answer<EntryId> {
        let told = self.memory.intend(intent, fence).await;
        if let Some(real) = self.beside(&told) {
            let other = real.store.intend(intent, fence).await;
            if let (Ok(memory), Ok(real_one)) = (&told, &other) {
                let mut entries = real.entries.lock().unwrap_or_else(PoisonError::into_inner);
                entries.insert(*memory, *real_one);
            }
            let nameless = |told: &Answer<EntryId>| told.clone().map(drop);
            self.compare("intend", &nameless(&told), &nameless(&other));
        }
        told
    }

    async fn complete(&self, entry: EntryId, completion: &Completion, at: Timestamp) -> Answer<()> {
        let told = self.memory.complete(entry, completion, at).await;
        if let Some(real) = self.beside(&told) {
            let number = real.number(entry);
            let other = real.store.complete(number, completion, at).await;
            self.compare("complete", &told, &other);
        }
        told
    }

    async fn open(&self) -> Answer<Vec<JournalEntry>> {
        let told = Journal::open(&self.memory).await;
        if let Some(real) = self.beside(&told) {
            let other = real.as_in_memory(Journal::open(&real.store).await);
            self.compare("open", &told, &other);
        }
        told
    }

    async fn history(
        &self,
        account: AccountId,
        before: Option<EntryId>,
        limit: u32,
    ) -> Answer<Vec<JournalEntry>> {
        let told = self.memory.history(account, before, limit).await;
        if let Some(real) = self.beside(&told) {
            let before = before.map(|entry| real.number(entry));
            let other = real.as_in_memory(real.store.history(account, before, limit).await);
            self.compare("history", &told, &other);
        }
        told
    }

    async fn of_sweep(
        &self,
        sweep: &SweepId,
        after: Option<EntryId>,
        limit: u32,
    ) -> Answer<Vec<JournalEntry>> {
        let told = self.memory.of_sweep(sweep, after, limit).await;
        if let Some(real) = self.beside(&told) {
            let after = after.map(|entry| real.number(entry));
            let other = real.as_in_memory(real.store.of_sweep(sweep, after, limit).await);
            self.compare("of_sweep", &told, &other);
        }
        told
    }

    async fn owned(&self, account: AccountId) -> Answer<Vec<String>> {
        let told = self.memory.owned(account).await;
        if let Some(real) = self.beside(&told) {
            let other = real.store.owned(account).await;
            self.compare("owned", &told, &other);
        }
        told
    }

    async fn forgotten_until(&self) -> Answer<Option<Timestamp>> {
        let told = self.memory.forgotten_until().await;
        if let Some(real) = self.beside(&told) {
            let other = real.store.forgotten_until().await;
            self.compare("forgotten_until", &told, &other);
        }
        told
    }

    async fn adopt(
        &self,
        account: AccountId,
        resource: &str,
        sweep: &SweepId,
        at: Timestamp,
        fence: Fence,
    ) -> Answer<()> {
        let told = self.memory.adopt(account, resource, sweep, at, fence).await;
        if let Some(real) = self.beside(&told) {
            let other = real.store.adopt(account, resource, sweep, at, fence).await;
            self.compare("adopt", &told, &other);
        }
        told
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test panics on purpose")]
mod tests {
    use rolekeeper_engine::port::store::{Control as _, Lease as _};

    use super::super::clock::SimClock;
    use super::{Halt, Stores, Twin};

    #[tokio::test(start_paused = true)]
    async fn two_answers_that_differ_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let twin = Twin::of(Stores::Sqlite(folder.path()), "twin");
        let at = SimClock::begin();
        let halt = |why: &str| Halt {
            why: why.to_owned(),
            by: "ann".to_owned(),
            at,
        };
        twin.halt(&halt("both")).await.unwrap();
        assert_eq!(twin.halted().await, Ok(Some(halt("both"))));
        assert_eq!(twin.settled(&[]).await, None);
        // Said to one of them alone.
        twin.memory.halt(&halt("one")).await.unwrap();
        assert!(twin.holder().await.unwrap().is_none());
        assert_eq!(twin.difference(), None);
        twin.halted().await.unwrap();
        let what = twin.difference().unwrap();
        assert!(what.starts_with("halted: memory answered"), "{what}");
    }
}
