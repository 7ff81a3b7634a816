//! The order of risk.

use super::GUARD_POLICY_NAME;
use super::builder::Builder;
use super::change::Change;
use super::effect::{Content, Shift};
use super::guard::Guard;
use super::trust::TrustChange;
use crate::drift::DriftKind;
use crate::plan::{Band, Step};
use crate::policy::Document;
use crate::role::{PolicyName, RoleName};

/// Everything that is to be ordered.
pub(super) struct Work {
    pub(super) role: RoleName,
    /// The call that makes the role, where it is missing.
    pub(super) create: Option<Step>,
    /// The change of the trust policy; none when it stays.
    pub(super) trust: Option<TrustChange>,
    /// Whether the trust policy may be opened, or only narrowed.
    pub(super) may_open: bool,
    pub(super) changes: Vec<Change>,
    /// Steps that move no power, or move it by a session's length: with their bands.
    pub(super) settings: Vec<(Step, Band, Vec<DriftKind>)>,
}

/// Puts the work in order.
///
/// Narrow, then turn, then widen. What that alone does not settle: two or more turns that touch
/// denials need the guard; a trust policy that turns needs a narrower one on the way when
/// permissions turn as well.
pub(super) fn arrange(work: Work, builder: &mut Builder<'_>) {
    let Work {
        role,
        create,
        trust,
        may_open,
        mut changes,
        settings,
    } = work;
    let guard = guard_for(&changes);
    if guard.is_some() {
        // One that was left behind is overwritten and goes with the new one.
        changes.retain(|change| !change.lowers_guard());
    }
    let turns = changes.iter().any(|change| change.shift.is_turn());
    let silenced = matches!(guard, Some(Guard::Everything(_)));
    let route = trust.map(|trust| Route::of(trust, may_open, turns && !silenced));
    let mut arranger = Arranger {
        role,
        builder,
        route,
        guard_step: None,
        last_turn: None,
    };

    // On a role that has yet to be made nothing can be narrowed before it is there.
    let first = if create.is_some() {
        Band::Turn
    } else {
        Band::Narrow
    };
    if let Some(create) = create {
        arranger
            .builder
            .push(create, Band::Turn, &[DriftKind::RoleMissing], false);
    }
    arranger.raise_guard(guard.as_ref(), first);
    arranger.trust(Band::Narrow);
    arranger.settings(&settings, Band::Narrow);
    let narrower = || {
        changes
            .iter()
            .filter(|change| change.shift.band() == Band::Narrow)
    };
    arranger.prepare(narrower(), first);
    arranger.changes(narrower(), first);

    arranger.prepare(
        changes
            .iter()
            .filter(|change| change.shift.band() != Band::Narrow),
        Band::Turn,
    );
    arranger.trust(Band::Turn);
    // The turn that brings new denials comes first.
    let turns = || {
        changes
            .iter()
            .filter(|change| change.shift.band() == Band::Turn)
    };
    arranger.changes(
        turns().filter(|change| change.shift.denied.grows),
        Band::Turn,
    );
    arranger.changes(
        turns().filter(|change| !change.shift.denied.grows),
        Band::Turn,
    );
    arranger.settings(&settings, Band::Turn);

    arranger.trust_after_turns();
    let wider = changes
        .iter()
        .filter(|change| change.shift.band() == Band::Widen);
    arranger.changes(wider, Band::Widen);
    arranger.trust(Band::Widen);
    arranger.settings(&settings, Band::Widen);
    arranger.lower_guard(guard.as_ref());
}

/// Whether the turns can follow each other bare, and what holds the denials in place if not.
///
/// Under a trust policy that is within both, a turn is safe when all tightening but
/// its own is done, or when no denial is lost and no denial is still to come that would have
/// held back what it grants. One turn alone is always safe.
fn guard_for(changes: &[Change]) -> Option<Guard> {
    let turns: Vec<Shift> = changes
        .iter()
        .map(|change| change.shift)
        .filter(|shift| shift.is_turn())
        .collect();
    let moves_boundary = turns
        .iter()
        .any(|shift| shift.boundary.grows || shift.boundary.shrinks);
    let loses_denial = turns.iter().any(|shift| shift.denied.shrinks);
    let new_denials = turns.iter().filter(|shift| shift.denied.grows).count();
    if turns.len() < 2 || (!moves_boundary && !loses_denial && new_denials <= 1) {
        return None;
    }
    let contents = || {
        changes
            .iter()
            .flat_map(|change| [&change.before, &change.after])
    };
    let known = !moves_boundary && !contents().any(|content| matches!(content, Content::Unknown));
    Guard::of(contents().filter_map(Content::document), known)
}

