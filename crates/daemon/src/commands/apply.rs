//! `rolekeeper apply`: one repair sweep, or exactly a saved plan.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::{Mode, SweepId, SweepRecord, Trigger};
use rolekeeper_domain::registration::State;
use rolekeeper_engine::SweepOrder;
use rolekeeper_engine::port::registration::Registrations as _;
use rolekeeper_store::Store;
use tokio_util::sync::CancellationToken;

use super::sweep;
use crate::app::App;
use crate::args::{ApplyArgs, Format};
use crate::config::Config;
use crate::daemon::registrar::{self, Round};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::plan_file::PlanFile;
use crate::register::Orders;
use crate::report::accounts;
use crate::signals::Signals;
use crate::specs;
use crate::wall_clock::{pause, time_of_day};
use crate::wire::{self, RepairEngine};

/// The longest that `apply` tells the vendor: about a thousand accounts. The rest stays in the store.
const TELLING: Duration = Duration::from_secs(120);

/// Repairs what differs.
pub(crate) async fn run(app: &App, args: ApplyArgs) -> Result<Exit, Failure> {
    let config = app.config()?;
    let plans = args.plan.as_deref().map(PlanFile::read).transpose()?;
    let chosen = chosen(&args, plans.as_ref())?;
    if plans
        .as_ref()
        .is_some_and(|plans| !plans.is_for(&specs::revision(&config)))
    {
        return Err(Failure::new(
            "the roles of the configuration have changed since the plan was saved",
        )
        .with_help("make a new plan with `rolekeeper plan --out FILE`"));
    }
    let store = wire::store(&config).await?;
    let word = match &plans {
        Some(plans) => agrees_to_plans(app, &args, plans).await?,
        None => agrees_to_repair(app, &args, &config, &store, chosen.clone()).await?,
    };
    if word == Word::No {
        app.terminal.tell("Nothing was written to AWS.");
        return Ok(Exit::Drift);
    }
    let engine = wire::repair(&config, store.clone(), sweep::sinks(app)).await?;
    let mut order = SweepOrder::new(Mode::Repair, Trigger::CommandLine, app.person());
    order.accounts = chosen;
    order.plans = plans.as_ref().map(|plans| {
        let for_everybody = plans.is_for_everybody() && args.accounts.chosen().is_none();
        plans.saved().made_for_everybody(for_everybody)
    });
    order.approved_by = (word == Word::Yes).then(|| app.person());
    let orders = registrar::orders(&config, time_of_day());
    let result = match sweep::take_turn(app, &engine).await {
        Ok(()) => sweep::carry_out(app, &engine, order).await,
        Err(failure) => Err(failure),
    };
    if let (Some(orders), Ok(done)) = (&orders, &result)
        && !done.interrupted
    {
        register(app, &engine, &store, orders, &done.record.id).await;
    }
    // Also when it failed: the next one should not have to wait for the lease to end.
    engine.release_lease().await?;
    let done = result?;
    sweep::show(app, &store, &done.record, args.format).await?;
    if args.format == Format::Text && done.record.summary.repaired > 0 {
        app.terminal.tell(&format!(
            "What was done in an account: rolekeeper history ACCOUNT. Sweep {}.",
            done.record.id
        ));
    }
    store.close().await;
    sweep::someone_was_meant(&done.record)?;
    Ok(sweep::exit(&done))
}

/// Tells the vendor what came of the sweep. What it does not hear now stays in the store, for the daemon or the
/// next `apply`; the repair is done all the same.
async fn register(
    app: &App,
    engine: &RepairEngine,
    store: &Arc<Store>,
    orders: &Orders,
    sweep: &SweepId,
) {
    let cancel = CancellationToken::new();
    let telling = async {
        let Some(mut round) = Round::begin(engine).await.map_err(Failure::new)? else {
            return Err(Failure::new("AWS does not say whose organization this is"));
        };
        store.mark_sweep(sweep, &orders.revision).await?;
        round.go(store, orders, &cancel).await?;
        Ok(store.registration_counts().await?)
    };
    let mut signals = match Signals::heard() {
        Ok(signals) => signals,
        Err(problem) => return app.terminal.warn(problem.message()),
    };
    let told = tokio::select! {
        told = telling => told,
        () = pause(TELLING) => Err(Failure::new(format!("not done within {} s", TELLING.as_secs()))),
        _ = signals.told() => Err(Failure::new("interrupted")),
    };
    let words = match told {
        Ok(counts) => {
            let count = |state| counts.get(&state).copied().unwrap_or(0);
            let left = count(State::Waiting) + count(State::GivenUp);
            if left == 0 {
                return;
            }
            format!("{} not told to the vendor yet", accounts(left))
        }
        Err(problem) => format!("the vendor was not told everything: {}", problem.message()),
    };
    app.terminal.tell(&format!(
        "{words}. It stays in the store, for the daemon or the next `apply`; `rolekeeper history ACCOUNT` says why."
    ));
}

