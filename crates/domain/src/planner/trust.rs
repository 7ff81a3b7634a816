//! How the trust policy has to move.

use super::guard;
use crate::diff::{drifted, observed_trust};
use crate::observation::{Observation, ObservedDocument, ObservedRole};
use crate::plan::Band;
use crate::policy::{Document, Verdict};
use crate::role::RoleSpec;

/// The change of the trust policy.
pub(super) struct TrustChange {
    /// Narrower, wider, or neither (or not known).
    pub(super) band: Band,
    /// What is written in the end.
    pub(super) goal: Document,
    /// What may be written on the way: certainly within both.
    pub(super) meet: Option<Document>,
    /// Who gains what.
    pub(super) gained: Vec<String>,
}

impl TrustChange {
    pub(super) fn of(spec: &RoleSpec, role: &ObservedRole, observation: &Observation) -> Self {
        let (observed, _) = observed_trust(spec, role);
        let goal = match (&role.trust, &observed) {
            (ObservedDocument::Valid(whole), ObservedDocument::Valid(kept)) => {
                guard::with_tolerated(&spec.trust, whole, kept)
            }
            _ => spec.trust.clone(),
        };
        let account = observation.account;
        let ObservedDocument::Valid(document) = &role.trust else {
            let gained = vec![
                "the trust policy is replaced by the agreed one; what stands there cannot be read"
                    .to_owned(),
            ];
            return Self {
                band: Band::Turn,
                meet: guard::meet(&goal, None, |_| false),
                goal,
                gained,
            };
        };
        let comparison = drifted(document, &goal, spec, account);
        let band = match comparison.verdict {
            Verdict::Equivalent | Verdict::Narrower => Band::Narrow,
            Verdict::Wider => Band::Widen,
            Verdict::Different | Verdict::Unproven => Band::Turn,
        };
        let within = |one: &Document| {
            let verdict = drifted(document, one, spec, account).verdict;
            matches!(verdict, Verdict::Equivalent | Verdict::Narrower)
        };
        let meet = if band == Band::Turn {
            guard::meet(&goal, Some(document), within)
        } else {
            None
        };
        let mut gained: Vec<String> = comparison.gained;
        if gained.is_empty() && comparison.verdict == Verdict::Unproven {
            gained.push("the agreed trust policy may let in more than the present one".to_owned());
        }
        Self {
            band,
            goal,
            meet,
            gained,
        }
    }
}
