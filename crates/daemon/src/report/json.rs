//! The schema `rolekeeper.report/v1`, one account a line.

use rolekeeper_domain::drift::Drift;
use rolekeeper_domain::fault::Fault;
use rolekeeper_domain::outcome::{AccountReport, StepReport, Summary, SweepOutcome, SweepRecord};
use serde_json::{Value, json};

use super::Render;

/// The schema's name and version.
pub(crate) const SCHEMA: &str = "rolekeeper.report/v1";

/// Writes the document as the accounts come.
#[derive(Debug, Default)]
pub(crate) struct Json {
    written: bool,
}

impl Render for Json {
    fn head(&mut self, sweep: &SweepRecord) -> String {
        format!(
            "{{\"schema\":\"{SCHEMA}\",\n\"sweep\":{},\n\"summary\":{},\n\"accounts\":[",
            sweep_value(sweep),
            summary_value(&sweep.summary),
        )
    }

    fn account(&mut self, report: &AccountReport) -> String {
        let comma = if std::mem::replace(&mut self.written, true) {
            ",\n"
        } else {
            "\n"
        };
        format!("{comma}{}", account_value(report))
    }

    fn tail(&mut self, _: &SweepRecord) -> String {
        "\n]}\n".to_owned()
    }
}

/// A sweep.
pub(crate) fn sweep_value(sweep: &SweepRecord) -> Value {
    json!({
        "id": sweep.id.as_str(),
        "mode": sweep.mode.as_str(),
        "trigger": sweep.trigger.as_str(),
        "started_at": sweep.started_at.to_string(),
        "finished_at": sweep.finished_at.map(|at| at.to_string()),
        "outcome": sweep.outcome.map(SweepOutcome::as_str),
        "widens": sweep.widens,
    })
}

/// The counts of a sweep.
pub(crate) fn summary_value(summary: &Summary) -> Value {
    let Summary {
        accounts,
        in_sync,
        drifted,
        repaired,
        failed,
        skipped,
        pending,
    } = *summary;
    json!({
        "accounts": accounts, "in_sync": in_sync, "drifted": drifted, "repaired": repaired,
        "failed": failed, "skipped": skipped, "pending": pending,
    })
}

/// One account.
pub(crate) fn account_value(report: &AccountReport) -> Value {
    json!({
        "account_id": report.account.to_string(),
        "name": report.name,
        "ou_path": report.ou_path,
        "outcome": report.outcome.as_str(),
        "reason": report.reason,
        "failure": report.failure.as_ref().map(fault_value),
        "drift": report.drifts.iter().map(drift_value).collect::<Vec<_>>(),
        "mended": report.mended.iter().map(drift_value).collect::<Vec<_>>(),
        "steps": report.steps.iter().map(step_value).collect::<Vec<_>>(),
    })
}

fn fault_value(fault: &Fault) -> Value {
    json!({
        "category": fault.category.as_str(),
        "message": fault.to_string(),
        "request_id": fault.request_id,
    })
}

fn drift_value(drift: &Drift) -> Value {
    json!({
        "role": drift.role.as_str(),
        "kind": drift.kind.as_str(),
        "severity": drift.severity.as_str(),
        "explanation": drift.explanation,
        "before": drift.before,
        "after": drift.after,
    })
}

/// One step.
pub(super) fn step_value(step: &StepReport) -> Value {
    json!({
        "action": step.operation.action(),
        "resource": step.resource,
        "result": step.result.as_str(),
        "reason": step.reason,
    })
}
