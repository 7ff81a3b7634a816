//! Principals that stand for all principals a set of statements tells apart.

use std::collections::BTreeSet;

use super::condition::Value;
use super::document::Statement;
use super::operator::Test;
use super::pattern::{Pattern, Place};
use super::principal::{Arn, Name, Principal, is_account};

/// A principal that stands for itself or for others like it.
#[derive(Clone, Debug)]
pub(super) struct Who {
    pub(super) principal: Principal,
    pub(super) stands_for: StandsFor,
}

/// For whom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StandsFor {
    /// For itself.
    Itself,
    /// For everyone of this account that no statement names.
    AnyoneIn(String),
    /// For everyone of an account that no statement names.
    Strangers,
    /// For a service, identity provider or stranger that has no account.
    Outside,
    /// For the role with all of its sessions that no statement names.
    Sessions,
}

/// What the statements mention, and those who stand for everyone.
#[derive(Clone, Debug, Default)]
pub(super) struct Cast {
    pub(super) all: Vec<Who>,
    /// Accounts that are mentioned somewhere.
    pub(super) accounts: BTreeSet<String>,
    /// ARNs that are mentioned somewhere, as `aws:PrincipalArn` has them.
    pub(super) arns: BTreeSet<String>,
    /// Whether they stand for everyone there is.
    pub(super) complete: bool,
}

/// The cast for statements with principals.
pub(super) fn cast(statements: &[&Statement]) -> Cast {
    let mut names: BTreeSet<Name> = BTreeSet::new();
    for principals in statements.iter().filter_map(|s| s.principals()) {
        names.extend(principals.names().iter().cloned());
    }
    mentioned_in_conditions(statements, &mut names);
    let accounts: BTreeSet<String> = names
        .iter()
        .filter_map(Name::account)
        .map(str::to_owned)
        .collect();
    let mut cast = Cast {
        complete: true,
        accounts,
        ..Cast::default()
    };
    for name in &names {
        match name {
            Name::Arn(arn) => cast.add_arn(arn, &names),
            Name::Service(service) => {
                cast.add(Principal::Service(service.clone()), StandsFor::Outside)
            }
            Name::Federated(provider) => {
                cast.add(Principal::Federated(provider.clone()), StandsFor::Outside)
            }
            // Requests are not made under canonical user ids here.
            Name::Canonical(_) => cast.complete = false,
            Name::Everyone | Name::Account(_) | Name::Dead(_) => {}
        }
    }
    for account in cast.accounts.clone() {
        let arn = format!("arn:aws:iam::{account}:user/someone-else");
        cast.add(
            Principal::User { arn },
            StandsFor::AnyoneIn(account.clone()),
        );
        cast.arns.insert(format!("arn:aws:iam::{account}:root"));
        cast.add(Principal::Root { account }, StandsFor::Itself);
    }
    let stranger = (0..)
        .map(|n: u64| format!("{n:012}"))
        .find(|a| !cast.accounts.contains(a))
        .unwrap_or_default();
    let arn = format!("arn:aws:iam::{stranger}:user/stranger");
    cast.add(Principal::User { arn }, StandsFor::Strangers);
    cast.add(
        Principal::Service("some-other-service.amazonaws.com".to_owned()),
        StandsFor::Outside,
    );
    cast.add(
        Principal::Federated("some-other-provider".to_owned()),
        StandsFor::Outside,
    );
    cast.add(Principal::Anonymous, StandsFor::Outside);
    cast
}

impl Cast {
    fn add(&mut self, principal: Principal, stands_for: StandsFor) {
        self.all.push(Who {
            principal,
            stands_for,
        });
    }

