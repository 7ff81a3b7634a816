//! Many accounts as few lines: what is equal is one group, the worst first.

use std::collections::BTreeMap;

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::drift::{DriftKind, Severity};
use rolekeeper_domain::fault::{Category, Denial};
use rolekeeper_domain::outcome::{AccountReport, Outcome, StepResult};

/// Accounts that a group names; of the others it only knows how many. Enough
/// that a small organization is listed whole, and 50,000 accounts stay readable.
const NAMED: usize = 12;

/// An account as a group names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its id.
    pub(crate) id: AccountId,
    /// Its name: text from AWS.
    pub(crate) name: String,
    /// Its place.
    pub(crate) ou_path: String,
}

/// Accounts of which the same can be said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Members {
    /// How many.
    pub(crate) count: u64,
    /// The first of them.
    pub(crate) first: Vec<Member>,
}

impl Members {
    fn add(&mut self, report: &AccountReport) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(Member {
                id: report.account,
                name: report.name.clone(),
                ou_path: report.ou_path.clone(),
            });
        }
    }

    /// How many are not named.
    pub(crate) fn unnamed(&self) -> u64 {
        self.count.saturating_sub(self.first.len() as u64)
    }
}

/// One difference, wherever it was found. Ordered: the worst first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DriftKey {
    severity: std::cmp::Reverse<Severity>,
    /// Whether it is gone again: what is left stands first.
    pub(crate) repaired: bool,
    /// What differs.
    pub(crate) kind: DriftKind,
    /// The managed role.
    pub(crate) role: String,
    /// In words; the account's own id is written `ACCOUNT`.
    pub(crate) explanation: String,
}

impl DriftKey {
    /// How bad it is.
    pub(crate) const fn severity(&self) -> Severity {
        self.severity.0
    }
}

/// One failure, wherever it was met.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FailureKey {
    /// Its class.
    pub(crate) category: Category,
    /// Which kind of policy denied.
    pub(crate) denial: Option<Denial>,
    /// In words; the account's own id is written `ACCOUNT`.
    pub(crate) message: String,
}

/// One step, wherever it was planned or taken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StepKey {
    /// What became of it.
    pub(crate) result: StepResult,
    /// The call.
    pub(crate) operation: Operation,
    /// What it changes; the account's own id is written `ACCOUNT`.
    pub(crate) resource: String,
    /// Why, unless it was planned or done.
    pub(crate) reason: Option<String>,
}

/// A sweep, grouped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overview {
    /// The differences.
    pub(crate) drifts: BTreeMap<DriftKey, Members>,
    /// What failed, by category, kind of denial and message.
    pub(crate) failures: BTreeMap<FailureKey, Members>,
    /// The steps, with how many accounts each is in.
    pub(crate) steps: BTreeMap<StepKey, u64>,
    /// Accounts that were skipped, by reason.
    pub(crate) skipped: BTreeMap<String, u64>,
    /// Accounts that were not reached, by reason.
    pub(crate) pending: BTreeMap<String, u64>,
    /// Accounts that drifted and were not repaired, by the reason where there is one.
    pub(crate) unrepaired: BTreeMap<String, Members>,
}

impl Overview {
    /// Adds one account.
    pub(crate) fn add(&mut self, report: &AccountReport) {
        let own = report.account.to_string();
        let general = |text: &str| text.replace(&own, "ACCOUNT");
        for drift in &report.drifts {
            let key = DriftKey {
                severity: std::cmp::Reverse(drift.severity),
                repaired: report.outcome == Outcome::Repaired,
                kind: drift.kind,
                role: drift.role.to_string(),
                explanation: general(&drift.explanation),
            };
            self.drifts.entry(key).or_default().add(report);
        }
        for step in &report.steps {
            let key = StepKey {
                result: step.result,
                operation: step.operation,
                resource: general(&step.resource),
                reason: step.reason.as_deref().map(general),
            };
            *self.steps.entry(key).or_default() += 1;
        }
        let reason = report.reason.clone().unwrap_or_default();
        match report.outcome {
            Outcome::Failed => {
                let key = match &report.failure {
                    Some(fault) => FailureKey {
                        category: fault.category,
                        denial: fault.denial,
                        message: general(&fault.to_string()),
                    },
                    None => FailureKey {
                        category: Category::Internal,
                        denial: None,
                        message: general(&reason),
                    },
                };
                self.failures.entry(key).or_default().add(report);
            }
            Outcome::Skipped => *self.skipped.entry(reason).or_default() += 1,
            Outcome::Pending => *self.pending.entry(reason).or_default() += 1,
            Outcome::Drifted if !reason.is_empty() => {
                self.unrepaired
                    .entry(general(&reason))
                    .or_default()
                    .add(report);
            }
            Outcome::Drifted | Outcome::InSync | Outcome::Repaired => {}
        }
    }

    /// Steps with one of these results, and in how many accounts each is.
    pub(crate) fn steps_that(
        &self,
        results: &[StepResult],
    ) -> impl Iterator<Item = (&StepKey, u64)> {
        let results = results.to_vec();
        self.steps
            .iter()
            .filter(move |(key, _)| results.contains(&key.result))
            .map(|(key, count)| (key, *count))
    }
}
