//! Every AWS call rolekeeper can make, under the name AWS gives it.
//!
//! One closed list serves metrics labels, limiter keys, plan texts, the journal
//! and the least-privilege policies: they cannot disagree.

use std::fmt;

/// An AWS service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// AWS Organizations.
    Organizations,
    /// Security Token Service.
    Sts,
    /// Identity and Access Management.
    Iam,
    /// Simple Queue Service.
    Sqs,
}

impl Service {
    /// The prefix of its actions.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organizations => "organizations",
            Self::Sts => "sts",
            Self::Iam => "iam",
            Self::Sqs => "sqs",
        }
    }
}

/// Whether a call reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Changes nothing that outlives the process.
    Read,
    /// Changes an account.
    Write,
}

macro_rules! operations {
    ($($service:ident $access:ident { $($name:ident),+ $(,)? })+) => {
        /// One AWS API operation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation {
            $($(
                #[doc = concat!("`", stringify!($name), "`.")]
                $name,
            )+)+
        }

        impl Operation {
            /// Every operation.
            pub const ALL: &'static [Self] = &[$($(Self::$name,)+)+];

            /// The service it belongs to.
            pub const fn service(self) -> Service {
                match self { $($(Self::$name)|+ => Service::$service,)+ }
            }

            /// Whether it reads or writes.
            pub const fn access(self) -> Access {
                match self { $($(Self::$name)|+ => Access::$access,)+ }
            }

            /// Its name in the API, such as `GetRole`.
            pub const fn name(self) -> &'static str {
                match self { $($(Self::$name => stringify!($name),)+)+ }
            }
        }
    };
}

operations! {
    Organizations Read {
        DescribeOrganization, ListRoots, ListOrganizationalUnitsForParent, ListAccounts,
        ListAccountsForParent, ListTagsForResource, ListPoliciesForTarget, DescribePolicy,
    }
    Sts Read { GetCallerIdentity, AssumeRole }
    Iam Read {
        GetRole, ListAttachedRolePolicies, ListRolePolicies, GetRolePolicy, GetPolicy,
        GetPolicyVersion, ListPolicyVersions, ListEntitiesForPolicy,
        ListInstanceProfilesForRole,
        GetUser, ListAccessKeys, GetAccessKeyLastUsed, ListAttachedUserPolicies,
        ListUserPolicies, ListGroupsForUser, ListMFADevices, GetLoginProfile,
        ListSigningCertificates, ListSSHPublicKeys, ListServiceSpecificCredentials,
    }
    Iam Write {
        CreateRole, UpdateRole, UpdateAssumeRolePolicy, PutRolePermissionsBoundary,
        DeleteRolePermissionsBoundary, TagRole, UntagRole, DeleteRole,
        CreatePolicy, CreatePolicyVersion, DeletePolicyVersion,
        TagPolicy, UntagPolicy, DeletePolicy,
        AttachRolePolicy, DetachRolePolicy, PutRolePolicy, DeleteRolePolicy,
        UpdateAccessKey, DeleteAccessKey, DetachUserPolicy, DeleteUserPolicy,
        RemoveUserFromGroup, DeactivateMFADevice, DeleteVirtualMFADevice, DeleteLoginProfile,
        DeleteSigningCertificate, DeleteSSHPublicKey, DeleteServiceSpecificCredential,
        DeleteUserPermissionsBoundary, DeleteUser,
    }
    Sqs Read { ReceiveMessage, GetQueueAttributes }
    Sqs Write { DeleteMessage, ChangeMessageVisibility }
}

impl Operation {
    /// Its IAM action, such as `iam:GetRole`.
    pub fn action(self) -> String {
        format!("{}:{}", self.service().as_str(), self.name())
    }

    /// The operation of that action, such as `iam:GetRole`.
    pub fn from_action(action: &str) -> Option<Self> {
        let (service, name) = action.split_once(':')?;
        Self::ALL
            .iter()
            .copied()
            .find(|operation| operation.service().as_str() == service && operation.name() == name)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
