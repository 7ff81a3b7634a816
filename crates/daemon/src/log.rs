//! Logs: one line that reads alone for each account and sweep, the same field
//! names everywhere, no secrets.
//!
//! error: somebody must act. warn: rolekeeper coped. info: what was done.
//! Never logged: credentials, external ids, e-mail addresses, whole policies.

use std::fmt;
use std::io;

use rolekeeper_domain::outcome::{AccountReport, Outcome, SweepOutcome, SweepRecord};
use rolekeeper_engine::event::{self, CallOutcome, EventSink};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{ParseError, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::commands::sweep::CASE;
use crate::output::plain;
use crate::traces::{self, Traces};

/// The shape of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// What the filter says when nobody says anything: how much `-v` adds.
pub(crate) fn default_filter(verbosity: u8) -> String {
    match verbosity {
        0 => "warn,rolekeeper=info".to_owned(),
        1 => "info,rolekeeper=debug,rolekeeper_engine=debug,rolekeeper_aws=debug".to_owned(),
        _ => "debug,rolekeeper=trace,rolekeeper_engine=trace,rolekeeper_aws=trace".to_owned(),
    }
}

/// Sends logs to stderr, and spans to `traces` if there is somebody. `filter` is a list of `target=level`, as for
/// `RUST_LOG`; it says nothing about traces.
pub(crate) fn init(
    format: LogFormat,
    filter: &str,
    color: bool,
    traces: Option<Traces>,
) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = match format {
        LogFormat::Text => layer
            .with_ansi(color)
            .event_format(Line)
            .with_filter(filter)
            .boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_filter(filter).boxed(),
    };
    let traces = traces.map(|traces| traces.with_filter(filter_fn(traces::is_ours)));
    // A second subscriber is refused; the first one keeps working.
    let _already_set = tracing_subscriber::registry()
        .with(lines)
        .with(traces)
        .try_init();
    Ok(())
}

/// One line of text: time, level, message, fields. The spans around it are only named where the line itself does
/// not say what it is about.
struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        SystemTime.format_time(&mut writer)?;
        let metadata = event.metadata();
        let level = *metadata.level();
        if writer.has_ansi_escapes() {
            let color = match level {
                Level::ERROR => 31,
                Level::WARN => 33,
                Level::INFO => 32,
                Level::DEBUG => 34,
                _ => 35,
            };
            write!(writer, " \u{1b}[{color}m{level:>5}\u{1b}[0m ")?;
        } else {
            write!(writer, " {level:>5} ")?;
        }
        context
            .field_format()
            .format_fields(writer.by_ref(), event)?;
        if metadata.target() != module_path!() {
            for span in context
                .event_scope()
                .into_iter()
                .flat_map(|scope| scope.from_root())
            {
                if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                    write!(writer, " {fields}")?;
                }
            }
        }
        writeln!(writer)
    }
}

/// Turns the engine's events into log lines.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LogSink;

