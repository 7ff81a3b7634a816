//! AWS's published rates.

use rolekeeper_domain::call::{Operation, Service};

/// A published rate: calls per second and how many at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quota {
    /// Calls per second.
    pub rate: f64,
    /// Calls at once after a quiet moment.
    pub burst: f64,
}

/// `AssumeRole`, `GetCallerIdentity` and the other calls of STS share 600 a second per
/// account and Region. No burst is published: none is counted on.
const STS: Quota = Quota {
    rate: 600.0,
    burst: 1.0,
};

/// The published rate of an operation; none for IAM, whose rates are not published,
/// and SQS, whose rate is far above anything asked of it.
pub const fn published(operation: Operation) -> Option<Quota> {
    match operation.service() {
        Service::Organizations => Some(organizations(operation)),
        Service::Sts => Some(STS),
        Service::Iam | Service::Sqs => None,
    }
}

const fn organizations(operation: Operation) -> Quota {
    match operation {
        Operation::ListAccounts => Quota {
            rate: 8.0,
            burst: 12.0,
        },
        Operation::ListTagsForResource => Quota {
            rate: 10.0,
            burst: 15.0,
        },
        // ListAccountsForParent, ListOrganizationalUnitsForParent and, where AWS
        // publishes none, the slowest of its service.
        _ => Quota {
            rate: 5.0,
            burst: 8.0,
        },
    }
}
