//! What the vendor has been told about an account, and what it has yet to be told.
//!
//! Level-triggered: [`due`] compares what a sweep saw with what the vendor was told and
//! answers the record with the call that is still to be made, if one is. [`ended`] says what an
//! answer of the vendor makes of the record. Who calls, and when, is not decided here.

use jiff::{SignedDuration, Timestamp};

use crate::account::AccountId;
use crate::drift::DriftKind;
use crate::outcome::{AccountReport, Outcome, SkipReason};
use crate::role::RoleName;

/// How long a call that was given up stays given up: a vendor that was away for longer than all
/// attempts, or that refused an account for a reason of its own, is asked again the next day.
pub const GIVEN_UP_FOR: SignedDuration = SignedDuration::from_hours(24);

/// What the vendor is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Take the account in, or take note of what changed about it.
    Register,
    /// Look at the role again, since it was put right.
    Revalidate,
    /// Forget the account.
    Withdraw,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 3] = [Self::Register, Self::Revalidate, Self::Withdraw];

    /// The name used in the store, in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Revalidate => "revalidate",
            Self::Withdraw => "withdraw",
        }
    }

    /// The action of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }
}

/// A call that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// What is asked.
    pub action: Action,
    /// The digest of what the vendor is told.
    pub digest: String,
    /// Since when it is to be made.
    pub wanted_at: Timestamp,
    /// How often it was begun: counted before the call, so that a crash is counted too.
    pub attempts: u32,
    /// When it is to be tried (again); none: given up.
    pub due_at: Option<Timestamp>,
}

/// What the vendor took note of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The digest of what it was told.
    pub digest: String,
    /// Its own id for the account.
    pub vendor_id: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// What last went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// When.
    pub at: Timestamp,
    /// In words, without anything secret.
    pub why: String,
}

/// One account's registration for one role, as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The account.
    pub account: AccountId,
    /// The role.
    pub role: RoleName,
    /// The account's name as it was last seen by who registers it. Text from AWS, not to be trusted.
    pub name: String,
    /// Grows with each writing; 0 before the first.
    pub version: i64,
    /// What the vendor took note of; none: nothing, or it was withdrawn.
    pub told: Option<Told>,
    /// When the vendor last looked at the role again.
    pub validated_at: Option<Timestamp>,
    /// When the registration was last withdrawn.
    pub withdrawn_at: Option<Timestamp>,
    /// What is still to be done.
    pub task: Option<Task>,
    /// What last went wrong; none once something went right.
    pub trouble: Option<Trouble>,
}

/// Where a registration stands, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The vendor was told everything.
    Registered,
    /// A call waits to be made.
    Waiting,
    /// A call was given up for now.
    GivenUp,
    /// The vendor was told to forget the account, or was never told about it.
    Unregistered,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 4] = [
        Self::Registered,
        Self::Waiting,
        Self::GivenUp,
        Self::Unregistered,
    ];

    /// The name used in the API and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Waiting => "waiting",
            Self::GivenUp => "given_up",
            Self::Unregistered => "not_registered",
        }
    }
}

impl Registration {
    /// A record in which nothing has happened yet.
    pub const fn new(account: AccountId, role: RoleName) -> Self {
        Self {
            account,
            role,
            name: String::new(),
            version: 0,
            told: None,
            validated_at: None,
            withdrawn_at: None,
            task: None,
            trouble: None,
        }
    }

    /// Where it stands.
    pub const fn state(&self) -> State {
        match (&self.task, &self.told) {
            (Some(Task { due_at: None, .. }), _) => State::GivenUp,
            (Some(_), _) => State::Waiting,
            (None, Some(_)) => State::Registered,
            (None, None) => State::Unregistered,
        }
    }

    /// The vendor's id for the account, as far as it is known.
    pub fn vendor_id(&self) -> Option<&str> {
        self.told.as_ref()?.vendor_id.as_deref()
    }

    /// Whether the vendor was told something later than this moment: what was seen then is old news.
    pub fn is_newer_than(&self, seen_at: Timestamp) -> bool {
        let told = self.told.as_ref().map(|told| told.at);
        told.max(self.withdrawn_at).is_some_and(|at| at >= seen_at)
    }

    /// Whether a call was begun whose effect nobody knows.
    fn in_doubt(&self) -> bool {
        self.task
            .as_ref()
            .is_some_and(|task| task.action != Action::Revalidate && task.attempts > 0)
    }
}

