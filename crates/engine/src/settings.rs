//! What a sweep goes by. A snapshot: a sweep keeps the settings it began with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::arn::Partition;
use rolekeeper_domain::census::CensusLimits;
use rolekeeper_domain::fault::Fault;
use rolekeeper_domain::role::RoleSpec;
use rolekeeper_domain::selector::{ManagementPolicy, Selector};
use rolekeeper_domain::spec::Rotation;

use crate::rollout::Rollout;
use crate::schedule::Schedule;

/// What placeholders in documents stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The account.
    pub account: AccountId,
    /// The partition.
    pub partition: Partition,
    /// The organization's id.
    pub organization_id: &'a str,
    /// The account rolekeeper works from.
    pub hub_account: AccountId,
}

/// What is wanted in an account.
///
/// Implemented by whoever holds the templates; called once an account, so it
/// should not parse a document twice.
pub trait Roles: Send + Sync + 'static {
    /// The specifications for one account, placeholders filled in.
    ///
    /// # Errors
    ///
    /// [`rolekeeper_domain::fault::Category::InvalidSpec`] when they cannot be filled in there.
    fn wanted(&self, place: &Place<'_>) -> Result<Arc<[RoleSpec]>, Fault>;

    /// The external ids on their way in one account.
    ///
    /// # Errors
    ///
    /// As [`Roles::wanted`].
    fn rotations(&self, _: &Place<'_>) -> Result<Arc<[Rotation]>, Fault> {
        Ok(Arc::from([]))
    }

    /// The same as [`Roles::wanted`], but an external id on its way out is accepted beside the next.
    ///
    /// # Errors
    ///
    /// As [`Roles::wanted`].
    fn wanted_meanwhile(&self, place: &Place<'_>) -> Result<Arc<[RoleSpec]>, Fault> {
        self.wanted(place)
    }
}

/// Says why changes are frozen at a moment, if they are.
pub type Freeze = Arc<dyn Fn(Timestamp) -> Option<String> + Send + Sync>;

/// Says what would help against a failure, if that is known.
pub type Remedy = Arc<dyn Fn(&Fault) -> Option<String> + Send + Sync>;

/// Everything the engine is told.
#[derive(Clone)]
pub struct EngineSettings {
    /// Names of admin roles (with path, where they have one), tried in this order.
    pub admin_roles: Vec<String>,
    /// What is done about the management account.
    pub management: ManagementPolicy,
    /// Which accounts are meant.
    pub selector: Selector,
    /// What is wanted in them.
    pub roles: Arc<dyn Roles>,
    /// When a listing of the organization is trusted.
    pub census: CensusLimits,
    /// How changes are rolled out.
    pub rollout: Rollout,
    /// When the daemon sweeps by itself.
    pub schedule: Schedule,
    /// When nothing may be changed.
    pub freeze: Option<Freeze>,
    /// What would help against a failure; it goes with the failure wherever that is told.
    pub remedy: Option<Remedy>,
    /// How often the same thing is repaired in a row before it is left alone; 0: always again.
    pub flap_limit: u32,
    /// Whether a plan that gives somebody more than they have needs approval.
    pub approve_widening: bool,
    /// Bounds.
    pub limits: Limits,
    /// This process's name among replicas: host name and process id, say.
    pub holder: String,
    /// Begins every session name; the sweep's id follows.
    pub session_label: String,
}

impl EngineSettings {
    /// Why changes are frozen at a moment, if they are.
    pub(crate) fn frozen(&self, at: Timestamp) -> Option<String> {
        self.freeze.as_ref().and_then(|freeze| freeze(at))
    }
}

impl fmt::Debug for EngineSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineSettings")
            .field("admin_roles", &self.admin_roles)
            .field("rollout", &self.rollout)
            .field("limits", &self.limits)
            .field("holder", &self.holder)
            .finish_non_exhaustive()
    }
}

/// Every bound of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Accounts in flight.
    pub concurrency: usize,
    /// The part of AWS's published quotas that may be used, 0 to 1. Read once, when the engine starts.
    pub quota_share: f64,
    /// The longest one look at an account may take, waits for limits and retries
    /// included. Then the account has failed (`timeout`) and the others have lost nothing.
    pub look_deadline: Duration,
    /// The longest the repair of one account may take, verification included; then no
    /// further step of it is begun.
    pub repair_deadline: Duration,
    /// How long a change is given to read back right.
    pub settle_for: Duration,
    /// How long steps under way are given to end once the sweep is cancelled.
    pub grace: Duration,
    /// How long a repair waits for approval.
    pub approval_wait: Duration,
    /// Sessions kept alive for the next sweep; about 1.5 KB each.
    pub sessions: usize,
    /// How often the store is asked about halts and cancellations.
    pub poll: Duration,
    /// How long the lease lasts without being renewed.
    pub lease: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrency: 64,
            quota_share: 0.8,
            // A handful of calls, each with retries over about a minute.
            look_deadline: Duration::from_secs(300),
            repair_deadline: Duration::from_secs(900),
            // Terraform waits as long; 10 to 30 s after a creation are reported.
            settle_for: Duration::from_secs(120),
            // Kubernetes and systemd kill after 30 s or more.
            grace: Duration::from_secs(20),
            approval_wait: Duration::from_secs(3_600),
            sessions: 10_000,
            poll: Duration::from_secs(2),
            // Renewed every 5 s; another replica takes over within 20.
            lease: Duration::from_secs(15),
        }
    }
}
