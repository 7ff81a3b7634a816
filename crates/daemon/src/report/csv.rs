//! One line for each difference, for a spreadsheet. Accounts without one have a
//! line as well, so that the sheet shows who was looked at.

use rolekeeper_domain::drift::Drift;
use rolekeeper_domain::outcome::{AccountReport, SweepRecord};

use super::Render;

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

/// A cell that no spreadsheet takes for a formula.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
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
            ("\t=1", "'\t=1"),
            ("two\nlines", "\"two\nlines\""),
        ];
        for (text, expected) in rows {
            assert_eq!(cell(text), expected);
        }
    }
}
