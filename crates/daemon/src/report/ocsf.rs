//! OCSF 1.5 events as NDJSON, for a SIEM: a Compliance Finding (2003) for each
//! difference, an Entity Management event (3004) for each change that was made or tried.
//! Held against the published schema by `tests/python/ocsf_contract.py`.

use jiff::Timestamp;
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::drift::{Drift, Severity};
use rolekeeper_domain::finding::Finding;
use rolekeeper_domain::outcome::{
    AccountReport, Outcome, StepReport, StepResult, SweepId, SweepRecord,
};
use serde_json::{Value, json};

use super::Render;
use super::changes::taken;

/// The version of the schema that the events follow.
const VERSION: &str = "1.5.0";

/// Writes the events of one sweep.
#[derive(Debug, Default)]
pub(super) struct Ocsf {
    sweep: Option<SweepId>,
    began: Timestamp,
    requested_by: String,
    /// Of the accounts that come next.
    history: Vec<Finding>,
}

impl Render for Ocsf {
    fn head(&mut self, sweep: &SweepRecord) -> String {
        *self = Self::of(sweep);
        String::new()
    }

    fn account(&mut self, report: &AccountReport) -> String {
        // A repaired difference is a finding that was closed.
        let finding: fn(&Self, &AccountReport, &Drift) -> Value = match report.outcome {
            Outcome::Repaired => Self::closed,
            _ => Self::open,
        };
        report
            .drifts
            .iter()
            .map(|drift| finding(self, report, drift))
            .chain(report.mended.iter().map(|drift| self.closed(report, drift)))
            .chain(self.changes(report))
            .map(|event| format!("{event}\n"))
            .collect()
    }

    fn tail(&mut self, _: &SweepRecord) -> String {
        String::new()
    }

    fn history(&mut self, history: Vec<Finding>) {
        self.history = history;
    }

