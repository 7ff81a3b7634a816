//! Specifications beside the demo's: a second role, a role that is to go, a role from another hand.

use std::collections::{BTreeMap, BTreeSet};

use rolekeeper_domain::policy::Kind;
use rolekeeper_domain::role::{Boundary, Ensure, ManagedPolicySpec, RoleSpec};

use super::rig::{demo_spec, document};

/// The second role's name.
pub const SECOND_ROLE: &str = "SecondOpinion";

const READS: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","ec2:Describe*"],"Resource":"*"}]}"#;
const NO_BILLING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"aws-portal:*","Resource":"*"}]}"#;

/// A second role, for the same vendor: it may read, has an inline policy and nothing to say on boundaries.
#[expect(clippy::expect_used, reason = "the names are written in this file")]
pub fn second_spec() -> RoleSpec {
    RoleSpec {
        name: SECOND_ROLE.parse().expect("a name"),
        description: None,
        max_session_duration: None,
        boundary: Boundary::Unmanaged,
        managed_policies: vec![ManagedPolicySpec {
            name: SECOND_ROLE.parse().expect("a name"),
            path: "/vendor/".parse().expect("a path"),
            document: document(Kind::Identity, READS),
            tags: BTreeMap::new(),
        }],
        attach: BTreeSet::new(),
        inline: BTreeMap::from([(
            "NoBilling".parse().expect("a name"),
            document(Kind::Identity, NO_BILLING),
        )]),
        ..demo_spec()
    }
}

/// The same role, as one that should be gone.
pub fn absent(spec: RoleSpec) -> RoleSpec {
    RoleSpec {
        ensure: Ensure::Absent,
        ..spec
    }
}

/// The same role with no tag but rolekeeper's own, which is then the one that drift takes away: what is left is
/// a role from another hand.
pub fn untagged(mut spec: RoleSpec) -> RoleSpec {
    spec.tags.clear();
    for policy in &mut spec.managed_policies {
        policy.tags.clear();
    }
    spec
}
