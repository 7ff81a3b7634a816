//! The steps that would end the drift of one account.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use sha2::{Digest, Sha256};

use crate::account::AccountId;
use crate::arn::Arn;
use crate::call::Operation;
use crate::drift::DriftKind;
use crate::policy::Document;
use crate::role::{IamPath, PolicyName, RoleName};

/// One mutating AWS call, with everything the call needs.
#[derive(Clone, Debug)]
#[expect(
    missing_docs,
    reason = "the fields are the parameters of the IAM action of that name"
)]
pub enum Step {
    /// `iam:CreateRole`: trust, boundary and tags in one call, so that a role
    /// is never born unmarked or unbounded.
    CreateRole {
        role: RoleName,
        path: IamPath,
        trust: Document,
        description: Option<String>,
        max_session_duration: Option<u32>,
        boundary: Option<Arn>,
        tags: BTreeMap<String, String>,
    },
    /// `iam:UpdateAssumeRolePolicy`.
    UpdateAssumeRolePolicy { role: RoleName, trust: Document },
    /// `iam:UpdateRole`: always sets both, since AWS resets what is left out.
    UpdateRole {
        role: RoleName,
        description: String,
        max_session_duration: u32,
    },
    /// `iam:PutRolePermissionsBoundary`.
    PutRolePermissionsBoundary { role: RoleName, boundary: Arn },
    /// `iam:DeleteRolePermissionsBoundary`.
    DeleteRolePermissionsBoundary { role: RoleName },
    /// `iam:TagRole`.
    TagRole {
        role: RoleName,
        tags: BTreeMap<String, String>,
    },
    /// `iam:UntagRole`.
    UntagRole { role: RoleName, keys: Vec<String> },
    /// `iam:DeleteRole`.
    DeleteRole { role: RoleName },
    /// `iam:CreatePolicy`.
    CreatePolicy {
        arn: Arn,
        name: PolicyName,
        path: IamPath,
        document: Document,
        tags: BTreeMap<String, String>,
    },
    /// `iam:CreatePolicyVersion`, made the default at once.
    CreatePolicyVersion { arn: Arn, document: Document },
    /// `iam:SetDefaultPolicyVersion`.
    SetDefaultPolicyVersion { arn: Arn, version_id: String },
    /// `iam:DeletePolicyVersion`.
    DeletePolicyVersion { arn: Arn, version_id: String },
    /// `iam:TagPolicy`.
    TagPolicy {
        arn: Arn,
        tags: BTreeMap<String, String>,
    },
    /// `iam:UntagPolicy`.
    UntagPolicy { arn: Arn, keys: Vec<String> },
    /// `iam:DeletePolicy`.
    DeletePolicy { arn: Arn },
    /// `iam:AttachRolePolicy`.
    AttachRolePolicy { role: RoleName, arn: Arn },
    /// `iam:DetachRolePolicy`.
    DetachRolePolicy { role: RoleName, arn: Arn },
    /// `iam:PutRolePolicy`.
    PutRolePolicy {
        role: RoleName,
        policy: PolicyName,
        document: Document,
    },
    /// `iam:DeleteRolePolicy`.
    DeleteRolePolicy { role: RoleName, policy: PolicyName },
}

impl Step {
    /// The AWS call it is.
    pub const fn operation(&self) -> Operation {
        match self {
            Self::CreateRole { .. } => Operation::CreateRole,
            Self::UpdateAssumeRolePolicy { .. } => Operation::UpdateAssumeRolePolicy,
            Self::UpdateRole { .. } => Operation::UpdateRole,
            Self::PutRolePermissionsBoundary { .. } => Operation::PutRolePermissionsBoundary,
            Self::DeleteRolePermissionsBoundary { .. } => Operation::DeleteRolePermissionsBoundary,
            Self::TagRole { .. } => Operation::TagRole,
            Self::UntagRole { .. } => Operation::UntagRole,
            Self::DeleteRole { .. } => Operation::DeleteRole,
            Self::CreatePolicy { .. } => Operation::CreatePolicy,
            Self::CreatePolicyVersion { .. } => Operation::CreatePolicyVersion,
            Self::SetDefaultPolicyVersion { .. } => Operation::SetDefaultPolicyVersion,
            Self::DeletePolicyVersion { .. } => Operation::DeletePolicyVersion,
            Self::TagPolicy { .. } => Operation::TagPolicy,
            Self::UntagPolicy { .. } => Operation::UntagPolicy,
            Self::DeletePolicy { .. } => Operation::DeletePolicy,
            Self::AttachRolePolicy { .. } => Operation::AttachRolePolicy,
            Self::DetachRolePolicy { .. } => Operation::DetachRolePolicy,
            Self::PutRolePolicy { .. } => Operation::PutRolePolicy,
            Self::DeleteRolePolicy { .. } => Operation::DeleteRolePolicy,
        }
    }

