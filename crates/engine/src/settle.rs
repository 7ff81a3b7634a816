//! What a process that died left behind: steps without an end, sweeps without an
//! end. The first are settled by looking; the second are declared failed.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::observation::Observation;
use rolekeeper_domain::outcome::{Mode, SweepId, SweepOutcome, SweepRecord, Trigger};
use rolekeeper_domain::plan::Step;
use rolekeeper_domain::planner::{Effect, effect, meet, probe};
use rolekeeper_domain::record;
use rolekeeper_domain::role::{RoleName, RoleSpec};

use crate::apply::Lost;
use crate::event::EventSink;
use crate::gateway::within;
use crate::observe::Lookout;
use crate::port::clock::Clock;
use crate::port::directory::Directory;
use crate::port::session::SessionProvider;
use crate::port::store::{Completion, EntryId, JournalEntry, Store, StoreError, Subject};
use crate::retire;
use crate::run::Run;
use crate::slot::Slot;

/// A call whose effect is not seen is settled as undone only so long after whoever made it is gone: an attempt
/// takes a minute at most, and AWS shows what it did within half a minute.
pub(crate) const LATE: SignedDuration = SignedDuration::from_secs(90);

/// Between two looks at an account that does not show the effect of a young entry.
pub(crate) const AGAIN: Duration = Duration::from_secs(10);

/// Accounts settled at once. A process that dies leaves at most as many entries as it had
/// accounts in flight.
const AT_ONCE: usize = 16;

/// An audit from the command line needs no lease, so it may still be under way in another
/// process; after a day it is not.
const LONGEST_AUDIT: SignedDuration = SignedDuration::from_hours(24);

/// Entries of an account read at a time.
const PAGE: u32 = 100;

/// A step without an end.
struct Open {
    id: EntryId,
    step: Step,
    intended_at: Timestamp,
    /// Whether its process died in the midst of it, or was made to stop. Where it lived on and only the answer was
    /// lost, it looked itself whether to go on, and nobody waits any longer for the effect to show.
    is_cut_off: bool,
}

