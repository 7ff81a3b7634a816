//! One mutating call.

use std::collections::BTreeMap;
use std::fmt;

use crate::arn::Arn;
use crate::call::Operation;
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
            Self::DeletePolicyVersion { arn, version_id } => {
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
            Self::DeletePolicyVersion { arn, version_id } => {
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
