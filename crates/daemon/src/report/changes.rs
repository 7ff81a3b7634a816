//! What changed from one sweep to a later one.

use std::collections::VecDeque;
use std::fmt::Write as _;

use maud::{DOCTYPE, PreEscaped, html};
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::drift::Drift;
use rolekeeper_domain::finding::changes;
use rolekeeper_domain::outcome::{AccountReport, SweepOutcome, SweepRecord};
use rolekeeper_engine::port::store::{StoreError, Sweeps};
use serde_json::{Value, json};

use super::words::grouped;
use super::{Pages, csv, html as page, json as views, markdown};
use crate::args::ReportFormat;
use crate::output::plain;

/// The document's name and version.
pub(crate) const SCHEMA: &str = "rolekeeper.changes/v1";
/// Differences that are listed of each sort; the rest is counted. Whoever needs more compares two reports.
const LISTED_MAX: usize = 1_000;
/// How many sweeps back a comparable one is looked for.
const SWEEPS_LOOKED_AT: u32 = 50;

/// One difference and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) account: AccountId,
    pub(crate) name: String,
    pub(crate) ou_path: String,
    pub(crate) drift: Drift,
}

/// Differences of one sort.
#[derive(Clone, Debug, Default)]
pub(crate) struct Items {
    /// All of them.
    pub(crate) count: u64,
    /// The first of them.
    pub(crate) listed: Vec<Item>,
}

impl Items {
    fn add(&mut self, report: &AccountReport, drifts: Vec<Drift>) {
        self.count += drifts.len() as u64;
        let room = LISTED_MAX.saturating_sub(self.listed.len());
        self.listed
            .extend(drifts.into_iter().take(room).map(|drift| Item {
                account: report.account,
                name: report.name.clone(),
                ou_path: report.ou_path.clone(),
                drift,
            }));
    }

    fn left_out(&self) -> u64 {
        self.count - self.listed.len() as u64
    }
}

/// What changed.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) since: SweepRecord,
    pub(crate) sweep: SweepRecord,
    pub(crate) appeared: Items,
    pub(crate) gone: Items,
    pub(crate) stayed: u64,
}

/// The sweep that `sweep` is compared with when nobody names one: the newest completed one before it that
/// looked at comparably many accounts, so that a look at a single account is not taken for the whole.
pub(crate) async fn before<S: Sweeps>(
    store: &S,
    sweep: &SweepRecord,
) -> Result<Option<SweepRecord>, StoreError> {
    let earlier = store.sweeps(Some(&sweep.id), SWEEPS_LOOKED_AT).await?;
    Ok(earlier.into_iter().find(|other| {
        other.outcome == Some(SweepOutcome::Completed)
            && sweep.summary.accounts <= other.summary.accounts.saturating_mul(2)
    }))
}

/// Compares two sweeps, page by page.
pub(crate) async fn compare<S: Sweeps>(
    store: &S,
    since: &SweepRecord,
    sweep: &SweepRecord,
) -> Result<Report, StoreError> {
    let mut report = Report {
        since: since.clone(),
        sweep: sweep.clone(),
        appeared: Items::default(),
        gone: Items::default(),
        stayed: 0,
    };
    let (mut then, mut now) = (Walk::of(since), Walk::of(sweep));
    loop {
        let (old, new) = (then.peek(store).await?, now.peek(store).await?);
        let Some(account) = old.into_iter().chain(new).min() else {
            break;
        };
        let old = then.take(account);
        let new = now.take(account);
        let found = changes(old.as_ref(), new.as_ref());
        if let Some(known) = new.as_ref().or(old.as_ref()) {
            report.appeared.add(known, found.appeared);
            report.gone.add(known, found.gone);
        }
        report.stayed += found.stayed;
    }
    for items in [&mut report.appeared, &mut report.gone] {
        items
            .listed
            .sort_by_key(|item| (std::cmp::Reverse(item.drift.severity), item.account));
    }
    Ok(report)
}

/// The reports of a sweep by account, one at a time.
struct Walk<'a> {
    pages: Pages<'a>,
    page: VecDeque<AccountReport>,
}

impl<'a> Walk<'a> {
    fn of(sweep: &'a SweepRecord) -> Self {
        Self {
            pages: Pages::of(sweep, None),
            page: VecDeque::new(),
        }
    }

    async fn peek<S: Sweeps>(&mut self, store: &S) -> Result<Option<AccountId>, StoreError> {
        if self.page.is_empty()
            && let Some(page) = self.pages.next(store).await?
        {
            self.page = page.into();
        }
        Ok(self.page.front().map(|report| report.account))
    }

