//! The temporary IAM user of the FAQ, and how it is retired.

mod effect;
pub mod record;

use std::collections::BTreeSet;
use std::fmt;

use jiff::{SignedDuration, Timestamp};

pub use self::effect::effect;
use crate::arn::Arn;
use crate::call::Operation;
use crate::drift::{Drift, DriftKind};
use crate::role::{Ensure, RoleSpec};

/// One access key of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// Its id. Not its secret, which nobody can read.
    pub id: String,
    /// Whether it works.
    pub active: bool,
    /// Its last use, where there was one.
    pub last_used: Option<KeyUse>,
}

/// The last use of an access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// When; AWS keeps it to the quarter of an hour.
    pub at: Timestamp,
    /// With which service, such as `iam`.
    pub service: String,
}

/// What belongs to a user beside keys and password, by kind: AWS deletes no user that
/// has any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Belonging {
    /// Attached policies, by ARN.
    AttachedPolicy,
    /// Inline policies, by name.
    InlinePolicy,
    /// Groups, by name.
    Group,
    /// MFA devices, by serial number; of a virtual one that is an ARN.
    Device,
    /// X.509 signing certificates, by id.
    Certificate,
    /// SSH public keys, by id.
    SshKey,
    /// Credentials for one service (`CodeCommit`, Keyspaces), by id.
    ServiceCredential,
}

impl Belonging {
    /// Every kind, in the order in which a user is stripped of it.
    pub const ALL: [Self; 7] = [
        Self::AttachedPolicy,
        Self::InlinePolicy,
        Self::Group,
        Self::Device,
        Self::Certificate,
        Self::SshKey,
        Self::ServiceCredential,
    ];

    /// The call that lists it.
    pub const fn listed_by(self) -> Operation {
        match self {
            Self::AttachedPolicy => Operation::ListAttachedUserPolicies,
            Self::InlinePolicy => Operation::ListUserPolicies,
            Self::Group => Operation::ListGroupsForUser,
            Self::Device => Operation::ListMFADevices,
            Self::Certificate => Operation::ListSigningCertificates,
            Self::SshKey => Operation::ListSSHPublicKeys,
            Self::ServiceCredential => Operation::ListServiceSpecificCredentials,
        }
    }

    const fn removed_by(self) -> Operation {
        match self {
            Self::AttachedPolicy => Operation::DetachUserPolicy,
            Self::InlinePolicy => Operation::DeleteUserPolicy,
            Self::Group => Operation::RemoveUserFromGroup,
            Self::Device => Operation::DeactivateMFADevice,
            Self::Certificate => Operation::DeleteSigningCertificate,
            Self::SshKey => Operation::DeleteSSHPublicKey,
            Self::ServiceCredential => Operation::DeleteServiceSpecificCredential,
        }
    }
}

/// A user with everything that must go before it can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedUser {
    /// Its ARN.
    pub arn: Arn,
    /// Its name.
    pub name: String,
    /// When somebody last signed in with its password.
    pub password_last_used: Option<Timestamp>,
    /// Whether it has a password.
    pub has_password: bool,
    /// Its access keys.
    pub keys: Vec<AccessKey>,
    /// The rest, by kind and id.
    pub belongings: BTreeSet<(Belonging, String)>,
}

/// One mutating call on the way to retiring a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserStep {
    /// `iam:UpdateAccessKey` to inactive: what still uses the key fails now, and
    /// can be helped while the key is still there.
    DeactivateKey {
        /// The key's id.
        key: String,
    },
    /// `iam:DeleteAccessKey`.
    DeleteKey {
        /// The key's id.
        key: String,
    },
    /// `iam:DeleteLoginProfile`.
    DeletePassword,
    /// Takes one thing away that belongs to the user.
    Remove {
        /// Its kind.
        kind: Belonging,
        /// Its ARN, name or id.
        id: String,
    },
    /// `iam:DeleteVirtualMFADevice`, after it has been deactivated.
    DeleteVirtualDevice {
        /// Its ARN.
        serial: String,
    },
    /// `iam:DeleteUser`.
    DeleteUser,
}

