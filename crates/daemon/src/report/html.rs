//! One self-contained file, to mail, to keep or to print: no script, nothing loaded from elsewhere.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use rolekeeper_domain::drift::{Drift, Severity};
use rolekeeper_domain::outcome::{AccountReport, Outcome, StepResult, SweepRecord};

use super::text::{sentence, would_do};
use super::words::{accounts, grouped};
use super::{Overview, Render};
use crate::output::plain;

pub(super) const STYLE: &str = include_str!("report.css");

/// Writes the page.
#[derive(Debug, Default)]
pub(crate) struct Html {
    overview: Overview,
    section: Option<Outcome>,
}

impl Render for Html {
    fn wants_overview(&self) -> bool {
        true
    }

    fn overview(&mut self, overview: Overview) {
        self.overview = overview;
    }

    fn order(&self) -> &'static [Outcome] {
        &[
            Outcome::Failed,
            Outcome::Drifted,
            Outcome::Repaired,
            Outcome::Pending,
            Outcome::InSync,
            Outcome::Skipped,
        ]
    }

    fn head(&mut self, sweep: &SweepRecord) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                (head(sweep))
                (PreEscaped("<body><main>"))
                h1 { "Drift report" }
                p.lead { (plain(&sentence(sweep))) }
                (tiles(sweep))
                (self.groups())
                (self.steps(sweep))
            }
        }
        .into_string();
        // The page is written piece by piece; its end comes with the tail.
        page.strip_suffix("</html>").unwrap_or(&page).to_owned()
    }

    fn account(&mut self, report: &AccountReport) -> String {
        let mut piece = String::new();
        if self.section != Some(report.outcome) {
            piece.push_str(&self.close_section());
            self.section = Some(report.outcome);
            let (heading, open) = match report.outcome {
                Outcome::Failed => ("Could not be evaluated or repaired", true),
                Outcome::Drifted => ("Differ from the specification", true),
                Outcome::Repaired => ("Were repaired", true),
                Outcome::Pending => ("Were not reached", true),
                Outcome::InSync => ("Are in sync", false),
                Outcome::Skipped => ("Were skipped", false),
            };
            piece.push_str(if open { "<details open>" } else { "<details>" });
            piece.push_str(
                &html! { summary { h2 { "Accounts that " (lower_first(heading)) } } }.into_string(),
            );
        }
        piece.push_str(&account(report).into_string());
        piece
    }

    fn tail(&mut self, sweep: &SweepRecord) -> String {
        let mut piece = self.close_section();
        piece.push_str(
            &html! { footer { "Sweep " code { (sweep.id) } ", made by rolekeeper " (env!("CARGO_PKG_VERSION")) "." } }.into_string(),
        );
        piece.push_str("</main></body></html>\n");
        piece
    }
}

impl Html {
    fn close_section(&mut self) -> String {
        self.section
            .take()
            .map(|_| "</details>".to_owned())
            .unwrap_or_default()
    }

    fn groups(&self) -> Markup {
        html! {
            @if !self.overview.drifts.is_empty() {
                h2 { "What differs" }
                table {
                    thead { tr { th { "Severity" } th { "What" } th { "Role" } th.number { "Accounts" } th { "In words" } } }
                    tbody {
                        @for (key, members) in &self.overview.drifts {
                            tr {
                                td { (badge(key.severity())) @if key.repaired { " repaired" } }
                                td { code { (key.kind) } }
                                td { (plain(&key.role)) }
                                td.number { (grouped(members.count)) }
                                td { (plain(&key.explanation)) }
                            }
                        }
                    }
                }
            }
        }
    }

    fn steps(&self, sweep: &SweepRecord) -> Markup {
        let tables = [
            (would_do(sweep), StepResult::Planned),
            ("What was done", StepResult::Done),
            ("What failed", StepResult::Failed),
            ("What was refused", StepResult::Refused),
            ("What is withheld", StepResult::Withheld),
        ];
        html! {
            @for (heading, result) in tables {
                @let steps: Vec<_> = self.overview.steps_that(&[result]).collect();
                @if !steps.is_empty() {
                    h2 { (heading) }
                    table {
                        thead { tr { th { "Call" } th { "On" } th.number { "Accounts" } th { "Why" } } }
                        tbody {
                            @for (key, count) in steps {
                                tr {
                                    td { code { (key.operation.action()) } }
                                    td { (plain(&key.resource)) }
                                    td.number { (grouped(count)) }
                                    td { (plain(key.reason.as_deref().unwrap_or_default())) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn head(sweep: &SweepRecord) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
            meta name="color-scheme" content="light dark";
            title { "Drift report of " (sweep.started_at.strftime("%Y-%m-%d %H:%M UTC")) }
            style { (PreEscaped(STYLE)) }
        }
    }
}

fn tiles(sweep: &SweepRecord) -> Markup {
    let counts = &sweep.summary;
    let tiles = [
        ("in sync", counts.in_sync, "good"),
        ("repaired", counts.repaired, "good"),
        ("drifted", counts.drifted, "high"),
        ("failed", counts.failed, "critical"),
        ("not reached", counts.pending, "high"),
        ("skipped", counts.skipped, "low"),
    ];
    html! {
        ul.tiles {
            @for (name, count, class) in tiles {
                li class=[(count > 0).then_some(class)] { strong { (grouped(count)) } " " (name) }
            }
        }
        p { (accounts(counts.accounts)) " in the organization." }
    }
}

fn account(report: &AccountReport) -> Markup {
    html! {
        section {
            h3 { code { (report.account) } " " (plain(&report.name)) " " small { (plain(&report.ou_path)) } }
            @if let Some(reason) = &report.reason { p { (plain(&reason.replace('_', " "))) } }
            @if let Some(fault) = &report.failure {
                p { (fault.category) ": " (plain(&fault.to_string())) }
                @if let Some(id) = &fault.request_id { p { small { "AWS request " code { (plain(id)) } } } }
            }
            @for drift in &report.drifts { (difference(drift)) }
            @if !report.steps.is_empty() {
                ul.steps {
                    @for step in &report.steps {
                        li {
                            (step.result) ": " code { (step.operation.action()) } " " (plain(&step.resource))
                            @if let Some(reason) = &step.reason { " – " (plain(reason)) }
                        }
                    }
                }
            }
        }
    }
}

fn difference(drift: &Drift) -> Markup {
    html! {
        div.drift {
            p { (badge(drift.severity)) " " code { (drift.kind) } " " (plain(&drift.explanation)) }
            @if drift.before.is_some() || drift.after.is_some() {
                div.pair {
                    div { h4 { "There is" } pre { (plain_lines(drift.before.as_deref().unwrap_or("nothing"))) } }
                    div { h4 { "There should be" } pre { (plain_lines(drift.after.as_deref().unwrap_or("nothing"))) } }
                }
            }
        }
    }
}

pub(super) fn badge(severity: Severity) -> Markup {
    html! { span class={ "badge " (severity) } { (severity) } }
}

/// Like [`plain`], with the line breaks of a document kept.
fn plain_lines(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<_>>().join("\n")
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_lowercase().chain(letters).collect())
        .unwrap_or_default()
}
