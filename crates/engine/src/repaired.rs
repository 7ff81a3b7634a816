//! What became of an account in a repair, put together role by role and stage by stage.

use rolekeeper_domain::drift::{Diff, Drift};
use rolekeeper_domain::fault::Fault;
use rolekeeper_domain::outcome::{AccountReport, Outcome, StepReport};

use crate::look::take_in;
use crate::rollout::Change;

/// What became of an account in a repair.
pub(crate) struct Repair {
    pub(crate) report: AccountReport,
    pub(crate) change: Change,
}

/// What became of one role.
#[derive(Default)]
pub(crate) struct RoleEnd {
    /// What stands at the end, as far as is known.
    pub(crate) diff: Diff,
    /// What stood at the beginning and does not any more.
    pub(crate) mended: Vec<Drift>,
    pub(crate) steps: Vec<StepReport>,
    pub(crate) change: Option<Change>,
    pub(crate) fault: Option<Fault>,
    pub(crate) reason: Option<String>,
}

impl Repair {
    pub(crate) fn take(&mut self, end: RoleEnd) {
        let RoleEnd {
            diff,
            mended,
            steps,
            change,
            fault,
            reason,
        } = end;
        take_in(&mut self.report, &diff);
        self.report.mended.extend(mended);
        self.report.steps.extend(steps);
        if let Some(fault) = fault {
            self.report.outcome = Outcome::Failed;
            self.report.failure.get_or_insert(fault);
        }
        if let Some(reason) = reason {
            self.report.reason.get_or_insert(reason);
        }
        if let Some(change) = change {
            self.change = worse(self.change, change);
        }
    }
}

/// An account in which something was put right and nothing stands is repaired, and what was put right
/// is what was found.
pub(crate) fn conclude(report: &mut AccountReport, is_changed: bool) {
    let something = is_changed || !report.mended.is_empty();
    if report.outcome == Outcome::InSync && something {
        report.outcome = Outcome::Repaired;
    }
    if report.outcome == Outcome::Repaired {
        report.drifts.append(&mut report.mended);
    }
}

/// What an account's second repair in one sweep says, with what the first one did: nothing that was
/// written is left out.
pub(crate) fn after_the_first(first: AccountReport, mut second: AccountReport) -> AccountReport {
    let taken = first
        .steps
        .into_iter()
        .filter(|step| step.result.is_taken());
    let mut steps: Vec<StepReport> = taken.collect();
    steps.append(&mut second.steps);
    second.steps = steps;
    let mended = if first.outcome == Outcome::Repaired {
        first.drifts
    } else {
        first.mended
    };
    let stood_again = |drift: &Drift| {
        let now = second.drifts.iter().chain(&second.mended);
        now.into_iter().any(|other| drift.is_like(other))
    };
    let mended: Vec<Drift> = mended
        .into_iter()
        .filter(|drift| !stood_again(drift))
        .collect();
    second.mended.extend(mended);
    conclude(&mut second, false);
    second
}

/// The one of two changes that says more.
const fn worse(one: Change, other: Change) -> Change {
    match (one, other) {
        (Change::Unsettled, _) | (_, Change::Unsettled) => Change::Unsettled,
        (Change::Failed(category), _) | (_, Change::Failed(category)) => Change::Failed(category),
        (Change::Verified, _) | (_, Change::Verified) => Change::Verified,
        (Change::None, Change::None) => Change::None,
    }
}
