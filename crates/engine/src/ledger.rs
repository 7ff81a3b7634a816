//! Writes on record outside the walk over an organization: an account that is provisioned with
//! keys of its own.
//!
//! The same promises as in a sweep: the lease is held, nobody has halted writes, and the intent of
//! each step is on disk before it is taken.

use std::convert::Infallible;
use std::sync::Arc;

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::fault::Fault;
use rolekeeper_domain::observation::Observation;
use rolekeeper_domain::outcome::{Mode, Summary, SweepId, SweepOutcome, SweepRecord, Trigger};
use rolekeeper_domain::planner::{Effect, effect};
use rolekeeper_domain::record;
use rolekeeper_domain::role::RoleName;

use crate::apply::completion;
use crate::order::SweepError;
use crate::port::clock::Clock;
use crate::port::session::Receipt;
use crate::port::store::{Completion, Deed, Fence, Intent, JournalEntry, Store};
use crate::settings::EngineSettings;
use crate::settle::LATE;

/// How often the lease is renewed before it would end.
const RENEWALS: u32 = 3;

/// A record of writes, opened for one command. Closed with [`Ledger::close`]; one that is not, is
/// settled like the sweep of a process that died.
pub struct Ledger<S, C> {
    store: Arc<S>,
    clock: Arc<C>,
    settings: EngineSettings,
    sweep: SweepId,
    requested_by: String,
}

/// Why a step is not known to be done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotTaken {
    /// It was not begun: the store, the lease, a halt or a freeze stood against it.
    #[error(transparent)]
    NotBegun(#[from] SweepError),
    /// AWS said no, or nothing.
    #[error("{0}")]
    Failed(Fault),
}

impl<S: Store, C: Clock> Ledger<S, C> {
    /// Opens a record: takes the lease, and begins a sweep that the steps belong to.
    ///
    /// # Errors
    ///
    /// When nothing may be written now, or the store fails.
    pub async fn open(
        store: Arc<S>,
        clock: Arc<C>,
        settings: EngineSettings,
        requested_by: String,
        salt: u32,
    ) -> Result<Self, SweepError> {
        let now = clock.now();
        let ledger = Self {
            sweep: SweepId::new(now, salt),
            store,
            clock,
            settings,
            requested_by,
        };
        ledger.may_write().await?;
        let begun = SweepRecord {
            id: ledger.sweep.clone(),
            mode: Mode::Repair,
            trigger: Trigger::Bootstrap,
            requested_by: ledger.requested_by.clone(),
            started_at: now,
            finished_at: None,
            outcome: None,
            reason: None,
            widens: Vec::new(),
            summary: Summary::default(),
        };
        ledger.store.begin(&begun).await?;
        Ok(ledger)
    }

    /// The sweep that the steps belong to.
    pub const fn sweep(&self) -> &SweepId {
        &self.sweep
    }

    /// The fence, unless something stands against writing now.
    async fn may_write(&self) -> Result<Fence, SweepError> {
        if let Some(halt) = self.store.halted().await? {
            return Err(SweepError::Halted {
                by: halt.by,
                why: halt.why,
            });
        }
        let now = self.clock.now();
        let frozen = self.settings.freeze.as_ref().and_then(|frozen| frozen(now));
        if let Some(why) = frozen {
            return Err(SweepError::Frozen { why });
        }
        let holder = &self.settings.holder;
        let lease = self.settings.limits.lease;
        if let Some(fence) = self.store.acquire(holder, lease, now).await? {
            return Ok(fence);
        }
        let (holder, until) = match self.store.holder().await? {
            Some(holder) => holder,
            None => ("another process".to_owned(), now),
        };
        Err(SweepError::NotLeader { holder, until })
    }

    /// Takes one step: its intent is on disk before `call` begins, its end after.
    ///
    /// # Errors
    ///
    /// When it was not begun, or AWS did not say yes.
    pub async fn take(
        &self,
        account: AccountId,
        deed: Deed<'_>,
        call: impl Future<Output = Result<Receipt, Fault>>,
    ) -> Result<Receipt, NotTaken> {
        let fence = self.may_write().await?;
        let intent = Intent {
            sweep: &self.sweep,
            requested_by: &self.requested_by,
            account,
            deed,
            at: self.clock.now(),
        };
        let entry = self.store.intend(&intent, fence).await;
        let entry = entry.map_err(SweepError::from)?;
        let answer = tokio::select! {
            biased;
            answer = call => answer,
            never = self.keep_leading() => match never {},
        };
        let recorded = self
            .store
            .complete(entry, &completion(&answer), self.clock.now())
            .await;
        let receipt = answer.map_err(NotTaken::Failed)?;
        recorded.map_err(SweepError::from)?;
        Ok(receipt)
    }

    /// Renews the lease for as long as a step takes. One that is lost shows at the next step.
    async fn keep_leading(&self) -> Infallible {
        let (holder, lease) = (&self.settings.holder, self.settings.limits.lease);
        loop {
            self.clock.sleep(lease / RENEWALS).await;
            drop(self.store.acquire(holder, lease, self.clock.now()).await);
        }
    }

    /// Settles what an earlier process left open about a role, by what was seen just now.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn settle(
        &self,
        role: &RoleName,
        observation: &Observation,
    ) -> Result<(), SweepError> {
        let now = self.clock.now();
        let open = self.store.open().await?;
        let ours = open.iter().filter(|entry| {
            entry.account == observation.account && entry.subject.role() == Some(role)
        });
        for entry in ours {
            if let Some(end) = end_of(entry, observation, now) {
                self.store.complete(entry.id, &end, now).await?;
            }
        }
        Ok(())
    }

    /// Closes the record, and gives the lease back.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn close(self, failed: Option<&str>) -> Result<(), SweepError> {
        let outcome = if failed.is_some() {
            SweepOutcome::Failed
        } else {
            SweepOutcome::Completed
        };
        let now = self.clock.now();
        self.store.finish(&self.sweep, outcome, failed, now).await?;
        self.store.release(&self.settings.holder).await?;
        Ok(())
    }
}

fn end_of(
    entry: &JournalEntry,
    observation: &Observation,
    now: jiff::Timestamp,
) -> Option<Completion> {
    // A record that cannot be read back stays open, for a person to look at.
    let step = record::step(entry.operation, &entry.parameters).ok()?;
    match effect(&step, observation) {
        Effect::There => Some(Completion::SettledDone),
        Effect::NotThere if now.duration_since(entry.intended_at) >= LATE => {
            Some(Completion::SettledUndone)
        }
        Effect::NotThere | Effect::Unknown => None,
    }
}
