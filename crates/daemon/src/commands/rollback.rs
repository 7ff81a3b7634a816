//! `rolekeeper rollback`: undo a sweep's writes from the journal.

use std::collections::BTreeSet;
use std::sync::Arc;

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::{Mode, StepResult, SweepOutcome, SweepRecord, Trigger};
use rolekeeper_engine::SweepOrder;
use rolekeeper_engine::port::store::Control as _;
use rolekeeper_store::Store;

use super::sweep::{self, Done};
use crate::app::App;
use crate::args::{Format, RollbackArgs};
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::report::{self, accounts};
use crate::wire;

/// Undoes a sweep, or shows what that would take.
pub(crate) async fn run(app: &App, args: RollbackArgs) -> Result<Exit, Failure> {
    let config = app.config()?;
    let store = wire::store(&config).await?;
    let asks = app.terminal.can_ask && !args.yes;
    let mut agreed = args.yes;
    if args.plan || asks {
        let shown = look(app, &config, &store, &args).await?;
        if args.plan || shown.interrupted {
            let overview = report::overview(store.as_ref(), &shown.record).await?;
            let would = overview.steps_that(&[StepResult::Planned]).next().is_some();
            store.close().await;
            return Ok(match sweep::exit(&shown) {
                Exit::Clean if would => Exit::Drift,
                exit => exit,
            });
        }
        let changes = shown.record.summary.accounts;
        let question = format!("Undo this in {}?", accounts(changes));
        if !app.terminal.ask(&question).await? {
            app.terminal.tell("Nothing was written to AWS.");
            return Ok(Exit::Drift);
        }
        agreed = true;
    }
    let mut wanted = order(app, &args, Mode::Repair);
    // What it gives back to somebody was shown, or `--yes` was said to all of it.
    wanted.approved_by = agreed.then(|| app.person());
    let engine = wire::repair(&config, Arc::clone(&store), sweep::sinks(app)).await?;
    let result = match sweep::take_turn(app, &engine).await {
        Ok(()) => sweep::carry_out(app, &engine, wanted).await,
        Err(failure) => Err(failure),
    };
    engine.release_lease().await?;
    let done = result?;
    sweep::show(app, &store, &done.record, args.format).await?;
    if args.format == Format::Text && store.halted().await?.is_some() {
        app.terminal.tell("Writes stay halted, so that the next sweep does not do it again. `rolekeeper resume` lifts that.");
    }
    store.close().await;
    found_something(&args, &done.record)?;
    Ok(sweep::exit(&done))
}

/// Fails where there was nothing to undo: a slip of the pen, a sweep that only looked, or one whose record is
/// no longer kept. That everything was undone would be a lie.
fn found_something(args: &RollbackArgs, undone: &SweepRecord) -> Result<(), Failure> {
    if 0 < undone.summary.accounts || undone.outcome != Some(SweepOutcome::Completed) {
        return Ok(());
    }
    let sweep = &args.sweep;
    if args.accounts.chosen().is_some() {
        return Err(Failure::new(format!(
            "sweep {sweep} wrote nothing in the accounts that were named"
        ))
        .with_help(
            "`rolekeeper history ACCOUNT` says what was written there, and by which sweep",
        ));
    }
    Err(Failure::new(format!(
        "nothing was undone: of sweep {sweep} no write is on record"
    ))
    .with_help(
        "`rolekeeper sweeps` lists the sweeps; what they wrote is kept for `store.keep_days`",
    ))
}

async fn look(
    app: &App,
    config: &Config,
    store: &Arc<Store>,
    args: &RollbackArgs,
) -> Result<Done, Failure> {
    let engine = wire::audit(config, Arc::clone(store), sweep::sinks(app)).await?;
    let done = sweep::carry_out(app, &engine, order(app, args, Mode::Audit)).await?;
    let format = if args.plan { args.format } else { Format::Text };
    sweep::show(app, store, &done.record, format).await?;
    found_something(args, &done.record)?;
    Ok(done)
}

fn order(app: &App, args: &RollbackArgs, mode: Mode) -> SweepOrder {
    let chosen: Option<BTreeSet<AccountId>> = args.accounts.chosen();
    let mut order = SweepOrder::new(mode, Trigger::Rollback, app.person());
    order.accounts = chosen;
    order.undo = Some(args.sweep.clone());
    order
}
