//! `rolekeeper report`, `sweeps` and `history`: what the store knows.

use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::finding::Finding;
use rolekeeper_domain::outcome::{SweepOutcome, SweepRecord};
use rolekeeper_domain::registration::Registration;
use rolekeeper_domain::role::RoleName;
use rolekeeper_engine::port::registration::Registrations as _;
use rolekeeper_engine::port::store::{Completion, Journal, JournalEntry, Sweeps};
use rolekeeper_store::Store;
use serde_json::{Value, json};

use super::registration;
use super::sweep::ToStdout;
use crate::app::App;
use crate::args::{Format, ReportArgs, Since};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Style, Terminal, plain};
use crate::report::{self, changes, counts, json as views, seconds};
use crate::wire;

/// The most journal entries that `history` shows: more than a decade of monthly repairs of one account.
const MOST_ENTRIES: u32 = 1000;

/// Writes the report of a sweep.
pub(crate) async fn report(app: &App, args: ReportArgs) -> Result<Exit, Failure> {
    let config = app.config()?;
    let store = wire::store_to_read(&config).await?;
    let sweep = chosen(&store, &args).await?;
    if let Some(since) = &args.since {
        return changed(app, &store, &sweep, since, &args).await;
    }
    match &args.out {
        None => {
            let mut sink = ToStdout::new(app);
            report::write(store.as_ref(), &sweep, args.format, &mut sink).await?;
            sink.finish()?;
        }
        Some(path) => {
            let mut sink = ToFile::create(path)?;
            report::write(store.as_ref(), &sweep, args.format, &mut sink).await?;
            sink.finish(path)?;
        }
    }
    Ok(Exit::Clean)
}

async fn changed(
    app: &App,
    store: &Store,
    sweep: &SweepRecord,
    since: &Since,
    args: &ReportArgs,
) -> Result<Exit, Failure> {
    let earlier = match since {
        Since::Last => changes::before(store, sweep).await?.ok_or_else(|| {
            Failure::new(format!(
                "no completed sweep before {} looked at comparably many accounts",
                sweep.id
            ))
            .with_help("`rolekeeper sweeps` lists them; --since takes any of them")
        })?,
        Since::Sweep(id) => store.sweep(id).await?.ok_or_else(|| {
            Failure::new(format!("the store knows no sweep {id}"))
                .with_help("`rolekeeper sweeps` lists them")
        })?,
    };
    match &args.out {
        None => {
            let mut sink = ToStdout::new(app);
            changes::write(store, &earlier, sweep, args.format, &mut sink).await?;
            sink.finish()?;
        }
        Some(path) => {
            let mut sink = ToFile::create(path)?;
            changes::write(store, &earlier, sweep, args.format, &mut sink).await?;
            sink.finish(path)?;
        }
    }
    Ok(Exit::Clean)
}

async fn chosen(store: &Store, args: &ReportArgs) -> Result<SweepRecord, Failure> {
    let found = match &args.sweep {
        Some(id) => store.sweep(id).await?,
        None => store.last_completed().await?,
    };
    found.ok_or_else(|| match &args.sweep {
        Some(id) => Failure::new(format!("the store knows no sweep {id}"))
            .with_help("`rolekeeper sweeps` lists them"),
        None => Failure::new("no sweep has completed yet")
            .with_help("`rolekeeper plan` carries one out"),
    })
}

/// Report pieces that go into a file. It only gets its name when it is whole.
#[derive(Debug)]
struct ToFile {
    file: BufWriter<std::fs::File>,
    partial: std::path::PathBuf,
    problem: Option<std::io::Error>,
}

impl ToFile {
    fn create(path: &Path) -> Result<Self, Failure> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = std::path::PathBuf::from(partial);
        let file = std::fs::File::create(&partial).map_err(|problem| unwritable(path, &problem))?;
        Ok(Self {
            file: BufWriter::new(file),
            partial,
            problem: None,
        })
    }

    fn finish(mut self, path: &Path) -> Result<(), Failure> {
        let written = self.problem.map_or_else(|| self.file.flush(), Err);
        written
            .and_then(|()| std::fs::rename(&self.partial, path))
            .map_err(|problem| unwritable(path, &problem))
    }
}

