//! What the API shows of accounts: how they stand, what differs, what was done.

use rolekeeper_domain::drift::{Drift, Severity};
use rolekeeper_domain::fault::Fault;
use rolekeeper_domain::finding::Finding;
use rolekeeper_domain::outcome::{AccountReport, StepReport};
use rolekeeper_domain::registration::Registration;
use rolekeeper_engine::port::store::{Completion, JournalEntry};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::registration::RegistrationView;

/// A failure.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FailureView {
    pub(crate) category: &'static str,
    pub(crate) message: String,
    pub(crate) request_id: Option<String>,
    /// Which kind of policy denied, where AWS's text tells.
    pub(crate) denied_by: Option<&'static str>,
}

impl From<Fault> for FailureView {
    fn from(fault: Fault) -> Self {
        Self {
            category: fault.category.as_str(),
            message: fault.to_string(),
            request_id: fault.request_id,
            denied_by: fault.denial.map(|denial| denial.as_str()),
        }
    }
}

/// One difference.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DriftView {
    pub(crate) role: String,
    pub(crate) kind: &'static str,
    pub(crate) subject: Option<String>,
    pub(crate) severity: &'static str,
    pub(crate) explanation: String,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

impl From<Drift> for DriftView {
    fn from(drift: Drift) -> Self {
        Self {
            role: drift.role.to_string(),
            kind: drift.kind.as_str(),
            subject: drift.subject,
            severity: drift.severity.as_str(),
            explanation: drift.explanation,
            before: drift.before,
            after: drift.after,
        }
    }
}

/// One step.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct StepView {
    pub(crate) action: String,
    pub(crate) resource: String,
    pub(crate) result: &'static str,
    pub(crate) reason: Option<String>,
}

impl From<StepReport> for StepView {
    fn from(step: StepReport) -> Self {
        Self {
            action: step.operation.action(),
            resource: step.resource,
            result: step.result.as_str(),
            reason: step.reason,
        }
    }
}

/// One account in a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct AccountRowView {
    pub(crate) account_id: String,
    pub(crate) name: String,
    pub(crate) ou_path: String,
    pub(crate) outcome: &'static str,
    pub(crate) reason: Option<String>,
    /// The failure's category.
    pub(crate) failure: Option<&'static str>,
    /// The worst difference.
    pub(crate) severity: Option<&'static str>,
    /// The kinds of difference, each once.
    pub(crate) kinds: Vec<&'static str>,
    pub(crate) observed_at: String,
}

impl From<AccountReport> for AccountRowView {
    fn from(report: AccountReport) -> Self {
        let severity = report.drifts.iter().map(|drift| drift.severity).max();
        let mut kinds: Vec<_> = report.drifts.iter().map(|drift| drift.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        Self {
            account_id: report.account.to_string(),
            name: report.name,
            ou_path: report.ou_path,
            outcome: report.outcome.as_str(),
            reason: report.reason,
            failure: report.failure.map(|fault| fault.category.as_str()),
            severity: severity.map(Severity::as_str),
            kinds: kinds.into_iter().map(|kind| kind.as_str()).collect(),
            observed_at: report.observed_at.to_string(),
        }
    }
}

/// A difference with its history.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FindingView {
    #[serde(flatten)]
    pub(crate) drift: DriftView,
    pub(crate) first_seen: String,
    pub(crate) last_seen: String,
    pub(crate) resolved_at: Option<String>,
    /// How often it was repaired and came back.
    pub(crate) repairs: u32,
}

impl From<Finding> for FindingView {
    fn from(finding: Finding) -> Self {
        Self {
            drift: finding.drift.into(),
            first_seen: finding.first_seen.to_string(),
            last_seen: finding.last_seen.to_string(),
            resolved_at: finding.resolved_at.map(|at| at.to_string()),
            repairs: finding.repairs,
        }
    }
}

/// One account with everything known about it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct AccountView {
    pub(crate) account_id: String,
    pub(crate) name: String,
    pub(crate) ou_path: String,
    pub(crate) outcome: &'static str,
    pub(crate) reason: Option<String>,
    pub(crate) failure: Option<FailureView>,
    pub(crate) drift: Vec<DriftView>,
    pub(crate) steps: Vec<StepView>,
    pub(crate) findings: Vec<FindingView>,
    /// What the vendor was told about the account, by role.
    pub(crate) registrations: Vec<RegistrationView>,
    pub(crate) observed_at: String,
    pub(crate) duration_ms: u64,
}

impl AccountView {
    pub(crate) fn new(
        report: AccountReport,
        findings: Vec<Finding>,
        registrations: Vec<Registration>,
    ) -> Self {
        Self {
            account_id: report.account.to_string(),
            name: report.name,
            ou_path: report.ou_path,
            outcome: report.outcome.as_str(),
            reason: report.reason,
            failure: report.failure.map(Into::into),
            drift: report.drifts.into_iter().map(Into::into).collect(),
            steps: report.steps.into_iter().map(Into::into).collect(),
            findings: findings.into_iter().map(Into::into).collect(),
            registrations: registrations.into_iter().map(Into::into).collect(),
            observed_at: report.observed_at.to_string(),
            duration_ms: report.duration_ms,
        }
    }
}

/// One journaled step.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct JournalView {
    pub(crate) id: i64,
    pub(crate) sweep: String,
    pub(crate) requested_by: String,
    /// The managed role; null for a step on a temporary user.
    pub(crate) role: Option<String>,
    /// The temporary user; null for a step on a role.
    pub(crate) user: Option<String>,
    pub(crate) action: String,
    pub(crate) resource: String,
    pub(crate) preconditions: Vec<String>,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
    pub(crate) intended_at: String,
    pub(crate) completed_at: Option<String>,
    /// `open`, `done`, `failed`, `settled_done`, `settled_undone`.
    pub(crate) result: &'static str,
    pub(crate) request_id: Option<String>,
    pub(crate) failure: Option<FailureView>,
}

impl From<JournalEntry> for JournalView {
    fn from(entry: JournalEntry) -> Self {
        let (result, request_id, failure) = match entry.completion {
            None => ("open", None, None),
            Some(Completion::Done { request_id, .. }) => ("done", request_id, None),
            Some(Completion::Failed(fault)) => {
                ("failed", fault.request_id.clone(), Some(fault.into()))
            }
            Some(Completion::SettledDone) => ("settled_done", None, None),
            Some(Completion::SettledUndone) => ("settled_undone", None, None),
        };
        Self {
            id: entry.id.0,
            sweep: entry.sweep.to_string(),
            requested_by: entry.requested_by,
            role: entry.subject.role().map(ToString::to_string),
            user: entry.subject.user().map(str::to_owned),
            action: entry.operation.action(),
            resource: entry.resource,
            preconditions: entry.preconditions,
            before: entry.before,
            after: entry.after,
            intended_at: entry.intended_at.to_string(),
            completed_at: entry.completed_at.map(|at| at.to_string()),
            result,
            request_id,
            failure,
        }
    }
}