/// Settles every open entry that can be seen through, and ends the sweeps of dead
/// processes. Only for the holder of the lease: nobody else has steps under way.
///
/// An entry stays open when its account cannot be entered or read: what happened there
/// is not known, and the next sweep looks again.
pub(crate) async fn carry_out<D, P, S, C, E>(run: &Run<D, P, S, C, E>) -> Result<(), StoreError>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    bury(run).await?;
    let mut open: BTreeMap<(AccountId, Subject), Vec<JournalEntry>> = BTreeMap::new();
    let mut cut_off: BTreeMap<SweepId, bool> = BTreeMap::new();
    for entry in run.engine.store.open().await? {
        if !cut_off.contains_key(&entry.sweep) {
            let is_cut_off = is_cut_off(run.engine.store.as_ref(), &entry.sweep).await?;
            cut_off.insert(entry.sweep.clone(), is_cut_off);
        }
        let about = (entry.account, entry.subject.clone());
        open.entry(about).or_default().push(entry);
    }
    let cut_off = &cut_off;
    let settled = futures_util::stream::iter(open)
        .map(|((account, subject), entries)| async move {
            match subject {
                Subject::Role(role) => {
                    let entries = readable(entries, cut_off);
                    let entries = not_overtaken(run, account, &role, entries).await?;
                    settle(run, account, role, entries).await
                }
                Subject::User(user) => retire::settle(run, account, user, entries).await,
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>();
    settled.await.into_iter().collect()
}

/// Whether a sweep did not come to its end by itself.
async fn is_cut_off(store: &impl Store, sweep: &SweepId) -> Result<bool, StoreError> {
    let sweep = store.sweep(sweep).await?;
    Ok(!matches!(
        sweep.and_then(|sweep| sweep.outcome),
        Some(SweepOutcome::Completed | SweepOutcome::Halted)
    ))
}

/// The entries whose step can be read back. The others stay open, for a person to look at.
fn readable(entries: Vec<JournalEntry>, cut_off: &BTreeMap<SweepId, bool>) -> Vec<Open> {
    let open = |entry: JournalEntry| {
        Some(Open {
            id: entry.id,
            step: record::step(entry.operation, &entry.parameters).ok()?,
            intended_at: entry.intended_at,
            is_cut_off: cut_off
                .get(&entry.sweep)
                .is_none_or(|is_cut_off| *is_cut_off),
        })
    };
    entries.into_iter().filter_map(open).collect()
}

/// The entries that a look can settle. Where a later step changed the same thing, what stands there does not tell
/// which of them did it: that is said of the earlier one, and a rollback goes by what the later one found.
async fn not_overtaken<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    account: AccountId,
    role: &RoleName,
    entries: Vec<Open>,
) -> Result<Vec<Open>, StoreError>
where
    P: SessionProvider,
    S: Store,
    C: Clock,
{
    let Some(first) = entries.iter().map(|open| open.id).min() else {
        return Ok(entries);
    };
    let store = run.engine.store.as_ref();
    let mut later: Vec<(EntryId, Step)> = Vec::new();
    let mut before = None;
    loop {
        let page = store.history(account, before, PAGE).await?;
        before = page.last().map(|entry| entry.id);
        let of_the_role = page.into_iter().filter(|entry| {
            let is_later = entry.subject.role() == Some(role) && entry.id > first;
            is_later && may_have_acted(entry).is_some()
        });
        later.extend(of_the_role.filter_map(|entry| {
            let step = record::step(entry.operation, &entry.parameters).ok()?;
            Some((entry.id, step))
        }));
        if before.is_none_or(|before| before <= first) {
            break;
        }
    }
    let mut rest = Vec::with_capacity(entries.len());
    for open in entries {
        let mut steps = later.iter();
        if steps.any(|(id, step)| *id > open.id && meet(step, &open.step)) {
            let why = "no answer came, and a later step changed the same thing";
            let end = Completion::Failed(Fault::new(Category::Timeout, why));
            let now = run.engine.gateway.clock.now();
            store.complete(open.id, &end, now).await?;
        } else {
            rest.push(open);
        }
    }
    Ok(rest)
}

/// Ends the sweeps whose process is gone.
async fn bury<D, P, S, C, E>(run: &Run<D, P, S, C, E>) -> Result<(), StoreError>
where
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let store = run.engine.store.as_ref();
    let now = run.engine.gateway.clock.now();
    for sweep in store.unfinished().await? {
        if !run.engine.is_under_way(&sweep.id) && is_dead(&sweep, now) {
            let why = "the process that carried it out ended before the sweep did";
            store
                .finish(&sweep.id, SweepOutcome::Failed, Some(why), now)
                .await?;
        }
    }
    Ok(())
}

/// Whether nobody can be carrying out this sweep any more, given that we hold the lease.
fn is_dead(sweep: &SweepRecord, now: Timestamp) -> bool {
    // A person's look at what a rollback or a retirement would do is an audit as well.
    let by_hand = match sweep.trigger {
        Trigger::CommandLine | Trigger::Rollback | Trigger::RetireUser => true,
        Trigger::Schedule
        | Trigger::Api
        | Trigger::Event
        | Trigger::Startup
        | Trigger::Bootstrap => false,
    };
    let needs_the_lease = sweep.mode == Mode::Repair || !by_hand;
    needs_the_lease || now.duration_since(sweep.started_at) > LONGEST_AUDIT
}

async fn settle<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    account: AccountId,
    role: RoleName,
    mut entries: Vec<Open>,
) -> Result<(), StoreError>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    if entries.is_empty() {
        return Ok(());
    }
    let steps: Vec<&Step> = entries.iter().map(|open| &open.step).collect();
    let Ok(probe) = probe(&role, &steps, account, run.caller.partition) else {
        return Ok(());
    };
    let Some(slot) = run.places.take().await else {
        return Ok(());
    };
    let clock = run.engine.gateway.clock.as_ref();
    let began = clock.elapsed();
    while !entries.is_empty() && run.brake.stop().is_none() {
        let limit = run.settings.limits.look_deadline;
        let look = within(clock, limit, run.look_with(account, &probe, &slot));
        let looked = tokio::select! {
            biased;
            () = run.brake.pulled() => return Ok(()),
            looked = look => looked,
        };
        let Some(Ok(observation)) = looked else {
            return Ok(());
        };
        let now = clock.now();
        let mut young = Vec::new();
        for open in entries {
            let is_late = run.is_late(open.intended_at, began);
            let completion = match effect(&open.step, &observation) {
                Effect::There => Completion::SettledDone,
                Effect::NotThere if is_late => Completion::SettledUndone,
                Effect::NotThere => {
                    young.extend(Some(open).filter(|open| open.is_cut_off));
                    continue;
                }
                Effect::Unknown => continue,
            };
            run.engine.store.complete(open.id, &completion, now).await?;
        }
        entries = young;
        if !entries.is_empty() {
            run.engine
                .gateway
                .pause(run.behalf(account, &slot), AGAIN)
                .await;
        }
    }
    Ok(())
}

