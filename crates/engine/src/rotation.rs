//! An external id that is on its way out stays accepted until its successor is accepted everywhere.
//!
//! What decides is what this very sweep saw in its accounts, never what an earlier one did. Where the
//! successor is not accepted yet the sweep works towards both ids, and takes none away.

use std::collections::{BTreeMap, BTreeSet};

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::drift::{Drift, DriftKind};
use rolekeeper_domain::fault::Fault;
use rolekeeper_domain::outcome::{AccountReport, Outcome, StepReport, StepResult, Trigger};
use rolekeeper_domain::spec::{Rotation, RotationGoal, Sight};

use crate::event::EventSink;
use crate::order::{SweepError, SweepOrder};
use crate::port::clock::Clock;
use crate::port::session::SessionProvider;
use crate::port::store::{ReportFilter, Store};
use crate::run::Run;

/// Reports read at a time.
const PAGE: u32 = 500;

/// Accounts that a reason names; the others are counted.
const NAMED: usize = 3;

/// The accounts that go on accepting the present id, and why.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    why: String,
    /// What this sweep found about the trust of the roles in rotation.
    accounts: BTreeMap<AccountId, Vec<Drift>>,
}

impl Held {
    /// Whether the account goes on accepting the present id.
    pub(crate) fn keeps(&self, account: AccountId) -> bool {
        self.accounts.contains_key(&account)
    }

    /// The report, which says of a held account what is left and why, unless it says something graver.
    pub(crate) fn amended(&self, mut report: AccountReport) -> AccountReport {
        let Some(drifts) = self.accounts.get(&report.account) else {
            return report;
        };
        match report.outcome {
            Outcome::InSync | Outcome::Drifted | Outcome::Repaired => {}
            Outcome::Failed | Outcome::Skipped | Outcome::Pending => return report,
        }
        if report.outcome == Outcome::Repaired {
            // What was found is gone; what is held is not.
            report.mended.append(&mut report.drifts);
        }
        report.outcome = Outcome::Drifted;
        for drift in drifts {
            let resource = format!("role/{}", drift.role);
            let of_trust = |step: &StepReport| {
                step.operation == Operation::UpdateAssumeRolePolicy && step.resource == resource
            };
            let is_done = |step: &StepReport| of_trust(step) && step.result == StepResult::Done;
            // Where the next id was added just now, what stood there before is no longer there.
            if !report.steps.iter().any(is_done) && !report.drifts.contains(drift) {
                report.drifts.push(drift.clone());
            }
            // What was planned for it is withheld; what was done about it stays told.
            report
                .steps
                .retain(|step| !(of_trust(step) && step.result == StepResult::Planned));
            report.steps.push(StepReport {
                operation: Operation::UpdateAssumeRolePolicy,
                resource,
                result: StepResult::Withheld,
                reason: Some(self.why.clone()),
            });
        }
        report.reason.get_or_insert_with(|| self.why.clone());
        report
    }
}

/// After everybody was looked at: whether an id may be taken away in this sweep. If not, the accounts
/// that accept it are held, and their reports say so.
pub(crate) async fn hold<D, P, S, C, E>(run: &Run<D, P, S, C, E>) -> Result<(), SweepError>
where
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    if matches!(leaving(run, run.caller.account), Ok(rotations) if rotations.is_empty()) {
        return Ok(());
    }
    let mut lagging = BTreeSet::new();
    let mut accounts = BTreeMap::new();
    for_each_report(run, |report| {
        if report.outcome == Outcome::Skipped {
            return;
        }
        let Ok(rotations) = leaving(run, report.account) else {
            // What cannot be resolved there fails there by itself.
            lagging.insert(report.account);
            return;
        };
        for rotation in rotations {
            let Some(sight) = rotation.seen_in(report) else {
                continue;
            };
            let (admits_present, admits_next) = match sight {
                Sight::Stands(standing) => (standing.admits_present(), standing.admits_next()),
                Sight::NoRole | Sight::Unseen(_) => (false, false),
            };
            if !admits_next {
                lagging.insert(report.account);
            }
            if admits_present {
                let is_trust = |drift: &&Drift| {
                    drift.role == rotation.role && drift.kind == DriftKind::TrustPolicy
                };
                let drifts: &mut Vec<Drift> = accounts.entry(report.account).or_default();
                drifts.extend(report.drifts.iter().filter(is_trust).cloned());
            }
        }
    })
    .await?;
    let Some(why) = objection(&run.order, &lagging).filter(|_| !accounts.is_empty()) else {
        return Ok(());
    };
    tracing::warn!(accounts = accounts.len(), "{why}");
    let held = Held { why, accounts };
    tell(run, &held).await?;
    // Set once: a sweep is judged once, between its two phases.
    drop(run.held.set(held));
    Ok(())
}

