//! What is wanted: the specification of one managed role in one account.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::account::AccountId;
use crate::arn::{Arn, Partition};
use crate::policy::Document;

/// The tag that marks what rolekeeper made. It goes into the create call, so
/// nothing of ours ever exists without it.
pub const OWNER_TAG_KEY: &str = "rolekeeper:managed-by";
/// The value of [`OWNER_TAG_KEY`].
pub const OWNER_TAG_VALUE: &str = "rolekeeper";

macro_rules! iam_name {
    ($(#[$meta:meta])* $name:ident, $what:literal, $max:literal) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name as IAM spells it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
                if text.is_empty() || text.len() > $max || !text.bytes().all(allowed) {
                    return Err(InvalidName { what: $what, found: text.to_owned(), max: $max });
                }
                Ok(Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

iam_name!(
    /// A role's name. Unique in an account without regard to case.
    RoleName, "role", 64
);
iam_name!(
    /// The name of a managed or inline policy.
    PolicyName, "policy", 128
);

/// A text that IAM does not take as a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a {what} name: 1 to {max} of letters, digits and +=,.@_-")]
pub struct InvalidName {
    what: &'static str,
    found: String,
    max: usize,
}

/// An IAM path: begins and ends with `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IamPath(String);

impl IamPath {
    /// The path as IAM spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for IamPath {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

/// A text that IAM does not take as a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{found}` is not an IAM path: it begins and ends with `/` and has at most 512 printable characters"
)]
pub struct InvalidPath {
    found: String,
}

impl FromStr for IamPath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        let printable = text.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        let ends = text.starts_with('/') && text.ends_with('/');
        if ends && printable && text.len() <= 512 && !text.contains("//") {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPath {
                found: text.to_owned(),
            })
        }
    }
}

impl fmt::Display for IamPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether the role should be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ensure {
    /// It should be there and right.
    #[default]
    Present,
    /// What rolekeeper made of it should be gone.
    Absent,
}

/// What is done about attachments and inline policies the spec does not name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extras {
    /// They are drift, and left for a person.
    #[default]
    Report,
    /// They are drift, and removed.
    Remove,
    /// They are nobody's business.
    Ignore,
}

/// When a role or policy of the right name from another hand becomes ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Adopt {
    /// When it already means what the spec says.
    #[default]
    IfEquivalent,
    /// Always: it is changed until it means what the spec says.
    Always,
    /// Never: it is reported and left alone.
    Never,
}

/// The boundary a role should have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Boundary {
    /// The spec says nothing: whatever stands there is left alone.
    #[default]
    Unmanaged,
    /// There should be none.
    None,
    /// There should be this one.
    Policy(Arn),
}

/// A customer-managed policy that belongs to the role.
#[derive(Clone, Debug)]
pub struct ManagedPolicySpec {
    /// Its name.
    pub name: PolicyName,
    /// Its path.
    pub path: IamPath,
    /// What it says.
    pub document: Document,
    /// Its tags, beside the owner tag.
    pub tags: BTreeMap<String, String>,
}

/// One managed role as it should be in one account, placeholders filled in.
#[derive(Clone, Debug)]
pub struct RoleSpec {
    /// The partition it lives in, which its ARNs begin with.
    pub partition: Partition,
    /// Its name.
    pub name: RoleName,
    /// Its path; cannot be changed once the role exists.
    pub path: IamPath,
    /// Whether it should be there at all.
    pub ensure: Ensure,
    /// Who may assume it.
    pub trust: Document,
    /// Its description; none when the spec does not care.
    pub description: Option<String>,
    /// The longest session in seconds; none when the spec does not care.
    pub max_session_duration: Option<u32>,
    /// Its permissions boundary.
    pub boundary: Boundary,
    /// Tags it must have, beside the owner tag. Further tags are left alone.
    pub tags: BTreeMap<String, String>,
    /// Policies that rolekeeper keeps and attaches.
    pub managed_policies: Vec<ManagedPolicySpec>,
    /// Policies of others (AWS's own, mostly) that are attached.
    pub attach: BTreeSet<Arn>,
    /// Inline policies.
    pub inline: BTreeMap<PolicyName, Document>,
    /// What to do about everything else that is attached or inline.
    pub extras: Extras,
    /// What to do about a role or policy from another hand.
    pub adopt: Adopt,
    /// Deny statements that others may add to the trust policy without that
    /// being drift: each a trust policy whose statements are patterns.
    pub tolerate: Vec<Document>,
    /// Names of temporary IAM users that should not be left behind
    /// (`legacy_user` drift).
    pub legacy_users: BTreeSet<String>,
}

impl RoleSpec {
    /// The role's ARN in an account.
    pub fn arn(&self, account: AccountId) -> Arn {
        Arn::of_role(
            self.partition,
            account,
            self.path.as_str(),
            self.name.as_str(),
        )
    }

    /// The ARN of one of its managed policies in an account.
    pub fn policy_arn(&self, account: AccountId, policy: &ManagedPolicySpec) -> Arn {
        Arn::of_policy(
            self.partition,
            account,
            policy.path.as_str(),
            policy.name.as_str(),
        )
    }

    /// Everything that should be attached: its own policies and those of others.
    pub fn attachments(&self, account: AccountId) -> BTreeSet<Arn> {
        let own = self
            .managed_policies
            .iter()
            .map(|policy| self.policy_arn(account, policy));
        own.chain(self.attach.iter().cloned()).collect()
    }
}
