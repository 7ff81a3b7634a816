//! The second phase of a repair: approval, then wave after wave, each verified
//! wholly before the next begins.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt as _;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::fault::Category;
use rolekeeper_domain::outcome::{AccountReport, Trigger};
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::brake::Stop;
use crate::census::{Candidate, FirstPhase, panicked};
use crate::discover::Named;
use crate::event::{Event, EventSink};
use crate::gateway::within;
use crate::order::SweepError;
use crate::port::clock::Clock;
use crate::port::directory::Directory;
use crate::port::session::SessionProvider;
use crate::port::store::{Halt, ReportFilter, Store};
use crate::repaired::{Repair, after_the_first};
use crate::rollout::{Change, Tally};
use crate::run::{Run, account_span};
use crate::slot::Slot;
use crate::staged::Waves;
use crate::sweep::RECONFIGURED;

/// Changes what the first phase found, as far as that is approved and goes well.
///
/// What needs nobody's word goes first: a door that somebody opened is not left open because the
/// specification waits to be agreed to.
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
    // Pulls the brake if it cannot.
    if run.keep_agreed().await.is_err() {
        return Ok(());
    }
    // Not seen for longest first; then by id, so that the same sweep goes the same way.
    candidates.sort_by_key(|candidate| {
        let id = candidate.account.id;
        (last_seen.get(&id).copied(), id)
    });
    let above = run.settings.rollout.approve_above;
    let too_many = above > 0 && candidates.len() as u64 > above;
    let candidates: Vec<Arc<Candidate>> = candidates.into_iter().map(Arc::new).collect();
    let those = |which: fn(&Candidate) -> bool| -> Vec<Arc<Candidate>> {
        let chosen = candidates.iter().filter(|candidate| which(candidate));
        chosen.map(Arc::clone).collect()
    };
    let stages: [(Vec<Arc<Candidate>>, bool); 2] = if too_many {
        [(those(|_| true), true), (Vec::new(), false)]
    } else {
        [
            (those(|candidate| candidate.wants.steps), false),
            (those(|candidate| candidate.wants.word), true),
        ]
    };
    let mut sentences = run.agreement.widens();
    sentences.extend(widens);
    // At the command line whoever is there has been asked already.
    let is_of_the_daemon = run.order.trigger != Trigger::CommandLine;
    if candidates.is_empty() && is_of_the_daemon && run.order.is_for_everybody() && run.wants_word()
    {
        // Nothing differs, so nothing would ever ask. But an account that joins later is given what was
        // agreed to, and nothing else.
        if is_agreed(run, 0, &sentences, true).await? {
            // Pulls the brake if it cannot.
            drop(run.keep_agreed().await);
        }
        return Ok(());
    }
    let mut repaired = BTreeSet::new();
    for (accounts, asks) in stages {
        if accounts.is_empty() || run.brake.stop().is_some() {
            continue;
        }
        if asks && !is_agreed(run, accounts.len(), &sentences, true).await? {
            return Ok(());
        }
        // Also pulls the brake, if the lease or the store is gone by now.
        if asks && run.keep_agreed().await.is_err() {
            return Ok(());
        }
        roll_out(run, &accounts, &repaired).await;
        repaired.extend(accounts.iter().map(|candidate| candidate.account.id));
    }
    Ok(())
}

/// Repairs these accounts wave after wave. `earlier` are those that this sweep has repaired before.
async fn roll_out<D, P, S, C, E>(
    run: &Arc<Run<D, P, S, C, E>>,
    accounts: &[Arc<Candidate>],
    earlier: &BTreeSet<AccountId>,
) where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let mut waves = Waves::over(accounts);
    while let Some(accounts) = waves.next(run) {
        let begun = wave(run, accounts, earlier, &mut waves.tally).await;
        run.recorder.flush().await;
        if run.brake.stop().is_some() {
            break;
        }
        waves.ended(run, begun);
    }
}

/// Repairs the accounts of one wave; pulls the brake when too much goes wrong. Answers how many
/// were begun.
async fn wave<D, P, S, C, E>(
    run: &Arc<Run<D, P, S, C, E>>,
    accounts: &[Arc<Candidate>],
    earlier: &BTreeSet<AccountId>,
    tally: &mut Tally,
) -> usize
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let mut tasks = JoinSet::new();
    let mut begun = 0;
    for account in accounts {
        let slot = loop {
            tokio::select! {
                biased;
                () = run.brake.pulled() => break None,
                // Counted as they end: what goes wrong is known before the next one begins.
                Some(done) = tasks.join_next() => count(run, tally, done.ok()).await,
                slot = run.places.take() => break slot,
            }
        };
        while let Some(done) = tasks.try_join_next() {
            count(run, tally, done.ok()).await;
        }
        let Some(slot) = slot else { break };
        if run.brake.stop().is_some() || tally.has_setback() {
            break;
        }
        let id = account.account.id;
        let span = account_span(id);
        let again = earlier.contains(&id);
        let repair = repair_one(Arc::clone(run), Arc::clone(account), again, slot);
        tasks.spawn(repair.instrument(span));
        begun += 1;
    }
    let clock = run.engine.gateway.clock.as_ref();
    loop {
        // Cancelled: steps under way may end, within a bound. Halted: no hurry.
        let done = tokio::select! {
            biased;
            done = tasks.join_next() => done,
            () = run.brake.hurried() => {
                let rest = drain(run, &mut tasks, tally);
                // What does not end in time is left as it is: its intent stands in the
                // journal, and the next start looks what became of it.
                within(clock, run.settings.limits.grace, rest).await;
                tasks.shutdown().await;
                return begun;
            }
        };
        let Some(done) = done else { return begun };
        count(run, tally, done.ok()).await;
    }
}

