//! May this plan be carried out now?

use crate::drift::{Diff, DriftKind};
use crate::finding::Finding;
use crate::limits;
use crate::observation::Observation;
use crate::outcome::{Mode, SkipReason};
use crate::plan::{Plan, Step, Withheld};
use crate::verdict::{Permit, Refusal, Verdict};

/// What is known about whether somebody agrees to a widening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Approval {
    /// Nobody has to be asked.
    #[default]
    NotNeeded,
    /// Somebody has to where the plan gives more than now, and did not yet.
    Wanted,
    /// Somebody has to, whatever the plan does, and did not yet: what is specified was never agreed to.
    WantedForAll,
    /// Somebody did.
    Given,
}

impl Approval {
    /// Whether a plan waits for somebody's word.
    pub fn holds_back(self, plan: &Plan) -> bool {
        match self {
            Self::NotNeeded | Self::Given => false,
            Self::Wanted => !plan.widens.is_empty(),
            Self::WantedForAll => !plan.is_empty(),
        }
    }
}

/// More accounts would change than may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// How many would change.
    pub changes: u64,
    /// How many may.
    pub allowed: u64,
}

/// What stands in the way of writing, as it is now.
#[derive(Clone, Debug)]
pub struct Guardrails {
    /// Why writes are halted, if they are.
    pub halted: Option<String>,
    /// Why changes are frozen, if they are.
    pub frozen: Option<String>,
    /// Why the account may not be changed, if it may not.
    pub ineligible: Option<SkipReason>,
    /// Whether the plan needs a person's word.
    pub approval: Approval,
    /// Set when more accounts would change than may without approval.
    pub too_many: Option<TooMany>,
    /// Names of the admin roles that rolekeeper comes in by, with or without path.
    pub admin_roles: Vec<String>,
    /// How often the same thing may be repaired in a row before it is left alone; 0 means always again.
    pub flap_limit: u32,
    /// What is remembered about this account.
    pub findings: Vec<Finding>,
}

impl Default for Guardrails {
    fn default() -> Self {
        Self {
            halted: None,
            frozen: None,
            ineligible: None,
            approval: Approval::NotNeeded,
            too_many: None,
            admin_roles: Vec::new(),
            flap_limit: limits::REPAIRS_BEFORE_FLAPPING,
            findings: Vec::new(),
        }
    }
}

/// Judges a plan. The only place that makes a [`Permit`].
///
/// All reasons against are given, not the first alone. A plan without steps in
/// repair mode is [`Verdict::ReportOnly`]: what differs is withheld, and the plan says why.
pub fn judge(
    plan: Plan,
    observation: &Observation,
    diff: &Diff,
    guardrails: &Guardrails,
    mode: Mode,
) -> Verdict {
    if diff.is_in_sync() && plan.is_empty() && plan.withheld.is_empty() {
        return Verdict::InSync;
    }
    if mode == Mode::Audit {
        return Verdict::ReportOnly(plan);
    }
    let (plan, mut refusals) = without_flapping(plan, observation, diff, guardrails);
    refusals.extend(circumstances(guardrails));
    refusals.extend(
        diff.blind
            .iter()
            .map(|blind| Refusal::Blind { facet: blind.facet }),
    );
    if plan.account != observation.account {
        let what = format!(
            "the plan is for account {}, not {}",
            plan.account, observation.account
        );
        refusals.push(Refusal::Stale { what });
    }
    if touches_admin_role(&plan, &guardrails.admin_roles) {
        refusals.push(Refusal::LocksUsOut);
    }
    if guardrails.approval.holds_back(&plan) {
        refusals.push(if plan.widens.is_empty() {
            Refusal::NeverAgreed
        } else {
            Refusal::Widens {
                gained: plan.widens.clone(),
            }
        });
    }
    if plan.is_empty() {
        refusals.extend(plan.foreign.iter().map(|resource| Refusal::NotOurs {
            resource: resource.clone(),
        }));
    }
    if !refusals.is_empty() {
        return Verdict::Refuse(plan, refusals);
    }
    if plan.is_empty() {
        Verdict::ReportOnly(plan)
    } else {
        Verdict::Apply(Permit::grant(plan))
    }
}

fn circumstances(guardrails: &Guardrails) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    if let Some(why) = &guardrails.halted {
        refusals.push(Refusal::Halted { why: why.clone() });
    }
    if let Some(why) = &guardrails.frozen {
        refusals.push(Refusal::Frozen { why: why.clone() });
    }
    if let Some(reason) = guardrails.ineligible {
        refusals.push(Refusal::Ineligible(reason));
    }
    if let Some(TooMany { changes, allowed }) = guardrails.too_many {
        refusals.push(Refusal::TooManyChanges { changes, allowed });
    }
    refusals
}

