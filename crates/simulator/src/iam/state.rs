//! What one account's IAM holds.
//!
//! Everything is behind `Arc`s and copied on write: 50,000 accounts with the
//! same documents share them, and a snapshot costs a few pointers.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::iam::paper::Paper;

/// Shared text.
pub(crate) type Text = Arc<str>;

/// Something with a name that is unique without regard to case.
pub(crate) trait Named {
    fn name(&self) -> &str;
}

/// Entities in the order of their names.
#[derive(Debug)]
pub(crate) struct Roster<T>(Vec<Arc<T>>);

impl<T> Default for Roster<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Clone for Roster<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

fn without_case(left: &str, right: &str) -> Ordering {
    left.bytes()
        .map(|byte| byte.to_ascii_lowercase())
        .cmp(right.bytes().map(|byte| byte.to_ascii_lowercase()))
}

impl<T: Named + Clone> Roster<T> {
    fn position(&self, name: &str) -> Result<usize, usize> {
        self.0
            .binary_search_by(|entity| without_case(entity.name(), name))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<T>> {
        self.position(name).ok().and_then(|index| self.0.get(index))
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        let index = self.position(name).ok()?;
        self.0.get_mut(index).map(Arc::make_mut)
    }

    /// Adds it; an entity of the same name is replaced.
    pub(crate) fn insert(&mut self, entity: impl Into<Arc<T>>) {
        let entity = entity.into();
        match self.position(entity.name()) {
            Ok(index) => {
                if let Some(slot) = self.0.get_mut(index) {
                    *slot = entity;
                }
            }
            Err(index) => self.0.insert(index, entity),
        }
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<Arc<T>> {
        self.position(name).ok().map(|index| self.0.remove(index))
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Arc<T>> {
        self.0.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// One account's IAM.
#[derive(Clone, Debug, Default)]
pub(crate) struct Iam {
    pub(crate) roles: Roster<Role>,
    pub(crate) policies: Roster<Policy>,
    pub(crate) users: Roster<User>,
    pub(crate) groups: Roster<Group>,
    /// Serial numbers (ARNs) of virtual MFA devices.
    pub(crate) virtual_mfa: Vec<Text>,
}

/// Key and value, in the order they were set.
pub(crate) type Tags = Vec<(Text, Text)>;
/// Inline policies by name.
pub(crate) type Inline = Vec<(Text, Arc<Paper>)>;

/// What a role and a user have in common.
#[derive(Clone, Debug)]
pub(crate) struct Entity {
    pub(crate) name: Text,
    pub(crate) path: Text,
    /// What the unique id (`AROA…`, `AIDA…`, `ANPA…`, `AGPA…`) is spelled from.
    pub(crate) id: u64,
    /// Seconds since the epoch.
    pub(crate) created: i64,
    pub(crate) tags: Tags,
    pub(crate) boundary: Option<Text>,
    /// ARNs in the order they were attached.
    pub(crate) attached: Vec<Text>,
    pub(crate) inline: Inline,
}

impl Entity {
    pub(crate) fn new(name: impl Into<Text>, path: impl Into<Text>, id: u64, created: i64) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            id,
            created,
            tags: Vec::new(),
            boundary: None,
            attached: Vec::new(),
            inline: Vec::new(),
        }
    }

    pub(crate) fn inline(&self, name: &str) -> Option<&Arc<Paper>> {
        self.inline
            .iter()
            .find(|(known, _)| **known == *name)
            .map(|(_, paper)| paper)
    }

    pub(crate) fn put_inline(&mut self, name: &str, paper: Arc<Paper>) {
        match self.inline.iter_mut().find(|(known, _)| **known == *name) {
            Some(slot) => slot.1 = paper,
            None => self.inline.push((name.into(), paper)),
        }
        self.inline.sort_by(|left, right| left.0.cmp(&right.0));
    }
}

/// Sets tags over those that are there; keys are compared without case.
pub(crate) fn put_tags(tags: &mut Tags, new: &[(&str, &str)]) {
    for &(key, value) in new {
        match tags
            .iter_mut()
            .find(|(known, _)| known.eq_ignore_ascii_case(key))
        {
            Some(slot) => *slot = (key.into(), value.into()),
            None => tags.push((key.into(), value.into())),
        }
    }
}

/// A role.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) entity: Entity,
    pub(crate) description: Option<Text>,
    /// Seconds.
    pub(crate) max_session: u32,
    pub(crate) trust: Arc<Paper>,
    /// The unique ids that the ARNs in the trust policy stood for when it was
    /// written: an ARN whose id is gone is shown as the id.
    pub(crate) trusted: Vec<(Text, u64)>,
    pub(crate) instance_profiles: Vec<Text>,
}

/// A user.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) entity: Entity,
    pub(crate) keys: Vec<AccessKey>,
    pub(crate) login_profile: Option<i64>,
    pub(crate) mfa: Vec<(Text, i64)>,
    pub(crate) groups: Vec<Text>,
    pub(crate) certificates: Vec<Text>,
    pub(crate) ssh_keys: Vec<Text>,
    /// Ids and the services they are for.
    pub(crate) service_credentials: Vec<(Text, Text)>,
}

impl User {
    pub(crate) fn new(entity: Entity) -> Self {
        Self {
            entity,
            keys: Vec::new(),
            login_profile: None,
            mfa: Vec::new(),
            groups: Vec::new(),
            certificates: Vec::new(),
            ssh_keys: Vec::new(),
            service_credentials: Vec::new(),
        }
    }
}

/// A long-term access key.
#[derive(Clone, Debug)]
pub(crate) struct AccessKey {
    pub(crate) id: Text,
    pub(crate) active: bool,
    pub(crate) created: i64,
}

/// A group.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) entity: Entity,
}

