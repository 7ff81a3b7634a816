//! What accounts are born with, and what provisioning adds.

use std::collections::BTreeMap;
use std::sync::Arc;

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::role::{Boundary, OWNER_TAG_KEY, OWNER_TAG_VALUE, RoleSpec};

use crate::iam::paper::{Kind, Library, Paper};
use crate::iam::state::{Entity, Iam, Inline, Policy, Role, Tags, Text};
use crate::seed::{mix, word};
use crate::world::drift::trust_of;

/// The vendor that `config/demo.toml` names.
pub const DEMO_VENDOR: &str = "999999999999";
/// The external id that `config/demo.toml` names.
pub const DEMO_EXTERNAL_ID: &str = "demo-7f3a9c52";
/// The role and the policy of the FAQ.
pub const DEMO_ROLE: &str = "CloudCoreoAssumedRolePolicy";
/// The description that `config/demo.toml` asks for.
pub const DEMO_DESCRIPTION: &str = "Access for CloudCoreo, kept by rolekeeper";
/// The tag that `config/demo.toml` asks for.
pub const DEMO_TAG: (&str, &str) = ("owner", "platform-security");

/// The policy of the FAQ.
const DEMO_POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Action":["*"],"Effect":"Allow","Resource":"*"},{"Action":["iam:CreateUser"],"Effect":"Deny","Resource":"*"}]}"#;

/// A role with everything that belongs to it, as it is put into accounts.
#[derive(Clone, Debug)]
pub(crate) struct Blueprint {
    pub(crate) name: Text,
    pub(crate) path: Text,
    pub(crate) vendor: Text,
    pub(crate) trust: Arc<Paper>,
    pub(crate) description: Option<Text>,
    pub(crate) max_session: u32,
    pub(crate) boundary: Option<Text>,
    pub(crate) tags: Tags,
    /// Name, path, document and tags of each managed policy.
    pub(crate) managed: Vec<(Text, Text, Arc<Paper>, Tags)>,
    pub(crate) attach: Vec<Text>,
    pub(crate) inline: Inline,
}

impl Blueprint {
    /// The role of `config/demo.toml`.
    pub(crate) fn demo(library: &Library) -> Self {
        let trust = trust_of(
            &format!("arn:aws:iam::{DEMO_VENDOR}:root"),
            Some(DEMO_EXTERNAL_ID),
        );
        let trust = library
            .take(Kind::Trust, &trust)
            .unwrap_or_else(|_| Paper::known(&trust));
        let tags = owned(&BTreeMap::from([(
            DEMO_TAG.0.to_owned(),
            DEMO_TAG.1.to_owned(),
        )]));
        Self {
            name: DEMO_ROLE.into(),
            path: "/".into(),
            vendor: DEMO_VENDOR.into(),
            trust,
            description: Some(DEMO_DESCRIPTION.into()),
            max_session: 3_600,
            boundary: None,
            tags: tags.clone(),
            managed: vec![(
                DEMO_ROLE.into(),
                "/".into(),
                Paper::known(DEMO_POLICY),
                tags,
            )],
            attach: Vec::new(),
            inline: Vec::new(),
        }
    }

    /// The role of a spec, as rolekeeper would make it.
    pub(crate) fn of(spec: &RoleSpec, library: &Library) -> Self {
        let identity = |document: &rolekeeper_domain::policy::Document| {
            let text = document.text().to_owned();
            library
                .take(Kind::Identity, &text)
                .unwrap_or_else(|_| Paper::known(&text))
        };
        let trust = spec.trust.text().to_owned();
        let trust = library
            .take(Kind::Trust, &trust)
            .unwrap_or_else(|_| Paper::known(&trust));
        let managed = spec.managed_policies.iter().map(|policy| {
            let document = identity(&policy.document);
            (
                policy.name.as_str().into(),
                policy.path.as_str().into(),
                document,
                owned(&policy.tags),
            )
        });
        Self {
            name: spec.name.as_str().into(),
            path: spec.path.as_str().into(),
            vendor: DEMO_VENDOR.into(),
            trust,
            description: spec.description.as_deref().map(Into::into),
            max_session: spec.max_session_duration.unwrap_or(3_600),
            boundary: match &spec.boundary {
                Boundary::Policy(arn) => Some(arn.as_str().into()),
                Boundary::Unmanaged | Boundary::None => None,
            },
            tags: owned(&spec.tags),
            managed: managed.collect(),
            attach: spec.attach.iter().map(|arn| arn.as_str().into()).collect(),
            inline: spec
                .inline
                .iter()
                .map(|(name, document)| (name.as_str().into(), identity(document)))
                .collect(),
        }
    }

    pub(crate) fn policy_tags(&self) -> Tags {
        self.managed
            .first()
            .map(|(.., tags)| tags.clone())
            .unwrap_or_default()
    }

    /// Puts the role, its policies and its attachments into an account.
    pub(crate) fn build(&self, iam: &mut Iam, account: AccountId, now: i64) {
        let mut entity = Entity::new(
            Arc::clone(&self.name),
            Arc::clone(&self.path),
            mix(word(&self.name), &[1]),
            now,
        );
        entity.tags.clone_from(&self.tags);
        entity.boundary.clone_from(&self.boundary);
        entity.inline.clone_from(&self.inline);
        for (name, path, paper, tags) in &self.managed {
            let id = mix(word(name), &[2]);
            let mut policy = Policy::new(
                Arc::clone(name),
                Arc::clone(path),
                id,
                now,
                Arc::clone(paper),
            );
            policy.tags.clone_from(tags);
            iam.policies.insert(policy);
            entity
                .attached
                .push(format!("arn:aws:iam::{account}:policy{path}{name}").into());
        }
        entity.attached.extend(self.attach.iter().cloned());
        iam.roles.insert(Role {
            entity,
            description: self.description.clone(),
            max_session: self.max_session,
            trust: Arc::clone(&self.trust),
            trusted: self
                .trust
                .principals()
                .iter()
                .map(|arn| (Arc::clone(arn), word(arn)))
                .collect(),
            instance_profiles: Vec::new(),
        });
    }
}

