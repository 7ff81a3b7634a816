//! The second phase of a repair: approval, then wave after wave, each verified
//! wholly before the next begins.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt as _;
use rolekeeper_domain::fault::Category;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::brake::Stop;
use crate::census::{FirstPhase, panicked};
use crate::discover::Named;
use crate::event::{Event, EventSink};
use crate::gateway::within;
use crate::order::SweepError;
use crate::port::clock::Clock;
use crate::port::directory::Directory;
use crate::port::session::SessionProvider;
use crate::port::store::{Halt, Store};
use crate::repair::Repair;
use crate::rollout::{Change, Tally};
use crate::run::{Run, account_span};
use crate::slot::Slot;

/// Changes what the first phase found, as far as that is approved and goes well.
pub(crate) async fn carry_out<D, P, S, C, E>(
    run: &Arc<Run<D, P, S, C, E>>,
    first: FirstPhase,
) -> Result<(), SweepError>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let FirstPhase {
        mut candidates,
        widens,
        last_seen,
        ..
    } = first;
    // Not seen for longest first; then by id, so that the same sweep goes the same way.
    candidates.sort_by_key(|account| (last_seen.get(&account.id).copied(), account.id));
    let widens: Vec<String> = widens.into_iter().collect();
    if candidates.is_empty() || !is_agreed(run, candidates.len(), &widens).await? {
        return Ok(());
    }
    let rollout = &run.settings.rollout;
    let waves = rollout.waves(candidates.len());
    let mut tally = Tally::default();
    for (index, range) in waves.iter().enumerate() {
        let accounts = candidates.get(range.clone()).unwrap_or_default();
        tally.in_canary = index == 0 && rollout.canary > 0;
        run.emit(&Event::WaveStarted {
            sweep: run.sweep.clone(),
            wave: number(index + 1),
            of: number(waves.len()),
            accounts: accounts.len() as u64,
        });
        wave(run, accounts, &mut tally).await;
        run.recorder.flush().await;
        if run.brake.stop().is_some() {
            return halt_others(run).await;
        }
    }
    Ok(())
}

/// Repairs the accounts of one wave; pulls the brake when too much goes wrong.
async fn wave<D, P, S, C, E>(
    run: &Arc<Run<D, P, S, C, E>>,
    accounts: &[Arc<Named>],
    tally: &mut Tally,
) where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let mut tasks = JoinSet::new();
    for account in accounts {
        let slot = tokio::select! {
            biased;
            () = run.brake.pulled() => None,
            slot = run.places.take() => slot,
        };
        let Some(slot) = slot else { break };
        let span = account_span(account.id);
        tasks.spawn(repair_one(Arc::clone(run), Arc::clone(account), slot).instrument(span));
        while let Some(done) = tasks.try_join_next() {
            count(run, tally, done.ok());
        }
        if run.brake.stop().is_some() {
            break;
        }
    }
    let clock = run.engine.gateway.clock.as_ref();
    loop {
        // Cancelled: steps under way may end, within a bound. Halted: no hurry.
        let hurry = async {
            run.brake.pulled().await;
            if matches!(run.brake.stop(), Some(Stop::Halted(_))) {
                std::future::pending::<()>().await;
            }
        };
        let done = tokio::select! {
            biased;
            done = tasks.join_next() => done,
            () = hurry => {
                let rest = drain(run, &mut tasks, tally);
                // What does not end in time is left as it is: its intent stands in the
                // journal, and the next start looks what became of it.
                within(clock, run.settings.limits.grace, rest).await;
                tasks.shutdown().await;
                return;
            }
        };
        let Some(done) = done else { return };
        count(run, tally, done.ok());
    }
}

async fn drain<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    tasks: &mut JoinSet<(Arc<Named>, Change)>,
    tally: &mut Tally,
) where
    P: SessionProvider,
    C: Clock,
    E: EventSink,
{
    while let Some(done) = tasks.join_next().await {
        count(run, tally, done.ok());
    }
}

fn count<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    tally: &mut Tally,
    done: Option<(Arc<Named>, Change)>,
) where
    P: SessionProvider,
    C: Clock,
    E: EventSink,
{
    let Some((account, change)) = done else {
        return;
    };
    tally.count(account.id, change);
    if let Some(why) = run.settings.rollout.verdict(tally)
        && run.brake.stop().is_none()
    {
        run.emit(&Event::Halted {
            sweep: Some(run.sweep.clone()),
            why: why.clone(),
        });
        run.brake.pull(Stop::Halted(why));
    }
}

async fn repair_one<D, P, S, C, E>(
    run: Arc<Run<D, P, S, C, E>>,
    account: Arc<Named>,
    slot: Slot,
) -> (Arc<Named>, Change)
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let began = run.engine.gateway.clock.elapsed();
    let repair = AssertUnwindSafe(run.repair(&account, &slot))
        .catch_unwind()
        .await;
    let Repair { report, change } = repair.unwrap_or_else(|_| Repair {
        report: run.failed_report(&account, panicked(), began),
        change: Change::Failed(Category::Internal),
    });
    run.hand_in(report).await;
    (account, change)
}

/// A rollout that went wrong halts every writer until a person lifts that.
async fn halt_others<D, P, S, C, E>(run: &Run<D, P, S, C, E>) -> Result<(), SweepError>
where
    P: SessionProvider,
    S: Store,
    C: Clock,
{
    let Some(Stop::Halted(why)) = run.brake.stop() else {
        return Ok(());
    };
    let store = run.engine.store.as_ref();
    if store.halted().await?.is_none() {
        let by = format!("sweep {}", run.sweep);
        store
            .halt(&Halt {
                why,
                by,
                at: run.engine.gateway.clock.now(),
            })
            .await?;
    }
    Ok(())
}

/// Whether the changes may be made: nobody needs to be asked, or somebody agreed.
pub(crate) async fn is_agreed<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    changes: usize,
    widens: &[String],
) -> Result<bool, SweepError>
where
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let changes = changes as u64;
    let above = run.settings.rollout.approve_above;
    let too_many = above > 0 && changes > above;
    let widening = run.settings.approve_widening && !widens.is_empty();
    if run.is_approved() || !(too_many || widening) {
        return Ok(true);
    }
    let (store, clock) = (run.engine.store.as_ref(), run.engine.gateway.clock.as_ref());
    store
        .await_approval(&run.sweep, changes, widens, clock.now())
        .await?;
    run.emit(&Event::ApprovalWanted {
        sweep: run.sweep.clone(),
        changes,
        widens: widens.to_vec(),
    });
    let limit = run.settings.limits.approval_wait;
    let until = clock.elapsed() + limit;
    while clock.elapsed() < until {
        if store.approved(&run.sweep).await? {
            run.approved.store(true, Ordering::Relaxed);
            return Ok(true);
        }
        tokio::select! {
            biased;
            () = run.brake.pulled() => return Ok(false),
            () = clock.sleep(run.settings.limits.poll) => {}
        }
    }
    let why = format!(
        "nobody approved its {changes} changes within {} s",
        limit.as_secs()
    );
    run.brake.pull(Stop::Cancelled(why));
    Ok(false)
}

pub(crate) fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