    fn take(&mut self, account: AccountId) -> Option<AccountReport> {
        let is_next = self
            .page
            .front()
            .is_some_and(|report| report.account == account);
        if is_next { self.page.pop_front() } else { None }
    }
}

/// Whether there is a form of this for changes: a SIEM compares events by itself.
pub(crate) const fn has(format: ReportFormat) -> bool {
    !matches!(format, ReportFormat::Ocsf)
}

/// The document in one of the forms that [`has`] names.
pub(crate) fn render(report: &Report, format: ReportFormat) -> String {
    match format {
        ReportFormat::Csv => to_csv(report),
        ReportFormat::Markdown => to_markdown(report),
        ReportFormat::Html => to_html(report),
        ReportFormat::Json | ReportFormat::Ocsf => format!("{:#}\n", to_json(report)),
    }
}

/// One sentence.
fn sentence(report: &Report) -> String {
    format!(
        "{} new, {} gone, {} as before, from sweep {} to sweep {}.",
        grouped(report.appeared.count),
        grouped(report.gone.count),
        grouped(report.stayed),
        report.since.id,
        report.sweep.id
    )
}

/// For machines.
fn to_json(report: &Report) -> Value {
    let items = |items: &Items| -> Vec<Value> {
        items
            .listed
            .iter()
            .map(|item| {
                json!({
                    "account_id": item.account.to_string(),
                    "name": item.name,
                    "ou_path": item.ou_path,
                    "role": item.drift.role.as_str(),
                    "kind": item.drift.kind.as_str(),
                    "subject": item.drift.subject,
                    "severity": item.drift.severity.as_str(),
                    "explanation": item.drift.explanation,
                })
            })
            .collect()
    };
    json!({
        "schema": SCHEMA,
        "since": views::sweep_value(&report.since),
        "sweep": views::sweep_value(&report.sweep),
        "counts": {"new": report.appeared.count, "gone": report.gone.count, "as_before": report.stayed},
        "new": items(&report.appeared),
        "gone": items(&report.gone),
    })
}

/// For a spreadsheet.
fn to_csv(report: &Report) -> String {
    let columns = [
        "change",
        "account_id",
        "account_name",
        "ou_path",
        "role",
        "kind",
        "severity",
        "explanation",
    ];
    let mut text = csv::line(&columns.map(str::to_owned));
    for (change, items) in [("new", &report.appeared), ("gone", &report.gone)] {
        for item in &items.listed {
            text.push_str(&csv::line(&[
                change.to_owned(),
                item.account.to_string(),
                item.name.clone(),
                item.ou_path.clone(),
                item.drift.role.to_string(),
                item.drift.kind.to_string(),
                item.drift.severity.to_string(),
                item.drift.explanation.clone(),
            ]));
        }
    }
    text
}

/// For a pull request or a chat.
fn to_markdown(report: &Report) -> String {
    let mut text = format!(
        "# What changed\n\n{}\n",
        markdown::escape(&sentence(report))
    );
    for (heading, items) in [("New", &report.appeared), ("Gone", &report.gone)] {
        if items.count == 0 {
            continue;
        }
        let _infallible = write!(
            text,
            "\n## {heading}\n\n| account | name | severity | what | in words |\n|---|---|---|---|---|\n"
        );
        for item in &items.listed {
            let drift = &item.drift;
            let _infallible = writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                item.account,
                markdown::escape(&item.name),
                drift.severity,
                markdown::escape(drift.kind.as_str()),
                markdown::escape(&drift.explanation)
            );
        }
        if 0 < items.left_out() {
            let _infallible = writeln!(
                text,
                "\n{} more are left out here.",
                grouped(items.left_out())
            );
        }
    }
    text
}

/// One self-contained file.
fn to_html(report: &Report) -> String {
    let sections = [("New", &report.appeared), ("Gone", &report.gone)];
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { "What changed – rolekeeper" }
                style { (PreEscaped(page::STYLE)) }
            }
            body { main {
                h1 { "What changed" }
                p.lead { (sentence(report)) }
                @for (heading, items) in sections { @if 0 < items.count {
                    h2 { (heading) }
                    table {
                        thead { tr { th { "Account" } th { "Name" } th { "Severity" } th { "What" } th { "In words" } } }
                        tbody { @for item in &items.listed { tr {
                            td { code { (item.account) } }
                            td { (plain(&item.name)) }
                            td { (page::badge(item.drift.severity)) }
                            td { code { (item.drift.kind) } }
                            td { (plain(&item.drift.explanation)) }
                        } } }
                    }
                    @if 0 < items.left_out() { p { (grouped(items.left_out())) " more are left out here." } }
                } }
                footer { "Made by rolekeeper " (env!("CARGO_PKG_VERSION")) "." }
            } }
        }
    }
    .into_string()
}
