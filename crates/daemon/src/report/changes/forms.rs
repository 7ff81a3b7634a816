//! What changed, in the forms for people, spreadsheets and programs.

use std::fmt::Write as _;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use rolekeeper_domain::drift::Drift;
use rolekeeper_domain::outcome::{AccountReport, StepReport};
use serde_json::{Value, json};

use super::super::words::grouped;
use super::super::{csv, html as page, json as views, markdown};
use super::{Items, Pair, Report, SCHEMA, taken};
use crate::args::ReportFormat;
use crate::output::plain;

/// The document; table and events are written account by account.
pub(super) fn render(report: &Report, format: ReportFormat) -> String {
    match format {
        ReportFormat::Markdown => to_markdown(report),
        ReportFormat::Html => to_html(report),
        ReportFormat::Json | ReportFormat::Csv | ReportFormat::Ocsf => {
            format!("{:#}\n", to_json(report))
        }
    }
}

/// One sentence.
fn sentence(report: &Report) -> String {
    let steps = match report.taken.count {
        0 => String::new(),
        1 => " It took 1 step.".to_owned(),
        steps => format!(" It took {} steps.", grouped(steps)),
    };
    format!(
        "{} new, {} worse, {} gone, {} as before, from sweep {} to sweep {}.{steps}",
        grouped(report.appeared.count),
        grouped(report.worse.count),
        grouped(report.gone.count),
        grouped(report.stayed),
        report.since.id,
        report.sweep.id
    )
}

/// For machines.
fn to_json(report: &Report) -> Value {
    json!({
        "schema": SCHEMA,
        "since": views::sweep_value(&report.since),
        "sweep": views::sweep_value(&report.sweep),
        "counts": {
            "new": report.appeared.count, "worse": report.worse.count, "gone": report.gone.count,
            "as_before": report.stayed, "steps": report.taken.count,
        },
        "new": listed(&report.appeared, drift_value),
        "worse": listed(&report.worse, drift_value),
        "gone": listed(&report.gone, drift_value),
        "steps": listed(&report.taken, views::step_value),
    })
}

/// Each item with the account it is in.
fn listed<T>(items: &Items<T>, value: fn(&T) -> Value) -> Vec<Value> {
    items
        .listed
        .iter()
        .map(|item| {
            let mut view = value(&item.what);
            if let Some(fields) = view.as_object_mut() {
                fields.insert("account_id".to_owned(), json!(item.account.to_string()));
                fields.insert("name".to_owned(), json!(item.name));
                fields.insert("ou_path".to_owned(), json!(item.ou_path));
            }
            view
        })
        .collect()
}

fn drift_value(drift: &Drift) -> Value {
    json!({
        "role": drift.role.as_str(),
        "kind": drift.kind.as_str(),
        "subject": drift.subject,
        "severity": drift.severity.as_str(),
        "explanation": drift.explanation,
    })
}

/// The first line for a spreadsheet.
pub(super) fn csv_head() -> String {
    let columns = [
        "change",
        "account_id",
        "account_name",
        "ou_path",
        "role",
        "kind",
        "severity",
        "explanation",
        "action",
        "resource",
    ];
    csv::line(&columns.map(str::to_owned))
}

/// One account for a spreadsheet.
pub(super) fn csv_lines(pair: &Pair) -> String {
    let found = pair.changes();
    let report = pair.known();
    let mut text = String::new();
    for (change, drifts) in [
        ("new", &found.appeared),
        ("worse", &found.worse),
        ("gone", &found.gone),
    ] {
        for drift in drifts {
            let cells = [
                drift.role.to_string(),
                drift.kind.to_string(),
                drift.severity.to_string(),
                drift.explanation.clone(),
                String::new(),
                String::new(),
            ];
            text.push_str(&row(change, report, cells));
        }
    }
    for step in pair.later().into_iter().flat_map(taken) {
        let cells = [
            String::new(),
            String::new(),
            String::new(),
            step.reason.clone().unwrap_or_default(),
            step.operation.action(),
            step.resource.clone(),
        ];
        text.push_str(&row(step.result.as_str(), report, cells));
    }
    text
}