impl UserStep {
    /// The AWS call it is.
    pub const fn operation(&self) -> Operation {
        match self {
            Self::DeactivateKey { .. } => Operation::UpdateAccessKey,
            Self::DeleteKey { .. } => Operation::DeleteAccessKey,
            Self::DeletePassword => Operation::DeleteLoginProfile,
            Self::Remove { kind, .. } => kind.removed_by(),
            Self::DeleteVirtualDevice { .. } => Operation::DeleteVirtualMFADevice,
            Self::DeleteUser => Operation::DeleteUser,
        }
    }

    /// What it takes away, as people read it.
    pub fn resource(&self, user: &str) -> String {
        match self {
            Self::DeactivateKey { key } | Self::DeleteKey { key } => {
                format!("user/{user} key {key}")
            }
            Self::DeletePassword => format!("user/{user} password"),
            Self::Remove { id, .. } => format!("user/{user} {id}"),
            Self::DeleteVirtualDevice { serial } => serial.clone(),
            Self::DeleteUser => format!("user/{user}"),
        }
    }
}

/// Whether an account can do without its temporary user: a role is to be there, and every role is
/// as specified. `drifts` are all that were found there; users left behind are what is to go.
pub fn is_replaced(specs: &[RoleSpec], drifts: &[Drift]) -> bool {
    let has_role = specs.iter().any(|spec| spec.ensure == Ensure::Present);
    let left_behind = |drift: &Drift| drift.kind == DriftKind::LegacyUser;
    has_role && drifts.iter().all(left_behind)
}

/// Why a user is not retired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reluctance {
    /// A key was used lately, for something that bootstrapping a role does not need.
    KeyInUse {
        /// The key's id.
        key: String,
        /// When and for what.
        last: KeyUse,
    },
    /// Somebody signed in lately.
    PasswordInUse {
        /// When.
        at: Timestamp,
    },
}

impl fmt::Display for Reluctance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyInUse { key, last } => {
                write!(
                    f,
                    "the key {key} was used for {} at {}",
                    last.service, last.at
                )
            }
            Self::PasswordInUse { at } => write!(f, "somebody signed in with its password at {at}"),
        }
    }
}

/// The services that setting up a role needs; using the keys for those is no other use.
const EXPECTED: [&str; 2] = ["iam", "sts"];

