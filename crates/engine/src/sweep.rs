//! One sweep from its beginning to its record.
//!
//! The first phase streams: pages of accounts come in, each is selected, looked at and
//! recorded, and nothing is written to AWS. The second, in a repair, begins only when the whole
//! listing is in and trusted: the drifted accounts are changed in waves.

use std::convert::Infallible;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};

use rolekeeper_domain::outcome::{Mode, Summary, SweepId, SweepOutcome, SweepRecord, Trigger};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::agreement::{Agreement, Kept};
use crate::brake::{Brake, Stop};
use crate::documents::{Documents, Loader};
use crate::engine::{Inner, census_error};
use crate::event::{Event, EventSink};
use crate::order::{SweepError, SweepOrder, whole};
use crate::port::clock::Clock;
use crate::port::directory::Directory;
use crate::port::session::SessionProvider;
use crate::port::store::{Halt, Store, StoreError};
use crate::reach::{self, Reach};
use crate::recorder::{Recorder, Writer};
use crate::run::Run;
use crate::slot::Places;

/// Carries out a sweep and answers its record.
pub(crate) async fn run<D, P, S, C, E>(
    engine: &Arc<Inner<D, P, S, C, E>>,
    order: SweepOrder,
    cancel: CancellationToken,
) -> Result<SweepRecord, SweepError>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    // A mistaken name is no sweep that failed: nothing is begun for it.
    if let Some(undone) = &order.undo {
        crate::rollback::known(engine.store.as_ref(), undone).await?;
    }
    let led_before = engine.keeper.fence(engine.gateway.clock.as_ref()).is_some();
    let despite = if order.mode == Mode::Repair {
        lead(engine, order.undo.is_some()).await?
    } else {
        None
    };
    let sweep = order.id.clone().unwrap_or_else(|| engine.new_sweep_id());
    let mut record = SweepRecord {
        id: sweep.clone(),
        mode: order.mode,
        trigger: order.trigger,
        requested_by: order.requested_by.clone(),
        started_at: engine.gateway.clock.now(),
        finished_at: None,
        outcome: None,
        reason: None,
        summary: Summary::default(),
        widens: Vec::new(),
    };
    let _under_way = engine.begin(&sweep);
    engine.store.begin(&record).await?;
    if let Some(request) = order.request.filter(|_| order.trigger != Trigger::Event) {
        // What an event asks for stays until it is done: nobody else would ask again.
        engine.store.forget_request(request).await?;
    }
    engine.gateway.sink.emit(&Event::SweepStarted {
        sweep: record.clone(),
    });
    let span = tracing::info_span!("sweep", sweep.id = %sweep, sweep.mode = %record.mode);
    let result = carry_out(engine, order, &sweep, despite, cancel)
        .instrument(span)
        .await;
    let (outcome, reason) = match &result {
        Ok(None) => (SweepOutcome::Completed, None),
        Ok(Some(Stop::Cancelled(why))) => (SweepOutcome::Cancelled, Some(why.clone())),
        Ok(Some(Stop::Halted(why))) => (SweepOutcome::Halted, Some(why.clone())),
        Ok(Some(Stop::Failed(why))) => (SweepOutcome::Failed, Some(why.clone())),
        Err(error) => (SweepOutcome::Failed, Some(whole(error))),
    };
    let now = engine.gateway.clock.now();
    let finished = engine
        .store
        .finish(&sweep, outcome, reason.as_deref(), now)
        .await;
    let stored = engine.store.sweep(&sweep).await;
    record.finished_at = Some(now);
    record.outcome = Some(outcome);
    record.reason = reason;
    if let Ok(Some(stored)) = &stored {
        record.summary = stored.summary;
        record.widens.clone_from(&stored.widens);
    }
    engine.gateway.sink.emit(&Event::SweepFinished {
        sweep: record.clone(),
    });
    if !led_before && record.mode == Mode::Repair {
        // Taken for this sweep alone. If it cannot be given back, it ends by itself.
        drop(
            engine
                .keeper
                .release(engine.store.as_ref(), &engine.gateway.sink)
                .await,
        );
    }
    // What went wrong first says more than what went wrong while saying so.
    result?;
    finished?;
    stored?;
    Ok(record)
}

