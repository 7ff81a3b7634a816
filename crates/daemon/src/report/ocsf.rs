//! OCSF 1.5 events as NDJSON, for a SIEM: a Compliance Finding (2003) for each
//! difference, an Entity Management event (3004) for each change that was made or tried.

use rolekeeper_domain::call::Operation;
use rolekeeper_domain::drift::{Drift, Severity};
use rolekeeper_domain::outcome::{
    AccountReport, Outcome, StepReport, StepResult, SweepId, SweepRecord,
};
use serde_json::{Value, json};

use super::Render;

/// The version of the schema that the events follow.
const VERSION: &str = "1.5.0";

/// Writes the events.
#[derive(Debug, Default)]
pub(crate) struct Ocsf {
    sweep: Option<SweepId>,
    requested_by: String,
}

impl Render for Ocsf {
    fn head(&mut self, sweep: &SweepRecord) -> String {
        self.sweep = Some(sweep.id.clone());
        self.requested_by.clone_from(&sweep.requested_by);
        String::new()
    }

    fn account(&mut self, report: &AccountReport) -> String {
        let findings = report
            .drifts
            .iter()
            .map(|drift| self.finding(report, drift));
        let changes = report
            .steps
            .iter()
            .filter(|step| matches!(step.result, StepResult::Done | StepResult::Failed))
            .map(|step| self.change(report, step));
        findings
            .chain(changes)
            .map(|event| format!("{event}\n"))
            .collect()
    }

    fn tail(&mut self, _: &SweepRecord) -> String {
        String::new()
    }
}

/// How OCSF numbers a severity.
const fn severity_id(severity: Severity) -> u8 {
    match severity {
        Severity::Low => 2,
        Severity::Medium => 3,
        Severity::High => 4,
        Severity::Critical => 5,
    }
}

/// Create, update or delete, as OCSF numbers them.
fn activity_of(operation: Operation) -> (u8, &'static str) {
    match operation {
        Operation::CreateRole | Operation::CreatePolicy => (1, "Create"),
        Operation::DeleteRole
        | Operation::DeletePolicy
        | Operation::DeleteRolePolicy
        | Operation::DeletePolicyVersion => (4, "Delete"),
        _ => (3, "Update"),
    }
}

impl Ocsf {
    fn finding(&self, report: &AccountReport, drift: &Drift) -> Value {
        // A repaired difference is a finding that was closed.
        let (activity, name, status, status_name) = match report.outcome {
            Outcome::Repaired => (3, "Close", 4, "Resolved"),
            _ => (1, "Create", 1, "New"),
        };
        let (passed, passed_name) = if report.outcome == Outcome::Repaired {
            (1, "Pass")
        } else {
            (3, "Fail")
        };
        let mut parts = vec![
            report.account.to_string(),
            drift.role.to_string(),
            drift.kind.to_string(),
        ];
        parts.extend(drift.subject.clone());
        json!({
            "class_uid": 2003, "class_name": "Compliance Finding",
            "category_uid": 2, "category_name": "Findings",
            "activity_id": activity, "activity_name": name, "type_uid": 200_300 + activity,
            "time": report.observed_at.as_millisecond(),
            "severity_id": severity_id(drift.severity), "severity": title(drift.severity.as_str()),
            "status_id": status, "status": status_name,
            "message": drift.explanation,
            "metadata": self.metadata(),
            "cloud": cloud(report),
            "finding_info": {
                // The same difference has the same uid in every sweep.
                "uid": parts.join("/"),
                "title": format!("{} of {}", drift.kind, drift.role),
                "desc": drift.explanation,
                "types": [drift.kind.as_str()],
            },
            "compliance": {
                "control": format!("the role {} is as specified", drift.role),
                "standards": ["rolekeeper role specification"],
                "status_id": passed, "status": passed_name,
            },
            "resources": [{
                "type": "AWS::IAM::Role", "name": drift.role.as_str(),
                "uid": format!("{}/{}", report.account, drift.role),
                "data": { "before": drift.before, "after": drift.after },
            }],
        })
    }

    fn change(&self, report: &AccountReport, step: &StepReport) -> Value {
        let (activity, name) = activity_of(step.operation);
        let done = step.result == StepResult::Done;
        let is_role = step.resource.starts_with("role");
        let mut event = json!({
            "class_uid": 3004, "class_name": "Entity Management",
            "category_uid": 3, "category_name": "Identity & Access Management",
            "activity_id": activity, "activity_name": name, "type_uid": 300_400 + u32::from(activity),
            "time": report.observed_at.as_millisecond(),
            "severity_id": 1, "severity": "Informational",
            "status_id": if done { 1 } else { 2 }, "status": if done { "Success" } else { "Failure" },
            "message": format!("{} {}", step.operation.action(), step.resource),
            "metadata": self.metadata(),
            "cloud": cloud(report),
            "actor": { "app_name": "rolekeeper", "invoked_by": self.requested_by },
            "api": { "operation": step.operation.name(), "service": { "name": step.operation.service().as_str() } },
            "entity": {
                "name": step.resource, "uid": format!("{}/{}", report.account, step.resource),
                "type": if is_role { "AWS IAM role" } else { "AWS IAM policy" },
            },
        });
        if let (Some(reason), Some(fields)) = (&step.reason, event.as_object_mut()) {
            fields.insert("status_detail".to_owned(), json!(reason));
        }
        event
    }

    fn metadata(&self) -> Value {
        json!({
            "version": VERSION,
            "profiles": ["cloud"],
            "product": { "name": "rolekeeper", "vendor_name": "rolekeeper", "version": env!("CARGO_PKG_VERSION") },
            "correlation_uid": self.sweep.as_ref().map(SweepId::as_str),
        })
    }
}

fn cloud(report: &AccountReport) -> Value {
    json!({
        "provider": "AWS",
        "account": { "uid": report.account.to_string(), "name": report.name, "type_id": 10, "type": "AWS Account" },
        "org": { "ou_name": report.ou_path },
    })
}

fn title(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}
