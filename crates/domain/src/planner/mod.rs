//! From drift to ordered steps.
//!
//! The order keeps one promise at every prefix of a plan, also when a step
//! fails and the rest is not taken: nobody holds a permission that they have neither
//! before nor by the specification. Why the order does that is argued in
//! `docs/decisions/0001-order-of-risk.md`; property tests hold every prefix against the evaluator.

mod absent;
mod before;
mod builder;
mod change;
mod effect;
mod guard;
mod order;
mod present;
mod recheck;
mod standing;
mod trust;
mod undo;

use crate::diff::drifted;
use crate::drift::Diff;
use crate::limits;
use crate::observation::Observation;
use crate::ownership::OwnershipRecord;
use crate::plan::{Plan, Withheld};
use crate::role::{Ensure, RoleSpec};

pub use recheck::{recheck, recheck_step};
pub use undo::{Effect, Taken, WayBack, effect, meet, probe, way_back};

/// The name of the inline policy that holds a role's denials in place while several
/// policies change one after the other. It is there for the length of a few calls. One that
/// is found later was left by a process that died, and is removed whatever `extras` says.
pub const GUARD_POLICY_NAME: &str = "rolekeeper-guard";

/// Plans the steps that end the drift.
///
/// While anything is blind there are no steps. The steps stand in the only order in which they
/// may be taken; what cannot or may not be done is withheld with the reason.
pub fn plan(
    spec: &RoleSpec,
    observation: &Observation,
    diff: &Diff,
    record: &OwnershipRecord,
) -> Plan {
    let mut plan = Plan::empty(observation.account, spec.name.clone());
    if !diff.blind.is_empty() {
        return plan;
    }
    match spec.ensure {
        Ensure::Present => present::plan(spec, observation, diff, record, &mut plan),
        Ensure::Absent => absent::plan(spec, observation, record, &mut plan),
    }
    if plan.steps.len() > limits::STEPS_PER_PLAN {
        let reason = format!(
            "the plan has {} steps and {} is the limit: somebody should look at this account",
            plan.steps.len(),
            limits::STEPS_PER_PLAN
        );
        plan = plan.without(|step| {
            Some(Withheld {
                operation: step.step.operation(),
                resource: step.step.resource(),
                reason: reason.clone(),
            })
        });
        plan.widens.clear();
    }
    plan
}
