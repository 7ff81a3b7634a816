//! A sweep's writes undone, under the same guards as they were made under.
//!
//! First every account is looked at, and nothing is written: what others changed since is
//! named. Then, in a repair, come approval and waves, and each account is looked at again
//! right before its steps are taken.

mod account;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;
use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::{SweepId, Trigger};
use rolekeeper_domain::planner::Taken;
use rolekeeper_domain::record;
use rolekeeper_domain::role::RoleName;
use rolekeeper_domain::selector::Selection;
use tracing::Instrument as _;

use self::account::{Pass, Seen, Undone, account_pass, leave};
use crate::brake::Stop;
use crate::engine::census_error;
use crate::event::EventSink;
use crate::order::SweepError;
use crate::port::clock::Clock;
use crate::port::directory::Directory;
use crate::port::session::SessionProvider;
use crate::port::store::{Completion, EntryId, Halt, Store, Subject};
use crate::run::{Run, account_span};
use crate::settle::may_have_acted;
use crate::staged::{self, Stops};
use crate::waves;

/// Journal entries read at a time.
const PAGE: u32 = 1_000;

/// What the sweep did in one account, role by role, oldest first.
type Deeds = BTreeMap<RoleName, Vec<Taken>>;

/// Undoes `sweep`, or says what that would take, as the run's mode says.
pub(crate) async fn carry_out<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    sweep: &SweepId,
) -> Result<(), SweepError>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let deeds = deeds(run, sweep).await?;
    let barred = barred(run, sweep, &deeds).await?;
    let (out, accounts): (Vec<_>, Vec<_>) = deeds
        .into_iter()
        .partition(|(account, _)| barred.contains_key(account));
    for (account, deeds) in &out {
        let why = barred.get(account).map(String::as_str).unwrap_or_default();
        leave(run, *account, deeds, why).await?;
    }
    let concurrency = run.settings.limits.concurrency.max(1);

    let looks: Vec<_> = accounts
        .iter()
        .map(|(account, deeds)| {
            account_pass(run, sweep, *account, deeds, Pass::Look).instrument(account_span(*account))
        })
        .collect();
    let looked: Vec<Result<Undone, SweepError>> = futures_util::stream::iter(looks)
        .buffered(concurrency)
        .collect()
        .await;
    run.recorder.flush().await;
    let mut wanting = Vec::new();
    let mut widens = BTreeSet::new();
    for (account, undone) in accounts.iter().zip(looked) {
        let undone = undone?;
        widens.extend(undone.widens);
        if undone.wants {
            wanting.push((account, undone.seen));
        }
    }
    // Where nothing is undone nothing is halted for it.
    if !run.is_repair() || wanting.is_empty() || run.brake.stop().is_some() {
        return Ok(());
    }
    let widens: Vec<String> = widens.into_iter().collect();
    if !waves::is_agreed(
        run,
        wanting.len(),
        &widens,
        run.settings.approve_widening && !widens.is_empty(),
    )
    .await?
    {
        return Ok(());
    }
    let frozen = run.settings.frozen(run.engine.gateway.clock.now());
    if frozen.is_none() {
        keep_it_undone(run, sweep).await?;
    }
    take_back_in_waves(run, sweep, &wanting, frozen.as_deref()).await
}

/// The accounts in waves, canary first; no further when too much goes wrong.
async fn take_back_in_waves<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    sweep: &SweepId,
    wanting: &[(&(AccountId, Deeds), Seen)],
    frozen: Option<&str>,
) -> Result<(), SweepError>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    staged::in_waves(
        run,
        wanting,
        Stops::Everybody,
        |((account, deeds), seen)| async move {
            let pass = account_pass(run, sweep, *account, deeds, Pass::Undo { seen, frozen });
            let undone = pass.instrument(account_span(*account)).await;
            (*account, undone.map(|undone| undone.change))
        },
    )
    .await
}

/// The next sweep would do again what was undone. Until a person has changed the
/// specification and says so, nothing is written but by this rollback. In force before its first step:
/// whoever takes over from a process that dies in the midst of it must not do again what is undone by then.
async fn keep_it_undone<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    sweep: &SweepId,
) -> Result<(), SweepError>
where
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    // Ours would hide one that came since somebody looked last.
    let newer = run.engine.store.halted().await?;
    if let Some(halt) = newer.filter(|halt| !run.goes_on_despite(halt)) {
        run.brake.pull(Stop::Halted(halt.why));
        return Ok(());
    }
    let why = format!(
        "sweep {sweep} was rolled back: writes wait until the specification is changed and `rolekeeper resume` is given"
    );
    let by = run.order.requested_by.clone();
    // As exactly as stores keep it: it is to be known again.
    let now = run.engine.gateway.clock.now();
    let at = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
    let halt = Halt { why, by, at };
    run.go_on_despite(halt.clone());
    Ok(run.engine.store.halt(&halt).await?)
}

