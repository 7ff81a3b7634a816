//! One external id on its way to another: both accepted for a while, then the new one alone.

use serde_json::Value;

use super::template::{ExternalId, TemplateError};
use crate::account::AccountId;
use crate::arn::Partition;
use crate::call::Operation;
use crate::drift::{Drift, DriftKind};
use crate::outcome::{AccountReport, Outcome, StepResult};
use crate::policy::{Context, Document, Kind, Verdict, compare};
use crate::role::RoleName;

/// The placeholder whose value is on its way.
const PLACEHOLDER: &str = "${external_id}";

/// How far a rotation is to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RotationGoal {
    /// Either id is accepted.
    #[default]
    Both,
    /// The new one alone, once it is accepted in every account.
    NextOnly,
}

/// The id that is to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextExternalId {
    /// The id.
    pub id: ExternalId,
    /// How far.
    pub goal: RotationGoal,
}

/// Which ids the placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ids {
    /// The present one.
    Present,
    /// Both, wherever a condition compares with it.
    Both,
    /// The next one.
    Next,
}

impl From<RotationGoal> for Ids {
    fn from(goal: RotationGoal) -> Self {
        match goal {
            RotationGoal::Both => Self::Both,
            RotationGoal::NextOnly => Self::Next,
        }
    }
}

/// Whom a trust policy lets in by the ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// By the present id alone.
    PresentOnly,
    /// By either.
    Both,
    /// By the next id alone.
    NextOnly,
    /// By neither.
    Neither,
}

impl Standing {
    /// Whether whoever presents the present id gets in.
    pub const fn admits_present(self) -> bool {
        matches!(self, Self::PresentOnly | Self::Both)
    }

    /// Whether whoever presents the next id gets in.
    pub const fn admits_next(self) -> bool {
        matches!(self, Self::NextOnly | Self::Both)
    }
}

/// How one account stands, as a report tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// The role was seen.
    Stands(Standing),
    /// There is no role.
    NoRole,
    /// It could not be seen, and why.
    Unseen(String),
}

/// The rotation of one role's external id, in one account.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// The role.
    pub role: RoleName,
    /// How far it is to go.
    pub goal: RotationGoal,
    /// The trust policy with the present id alone.
    present: Document,
    /// The trust policy with the next id alone.
    next: Document,
    partition: Partition,
}

impl Rotation {
    /// Ties the trust policies together, and makes sure that the rotation changes who is let in.
    pub(super) fn new(
        role: RoleName,
        goal: RotationGoal,
        (present, both, next): (Document, &Document, Document),
        partition: Partition,
    ) -> Result<Self, TemplateError> {
        let context = Context {
            account: None,
            partition: partition.as_str(),
        };
        for one in [&present, &next] {
            if compare(one, both, &context).verdict != Verdict::Wider {
                return Err(TemplateError::new(
                    "next_external_id",
                    "the trust policy lets nobody in by `${external_id}`: no condition compares `sts:ExternalId` with it, so there is nothing to rotate",
                ));
            }
        }
        Ok(Self {
            role,
            goal,
            present,
            next,
            partition,
        })
    }

    /// Whom a trust policy of that account lets in by the ids.
    pub fn standing(&self, trust: &Document, account: AccountId) -> Standing {
        let account = account.to_string();
        let context = Context {
            account: Some(&account),
            partition: self.partition.as_str(),
        };
        let admits = |one: &Document| {
            let verdict = compare(one, trust, &context).verdict;
            matches!(verdict, Verdict::Equivalent | Verdict::Wider)
        };
        match (admits(&self.present), admits(&self.next)) {
            (true, true) => Standing::Both,
            (true, false) => Standing::PresentOnly,
            (false, true) => Standing::NextOnly,
            (false, false) => Standing::Neither,
        }
    }

    /// How the account stands, from a report that was made with this rotation as it is now. None:
    /// the account was left out.
    pub fn seen_in(&self, report: &AccountReport) -> Option<Sight> {
        let mut ours = report.drifts.iter().filter(|drift| drift.role == self.role);
        if let Some(drift) = ours
            .clone()
            .find(|drift| drift.kind == DriftKind::TrustPolicy)
        {
            return Some(Sight::Stands(self.before(drift, report.account)));
        }
        if ours.any(|drift| drift.kind == DriftKind::RoleMissing) {
            return Some(Sight::NoRole);
        }
        match report.outcome {
            Outcome::Skipped => None,
            Outcome::Failed | Outcome::Pending => {
                let fault = report.failure.as_ref().map(|fault| fault.message.clone());
                let why = fault.or_else(|| report.reason.clone());
                Some(Sight::Unseen(
                    why.unwrap_or_else(|| "not reached".to_owned()),
                ))
            }
            // The next id was added, and the present one kept beside it.
            Outcome::Drifted if self.is_held_in(report) => Some(Sight::Stands(Standing::Both)),
            // Nothing differs in who may assume the role.
            Outcome::InSync | Outcome::Drifted | Outcome::Repaired => {
                Some(Sight::Stands(match self.goal {
                    RotationGoal::Both => Standing::Both,
                    RotationGoal::NextOnly => Standing::NextOnly,
                }))
            }
        }
    }