impl EventSink for LogSink {
    fn emit(&self, event: &event::Event) {
        use rolekeeper_engine::event::Event;
        match event {
            Event::SweepStarted { sweep } => tracing::info!(
                sweep.id = %sweep.id, sweep.mode = %sweep.mode, sweep.trigger = %sweep.trigger,
                sweep.requested_by = %plain(&sweep.requested_by),
                "sweep {} began ({}, asked for by {})", sweep.id, sweep.mode, sweep.trigger,
            ),
            Event::Discovered {
                sweep,
                listed,
                selected,
                whole,
            } => tracing::debug!(
                sweep.id = %sweep, accounts.listed = listed, accounts.selected = selected,
                whole, "{listed} accounts listed so far, {selected} selected",
            ),
            Event::Planned { sweep, plan } => tracing::debug!(
                sweep.id = %sweep, account.id = %plan.account, role.name = %plan.role,
                plan.steps = plan.steps.len(), plan.withheld = plan.withheld.len(),
                "{} steps planned for {} in {}", plan.steps.len(), plan.role, plan.account,
            ),
            Event::AccountFinished { sweep, report } => account(sweep.as_str(), report),
            Event::StepFinished {
                sweep,
                account,
                operation,
                resource,
                result,
                fault,
            } => {
                tracing::info!(
                    sweep.id = %sweep, account.id = %account, step.action = %operation.action(),
                    step.resource = %plain(resource), step.result = %result,
                    fault.category = fault.as_ref().map(|fault| fault.category.as_str()),
                    aws.request_id = fault.as_ref().and_then(|fault| fault.request_id.as_deref()),
                    "{} {resource:?} in {account}: {result}", operation.action(),
                );
            }
            Event::CallFinished {
                account,
                operation,
                outcome,
                duration,
            } => {
                let outcome = match outcome {
                    CallOutcome::Ok => "ok",
                    CallOutcome::Failed(category) => category.as_str(),
                };
                tracing::debug!(
                    account.id = account.map(tracing::field::display),
                    aws.operation = %operation, outcome, duration_ms = duration.as_millis(),
                    "{operation}: {outcome}",
                );
            }
            Event::Retrying {
                account,
                operation,
                category,
                attempt,
                delay,
            } => tracing::debug!(
                account.id = account.map(tracing::field::display), aws.operation = %operation,
                fault.category = %category, attempt, delay_ms = delay.as_millis(),
                "{operation} will be tried again ({category})",
            ),
            Event::LimiterRate {
                service,
                operation,
                rate,
            } => tracing::debug!(
                aws.service = service,
                aws.operation = operation,
                limiter.rate = rate,
                "limiter for {service} {operation} now allows {rate:.1}/s",
            ),
            Event::ApprovalWanted {
                sweep,
                changes,
                widens,
            } => tracing::warn!(
                sweep.id = %sweep, accounts.changes = changes, widens = ?widens,
                "sweep {sweep} waits for approval, {}: rolekeeper approve {sweep}",
                match changes {
                    0 => "though it would change nothing now: what is specified was never agreed to, and accounts that join would be given it".to_owned(),
                    some => format!("it would change {}", crate::report::accounts(*some)),
                },
            ),
            Event::WaveStarted {
                sweep,
                wave,
                of,
                accounts,
            } => tracing::info!(
                sweep.id = %sweep, wave, waves = of, accounts.wave = accounts,
                "wave {wave} of {of} began: {}", crate::report::accounts(*accounts),
            ),
            Event::CanaryAgain { sweep, why } => tracing::warn!(
                sweep.id = %sweep, why = %plain(why), "the rest goes through a canary again: {why:?}",
            ),
            Event::Halted { sweep, why } => tracing::error!(
                sweep.id = sweep.as_ref().map(tracing::field::display), why = %plain(why),
                "writes are halted: {why:?}",
            ),
            Event::SweepFinished { sweep } => finished(sweep),
            Event::SweepRefused { why } => {
                tracing::error!(why = %plain(why), "a sweep was not carried out: {why:?}");
            }
            Event::NextSweep { at } => tracing::debug!(
                schedule.next = at.map(tracing::field::display),
                "the next sweep is due at another time",
            ),
            Event::LeaderChanged { leading: true } => tracing::info!("this replica now writes"),
            Event::LeaderChanged { leading: false } => {
                tracing::warn!("this replica no longer writes");
            }
            Event::IdleRules { sweep, rules } => tracing::warn!(
                sweep.id = %sweep, rules = ?rules,
                "{}. {CASE}", plain(&rules.join("; ")),
            ),
            Event::LeaseHeld { holder } => tracing::info!(
                lease.holder = %plain(holder),
                "another process ({}) holds the lease: this one reads, and takes over when that one ends", plain(holder),
            ),
            Event::StoreFailed { message } => {
                tracing::error!(message_from_store = %plain(message), "the store failed: no writes to AWS until it works");
            }
            Event::AccountStarted { .. } | Event::LimiterWaited { .. } => {}
        }
    }
}

fn account(sweep: &str, report: &AccountReport) {
    let drifts = report.drifts.len();
    if let (Outcome::Failed, Some(fault)) = (report.outcome, &report.failure) {
        tracing::warn!(
            sweep.id = sweep, account.id = %report.account, account.name = %plain(&report.name),
            account.outcome = %report.outcome, fault.category = %fault.category,
            aws.request_id = fault.request_id.as_deref(), duration_ms = report.duration_ms,
            "account {} failed ({}): {:?}", report.account, fault.category, fault.to_string(),
        );
        return;
    }
    let line = match drifts {
        0 => format!("account {} {}", report.account, report.outcome),
        1 => format!(
            "account {} {}, 1 difference",
            report.account, report.outcome
        ),
        some => format!(
            "account {} {}, {some} differences",
            report.account, report.outcome
        ),
    };
    macro_rules! say {
        ($level:ident) => {
            tracing::$level!(
                sweep.id = sweep, account.id = %report.account, account.name = %plain(&report.name),
                account.outcome = %report.outcome, drifts, duration_ms = report.duration_ms, "{line}",
            )
        };
    }
    // Ten thousand accounts in order would be as many lines an hour that say nothing.
    match report.outcome {
        Outcome::InSync | Outcome::Skipped => say!(debug),
        _ => say!(info),
    }
}

fn finished(sweep: &SweepRecord) {
    let summary = &sweep.summary;
    let outcome = sweep.outcome.map_or("unfinished", SweepOutcome::as_str);
    let line = format!(
        "sweep {} {outcome}: {}, {} in sync, {} drifted, {} repaired, {} failed, {} skipped, {} pending",
        sweep.id,
        crate::report::accounts(summary.accounts),
        summary.in_sync,
        summary.drifted,
        summary.repaired,
        summary.failed,
        summary.skipped,
        summary.pending,
    );
    let reason = sweep.reason.as_deref().map(plain);
    macro_rules! say {
        ($level:ident) => {
            tracing::$level!(
                sweep.id = %sweep.id, sweep.mode = %sweep.mode, sweep.outcome = outcome,
                reason = reason.as_deref(), "{line}",
            )
        };
    }
    match sweep.outcome {
        Some(SweepOutcome::Completed) => say!(info),
        // Somebody wanted it to end: at a stop, by the API.
        Some(SweepOutcome::Cancelled) => say!(warn),
        _ => say!(error),
    }
}
