//! From the workers to the store, in batches.
//!
//! Ten thousand single inserts take a second and a half, twenty batches take ten
//! milliseconds; and nothing but what is on its way is held in memory.

use std::time::Duration;

use rolekeeper_domain::outcome::{AccountReport, SweepId};
use tokio::sync::{mpsc, oneshot};

use crate::gateway::within;
use crate::port::clock::Clock;
use crate::port::store::{Memory, StoreError, Sweeps};

/// Reports written at once at most.
const BATCH: usize = 500;

/// A report is in the store at most this long after its account was done, so
/// that whoever watches sees it.
const PATIENCE: Duration = Duration::from_millis(250);

/// Reports on their way to the store at most; then the workers wait for it.
const QUEUE: usize = 1_000;

enum Item {
    Report(Box<AccountReport>),
    Document(String, String, String),
    Flush(oneshot::Sender<()>),
}

/// Where workers hand in what they found. Cheap to clone; the writer ends when all are dropped.
#[derive(Clone)]
pub(crate) struct Recorder {
    items: mpsc::Sender<Item>,
}

/// Writes what is handed in.
pub(crate) struct Writer {
    items: mpsc::Receiver<Item>,
}

impl Recorder {
    pub(crate) fn new() -> (Self, Writer) {
        let (sender, items) = mpsc::channel(QUEUE);
        (Self { items: sender }, Writer { items })
    }

    /// Hands in a report. A writer that is gone has failed, and the sweep with it:
    /// there is nobody left to tell here.
    pub(crate) async fn report(&self, report: AccountReport) {
        drop(self.items.send(Item::Report(Box::new(report))).await);
    }

    /// Hands in the text of a policy version.
    pub(crate) async fn document(&self, policy_id: &str, version_id: &str, text: &str) {
        let item = Item::Document(policy_id.to_owned(), version_id.to_owned(), text.to_owned());
        drop(self.items.send(item).await);
    }

    /// Waits until everything handed in so far is in the store.
    pub(crate) async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.items.send(Item::Flush(done)).await.is_ok() {
            // An error means that the writer failed, which its own result says.
            drop(written.await);
        }
    }
}

#[derive(Default)]
struct Pending {
    reports: Vec<AccountReport>,
    documents: Vec<(String, String, String)>,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.reports.is_empty() && self.documents.is_empty()
    }
}

impl Writer {
    /// Writes until every [`Recorder`] is gone.
    pub(crate) async fn run<S: Sweeps + Memory>(
        mut self,
        store: &S,
        clock: &impl Clock,
        sweep: &SweepId,
    ) -> Result<(), StoreError> {
        let mut pending = Pending::default();
        let mut batch = Vec::with_capacity(BATCH);
        // When what waits longest has to be written: a steady trickle must not put it off.
        let mut due: Option<Duration> = None;
        loop {
            let receive = self.items.recv_many(&mut batch, BATCH);
            let received = match due {
                None => Some(receive.await),
                Some(due) => {
                    let left = Duration::saturating_sub(due, clock.elapsed());
                    within(clock, left, receive).await
                }
            };
            match received {
                None => {
                    write(&mut pending, store, sweep).await?;
                    due = None;
                    continue;
                }
                Some(0) => return write(&mut pending, store, sweep).await,
                Some(_) => {}
            }
            for item in batch.drain(..) {
                match item {
                    Item::Report(report) => pending.reports.push(*report),
                    Item::Document(policy, version, text) => {
                        pending.documents.push((policy, version, text));
                    }
                    Item::Flush(done) => {
                        write(&mut pending, store, sweep).await?;
                        // Whoever asked may have gone; then nobody waits.
                        done.send(()).unwrap_or_default();
                    }
                }
            }
            if pending.reports.len().max(pending.documents.len()) >= BATCH {
                write(&mut pending, store, sweep).await?;
            }
            due = if pending.is_empty() {
                None
            } else {
                due.or(Some(clock.elapsed() + PATIENCE))
            };
        }
    }
}

async fn write<S: Sweeps + Memory>(
    pending: &mut Pending,
    store: &S,
    sweep: &SweepId,
) -> Result<(), StoreError> {
    if !pending.documents.is_empty() {
        store.remember_documents(&pending.documents).await?;
        pending.documents.clear();
    }
    if !pending.reports.is_empty() {
        store.record(sweep, &pending.reports).await?;
        pending.reports.clear();
    }
    Ok(())
}