/// The steps that retire a user, in the order that IAM demands, or why it is left alone.
///
/// `quiet_for` is how long a user must not have been used for anything else.
///
/// # Errors
/// Every sign that somebody still needs the user.
pub fn retirement(
    user: &ObservedUser,
    quiet_for: SignedDuration,
    now: Timestamp,
) -> Result<Vec<UserStep>, Vec<Reluctance>> {
    let lately = |at: Timestamp| now.duration_since(at) < quiet_for;
    let key_in_use = |key: &AccessKey| {
        let last = key.last_used.clone()?;
        let other = !EXPECTED.contains(&last.service.to_ascii_lowercase().as_str());
        (other && lately(last.at)).then(|| Reluctance::KeyInUse {
            key: key.id.clone(),
            last,
        })
    };
    let mut reluctance: Vec<Reluctance> = user.keys.iter().filter_map(key_in_use).collect();
    let signed_in = user
        .password_last_used
        .filter(|at| user.has_password && lately(*at));
    reluctance.extend(signed_in.map(|at| Reluctance::PasswordInUse { at }));
    if !reluctance.is_empty() {
        return Err(reluctance);
    }

    let mut steps = Vec::new();
    let active = user.keys.iter().filter(|key| key.active);
    steps.extend(active.map(|key| UserStep::DeactivateKey {
        key: key.id.clone(),
    }));
    steps.extend(user.keys.iter().map(|key| UserStep::DeleteKey {
        key: key.id.clone(),
    }));
    if user.has_password {
        steps.push(UserStep::DeletePassword);
    }
    for (kind, id) in &user.belongings {
        steps.push(UserStep::Remove {
            kind: *kind,
            id: id.clone(),
        });
        // A hardware device has a serial number of its maker's and only leaves the user.
        if *kind == Belonging::Device && id.starts_with("arn:") {
            steps.push(UserStep::DeleteVirtualDevice { serial: id.clone() });
        }
    }
    steps.push(UserStep::DeleteUser);
    Ok(steps)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

    use super::*;

    const QUIET: SignedDuration = SignedDuration::from_hours(24);

    fn now() -> Timestamp {
        "2026-11-24T06:30:00Z".parse().unwrap()
    }

    fn user() -> ObservedUser {
        ObservedUser {
            arn: "arn:aws:iam::111122223333:user/cloudcoreo".parse().unwrap(),
            name: "cloudcoreo".to_owned(),
            password_last_used: None,
            has_password: false,
            keys: Vec::new(),
            belongings: BTreeSet::new(),
        }
    }

    fn key(id: &str, active: bool, used: Option<(&str, i64)>) -> AccessKey {
        let last_used = used.map(|(service, hours)| KeyUse {
            at: now() - SignedDuration::from_hours(hours),
            service: service.to_owned(),
        });
        AccessKey {
            id: id.to_owned(),
            active,
            last_used,
        }
    }

    fn words(user: &ObservedUser) -> Vec<String> {
        match retirement(user, QUIET, now()) {
            Ok(steps) => steps
                .iter()
                .map(|step| format!("{} {}", step.operation(), step.resource(&user.name)))
                .collect(),
            Err(reasons) => reasons.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_bare_user_is_only_deleted() {
        assert_eq!(words(&user()), ["DeleteUser user/cloudcoreo"]);
    }

    #[test]
    fn keys_go_first_and_the_user_last() {
        let mut user = user();
        user.keys = vec![key("K1", true, Some(("iam", 1))), key("K2", false, None)];
        user.has_password = true;
        user.belongings = BTreeSet::from([
            (
                Belonging::Device,
                "arn:aws:iam::111122223333:mfa/phone".to_owned(),
            ),
            (Belonging::Device, "GAHT12345678".to_owned()),
            (Belonging::Group, "vendors".to_owned()),
            (Belonging::InlinePolicy, "six-actions".to_owned()),
        ]);
        assert_eq!(
            words(&user),
            [
                "UpdateAccessKey user/cloudcoreo key K1",
                "DeleteAccessKey user/cloudcoreo key K1",
                "DeleteAccessKey user/cloudcoreo key K2",
                "DeleteLoginProfile user/cloudcoreo password",
                "DeleteUserPolicy user/cloudcoreo six-actions",
                "RemoveUserFromGroup user/cloudcoreo vendors",
                "DeactivateMFADevice user/cloudcoreo GAHT12345678",
                "DeactivateMFADevice user/cloudcoreo arn:aws:iam::111122223333:mfa/phone",
                "DeleteVirtualMFADevice arn:aws:iam::111122223333:mfa/phone",
                "DeleteUser user/cloudcoreo",
            ]
        );
    }

    #[test]
    fn a_user_in_use_for_something_else_is_left_alone() {
        let mut busy = user();
        busy.keys = vec![
            key("K1", true, Some(("s3", 23))),
            key("K2", true, Some(("sts", 1))),
        ];
        busy.has_password = true;
        busy.password_last_used = Some(now() - SignedDuration::from_hours(2));
        assert_eq!(
            words(&busy),
            [
                "the key K1 was used for s3 at 2026-11-23T07:30:00Z",
                "somebody signed in with its password at 2026-11-24T04:30:00Z",
            ]
        );
    }

    #[test]
    fn a_use_long_ago_keeps_nobody() {
        let mut user = user();
        user.keys = vec![key("K1", true, Some(("s3", 24)))];
        user.password_last_used = Some(now() - SignedDuration::from_hours(2));
        assert_eq!(
            words(&user).len(),
            3,
            "a password that is gone is in nobody's use"
        );
    }

    #[test]
    fn every_belonging_is_taken_away_by_a_call_of_its_own() {
        let calls: BTreeSet<Operation> = Belonging::ALL
            .iter()
            .flat_map(|kind| [kind.listed_by(), kind.removed_by()])
            .collect();
        assert_eq!(calls.len(), 2 * Belonging::ALL.len());
    }
}