fn unwritable(path: &Path, problem: &std::io::Error) -> Failure {
    Failure::new(format!("{} cannot be written: {problem}", path.display()))
}

impl report::Sink for ToFile {
    async fn take(&mut self, piece: String) -> bool {
        match self.file.write_all(piece.as_bytes()) {
            Ok(()) => true,
            Err(problem) => {
                self.problem = Some(problem);
                false
            }
        }
    }
}

/// Lists the past sweeps, the newest first.
pub(crate) async fn sweeps(app: &App, limit: u32, format: Format) -> Result<Exit, Failure> {
    let config = app.config()?;
    let store = wire::store_to_read(&config).await?;
    let found = store.sweeps(None, limit).await?;
    let text = match format {
        Format::Json => {
            let sweeps: Vec<Value> = found.iter().map(sweep_view).collect();
            format!(
                "{:#}\n",
                json!({ "schema": "rolekeeper.sweeps/v1", "sweeps": sweeps })
            )
        }
        Format::Text if found.is_empty() => {
            "No sweep yet: `rolekeeper plan` carries one out.\n".to_owned()
        }
        Format::Text => found
            .iter()
            .map(|sweep| sweep_lines(sweep, &app.terminal))
            .collect(),
    };
    app.terminal.give(format, &text)?;
    Ok(Exit::Clean)
}

fn sweep_view(sweep: &SweepRecord) -> Value {
    let mut view = views::sweep_value(sweep);
    if let Some(fields) = view.as_object_mut() {
        fields.insert("requested_by".to_owned(), json!(sweep.requested_by));
        fields.insert("reason".to_owned(), json!(sweep.reason));
        fields.insert("summary".to_owned(), views::summary_value(&sweep.summary));
    }
    view
}

fn sweep_lines(sweep: &SweepRecord, terminal: &Terminal) -> String {
    let (style, outcome) = match sweep.outcome {
        Some(SweepOutcome::Completed) => (Style::Good, "completed"),
        Some(outcome) => (Style::Alarm, outcome.as_str()),
        None => (Style::Warning, "running"),
    };
    let took = sweep
        .finished_at
        .map(|end| seconds(end.duration_since(sweep.started_at).as_secs_f64()))
        .unwrap_or_default();
    let mut text = format!(
        "{}  {}  {:<6}  {}  {took:>10}  {}\n",
        terminal.paint(Style::Strong, sweep.id.as_str()),
        sweep.started_at.strftime("%Y-%m-%d %H:%M UTC"),
        sweep.mode,
        terminal.paint(style, &format!("{outcome:<9}")),
        counts(&sweep.summary, terminal),
    );
    if let Some(reason) = &sweep.reason {
        let _infallible = writeln!(text, "    {}", plain(reason));
    }
    text
}

/// Shows what was done to one account.
pub(crate) async fn history(
    app: &App,
    account: AccountId,
    format: Format,
) -> Result<Exit, Failure> {
    let config = app.config()?;
    let store = wire::store_to_read(&config).await?;
    let entries = store.history(account, None, MOST_ENTRIES).await?;
    let mut findings = store.findings(Some(account)).await?;
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.last_seen));
    let (owned, registrations) = (
        store.owned(account).await?,
        store.registrations_of(account).await?,
    );
    let past = Past {
        account,
        findings: &findings,
        entries: &entries,
        owned: &owned,
        registrations: &registrations,
    };
    let text = match format {
        Format::Json => history_document(&past),
        Format::Text => {
            let registered = registration::lines(&registrations, &app.terminal);
            match history_text(&past, &app.terminal) {
                None if registered.is_empty() => {
                    format!("Nothing was ever found or done in account {account}.\n")
                }
                told => told.unwrap_or_default() + &registered,
            }
        }
    };
    app.terminal.give(format, &text)?;
    Ok(Exit::Clean)
}

