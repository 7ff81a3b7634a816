//! What a sweep is asked to do, and how it may end badly.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::fault::Fault;
use rolekeeper_domain::outcome::{Mode, SweepId, Trigger};
use rolekeeper_domain::plan::Plan;
use rolekeeper_domain::role::RoleName;

use crate::port::store::StoreError;
use crate::retire::Retirement;

/// Plans somebody looked at, by their digests: exactly these are carried out. Where
/// an account has changed since, its plan is another one and is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedPlans {
    digests: BTreeMap<(AccountId, RoleName), String>,
    /// Whether everybody was looked at when they were made: then agreeing to them is agreeing
    /// to the specification.
    for_everybody: bool,
}

impl SavedPlans {
    /// Adds a plan by its digest, see [`Plan::digest`].
    pub fn add(&mut self, account: AccountId, role: RoleName, digest: String) {
        self.digests.insert((account, role), digest);
    }

    /// The same, made for all selected accounts or for some.
    #[must_use]
    pub fn made_for_everybody(self, for_everybody: bool) -> Self {
        Self {
            for_everybody,
            ..self
        }
    }

    /// The accounts that have a plan.
    pub fn accounts(&self) -> BTreeSet<AccountId> {
        self.digests.keys().map(|(account, _)| *account).collect()
    }

    /// What is different, if `plan` is not the one that was saved.
    pub(crate) fn objection(&self, plan: &Plan) -> Option<String> {
        match self.digests.get(&(plan.account, plan.role.clone())) {
            None => Some(format!(
                "the saved plan has no step for {} in {}",
                plan.role, plan.account
            )),
            Some(saved) if *saved == plan.digest() => None,
            Some(_) => Some(format!(
                "{} in {} is no longer as it was when the plan was saved",
                plan.role, plan.account
            )),
        }
    }
}

/// One sweep, as it is asked for.
#[derive(Clone, Debug)]
pub struct SweepOrder {
    /// Whether it may write.
    pub mode: Mode,
    /// What asked.
    pub trigger: Trigger,
    /// Who asked, in words.
    pub requested_by: String,
    /// Only these accounts; all selected ones when none.
    pub accounts: Option<BTreeSet<AccountId>>,
    /// Exactly these plans.
    pub plans: Option<SavedPlans>,
    /// Who agreed beforehand to whatever would need approval (`apply --yes`).
    pub approved_by: Option<String>,
    /// The id to use, where one was promised before (an API call's answer).
    pub id: Option<SweepId>,
    /// The request in the store that it answers.
    pub request: Option<i64>,
    /// Instead of putting the accounts right: undo what this sweep did to them. In audit
    /// mode it is only said what that would take. Goes on in spite of a halt that is in
    /// force when it begins, and leaves one in force, so that the next sweep does not do it again.
    pub undo: Option<SweepId>,
    /// Instead of putting the accounts right: retire this user where the managed roles are as
    /// specified. In audit mode it is only said what that would take.
    pub retire: Option<Retirement>,
}

impl SweepOrder {
    /// A sweep over all selected accounts.
    pub fn new(mode: Mode, trigger: Trigger, requested_by: impl Into<String>) -> Self {
        Self {
            mode,
            trigger,
            requested_by: requested_by.into(),
            accounts: None,
            plans: None,
            approved_by: None,
            id: None,
            request: None,
            undo: None,
            retire: None,
        }
    }
}

impl SweepOrder {
    /// Whether it is for all selected accounts, or carries out plans that were made for all.
    pub(crate) fn is_for_everybody(&self) -> bool {
        match &self.plans {
            Some(plans) => plans.for_everybody,
            None => self.accounts.is_none(),
        }
    }

    /// The accounts it is limited to: those named, or those with a saved plan.
    pub(crate) fn wanted_accounts(&self) -> Option<BTreeSet<AccountId>> {
        match (&self.accounts, &self.plans) {
            (Some(accounts), Some(plans)) => {
                Some(accounts.intersection(&plans.accounts()).copied().collect())
            }
            (Some(accounts), None) => Some(accounts.clone()),
            (None, Some(plans)) => Some(plans.accounts()),
            (None, None) => None,
        }
    }
}

/// A sweep that could not be carried out.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SweepError {
    /// The store failed: nothing is done that cannot be recorded.
    #[error("the sweep ended because of the store")]
    Store(#[from] StoreError),
    /// The organization could not be read, or the listing cannot be trusted.
    #[error("the organization could not be read")]
    Census(#[source] FaultError),
    /// The process's own credentials do not work.
    #[error("the hub's own credentials were not accepted")]
    Credentials(#[source] FaultError),
    /// Accounts were named that the organization does not have.
    #[error("the organization has no account {}", list(.accounts))]
    NoSuchAccount {
        /// Which.
        accounts: Vec<AccountId>,
    },
    /// A sweep was named that the store does not have.
    #[error("the store has no sweep {sweep}")]
    NoSuchSweep {
        /// Which.
        sweep: SweepId,
    },
    /// The journal does not reach back to the sweep any more.
    #[error(
        "sweep {sweep} cannot be rolled back: the journal does not reach back to it any more (store.keep_days): what was done until {until} is not kept"
    )]
    Forgotten {
        /// Which.
        sweep: SweepId,
        /// The time of the youngest record that is not kept.
        until: Timestamp,
    },
    /// The sweep retired a user: what IAM deleted there nobody can make again.
    #[error(
        "sweep {sweep} retired the user {user}, which cannot be undone: a deleted user, key or password does not come back"
    )]
    Irreversible {
        /// The sweep.
        sweep: SweepId,
        /// The user.
        user: String,
    },
    /// The configuration forbids changes at this time.
    #[error("changes are frozen: {why}")]
    Frozen {
        /// Until when or why, in words.
        why: String,
    },
    /// The journal holds a step that cannot be read back, so it cannot be undone.
    #[error("journal entry {entry} cannot be undone: {why}")]
    Unreadable {
        /// Its number.
        entry: i64,
        /// What is wrong with it.
        why: String,
    },
    /// Another process may write at the moment.
    #[error("{holder} holds the lease until {until}: one process writes at a time")]
    NotLeader {
        /// Its name.
        holder: String,
        /// Until when, unless it renews.
        until: Timestamp,
    },
    /// The process was put together without a writer.
    #[error("this process was started to audit only and has no way to write")]
    AuditOnly,
    /// Writes are halted.
    #[error("writes are halted by {by}: {why}")]
    Halted {
        /// Who.
        by: String,
        /// Why.
        why: String,
    },
}

/// A fault, as an error.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct FaultError(pub Fault);

impl SweepError {
    /// The failure as data, where AWS had a part in it.
    pub const fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Census(FaultError(fault)) | Self::Credentials(FaultError(fault)) => Some(fault),
            Self::Store(_)
            | Self::NoSuchAccount { .. }
            | Self::NoSuchSweep { .. }
            | Self::Forgotten { .. }
            | Self::Irreversible { .. }
            | Self::Frozen { .. }
            | Self::Unreadable { .. }
            | Self::NotLeader { .. }
            | Self::AuditOnly
            | Self::Halted { .. } => None,
        }
    }
}

/// An error with its sources, in one line.
pub(crate) fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn list(accounts: &[AccountId]) -> String {
    accounts
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
