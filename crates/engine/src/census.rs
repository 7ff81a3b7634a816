//! The first phase: everybody is listed, selected and looked at, as a stream.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use jiff::Timestamp;
use rolekeeper_domain::account::{Account, AccountId};
use rolekeeper_domain::census::judge_listing;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::outcome::{AccountReport, Outcome, SweepId, SweepOutcome, Trigger};
use rolekeeper_domain::selector::{IdleRules, Selection, select};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::discover::{Listing, Named, stream};
use crate::engine::{census_error, missing};
use crate::event::{Event, EventSink};
use crate::look::{Sight, Wants};
use crate::order::SweepError;
use crate::port::clock::Clock;
use crate::port::directory::Directory;
use crate::port::session::SessionProvider;
use crate::port::store::{Store, StoreError};
use crate::run::{Run, account_span};
use crate::serve::is_by_schedule;
use crate::slot::Slot;

/// Listeners hear about the progress of discovery every so many accounts.
const TELL_EVERY: u64 = 100;

/// How many sweeps back the one is looked for that was cut off.
const SWEEPS_LOOKED_AT: u32 = 50;

/// Sentences about who gains what that are kept at most: a person reads them.
const MAX_WIDENS: usize = 200;

/// What the first phase leaves for the second: small, however many accounts there are.
#[derive(Default)]
pub(crate) struct FirstPhase {
    /// Accounts that a repair would change.
    pub(crate) candidates: Vec<Candidate>,
    /// What the repair would give to whom, where that needs a person's word.
    pub(crate) widens: BTreeSet<String>,
    /// When each account was last looked at before this sweep.
    pub(crate) last_seen: BTreeMap<AccountId, Timestamp>,
    /// When the sweep began that this one takes up, after its process died: whoever was seen since comes last.
    taken_up: Option<Timestamp>,
    idle: IdleRules,
    listed: u64,
    selected: u64,
}

/// An account that a repair would change.
pub(crate) struct Candidate {
    pub(crate) account: Arc<Named>,
    pub(crate) wants: Wants,
    /// What was seen in it.
    pub(crate) sight: Sight,
}

struct Looked {
    candidate: Option<Candidate>,
    widens: Vec<String>,
}

/// Lists and looks at everybody.
pub(crate) async fn carry_out<D, P, S, C, E>(
    run: &Arc<Run<D, P, S, C, E>>,
) -> Result<FirstPhase, SweepError>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let store = run.engine.store.as_ref();
    let mut phase = FirstPhase {
        idle: IdleRules::of(&run.settings.selector),
        ..FirstPhase::default()
    };
    if run.order.trigger == Trigger::Startup {
        phase.taken_up = cut_off_since(store, &run.sweep).await?;
    }
    if run.is_repair() || phase.taken_up.is_some() {
        phase.last_seen = store.last_seen().await?;
    }
    let previous = store.census_size().await?;
    let (sender, accounts) = stream();
    let discovery = run.engine.discovery(&run.settings);
    let list = async {
        tokio::select! {
            biased;
            listing = discovery.list(&run.organization, sender) => Some(listing),
            () = run.brake.pulled() => None,
        }
    };
    let (listing, ()) = tokio::join!(list, phase.look_at(run, accounts));
    // Without a whole listing nothing is concluded from who was not in it.
    let Some(listing) = listing.filter(|_| run.brake.stop().is_none()) else {
        return Ok(phase);
    };
    let Listing { present, unread } = listing;
    phase.tell(run, true);
    judge_listing(
        previous,
        present.len() as u64,
        unread.as_ref(),
        &run.settings.census,
    )
    .map_err(census_error)?;
    phase.tell_idle_rules(run);
    if let Some(wanted) = run.order.wanted_accounts() {
        let absent = missing(&wanted, &present);
        if run.order.trigger == Trigger::Event {
            // It may have left since, or not be listed yet: nothing that stops the others.
            for account in absent {
                tracing::info!(account.id = %account, "an event named account {account}, which is not listed");
            }
        } else if !absent.is_empty() {
            return Err(SweepError::NoSuchAccount { accounts: absent });
        }
    }
    let present: Vec<AccountId> = present.into_iter().collect();
    store
        .remember_census(&present, run.engine.gateway.clock.now())
        .await?;
    Ok(phase)
}

impl FirstPhase {
    async fn look_at<D, P, S, C, E>(
        &mut self,
        run: &Arc<Run<D, P, S, C, E>>,
        mut accounts: mpsc::Receiver<Account>,
    ) where
        D: Directory,
        P: SessionProvider,
        S: Store,
        C: Clock,
        E: EventSink,
    {
        let wanted = run.order.wanted_accounts();
        let mut tasks = JoinSet::new();
        // Only what a sweep that was cut off has seen, and only until the listing ends.
        let mut later = Vec::new();
        while run.brake.stop().is_none() {
            let account = tokio::select! {
                biased;
                () = run.brake.pulled() => break,
                account = accounts.recv() => account,
                Some(done) = tasks.join_next() => {
                    self.take(done.ok());
                    continue;
                }
            };
            let Some(account) = account else { break };
            self.listed += 1;
            self.idle.see(&account);
            if wanted
                .as_ref()
                .is_none_or(|wanted| wanted.contains(&account.id))
            {
                if self.comes_last(account.id) {
                    later.push(account);
                } else {
                    self.admit(run, &account, &mut tasks).await;
                }
            }
            while let Some(done) = tasks.try_join_next() {
                self.take(done.ok());
            }
            if self.listed.is_multiple_of(TELL_EVERY) {
                self.tell(run, false);
            }
        }
        // Those that are not begun any more are said to be pending.
        for account in later {
            self.admit(run, &account, &mut tasks).await;
        }
        while let Some(done) = tasks.join_next().await {
            self.take(done.ok());
        }
        // Listed and not reached: the brake was pulled.
        while let Ok(account) = accounts.try_recv() {
            let is_wanted = wanted
                .as_ref()
                .is_none_or(|wanted| wanted.contains(&account.id));
            if is_wanted
                && select(&account, &run.settings.selector, run.settings.management).is_included()
            {
                run.hand_in(run.pending_report(&Named::of(&account))).await;
            }
        }
    }

