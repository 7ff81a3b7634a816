//! Differences to plant: each kind that rolekeeper can tell, in the forms in
//! which it comes about.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::iam::paper::{Kind, Library, Paper};
use crate::iam::state::{AccessKey, Entity, Iam, Policy, Role, Text, User};
use crate::iam::versions::VERSIONS;
use crate::seed::{mix, unique_id, word};
use crate::world::provision::Blueprint;

/// One way in which a provisioned account has come to differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drift {
    /// The role was deleted, its policies left behind.
    RoleMissing,
    /// Anybody may assume the role.
    TrustOpen,
    /// The managed policy allows everything.
    PolicyWider,
    /// The managed policy is there and not attached.
    AttachmentMissing,
    /// Somebody rewrote the description.
    RoleDescription,
    /// The external id is no longer asked for.
    TrustWithoutExternalId,
    /// `AdministratorAccess` was attached as well.
    AttachmentUnexpected,
    /// Sessions may last twelve hours.
    RoleMaxSessionDuration,
    /// The managed policy allows less than agreed.
    PolicyNarrower,
    /// An inline policy nobody asked for.
    InlineUnexpected,
    /// A tag of the role is gone, or was changed.
    RoleTags,
    /// The trust policy names a role that was deleted.
    TrustDeadPrincipal,
    /// The managed policy was detached and deleted.
    PolicyMissing,
    /// The managed policy differs and has no room for a version.
    PolicyVersionsFull,
    /// Another account than the vendor's is trusted.
    TrustOtherAccount,
    /// A tag of the managed policy is gone, or was changed.
    PolicyTags,
    /// The role stands under another path.
    RolePath,
    /// A permissions boundary was set.
    RolePermissionsBoundary,
    /// An inline policy of the spec was changed.
    InlineDocument,
    /// The role of the later FAQ stands beside it, though it should not.
    RoleUnexpected,
    /// The temporary user of the FAQ was never deleted.
    LegacyUser,
}

impl Drift {
    /// Every form, the ones an audit of the demo's role can see first.
    pub const ALL: [Self; 21] = [
        Self::RoleMissing,
        Self::TrustOpen,
        Self::PolicyWider,
        Self::AttachmentMissing,
        Self::RoleDescription,
        Self::TrustWithoutExternalId,
        Self::AttachmentUnexpected,
        Self::RoleMaxSessionDuration,
        Self::PolicyNarrower,
        Self::InlineUnexpected,
        Self::RoleTags,
        Self::TrustDeadPrincipal,
        Self::PolicyMissing,
        Self::PolicyVersionsFull,
        Self::TrustOtherAccount,
        Self::PolicyTags,
        Self::RolePath,
        Self::RolePermissionsBoundary,
        Self::InlineDocument,
        Self::RoleUnexpected,
        Self::LegacyUser,
    ];

    /// The forms that an audit of the demo's role can see, in the order in
    /// which a share of the accounts is given them.
    pub fn visible() -> &'static [Self] {
        const { Self::ALL.split_at(18).0 }
    }

    /// The kind under which rolekeeper reports it.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::RoleMissing => "role_missing",
            Self::TrustOpen
            | Self::TrustWithoutExternalId
            | Self::TrustDeadPrincipal
            | Self::TrustOtherAccount => "trust_policy",
            Self::PolicyWider | Self::PolicyNarrower => "policy_document",
            Self::AttachmentMissing => "attachment_missing",
            Self::RoleDescription => "role_description",
            Self::AttachmentUnexpected => "attachment_unexpected",
            Self::RoleMaxSessionDuration => "role_max_session_duration",
            Self::InlineUnexpected => "inline_unexpected",
            Self::RoleTags => "role_tags",
            Self::PolicyMissing => "policy_missing",
            Self::PolicyVersionsFull => "policy_versions_full",
            Self::PolicyTags => "policy_tags",
            Self::RolePath => "role_path",
            Self::RolePermissionsBoundary => "role_permissions_boundary",
            Self::InlineDocument => "inline_document",
            Self::RoleUnexpected => "role_unexpected",
            Self::LegacyUser => "legacy_user",
        }
    }

    /// Its own name: the kind, or which form of it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TrustOpen => "trust_open",
            Self::TrustWithoutExternalId => "trust_without_external_id",
            Self::TrustDeadPrincipal => "trust_dead_principal",
            Self::TrustOtherAccount => "trust_other_account",
            Self::PolicyWider => "policy_wider",
            Self::PolicyNarrower => "policy_narrower",
            other => other.kind(),
        }
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Drift {
    type Err = String;

    /// By its own name, or by a kind, which stands for its first form.
    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|drift| drift.as_str() == text);
        named
            .or_else(|| Self::ALL.into_iter().find(|drift| drift.kind() == text))
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::as_str).join(", ");
                format!("`{text}` is no kind of drift; known are {known}")
            })
    }
}

