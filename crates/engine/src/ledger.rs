//! Writes on record outside the walk over an organization: an account that is provisioned with
//! keys of its own.
//!
//! The same promises as in a sweep: the lease is held, nobody has halted writes, and the intent of
//! each step is on disk before it is taken.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::observation::Observation;
use rolekeeper_domain::outcome::{Mode, Summary, SweepId, SweepOutcome, SweepRecord, Trigger};
use rolekeeper_domain::planner::{Effect, effect};
use rolekeeper_domain::record;
use rolekeeper_domain::role::RoleName;

use crate::apply::completion;
use crate::order::SweepError;
use crate::port::clock::Clock;
use crate::port::session::Receipt;
use crate::port::store::{Completion, Deed, Fence, Intent, JournalEntry, Store, StoreError};
use crate::settings::EngineSettings;
use crate::settle::LATE;

/// How often the lease is renewed before it would end.
const RENEWALS: u32 = 3;

/// How often a step is tried that does not find what was made a moment ago, and the time between: IAM is eventually consistent.
pub const LOOKS: u32 = 20;
/// The time between two looks.
pub const BETWEEN: Duration = Duration::from_secs(3);

/// What is on record of a step that was intended and then not taken.
const UNTAKEN: &str = "the call was not made: writing was no longer allowed";

/// A record of writes, opened for one command. Closed with [`Ledger::close`]; one that is not, is
/// settled like the sweep of a process that died.
pub struct Ledger<S, C> {
    store: Arc<S>,
    clock: Arc<C>,
    settings: EngineSettings,
    sweep: SweepId,
    requested_by: String,
    /// The one it began with. Another one means that somebody else wrote in between.
    fence: Fence,
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
        let fence = lead(store.as_ref(), clock.as_ref(), &settings).await?;
        let ledger = Self {
            sweep: SweepId::new(now, salt),
            store,
            clock,
            settings,
            requested_by,
            fence,
        };
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

    /// Whether the lease is the one it began with, and nothing else stands against writing now.
    async fn may_write(&self) -> Result<(), SweepError> {
        let fence = lead(self.store.as_ref(), self.clock.as_ref(), &self.settings).await?;
        if fence.0 == self.fence.0 {
            return Ok(());
        }
        Err(StoreError::Fenced {
            ours: self.fence.0,
            held: fence.0,
        }
        .into())
    }

    /// Takes one step: its intent is on disk before `call` begins, its end after. One that does not find what
    /// was made a moment ago is called again. One whose answer was lost has no end until a look settles it.
    ///
    /// # Errors
    ///
    /// When it was not begun, or AWS did not say yes.
    pub async fn take<F: Future<Output = Result<Receipt, Fault>>>(
        &self,
        account: AccountId,
        deed: Deed<'_>,
        call: impl Fn() -> F,
    ) -> Result<Receipt, NotTaken> {
        self.may_write().await?;
        let intent = Intent {
            sweep: &self.sweep,
            requested_by: &self.requested_by,
            account,
            deed,
            at: self.clock.now(),
        };
        let entry = self.store.intend(&intent, self.fence).await;
        let entry = entry.map_err(SweepError::from)?;
        let (answer, stopped) = self.calls(call).await;
        let is_lost = answer
            .as_ref()
            .is_err_and(|fault| fault.category.hides_the_answer());
        let recorded = if is_lost {
            Ok(())
        } else {
            let (end, now) = (completion(&answer), self.clock.now());
            self.store.complete(entry, &end, now).await
        };
        if let Some(stopped) = stopped {
            return Err(stopped.into());
        }
        let receipt = answer.map_err(NotTaken::Failed)?;
        recorded.map_err(SweepError::from)?;
        Ok(receipt)
    }

    /// The last answer, and why no further call was made where one was due. Each call is asked for anew: the
    /// intent may have waited for the disk, and the one before for what it did not find.
    async fn calls<F: Future<Output = Result<Receipt, Fault>>>(
        &self,
        call: impl Fn() -> F,
    ) -> (Result<Receipt, Fault>, Option<SweepError>) {
        let mut answer = Err(Fault::new(Category::Internal, UNTAKEN));
        for look in 0..=LOOKS {
            if look > 0 {
                self.clock.sleep(BETWEEN).await;
            }
            if let Err(stopped) = self.may_write().await {
                return (answer, Some(stopped));
            }
            answer = tokio::select! {
                biased;
                answer = call() => answer,
                never = self.keep_leading() => match never {},
            };
            match &answer {
                Err(fault) if fault.category == Category::NotFound => {}
                _ => break,
            }
        }
        (answer, None)
    }

    /// Renews the lease for as long as a step takes. One that is lost shows at the next step.
    async fn keep_leading(&self) -> Infallible {
        let (holder, lease) = (&self.settings.holder, self.settings.limits.lease);
        loop {
            self.clock.sleep(lease / RENEWALS).await;
            drop(self.store.acquire(holder, lease, self.clock.now()).await);
        }
    }

    /// Settles what an earlier process left open about a role, by what was seen just now. What it made is ours
    /// from then on.
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

/// The fence, unless something stands against writing now.
async fn lead(
    store: &impl Store,
    clock: &impl Clock,
    settings: &EngineSettings,
) -> Result<Fence, SweepError> {
    if let Some(halt) = store.halted().await? {
        return Err(SweepError::Halted {
            by: halt.by,
            why: halt.why,
        });
    }
    let now = clock.now();
    if let Some(why) = settings.frozen(now) {
        return Err(SweepError::Frozen { why });
    }
    let lease = settings.limits.lease;
    if let Some(fence) = store.acquire(&settings.holder, lease, now).await? {
        return Ok(fence);
    }
    let (holder, until) = match store.holder().await? {
        Some(holder) => holder,
        None => ("another process".to_owned(), now),
    };
    Err(SweepError::NotLeader { holder, until })
}

/// An attempt may have been made as long after its intent as others are made again.
fn late() -> SignedDuration {
    let again = SignedDuration::try_from(BETWEEN * LOOKS).unwrap_or(SignedDuration::MAX);
    LATE.saturating_add(again)
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
        Effect::NotThere if now.duration_since(entry.intended_at) >= late() => {
            Some(Completion::SettledUndone)
        }
        Effect::NotThere | Effect::Unknown => None,
    }
}