    /// Whether the sweep that this one takes up has seen the account: the others have waited for longer.
    fn comes_last(&self, account: AccountId) -> bool {
        let seen = self.last_seen.get(&account);
        self.taken_up
            .is_some_and(|since| seen.is_some_and(|seen| since <= *seen))
    }

    /// Selects one account; one that is meant gets a task as soon as there is a place.
    async fn admit<D, P, S, C, E>(
        &mut self,
        run: &Arc<Run<D, P, S, C, E>>,
        account: &Account,
        tasks: &mut JoinSet<Looked>,
    ) where
        D: Directory,
        P: SessionProvider,
        S: Store,
        C: Clock,
        E: EventSink,
    {
        let named = Named::of(account);
        let selection = select(account, &run.settings.selector, run.settings.management);
        let began = run.engine.gateway.clock.elapsed();
        if let Selection::Undecided(fault) = selection {
            run.hand_in(run.failed_report(&named, fault, began)).await;
            return;
        }
        if let Some(reason) = selection.skip_reason() {
            let blank = run.blank_report(&named, Outcome::Skipped, began);
            run.hand_in(AccountReport {
                reason: Some(reason.to_string()),
                ..blank
            })
            .await;
            return;
        }
        self.selected += 1;
        let slot = tokio::select! {
            biased;
            slot = run.places.take() => slot,
            () = run.brake.pulled() => None,
        };
        let Some(slot) = slot else {
            run.hand_in(run.pending_report(&named)).await;
            return;
        };
        let span = account_span(account.id);
        tasks.spawn(look_at_one(Arc::clone(run), named, slot).instrument(span));
    }

    fn take(&mut self, looked: Option<Looked>) {
        // A task that panicked or was aborted has nothing to hand over; the panic itself was
        // reported inside it.
        let Some(Looked { candidate, widens }) = looked else {
            return;
        };
        self.candidates.extend(candidate);
        for sentence in widens {
            if self.widens.len() < MAX_WIDENS {
                self.widens.insert(sentence);
            }
        }
    }

    fn tell_idle_rules<D, P: SessionProvider, S, C: Clock, E: EventSink>(
        &self,
        run: &Run<D, P, S, C, E>,
    ) {
        let rules: Vec<String> = self.idle.left().iter().map(ToString::to_string).collect();
        if !rules.is_empty() {
            run.emit(&Event::IdleRules {
                sweep: run.sweep.clone(),
                rules,
            });
        }
    }

    fn tell<D, P: SessionProvider, S, C: Clock, E: EventSink>(
        &self,
        run: &Run<D, P, S, C, E>,
        whole: bool,
    ) {
        run.emit(&Event::Discovered {
            sweep: run.sweep.clone(),
            listed: self.listed,
            selected: self.selected,
            whole,
        });
    }
}

/// When the sweep by schedule began that was cut off, or the first of several that were, one after the other.
async fn cut_off_since(
    store: &impl Store,
    this: &SweepId,
) -> Result<Option<Timestamp>, StoreError> {
    let sweeps = store.sweeps(Some(this), SWEEPS_LOOKED_AT).await?;
    let cut_off = sweeps
        .iter()
        .filter(|sweep| is_by_schedule(sweep.trigger))
        .take_while(|sweep| sweep.outcome != Some(SweepOutcome::Completed));
    Ok(cut_off.last().map(|sweep| sweep.started_at))
}

async fn look_at_one<D, P, S, C, E>(
    run: Arc<Run<D, P, S, C, E>>,
    named: Arc<Named>,
    slot: Slot,
) -> Looked
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let began = run.engine.gateway.clock.elapsed();
    let look = async {
        tokio::select! {
            biased;
            () = run.brake.pulled() => None,
            outlook = run.audit(&named, &slot) => Some(outlook),
        }
    };
    let nothing = Looked {
        candidate: None,
        widens: Vec::new(),
    };
    match AssertUnwindSafe(look).catch_unwind().await {
        Ok(Some(outlook)) => {
            let wants = outlook.wants;
            let candidate = (wants != Wants::default()).then(|| Candidate {
                account: Arc::clone(&named),
                wants,
                sight: outlook.sight,
            });
            run.hand_in(outlook.report).await;
            let kept = run.is_repair() && candidate.is_some();
            if kept {
                Looked {
                    candidate,
                    widens: outlook.widens,
                }
            } else {
                nothing
            }
        }
        Ok(None) => {
            run.hand_in(run.pending_report(&named)).await;
            nothing
        }
        Err(_) => {
            run.hand_in(run.failed_report(&named, panicked(), began))
                .await;
            nothing
        }
    }
}

/// A walk that panicked: our mistake, which costs the other accounts nothing.
pub(crate) fn panicked() -> Fault {
    Fault::new(
        Category::Internal,
        "rolekeeper itself failed while it worked on this account",
    )
}