/// Makes sure that this process is the one that writes. Answers the halt in force, where
/// the sweep goes on in spite of it.
async fn lead<D, P, S, C, E>(
    engine: &Inner<D, P, S, C, E>,
    undoes: bool,
) -> Result<Option<Halt>, SweepError>
where
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    Reach::of::<P>().covers(Mode::Repair)?;
    let (store, clock) = (engine.store.as_ref(), engine.gateway.clock.as_ref());
    let halted = store.halted().await?;
    if let Some(halt) = &halted
        && !undoes
    {
        return Err(reach::by(halt));
    }
    if engine
        .keeper
        .acquire(store, clock, &engine.gateway.sink)
        .await?
        .is_some()
    {
        return Ok(halted);
    }
    let (holder, until) = match store.holder().await? {
        Some(holder) => holder,
        None => ("another process".to_owned(), clock.now()),
    };
    Err(SweepError::NotLeader { holder, until })
}

/// The sweep itself; answers why it stopped early, if it did.
async fn carry_out<D, P, S, C, E>(
    engine: &Arc<Inner<D, P, S, C, E>>,
    order: SweepOrder,
    sweep: &SweepId,
    despite: Option<Halt>,
    cancel: CancellationToken,
) -> Result<Option<Stop>, SweepError>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    // In this order: a session that is opened by settings which are replaced meanwhile is not kept.
    let generation = engine.sessions.generation();
    let settings = engine.settings();
    let fence = engine.keeper.fence(engine.gateway.clock.as_ref());
    let discovery = engine.discovery(&settings);
    let (caller, organization) = tokio::select! {
        biased;
        ourselves = discovery.ourselves() => ourselves.map_err(census_error)?,
        () = cancel.cancelled() => return Ok(Some(Stop::Cancelled(CANCELLED.to_owned()))),
    };
    let agreement = if order.undo.is_some() {
        // It is not the specification that is carried out.
        Agreement::default()
    } else {
        Agreement::of(engine.store.as_ref(), &settings, &caller, &organization).await?
    };
    let widens = agreement.widens();
    if !widens.is_empty() {
        engine.store.note_widens(sweep, &widens).await?;
    }
    let (documents, loader) = Documents::new();
    let (recorder, writer) = Recorder::new();
    let label = format!("{}-{sweep}", settings.session_label);
    let approved = AtomicBool::new(order.approved_by.is_some());
    let run = Arc::new(Run {
        engine: Arc::clone(engine),
        places: Places::new(settings.limits.concurrency),
        settings,
        generation,
        order,
        sweep: sweep.clone(),
        label,
        caller,
        organization,
        documents,
        recorder,
        brake: Arc::new(Brake::default()),
        despite: Mutex::new(despite.into_iter().collect()),
        fence,
        approved,
        held: OnceLock::new(),
        agreement,
        kept_agreed: Kept::default(),
    });
    let brake = Arc::clone(&run.brake);
    let work = async {
        // Moved in: the recorder and the loader end when the last sender is dropped with the run.
        let run = run;
        let result = tokio::select! {
            biased;
            result = phases(&run) => result,
            never = watch(&run, &cancel) => match never {},
        };
        result.map(|()| run.brake.stop())
    };
    let (result, written, loaded) = tokio::join!(
        work,
        save(writer, engine, sweep, &brake),
        load(loader, engine, &brake)
    );
    // A sweep whose store failed says so, whatever else it found.
    written?;
    loaded?;
    remember(engine).await?;
    result
}

/// Why a sweep ended that its process was told to leave.
pub(crate) const CANCELLED: &str = "the process was told to stop";

/// Why a sweep ended whose question was about another configuration than the one in force.
pub(crate) const RECONFIGURED: &str = "the configuration was read again while it waited for approval: the next sweep asks by the new one";

async fn save<D, P, S, C, E>(
    writer: Writer,
    engine: &Inner<D, P, S, C, E>,
    sweep: &SweepId,
    brake: &Brake,
) -> Result<(), StoreError>
where
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let written = writer
        .run(engine.store.as_ref(), engine.gateway.clock.as_ref(), sweep)
        .await;
    written.inspect_err(|error| store_failed(engine, brake, error))
}

