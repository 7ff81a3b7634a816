//! Why something that differs may stay when all is calm: each difference needs a ground of its own, in the
//! settings or in what somebody did to it.

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::drift::{Drift, DriftKind};
use rolekeeper_domain::outcome::{AccountReport, StepReport, StepResult};
use rolekeeper_domain::planner::GUARD_POLICY_NAME;
use rolekeeper_domain::role::{Adopt, Ensure, Extras, OWNER_TAG_KEY, RoleSpec};
use rolekeeper_simulator::World;

use super::memory::MemoryStore;
use super::variety::Variety;

/// A difference that stays without a ground, or a step that was not taken without one, in words.
pub(super) fn groundless(
    variety: &Variety,
    world: &World,
    store: &MemoryStore,
    report: &AccountReport,
) -> Option<String> {
    let grounds = Grounds {
        variety,
        specs: variety.specs(),
        world,
        store,
        report,
    };
    let step = report.steps.iter().find(|step| !is_left(step));
    let step = step.map(|step| format!("{step:?}"));
    let drift = report.drifts.iter().find(|drift| !grounds.hold(drift));
    let drift = drift.map(|drift| format!("{} of {}", drift.kind, drift.role));
    let what = step.or(drift)?;
    Some(format!("{what} has no ground to stay: {report:?}"))
}

/// Done, withheld with a reason, or part of a plan that is left alone as a whole.
fn is_left(step: &StepReport) -> bool {
    let reason = step.reason.as_deref().unwrap_or_default();
    match step.result {
        StepResult::Done | StepResult::Withheld => true,
        StepResult::Refused => {
            reason.contains("someone else keeps changing it")
                || reason.contains("was not made by rolekeeper")
        }
        StepResult::Planned | StepResult::Failed => false,
    }
}

struct Grounds<'a> {
    variety: &'a Variety,
    specs: Vec<RoleSpec>,
    world: &'a World,
    store: &'a MemoryStore,
    report: &'a AccountReport,
}

impl Grounds<'_> {
    /// Whether there is one for this difference.
    fn hold(&self, drift: &Drift) -> bool {
        let of_role = || {
            let drifts = self.report.drifts.iter();
            drifts.filter(|other| other.role == drift.role)
        };
        let stops_all = |other: &Drift| !is_cosmetic(other.kind) && self.flaps(other);
        let foreign = self.role_is_anothers(drift);
        let is_cause = |other: &Drift| self.is_extra(other) || self.policy_is_anothers(other);
        self.flaps(drift)
            || of_role().any(stops_all)
            || foreign
            || is_cause(drift)
            // What would hand on what stays waits with it.
            || is_handed_on(drift.kind) && of_role().any(is_cause)
    }

    /// Whether exactly this was repaired as often as it may be.
    fn flaps(&self, drift: &Drift) -> bool {
        let limit = self.variety.flap_limit;
        let (findings, account) = (self.store.all_findings(), self.report.account);
        let often = findings.iter().any(|finding| {
            finding.account == account && finding.is_about(drift) && finding.repairs >= limit
        });
        limit > 0 && often
    }

    /// Whether the role is another hand's and may not be touched.
    fn role_is_anothers(&self, drift: &Drift) -> bool {
        let (account, name) = (self.report.account, drift.role.as_str());
        let Some(role) = self.world.role(account, name) else {
            return false;
        };
        let ours = role.tags.contains_key(OWNER_TAG_KEY) || self.on_record(account, "role/", name);
        !ours && self.may_not_adopt(drift)
    }

    /// Whether it is about a managed policy that is another hand's.
    fn policy_is_anothers(&self, drift: &Drift) -> bool {
        let account = self.report.account;
        let about_a_policy = matches!(
            drift.kind,
            DriftKind::PolicyDocument
                | DriftKind::PolicyTags
                | DriftKind::PolicyVersionsFull
                | DriftKind::AttachmentMissing
                | DriftKind::RoleUnexpected
        );
        let spec = self.specs.iter().find(|spec| spec.name == drift.role);
        let mut policies = spec.into_iter().flat_map(|spec| &spec.managed_policies);
        let anothers = policies.any(|policy| {
            let name = policy.name.as_str();
            self.world.policy(account, name).is_some_and(|found| {
                !found.tags.contains_key(OWNER_TAG_KEY) && !self.on_record(account, "policy/", name)
            })
        });
        about_a_policy && anothers && self.may_not_adopt(drift)
    }

    /// What should be gone is never taken over: only what is ours goes.
    fn may_not_adopt(&self, drift: &Drift) -> bool {
        let mut specs = self.specs.iter().filter(|spec| spec.name == drift.role);
        self.variety.adopt != Adopt::Always || specs.any(|spec| spec.ensure == Ensure::Absent)
    }

    fn on_record(&self, account: AccountId, kind: &str, name: &str) -> bool {
        self.store.ours(account).iter().any(|resource| {
            let last = resource.rsplit('/').next().unwrap_or_default();
            resource.starts_with(kind) && last.eq_ignore_ascii_case(name)
        })
    }

    /// Whether it is something more than is specified, which is only reported.
    fn is_extra(&self, drift: &Drift) -> bool {
        let kind = matches!(
            drift.kind,
            DriftKind::AttachmentUnexpected | DriftKind::InlineUnexpected
        );
        // What a repair leaves behind when it is cut off is not one.
        let guard = drift.subject.as_deref() == Some(GUARD_POLICY_NAME);
        kind && self.variety.extras == Extras::Report && !guard
    }
}

/// What decides nothing about who can do what.
const fn is_cosmetic(kind: DriftKind) -> bool {
    matches!(
        kind,
        DriftKind::RoleDescription
            | DriftKind::RoleMaxSessionDuration
            | DriftKind::RoleTags
            | DriftKind::PolicyTags
    )
}

/// What could give somebody more while something else stays that was not agreed.
const fn is_handed_on(kind: DriftKind) -> bool {
    matches!(
        kind,
        DriftKind::TrustPolicy
            | DriftKind::RolePermissionsBoundary
            | DriftKind::PolicyMissing
            | DriftKind::PolicyDocument
            | DriftKind::PolicyVersionsFull
            | DriftKind::AttachmentMissing
            | DriftKind::AttachmentUnexpected
            | DriftKind::InlineDocument
            | DriftKind::InlineUnexpected
    )
}
