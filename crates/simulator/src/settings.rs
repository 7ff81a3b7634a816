//! What kind of world it is.

use std::time::Duration;

/// The access key of the hub's user in a fresh world.
pub const HUB_ACCESS_KEY: &str = "AKIASIMULATORHUB0001";
/// Its secret. Signatures are not verified: a client only has to have one.
pub const HUB_SECRET_KEY: &str = "simulator";
/// The access key of a user of the vendor's account, outside the organization,
/// who may try whatever it likes. Its secret is the hub's.
pub const VENDOR_ACCESS_KEY: &str = "AKIASIMULATORVENDOR1";

/// Sizes, rates and the weight of each kind of trouble.
///
/// Shares are from 0 to 1 and are met exactly: a share of 0.01 of 10,000
/// accounts is 100 of them, chosen by the seed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Member accounts, beside the management account.
    pub accounts: u32,
    /// What every choice is drawn from.
    pub seed: u64,
    /// Whether each usable account already has the managed role.
    pub provisioned: bool,
    /// Share of the provisioned accounts in which something drifted.
    pub drift: f64,
    /// Share of the active accounts whose admin role is of no use.
    pub denied: f64,
    /// Share of the accounts that are not active.
    pub inactive: f64,
    /// Share of the accounts with `AWSControlTowerExecution` in place of
    /// `OrganizationAccountAccessRole`.
    pub control_tower: f64,
    /// Account names that try to break out of wherever they are printed.
    pub hostile_names: bool,
    /// Whether `Account.Status` is still answered beside `State`.
    pub status_field: bool,
    /// Whether the lists say where in the organization an account is (`Paths`).
    pub paths_field: bool,
    /// Whether a few pages of the Organizations lists are short or empty.
    pub ragged_pages: bool,
    /// Rates and bursts.
    pub limits: Limits,
    /// How long a call takes.
    pub latency: Duration,
    /// Whether one call in a hundred takes three times that, and one in a
    /// thousand ten times.
    pub tail: bool,
    /// Share of the calls that fail for no reason of the caller's.
    pub errors: f64,
    /// How long after a write some replica may still answer without it.
    pub stale: Duration,
    /// Mean time between changes that nobody asked for: an account closes,
    /// moves or appears. Zero: none.
    pub churn: Duration,
    /// The queue that events come to; none: nobody is told of anything.
    pub events: Option<Events>,
    /// Whether every change is kept with what was before and after it.
    pub history: bool,
    /// How many requests the log keeps; older ones are forgotten, not uncounted.
    pub log_capacity: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            accounts: 50,
            seed: 1,
            provisioned: false,
            drift: 0.0,
            denied: 0.0,
            inactive: 0.02,
            control_tower: 0.02,
            hostile_names: false,
            status_field: true,
            paths_field: true,
            ragged_pages: true,
            limits: Limits::default(),
            latency: Duration::ZERO,
            tail: true,
            errors: 0.0,
            stale: Duration::ZERO,
            churn: Duration::ZERO,
            events: None,
            history: false,
            log_capacity: 400_000,
        }
    }
}

/// How events arrive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Events {
    /// How long one is on its way, in the mean.
    pub delay: Duration,
    /// Share that never comes.
    pub lost: f64,
    /// Share that comes twice.
    pub twice: f64,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            delay: Duration::from_secs(2),
            lost: 0.0,
            twice: 0.05,
        }
    }
}

/// The token buckets of the world.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Whether the published buckets of Organizations and STS are enforced.
    pub published: bool,
    /// IAM calls a second for each account that `AssumeRole` is called from.
    /// The bucket holds half a second's worth. None: unlimited.
    pub iam_rate: Option<f64>,
    /// IAM calls a second in each target account. The bucket holds two
    /// seconds' worth, so that one audit of one account always fits.
    /// None: unlimited.
    pub target_rate: Option<f64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            published: true,
            iam_rate: Some(500.0),
            target_rate: Some(25.0),
        }
    }
}

impl Limits {
    /// No limits at all.
    pub const fn none() -> Self {
        Self {
            published: false,
            iam_rate: None,
            target_rate: None,
        }
    }
}
