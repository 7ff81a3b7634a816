//! A sweep for people: what is wrong first, what is equal once, as wide as the terminal.

use rolekeeper_domain::drift::Severity;
use rolekeeper_domain::fault::Denial;
use rolekeeper_domain::outcome::{Mode, StepResult, Summary, SweepOutcome, SweepRecord, Trigger};

use super::Overview;
use super::overview::{FailureKey, Member, Members, StepKey};
use super::words::{accounts, grouped, seconds};
use crate::fit::{broken, columns, cut, padded};
use crate::output::{Style, Terminal, plain};

/// Which accounts a group names.
const NAMED: usize = 5;
/// What a line may be when stdout is no terminal.
const WIDE: usize = 120;
/// Below this nothing can be aligned; the terminal then breaks the lines itself.
const NARROW: usize = 60;

/// As wide as `critical` and two spaces.
const WORD: usize = 10;

fn failure_words(key: &FailureKey) -> String {
    match key.denial {
        None | Some(Denial::Unknown) => key.category.to_string(),
        Some(denial) => format!("{}: {}", key.category, denial.as_str().replace('_', " ")),
    }
}

/// One sentence about a sweep: `audit of 60 accounts on 2026-11-24 at 06:30 UTC: completed`.
pub(crate) fn sentence(sweep: &SweepRecord) -> String {
    let what = match (sweep.trigger, sweep.mode) {
        (Trigger::Rollback, Mode::Audit) => "Look at a rollback",
        (Trigger::Rollback, Mode::Repair) => "Rollback",
        (_, Mode::Audit) => "Audit",
        (_, Mode::Repair) => "Repair",
    };
    let took = sweep
        .finished_at
        .map(|end| {
            format!(
                ", took {}",
                seconds(end.duration_since(sweep.started_at).as_secs_f64())
            )
        })
        .unwrap_or_default();
    let outcome = match sweep.outcome {
        Some(SweepOutcome::Completed) => String::new(),
        Some(outcome) => format!(", {outcome}"),
        None => ", still running".to_owned(),
    };
    let reason = sweep
        .reason
        .as_ref()
        .map(|reason| format!(" ({reason})"))
        .unwrap_or_default();
    format!(
        "{what} of {} on {}{took}{outcome}{reason}",
        accounts(sweep.summary.accounts),
        sweep.started_at.strftime("%Y-%m-%d at %H:%M UTC")
    )
}

/// The whole overview.
pub(crate) fn overview_text(
    sweep: &SweepRecord,
    overview: &Overview,
    terminal: &Terminal,
) -> String {
    let mut page = Page::on(terminal);
    page.line(&headline(sweep, terminal));
    page.widens(sweep);
    page.failures(overview);
    page.drifts(overview);
    page.steps(sweep, overview);
    page.rest(overview);
    page.text
}

/// What a repair did and what it left: not again what was wrong before.
pub(crate) fn repair_text(sweep: &SweepRecord, overview: &Overview, terminal: &Terminal) -> String {
    let mut page = Page::on(terminal);
    page.line(&headline(sweep, terminal));
    page.steps(sweep, overview);
    page.drifts_that_are(overview, false);
    page.text
}

/// What the planned steps belong to.
pub(crate) fn would_do(sweep: &SweepRecord) -> &'static str {
    if sweep.trigger == Trigger::Rollback {
        "What the rollback would do"
    } else {
        "What a repair would do"
    }
}

/// The sentence and the counts.
pub(crate) fn headline(sweep: &SweepRecord, terminal: &Terminal) -> String {
    format!(
        "{}\n{}",
        terminal.paint(Style::Strong, &plain(&sentence(sweep))),
        counts(&sweep.summary, terminal)
    )
}

/// `50 in sync · 5 drifted · 3 skipped`: what there is none of is left out.
pub(crate) fn counts(summary: &Summary, terminal: &Terminal) -> String {
    let parts = [
        (summary.in_sync, "in sync", Style::Good),
        (summary.repaired, "repaired", Style::Good),
        (summary.drifted, "drifted", Style::Warning),
        (summary.failed, "failed", Style::Alarm),
        (summary.pending, "not reached", Style::Warning),
        (summary.skipped, "skipped", Style::Faint),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, word, style)| terminal.paint(style, &format!("{} {word}", grouped(count))))
        .collect();
    if parts.is_empty() {
        "no accounts".to_owned()
    } else {
        parts.join(" · ")
    }
}

struct Page<'a> {
    text: String,
    terminal: &'a Terminal,
    width: usize,
}