const NARROW: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:Describe*","s3:ListAllMyBuckets"],"Resource":"*"}]}"#;
const WIDE: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

/// Where a difference is planted.
pub(crate) struct Bed<'a> {
    pub(crate) library: &'a Library,
    pub(crate) blueprint: &'a Blueprint,
    pub(crate) account: &'a str,
    /// What new ids are spelled from.
    pub(crate) seed: u64,
    /// Seconds since the epoch.
    pub(crate) now: i64,
}

impl Bed<'_> {
    /// Changes the account so that it differs in this way. Where there is
    /// nothing to change (no inline policy in the spec), the nearest thing is.
    pub(crate) fn plant(&self, iam: &mut Iam, drift: Drift) {
        match drift {
            Drift::RoleMissing => drop(iam.roles.remove(&self.blueprint.name)),
            Drift::RoleUnexpected => self.plant_later_role(iam),
            Drift::LegacyUser => self.plant_user(iam),
            Drift::PolicyMissing => self.remove_policies(iam),
            Drift::PolicyWider
            | Drift::PolicyNarrower
            | Drift::PolicyVersionsFull
            | Drift::PolicyTags => {
                for (name, ..) in &self.blueprint.managed {
                    if let Some(policy) = iam.policies.get_mut(name) {
                        self.change_policy(policy, drift);
                    }
                }
            }
            _ => {
                if let Some(role) = iam.roles.get_mut(&self.blueprint.name) {
                    self.change_role(role, drift);
                }
            }
        }
    }

    fn change_role(&self, role: &mut Role, drift: Drift) {
        match drift {
            Drift::TrustOpen => self.trust(role, &trust_of("*", None), Vec::new()),
            Drift::TrustWithoutExternalId => {
                let vendor = format!("arn:aws:iam::{}:root", self.blueprint.vendor);
                self.trust(role, &trust_of(&vendor, None), Vec::new());
            }
            Drift::TrustOtherAccount => {
                self.trust(
                    role,
                    &trust_of("arn:aws:iam::987654321098:root", Some("stolen")),
                    Vec::new(),
                );
            }
            Drift::TrustDeadPrincipal => {
                let gone = format!("arn:aws:iam::{}:role/retired-scanner", self.account);
                let id = mix(self.seed, &[word(&gone)]);
                self.trust(
                    role,
                    &trust_of(&gone, None),
                    vec![(gone.as_str().into(), id)],
                );
            }
            Drift::RoleDescription => role.description = Some("do not touch - ask Dave".into()),
            Drift::RoleMaxSessionDuration => role.max_session = 43_200,
            Drift::RolePath => role.entity.path = "/legacy/".into(),
            Drift::RolePermissionsBoundary => role.entity.boundary = Some(READ_ONLY.into()),
            Drift::RoleTags => spoil(&mut role.entity.tags, &self.blueprint.tags),
            Drift::AttachmentMissing => role.entity.attached.clear(),
            Drift::AttachmentUnexpected => {
                let attached = &mut role.entity.attached;
                if !attached.iter().any(|arn| **arn == *ADMINISTRATOR) {
                    attached.push(ADMINISTRATOR.into());
                }
            }
            Drift::InlineUnexpected => role
                .entity
                .put_inline("debug-temporary", Paper::known(WIDE)),
            Drift::InlineDocument => {
                let name = role
                    .entity
                    .inline
                    .first()
                    .map_or_else(|| "inline".into(), |(name, _)| Arc::clone(name));
                role.entity.put_inline(&name, Paper::known(NARROW));
            }
            _ => {}
        }
    }

    fn change_policy(&self, policy: &mut Policy, drift: Drift) {
        match drift {
            Drift::PolicyWider => self.put_in_force(policy, WIDE),
            Drift::PolicyNarrower => self.put_in_force(policy, NARROW),
            Drift::PolicyVersionsFull => {
                while policy.versions.len() < VERSIONS {
                    policy.add_version(Paper::known(NARROW), self.now, true);
                }
            }
            _ => spoil(&mut policy.tags, &self.blueprint.policy_tags()),
        }
    }

    /// Whoever finds no room for a version deletes the oldest first.
    fn put_in_force(&self, policy: &mut Policy, text: &str) {
        if policy.versions.len() >= VERSIONS {
            let default = policy.default;
            let oldest = policy.versions.iter().position(|one| one.number != default);
            oldest.map(|index| policy.versions.remove(index));
        }
        policy.add_version(Paper::known(text), self.now, true);
    }

    fn remove_policies(&self, iam: &mut Iam) {
        for (name, path, ..) in &self.blueprint.managed {
            let arn = format!("arn:aws:iam::{}:policy{path}{name}", self.account);
            iam.policies.remove(name);
            if let Some(role) = iam.roles.get_mut(&self.blueprint.name) {
                role.entity.attached.retain(|attached| **attached != *arn);
            }
        }
    }

    fn plant_later_role(&self, iam: &mut Iam) {
        let Some(role) = iam.roles.get(&self.blueprint.name) else {
            return;
        };
        let mut later = Role::clone(role);
        later.entity.name = "CloudCoreoAssumedRole".into();
        later.entity.id = mix(self.seed, &[word("CloudCoreoAssumedRole")]);
        iam.roles.insert(later);
    }

    fn plant_user(&self, iam: &mut Iam) {
        let id = mix(self.seed, &[word("cloudcoreo"), word(self.account)]);
        let mut user = User::new(Entity::new("cloudcoreo", "/", id, self.now));
        user.keys.push(AccessKey {
            id: unique_id("AKIA", 16, id).into(),
            active: true,
            created: self.now,
        });
        let six = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:GetUser","iam:CreatePolicy","iam:GetPolicy","iam:CreateRole","iam:GetRole","iam:AttachRolePolicy"],"Resource":"*"}]}"#;
        user.entity
            .put_inline("cloudcoreo-setup", Paper::known(six));
        iam.users.insert(user);
    }

    fn trust(&self, role: &mut Role, text: &str, trusted: Vec<(Text, u64)>) {
        if let Ok(paper) = self.library.take(Kind::Trust, text) {
            role.trust = paper;
            role.trusted = trusted;
        }
    }
}

/// A trust policy for one principal.
pub(crate) fn trust_of(principal: &str, external_id: Option<&str>) -> String {
    let condition = external_id
        .map(|id| format!(r#","Condition":{{"StringEquals":{{"sts:ExternalId":"{id}"}}}}"#))
        .unwrap_or_default();
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"sts:AssumeRole"{condition}}}]}}"#
    )
}

/// Changes the first tag that the spec asks for; the owner's when there is no other.
fn spoil(tags: &mut crate::iam::state::Tags, wanted: &crate::iam::state::Tags) {
    let own = rolekeeper_domain::role::OWNER_TAG_KEY;
    let key = wanted
        .iter()
        .map(|(key, _)| key)
        .find(|key| ***key != *own)
        .map_or(own, |key| key);
    tags.retain(|(known, _)| **known != *key);
}
