//! How one account differs from the specification.

use std::fmt;

use crate::fault::Fault;
use crate::role::RoleName;

/// How bad a difference is. Ordered: the worst is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Description, tags, session length.
    Low,
    /// Differs, power unchanged or narrower.
    Medium,
    /// The vendor cannot work.
    High,
    /// Someone can do more than agreed.
    Critical,
}

impl Severity {
    /// Every severity, the worst first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Medium, Self::Low];

    /// The name used in JSON, metrics and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The severity of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|severity| severity.as_str() == name)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

macro_rules! drift_kinds {
    ($($(#[$meta:meta])* $variant:ident = $name:literal),+ $(,)?) => {
        /// What differs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum DriftKind { $($(#[$meta])* $variant),+ }

        impl DriftKind {
            /// Every kind, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name used in JSON, metrics and the store.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The kind of that name.
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
            }
        }
    };
}

drift_kinds! {
    /// The role is not there.
    RoleMissing = "role_missing",
    /// The role sits under another path.
    RolePath = "role_path",
    /// Another description.
    RoleDescription = "role_description",
    /// Another session length.
    RoleMaxSessionDuration = "role_max_session_duration",
    /// Another permissions boundary, or none.
    RolePermissionsBoundary = "role_permissions_boundary",
    /// A tag is missing or has another value.
    RoleTags = "role_tags",
    /// Somebody else may assume the role, or the vendor may not.
    TrustPolicy = "trust_policy",
    /// A managed policy of the spec is not there.
    PolicyMissing = "policy_missing",
    /// A managed policy of the spec says something else.
    PolicyDocument = "policy_document",
    /// A tag of a managed policy is missing or has another value.
    PolicyTags = "policy_tags",
    /// A policy of the spec is not attached.
    AttachmentMissing = "attachment_missing",
    /// A policy is attached that the spec does not name.
    AttachmentUnexpected = "attachment_unexpected",
    /// An inline policy is there that the spec does not name.
    InlineUnexpected = "inline_unexpected",
    /// An inline policy of the spec is missing or says something else.
    InlineDocument = "inline_document",
    /// All five versions of a policy are taken.
    PolicyVersionsFull = "policy_versions_full",
    /// The role is there and should not be.
    RoleUnexpected = "role_unexpected",
    /// A temporary IAM user was left behind.
    LegacyUser = "legacy_user",
}

impl fmt::Display for DriftKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One difference between the specification and what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The managed role it belongs to.
    pub role: RoleName,
    /// What differs.
    pub kind: DriftKind,
    /// The policy, tag or other part it is about, where the role has several.
    pub subject: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// Who gained or lost what, in words.
    pub explanation: String,
    /// What stands there.
    pub before: Option<String>,
    /// What should stand there.
    pub after: Option<String>,
}

impl Drift {
    /// Whether it is about the same thing: same role, kind and subject.
    pub fn is_like(&self, other: &Self) -> bool {
        self.role == other.role && self.kind == other.kind && self.subject == other.subject
    }
}

/// Something that could not be read, so nothing is concluded about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blind {
    /// What could not be read, such as `trust policy`.
    pub facet: &'static str,
    /// Why.
    pub fault: Fault,
}

/// Everything that differs in one account for one role, and what was unread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// The differences, the worst first.
    pub drifts: Vec<Drift>,
    /// What could not be read. While this is not empty nothing is repaired.
    pub blind: Vec<Blind>,
    /// What was seen and is tolerated by configuration, in words.
    pub tolerated: Vec<String>,
}

impl Diff {
    /// Whether everything was read and nothing differs.
    pub const fn is_in_sync(&self) -> bool {
        self.drifts.is_empty() && self.blind.is_empty()
    }
}
