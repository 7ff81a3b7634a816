//! What became of the steps on a user that a dead process left without an end.

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::planner::Effect;
use rolekeeper_domain::user::{UserStep, effect, record};

use crate::event::EventSink;
use crate::gateway::within;
use crate::port::clock::Clock;
use crate::port::directory::Directory;
use crate::port::session::SessionProvider;
use crate::port::store::{Completion, EntryId, JournalEntry, Store, StoreError};
use crate::run::Run;
use crate::settle::AGAIN;

/// A step on a user without an end.
pub(super) struct Open {
    pub(super) id: EntryId,
    pub(super) step: UserStep,
    intended_at: Timestamp,
}

impl Open {
    /// None: a record that cannot be read back, which stays open for a person to look at.
    pub(super) fn of(entry: &JournalEntry) -> Option<Self> {
        Some(Self {
            id: entry.id,
            step: record::step(entry.operation, &entry.parameters).ok()?,
            intended_at: entry.intended_at,
        })
    }
}

/// Settles the entries about one user by looking at it. Those that a look cannot settle stay
/// open: the next retirement of that user takes their steps again.
pub(crate) async fn settle<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    account: AccountId,
    user: String,
    entries: Vec<JournalEntry>,
) -> Result<(), StoreError>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    // Nothing that could be seen needs no look.
    let mut open: Vec<Open> = entries.iter().filter_map(Open::of).collect();
    open.retain(|entry| effect(&entry.step, None) != Effect::Unknown);
    if open.is_empty() {
        return Ok(());
    }
    let Some(slot) = run.places.take().await else {
        return Ok(());
    };
    let clock = run.engine.gateway.clock.as_ref();
    let began = clock.elapsed();
    let limit = run.settings.limits.look_deadline;
    while !open.is_empty() && run.brake.stop().is_none() {
        let looked = within(clock, limit, run.look_at_user(account, &slot, &user)).await;
        let Some(Ok(seen)) = looked else {
            return Ok(());
        };
        let now = clock.now();
        let mut young = Vec::new();
        for entry in open {
            let is_late = run.is_late(entry.intended_at, began);
            let completion = match effect(&entry.step, seen.as_ref()) {
                Effect::There => Completion::SettledDone,
                Effect::NotThere if is_late => Completion::SettledUndone,
                Effect::NotThere => {
                    young.push(entry);
                    continue;
                }
                Effect::Unknown => continue,
            };
            run.engine
                .store
                .complete(entry.id, &completion, now)
                .await?;
        }
        open = young;
        if !open.is_empty() {
            run.engine
                .gateway
                .pause(run.behalf(account, &slot), AGAIN)
                .await;
        }
    }
    Ok(())
}