fn touches_admin_role(plan: &Plan, admin_roles: &[String]) -> bool {
    let is_admin = |admin: &String| {
        let name = admin.rsplit('/').next().unwrap_or(admin);
        name.eq_ignore_ascii_case(plan.role.as_str())
    };
    !plan.is_empty() && admin_roles.iter().any(is_admin)
}

/// What of a plan is to be done at all: without what flaps and is left alone for that.
pub fn not_left_alone(
    plan: Plan,
    observation: &Observation,
    diff: &Diff,
    guardrails: &Guardrails,
) -> Plan {
    without_flapping(plan, observation, diff, guardrails).0
}

/// What flaps is left alone. A tag or a description alone is taken out of the
/// plan; anything that decides who can do what stops the whole plan, since the
/// other steps were ordered on the understanding that it would be repaired.
fn without_flapping(
    mut plan: Plan,
    observation: &Observation,
    diff: &Diff,
    guardrails: &Guardrails,
) -> (Plan, Vec<Refusal>) {
    if guardrails.flap_limit == 0 {
        return (plan, Vec::new());
    }
    let flapping: Vec<&Finding> = guardrails
        .findings
        .iter()
        .filter(|finding| finding.repairs >= guardrails.flap_limit)
        .filter(|finding| {
            diff.drifts.iter().any(|drift| {
                drift.role == finding.drift.role
                    && drift.kind == finding.drift.kind
                    && drift.subject == finding.drift.subject
            })
        })
        .collect();
    let refusals = flapping
        .iter()
        .filter(|finding| !is_cosmetic(finding.drift.kind))
        .map(|finding| Refusal::Flapping {
            what: what_flaps(finding),
            repairs: finding.repairs,
        })
        .collect();
    let cosmetic: Vec<&Finding> = flapping
        .into_iter()
        .filter(|finding| is_cosmetic(finding.drift.kind))
        .collect();
    for finding in &cosmetic {
        leave_setting(&mut plan, observation, finding);
    }
    let plan = plan.without(|step| {
        let of_step = |finding: &&&Finding| step.because.contains(&finding.drift.kind);
        let flaps = is_cosmetic_step(&step.step)
            && step
                .because
                .iter()
                .all(|kind| cosmetic.iter().any(|finding| finding.drift.kind == *kind));
        let finding = cosmetic.iter().find(of_step).filter(|_| flaps)?;
        Some(left_alone(&step.step, finding))
    });
    (plan, refusals)
}

/// One call sets description and session length. Where only one of them is somebody else's to change back, the call
/// repeats what stands there for that one.
fn leave_setting(plan: &mut Plan, observation: &Observation, finding: &Finding) {
    let Some(role) = observation.role.seen() else {
        return;
    };
    let kind = finding.drift.kind;
    let shared = plan
        .steps
        .iter_mut()
        .find(|step| step.because.len() > 1 && step.because.contains(&kind));
    let Some(planned) = shared else { return };
    let Step::UpdateRole {
        description,
        max_session_duration,
        ..
    } = &mut planned.step
    else {
        return;
    };
    match kind {
        DriftKind::RoleDescription => description.clone_from(&role.description),
        DriftKind::RoleMaxSessionDuration => *max_session_duration = role.max_session_duration,
        _ => return,
    }
    planned.because.retain(|cause| *cause != kind);
    let withheld = left_alone(&planned.step, finding);
    plan.withheld.push(withheld);
}

fn left_alone(step: &Step, finding: &Finding) -> Withheld {
    Withheld {
        operation: step.operation(),
        resource: step.resource(),
        reason: Refusal::Flapping {
            what: what_flaps(finding),
            repairs: finding.repairs,
        }
        .to_string(),
    }
}

fn what_flaps(finding: &Finding) -> String {
    match &finding.drift.subject {
        Some(subject) => format!(
            "{} of {} ({subject})",
            finding.drift.kind, finding.drift.role
        ),
        None => format!("{} of {}", finding.drift.kind, finding.drift.role),
    }
}

const fn is_cosmetic(kind: DriftKind) -> bool {
    matches!(
        kind,
        DriftKind::RoleDescription
            | DriftKind::RoleMaxSessionDuration
            | DriftKind::RoleTags
            | DriftKind::PolicyTags
    )
}

const fn is_cosmetic_step(step: &Step) -> bool {
    matches!(
        step,
        Step::UpdateRole { .. } | Step::TagRole { .. } | Step::TagPolicy { .. }
    )
}
