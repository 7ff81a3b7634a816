//! Drift as the store remembers it.

use jiff::Timestamp;

use crate::account::AccountId;
use crate::drift::Drift;

/// A drift with its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The account.
    pub account: AccountId,
    /// The difference, as it was last seen.
    pub drift: Drift,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
    /// When it was found gone.
    pub resolved_at: Option<Timestamp>,
    /// How often rolekeeper repaired the same thing (same role, kind and subject) without it staying away:
    /// what the flap breaker counts.
    pub repairs: u32,
}
