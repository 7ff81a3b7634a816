//! What the domain knows, as it is stored.
//!
//! The domain has no serde on purpose: it can be renamed without a migration,
//! and what stands in old rows is decided here alone. Every conversion is by hand, names are
//! the contract's (`as_str`, `parse`), and an unknown name is an error, never a guess.

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::drift::{Drift, DriftKind, Severity};
use rolekeeper_domain::fault::{Category, Denial, Fault};
use rolekeeper_domain::outcome::{AccountReport, Outcome, StepReport, StepResult};
use rolekeeper_engine::port::store::StoreError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::db::corrupt;

/// Writes a body. Only maps with keys that are not text can fail, and there are none.
pub(crate) fn to_json<T: Serialize>(body: &T) -> Result<String, StoreError> {
    serde_json::to_string(body)
        .map_err(|error| corrupt(format!("a body that cannot be written: {error}")))
}

/// Reads a body.
pub(crate) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text)
        .map_err(|error| corrupt(format!("a body that cannot be read: {error}")))
}

/// The value of a closed list that has this name.
pub(crate) fn named<T>(
    what: &str,
    text: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, StoreError> {
    parse(text).ok_or_else(|| corrupt(format!("`{text}` as {what}")))
}

/// A [`Fault`].
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct FaultRow {
    category: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    denial: Option<String>,
}

impl From<&Fault> for FaultRow {
    fn from(fault: &Fault) -> Self {
        Self {
            category: fault.category.as_str().to_owned(),
            action: fault.operation.map(Operation::action),
            code: fault.code.clone(),
            message: fault.message.clone(),
            request_id: fault.request_id.clone(),
            denial: fault.denial.map(|denial| denial.as_str().to_owned()),
        }
    }
}

impl FaultRow {
    pub(crate) fn fault(self) -> Result<Fault, StoreError> {
        Ok(Fault {
            category: named("a failure's category", &self.category, Category::parse)?,
            operation: self.action.as_deref().map(operation).transpose()?,
            code: self.code,
            message: self.message,
            request_id: self.request_id,
            denial: self
                .denial
                .map(|denial| named("a kind of denial", &denial, Denial::parse))
                .transpose()?,
        })
    }
}

/// The operation of that action.
pub(crate) fn operation(action: &str) -> Result<Operation, StoreError> {
    named("an AWS action", action, Operation::from_action)
}

/// A [`Drift`].
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct DriftRow {
    role: String,
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    severity: String,
    explanation: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

impl From<&Drift> for DriftRow {
    fn from(drift: &Drift) -> Self {
        Self {
            role: drift.role.as_str().to_owned(),
            kind: drift.kind.as_str().to_owned(),
            subject: drift.subject.clone(),
            severity: drift.severity.as_str().to_owned(),
            explanation: drift.explanation.clone(),
            before: drift.before.clone(),
            after: drift.after.clone(),
        }
    }
}

impl DriftRow {
    pub(crate) fn drift(self) -> Result<Drift, StoreError> {
        Ok(Drift {
            role: self
                .role
                .parse()
                .map_err(|error| corrupt(format!("{error}")))?,
            kind: named("a kind of drift", &self.kind, DriftKind::parse)?,
            subject: self.subject,
            severity: named("a severity", &self.severity, Severity::parse)?,
            explanation: self.explanation,
            before: self.before,
            after: self.after,
        })
    }
}

#[derive(Debug, Deserialize, Serialize)]
struct StepRow {
    action: String,
    resource: String,
    result: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<&StepReport> for StepRow {
    fn from(step: &StepReport) -> Self {
        Self {
            action: step.operation.action(),
            resource: step.resource.clone(),
            result: step.result.as_str().to_owned(),
            reason: step.reason.clone(),
        }
    }
}

impl StepRow {
    fn step(self) -> Result<StepReport, StoreError> {
        Ok(StepReport {
            operation: operation(&self.action)?,
            resource: self.resource,
            result: named("a step's result", &self.result, StepResult::parse)?,
            reason: self.reason,
        })
    }
}

/// An [`AccountReport`] without its account and outcome, which are columns.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct ReportBody {
    name: String,
    ou_path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<FaultRow>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    drifts: Vec<DriftRow>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    mended: Vec<DriftRow>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    steps: Vec<StepRow>,
    observed_at: Timestamp,
    duration_ms: u64,
}

impl From<&AccountReport> for ReportBody {
    fn from(report: &AccountReport) -> Self {
        Self {
            name: report.name.clone(),
            ou_path: report.ou_path.clone(),
            reason: report.reason.clone(),
            failure: report.failure.as_ref().map(FaultRow::from),
            drifts: report.drifts.iter().map(DriftRow::from).collect(),
            mended: report.mended.iter().map(DriftRow::from).collect(),
            steps: report.steps.iter().map(StepRow::from).collect(),
            observed_at: report.observed_at,
            duration_ms: report.duration_ms,
        }
    }
}

fn drifts(rows: Vec<DriftRow>) -> Result<Vec<Drift>, StoreError> {
    rows.into_iter().map(DriftRow::drift).collect()
}

impl ReportBody {
    pub(crate) fn report(
        self,
        account: AccountId,
        outcome: Outcome,
    ) -> Result<AccountReport, StoreError> {
        Ok(AccountReport {
            account,
            name: self.name,
            ou_path: self.ou_path,
            outcome,
            reason: self.reason,
            failure: self.failure.map(FaultRow::fault).transpose()?,
            drifts: drifts(self.drifts)?,
            mended: drifts(self.mended)?,
            steps: self
                .steps
                .into_iter()
                .map(StepRow::step)
                .collect::<Result<_, _>>()?,
            observed_at: self.observed_at,
            duration_ms: self.duration_ms,
        })
    }
}