/// The accounts that a sweep would not enter now, and why. One that a person named is entered all the same.
async fn barred<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    sweep: &SweepId,
    deeds: &BTreeMap<AccountId, Deeds>,
) -> Result<BTreeMap<AccountId, String>, SweepError>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let record = run.engine.store.sweep(sweep).await?;
    let is_bootstrap = record.is_some_and(|record| record.trigger == Trigger::Bootstrap);
    if run.order.accounts.is_some() || deeds.is_empty() || is_bootstrap {
        return Ok(BTreeMap::new());
    }
    let discovery = run.engine.discovery(&run.settings);
    let wanted = |account| deeds.contains_key(&account);
    let (found, listing) = discovery
        .selected(&run.organization, &run.settings, wanted)
        .await;
    if let Some(fault) = listing.unread {
        return Err(census_error(fault));
    }
    let seen: BTreeMap<AccountId, Selection> = found
        .into_iter()
        .map(|(account, selection)| (account.id, selection))
        .collect();
    let bar = |account: &AccountId| match seen.get(account) {
        None => Some("it is not in the organization any more".to_owned()),
        Some(Selection::Included { .. }) => None,
        Some(Selection::Undecided(fault)) => Some(fault.to_string()),
        Some(other) => Some(match other.skip_reason() {
            Some(reason) => format!("a sweep would skip it now ({reason})"),
            None => "a sweep would skip it now".to_owned(),
        }),
    };
    let barred = deeds
        .keys()
        .filter_map(|account| Some((*account, bar(account)?)));
    Ok(barred.collect())
}

/// Refuses a sweep that never was. The record of one may be forgotten long before its journal is.
pub(crate) async fn known(store: &impl Store, sweep: &SweepId) -> Result<(), SweepError> {
    let has_written = !store.of_sweep(sweep, None, 1).await?.is_empty();
    let record = store.sweep(sweep).await?;
    if !has_written && record.is_none() {
        return Err(SweepError::NoSuchSweep {
            sweep: sweep.clone(),
        });
    }
    // Half of its steps undone would be a state that never was.
    let began = record.map_or_else(|| sweep.begun_at(), |record| Some(record.started_at));
    match store.forgotten_until().await? {
        Some(until) if began.is_none_or(|began| began <= until) => Err(SweepError::Forgotten {
            sweep: sweep.clone(),
            until,
        }),
        Some(_) | None => Ok(()),
    }
}

/// What the sweep did, by account and role.
async fn deeds<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    sweep: &SweepId,
) -> Result<BTreeMap<AccountId, Deeds>, SweepError>
where
    P: SessionProvider,
    S: Store,
{
    let store = run.engine.store.as_ref();
    let only = run.order.accounts.as_ref();
    let mut deeds: BTreeMap<AccountId, Deeds> = BTreeMap::new();
    let mut after: Option<EntryId> = None;
    loop {
        let page = store.of_sweep(sweep, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for entry in page {
            if only.is_some_and(|only| !only.contains(&entry.account)) {
                continue;
            }
            let Some(certain) = may_have_acted(&entry) else {
                continue;
            };
            let role = match entry.subject {
                Subject::Role(role) => role,
                Subject::User(user) => {
                    return Err(SweepError::Irreversible {
                        sweep: sweep.clone(),
                        user,
                    });
                }
            };
            let unreadable = |error: record::Unreadable| SweepError::Unreadable {
                entry: entry.id.0,
                why: error.to_string(),
            };
            let step = record::step(entry.operation, &entry.parameters).map_err(unreadable)?;
            let created = match entry.completion {
                Some(Completion::Done { created, .. }) => created,
                _ => None,
            };
            let taken = Taken {
                step,
                before: entry.before,
                created,
                certain,
            };
            deeds
                .entry(entry.account)
                .or_default()
                .entry(role)
                .or_default()
                .push(taken);
        }
    }
    Ok(deeds)
}
