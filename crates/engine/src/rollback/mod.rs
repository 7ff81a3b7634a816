//! A sweep's writes undone, under the same guards as they were made under.
//!
//! First every account is looked at, and nothing is written: what others changed since is
//! named. Then, in a repair, come approval and waves, and each account is looked at again
//! right before its steps are taken.

mod account;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::SweepId;
use rolekeeper_domain::planner::Taken;
use rolekeeper_domain::record;
use rolekeeper_domain::role::RoleName;
use tracing::Instrument as _;

use self::account::{Undone, account_pass};
use crate::brake::Stop;
use crate::event::{Event, EventSink};
use crate::order::SweepError;
use crate::port::clock::Clock;
use crate::port::directory::Directory;
use crate::port::session::SessionProvider;
use crate::port::store::{Completion, EntryId, Halt, Store, Subject};
use crate::rollout::Tally;
use crate::run::{Run, account_span};
use crate::settle::may_have_acted;
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
    let accounts: Vec<(AccountId, Deeds)> = deeds.into_iter().collect();
    let concurrency = run.settings.limits.concurrency.max(1);

    let looks: Vec<_> = accounts
        .iter()
        .map(|(account, deeds)| {
            account_pass(run, sweep, *account, deeds, false).instrument(account_span(*account))
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
            wanting.push(account);
        }
    }
    if !run.is_repair() || accounts.is_empty() || run.brake.stop().is_some() {
        return Ok(());
    }
    let widens: Vec<String> = widens.into_iter().collect();
    if !wanting.is_empty()
        && !waves::is_agreed(
            run,
            wanting.len(),
            &widens,
            run.settings.approve_widening && !widens.is_empty(),
        )
        .await?
    {
        return Ok(());
    }
    take_back_in_waves(run, sweep, &wanting).await?;
    keep_it_undone(run, sweep).await
}

/// The accounts in waves, canary first; no further when too much goes wrong.
async fn take_back_in_waves<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    sweep: &SweepId,
    wanting: &[&(AccountId, Deeds)],
) -> Result<(), SweepError>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let rollout = &run.settings.rollout;
    let mut tally = Tally::default();
    let ranges = rollout.waves(wanting.len());
    for (index, range) in ranges.iter().enumerate() {
        tally.in_canary = index == 0 && rollout.canary > 0;
        let wave = wanting.get(range.clone()).unwrap_or_default();
        run.emit(&Event::WaveStarted {
            sweep: run.sweep.clone(),
            wave: waves::number(index + 1),
            of: waves::number(ranges.len()),
            accounts: wave.len() as u64,
        });
        let passes: Vec<_> = wave
            .iter()
            .map(|(account, deeds)| async move {
                let pass = account_pass(run, sweep, *account, deeds, true);
                (*account, pass.instrument(account_span(*account)).await)
            })
            .collect();
        let concurrency = run.settings.limits.concurrency.max(1);
        let mut passes = futures_util::stream::iter(passes).buffer_unordered(concurrency);
        while let Some((account, undone)) = passes.next().await {
            tally.count(account, undone?.change);
            if let Some(why) = rollout.verdict(&tally)
                && run.brake.stop().is_none()
            {
                run.emit(&Event::Halted {
                    sweep: Some(run.sweep.clone()),
                    why: why.clone(),
                });
                run.brake.pull(Stop::Halted(why));
            }
        }
        run.recorder.flush().await;
        if run.brake.stop().is_some() {
            break;
        }
    }
    Ok(())
}

/// The next sweep would do again what was undone. Until a person has changed the
/// specification and says so, nothing is written.
async fn keep_it_undone<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    sweep: &SweepId,
) -> Result<(), SweepError>
where
    P: SessionProvider,
    S: Store,
    C: Clock,
{
    let why = format!(
        "sweep {sweep} was rolled back: writes wait until the specification is changed and `rolekeeper resume` is given"
    );
    let by = run.order.requested_by.clone();
    let at = run.engine.gateway.clock.now();
    Ok(run.engine.store.halt(&Halt { why, by, at }).await?)
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
    if deeds.is_empty() && store.sweep(sweep).await?.is_none() {
        return Err(SweepError::NoSuchSweep {
            sweep: sweep.clone(),
        });
    }
    Ok(deeds)
}