/// What the store knows of one account.
struct Past<'a> {
    account: AccountId,
    findings: &'a [Finding],
    entries: &'a [JournalEntry],
    /// What is rolekeeper's there by the journal; by its tag more may be.
    owned: &'a [String],
    registrations: &'a [Registration],
}

fn history_document(past: &Past<'_>) -> String {
    let findings: Vec<Value> = past
        .findings
        .iter()
        .map(|finding| {
            json!({
                "role": finding.drift.role.as_str(),
                "kind": finding.drift.kind.as_str(),
                "severity": finding.drift.severity.as_str(),
                "explanation": finding.drift.explanation,
                "first_seen": finding.first_seen.to_string(),
                "last_seen": finding.last_seen.to_string(),
                "resolved_at": finding.resolved_at.map(|at| at.to_string()),
            })
        })
        .collect();
    let steps: Vec<Value> = past
        .entries
        .iter()
        .map(|entry| {
            json!({
                "at": entry.intended_at.to_string(),
                "completed_at": entry.completed_at.map(|at| at.to_string()),
                "sweep": entry.sweep.as_str(),
                "requested_by": entry.requested_by,
                "role": entry.subject.role().map(RoleName::as_str),
                "user": entry.subject.user(),
                "action": entry.operation.action(),
                "resource": entry.resource,
                "result": result_of(entry),
                "before": entry.before,
                "after": entry.after,
            })
        })
        .collect();
    let document = json!({
        "schema": "rolekeeper.history/v1", "account_id": past.account.to_string(), "owned": past.owned,
        "findings": findings, "steps": steps,
        "registrations": past.registrations.iter().map(registration::view).collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}

fn history_text(past: &Past<'_>, terminal: &Terminal) -> Option<String> {
    let Past {
        findings,
        entries,
        owned,
        ..
    } = *past;
    if findings.is_empty() && entries.is_empty() && owned.is_empty() {
        return None;
    }
    let mut text = String::new();
    if !owned.is_empty() {
        let _infallible = writeln!(
            text,
            "{}",
            terminal.paint(Style::Strong, "Made or adopted by rolekeeper")
        );
        for resource in owned {
            let _infallible = writeln!(text, "  {}", plain(resource));
        }
    }
    if !findings.is_empty() {
        let _infallible = writeln!(text, "{}", terminal.paint(Style::Strong, "Findings"));
        for finding in findings {
            let (style, end) = match finding.resolved_at {
                Some(at) => (Style::Good, format!("gone since {}", moment(at))),
                None => (
                    Style::Warning,
                    format!("last seen {}", moment(finding.last_seen)),
                ),
            };
            let drift = &finding.drift;
            let _infallible = writeln!(
                text,
                "  {} {} of {}: since {}, {}\n    {}",
                drift.severity,
                drift.kind,
                drift.role,
                moment(finding.first_seen),
                terminal.paint(style, &end),
                plain(&drift.explanation),
            );
        }
    }
    if !entries.is_empty() {
        let _infallible = writeln!(
            text,
            "{}",
            terminal.paint(Style::Strong, "What was done, the newest first")
        );
        for entry in entries {
            let _infallible = writeln!(
                text,
                "  {}  {}  {} {}  ({}, sweep {})",
                moment(entry.intended_at),
                result_of(entry),
                entry.operation.action(),
                plain(&entry.resource),
                plain(&entry.requested_by),
                entry.sweep,
            );
            if let Some(Completion::Failed(fault)) = &entry.completion {
                let _infallible = writeln!(text, "    {}", plain(&fault.to_string()));
            }
        }
    }
    Some(text)
}

const fn result_of(entry: &JournalEntry) -> &'static str {
    match &entry.completion {
        Some(Completion::Done { .. }) => "done",
        Some(Completion::SettledDone) => "done (found after a crash)",
        Some(Completion::Failed(_)) => "failed",
        Some(Completion::SettledUndone) => "not done (found after a crash)",
        None => "under way",
    }
}

pub(super) fn moment(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
