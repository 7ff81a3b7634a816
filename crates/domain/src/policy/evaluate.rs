//! Is this request allowed by these policies? AWS's evaluation logic.
//!
//! Order, as AWS documents it: an explicit deny anywhere ends it; then each
//! kind of policy that applies must allow, where a resource policy can stand
//! in for the identity's own policies within one account, and for a user or
//! session named by its own ARN also for boundary and session policy.

use std::borrow::Cow;
use std::fmt;

use super::context::ConditionContext;
use super::document::{Document, Effect, Kind, Patterns, Statement};
use super::pattern::Variables;
use super::principal::{Name, Principal};

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who asks.
    pub principal: Principal,
    /// `service:Action`; case does not count.
    pub action: String,
    /// The resource's ARN, or `*` for an action that has none. For the
    /// `sts:AssumeRole` family: the role's ARN.
    pub resource: String,
    /// The condition context. `aws:PrincipalArn`, `aws:PrincipalAccount`,
    /// `aws:PrincipalType` and `aws:PrincipalIsAWSService` follow from the
    /// principal unless given here.
    pub context: ConditionContext,
}

/// The policies that apply to a request. `Default` is: none at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policies<'a> {
    /// Managed and inline policies of the user or role.
    pub identity: &'a [Document],
    /// The permissions boundary of the user or role.
    pub boundary: Option<&'a Document>,
    /// Session policies; `Some(&[])` means the same as `None`.
    pub session: Option<&'a [Document]>,
    /// Service control policies by level, the root first: each level that
    /// is here must allow. Leave empty for the management account.
    pub scps: &'a [&'a [Document]],
    /// Resource control policies of the resource's account by level. They
    /// only deny: the one that AWS attaches everywhere to allow everything
    /// cannot be taken off, so it need not be here.
    pub rcps: &'a [&'a [Document]],
    /// The policy of the resource. For `sts:AssumeRole…` the role's trust
    /// policy, which must always allow.
    pub resource: Option<&'a Document>,
    /// Whether principal and resource belong to the same account. Ignored
    /// for services, federated and anonymous principals.
    pub same_account: bool,
}

/// Which policies decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyType {
    /// The identity's own policies.
    Identity,
    /// The permissions boundary.
    Boundary,
    /// The session policies.
    Session,
    /// The service control policies.
    ServiceControl,
    /// The resource control policies.
    ResourceControl,
    /// The resource's policy; the trust policy of a role.
    Resource,
    /// No policy: the root user's own power over its account.
    RootUser,
}

impl fmt::Display for PolicyType {
    /// The words that AWS's own error texts use.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PolicyType::Identity => "identity-based policy",
            PolicyType::Boundary => "permissions boundary",
            PolicyType::Session => "session policy",
            PolicyType::ServiceControl => "service control policy",
            PolicyType::ResourceControl => "resource control policy",
            PolicyType::Resource => "resource-based policy",
            PolicyType::RootUser => "root user",
        })
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may go on; `by` is where the permission itself comes from.
    Allowed {
        /// Identity or resource policy, or root user.
        by: PolicyType,
    },
    /// A Deny statement forbids it.
    ExplicitDeny {
        /// In which kind of policy.
        by: PolicyType,
        /// Position of the document among those of its kind, all levels
        /// counted through.
        document: usize,
        /// Position of the statement in the document.
        statement: usize,
    },
    /// Nothing forbids it, but something that must allow it does not.
    ImplicitDeny {
        /// The first kind that does not.
        missing: PolicyType,
    },
}

impl Decision {
    /// Whether the request may go on.
    pub fn is_allowed(self) -> bool {
        matches!(self, Decision::Allowed { .. })
    }
}

