//! For a pull request or a chat: the summary, then what is wrong, the worst first.

use std::fmt::Write as _;

use rolekeeper_domain::outcome::{AccountReport, Outcome, StepResult, SweepRecord};

use super::{Overview, Render};
use crate::output::plain;

/// Differences that are listed one by one; the rest is only counted. A chat
/// message or a comment has a longest size, and nobody reads further.
const LISTED: usize = 200;

/// Writes the report.
#[derive(Debug, Default)]
pub(crate) struct Markdown {
    overview: Overview,
    listed: usize,
    left_out: usize,
}

impl Render for Markdown {
    fn wants_overview(&self) -> bool {
        true
    }

    fn overview(&mut self, overview: Overview) {
        self.overview = overview;
    }

    fn order(&self) -> &'static [Outcome] {
        &[Outcome::Failed, Outcome::Drifted, Outcome::Repaired]
    }

    fn head(&mut self, sweep: &SweepRecord) -> String {
        let mut text = format!(
            "# Drift report\n\n{}\n\n",
            escape(&super::text::sentence(sweep))
        );
        text.push_str("| accounts | in sync | drifted | repaired | failed | skipped | pending |\n|--:|--:|--:|--:|--:|--:|--:|\n");
        let counts = &sweep.summary;
        let _infallible = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            counts.accounts,
            counts.in_sync,
            counts.drifted,
            counts.repaired,
            counts.failed,
            counts.skipped,
            counts.pending
        );
        if !sweep.widens.is_empty() {
            text.push_str("\n## More than was agreed to before\n\n");
            for sentence in &sweep.widens {
                let _infallible = writeln!(text, "- {}", escape(sentence));
            }
        }
        if !self.overview.drifts.is_empty() {
            text.push_str("\n## What differs\n\n| severity | what | role | accounts | in words |\n|---|---|---|--:|---|\n");
            for (key, members) in &self.overview.drifts {
                let _infallible = writeln!(
                    text,
                    "| {}{} | {} | {} | {} | {} |",
                    key.severity(),
                    if key.repaired { ", repaired" } else { "" },
                    key.kind,
                    escape(&key.role),
                    members.count,
                    escape(&key.explanation)
                );
            }
        }
        text.push_str("\n## Account by account\n\n| account | name | place | outcome | in words |\n|---|---|---|---|---|\n");
        text
    }

    fn account(&mut self, report: &AccountReport) -> String {
        if self.listed >= LISTED {
            self.left_out += 1;
            return String::new();
        }
        self.listed += 1;
        let mut words: Vec<String> = report
            .drifts
            .iter()
            .map(|drift| format!("{} {}: {}", drift.severity, drift.kind, drift.explanation))
            .collect();
        words.extend(
            report
                .failure
                .as_ref()
                .map(|fault| format!("{}: {fault}", fault.category)),
        );
        words.extend(report.reason.clone());
        let cells = words
            .iter()
            .map(|word| escape(word))
            .collect::<Vec<_>>()
            .join("<br>");
        format!(
            "| {} | {} | {} | {} | {cells} |\n",
            report.account,
            escape(&report.name),
            escape(&report.ou_path),
            report.outcome
        )
    }

    fn tail(&mut self, sweep: &SweepRecord) -> String {
        let mut text = String::new();
        if self.listed == 0 {
            text.push_str("| – | nothing differs and nothing failed | | | |\n");
        }
        if self.left_out > 0 {
            let _infallible = writeln!(
                text,
                "\n{} more accounts are left out here; the CSV, JSON and HTML forms have them.",
                self.left_out
            );
        }
        let planned: Vec<_> = self.overview.steps_that(&[StepResult::Planned]).collect();
        if !planned.is_empty() {
            let _infallible = write!(
                text,
                "\n## {}\n\n| call | on | accounts |\n|---|---|--:|\n",
                super::text::would_do(sweep)
            );
            for (key, count) in planned {
                let _infallible = writeln!(
                    text,
                    "| `{}` | {} | {count} |",
                    key.operation.action(),
                    escape(&key.resource)
                );
            }
        }
        let _infallible = writeln!(text, "\nSweep `{}`.", sweep.id);
        text
    }
}

/// Text that Markdown leaves as it is, in one table cell.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in plain(&text.replace(['\n', '\r'], " ")).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // A mention, so that a chat rings nobody's bell.
            '@' => escaped.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' | '~' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c => escaped.push(c),
        }
    }
    // A bare address would become a link.
    escaped.replace("://", ":&#47;&#47;")
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn hostile_names_stay_text() {
        let rows = [
            ("Payments", "Payments"),
            (
                "<img src=x onerror=alert(1)>",
                "&lt;img src=x onerror=alert(1)&gt;",
            ),
            ("[click](http://x)", "\\[click\\](http:&#47;&#47;x)"),
            ("a|b", "a\\|b"),
            ("@everyone", "&#64;everyone"),
            ("two\nlines", "two lines"),
            ("`code`", "\\`code\\`"),
        ];
        for (text, expected) in rows {
            assert_eq!(escape(text), expected);
        }
    }
}
