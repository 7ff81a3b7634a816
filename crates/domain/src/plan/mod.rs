//! The steps that would end the drift of one account.

mod precondition;
mod step;

use std::fmt;

use sha2::{Digest, Sha256};

use crate::account::AccountId;
use crate::call::Operation;
use crate::drift::DriftKind;
use crate::role::RoleName;

pub use precondition::Precondition;
pub use step::Step;

/// The order of risk. After a failure no step of a later band is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Band {
    /// Takes power away, or only makes room for that.
    Narrow,
    /// Gives and takes no power, or exchanges what cannot be split.
    Turn,
    /// Gives power.
    Widen,
}

/// A step with what it rests on and what it is for.
#[derive(Clone, Debug)]
pub struct PlannedStep {
    /// The call.
    pub step: Step,
    /// Its place in the order of risk.
    pub band: Band,
    /// What must hold just before it.
    pub preconditions: Vec<Precondition>,
    /// The drift it ends.
    pub because: Vec<DriftKind>,
    /// What stood there before, for the journal and a rollback: the document or value the step replaces.
    pub before: Option<String>,
}

/// A step that will not be taken, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// The call that would have been made.
    pub operation: Operation,
    /// What it would have changed.
    pub resource: String,
    /// Why it is not.
    pub reason: String,
}

/// The ordered steps for one role in one account.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The account.
    pub account: AccountId,
    /// The managed role.
    pub role: RoleName,
    /// The steps, in the only order in which they may be taken.
    pub steps: Vec<PlannedStep>,
    /// What is withheld.
    pub withheld: Vec<Withheld>,
    /// Where the plan gives someone more than they have now (the spec was widened): sentences for `plan` and for approval.
    pub widens: Vec<String>,
    /// What becomes ours although it came from another hand, as the journal names it (`role/NAME`,
    /// `policy/NAME`). To be recorded before the first step; recording it writes nothing to AWS.
    pub adopts: Vec<String>,
    /// What is somebody else's and would have to be changed, as the journal names it; its steps are withheld.
    pub foreign: Vec<String>,
}

impl Plan {
    /// A plan that does nothing.
    pub const fn empty(account: AccountId, role: RoleName) -> Self {
        Self {
            account,
            role,
            steps: Vec::new(),
            withheld: Vec::new(),
            widens: Vec::new(),
            adopts: Vec::new(),
            foreign: Vec::new(),
        }
    }

    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The plan without the steps that `withhold` gives a reason for; what was said about the order of
    /// steps stays true of those that remain.
    #[must_use]
    pub fn without(mut self, withhold: impl Fn(&PlannedStep) -> Option<Withheld>) -> Self {
        let mut places: Vec<Option<usize>> = Vec::with_capacity(self.steps.len());
        let mut kept = Vec::with_capacity(self.steps.len());
        for step in self.steps {
            if let Some(withheld) = withhold(&step) {
                self.withheld.push(withheld);
                places.push(None);
            } else {
                places.push(Some(kept.len()));
                kept.push(step);
            }
        }
        for step in &mut kept {
            step.preconditions
                .retain_mut(|precondition| match precondition {
                    Precondition::AfterStep { index } => {
                        match places.get(*index).copied().flatten() {
                            Some(place) => {
                                *index = place;
                                true
                            }
                            None => false,
                        }
                    }
                    _ => true,
                });
        }
        self.steps = kept;
        self
    }

    /// A digest of what the plan does and what it rests on: 64 hexadecimal digits. Two plans of one
    /// digest make the same calls under the same conditions, whatever their explanations say.
    pub fn digest(&self) -> String {
        use fmt::Write as _;
        let mut hash = Sha256::new();
        hash.update(format!("{} {}\n", self.account, self.role));
        for step in &self.steps {
            hash.update(format!("{}\n", step.step.operation().action()));
            for (name, value) in step.step.parameters() {
                hash.update(format!("  {name} {}:{value}\n", value.len()));
            }
            for precondition in &step.preconditions {
                hash.update(format!("  if {precondition}\n"));
            }
        }
        let mut digest = String::with_capacity(64);
        for byte in hash.finalize() {
            // Writing to a String cannot fail.
            _ = write!(digest, "{byte:02x}");
        }
        digest
    }
}
