//! What `plan`, `apply` and `demo` share: one sweep, watched, and what came of it.

use std::sync::Arc;
use std::time::Duration;

use rolekeeper_domain::outcome::{Summary, SweepOutcome, SweepRecord};
use rolekeeper_engine::SweepOrder;
use rolekeeper_engine::event::{Event, EventSink};
use rolekeeper_engine::port::session::SessionProvider;
use rolekeeper_engine::port::store::Lease as _;
use rolekeeper_store::Store;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::args::{Format, ReportFormat};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::log::LogSink;
use crate::output::{Terminal, plain};
use crate::progress::Progress;
use crate::report::{self, accounts, seconds};
use crate::signals::Signals;
use crate::wall_clock::{pause, time_of_day};
use crate::wire::{RealEngine, RepairEngine, Sinks};

/// Clocks of two machines differ a little.
const MOMENT: Duration = Duration::from_secs(1);

/// A sweep that ended.
#[derive(Debug)]
pub(crate) struct Done {
    /// Its record.
    pub(crate) record: SweepRecord,
    /// Whether somebody pressed Ctrl-C, or SIGTERM came.
    pub(crate) interrupted: bool,
}

/// The listeners of a command that a person watches.
pub(crate) fn sinks(app: &App) -> Sinks {
    let sinks = Sinks::default()
        .and(LogSink)
        .and(Waiting(app.terminal.clone()));
    // Log lines and a bar would fight for the same lines of the terminal.
    if app.global.verbose == 0 {
        sinks.and(Progress::on(&app.terminal))
    } else {
        sinks
    }
}

/// What most often is wrong with a rule that nothing matches.
pub(crate) const CASE: &str = "Names of organizational units are case-sensitive.";

/// Says that a word is waited for: a command that stands still without a reason would be ended. And which rules of
/// the selector match nothing: an account that somebody means to protect is not protected by a misspelled one.
#[derive(Debug)]
struct Waiting(Terminal);

impl EventSink for Waiting {
    fn emit(&self, event: &Event) {
        match event {
            Event::ApprovalWanted { sweep, changes, .. } => self.0.tell(&format!(
                "The sweep waits for approval of its changes in {}: rolekeeper approve {sweep}",
                accounts(*changes)
            )),
            Event::IdleRules { rules, .. } => {
                for rule in rules {
                    self.0.warn(&format!("{}. {CASE}", plain(rule)));
                }
            }
            _ => {}
        }
    }
}

/// Carries out a sweep. Ctrl-C and SIGTERM end it in order, a second one at once.
pub(crate) async fn carry_out<P: SessionProvider>(
    app: &App,
    engine: &RealEngine<P>,
    order: SweepOrder,
) -> Result<Done, Failure> {
    let cancel = CancellationToken::new();
    let mut signals = Signals::heard()?;
    let mut sweep = std::pin::pin!(engine.sweep(order, cancel.clone()));
    tokio::select! {
        ended = &mut sweep => return Ok(Done { record: ended?, interrupted: false }),
        _ = signals.told() => {}
    }
    app.terminal.tell("Stopping: the steps under way are finished, no further one is begun. Ctrl-C again stops at once.");
    cancel.cancel();
    tokio::select! {
        ended = &mut sweep => Ok(Done { record: ended?, interrupted: true }),
        _ = signals.told() => Err(Failure::interrupted()),
    }
}

/// Waits for the lease to become free, as it does by itself when its holder was killed. A holder that lives renews it.
pub(crate) async fn take_turn(app: &App, engine: &RepairEngine) -> Result<(), Failure> {
    if engine.acquire_lease().await?.is_some() {
        return Ok(());
    }
    let Some((holder, until)) = engine.store().holder().await? else {
        return Ok(());
    };
    let wait = Duration::try_from(until.duration_since(time_of_day())).unwrap_or_default() + MOMENT;
    app.terminal.tell(&format!(
        "{holder} holds the lease until {until}, unless it renews it. Waiting {}.",
        seconds(wait.as_secs_f64())
    ));
    let mut signals = Signals::heard()?;
    tokio::select! {
        () = pause(wait) => Ok(()),
        _ = signals.told() => Err(Failure::interrupted()),
    }
}