    fn wants_history(&self) -> bool {
        true
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

/// Create, update or delete, as OCSF numbers them. A role whose inline policy goes, or a policy one of
/// whose versions goes, is updated.
const fn activity_of(operation: Operation) -> (u32, &'static str) {
    match operation {
        Operation::CreateRole | Operation::CreatePolicy => (1, "Create"),
        Operation::DeleteRole | Operation::DeletePolicy => (4, "Delete"),
        _ => (3, "Update"),
    }
}

/// Where a finding stands, as OCSF numbers and names it.
struct Standing {
    activity: (u32, &'static str),
    status: (u32, &'static str),
    compliance: (u32, &'static str),
}

const OPEN: Standing = Standing {
    activity: (1, "Create"),
    status: (1, "New"),
    compliance: (3, "Fail"),
};

/// Known from an earlier sweep; nobody has said yet that they look into it.
const KNOWN: Standing = Standing {
    activity: (2, "Update"),
    ..OPEN
};

const CLOSED: Standing = Standing {
    activity: (3, "Close"),
    status: (4, "Resolved"),
    compliance: (1, "Pass"),
};

/// A class of events: its number and name, its category's number and name.
type Class = (u32, &'static str, u32, &'static str);

const COMPLIANCE_FINDING: Class = (2003, "Compliance Finding", 2, "Findings");
const ENTITY_MANAGEMENT: Class = (3004, "Entity Management", 3, "Identity & Access Management");

impl Ocsf {
    /// The events of this sweep.
    pub(super) fn of(sweep: &SweepRecord) -> Self {
        Self {
            sweep: Some(sweep.id.clone()),
            began: sweep.started_at,
            requested_by: sweep.requested_by.clone(),
            history: Vec::new(),
        }
    }

    /// A difference that is there, perhaps for long.
    pub(super) fn open(&self, report: &AccountReport, drift: &Drift) -> Value {
        let known = self
            .first_seen(report, drift)
            .is_some_and(|first_seen| first_seen < self.began);
        self.finding(report, drift, if known { &KNOWN } else { &OPEN })
    }

    /// A difference that was there and has changed.
    pub(super) fn changed(&self, report: &AccountReport, drift: &Drift) -> Value {
        self.finding(report, drift, &KNOWN)
    }

    /// A difference that is not there any more.
    pub(super) fn closed(&self, report: &AccountReport, drift: &Drift) -> Value {
        self.finding(report, drift, &CLOSED)
    }

    /// What was done, or tried.
    pub(super) fn changes(&self, report: &AccountReport) -> impl Iterator<Item = Value> {
        taken(report).map(|step| self.change(report, step))
    }

    /// Since when it is there, where that is remembered. What came back after this report was
    /// made says nothing about it.
    fn first_seen(&self, report: &AccountReport, drift: &Drift) -> Option<Timestamp> {
        self.history
            .iter()
            .find(|finding| finding.account == report.account && finding.is_about(drift))
            .map(|finding| finding.first_seen)
            .filter(|first_seen| *first_seen <= report.observed_at)
    }

    /// What every event has.
    fn event(
        &self,
        report: &AccountReport,
        (class, class_name, category, category_name): Class,
        (activity, activity_name): (u32, &str),
        more: Value,
    ) -> Value {
        let mut event = json!({
            "class_uid": class, "class_name": class_name,
            "category_uid": category, "category_name": category_name,
            "activity_id": activity, "activity_name": activity_name,
            "type_uid": class * 100 + activity, "type_name": format!("{class_name}: {activity_name}"),
            "time": report.observed_at.as_millisecond(),
            "metadata": self.metadata(),
            "cloud": cloud(report),
        });
        if let (Some(fields), Value::Object(more)) = (event.as_object_mut(), more) {
            fields.extend(more);
            if !report.ou_path.is_empty() {
                // OCSF's organization wants the organization's own name or id beside the unit's.
                fields.insert("unmapped".to_owned(), json!({ "ou_path": report.ou_path }));
            }
        }
        event
    }

    fn finding(&self, report: &AccountReport, drift: &Drift, standing: &Standing) -> Value {
        let (status, status_name) = standing.status;
        let (compliance, compliance_name) = standing.compliance;
        let mut parts = vec![
            report.account.to_string(),
            drift.role.to_string(),
            drift.kind.to_string(),
        ];
        parts.extend(drift.subject.clone());
        let mut more = json!({
            "severity_id": severity_id(drift.severity), "severity": title(drift.severity.as_str()),
            "status_id": status, "status": status_name,
            "message": drift.explanation,
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
                "status_id": compliance, "status": compliance_name,
            },
            "resources": [{
                "type": "AWS::IAM::Role", "name": drift.role.as_str(),
                "uid": format!("{}/{}", report.account, drift.role),
                "data": { "before": drift.before, "after": drift.after },
            }],
        });
        if let Some(first_seen) = self.first_seen(report, drift)
            && let Some(Value::Object(info)) = more.get_mut("finding_info")
        {
            info.insert(
                "first_seen_time".to_owned(),
                json!(first_seen.as_millisecond()),
            );
        }
        self.event(report, COMPLIANCE_FINDING, standing.activity, more)
    }

    fn change(&self, report: &AccountReport, step: &StepReport) -> Value {
        let (status, status_name) = match step.result {
            StepResult::Done => (1, "Success"),
            _ => (2, "Failure"),
        };
        let mut actor = json!({ "app_name": "rolekeeper" });
        if !self.requested_by.is_empty()
            && let Some(fields) = actor.as_object_mut()
        {
            fields.insert("user".to_owned(), json!({ "name": self.requested_by }));
        }
        let mut more = json!({
            "severity_id": 1, "severity": "Informational",
            "status_id": status, "status": status_name,
            "message": format!("{} {}", step.operation.action(), step.resource),
            "actor": actor,
            "api": { "operation": step.operation.name(), "service": { "name": step.operation.service().as_str() } },
            "entity": entity(report, step),
        });
        if let (Some(reason), Some(fields)) = (&step.reason, more.as_object_mut()) {
            fields.insert("status_detail".to_owned(), json!(reason));
        }
        let activity = activity_of(step.operation);
        self.event(report, ENTITY_MANAGEMENT, activity, more)
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

/// What is changed: the role or policy. A step's resource may name a part of it after a space.
fn entity(report: &AccountReport, step: &StepReport) -> Value {
    let name = step.resource.split(' ').next().unwrap_or_default();
    let (kind, kind_name) = if name.starts_with("policy/") {
        (5, "Policy")
    } else {
        (99, "AWS IAM Role")
    };
    json!({
        "name": name, "uid": format!("{}/{name}", report.account),
        "type_id": kind, "type": kind_name,
    })
}

fn cloud(report: &AccountReport) -> Value {
    json!({
        "provider": "AWS",
        "account": { "uid": report.account.to_string(), "name": report.name, "type_id": 10, "type": "AWS Account" },
    })
}

fn title(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}