/// Why a registration is no longer wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leaving {
    /// The role is not to be there (`ensure = "absent"`), and it is not.
    Absent,
    /// The account is closed.
    Closed,
    /// The account is no longer in the organization.
    Left,
    /// The account is in the organization and no longer selected. Its role stays as it is.
    Deselected,
}

impl Leaving {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Absent, Self::Closed, Self::Left, Self::Deselected];

    /// The name used in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Closed => "closed",
            Self::Left => "left",
            Self::Deselected => "deselected",
        }
    }

    /// The reason of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.as_str() == name)
    }
}

/// What a report says to somebody who registers accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// The role is right.
    Right {
        /// When it was put right, if that is what the sweep did and the vendor works with
        /// what was changed.
        repaired_at: Option<Timestamp>,
    },
    /// The account leaves.
    Leaving(Leaving),
}

/// Reads a report. None: it says nothing about the registration. An account that could not be
/// read, that drifted or was not reached is neither right nor gone.
pub fn sight(report: &AccountReport, role: &RoleName, absent: bool) -> Option<Sight> {
    match report.outcome {
        Outcome::InSync | Outcome::Repaired if absent => Some(Sight::Leaving(Leaving::Absent)),
        Outcome::InSync => Some(Sight::Right { repaired_at: None }),
        Outcome::Repaired => {
            let relied_upon = report
                .drifts
                .iter()
                .any(|drift| drift.role == *role && vendor_relies_on(drift.kind));
            let repaired_at = relied_upon.then_some(report.observed_at);
            Some(Sight::Right { repaired_at })
        }
        Outcome::Skipped => {
            let reason = report.reason.as_deref().and_then(SkipReason::parse)?;
            leaving(reason).map(Sight::Leaving)
        }
        Outcome::Drifted | Outcome::Failed | Outcome::Pending => None,
    }
}

const fn leaving(reason: SkipReason) -> Option<Leaving> {
    match reason {
        SkipReason::Closed => Some(Leaving::Closed),
        SkipReason::NotSelected | SkipReason::Excluded => Some(Leaving::Deselected),
        // These come back, or have yet to come.
        SkipReason::Suspended
        | SkipReason::PendingClosure
        | SkipReason::PendingActivation
        | SkipReason::ManagementAccount => None,
    }
}

/// Whether the vendor's access changes with it: who may come in, and what they may do.
const fn vendor_relies_on(kind: DriftKind) -> bool {
    match kind {
        DriftKind::RoleMissing
        | DriftKind::RolePath
        | DriftKind::RolePermissionsBoundary
        | DriftKind::TrustPolicy
        | DriftKind::PolicyMissing
        | DriftKind::PolicyDocument
        | DriftKind::AttachmentMissing
        | DriftKind::AttachmentUnexpected
        | DriftKind::InlineUnexpected
        | DriftKind::InlineDocument => true,
        DriftKind::RoleDescription
        | DriftKind::RoleMaxSessionDuration
        | DriftKind::RoleTags
        | DriftKind::PolicyTags
        | DriftKind::PolicyVersionsFull
        | DriftKind::RoleUnexpected
        | DriftKind::LegacyUser => false,
    }
}

/// What is wanted of the vendor for one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// It knows the account, as of this digest.
    Registered {
        /// The digest of what it would be told.
        digest: &'a str,
        /// The account's name.
        name: &'a str,
        /// When the role was put right in a way that concerns the vendor.
        repaired_at: Option<Timestamp>,
        /// Whether the vendor can be asked to look again.
        revalidates: bool,
    },
    /// It is not told about the account any more.
    Forgotten {
        /// Whether it is told to forget it.
        withdraws: bool,
    },
}

/// The record that should stand in the store now; none when the one that stands there is right.
pub fn due(known: &Registration, wanted: Wanted<'_>, now: Timestamp) -> Option<Registration> {
    let mut after = known.clone();
    match wanted {
        Wanted::Registered {
            digest,
            name,
            repaired_at,
            revalidates,
        } => {
            let repaired_at = repaired_at.filter(|_| revalidates);
            after.task = task_to_register(known, digest, repaired_at, now);
            after.name = name.to_owned();
        }
        Wanted::Forgotten { withdraws } => {
            after.task = task_to_forget(known, withdraws, now);
            if known.told.is_none() && known.in_doubt() && after.task.is_none() {
                after.trouble = Some(Trouble {
                    at: now,
                    why: "the account left before the vendor answered: it may hold a registration"
                        .to_owned(),
                });
            }
        }
    }
    (after.task != known.task).then_some(after)
}

