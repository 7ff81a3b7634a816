//! What the API shows. Converted by hand from the domain, so that the domain can
//! be renamed without breaking anybody's script.

use std::collections::BTreeMap;

use rolekeeper_domain::drift::Severity;
use rolekeeper_domain::outcome::{Summary, SweepRecord};
use rolekeeper_engine::port::store::{FleetTotals, Halt, UnitTotals};
use serde::Serialize;
use utoipa::ToSchema;

use super::live::{Rates, Running};

pub(crate) mod account;

/// How many accounts have which outcome.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(crate) struct CountsView {
    pub(crate) accounts: u64,
    pub(crate) in_sync: u64,
    pub(crate) drifted: u64,
    pub(crate) repaired: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    pub(crate) pending: u64,
}

impl From<Summary> for CountsView {
    fn from(summary: Summary) -> Self {
        let Summary {
            accounts,
            in_sync,
            drifted,
            repaired,
            failed,
            skipped,
            pending,
        } = summary;
        Self {
            accounts,
            in_sync,
            drifted,
            repaired,
            failed,
            skipped,
            pending,
        }
    }
}

/// A stop of all writes.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct HaltView {
    pub(crate) why: String,
    pub(crate) by: String,
    pub(crate) at: String,
}

impl From<Halt> for HaltView {
    fn from(halt: Halt) -> Self {
        Self {
            why: halt.why,
            by: halt.by,
            at: halt.at.to_string(),
        }
    }
}

/// A sweep that waits for approval.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ApprovalView {
    pub(crate) sweep: String,
    /// How many accounts it would change.
    pub(crate) changes: u64,
    /// What its specifications give beyond those that were agreed to.
    pub(crate) widens: Vec<String>,
}

/// One sweep.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SweepView {
    pub(crate) id: String,
    /// `audit` or `repair`.
    pub(crate) mode: &'static str,
    pub(crate) trigger: &'static str,
    pub(crate) requested_by: String,
    pub(crate) started_at: String,
    pub(crate) finished_at: Option<String>,
    /// `completed`, `halted`, `cancelled`, `failed`; null while it runs.
    pub(crate) outcome: Option<&'static str>,
    /// Why, unless it completed.
    pub(crate) reason: Option<String>,
    pub(crate) summary: CountsView,
    /// What its specifications give beyond those that were agreed to.
    pub(crate) widens: Vec<String>,
}

/// One sweep, and the one before it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OneSweepView {
    #[serde(flatten)]
    pub(crate) sweep: SweepView,
    /// The earlier sweep that `/changes` compares this one with; null where there is none.
    pub(crate) compared_with: Option<String>,
}

impl From<SweepRecord> for SweepView {
    fn from(sweep: SweepRecord) -> Self {
        Self {
            id: sweep.id.to_string(),
            mode: sweep.mode.as_str(),
            trigger: sweep.trigger.as_str(),
            requested_by: sweep.requested_by,
            started_at: sweep.started_at.to_string(),
            finished_at: sweep.finished_at.map(|at| at.to_string()),
            outcome: sweep.outcome.map(|outcome| outcome.as_str()),
            reason: sweep.reason,
            summary: sweep.summary.into(),
            widens: sweep.widens,
        }
    }
}

/// The sweep under way in the process that answers.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ProgressView {
    pub(crate) sweep: SweepView,
    /// Accounts listed so far.
    pub(crate) listed: u64,
    /// Accounts selected so far; final once `whole`.
    pub(crate) selected: u64,
    /// Whether discovery is complete.
    pub(crate) whole: bool,
    /// Accounts done, by outcome.
    pub(crate) done: CountsView,
    pub(crate) in_flight: u64,
    /// The wave of the rollout: which, of how many.
    pub(crate) wave: Option<(u32, u32)>,
    /// Accounts a second since the sweep began.
    pub(crate) accounts_per_second: f64,
}

