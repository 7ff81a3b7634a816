//! Guard rails on the specification itself: what is dangerous wherever it is written.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use super::pins;
use crate::account::AccountId;
use crate::policy::{Effect, Name, Statement};
use crate::role::RoleSpec;

/// What a specification is judged against.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The roles that rolekeeper comes in by: names, with or without path, or ARNs.
    pub admin_roles: Vec<String>,
    /// Accounts of the same company, the hub at least: they need no external id.
    pub own_accounts: BTreeSet<AccountId>,
    /// The organization: who has to be in it needs no external id. Another one vouches for nobody.
    pub organization: Option<String>,
}

/// A danger in a specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Danger {
    /// Anyone in any AWS account may assume the role.
    AnyoneMayAssume {
        /// The place of the statement in the trust policy, from 1.
        statement: usize,
    },
    /// Another company's account may assume the role without an external id: whoever
    /// gets that company to act for them (the confused deputy) gets in.
    NoExternalId {
        /// Who is let in.
        principal: String,
    },
    /// The managed role is the admin role itself.
    LocksUsOut {
        /// Its name.
        admin_role: String,
    },
    /// The name belongs to AWS Control Tower or to AWS itself.
    ReservedName {
        /// The role's path and name.
        name: String,
    },
    /// A principal of another partition, which can never be trusted.
    OtherPartition {
        /// The principal.
        principal: String,
    },
}

impl Danger {
    /// The word for `i_understand`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AnyoneMayAssume { .. } => "anyone_may_assume",
            Self::NoExternalId { .. } => "no_external_id",
            Self::LocksUsOut { .. } => "locks_us_out",
            Self::ReservedName { .. } => "reserved_name",
            Self::OtherPartition { .. } => "other_partition",
        }
    }

    /// Whether naming it in `i_understand` turns it into a warning. The others cannot end well.
    pub const fn can_be_understood(&self) -> bool {
        match self {
            Self::AnyoneMayAssume { .. } | Self::NoExternalId { .. } => true,
            Self::LocksUsOut { .. } | Self::ReservedName { .. } | Self::OtherPartition { .. } => {
                false
            }
        }
    }
}

impl fmt::Display for Danger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnyoneMayAssume { statement } => {
                write!(
                    f,
                    "statement {statement} of the trust policy lets anyone in any AWS account assume the role"
                )
            }
            Self::NoExternalId { principal } => write!(
                f,
                "{principal} may assume the role without an external id: other customers of that company may reach it through them"
            ),
            Self::LocksUsOut { admin_role } => {
                write!(
                    f,
                    "{admin_role} is the admin role that rolekeeper comes in by: managing it would lock rolekeeper out"
                )
            }
            Self::ReservedName { name } => {
                write!(
                    f,
                    "{name} belongs to AWS Control Tower or to AWS itself, which would undo or forbid every change"
                )
            }
            Self::OtherPartition { principal } => {
                write!(
                    f,
                    "{principal} is of another partition, and no role can be assumed across partitions"
                )
            }
        }
    }
}

/// Whether a role's path and name belong to Control Tower or to AWS.
pub fn reserved_name(path: &str, name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let path = path.to_ascii_lowercase();
    name.starts_with("aws-controltower")
        || name.starts_with("awscontroltower")
        || name.starts_with("awsreservedsso_")
        || name.starts_with("awsservicerolefor")
        || path.starts_with("/aws-service-role/")
        || path.starts_with("/aws-reserved/")
}

/// Every danger in a specification, resolved for one account (any: they do not differ in this).
pub fn dangers(spec: &RoleSpec, surroundings: &Surroundings) -> Vec<Danger> {
    let mut found = Vec::new();
    let admin = surroundings.admin_roles.iter().find(|admin| {
        let name = admin.rsplit('/').next().unwrap_or(admin);
        name.eq_ignore_ascii_case(spec.name.as_str())
    });
    found.extend(admin.map(|admin| Danger::LocksUsOut {
        admin_role: admin.clone(),
    }));
    if reserved_name(spec.path.as_str(), spec.name.as_str()) {
        found.push(Danger::ReservedName {
            name: format!("{}{}", spec.path, spec.name),
        });
    }
    found.extend(
        foreign_principals(spec)
            .into_iter()
            .map(|principal| Danger::OtherPartition { principal }),
    );
    for (place, statement) in spec.trust.statements().iter().enumerate() {
        if statement.effect() == Effect::Allow {
            in_statement(statement, place + 1, surroundings, &mut found);
        }
    }
    found
}

/// Principals whose ARN begins with another partition. Read from the text: once parsed, an account is an
/// account, whatever partition its ARN was written with.
fn foreign_principals(spec: &RoleSpec) -> Vec<String> {
    let Ok(document) = serde_json::from_str::<Value>(spec.trust.text()) else {
        return Vec::new();
    };
    let statements = match document.get("Statement") {
        Some(Value::Array(statements)) => statements.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let principals = statements
        .iter()
        .filter_map(|statement| statement.get("Principal")?.get("AWS"));
    let names = principals.flat_map(|aws| match aws {
        Value::Array(names) => names.iter().collect(),
        one => vec![one],
    });
    let own = format!("arn:{}:", spec.partition);
    names
        .filter_map(Value::as_str)
        .filter(|name| name.starts_with("arn:") && !name.starts_with(&own))
        .map(str::to_owned)
        .collect()
}

fn in_statement(
    statement: &Statement,
    place: usize,
    surroundings: &Surroundings,
    found: &mut Vec<Danger>,
) {
    let Some(principals) = statement.principals() else {
        return;
    };
    let anyone = principals.is_negated() || principals.names().contains(&Name::Everyone);
    if anyone && !pins::principals(statement) {
        found.push(Danger::AnyoneMayAssume { statement: place });
    }
    if principals.is_negated() {
        return;
    }
    for name in principals.names() {
        let Some(account) = name.account() else {
            continue;
        };
        let own = surroundings
            .own_accounts
            .iter()
            .any(|own| own.to_string() == account);
        let organization = surroundings.organization.as_deref();
        let vouched = pins::external_id(statement) || pins::within(statement, organization);
        if !own && !vouched {
            found.push(Danger::NoExternalId {
                principal: name.to_string(),
            });
        }
    }
}
