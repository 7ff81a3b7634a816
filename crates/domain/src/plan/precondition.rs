//! What a step rests on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::arn::Arn;
use crate::role::PolicyName;

/// What must still be so when a step is taken, or the step is refused.
///
/// Each names one fact of the observation the plan was made from. Digests are
/// [`Document::fingerprint`]s.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is a sentence about its fields")]
pub enum Precondition {
    RoleAbsent,
    /// The role is the same one (by unique id).
    RoleIs {
        role_id: String,
    },
    /// The trust policy is still the one that was seen.
    TrustIs {
        fingerprint: String,
    },
    PolicyAbsent {
        arn: Arn,
    },
    /// The policy is the same one, with the same version in force.
    PolicyIs {
        arn: Arn,
        policy_id: String,
        default_version_id: String,
    },
    /// The versions are the same ones.
    VersionsAre {
        arn: Arn,
        ids: Vec<String>,
    },
    Attached {
        arn: Arn,
    },
    NotAttached {
        arn: Arn,
    },
    /// Exactly these policies are attached: what else is attached decides what
    /// a wider trust policy gives away.
    AttachmentsAre {
        arns: BTreeSet<Arn>,
    },
    /// The role has exactly these inline policies.
    InlineNamesAre {
        names: BTreeSet<PolicyName>,
    },
    InlineIs {
        policy: PolicyName,
        fingerprint: String,
    },
    InlineAbsent {
        policy: PolicyName,
    },
    BoundaryIs {
        boundary: Option<Arn>,
    },
    /// The role's tags under these keys have these values (none: the key is absent).
    RoleTagsAre {
        tags: BTreeMap<String, Option<String>>,
    },
    PolicyTagsAre {
        arn: Arn,
        tags: BTreeMap<String, Option<String>>,
    },
    SettingsAre {
        description: String,
        max_session_duration: u32,
    },
    /// An earlier step of the same plan makes what this one builds on.
    AfterStep {
        index: usize,
    },
}

impl fmt::Display for Precondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoleAbsent => f.write_str("there is no such role"),
            Self::RoleIs { role_id } => write!(f, "the role is still {role_id}"),
            Self::TrustIs { fingerprint } => {
                write!(
                    f,
                    "the trust policy is still the one that was seen ({fingerprint})"
                )
            }
            Self::PolicyAbsent { arn } => write!(f, "there is no policy {arn}"),
            Self::PolicyIs {
                arn,
                policy_id,
                default_version_id,
            } => {
                write!(
                    f,
                    "{arn} is still {policy_id} with {default_version_id} in force"
                )
            }
            Self::VersionsAre { arn, ids } => {
                write!(f, "{arn} has the versions {}", ids.join(", "))
            }
            Self::Attached { arn } => write!(f, "{arn} is attached"),
            Self::NotAttached { arn } => write!(f, "{arn} is not attached"),
            Self::AttachmentsAre { arns } => {
                write!(
                    f,
                    "attached are {}",
                    list_words(arns.iter().map(Arn::as_str))
                )
            }
            Self::InlineNamesAre { names } => {
                write!(
                    f,
                    "inline are {}",
                    list_words(names.iter().map(PolicyName::as_str))
                )
            }
            Self::InlineIs {
                policy,
                fingerprint,
            } => {
                write!(
                    f,
                    "the inline policy {policy} is still the one that was seen ({fingerprint})"
                )
            }
            Self::InlineAbsent { policy } => write!(f, "there is no inline policy {policy}"),
            Self::BoundaryIs {
                boundary: Some(arn),
            } => write!(f, "the boundary is {arn}"),
            Self::BoundaryIs { boundary: None } => f.write_str("there is no boundary"),
            Self::RoleTagsAre { tags } => write!(f, "the role's tags are {}", tag_words(tags)),
            Self::PolicyTagsAre { arn, tags } => {
                write!(f, "the tags of {arn} are {}", tag_words(tags))
            }
            Self::SettingsAre {
                description,
                max_session_duration,
            } => write!(
                f,
                "the description is `{description}` and the longest session {max_session_duration} s"
            ),
            Self::AfterStep { index } => write!(f, "step {} of this plan was taken", index + 1),
        }
    }
}

fn tag_words(tags: &BTreeMap<String, Option<String>>) -> String {
    let words: Vec<String> = tags
        .iter()
        .map(|(key, value)| match value {
            Some(value) => format!("{key}={value}"),
            None => format!("{key} absent"),
        })
        .collect();
    words.join(", ")
}

fn list_words<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let items: Vec<&str> = items.collect();
    if items.is_empty() {
        "none".to_owned()
    } else {
        items.join(", ")
    }
}