/// Decides a request.
pub fn evaluate(request: &Request, policies: &Policies<'_>) -> Decision {
    if let Some(denied) = explicit_deny(request, policies) {
        return denied;
    }
    let missing = |missing| Decision::ImplicitDeny { missing };
    // SCPs bind the users and roles of an account, not services or strangers.
    let bound = request.principal.account().is_some();
    if bound
        && policies
            .scps
            .iter()
            .any(|level| !level.is_empty() && !allows_any(level, request))
    {
        return missing(PolicyType::ServiceControl);
    }
    let assumes = is_assume_role(&request.action);
    let grant = resource_grant(request, policies.resource);
    if assumes && (grant == Grant::Nothing || matches!(request.principal, Principal::Root { .. })) {
        // A trust policy must allow explicitly, and roles may not be assumed
        // by root users.
        return missing(PolicyType::Resource);
    }
    if request.principal.account().is_none() {
        let granted = grant != Grant::Nothing;
        return if granted {
            Decision::Allowed {
                by: PolicyType::Resource,
            }
        } else {
            missing(PolicyType::Resource)
        };
    }
    if !policies.same_account && grant == Grant::Nothing {
        return missing(PolicyType::Resource);
    }
    let stands_in = policies.same_account && matches!(grant, Grant::Direct | Grant::Itself);
    if matches!(request.principal, Principal::Root { .. }) {
        return Decision::Allowed {
            by: PolicyType::RootUser,
        };
    }
    if !stands_in && !allows_any(policies.identity, request) {
        return missing(PolicyType::Identity);
    }
    let past_limits = policies.same_account && grant == Grant::Itself;
    if !past_limits {
        if let Some(boundary) = policies.boundary
            && !allows(boundary, request)
        {
            return missing(PolicyType::Boundary);
        }
        if let Some(session) = policies.session
            && !session.is_empty()
            && !allows_any(session, request)
        {
            return missing(PolicyType::Session);
        }
    }
    Decision::Allowed {
        by: if stands_in {
            PolicyType::Resource
        } else {
            PolicyType::Identity
        },
    }
}

/// The actions that a role's trust policy guards.
fn is_assume_role(action: &str) -> bool {
    const GUARDED: [&str; 3] = [
        "sts:AssumeRole",
        "sts:AssumeRoleWithSAML",
        "sts:AssumeRoleWithWebIdentity",
    ];
    GUARDED
        .iter()
        .any(|guarded| guarded.eq_ignore_ascii_case(action))
}

fn explicit_deny(request: &Request, policies: &Policies<'_>) -> Option<Decision> {
    let find = |by, documents: &mut dyn Iterator<Item = &Document>| {
        documents.enumerate().find_map(|(document, d)| {
            let statement = matching_statement(d, Effect::Deny, request)?;
            Some(Decision::ExplicitDeny {
                by,
                document,
                statement,
            })
        })
    };
    let own = request.principal.account().is_some();
    // The order only decides which of several denials is named: AWS names
    // the organization's first.
    let mut found = None;
    if own {
        found = find(
            PolicyType::ServiceControl,
            &mut policies.scps.iter().copied().flatten(),
        );
    }
    found = found
        .or_else(|| {
            find(
                PolicyType::ResourceControl,
                &mut policies.rcps.iter().copied().flatten(),
            )
        })
        .or_else(|| find(PolicyType::Resource, &mut policies.resource.into_iter()));
    if own && !matches!(request.principal, Principal::Root { .. }) {
        found = found
            .or_else(|| find(PolicyType::Boundary, &mut policies.boundary.into_iter()))
            .or_else(|| {
                find(
                    PolicyType::Session,
                    &mut policies.session.unwrap_or_default().iter(),
                )
            })
            .or_else(|| find(PolicyType::Identity, &mut policies.identity.iter()));
    }
    found
}

/// How far a resource policy's permission reaches, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Grant {
    Nothing,
    /// To the account: its administrators decide by identity policies.
    Account,
    /// To a role by its ARN or to everyone: no identity policy is needed.
    Direct,
    /// To the user, session or federated user by its own ARN: boundary and
    /// session policies do not limit it either.
    Itself,
}

fn resource_grant(request: &Request, policy: Option<&Document>) -> Grant {
    let Some(policy) = policy else {
        return Grant::Nothing;
    };
    let matching = policy
        .statements()
        .iter()
        .filter(|s| s.effect() == Effect::Allow && applies(s, request));
    matching
        .map(|s| grant_of(s, &request.principal))
        .max()
        .unwrap_or(Grant::Nothing)
}