fn owned(tags: &BTreeMap<String, String>) -> Tags {
    let own = (OWNER_TAG_KEY.into(), OWNER_TAG_VALUE.into());
    let rest = tags
        .iter()
        .map(|(key, value)| (key.as_str().into(), value.as_str().into()));
    std::iter::once(own).chain(rest).collect()
}

/// How the hub gets into an account, or why it does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Access {
    /// By `OrganizationAccountAccessRole`.
    #[default]
    Organization,
    /// By `AWSControlTowerExecution`.
    ControlTower,
    /// There is no such role: an invited account.
    NoRole,
    /// The role trusts somebody else.
    ForeignTrust,
    /// A service control policy denies IAM to the role.
    Guarded,
    /// The role may do nothing in IAM.
    Weak,
}

impl Access {
    /// The ways to be denied, in turn.
    pub(crate) const DENIALS: [Self; 4] =
        [Self::NoRole, Self::Guarded, Self::ForeignTrust, Self::Weak];
}

/// What accounts have in common before anybody manages them, made once.
#[derive(Debug)]
pub(crate) struct Nursery {
    roles: [Arc<Role>; 5],
    common: Vec<Arc<Role>>,
}

impl Nursery {
    pub(crate) fn new(library: &Library, management: AccountId) -> Self {
        let administrator = ["arn:aws:iam::aws:policy/AdministratorAccess"];
        let hub = trust_of(&format!("arn:aws:iam::{management}:root"), None);
        let role = |name: &str, path: &str, trust: &str, attached: &[&str]| {
            let mut entity = Entity::new(name, path, mix(word(name), &[1]), 1_551_686_400);
            entity.attached = attached.iter().map(|&arn| arn.into()).collect();
            let trust = library
                .take(Kind::Trust, trust)
                .unwrap_or_else(|_| Paper::known(trust));
            let (description, instance_profiles) = (None, Vec::new());
            Arc::new(Role {
                entity,
                description,
                max_session: 3_600,
                trust,
                trusted: Vec::new(),
                instance_profiles,
            })
        };
        let service = |name: &str, service: &str, policy: &str| {
            let trust = format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":"{service}"}},"Action":"sts:AssumeRole"}}]}}"#
            );
            role(
                name,
                &format!("/aws-service-role/{service}/"),
                &trust,
                &[policy],
            )
        };
        let foreign = trust_of("arn:aws:iam::987654321098:root", None);
        let view = ["arn:aws:iam::aws:policy/job-function/ViewOnlyAccess"];
        Self {
            roles: [
                role("OrganizationAccountAccessRole", "/", &hub, &administrator),
                role("AWSControlTowerExecution", "/", &hub, &administrator),
                role(
                    "OrganizationAccountAccessRole",
                    "/",
                    &foreign,
                    &administrator,
                ),
                role("OrganizationAccountAccessRole", "/", &hub, &[]),
                role("developer", "/", &foreign, &view),
            ],
            common: vec![
                service(
                    "AWSServiceRoleForSupport",
                    "support.amazonaws.com",
                    "arn:aws:iam::aws:policy/aws-service-role/AWSSupportServiceRolePolicy",
                ),
                service(
                    "AWSServiceRoleForTrustedAdvisor",
                    "trustedadvisor.amazonaws.com",
                    "arn:aws:iam::aws:policy/aws-service-role/AWSTrustedAdvisorServiceRolePolicy",
                ),
            ],
        }
    }

    /// The IAM of a new account.
    pub(crate) fn newborn(&self, access: Access, lively: bool) -> Iam {
        let [ordinary, control_tower, foreign, weak, developer] = &self.roles;
        let admin = match access {
            Access::Organization | Access::Guarded => Some(ordinary),
            Access::ControlTower => Some(control_tower),
            Access::ForeignTrust => Some(foreign),
            Access::Weak => Some(weak),
            Access::NoRole => None,
        };
        let mut iam = Iam::default();
        for role in self
            .common
            .iter()
            .chain(admin)
            .chain(lively.then_some(developer))
        {
            iam.roles.insert(Arc::clone(role));
        }
        iam
    }
}

#[cfg(test)]
mod tests {
    use super::{
        DEMO_DESCRIPTION, DEMO_EXTERNAL_ID, DEMO_POLICY, DEMO_ROLE, DEMO_TAG, DEMO_VENDOR,
    };

    #[test]
    fn the_demo_configuration_asks_for_what_provisioned_accounts_have() {
        let demo = include_str!("../../../../config/demo.toml");
        let lines: Vec<&str> = demo.lines().map(str::trim).collect();
        for wanted in [
            "preset = \"cloudcoreo\"".to_owned(),
            format!("vendor_account_id = \"{DEMO_VENDOR}\""),
            format!("external_id = \"{DEMO_EXTERNAL_ID}\""),
            format!("description = \"{DEMO_DESCRIPTION}\""),
            "max_session_duration = 3600".to_owned(),
            "permissions_boundary = \"none\"".to_owned(),
            format!("tags = {{ {} = \"{}\" }}", DEMO_TAG.0, DEMO_TAG.1),
            format!("name = \"{DEMO_ROLE}\""),
            format!("document = '''{DEMO_POLICY}'''"),
        ] {
            assert!(
                lines.contains(&wanted.as_str()),
                "config/demo.toml lacks: {wanted}"
            );
        }
    }
}