    /// What it changes, as people read it: `role/Auditor`, `policy/Audit v3`.
    pub fn resource(&self) -> String {
        match self {
            Self::CreateRole { role, path, .. } => format!("role{path}{role}"),
            Self::UpdateAssumeRolePolicy { role, .. }
            | Self::UpdateRole { role, .. }
            | Self::PutRolePermissionsBoundary { role, .. }
            | Self::DeleteRolePermissionsBoundary { role }
            | Self::TagRole { role, .. }
            | Self::UntagRole { role, .. }
            | Self::DeleteRole { role } => format!("role/{role}"),
            Self::CreatePolicy { arn, .. }
            | Self::CreatePolicyVersion { arn, .. }
            | Self::TagPolicy { arn, .. }
            | Self::UntagPolicy { arn, .. }
            | Self::DeletePolicy { arn } => arn.resource().to_owned(),
            Self::SetDefaultPolicyVersion { arn, version_id }
            | Self::DeletePolicyVersion { arn, version_id } => {
                format!("{} {version_id}", arn.resource())
            }
            Self::AttachRolePolicy { role, arn } | Self::DetachRolePolicy { role, arn } => {
                format!("role/{role} {}", arn.resource())
            }
            Self::PutRolePolicy { role, policy, .. } | Self::DeleteRolePolicy { role, policy } => {
                format!("role/{role} inline/{policy}")
            }
        }
    }
}

impl Step {
    /// Its parameters by the names IAM gives them, in a fixed order: what is shown, journaled and digested.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut all: Vec<(&'static str, String)> = Vec::new();
        match self {
            Self::CreateRole {
                role,
                path,
                trust,
                description,
                max_session_duration,
                boundary,
                tags,
            } => {
                all.push(("RoleName", role.to_string()));
                all.push(("Path", path.to_string()));
                all.push(("AssumeRolePolicyDocument", trust.text().to_owned()));
                all.extend(description.iter().map(|text| ("Description", text.clone())));
                all.extend(
                    max_session_duration
                        .iter()
                        .map(|s| ("MaxSessionDuration", s.to_string())),
                );
                all.extend(
                    boundary
                        .iter()
                        .map(|arn| ("PermissionsBoundary", arn.to_string())),
                );
                all.extend(tag_parameters(tags));
            }
            Self::UpdateAssumeRolePolicy { role, trust } => {
                all.push(("RoleName", role.to_string()));
                all.push(("PolicyDocument", trust.text().to_owned()));
            }
            Self::UpdateRole {
                role,
                description,
                max_session_duration,
            } => {
                all.push(("RoleName", role.to_string()));
                all.push(("Description", description.clone()));
                all.push(("MaxSessionDuration", max_session_duration.to_string()));
            }
            Self::PutRolePermissionsBoundary { role, boundary } => {
                all.push(("RoleName", role.to_string()));
                all.push(("PermissionsBoundary", boundary.to_string()));
            }
            Self::DeleteRolePermissionsBoundary { role } | Self::DeleteRole { role } => {
                all.push(("RoleName", role.to_string()));
            }
            Self::TagRole { role, tags } => {
                all.push(("RoleName", role.to_string()));
                all.extend(tag_parameters(tags));
            }
            Self::UntagRole { role, keys } => {
                all.push(("RoleName", role.to_string()));
                all.extend(keys.iter().map(|key| ("TagKey", key.clone())));
            }
            Self::CreatePolicy {
                arn,
                name,
                path,
                document,
                tags,
            } => {
                all.push(("PolicyArn", arn.to_string()));
                all.push(("PolicyName", name.to_string()));
                all.push(("Path", path.to_string()));
                all.push(("PolicyDocument", document.text().to_owned()));
                all.extend(tag_parameters(tags));
            }
            Self::CreatePolicyVersion { arn, document } => {
                all.push(("PolicyArn", arn.to_string()));
                all.push(("PolicyDocument", document.text().to_owned()));
                all.push(("SetAsDefault", "true".to_owned()));
            }
            Self::SetDefaultPolicyVersion { arn, version_id }
            | Self::DeletePolicyVersion { arn, version_id } => {
                all.push(("PolicyArn", arn.to_string()));
                all.push(("VersionId", version_id.clone()));
            }
            Self::TagPolicy { arn, tags } => {
                all.push(("PolicyArn", arn.to_string()));
                all.extend(tag_parameters(tags));
            }
            Self::UntagPolicy { arn, keys } => {
                all.push(("PolicyArn", arn.to_string()));
                all.extend(keys.iter().map(|key| ("TagKey", key.clone())));
            }
            Self::DeletePolicy { arn } => all.push(("PolicyArn", arn.to_string())),
            Self::AttachRolePolicy { role, arn } | Self::DetachRolePolicy { role, arn } => {
                all.push(("RoleName", role.to_string()));
                all.push(("PolicyArn", arn.to_string()));
            }
            Self::PutRolePolicy {
                role,
                policy,
                document,
            } => {
                all.push(("RoleName", role.to_string()));
                all.push(("PolicyName", policy.to_string()));
                all.push(("PolicyDocument", document.text().to_owned()));
            }
            Self::DeleteRolePolicy { role, policy } => {
                all.push(("RoleName", role.to_string()));
                all.push(("PolicyName", policy.to_string()));
            }
        }
        all
    }
}