fn grant_of(statement: &Statement, who: &Principal) -> Grant {
    let Some(principals) = statement.principals() else {
        return Grant::Nothing;
    };
    let own = match who {
        Principal::User { .. } | Principal::Session { .. } | Principal::FederatedUser { .. } => {
            who.arn().map(|arn| Name::Arn(arn.into_owned()))
        }
        _ => None,
    };
    if own.is_some_and(|own| principals.lists(&own)) {
        return Grant::Itself;
    }
    let only_account = who
        .account()
        .map(|a| Name::Account(a.to_owned()))
        .is_some_and(|account| {
            principals.lists(&account)
                && !principals.lists(&Name::Everyone)
                && !who
                    .names()
                    .iter()
                    .any(|n| *n != account && principals.lists(n))
        });
    if only_account {
        Grant::Account
    } else {
        Grant::Direct
    }
}

/// Whether one document allows, its own denials aside.
fn allows(document: &Document, request: &Request) -> bool {
    matching_statement(document, Effect::Allow, request).is_some()
}

fn allows_any(documents: &[Document], request: &Request) -> bool {
    documents.iter().any(|d| allows(d, request))
}

/// The first statement of a document with this effect that applies to a
/// request: what the decision names, and what a simulator's log shows.
pub fn matching_statement(document: &Document, effect: Effect, request: &Request) -> Option<usize> {
    document
        .statements()
        .iter()
        .position(|s| s.effect() == effect && applies(s, request))
}

/// Whether a statement speaks of this request.
pub fn applies(statement: &Statement, request: &Request) -> bool {
    let facts = Facts(request);
    statement.actions().covers(&request.action, &facts)
        && statement
            .resources()
            .is_none_or(|r| r.covers(&request.resource, &facts))
        && statement
            .principals()
            .is_none_or(|p| p.covers(&request.principal))
        && statement.conditions().iter().all(|c| {
            let values = facts.values(c.key_lower());
            c.holds(values.as_deref(), &facts)
        })
}

/// What one document says of a request by itself: allowed, denied or neither.
/// Identity, boundary and service control policies ignore the principal.
pub fn document_says(document: &Document, request: &Request) -> Option<Effect> {
    debug_assert!(
        document.kind() != Kind::Trust || !request.action.is_empty(),
        "a request has an action"
    );
    if matching_statement(document, Effect::Deny, request).is_some() {
        return Some(Effect::Deny);
    }
    matching_statement(document, Effect::Allow, request).map(|_| Effect::Allow)
}

impl Patterns {
    /// Whether the element speaks of `subject`.
    pub(super) fn covers(&self, subject: &str, variables: &dyn Variables) -> bool {
        self.patterns.iter().any(|p| p.matches(subject, variables)) != self.negated
    }
}

/// A request's context with what follows from its principal.
struct Facts<'a>(&'a Request);

impl Facts<'_> {
    fn values(&self, key: &str) -> Option<Cow<'_, [String]>> {
        if let Some(given) = self.0.context.get(key) {
            return Some(Cow::Borrowed(given));
        }
        let who = &self.0.principal;
        let derived = match key {
            "aws:principalarn" => who.principal_arn()?.into_owned(),
            "aws:principalaccount" => who.account()?.to_owned(),
            "aws:principaltype" => who.principal_type().to_owned(),
            "aws:principalisawsservice" => matches!(who, Principal::Service(_)).to_string(),
            _ => return None,
        };
        Some(Cow::Owned(vec![derived]))
    }
}

impl Variables for Facts<'_> {
    fn variable(&self, key: &str) -> Option<Cow<'_, str>> {
        match self.values(key)? {
            Cow::Borrowed([one]) => Some(Cow::Borrowed(one.as_str())),
            Cow::Owned(mut values) if values.len() == 1 => values.pop().map(Cow::Owned),
            _ => None,
        }
    }
}