impl<D, P, S, C, E> Run<D, P, S, C, E>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    /// Ends the entry of a step whose answer was lost, if `seen` shows that it was taken. Not seeing it yet proves
    /// nothing: then it stays open.
    pub(crate) async fn settle_lost(&self, lost: &Lost, seen: &Observation) {
        if effect(&lost.step, seen) != Effect::There {
            return;
        }
        let store = self.engine.store.as_ref();
        let now = self.engine.gateway.clock.now();
        if let Err(error) = store
            .complete(lost.entry, &Completion::SettledDone, now)
            .await
        {
            // Pulls the brake; the entry stays open.
            drop(self.store_failed(&error));
        }
    }

    /// Looks at what `probe` names, with the versions of its policies.
    pub(crate) async fn look_with(
        &self,
        account: AccountId,
        probe: &RoleSpec,
        slot: &Slot,
    ) -> Result<Observation, Fault> {
        let engine = self.engine.as_ref();
        let visit = self.visit(account, std::slice::from_ref(probe), slot);
        let reader = engine
            .sessions
            .reader_apart(&engine.provider, &engine.gateway, visit)
            .await;
        let reader = reader.inspect_err(|fault| self.note_entry_fault(fault))?;
        let lookout = Lookout {
            reader: &reader,
            gateway: &engine.gateway,
            documents: &self.documents,
            recorder: &self.recorder,
            behalf: visit.behalf,
            account,
            partition: self.caller.partition,
        };
        let mut observation = lookout.observe(probe).await;
        lookout.read_versions(&mut observation, |_| true).await;
        Ok(observation)
    }
}

/// An entry's completion, as far as it says that AWS may have acted.
pub(crate) fn may_have_acted(entry: &JournalEntry) -> Option<bool> {
    match &entry.completion {
        // Nobody has the answer: a yes may have been lost on the way.
        None => Some(false),
        Some(Completion::Failed(fault)) => fault.category.hides_the_answer().then_some(false),
        Some(end) => end.is_done().then_some(true),
    }
}

#[cfg(test)]
mod tests {
    use rolekeeper_domain::outcome::{Summary, SweepId};

    use super::*;

    #[test]
    fn a_sweep_is_dead_when_nobody_can_be_carrying_it_out() {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365);
        let sweep = |mode, trigger, hours| SweepRecord {
            id: SweepId::new(now, 1),
            mode,
            trigger,
            requested_by: "ann".to_owned(),
            started_at: now - SignedDuration::from_hours(hours),
            finished_at: None,
            outcome: None,
            reason: None,
            widens: Vec::new(),
            summary: Summary::default(),
        };
        let rows = [
            (Mode::Audit, Trigger::CommandLine, 1, false),
            (Mode::Audit, Trigger::Rollback, 1, false),
            (Mode::Audit, Trigger::RetireUser, 1, false),
            (Mode::Audit, Trigger::CommandLine, 25, true),
            (Mode::Audit, Trigger::Schedule, 1, true),
            (Mode::Repair, Trigger::CommandLine, 1, true),
            (Mode::Repair, Trigger::RetireUser, 1, true),
            (Mode::Repair, Trigger::Bootstrap, 1, true),
        ];
        for (mode, trigger, hours, dead) in rows {
            let told = is_dead(&sweep(mode, trigger, hours), now);
            assert_eq!(told, dead, "{mode} by {trigger}, {hours} h old");
        }
    }
}