/// A sweep that looked at nobody found nothing, and that is no good news.
pub(crate) fn someone_was_meant(record: &SweepRecord) -> Result<(), Failure> {
    let summary = &record.summary;
    let nobody = 0 < summary.accounts && summary.skipped == summary.accounts;
    if record.outcome == Some(SweepOutcome::Completed) && nobody {
        return Err(
            Failure::new("no account is selected, so nothing was looked at")
                .with_help(format!("`rolekeeper accounts` says why for each. {CASE}")),
        );
    }
    Ok(())
}

/// Shows what came of a sweep, in the form that was asked for.
pub(crate) async fn show(
    app: &App,
    store: &Arc<Store>,
    record: &SweepRecord,
    format: Format,
) -> Result<(), Failure> {
    match format {
        Format::Text => {
            let overview = report::overview(store.as_ref(), record).await?;
            app.terminal
                .show(&report::overview_text(record, &overview, &app.terminal))?;
        }
        Format::Json => {
            let mut sink = ToStdout::new(app);
            report::write(store.as_ref(), record, ReportFormat::Json, &mut sink).await?;
            sink.finish()?;
        }
    }
    Ok(())
}

/// How the process ends after a sweep.
pub(crate) fn exit(done: &Done) -> Exit {
    if done.interrupted {
        return Exit::Interrupted;
    }
    match done.record.outcome {
        Some(SweepOutcome::Failed) => Exit::Error,
        _ => exit_for(&done.record.summary),
    }
}

/// What could not be evaluated wins over what drifted.
const fn exit_for(summary: &Summary) -> Exit {
    if summary.failed > 0 || summary.pending > 0 {
        Exit::Incomplete
    } else if summary.drifted > 0 {
        Exit::Drift
    } else {
        Exit::Clean
    }
}

/// Report pieces that go to stdout as they come.
#[derive(Debug)]
pub(crate) struct ToStdout<'a> {
    app: &'a App,
    problem: Option<std::io::Error>,
}

impl<'a> ToStdout<'a> {
    /// Nothing written yet.
    pub(crate) const fn new(app: &'a App) -> Self {
        Self { app, problem: None }
    }

    /// What went wrong on the way, if something did.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        self.problem.map_or(Ok(()), |problem| Err(problem.into()))
    }
}

impl report::Sink for ToStdout<'_> {
    async fn take(&mut self, piece: String) -> bool {
        match self.app.terminal.result(&piece) {
            Ok(()) => true,
            Err(problem) => {
                self.problem = Some(problem);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_code_says_the_worst() {
        let rows = [
            (Summary::default(), Exit::Clean),
            (
                Summary {
                    accounts: 3,
                    in_sync: 2,
                    skipped: 1,
                    ..Summary::default()
                },
                Exit::Clean,
            ),
            (
                Summary {
                    accounts: 2,
                    repaired: 2,
                    ..Summary::default()
                },
                Exit::Clean,
            ),
            (
                Summary {
                    accounts: 2,
                    in_sync: 1,
                    drifted: 1,
                    ..Summary::default()
                },
                Exit::Drift,
            ),
            (
                Summary {
                    accounts: 2,
                    failed: 1,
                    drifted: 1,
                    ..Summary::default()
                },
                Exit::Incomplete,
            ),
            (
                Summary {
                    accounts: 2,
                    pending: 1,
                    in_sync: 1,
                    ..Summary::default()
                },
                Exit::Incomplete,
            ),
        ];
        for (summary, expected) in rows {
            assert_eq!(exit_for(&summary), expected, "{summary:?}");
        }
    }
}