fn row(change: &str, report: &AccountReport, cells: [String; 6]) -> String {
    let place = [
        change.to_owned(),
        report.account.to_string(),
        report.name.clone(),
        report.ou_path.clone(),
    ];
    csv::line(&[place.as_slice(), cells.as_slice()].concat())
}

/// For a pull request or a chat.
fn to_markdown(report: &Report) -> String {
    let mut text = format!(
        "# What changed\n\n{}\n",
        markdown::escape(&sentence(report))
    );
    let tables = [
        ("New", &report.appeared),
        ("Worse", &report.worse),
        ("Gone", &report.gone),
    ];
    for (heading, items) in tables {
        let columns = ["account", "name", "severity", "what", "in words"];
        markdown_table(&mut text, heading, columns, items, |drift| {
            [
                drift.severity.to_string(),
                markdown::escape(drift.kind.as_str()),
                markdown::escape(&drift.explanation),
            ]
        });
    }
    let columns = ["account", "name", "action", "resource", "result"];
    markdown_table(&mut text, STEPS, columns, &report.taken, |step| {
        [
            markdown::escape(&step.operation.action()),
            markdown::escape(&step.resource),
            markdown::escape(&result(step)),
        ]
    });
    text
}

/// The heading over the steps.
const STEPS: &str = "What the later sweep did";

/// What became of a step, and why.
fn result(step: &StepReport) -> String {
    match &step.reason {
        Some(reason) => format!("{}: {reason}", step.result),
        None => step.result.to_string(),
    }
}

fn markdown_table<T>(
    text: &mut String,
    heading: &str,
    columns: [&str; 5],
    items: &Items<T>,
    cells: impl Fn(&T) -> [String; 3],
) {
    if items.count == 0 {
        return;
    }
    let _infallible = write!(
        text,
        "\n## {heading}\n\n| {} |\n|---|---|---|---|---|\n",
        columns.join(" | ")
    );
    for item in &items.listed {
        let _infallible = writeln!(
            text,
            "| {} | {} | {} |",
            item.account,
            markdown::escape(&item.name),
            cells(&item.what).join(" | "),
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

/// One self-contained file.
fn to_html(report: &Report) -> String {
    let drift = |drift: &Drift| {
        html! {
            td { (page::badge(drift.severity)) }
            td { code { (drift.kind) } }
            td { (plain(&drift.explanation)) }
        }
    };
    let step = |step: &StepReport| {
        html! {
            td { code { (step.operation.action()) } }
            td { code { (plain(&step.resource)) } }
            td { (plain(&result(step))) }
        }
    };
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
                (html_table("New", ["Severity", "What", "In words"], &report.appeared, drift))
                (html_table("Worse", ["Severity", "What", "In words"], &report.worse, drift))
                (html_table("Gone", ["Severity", "What", "In words"], &report.gone, drift))
                (html_table(STEPS, ["Action", "Resource", "Result"], &report.taken, step))
                footer { "Made by rolekeeper " (env!("CARGO_PKG_VERSION")) "." }
            } }
        }
    }
    .into_string()
}

fn html_table<T>(
    heading: &str,
    columns: [&str; 3],
    items: &Items<T>,
    cells: impl Fn(&T) -> Markup,
) -> Markup {
    html! { @if 0 < items.count {
        h2 { (heading) }
        table {
            thead { tr { th { "Account" } th { "Name" } @for column in columns { th { (column) } } } }
            tbody { @for item in &items.listed { tr {
                td { code { (item.account) } }
                td { (plain(&item.name)) }
                (cells(&item.what))
            } } }
        }
        @if 0 < items.left_out() { p { (grouped(items.left_out())) " more are left out here." } }
    } }
}