async fn load<D, P, S, C, E>(
    loader: Loader,
    engine: &Inner<D, P, S, C, E>,
    brake: &Brake,
) -> Result<(), StoreError>
where
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let loaded = loader.run(engine.store.as_ref()).await;
    loaded.inspect_err(|error| store_failed(engine, brake, error))
}

fn store_failed<D, P, S, C, E>(engine: &Inner<D, P, S, C, E>, brake: &Brake, error: &StoreError)
where
    P: SessionProvider,
    C: Clock,
    E: EventSink,
{
    engine.gateway.sink.emit(&Event::StoreFailed {
        message: error.to_string(),
    });
    brake.pull(Stop::Failed(error.to_string()));
}

/// The learned rates, for the next process.
async fn remember<D, P, S, C, E>(engine: &Inner<D, P, S, C, E>) -> Result<(), StoreError>
where
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    engine
        .gateway
        .limiters
        .forget_calm_targets(engine.gateway.clock.elapsed());
    let learned = engine.gateway.limiters.learned();
    if learned.is_empty() {
        return Ok(());
    }
    engine.store.remember_rates(&learned).await
}

async fn phases<D, P, S, C, E>(run: &Arc<Run<D, P, S, C, E>>) -> Result<(), SweepError>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    if let Some(undone) = &run.order.undo {
        settle(run).await?;
        crate::rollback::carry_out(run, undone).await?;
        run.recorder.flush().await;
        return Ok(());
    }
    if let Some(retirement) = &run.order.retire {
        settle(run).await?;
        crate::retire::carry_out(run, retirement).await?;
        run.recorder.flush().await;
        return Ok(());
    }
    let (first, settled) = tokio::join!(crate::census::carry_out(run), settle(run));
    settled?;
    let first = first?;
    run.recorder.flush().await;
    if run.brake.stop().is_none() {
        crate::rotation::hold(run).await?;
    }
    if run.is_repair() && run.brake.stop().is_none() {
        crate::waves::carry_out(run, first).await?;
    }
    Ok(())
}

/// Looks what became of the steps of a process that died, if we are the one that writes.
async fn settle<D, P, S, C, E>(run: &Run<D, P, S, C, E>) -> Result<(), StoreError>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    if run.fence().is_none() {
        return Ok(());
    }
    crate::settle::carry_out(run).await
}

/// Watches over the sweep for as long as it lasts: listens to people, and renews the lease.
async fn watch<D, P, S, C, E>(run: &Run<D, P, S, C, E>, cancel: &CancellationToken) -> Infallible
where
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let engine = run.engine.as_ref();
    let (store, clock) = (engine.store.as_ref(), engine.gateway.clock.as_ref());
    let keep = async {
        if run.is_repair() {
            engine.keeper.keep(store, clock, &engine.gateway.sink).await;
        }
    };
    tokio::join!(watch_control(run, cancel), keep);
    std::future::pending().await
}

/// Pulls the brake when somebody says so.
async fn watch_control<D, P, S, C, E>(run: &Run<D, P, S, C, E>, cancel: &CancellationToken)
where
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let (store, clock) = (run.engine.store.as_ref(), run.engine.gateway.clock.as_ref());
    loop {
        tokio::select! {
            biased;
            () = cancel.cancelled() => {
                run.brake.pull(Stop::Cancelled(CANCELLED.to_owned()));
                return;
            }
            () = clock.sleep(run.settings.limits.poll) => {}
        }
        let asked = tokio::join!(store.cancelled(&run.sweep), store.halted());
        match asked {
            (Ok(true), _) => run
                .brake
                .pull(Stop::Cancelled("somebody cancelled it".to_owned())),
            // An audit goes on: it writes nothing.
            (_, Ok(Some(halt))) if run.is_repair() && !run.goes_on_despite(&halt) => {
                run.brake.pull(Stop::Halted(halt.why));
            }
            (Err(error), _) | (_, Err(error)) => {
                run.emit(&Event::StoreFailed {
                    message: error.to_string(),
                });
                if run.is_repair() {
                    run.brake.pull(Stop::Failed(error.to_string()));
                }
            }
            (_, Ok(_)) => {}
        }
    }
}
