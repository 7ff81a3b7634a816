//! Who a statement speaks of, and who asks.

use std::borrow::Cow;
use std::fmt;

/// One entry of a `Principal` or `NotPrincipal` element, free of spelling.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// `"*"` or `{"AWS": "*"}`.
    Everyone,
    /// `111122223333` or `arn:aws:iam::111122223333:root`: whoever that account lets.
    Account(String),
    /// A user, role, role session or federated user, by its ARN.
    Arn(String),
    /// `AROA…`, `AIDA…`: what IAM leaves behind of a deleted principal.
    Dead(String),
    /// An AWS service, `ec2.amazonaws.com`.
    Service(String),
    /// An identity provider: a SAML or OIDC provider's ARN, or a web identity host name.
    Federated(String),
    /// A canonical user id, as bucket policies use it.
    Canonical(String),
}

/// A `Principal` or `NotPrincipal` element.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Principals {
    pub(super) negated: bool,
    pub(super) names: Vec<Name>,
}

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Principal {
    /// The root user of an account.
    Root {
        /// Twelve digits.
        account: String,
    },
    /// An IAM user.
    User {
        /// `arn:aws:iam::111122223333:user/path/name`.
        arn: String,
    },
    /// A session of a role: what `AssumeRole` and its siblings give out.
    Session {
        /// The role's ARN with its path, `arn:aws:iam::111122223333:role/path/name`.
        role: String,
        /// The session's name.
        name: String,
    },
    /// A session from `GetFederationToken`.
    FederatedUser {
        /// `arn:aws:sts::111122223333:federated-user/name`.
        arn: String,
        /// The ARN of the user who asked for the token.
        user: String,
    },
    /// An AWS service by its name.
    Service(String),
    /// Someone vouched for by an identity provider, before a role is assumed.
    Federated(String),
    /// Nobody known.
    Anonymous,
}

impl Name {
    /// Reads the value of an `AWS` entry. `None` when IAM would refuse it.
    pub(super) fn aws(text: &str) -> Option<Name> {
        if text == "*" {
            return Some(Name::Everyone);
        }
        if is_account(text) {
            return Some(Name::Account(text.to_owned()));
        }
        if is_unique_id(text) {
            return Some(Name::Dead(text.to_owned()));
        }
        let arn = Arn::split(text)?;
        if text.contains(['*', '?']) || !is_account(arn.account) {
            return None;
        }
        match arn.service {
            "iam" if arn.resource == "root" => Some(Name::Account(arn.account.to_owned())),
            "iam" if starts_with_any(arn.resource, &["user/", "role/"]) => {
                Some(Name::Arn(text.to_owned()))
            }
            "sts" if starts_with_any(arn.resource, &["assumed-role/", "federated-user/"]) => {
                Some(Name::Arn(text.to_owned()))
            }
            _ => None,
        }
    }

    /// The account that this name belongs to, when it belongs to one.
    pub fn account(&self) -> Option<&str> {
        match self {
            Name::Account(id) => Some(id),
            Name::Arn(arn) => Arn::split(arn).map(|a| a.account),
            _ => None,
        }
    }

    /// The entry in one canonical spelling: kind, colon, value.
    pub(super) fn canonical(&self) -> String {
        match self {
            Name::Everyone => "*".to_owned(),
            Name::Account(id) => format!("account:{id}"),
            Name::Arn(arn) => format!("aws:{arn}"),
            Name::Dead(id) => format!("dead:{id}"),
            Name::Service(name) => format!("service:{name}"),
            Name::Federated(name) => format!("federated:{name}"),
            Name::Canonical(id) => format!("canonical:{id}"),
        }
    }
}

impl fmt::Display for Name {
    /// In words: "anyone in account 1111…", "the role …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Everyone => f.write_str("anyone at all"),
            Name::Account(id) => write!(f, "anyone in account {id}"),
            Name::Arn(arn) => describe_arn(arn, f),
            Name::Dead(id) => write!(f, "the deleted principal {id}"),
            Name::Service(name) => write!(f, "the service {name}"),
            Name::Federated(name) => write!(f, "users of the identity provider {name}"),
            Name::Canonical(id) => write!(f, "the canonical user {id}"),
        }
    }
}

fn describe_arn(arn: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Some(parts) = Arn::split(arn) else {
        return f.write_str(arn);
    };
    let kinds = [
        ("assumed-role/", "the role session"),
        ("federated-user/", "the federated user"),
        ("user/", "the user"),
        ("role/", "the role"),
    ];
    for (prefix, words) in kinds {
        if let Some(name) = parts.resource.strip_prefix(prefix) {
            return write!(f, "{words} {name} of account {}", parts.account);
        }
    }
    f.write_str(arn)
}

