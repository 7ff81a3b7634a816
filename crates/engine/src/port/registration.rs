//! What the vendor was told about each account, kept where it outlives the process.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::SweepId;
use rolekeeper_domain::registration::{Registration, State};
use rolekeeper_domain::role::RoleName;

use super::store::StoreFuture;

/// Registrations that are not lost, and not made twice, by a restart.
pub trait Registrations: Send + Sync + 'static {
    /// One account's registrations, by role.
    fn registrations_of(&self, account: AccountId) -> impl StoreFuture<Vec<Registration>>;
    /// Registrations for one role by account id, after `after`.
    fn registrations(
        &self,
        role: &RoleName,
        after: Option<AccountId>,
        limit: u32,
    ) -> impl StoreFuture<Vec<Registration>>;
    /// Registrations of one role with a call that is due by `now`, the longest waiting first.
    fn registrations_due(
        &self,
        role: &RoleName,
        now: Timestamp,
        limit: u32,
    ) -> impl StoreFuture<Vec<Registration>>;
    /// Writes each record over the one of the same [`Registration::version`] and counts the version up;
    /// version 0: makes it. Answers how many were written: for the others somebody else was faster.
    fn save_registrations(&self, registrations: &[Registration]) -> impl StoreFuture<u64>;
    /// How many registrations stand where.
    fn registration_counts(&self) -> impl StoreFuture<BTreeMap<State, u64>>;
    /// Remembers under which specification a sweep looks: two processes at one store may go by two.
    fn mark_sweep(&self, sweep: &SweepId, revision: &str) -> impl StoreFuture<()>;
    /// The sweeps that looked under this specification, as far as they are kept.
    fn sweeps_under(&self, revision: &str) -> impl StoreFuture<BTreeSet<SweepId>>;
    /// A digest of the settings with which the vendor let nobody in (401, 403).
    fn refused_settings(&self) -> impl StoreFuture<Option<String>>;
    /// Remembers it.
    fn refuse_settings(&self, settings: &str) -> impl StoreFuture<()>;
}