    fn is_held_in(&self, report: &AccountReport) -> bool {
        let resource = format!("role/{}", self.role);
        report.steps.iter().any(|step| {
            step.operation == Operation::UpdateAssumeRolePolicy
                && step.result == StepResult::Withheld
                && step.resource == resource
        })
    }

    fn before(&self, drift: &Drift, account: AccountId) -> Standing {
        let found = drift.before.as_deref().unwrap_or_default();
        Document::parse(Kind::Trust, found)
            .map_or(Standing::Neither, |trust| self.standing(&trust, account))
    }
}

/// The same document, asking for either id wherever a condition asks for the present one; none
/// when no condition does. What is not JSON is somebody else's to refuse.
pub(super) fn with_either(text: &str, next: &ExternalId) -> Option<String> {
    let mut document: Value = serde_json::from_str(text).ok()?;
    let mut found = false;
    for_each_condition(&mut document, |values| {
        let either = match &*values {
            Value::Array(all) => all.clone(),
            one => vec![one.clone()],
        };
        let more: Vec<Value> = either
            .iter()
            .filter_map(Value::as_str)
            .filter(|text| text.contains(PLACEHOLDER))
            .map(|text| Value::from(text.replace(PLACEHOLDER, &next.0)))
            .collect();
        if !more.is_empty() {
            found = true;
            *values = Value::from([either, more].concat());
        }
    });
    found.then(|| document.to_string())
}

/// Every list of values that a condition of the document compares with.
fn for_each_condition(document: &mut Value, mut change: impl FnMut(&mut Value)) {
    let Some(statements) = document.get_mut("Statement") else {
        return;
    };
    let statements: Vec<&mut Value> = match statements {
        Value::Array(all) => all.iter_mut().collect(),
        one => vec![one],
    };
    let operators = statements
        .into_iter()
        .filter_map(|statement| statement.get_mut("Condition")?.as_object_mut())
        .flat_map(|condition| condition.values_mut());
    let keys = operators.filter_map(Value::as_object_mut);
    for values in keys.flat_map(|keys| keys.values_mut()) {
        change(values);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &Expect) {
        let next = ExternalId::new("new-id").unwrap();
        let told = with_either(text, &next).unwrap_or_else(|| "nothing to rotate".to_owned());
        expected.assert_eq(&told);
    }

    #[test]
    fn a_condition_that_asks_for_the_id_asks_for_either() {
        check(r#"{"Statement":[]}"#, &expect!["nothing to rotate"]);
        check(
            r#"{"Statement":{"Condition":{"StringEquals":{"sts:ExternalId":"${external_id}"}}}}"#,
            &expect![[
                r#"{"Statement":{"Condition":{"StringEquals":{"sts:ExternalId":["${external_id}","new-id"]}}}}"#
            ]],
        );
        check(
            r#"{"Statement":[{"Condition":{"Bool":{"aws:SecureTransport":"true"},"StringNotEquals":{"sts:ExternalId":["other","${external_id}"]}}}]}"#,
            &expect![[
                r#"{"Statement":[{"Condition":{"Bool":{"aws:SecureTransport":"true"},"StringNotEquals":{"sts:ExternalId":["other","${external_id}","new-id"]}}}]}"#
            ]],
        );
        check(
            r#"{"Statement":[{"Condition":{"StringEquals":{"sts:ExternalId":"${account_id}-${external_id}"}}}]}"#,
            &expect![[
                r#"{"Statement":[{"Condition":{"StringEquals":{"sts:ExternalId":["${account_id}-${external_id}","${account_id}-new-id"]}}}]}"#
            ]],
        );
    }

    #[test]
    fn what_is_not_a_condition_is_left_alone() {
        let rows = [
            r#"{"Statement":[{"Sid":"${external_id}"}]}"#,
            r#"{"Statement":[{"Condition":{"StringEquals":{"sts:ExternalId":"fixed"}}}]}"#,
            r#"{"Statement":"${external_id}"}"#,
            "${external_id}",
        ];
        for text in rows {
            check(text, &expect!["nothing to rotate"]);
        }
    }
}