fn task_to_register(
    known: &Registration,
    digest: &str,
    repaired_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<Task> {
    let told = known
        .told
        .as_ref()
        .filter(|told| told.digest == digest && !known.in_doubt());
    let Some(told) = told else {
        return Some(wait_for(known, Action::Register, digest, now));
    };
    let waiting = known
        .task
        .as_ref()
        .filter(|task| task.action == Action::Revalidate && task.digest == digest);
    let last_look = known.validated_at.max(Some(told.at));
    let repaired = repaired_at.filter(|at| Some(*at) > last_look);
    match (waiting, repaired) {
        (None, None) => None,
        // A repair after the look that waits asks for a look of its own.
        (Some(task), Some(at)) if task.wanted_at < at => {
            Some(new_task(Action::Revalidate, digest, at, now))
        }
        (None, Some(at)) => Some(new_task(Action::Revalidate, digest, at, now)),
        (Some(_), _) => Some(wait_for(known, Action::Revalidate, digest, now)),
    }
}

fn task_to_forget(known: &Registration, withdraws: bool, now: Timestamp) -> Option<Task> {
    let told = known.told.as_ref().filter(|_| withdraws)?;
    Some(wait_for(known, Action::Withdraw, &told.digest, now))
}

/// The task that waits already, or a new one where there is none or it was given up long ago.
fn wait_for(known: &Registration, action: Action, digest: &str, now: Timestamp) -> Task {
    let waiting = known
        .task
        .as_ref()
        .filter(|task| task.action == action && task.digest == digest);
    let rested = known
        .trouble
        .as_ref()
        .is_none_or(|trouble| now.duration_since(trouble.at) >= GIVEN_UP_FOR);
    match waiting {
        Some(task) if task.due_at.is_none() && rested => Task {
            attempts: 0,
            due_at: Some(now),
            ..task.clone()
        },
        Some(task) => task.clone(),
        None => new_task(action, digest, now, now),
    }
}

fn new_task(action: Action, digest: &str, wanted_at: Timestamp, now: Timestamp) -> Task {
    Task {
        action,
        digest: digest.to_owned(),
        wanted_at,
        attempts: 0,
        due_at: Some(now),
    }
}

/// The record as it is written before a call: whoever reads it meanwhile waits until `until`.
/// None when nothing is due.
pub fn begun(known: &Registration, now: Timestamp, until: Timestamp) -> Option<Registration> {
    let task = known.task.clone()?;
    task.due_at.filter(|due| *due <= now)?;
    Some(Registration {
        task: Some(Task {
            attempts: task.attempts.saturating_add(1),
            due_at: Some(until),
            ..task
        }),
        ..known.clone()
    })
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The vendor did it, or had done it already.
    Done {
        /// Its id for the account, where it gave one.
        vendor_id: Option<String>,
        /// Whether it is now to look at the role.
        then_revalidate: bool,
    },
    /// It did not.
    Failed {
        /// Why, without anything secret.
        why: String,
        /// When it is tried again; none: given up.
        again_at: Option<Timestamp>,
    },
    /// It was not made: what would be told is no longer what it is about. The next sweep decides.
    Outdated,
}

/// The record after a call.
pub fn ended(known: &Registration, ending: Ending, now: Timestamp) -> Registration {
    let mut after = known.clone();
    let Some(task) = after.task.take() else {
        return after;
    };
    match ending {
        Ending::Outdated => {}
        Ending::Failed { why, again_at } => {
            after.trouble = Some(Trouble { at: now, why });
            after.task = Some(Task {
                due_at: again_at,
                ..task
            });
        }
        Ending::Done {
            vendor_id,
            then_revalidate,
        } => {
            after.trouble = None;
            match task.action {
                Action::Register => {
                    let vendor_id = vendor_id.or_else(|| known.vendor_id().map(str::to_owned));
                    after.task = then_revalidate
                        .then(|| new_task(Action::Revalidate, &task.digest, now, now));
                    after.told = Some(Told {
                        digest: task.digest,
                        vendor_id,
                        at: now,
                    });
                }
                Action::Revalidate => after.validated_at = Some(now),
                Action::Withdraw => {
                    after.told = None;
                    after.validated_at = None;
                    after.withdrawn_at = Some(now);
                }
            }
        }
    }
    after
}

#[cfg(test)]
mod tests;
