//! How one account was seen.

use std::collections::{BTreeMap, BTreeSet};

use crate::account::AccountId;
use crate::arn::Arn;
use crate::fault::Fault;
use crate::policy::Document;
use crate::role::PolicyName;

/// One thing looked for: seen, not there, or not readable.
///
/// "Not there" and "could not look" are never one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting<T> {
    /// It is there.
    Seen(T),
    /// It is not there.
    Absent,
    /// It could not be read.
    Unread(Fault),
}

impl<T> Sighting<T> {
    /// What was seen, if anything was.
    pub const fn seen(&self) -> Option<&T> {
        match self {
            Self::Seen(value) => Some(value),
            Self::Absent | Self::Unread(_) => None,
        }
    }

    /// Why it could not be read, if it could not.
    pub const fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Unread(fault) => Some(fault),
            Self::Seen(_) | Self::Absent => None,
        }
    }
}

/// A policy document as AWS returned it, decoded once.
#[derive(Clone, Debug)]
pub enum ObservedDocument {
    /// It parses.
    Valid(Document),
    /// It does not parse as a policy of its kind: kept as text, never equal to anything.
    Malformed {
        /// What stands there.
        text: String,
        /// What is wrong with it.
        why: String,
    },
}

impl ObservedDocument {
    /// The text that stands in AWS.
    pub fn text(&self) -> &str {
        match self {
            Self::Valid(document) => document.text(),
            Self::Malformed { text, .. } => text,
        }
    }

    /// The parsed document, where it parses.
    pub const fn document(&self) -> Option<&Document> {
        match self {
            Self::Valid(document) => Some(document),
            Self::Malformed { .. } => None,
        }
    }
}

/// A role as `GetRole` shows it.
#[derive(Clone, Debug)]
pub struct ObservedRole {
    /// Its ARN.
    pub arn: Arn,
    /// Its unique id (`AROA…`): another role of the same name has another one.
    pub role_id: String,
    /// Its path.
    pub path: String,
    /// Its trust policy.
    pub trust: ObservedDocument,
    /// Its description; empty when there is none.
    pub description: String,
    /// Its longest session in seconds.
    pub max_session_duration: u32,
    /// Its permissions boundary.
    pub boundary: Option<Arn>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A version of a managed policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyVersion {
    /// `v1`, `v2`, …: never reused.
    pub id: String,
    /// Whether it is the one in force.
    pub is_default: bool,
    /// When it was made, as seconds since the epoch.
    pub created_at: i64,
}

/// A managed policy.
#[derive(Clone, Debug)]
pub struct ObservedPolicy {
    /// Its ARN.
    pub arn: Arn,
    /// Its unique id (`ANPA…`).
    pub policy_id: String,
    /// The version in force.
    pub default_version_id: String,
    /// What the version in force says.
    pub document: Sighting<ObservedDocument>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// How many principals it is attached to, over the whole account.
    pub attachment_count: u32,
    /// All versions; read only when one has to be made or removed.
    pub versions: Option<Sighting<Vec<PolicyVersion>>>,
}

/// What was read about one managed role in one account.
#[derive(Clone, Debug)]
pub struct Observation {
    /// The account.
    pub account: AccountId,
    /// The role itself.
    pub role: Sighting<ObservedRole>,
    /// ARNs of the attached policies.
    pub attachments: Sighting<BTreeSet<Arn>>,
    /// Inline policies by name.
    pub inline: Sighting<BTreeMap<PolicyName, Sighting<ObservedDocument>>>,
    /// The customer-managed policies that the spec names, by ARN.
    pub policies: BTreeMap<Arn, Sighting<ObservedPolicy>>,
    /// The documents of policies attached beside the spec, where known: they
    /// decide how bad an unexpected attachment is.
    pub foreign_documents: BTreeMap<Arn, Document>,
    /// Legacy users that exist.
    pub legacy_users: Sighting<BTreeSet<String>>,
}
