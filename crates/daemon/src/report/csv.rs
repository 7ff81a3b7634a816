//! One line for each difference, for a spreadsheet. Accounts without one have a
//! line as well, so that the sheet shows who was looked at.

use rolekeeper_domain::drift::Drift;
use rolekeeper_domain::outcome::{AccountReport, SweepRecord};

use super::Render;
use crate::output::plain;

const COLUMNS: [&str; 15] = [
    "sweep_id",
    "account_id",
    "account_name",
    "ou_path",
    "outcome",
    "reason",
    "failure_category",
    "failure_message",
    "request_id",
    "role",
    "kind",
    "severity",
    "explanation",
    "before",
    "after",
];

/// Writes the lines (RFC 4180).
#[derive(Debug, Default)]
pub(crate) struct Csv {
    sweep: String,
}

impl Render for Csv {
    fn head(&mut self, sweep: &SweepRecord) -> String {
        self.sweep = sweep.id.to_string();
        line(&COLUMNS.map(str::to_owned))
    }

    fn account(&mut self, report: &AccountReport) -> String {
        if report.drifts.is_empty() {
            return self.row(report, None);
        }
        report
            .drifts
            .iter()
            .map(|drift| self.row(report, Some(drift)))
            .collect()
    }

    fn tail(&mut self, _: &SweepRecord) -> String {
        String::new()
    }
}

impl Csv {
    fn row(&self, report: &AccountReport, drift: Option<&Drift>) -> String {
        let failure = report.failure.as_ref();
        let of_drift = |get: fn(&Drift) -> String| drift.map(get).unwrap_or_default();
        line(&[
            self.sweep.clone(),
            report.account.to_string(),
            report.name.clone(),
            report.ou_path.clone(),
            report.outcome.to_string(),
            report.reason.clone().unwrap_or_default(),
            failure
                .map(|fault| fault.category.to_string())
                .unwrap_or_default(),
            failure.map(ToString::to_string).unwrap_or_default(),
            failure
                .and_then(|fault| fault.request_id.clone())
                .unwrap_or_default(),
            of_drift(|drift| drift.role.to_string()),
            of_drift(|drift| drift.kind.to_string()),
            of_drift(|drift| drift.severity.to_string()),
            of_drift(|drift| drift.explanation.clone()),
            of_drift(|drift| drift.before.clone().unwrap_or_default()),
            of_drift(|drift| drift.after.clone().unwrap_or_default()),
        ])
    }
}

pub(super) fn line(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
    format!("{}\r\n", cells.join(","))
}

/// A cell that no spreadsheet takes for a formula, nor any part of it: where lists are separated by
/// semicolons, a spreadsheet also begins a new cell at a semicolon or tab within the quotes, and a new row at a
/// line's end.
fn cell(text: &str) -> String {
    let mut guarded = String::with_capacity(text.len() + 2);
    let mut begins = true;
    for letter in text.chars() {
        if begins && is_formula(letter) {
            guarded.push('\'');
        }
        begins = match letter {
            ';' | '\t' | '\n' | '\r' => true,
            // What a spreadsheet may leave out before it looks.
            other => begins && (other == '"' || other.is_whitespace()),
        };
        if matches!(letter, '\n' | '\r' | '\t') {
            guarded.push(letter);
        } else {
            // A report also goes to terminals.
            guarded.push_str(&plain(letter.encode_utf8(&mut [0; 4])));
        }
    }
    if guarded.contains([',', ';', '"', '\n', '\r', '\t']) {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

/// What a formula may begin with, in full width as well.
const fn is_formula(letter: char) -> bool {
    matches!(letter, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠')
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn cells_are_text_and_stay_one_cell() {
        let rows = [
            ("payments", "payments"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            (
                "=HYPERLINK(\"http://x\")",
                "\"'=HYPERLINK(\"\"http://x\"\")\"",
            ),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "\"\t'=1\""),
            ("two\nlines", "\"two\nlines\""),
            ("\u{1b}[2Jgone", "\u{fffd}[2Jgone"),
            ("＝1", "'＝1"),
            (" =1", " '=1"),
            ("x;=1", "\"x;'=1\""),
            ("x; \"=1", "\"x; \"\"'=1\""),
            ("two\n-lines", "\"two\n'-lines\""),
            ("a-b; c-d", "\"a-b; c-d\""),
        ];
        for (text, expected) in rows {
            assert_eq!(cell(text), expected);
        }
    }
}
