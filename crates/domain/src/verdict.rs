//! May a plan be carried out? A [`Permit`] if so, [`Refusal`]s if not.

use std::fmt;

use crate::outcome::SkipReason;
use crate::plan::Plan;

/// Leave to carry out one plan.
///
/// Only [`crate::judge::judge`] makes one; it cannot be copied, and applying consumes it.
/// A dry run is the absence of a permit, not a flag.
///
/// ```compile_fail
/// fn forge(plan: rolekeeper_domain::plan::Plan) -> rolekeeper_domain::verdict::Permit {
///     rolekeeper_domain::verdict::Permit { plan }
/// }
/// ```
///
/// ```compile_fail
/// fn copy(permit: &rolekeeper_domain::verdict::Permit) -> rolekeeper_domain::verdict::Permit {
///     permit.clone()
/// }
/// ```
#[derive(Debug)]
pub struct Permit {
    plan: Plan,
}

impl Permit {
    pub(crate) const fn grant(plan: Plan) -> Self {
        Self { plan }
    }

    /// The plan it was given for.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }
}

/// Why a plan may not be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The role or policy is somebody else's.
    NotOurs {
        /// Which.
        resource: String,
    },
    /// It would take away rolekeeper's own way in.
    LocksUsOut,
    /// It gives somebody more than before, and nobody approved that.
    Widens {
        /// Who gains what.
        gained: Vec<String>,
    },
    /// Nobody has agreed yet to what is specified.
    NeverAgreed,
    /// Something could not be read.
    Blind {
        /// What.
        facet: &'static str,
    },
    /// The account is not in a state to be changed.
    Ineligible(SkipReason),
    /// What the plan rests on changed since it was made.
    Stale {
        /// What changed.
        what: String,
    },
    /// More accounts would change than may without approval, or too many changes failed.
    TooManyChanges {
        /// How many.
        changes: u64,
        /// How many may.
        allowed: u64,
    },
    /// Writes are halted.
    Halted {
        /// Why.
        why: String,
    },
    /// The same thing has been repaired too often: someone else keeps putting it back.
    Flapping {
        /// What.
        what: String,
        /// How often it was repaired in a row.
        repairs: u32,
    },
    /// The configuration forbids changes at this time.
    Frozen {
        /// Until when or why, in words.
        why: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOurs { resource } => {
                write!(
                    f,
                    "{resource} was not made by rolekeeper and `adopt` does not allow to change it"
                )
            }
            Self::LocksUsOut => f.write_str("it would take away rolekeeper's own way in"),
            Self::NeverAgreed => f.write_str("nobody has agreed to this specification yet"),
            Self::Widens { gained } => {
                write!(
                    f,
                    "it gives more than before and is not approved: {}",
                    gained.join("; ")
                )
            }
            Self::Blind { facet } => write!(f, "{facet} could not be read"),
            Self::Ineligible(reason) => write!(f, "the account is {reason}"),
            Self::Stale { what } => write!(f, "changed since the plan was made: {what}"),
            Self::TooManyChanges { changes, allowed } => {
                write!(
                    f,
                    "{changes} accounts would change and {allowed} may without approval"
                )
            }
            Self::Halted { why } => write!(f, "writes are halted: {why}"),
            Self::Flapping { what, repairs } => {
                write!(
                    f,
                    "{what} was repaired {repairs} times in a row and came back: someone else keeps changing it"
                )
            }
            Self::Frozen { why } => write!(f, "changes are frozen: {why}"),
        }
    }
}

/// What becomes of a plan.
#[derive(Debug)]
pub enum Verdict {
    /// Nothing differs.
    InSync,
    /// The mode is audit: it is only reported.
    ReportOnly(Plan),
    /// It may not be carried out.
    Refuse(Plan, Vec<Refusal>),
    /// It may.
    Apply(Permit),
}