impl ProgressView {
    pub(crate) fn new(running: Running, now: jiff::Timestamp) -> Self {
        let seconds = now.duration_since(running.record.started_at).as_secs_f64();
        let (done, in_flight) = (running.done(), running.in_flight());
        // Skipped accounts cost nothing and say nothing about the speed.
        let walked = done.accounts.saturating_sub(done.skipped);
        let rate = if 0.0 < seconds {
            walked as f64 / seconds
        } else {
            0.0
        };
        Self {
            sweep: running.record.into(),
            listed: running.listed,
            selected: running.selected,
            whole: running.whole,
            done: done.into(),
            in_flight,
            wave: running.wave,
            accounts_per_second: (rate * 10.0).round() / 10.0,
        }
    }
}

/// A rate limit in force.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RateView {
    pub(crate) service: &'static str,
    pub(crate) operation: &'static str,
    /// Calls a second.
    pub(crate) rate: f64,
}

/// Rates as a list.
pub(crate) fn rates(rates: Rates) -> Vec<RateView> {
    rates
        .into_iter()
        .map(|((service, operation), rate)| RateView {
            service,
            operation,
            rate,
        })
        .collect()
}

/// Open findings of one kind.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FindingCountView {
    pub(crate) role: String,
    pub(crate) kind: &'static str,
    pub(crate) severity: &'static str,
    pub(crate) count: u64,
    /// When the oldest of them was first seen.
    pub(crate) since: Option<String>,
}

/// One organizational unit's own accounts.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct UnitView {
    /// The path in names, `/` for the root.
    pub(crate) ou_path: String,
    /// Accounts directly in it, by outcome.
    pub(crate) accounts: BTreeMap<&'static str, u64>,
    /// The worst open finding directly in it.
    pub(crate) worst: Option<&'static str>,
}

impl From<UnitTotals> for UnitView {
    fn from(unit: UnitTotals) -> Self {
        Self {
            ou_path: unit.ou_path,
            accounts: unit
                .accounts
                .into_iter()
                .map(|(outcome, count)| (outcome.as_str(), count))
                .collect(),
            worst: unit.worst.map(Severity::as_str),
        }
    }
}

/// The whole organization at a glance.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SummaryView {
    pub(crate) version: &'static str,
    /// The state in one sentence.
    pub(crate) sentence: String,
    /// Accounts by their newest outcome.
    pub(crate) accounts: BTreeMap<&'static str, u64>,
    /// Skipped accounts by reason.
    pub(crate) skipped: BTreeMap<&'static str, u64>,
    /// Open findings.
    pub(crate) findings: Vec<FindingCountView>,
    pub(crate) units: Vec<UnitView>,
    pub(crate) halted: Option<HaltView>,
    pub(crate) awaiting_approval: Vec<ApprovalView>,
    /// The newest sweep that ended.
    pub(crate) last_sweep: Option<SweepView>,
    pub(crate) running: Option<ProgressView>,
    pub(crate) rates: Vec<RateView>,
    /// When the schedule's next sweep is due, if this process knows.
    pub(crate) next_sweep_at: Option<String>,
    /// Whether a token is configured, so that changes can be made at all.
    pub(crate) writable: bool,
    /// Why this daemon takes no request for a repair, and what to set; null when it takes them.
    pub(crate) no_repair: Option<String>,
}

/// Open findings as a list, the worst first.
pub(crate) fn finding_counts(totals: &FleetTotals) -> Vec<FindingCountView> {
    let mut counts: Vec<_> = totals
        .findings
        .iter()
        .filter(|(_, count)| 0 < **count)
        .collect();
    counts.sort_by(|((_, _, left), left_count), ((_, _, right), right_count)| {
        right.cmp(left).then(right_count.cmp(left_count))
    });
    counts
        .into_iter()
        .map(|(key, count)| FindingCountView {
            role: key.0.to_string(),
            kind: key.1.as_str(),
            severity: key.2.as_str(),
            count: *count,
            since: totals.since.get(key).map(ToString::to_string),
        })
        .collect()
}

/// One page of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PageView<T: ToSchema> {
    pub(crate) items: Vec<T>,
    /// Give it as `cursor` to get the next page; null on the last one.
    pub(crate) next_cursor: Option<String>,
}