fn tag_parameters(tags: &BTreeMap<String, String>) -> impl Iterator<Item = (&'static str, String)> {
    tags.iter()
        .map(|(key, value)| ("Tag", format!("{key}={value}")))
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operation().action(), self.resource())
    }
}

/// The order of risk. After a failure no step of a later band is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Band {
    /// Takes power away, or only makes room for that.
    Narrow,
    /// Gives and takes no power, or exchanges what cannot be split.
    Turn,
    /// Gives power.
    Widen,
}

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

/// A step with what it rests on and what it is for.
#[derive(Clone, Debug)]
pub struct PlannedStep {
    /// The call.
    pub step: Step,
    /// Its place in the order of risk.
    pub band: Band,
    /// What must hold just before it.
    pub preconditions: Vec<Precondition>,
    /// The drift it ends.
    pub because: Vec<DriftKind>,
    /// What stood there before, for the journal and a rollback: the document or value the step replaces.
    pub before: Option<String>,
}

/// A step that will not be taken, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// The call that would have been made.
    pub operation: Operation,
    /// What it would have changed.
    pub resource: String,
    /// Why it is not.
    pub reason: String,
}

/// The ordered steps for one role in one account.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The account.
    pub account: AccountId,
    /// The managed role.
    pub role: RoleName,
    /// The steps, in the only order in which they may be taken.
    pub steps: Vec<PlannedStep>,
    /// What is withheld.
    pub withheld: Vec<Withheld>,
    /// Where the plan gives someone more than they have now (the spec was widened): sentences for `plan` and for approval.
    pub widens: Vec<String>,
    /// What becomes ours although it came from another hand, as the journal names it (`role/NAME`,
    /// `policy/NAME`). To be recorded before the first step; recording it writes nothing to AWS.
    pub adopts: Vec<String>,
    /// What is somebody else's and would have to be changed, as the journal names it; its steps are withheld.
    pub foreign: Vec<String>,
}

impl Plan {
    /// A plan that does nothing.
    pub const fn empty(account: AccountId, role: RoleName) -> Self {
        Self {
            account,
            role,
            steps: Vec::new(),
            withheld: Vec::new(),
            widens: Vec::new(),
            adopts: Vec::new(),
            foreign: Vec::new(),
        }
    }

    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The plan without the steps that `withhold` gives a reason for; what was said about the order of
    /// steps stays true of those that remain.
    #[must_use]
    pub fn without(mut self, withhold: impl Fn(&PlannedStep) -> Option<Withheld>) -> Self {
        let mut places: Vec<Option<usize>> = Vec::with_capacity(self.steps.len());
        let mut kept = Vec::with_capacity(self.steps.len());
        for step in self.steps {
            if let Some(withheld) = withhold(&step) {
                self.withheld.push(withheld);
                places.push(None);
            } else {
                places.push(Some(kept.len()));
                kept.push(step);
            }
        }
        for step in &mut kept {
            step.preconditions
                .retain_mut(|precondition| match precondition {
                    Precondition::AfterStep { index } => {
                        match places.get(*index).copied().flatten() {
                            Some(place) => {
                                *index = place;
                                true
                            }
                            None => false,
                        }
                    }
                    _ => true,
                });
        }
        self.steps = kept;
        self
    }

    /// A digest of what the plan does and what it rests on: 64 hexadecimal digits. Two plans of one
    /// digest make the same calls under the same conditions, whatever their explanations say.
    pub fn digest(&self) -> String {
        use fmt::Write as _;
        let mut hash = Sha256::new();
        hash.update(format!("{} {}\n", self.account, self.role));
        for step in &self.steps {
            hash.update(format!("{}\n", step.step.operation().action()));
            for (name, value) in step.step.parameters() {
                hash.update(format!("  {name} {}:{value}\n", value.len()));
            }
            for precondition in &step.preconditions {
                hash.update(format!("  if {precondition}\n"));
            }
        }
        let mut digest = String::with_capacity(64);
        for byte in hash.finalize() {
            // Writing to a String cannot fail.
            _ = write!(digest, "{byte:02x}");
        }
        digest
    }
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