/// A customer-managed policy, or one of AWS's own.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) name: Text,
    pub(crate) path: Text,
    pub(crate) id: u64,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) description: Option<Text>,
    pub(crate) tags: Tags,
    /// Oldest first; numbers are never used again.
    pub(crate) versions: Vec<Version>,
    pub(crate) default: u32,
    pub(crate) next: u32,
}

/// One version of a managed policy.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) number: u32,
    pub(crate) created: i64,
    pub(crate) paper: Arc<Paper>,
}

impl Policy {
    pub(crate) fn new(
        name: impl Into<Text>,
        path: impl Into<Text>,
        id: u64,
        created: i64,
        paper: Arc<Paper>,
    ) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            id,
            created,
            updated: created,
            description: None,
            tags: Vec::new(),
            versions: vec![Version {
                number: 1,
                created,
                paper,
            }],
            default: 1,
            next: 2,
        }
    }

    /// Adds a version under the next number.
    pub(crate) fn add_version(&mut self, paper: Arc<Paper>, now: i64, as_default: bool) -> Version {
        let version = Version {
            number: self.next,
            created: now,
            paper,
        };
        self.next += 1;
        self.updated = now;
        if as_default {
            self.default = version.number;
        }
        self.versions.push(version.clone());
        version
    }

    pub(crate) fn version(&self, id: &str) -> Option<&Version> {
        let number: u32 = id.strip_prefix('v')?.parse().ok()?;
        self.versions
            .iter()
            .find(|version| version.number == number)
    }

    /// The document that is in force.
    pub(crate) fn document(&self) -> Option<&Arc<Paper>> {
        self.versions
            .iter()
            .find(|version| version.number == self.default)
            .map(|version| &version.paper)
    }
}

impl Named for Role {
    fn name(&self) -> &str {
        &self.entity.name
    }
}

impl Named for User {
    fn name(&self) -> &str {
        &self.entity.name
    }
}

impl Named for Group {
    fn name(&self) -> &str {
        &self.entity.name
    }
}

impl Named for Policy {
    fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::{Entity, Group, Roster};

    #[test]
    fn names_are_unique_without_regard_to_case_and_keep_their_spelling() {
        let group = |name: &str| Group {
            entity: Entity::new(name, "/", 1, 0),
        };
        let mut roster = Roster::default();
        for name in ["beta", "Alpha", "gamma"] {
            roster.insert(group(name));
        }
        assert_eq!(
            roster
                .iter()
                .map(|group| &*group.entity.name)
                .collect::<Vec<_>>(),
            ["Alpha", "beta", "gamma"]
        );
        assert_eq!(
            roster
                .get("ALPHA")
                .map(|group| group.entity.name.to_string()),
            Some("Alpha".to_owned())
        );
        assert!(roster.remove("BETA").is_some());
        assert_eq!(roster.len(), 2);
    }
}
