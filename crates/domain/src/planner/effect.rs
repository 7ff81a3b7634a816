//! What a change of one policy does to the power of a role that has several.
//!
//! What a role may do is the union of all that is allowed, less the union of all that is
//! denied, within the boundary. A policy moves both unions, so its allowing
//! and its denying half are compared apart: a Deny that has nothing to deny in its own document may
//! be what holds another one back.

use crate::account::AccountId;
use crate::diff::drifted;
use crate::plan::Band;
use crate::policy::{Document, Effect, Verdict};
use crate::role::RoleSpec;

use super::guard;

/// How one set changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Delta {
    pub(super) grows: bool,
    pub(super) shrinks: bool,
}

impl Delta {
    pub(super) const NONE: Self = Self {
        grows: false,
        shrinks: false,
    };
    pub(super) const GROWS: Self = Self {
        grows: true,
        shrinks: false,
    };
    pub(super) const SHRINKS: Self = Self {
        grows: false,
        shrinks: true,
    };
    pub(super) const UNKNOWN: Self = Self {
        grows: true,
        shrinks: true,
    };

    const fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Equivalent => Self::NONE,
            Verdict::Narrower => Self::SHRINKS,
            Verdict::Wider => Self::GROWS,
            Verdict::Different | Verdict::Unproven => Self::UNKNOWN,
        }
    }
}

/// What a change does to what is allowed, what is denied, and the boundary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shift {
    pub(super) allowed: Delta,
    pub(super) denied: Delta,
    pub(super) boundary: Delta,
}

impl Shift {
    /// Nothing is known about it.
    pub(super) const UNKNOWN: Self = Self {
        allowed: Delta::UNKNOWN,
        denied: Delta::UNKNOWN,
        boundary: Delta::NONE,
    };

    pub(super) const fn tightens(self) -> bool {
        self.allowed.shrinks || self.denied.grows || self.boundary.shrinks
    }

    pub(super) const fn loosens(self) -> bool {
        self.allowed.grows || self.denied.shrinks || self.boundary.grows
    }

    /// Whether it lets through what something held back until now, whoever allows it.
    pub(super) const fn releases(self) -> bool {
        self.denied.shrinks || self.boundary.grows
    }

    pub(super) const fn band(self) -> Band {
        match (self.tightens(), self.loosens()) {
            (true, false) => Band::Narrow,
            (false, true) => Band::Widen,
            (true, true) | (false, false) => Band::Turn,
        }
    }

    /// Whether it exchanges what cannot be split.
    pub(super) const fn is_turn(self) -> bool {
        self.tightens() && self.loosens()
    }
}

/// What stands in one place of a role: an attached or inline policy, or nothing.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Nothing,
    Known(Document),
    /// Something whose document was not read or cannot be.
    Unknown,
}

impl Content {
    pub(super) const fn document(&self) -> Option<&Document> {
        match self {
            Self::Known(document) => Some(document),
            Self::Nothing | Self::Unknown => None,
        }
    }
}

/// What it does to a role when `before` becomes `after`.
///
/// `alone`: no other policy is in play, before or by the specification. Then only what the document
/// means as a whole matters.
pub(super) fn shift(
    before: &Content,
    after: &Content,
    alone: bool,
    spec: &RoleSpec,
    account: AccountId,
) -> Shift {
    let (before, after) = match (before, after) {
        (Content::Unknown, Content::Nothing) => {
            return Shift {
                allowed: Delta::SHRINKS,
                denied: if alone { Delta::NONE } else { Delta::SHRINKS },
                ..Shift::default()
            };
        }
        (Content::Nothing, Content::Unknown) => {
            return Shift {
                allowed: Delta::GROWS,
                denied: if alone { Delta::NONE } else { Delta::GROWS },
                ..Shift::default()
            };
        }
        (Content::Unknown, _) | (_, Content::Unknown) => return Shift::UNKNOWN,
        (before, after) => (before.document(), after.document()),
    };
    if let (Some(before), Some(after)) = (before, after)
        && alone
    {
        return Shift {
            allowed: Delta::of(drifted(before, after, spec, account).verdict),
            ..Shift::default()
        };
    }
    let half = |effect| -> Delta {
        let before = before.map(|document| guard::half(document, effect));
        let after = after.map(|document| guard::half(document, effect));
        match (before, after) {
            (Some(Err(())), _) | (_, Some(Err(()))) => Delta::UNKNOWN,
            (before, after) => between(
                before.and_then(Result::ok).flatten().as_ref(),
                after.and_then(Result::ok).flatten().as_ref(),
                spec,
                account,
            ),
        }
    };
    let denied = if alone {
        Delta::NONE
    } else {
        half(Effect::Deny)
    };
    Shift {
        allowed: half(Effect::Allow),
        denied,
        boundary: Delta::NONE,
    }
}

fn between(
    before: Option<&Document>,
    after: Option<&Document>,
    spec: &RoleSpec,
    account: AccountId,
) -> Delta {
    match (before, after) {
        (None, None) => Delta::NONE,
        (None, Some(_)) => Delta::GROWS,
        (Some(_), None) => Delta::SHRINKS,
        (Some(before), Some(after)) => Delta::of(drifted(before, after, spec, account).verdict),
    }
}