/// The accounts that are meant: of a plan file only those that have a plan.
fn chosen(
    args: &ApplyArgs,
    plans: Option<&PlanFile>,
) -> Result<Option<BTreeSet<AccountId>>, Failure> {
    let Some(plans) = plans else {
        return Ok(args.accounts.chosen());
    };
    let planned = plans.saved().accounts();
    let Some(named) = args.accounts.chosen() else {
        return Ok(Some(planned));
    };
    match named.iter().find(|account| !planned.contains(account)) {
        Some(account) => Err(Failure::new(format!(
            "the plan file has nothing for account {account}"
        ))),
        None => Ok(Some(named)),
    }
}

/// What a person said to what is about to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// Do it: also what needs approval.
    Yes,
    /// Leave it.
    No,
    /// Nobody was there to be asked. What needs approval waits for it.
    Unasked,
}

impl Word {
    const fn of(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// Asks whether the saved plan is to be carried out. Without a person nobody is asked: a plan that was
/// saved, and is handed over by its name, has been read. It says in its own words what it widens, and
/// nothing but exactly it is done.
async fn agrees_to_plans(app: &App, args: &ApplyArgs, plans: &PlanFile) -> Result<Word, Failure> {
    if args.yes || !app.terminal.can_ask {
        return Ok(Word::Yes);
    }
    let count = plans.saved().accounts().len() as u64;
    let question = format!("Carry out the saved plan in {}?", accounts(count));
    Ok(Word::of(app.terminal.ask(&question).await?))
}

/// Shows what would be done and asks. With `--yes` the answer is known; without a person there is none.
async fn agrees_to_repair(
    app: &App,
    args: &ApplyArgs,
    config: &Config,
    store: &Arc<Store>,
    chosen: Option<BTreeSet<AccountId>>,
) -> Result<Word, Failure> {
    if args.yes {
        return Ok(Word::Yes);
    }
    if !app.terminal.can_ask {
        return Ok(Word::Unasked);
    }
    let engine = wire::audit(config, Arc::clone(store), sweep::sinks(app)).await?;
    let mut order = SweepOrder::new(Mode::Audit, Trigger::CommandLine, app.person());
    let for_everybody = chosen.is_none();
    order.accounts = chosen;
    let done = sweep::carry_out(app, &engine, order).await?;
    if done.interrupted {
        return Err(Failure::interrupted());
    }
    if done.record.summary.drifted == 0 {
        if !for_everybody {
            // A word for some accounts is none for those that join later.
            return Ok(Word::Unasked);
        }
        return agrees_for_later(app, &done.record).await;
    }
    sweep::show(app, store, &done.record, Format::Text).await?;
    let question = format!("Repair {}?", accounts(done.record.summary.drifted));
    Ok(Word::of(app.terminal.ask(&question).await?))
}

/// Nothing differs, so nothing is to be repaired. An account that joins later would all the same wait for
/// a word that nobody has been asked for: it is asked for now.
async fn agrees_for_later(app: &App, sweep: &SweepRecord) -> Result<Word, Failure> {
    if sweep.widens.is_empty() {
        return Ok(Word::Unasked);
    }
    for sentence in &sweep.widens {
        app.terminal.tell(sentence);
    }
    let yes = app
        .terminal
        .ask("Nothing differs. Do you agree that accounts which join later are given this?")
        .await?;
    Ok(if yes { Word::Yes } else { Word::Unasked })
}