async fn drain<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    tasks: &mut JoinSet<(Arc<Named>, Change)>,
    tally: &mut Tally,
) where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    while let Some(done) = tasks.join_next().await {
        count(run, tally, done.ok()).await;
    }
}

async fn count<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    tally: &mut Tally,
    done: Option<(Arc<Named>, Change)>,
) where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let Some((account, change)) = done else {
        return;
    };
    tally.count(account.id, change);
    halt_on_verdict(run, tally).await;
}

/// Halts every writer when too much went wrong, until a person lifts that.
///
/// On disk before anything else is waited for: whatever becomes of this process, the next one finds it.
pub(crate) async fn halt_on_verdict<D, P, S, C, E>(run: &Run<D, P, S, C, E>, tally: &Tally)
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let verdict = run.settings.rollout.verdict(tally);
    let Some(why) = verdict.filter(|_| !matches!(run.brake.stop(), Some(Stop::Halted(_)))) else {
        return;
    };
    run.emit(&Event::Halted {
        sweep: Some(run.sweep.clone()),
        why: why.clone(),
    });
    run.brake.pull(Stop::Halted(why.clone()));
    let halt = Halt {
        why,
        by: format!("sweep {}", run.sweep),
        at: run.engine.gateway.clock.now(),
    };
    let store = run.engine.store.as_ref();
    let halted = async {
        match store.halted().await? {
            // A person's word, or another sweep's, stands.
            Some(other) if !run.goes_on_despite(&other) => Ok(()),
            Some(_) | None => store.halt(&halt).await,
        }
    };
    if let Err(error) = halted.await {
        run.store_failed(&error);
    }
}

async fn repair_one<D, P, S, C, E>(
    run: Arc<Run<D, P, S, C, E>>,
    candidate: Arc<Candidate>,
    again: bool,
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
    let account = Arc::clone(&candidate.account);
    // Of an account that this sweep has written to, the first look says nothing any more.
    let seen = (!again).then_some(&candidate.sight);
    let repair = AssertUnwindSafe(run.repair(&account, seen, &slot))
        .catch_unwind()
        .await;
    let Repair { report, change } = repair.unwrap_or_else(|_| Repair {
        report: run.failed_report(&account, panicked(), began),
        change: Change::Failed(Category::Internal),
    });
    let report = if again {
        with_the_first(&run, report).await
    } else {
        report
    };
    run.hand_in(report).await;
    (account, change)
}

/// What this sweep did in the account before stays told.
async fn with_the_first<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    second: AccountReport,
) -> AccountReport
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let only = ReportFilter {
        accounts: vec![second.account],
        ..ReportFilter::default()
    };
    let store = run.engine.store.as_ref();
    match store.reports(&run.sweep, &only, None, 1).await {
        Ok(mut first) => match first.pop() {
            Some(first) => after_the_first(first, second),
            None => second,
        },
        Err(error) => {
            run.store_failed(&error);
            second
        }
    }
}

/// Whether the changes may be made: nobody needs to be asked, or somebody agreed.
pub(crate) async fn is_agreed<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    changes: usize,
    widens: &[String],
    asks: bool,
) -> Result<bool, SweepError>
where
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let changes = changes as u64;
    let above = run.settings.rollout.approve_above;
    if run.is_approved() || !(asks || above > 0 && changes > above) {
        return Ok(true);
    }
    if run.order.trigger == Trigger::Event {
        // It is about a few accounts, and nobody waits for it: the next sweep over everybody asks.
        return Ok(false);
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
    // Sweeps that events cause go before this one while it stands here, and are over before it goes on.
    *run.engine.awaits_word.lock().await = true;
    let given = word(run).await;
    *run.engine.awaits_word.lock().await = false;
    match given? {
        Word::Given => {
            run.approved.store(true, Ordering::Relaxed);
            return Ok(true);
        }
        // What was asked is not what is wanted any more. Nobody is to agree to it by mistake.
        Word::Outdated => {
            run.brake.pull(Stop::Cancelled(RECONFIGURED.to_owned()));
            return Ok(false);
        }
        Word::NotGiven => {}
    }
    let limit = run.settings.limits.approval_wait.as_secs();
    let why = match changes {
        0 => format!("nobody agreed to what its specifications give within {limit} s"),
        1 => format!("nobody approved its one change within {limit} s"),
        several => format!("nobody approved its {several} changes within {limit} s"),
    };
    // Keeps the reason there was, if the wait ended early.
    run.brake.pull(Stop::Cancelled(why));
    Ok(false)
}

/// How a wait for a person's word ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Given,
    /// None came in time, or the sweep is to stop.
    NotGiven,
    /// Another configuration is in force by now.
    Outdated,
}

/// Waits for a person's word.
async fn word<D, P, S, C, E>(run: &Run<D, P, S, C, E>) -> Result<Word, SweepError>
where
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let (store, clock) = (run.engine.store.as_ref(), run.engine.gateway.clock.as_ref());
    let until = clock.elapsed() + run.settings.limits.approval_wait;
    loop {
        if !Arc::ptr_eq(&run.settings, &run.engine.settings()) {
            return Ok(Word::Outdated);
        }
        if store.approved(&run.sweep).await? {
            return Ok(Word::Given);
        }
        if clock.elapsed() >= until {
            return Ok(Word::NotGiven);
        }
        tokio::select! {
            biased;
            () = run.brake.pulled() => return Ok(Word::NotGiven),
            () = clock.sleep(run.settings.limits.poll) => {}
        }
    }
}
