//! Amazon Resource Names and partitions.

use std::fmt;
use std::str::FromStr;

use crate::account::AccountId;

/// One of AWS's separate clouds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Partition {
    /// The commercial cloud.
    #[default]
    Aws,
    /// China.
    AwsCn,
    /// GovCloud (US).
    AwsUsGov,
}

impl Partition {
    /// Its name in ARNs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::AwsCn => "aws-cn",
            Self::AwsUsGov => "aws-us-gov",
        }
    }

    /// The Region that holds the partition's one IAM control plane.
    pub const fn iam_region(self) -> &'static str {
        match self {
            Self::Aws => "us-east-1",
            Self::AwsCn => "cn-north-1",
            Self::AwsUsGov => "us-gov-west-1",
        }
    }
}

impl FromStr for Partition {
    type Err = InvalidArn;

    fn from_str(text: &str) -> Result<Self, InvalidArn> {
        [Self::Aws, Self::AwsCn, Self::AwsUsGov]
            .into_iter()
            .find(|partition| partition.as_str() == text)
            .ok_or_else(|| InvalidArn {
                found: text.to_owned(),
            })
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no ARN that rolekeeper can use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not an ARN of the partitions aws, aws-cn or aws-us-gov")]
pub struct InvalidArn {
    /// What was found.
    pub found: String,
}

/// An ARN, checked for its six parts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arn(String);

impl Arn {
    /// The ARN of a customer-managed policy.
    pub fn of_policy(partition: Partition, account: AccountId, path: &str, name: &str) -> Self {
        Self(format!("arn:{partition}:iam::{account}:policy{path}{name}"))
    }

    /// The ARN of a role.
    pub fn of_role(partition: Partition, account: AccountId, path: &str, name: &str) -> Self {
        Self(format!("arn:{partition}:iam::{account}:role{path}{name}"))
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its partition.
    pub fn partition(&self) -> Option<Partition> {
        self.part(1).parse().ok()
    }

    /// Its service, such as `iam`.
    pub fn service(&self) -> &str {
        self.part(2)
    }

    /// The account it names; none for AWS's own resources.
    pub fn account(&self) -> Option<AccountId> {
        self.part(4).parse().ok()
    }

    /// Everything after the fifth colon, such as `role/Auditor`.
    pub fn resource(&self) -> &str {
        self.part(5)
    }

    /// The last segment of the resource: a role's or policy's name.
    pub fn name(&self) -> &str {
        self.resource().rsplit('/').next().unwrap_or_default()
    }

    fn part(&self, index: usize) -> &str {
        self.0.splitn(6, ':').nth(index).unwrap_or_default()
    }
}

impl FromStr for Arn {
    type Err = InvalidArn;

    fn from_str(text: &str) -> Result<Self, InvalidArn> {
        let arn = Self(text.to_owned());
        let whole = text.splitn(6, ':').count() == 6 && text.starts_with("arn:");
        if whole && arn.partition().is_some() && !arn.resource().is_empty() {
            Ok(arn)
        } else {
            Err(InvalidArn {
                found: text.to_owned(),
            })
        }
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
