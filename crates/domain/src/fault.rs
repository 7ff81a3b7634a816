//! What went wrong, as data: storable, printable, countable.

use std::fmt;

use crate::call::Operation;

/// The class of a failure: decides whether to try again and how it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// AWS denied the call.
    AccessDenied,
    /// AWS asked for a slower pace and the retry budget is spent.
    Throttled,
    /// Something that had to be there was not.
    NotFound,
    /// Somebody else changed the same thing at the same time.
    Conflict,
    /// A quota of the account is used up.
    Quota,
    /// AWS rejects what the specification asks for.
    InvalidSpec,
    /// AWS answered with an internal error.
    Service,
    /// No answer in time.
    Timeout,
    /// The connection failed.
    Network,
    /// rolekeeper's own credentials are missing, wrong or expired.
    Credentials,
    /// rolekeeper itself misbehaved.
    Internal,
}

impl Category {
    /// Every category, in the order of the contract.
    pub const ALL: [Self; 11] = [
        Self::AccessDenied,
        Self::Throttled,
        Self::NotFound,
        Self::Conflict,
        Self::Quota,
        Self::InvalidSpec,
        Self::Service,
        Self::Timeout,
        Self::Network,
        Self::Credentials,
        Self::Internal,
    ];

    /// The name used in JSON, metrics and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::Throttled => "throttled",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Quota => "quota",
            Self::InvalidSpec => "invalid_spec",
            Self::Service => "service",
            Self::Timeout => "timeout",
            Self::Network => "network",
            Self::Credentials => "credentials",
            Self::Internal => "internal",
        }
    }

    /// The category of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|category| category.as_str() == name)
    }

    /// Whether AWS may have done what was asked although nobody heard it say so.
    pub const fn hides_the_answer(self) -> bool {
        match self {
            Self::Service | Self::Timeout | Self::Network => true,
            Self::AccessDenied
            | Self::Throttled
            | Self::NotFound
            | Self::Conflict
            | Self::Quota
            | Self::InvalidSpec
            | Self::Credentials
            | Self::Internal => false,
        }
    }

    /// What is done about a failure of this category.
    pub const fn remedy(self) -> Remedy {
        match self {
            Self::Throttled | Self::Service | Self::Timeout | Self::Network => Remedy::Retry,
            Self::Conflict => Remedy::LookAgainOnce,
            Self::AccessDenied
            | Self::NotFound
            | Self::Quota
            | Self::InvalidSpec
            | Self::Credentials
            | Self::Internal => Remedy::Report,
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the engine does about a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Try again within the retry budget.
    Retry,
    /// Observe and plan again, once.
    LookAgainOnce,
    /// Give up on the account and report.
    Report,
}

/// Which kind of policy denied a call, as far as AWS's text tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Denial {
    /// A service control policy of the organization.
    ServiceControlPolicy,
    /// A resource control policy of the organization.
    ResourceControlPolicy,
    /// A permissions boundary.
    PermissionsBoundary,
    /// The session policy.
    SessionPolicy,
    /// A policy on the resource itself, such as a trust policy.
    ResourcePolicy,
    /// An identity-based policy, explicitly.
    IdentityPolicy,
    /// No identity-based policy allows the call.
    NotAllowedByIdentityPolicy,
    /// AWS did not say.
    Unknown,
}

impl Denial {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::ServiceControlPolicy,
        Self::ResourceControlPolicy,
        Self::PermissionsBoundary,
        Self::SessionPolicy,
        Self::ResourcePolicy,
        Self::IdentityPolicy,
        Self::NotAllowedByIdentityPolicy,
        Self::Unknown,
    ];

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|denial| denial.as_str() == name)
    }

    /// The name used in JSON and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServiceControlPolicy => "service_control_policy",
            Self::ResourceControlPolicy => "resource_control_policy",
            Self::PermissionsBoundary => "permissions_boundary",
            Self::SessionPolicy => "session_policy",
            Self::ResourcePolicy => "resource_policy",
            Self::IdentityPolicy => "identity_policy",
            Self::NotAllowedByIdentityPolicy => "not_allowed_by_identity_policy",
            Self::Unknown => "unknown",
        }
    }
}

/// One failure of the world, kept with what is needed to explain it later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its class.
    pub category: Category,
    /// The AWS call that failed, where there was one.
    pub operation: Option<Operation>,
    /// AWS's error code.
    pub code: Option<String>,
    /// What happened, in AWS's words where there are any; no credentials.
    pub message: String,
    /// AWS's request id, for a support case.
    pub request_id: Option<String>,
    /// For [`Category::AccessDenied`]: which kind of policy denied.
    pub denial: Option<Denial>,
}

impl Fault {
    /// A failure that did not come from an AWS call.
    pub fn new(category: Category, message: impl Into<String>) -> Self {
        Self {
            category,
            operation: None,
            code: None,
            message: message.into(),
            request_id: None,
            denial: None,
        }
    }

    /// The same failure, tied to the call that met it.
    #[must_use]
    pub fn during(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(operation) = self.operation {
            write!(f, "{}: ", operation.action())?;
        }
        if let Some(code) = &self.code {
            write!(f, "{code}: ")?;
        }
        f.write_str(&self.message)
    }
}
