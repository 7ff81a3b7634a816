//! What is ours: by tag, or by what the journal shows.

use std::collections::{BTreeMap, BTreeSet};

use crate::arn::Arn;
use crate::observation::{ObservedPolicy, ObservedRole};
use crate::role::{OWNER_TAG_KEY, OWNER_TAG_VALUE, RoleName};

/// What the journal shows as made or adopted in one account.
///
/// Entries are resource names as [`crate::plan::Step::resource`] gives them for creating
/// steps: `role/NAME`, `role/some/path/NAME`, `policy/NAME`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnershipRecord {
    owned: BTreeSet<String>,
}

impl OwnershipRecord {
    /// The record of these resources.
    pub fn new(owned: impl IntoIterator<Item = String>) -> Self {
        Self {
            owned: owned.into_iter().collect(),
        }
    }

    /// Whether the role is ours: it carries the owner tag, or the journal says so.
    /// A role's name is unique in an account whatever its path or case.
    pub fn owns_role(&self, name: &RoleName, role: &ObservedRole) -> bool {
        is_tagged(&role.tags)
            || self.owned.iter().any(|owned| {
                owned.strip_prefix("role/").is_some_and(|rest| {
                    let last = rest.rsplit('/').next().unwrap_or_default();
                    last.eq_ignore_ascii_case(name.as_str())
                })
            })
    }

    /// Whether the policy is ours.
    pub fn owns_policy(&self, policy: &ObservedPolicy) -> bool {
        is_tagged(&policy.tags) || self.names_policy(&policy.arn)
    }

    fn names_policy(&self, arn: &Arn) -> bool {
        self.owned
            .iter()
            .any(|owned| owned.eq_ignore_ascii_case(arn.resource()))
    }
}

/// Whether tags carry the owner tag with rolekeeper's value.
pub fn is_tagged(tags: &BTreeMap<String, String>) -> bool {
    tags.get(OWNER_TAG_KEY)
        .is_some_and(|value| value == OWNER_TAG_VALUE)
}

/// Tags with the owner tag added: what a create call carries.
pub fn with_owner_tag(tags: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut all = tags.clone();
    all.insert(OWNER_TAG_KEY.to_owned(), OWNER_TAG_VALUE.to_owned());
    all
}