/// Why no id is taken away in this sweep, if it is not.
fn objection(order: &SweepOrder, lagging: &BTreeSet<AccountId>) -> Option<String> {
    const KEPT: &str = "the present external id stays accepted beside the next one";
    if !lagging.is_empty() {
        let named: Vec<String> = lagging
            .iter()
            .take(NAMED)
            .map(ToString::to_string)
            .collect();
        let more = match lagging.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let named = named.join(", ");
        return Some(format!(
            "{KEPT}: the next one is not seen to be accepted in {named}{more}"
        ));
    }
    // A saved plan looks at the accounts that had a plan: what the others accept now is not known.
    let about_few = order.trigger == Trigger::Event || order.plans.is_some();
    about_few.then(|| {
        format!(
            "{KEPT}: only a sweep that looks at every account takes it away (`rolekeeper apply`)"
        )
    })
}

/// Makes the reports that the first phase handed in say what is left and why.
async fn tell<D, P, S, C, E>(run: &Run<D, P, S, C, E>, held: &Held) -> Result<(), SweepError>
where
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let mut amended = Vec::new();
    for_each_report(run, |report| {
        if held.keeps(report.account) {
            amended.push(held.amended(report.clone()));
        }
    })
    .await?;
    for report in amended {
        run.recorder.report(report).await;
    }
    run.recorder.flush().await;
    Ok(())
}

/// The rotations in which the present id is on its way out.
fn leaving<D, P: SessionProvider, S, C: Clock, E: EventSink>(
    run: &Run<D, P, S, C, E>,
    account: AccountId,
) -> Result<Vec<Rotation>, Fault> {
    let rotations = run.settings.roles.rotations(&run.place(account))?;
    let leave = rotations
        .iter()
        .filter(|rotation| rotation.goal == RotationGoal::NextOnly);
    Ok(leave.cloned().collect())
}

async fn for_each_report<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    mut see: impl FnMut(&AccountReport),
) -> Result<(), SweepError>
where
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let everyone = ReportFilter::default();
    let mut after = None;
    loop {
        let store = run.engine.store.as_ref();
        let page = store.reports(&run.sweep, &everyone, after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Some(last.account);
        page.iter().for_each(&mut see);
    }
}

#[cfg(test)]
mod tests {
    use rolekeeper_domain::outcome::Mode;

    use super::*;
    use crate::order::SavedPlans;

    #[test]
    fn only_a_sweep_that_looks_at_everybody_takes_an_id_away() {
        let nobody = BTreeSet::new();
        let sweep = SweepOrder::new(Mode::Repair, Trigger::CommandLine, "ann");
        assert_eq!(objection(&sweep, &nobody), None);
        let by_event = SweepOrder {
            trigger: Trigger::Event,
            ..sweep.clone()
        };
        let account: AccountId = "111111111111".parse().expect("an id");
        // A saved plan names its accounts: whoever had no plan was not looked at.
        let saved = SweepOrder {
            plans: Some(SavedPlans::default()),
            accounts: Some(BTreeSet::from([account])),
            ..sweep.clone()
        };
        for order in [by_event, saved] {
            let why = objection(&order, &nobody).unwrap_or_default();
            assert!(why.contains("looks at every account"), "{why}");
        }
        let why = objection(&sweep, &BTreeSet::from([account])).unwrap_or_default();
        assert!(why.contains("111111111111"), "{why}");
    }
}
