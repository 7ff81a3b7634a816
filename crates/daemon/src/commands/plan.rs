//! `rolekeeper plan`: one audit sweep, and what a repair would do. Writes nothing to AWS.

use rolekeeper_domain::outcome::{Mode, Trigger};
use rolekeeper_engine::SweepOrder;
use rolekeeper_engine::port::store::Control as _;

use super::sweep;
use crate::app::App;
use crate::args::{Format, PlanArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::plain;
use crate::plan_file;
use crate::specs;
use crate::wire;

/// Finds the drift and shows it.
pub(crate) async fn run(app: &App, args: PlanArgs) -> Result<Exit, Failure> {
    let mut config = app.config()?;
    if let Some(path) = &args.out {
        plan_file::can_be_made(path)?;
    }
    // There is no next sweep in this process that could use them again.
    config.limits.sessions = 0;
    let store = wire::store(&config).await?;
    let collector = plan_file::Collector::default();
    let mut sinks = sweep::sinks(app);
    if args.out.is_some() {
        sinks = sinks.and(collector.clone());
    }
    let engine = wire::audit(&config, store.clone(), sinks).await?;
    let mut order = SweepOrder::new(Mode::Audit, Trigger::CommandLine, app.person());
    order.accounts = args.accounts.chosen();
    let done = sweep::carry_out(app, &engine, order).await?;
    sweep::show(app, &store, &done.record, args.format).await?;
    if let Some(halt) = store.halted().await? {
        app.terminal.tell(&format!(
            "Writes are halted by {}: {}. Nothing is repaired before `rolekeeper resume`.",
            plain(&halt.by),
            plain(&halt.why)
        ));
    }
    if let Some(path) = &args.out {
        let saved =
            plan_file::PlanFile::new(&done.record, &specs::revision(&config), collector.take())
                .for_everybody(args.accounts.chosen().is_none());
        saved.write(path)?;
        app.terminal.tell(&format!(
            "The plan is in {}. To carry out exactly it: rolekeeper apply {}",
            path.display(),
            path.display()
        ));
    } else if args.format == Format::Text && done.record.summary.drifted > 0 {
        let accounts = args.accounts.chosen().map(|chosen| {
            let ids: Vec<String> = chosen.iter().map(ToString::to_string).collect();
            format!(" --accounts {}", ids.join(","))
        });
        app.terminal.tell(&format!(
            "Nothing was written to AWS. To repair: rolekeeper apply{}",
            accounts.unwrap_or_default()
        ));
    }
    store.close().await;
    sweep::someone_was_meant(&done.record)?;
    Ok(sweep::exit(&done))
}