impl<'a> Page<'a> {
    fn on(terminal: &'a Terminal) -> Self {
        Self {
            text: String::new(),
            terminal,
            width: terminal.width.unwrap_or(WIDE).max(NARROW),
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn heading(&mut self, heading: &str) {
        let heading = self.terminal.paint(Style::Strong, heading);
        self.line(&format!("\n{heading}"));
    }

    /// What the specification gives beyond the one that was agreed to.
    fn widens(&mut self, sweep: &SweepRecord) {
        if sweep.widens.is_empty() {
            return;
        }
        self.heading(match sweep.mode {
            Mode::Audit => "Gives more than was agreed to before, so a repair needs approval",
            Mode::Repair => "Gives more than was agreed to before",
        });
        for sentence in &sweep.widens {
            self.words(sentence);
        }
    }

    fn failures(&mut self, overview: &Overview) {
        if overview.failures.is_empty() {
            return;
        }
        self.heading("Could not be evaluated or repaired");
        let whats: Vec<String> = overview.failures.keys().map(failure_words).collect();
        let column = self.column(&whats);
        for ((key, members), what) in overview.failures.iter().zip(&whats) {
            self.group(Style::Alarm, "failed", what, column, members.count);
            self.words(&key.message);
            self.members(members);
        }
    }

    fn drifts(&mut self, overview: &Overview) {
        self.drifts_that_are(overview, false);
        self.drifts_that_are(overview, true);
        if !overview.unrepaired.is_empty() {
            self.heading("Left as it is");
            for (reason, members) in &overview.unrepaired {
                self.words(&format!("{}: {reason}", accounts(members.count)));
                self.members(members);
            }
        }
    }

    fn drifts_that_are(&mut self, overview: &Overview, repaired: bool) {
        let groups: Vec<_> = overview
            .drifts
            .iter()
            .filter(|(key, _)| key.repaired == repaired)
            .collect();
        if groups.is_empty() {
            return;
        }
        self.heading(if repaired {
            "Differed and was repaired"
        } else {
            "Differs from the specification"
        });
        let whats: Vec<String> = groups
            .iter()
            .map(|(key, _)| format!("{}  {}", key.kind, key.role))
            .collect();
        let column = self.column(&whats);
        for ((key, members), what) in groups.into_iter().zip(&whats) {
            let style = match (repaired, key.severity()) {
                (true, _) => Style::Good,
                (false, Severity::Critical) => Style::Alarm,
                (false, Severity::High) => Style::Warning,
                (false, Severity::Medium | Severity::Low) => Style::Strong,
            };
            self.group(style, key.severity().as_str(), what, column, members.count);
            self.words(&key.explanation);
            self.members(members);
        }
    }

    fn steps(&mut self, sweep: &SweepRecord, overview: &Overview) {
        let tables: [(&str, &[StepResult]); 4] = [
            (would_do(sweep), &[StepResult::Planned]),
            ("What was done", &[StepResult::Done]),
            ("What was tried and failed", &[StepResult::Failed]),
            (
                "What was not done",
                &[StepResult::Refused, StepResult::Withheld],
            ),
        ];
        for (heading, results) in tables {
            let steps: Vec<(StepKey, u64)> = overview
                .steps_that(results)
                .map(|(key, count)| (key.clone(), count))
                .collect();
            if steps.is_empty() {
                continue;
            }
            self.heading(heading);
            let widest = steps
                .iter()
                .map(|(key, _)| key.operation.action().len())
                .max()
                .unwrap_or(0);
            let digits = steps
                .iter()
                .map(|(_, count)| grouped(*count).len())
                .max()
                .unwrap_or(1);
            for (key, count) in steps {
                let line = format!(
                    "  {:>digits$} × {:<widest$}  {}",
                    grouped(count),
                    key.operation.action(),
                    key.resource
                );
                let line = cut(&plain(&line), self.width);
                self.line(&line);
                if let Some(reason) = &key.reason {
                    self.words(&format!("{}: {reason}", key.result));
                }
            }
        }
    }

    fn rest(&mut self, overview: &Overview) {
        for (heading, reasons) in [
            ("Skipped", &overview.skipped),
            ("Not reached", &overview.pending),
        ] {
            if reasons.is_empty() {
                continue;
            }
            let parts: Vec<String> = reasons
                .iter()
                .map(|(reason, count)| format!("{} {}", grouped(*count), reason.replace('_', " ")))
                .collect();
            self.heading(heading);
            self.words(&parts.join(", "));
        }
    }

    /// As wide as the widest of these, as far as the line has room.
    fn column(&self, whats: &[String]) -> usize {
        const REST: usize = 2 + WORD + 2 + 15; // indent, severity, gap, "50,000 accounts"
        whats
            .iter()
            .map(|what| columns(what))
            .max()
            .unwrap_or(0)
            .min(self.width.saturating_sub(REST))
    }

    /// `  critical  trust_policy  CloudCoreo…  2 accounts`
    fn group(&mut self, style: Style, word: &str, what: &str, column: usize, count: u64) {
        let what = padded(&cut(&plain(what), column), column);
        let padding = " ".repeat(WORD.saturating_sub(word.len()));
        let word = self.terminal.paint(style, word);
        let members = accounts(count);
        self.line(&format!("  {word}{padding}{what}  {members}"));
    }

    /// A paragraph, indented and broken at spaces.
    fn words(&mut self, text: &str) {
        const INDENT: &str = "    ";
        for line in broken(&plain(text), self.width.saturating_sub(INDENT.len())) {
            self.line(&format!("{INDENT}{line}"));
        }
    }

    fn members(&mut self, members: &Members) {
        // A group one larger than what is named would spend a line on saying so.
        let named = if members.count as usize <= NAMED + 1 {
            NAMED + 1
        } else {
            NAMED
        };
        let shown: Vec<&Member> = members.first.iter().take(named).collect();
        let widest = shown
            .iter()
            .map(|member| columns(&plain(&member.name)))
            .max()
            .unwrap_or(0)
            .min(32);
        for member in &shown {
            let name = padded(&cut(&plain(&member.name), 32), widest);
            let line = cut(
                &format!("      {}  {name}  {}", member.id, plain(&member.ou_path)),
                self.width,
            );
            let line = self.terminal.paint(Style::Faint, line.trim_end());
            self.line(&line);
        }
        let more = members.unnamed() + (members.first.len() - shown.len()) as u64;
        if more > 0 {
            let line = self
                .terminal
                .paint(Style::Faint, &format!("      and {} more", grouped(more)));
            self.line(&line);
        }
    }
}