    fn add_arn(&mut self, arn: &str, names: &BTreeSet<Name>) {
        let Some(parts) = Arn::split(arn) else { return };
        if parts.service == "iam" {
            self.arns.insert(arn.to_owned());
            if parts.resource.starts_with("role/") {
                let name = "some-other-session".to_owned();
                self.add(
                    Principal::Session {
                        role: arn.to_owned(),
                        name,
                    },
                    StandsFor::Sessions,
                );
            } else {
                self.add(
                    Principal::User {
                        arn: arn.to_owned(),
                    },
                    StandsFor::Itself,
                );
            }
            return;
        }
        match Principal::from_arn(arn) {
            Some(Principal::Session { role, name }) => {
                // The session's ARN hides the role's path: it may belong to
                // each role of that name that is mentioned, to the one
                // without a path, or to another.
                let short = role.rsplit('/').next().unwrap_or_default().to_owned();
                let same_name = names.iter().filter_map(|n| match n {
                    Name::Arn(other) => Some(other),
                    _ => None,
                });
                let same_name = same_name.filter(|other| {
                    Arn::split(other).is_some_and(|o| {
                        o.service == "iam"
                            && o.account == parts.account
                            && o.resource.starts_with("role/")
                            && o.resource.rsplit('/').next() == Some(short.as_str())
                    })
                });
                let mut roles: BTreeSet<String> = same_name.cloned().collect();
                if let Some((front, _)) = role.rsplit_once('/') {
                    roles.insert(format!("{front}/some/other/path/{short}"));
                }
                roles.insert(role);
                for role in roles {
                    self.arns.insert(role.clone());
                    self.add(
                        Principal::Session {
                            role,
                            name: name.clone(),
                        },
                        StandsFor::Itself,
                    );
                }
            }
            Some(other) => self.add(other, StandsFor::Itself),
            None => {}
        }
    }

    /// Whether this one can have `value` in `key` (a key that follows from the
    /// principal). `None` stands for a missing key.
    pub(super) fn admits(&self, who: &Who, key: &str, values: &[String]) -> bool {
        let value = match values {
            [] => None,
            [one] => Some(one.as_str()),
            _ => return false,
        };
        let account_of = |arn: &str| Arn::split(arn).map(|a| a.account.to_owned());
        match (key, &who.stands_for) {
            ("aws:principalaccount", StandsFor::Strangers) => {
                value.is_some_and(|v| !self.accounts.contains(v))
            }
            ("aws:principalaccount", _) => value == who.principal.account(),
            ("aws:principalarn", StandsFor::Strangers) => {
                value.is_some_and(|v| account_of(v).is_none_or(|a| !self.accounts.contains(&a)))
            }
            ("aws:principalarn", StandsFor::AnyoneIn(account)) => value
                .is_some_and(|v| account_of(v).as_ref() == Some(account) && !self.arns.contains(v)),
            ("aws:principalarn", _) => value == who.principal.principal_arn().as_deref(),
            ("aws:principaltype", StandsFor::AnyoneIn(_)) => {
                value.is_some_and(|v| ["User", "AssumedRole", "FederatedUser"].contains(&v))
            }
            ("aws:principaltype", StandsFor::Strangers) => value
                .is_some_and(|v| ["Account", "User", "AssumedRole", "FederatedUser"].contains(&v)),
            ("aws:principaltype", _) => value == Some(who.principal.principal_type()),
            ("aws:principalisawsservice", _) => {
                value.is_some_and(|v| v.eq_ignore_ascii_case("true"))
                    == matches!(who.principal, Principal::Service(_))
                    && value.is_some()
            }
            _ => true,
        }
    }
}

/// Keys whose value follows from the principal.
pub(super) const FROM_PRINCIPAL: [&str; 4] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principaltype",
    "aws:principalisawsservice",
];

/// Accounts and ARNs that conditions on the principal name in full are
/// mentioned as well.
fn mentioned_in_conditions(statements: &[&Statement], names: &mut BTreeSet<Name>) {
    for condition in statements.iter().flat_map(|s| s.conditions()) {
        if !FROM_PRINCIPAL.contains(&condition.key_lower())
            || condition.operator().test == Test::Null
        {
            continue;
        }
        for (value, text) in condition.compiled().iter().zip(condition.values()) {
            let literal = match value {
                Value::Pattern(pattern) => literal_text(pattern),
                _ => None,
            };
            if let Some(name) = literal.as_deref().and_then(Name::aws) {
                names.insert(name);
            } else if let Some(account) = Arn::split(text)
                .map(|a| a.account)
                .filter(|a| is_account(a))
            {
                names.insert(Name::Account(account.to_owned()));
            }
        }
    }
}

fn literal_text(pattern: &Pattern) -> Option<String> {
    pattern.is_literal().then(|| pattern.source().to_owned())
}

/// A pattern that tells one ARN from all others.
pub(super) fn exactly(text: &str) -> Pattern {
    Pattern::new(text, Place::Exact, false)
}