/// The way of the trust policy.
enum Route {
    /// One step in this band.
    Direct(TrustChange, Band),
    /// First what is within both, then, once permissions have turned, the goal.
    ByMeet(TrustChange),
    /// Only what is within both: opening it is withheld.
    MeetOnly(TrustChange),
    /// Nothing: opening it is withheld and there is nothing to narrow.
    Stay,
}

impl Route {
    fn of(trust: TrustChange, may_open: bool, turns: bool) -> Self {
        match (trust.band, may_open) {
            (Band::Narrow, _) => Self::Direct(trust, Band::Narrow),
            (Band::Widen, true) => Self::Direct(trust, Band::Widen),
            (Band::Widen, false) => Self::Stay,
            (Band::Turn, false) => Self::MeetOnly(trust),
            (Band::Turn, true) if turns && trust.meet.is_some() => Self::ByMeet(trust),
            (Band::Turn, true) => Self::Direct(trust, Band::Turn),
        }
    }
}

struct Arranger<'a, 'b> {
    role: RoleName,
    builder: &'a mut Builder<'b>,
    route: Option<Route>,
    guard_step: Option<usize>,
    last_turn: Option<usize>,
}

impl Arranger<'_, '_> {
    fn push_trust(&mut self, document: Document, band: Band) {
        let step = Step::UpdateAssumeRolePolicy {
            role: self.role.clone(),
            trust: document,
        };
        self.builder
            .push(step, band, &[DriftKind::TrustPolicy], band != Band::Narrow);
    }

    fn trust(&mut self, band: Band) {
        let document = match (&self.route, band) {
            (Some(Route::Direct(trust, at)), _) if *at == band => trust.goal.clone(),
            (Some(Route::ByMeet(trust) | Route::MeetOnly(trust)), Band::Narrow) => {
                let Some(meet) = trust.meet.clone() else {
                    return;
                };
                meet
            }
            _ => return,
        };
        self.push_trust(document, band);
    }

    fn trust_after_turns(&mut self) {
        if let Some(Route::ByMeet(trust)) = &self.route {
            let goal = trust.goal.clone();
            self.push_trust(goal, Band::Widen);
        }
    }

    /// In the turning band each change is made only after the one before it: a failed one must not be
    /// passed by one that counts on it.
    fn changes<'c>(&mut self, changes: impl Iterator<Item = &'c Change>, band: Band) {
        for change in changes {
            let mut last = None;
            for step in &change.steps {
                last = Some(self.builder.push(
                    step.clone(),
                    band,
                    &change.because,
                    change.shift.loosens(),
                ));
                if band == Band::Turn {
                    for earlier in self.last_turn.into_iter().chain(self.guard_step) {
                        self.builder.depend(earlier);
                    }
                }
            }
            if band == Band::Turn {
                self.last_turn = last.or(self.last_turn);
            }
        }
    }

    fn prepare<'c>(&mut self, changes: impl Iterator<Item = &'c Change>, band: Band) {
        for change in changes {
            for step in &change.prepare {
                self.builder
                    .push(step.clone(), band, &change.because, false);
            }
        }
    }

    fn settings(&mut self, settings: &[(Step, Band, Vec<DriftKind>)], band: Band) {
        for (step, _, because) in settings.iter().filter(|(_, at, _)| *at == band) {
            self.builder.push(step.clone(), band, because, false);
        }
    }

    fn raise_guard(&mut self, guard: Option<&Guard>, band: Band) {
        let Some((guard, policy)) = guard.zip(guard_name()) else {
            return;
        };
        let document = guard.document().clone();
        let step = Step::PutRolePolicy {
            role: self.role.clone(),
            policy,
            document,
        };
        self.guard_step = Some(self.builder.push(step, band, &[], false));
    }

    fn lower_guard(&mut self, guard: Option<&Guard>) {
        let Some((_, policy)) = guard.zip(guard_name()) else {
            return;
        };
        let step = Step::DeleteRolePolicy {
            role: self.role.clone(),
            policy,
        };
        self.builder.push(step, Band::Widen, &[], true);
    }
}

fn guard_name() -> Option<PolicyName> {
    GUARD_POLICY_NAME.parse().ok()
}