impl Principals {
    /// Whether it is a `NotPrincipal` element.
    pub fn is_negated(&self) -> bool {
        self.negated
    }

    /// The entries, sorted, each once.
    pub fn names(&self) -> &[Name] {
        &self.names
    }

    /// Whether the statement speaks of `who`. A request carries several names
    /// (a session: its own ARN, the role's, the account's). `Principal` speaks
    /// of it when one of them is listed; `NotPrincipal` spares it only when
    /// all of them are, which is why AWS tells its users to list the account
    /// and the role beside the session.
    pub fn covers(&self, who: &Principal) -> bool {
        if self.names.contains(&Name::Everyone) {
            return !self.negated;
        }
        let carried = who.names();
        if self.negated {
            carried.is_empty() || carried.iter().any(|name| !self.names.contains(name))
        } else {
            carried.iter().any(|name| self.names.contains(name))
        }
    }

    /// Whether it lists one of the names that speak of `who` alone (and of no
    /// whole account): the user's, the session's or the role's own ARN.
    pub(super) fn lists(&self, name: &Name) -> bool {
        !self.negated && self.names.contains(name)
    }
}

impl Principal {
    /// Reads an ARN of a root user, a user, a role session or a federated
    /// user, or an account id (its root user). The path of a session's role
    /// and the user behind a federated user cannot be seen in an ARN and are
    /// taken to be empty and the root user.
    pub fn from_arn(text: &str) -> Option<Principal> {
        if is_account(text) {
            return Some(Principal::Root {
                account: text.to_owned(),
            });
        }
        let arn = Arn::split(text)?;
        let account = arn.account.to_owned();
        match arn.service {
            "iam" if arn.resource == "root" => Some(Principal::Root { account }),
            "iam" if arn.resource.starts_with("user/") => Some(Principal::User {
                arn: text.to_owned(),
            }),
            "sts" => match arn.resource.split_once('/')? {
                ("assumed-role", rest) => {
                    let (role, name) = rest.rsplit_once('/')?;
                    Some(Principal::Session {
                        role: format!("arn:{}:iam::{account}:role/{role}", arn.partition),
                        name: name.to_owned(),
                    })
                }
                ("federated-user", _) => Some(Principal::FederatedUser {
                    arn: text.to_owned(),
                    user: format!("arn:{}:iam::{account}:root", arn.partition),
                }),
                _ => None,
            },
            _ => None,
        }
    }

    /// The ARN of the principal itself: for a session the session's.
    pub fn arn(&self) -> Option<Cow<'_, str>> {
        match self {
            Principal::Root { account } => Some(Cow::Owned(format!("arn:aws:iam::{account}:root"))),
            Principal::User { arn } | Principal::FederatedUser { arn, .. } => {
                Some(Cow::Borrowed(arn))
            }
            Principal::Session { role, name } => session_arn(role, name).map(Cow::Owned),
            Principal::Service(_) | Principal::Federated(_) | Principal::Anonymous => None,
        }
    }

    /// The account it belongs to.
    pub fn account(&self) -> Option<&str> {
        match self {
            Principal::Root { account } => Some(account),
            Principal::User { arn }
            | Principal::FederatedUser { arn, .. }
            | Principal::Session { role: arn, .. } => Arn::split(arn).map(|a| a.account),
            Principal::Service(_) | Principal::Federated(_) | Principal::Anonymous => None,
        }
    }

    /// What `aws:PrincipalArn` holds: for a session the role's ARN.
    pub fn principal_arn(&self) -> Option<Cow<'_, str>> {
        match self {
            Principal::Session { role, .. } => Some(Cow::Borrowed(role)),
            _ => self.arn(),
        }
    }

    /// What `aws:PrincipalType` holds.
    pub fn principal_type(&self) -> &'static str {
        match self {
            Principal::Root { .. } => "Account",
            Principal::User { .. } => "User",
            Principal::Session { .. } => "AssumedRole",
            Principal::FederatedUser { .. } => "FederatedUser",
            Principal::Service(_) => "Service",
            Principal::Federated(_) | Principal::Anonymous => "Anonymous",
        }
    }

    /// Every name under which a policy can mean this principal.
    pub(super) fn names(&self) -> Vec<Name> {
        let mut names = Vec::with_capacity(3);
        match self {
            Principal::Service(name) => names.push(Name::Service(name.clone())),
            Principal::Federated(name) => names.push(Name::Federated(name.clone())),
            Principal::Session { role, .. } => names.push(Name::Arn(role.clone())),
            Principal::FederatedUser { user, .. } => names.extend(Name::aws(user)),
            Principal::Root { .. } | Principal::User { .. } | Principal::Anonymous => {}
        }
        if !matches!(self, Principal::Root { .. })
            && let Some(arn) = self.arn()
        {
            names.push(Name::Arn(arn.into_owned()));
        }
        if let Some(account) = self.account() {
            let account = Name::Account(account.to_owned());
            if !names.contains(&account) {
                names.push(account);
            }
        }
        names
    }
}

fn session_arn(role: &str, session: &str) -> Option<String> {
    let arn = Arn::split(role)?;
    let name = arn.resource.rsplit('/').next()?;
    Some(format!(
        "arn:{}:sts::{}:assumed-role/{name}/{session}",
        arn.partition, arn.account
    ))
}

/// The parts of an ARN.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arn<'a> {
    pub(super) partition: &'a str,
    pub(super) service: &'a str,
    pub(super) account: &'a str,
    pub(super) resource: &'a str,
}

impl<'a> Arn<'a> {
    pub(super) fn split(text: &'a str) -> Option<Arn<'a>> {
        let mut parts = text.splitn(6, ':');
        if parts.next()? != "arn" {
            return None;
        }
        let partition = parts.next()?;
        let service = parts.next()?;
        let _region = parts.next()?;
        let account = parts.next()?;
        let resource = parts.next()?;
        Some(Arn {
            partition,
            service,
            account,
            resource,
        })
    }
}

/// Twelve digits.
pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// `AROA…`, `AIDA…` and their siblings: a unique id where an ARN was.
pub(super) fn is_unique_id(text: &str) -> bool {
    const PREFIXES: [&str; 4] = ["AROA", "AIDA", "AGPA", "AIPA"];
    text.len() >= 16
        && starts_with_any(text, &PREFIXES)
        && text
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

fn starts_with_any(text: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|p| text.starts_with(p))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

    use super::*;

    #[test]
    fn spellings_of_a_principal() {
        let account = || Some(Name::Account("111122223333".into()));
        let rows = [
            ("*", Some(Name::Everyone)),
            ("111122223333", account()),
            ("arn:aws:iam::111122223333:root", account()),
            ("arn:aws-cn:iam::111122223333:root", account()),
            (
                "AROAEXAMPLEID1234567",
                Some(Name::Dead("AROAEXAMPLEID1234567".into())),
            ),
            (
                "AIDAEXAMPLEID1234567",
                Some(Name::Dead("AIDAEXAMPLEID1234567".into())),
            ),
            ("arn:aws:iam::111122223333:role/*", None),
            ("arn:aws:iam::1:role/x", None),
            ("arn:aws:s3:::bucket", None),
            ("11112222333", None),
            ("", None),
        ];
        for (text, wanted) in rows {
            assert_eq!(Name::aws(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_session_is_meant_by_its_own_name_its_role_and_its_account() {
        let session = Principal::Session {
            role: "arn:aws:iam::111122223333:role/deep/x".into(),
            name: "s".into(),
        };
        assert_eq!(
            session.arn().unwrap(),
            "arn:aws:sts::111122223333:assumed-role/x/s"
        );
        assert_eq!(
            session.principal_arn().unwrap(),
            "arn:aws:iam::111122223333:role/deep/x"
        );
        let mean = |name: &str, negated| Principals {
            negated,
            names: vec![Name::aws(name).unwrap()],
        };
        for name in [
            "arn:aws:sts::111122223333:assumed-role/x/s",
            "arn:aws:iam::111122223333:role/deep/x",
            "111122223333",
        ] {
            assert!(mean(name, false).covers(&session), "{name}");
            assert!(
                mean(name, true).covers(&session),
                "one name alone does not spare: {name}"
            );
        }
        assert!(!mean("444455556666", false).covers(&session));
        let all = Principals {
            negated: true,
            names: session.names(),
        };
        assert!(!all.covers(&session));
    }

    #[test]
    fn everyone_means_services_and_strangers_too() {
        let everyone = Principals {
            negated: false,
            names: vec![Name::Everyone],
        };
        for who in [
            Principal::Anonymous,
            Principal::Service("ec2.amazonaws.com".into()),
            Principal::Root {
                account: "111122223333".into(),
            },
        ] {
            assert!(everyone.covers(&who));
        }
    }
}
