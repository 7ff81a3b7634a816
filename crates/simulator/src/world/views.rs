//! What the world looks like from outside: values for assertions.

use std::collections::{BTreeMap, BTreeSet};

use rolekeeper_domain::account::{AccountId, AccountState};

use crate::iam::principals::effective_trust;
use crate::iam::state::{Iam, Tags};
use crate::organizations::tree::{Member, Tree};
use crate::world::provision::Access;
use crate::world::{World, read};

/// An account of the organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// Its id.
    pub id: AccountId,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: AccountState,
    /// The names of the units above it, joined by `/`; empty below the root.
    pub path: String,
    /// Whether it is the management account.
    pub is_management: bool,
    /// Whether the hub can get in and work there.
    pub is_reachable: bool,
}

/// A role, as the last write left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleView {
    /// Its ARN.
    pub arn: String,
    /// Its path.
    pub path: String,
    /// The trust policy as it reads now.
    pub trust: String,
    /// Its description.
    pub description: Option<String>,
    /// The longest session in seconds.
    pub max_session_duration: u32,
    /// The ARN of its permissions boundary.
    pub boundary: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// ARNs of the attached policies.
    pub attached: BTreeSet<String>,
    /// Inline policies by name.
    pub inline: BTreeMap<String, String>,
}

/// A customer-managed policy, as the last write left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyView {
    /// Its path.
    pub path: String,
    /// The document in force.
    pub document: String,
    /// The number of the version in force.
    pub default_version: u32,
    /// The numbers of all versions.
    pub versions: Vec<u32>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

fn tag_map(tags: &Tags) -> BTreeMap<String, String> {
    tags.iter()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}

impl World {
    /// All accounts, the management account first.
    pub fn accounts(&self) -> Vec<AccountView> {
        let tree = read(&self.tree);
        let plots = read(&self.plots);
        let view = |(member, index): (&Member, usize)| {
            let access = plots
                .get(index)
                .map_or(Access::Organization, |plot| plot.nature.access);
            let management = index == 0;
            let way_in = matches!(access, Access::Organization | Access::ControlTower);
            AccountView {
                id: member.id,
                name: member.name.to_string(),
                state: member.state.clone(),
                path: names(&tree, member),
                is_management: management,
                is_reachable: !management && member.is_usable() && way_in,
            }
        };
        tree.members.iter().zip(0..).map(view).collect()
    }

    /// The member accounts that the hub can get into, in the order of their
    /// creation.
    pub fn reachable(&self) -> Vec<AccountId> {
        self.accounts()
            .into_iter()
            .filter(|account| account.is_reachable)
            .map(|account| account.id)
            .collect()
    }

    /// The management account.
    pub fn management_account(&self) -> Option<AccountId> {
        read(&self.tree).management().map(|member| member.id)
    }

    /// The id of the organization's root, `r-…`.
    pub fn root_id(&self) -> String {
        read(&self.tree).root_id().to_owned()
    }

    /// A role; none when the account has none of that name.
    pub fn role(&self, account: AccountId, name: &str) -> Option<RoleView> {
        role_view(self, account, &*self.latest(account)?, name)
    }

    /// A customer-managed policy.
    pub fn policy(&self, account: AccountId, name: &str) -> Option<PolicyView> {
        policy_view(&*self.latest(account)?, name)
    }

    /// The names of all roles of an account.
    pub fn role_names(&self, account: AccountId) -> Vec<String> {
        let iam = self.latest(account).unwrap_or_default();
        iam.roles
            .iter()
            .map(|role| role.entity.name.to_string())
            .collect()
    }

    /// The names of all users of an account.
    pub fn user_names(&self, account: AccountId) -> Vec<String> {
        let iam = self.latest(account).unwrap_or_default();
        iam.users
            .iter()
            .map(|user| user.entity.name.to_string())
            .collect()
    }
}

pub(crate) fn role_view(
    world: &World,
    account: AccountId,
    iam: &Iam,
    name: &str,
) -> Option<RoleView> {
    let role = iam.roles.get(name)?;
    let entity = &role.entity;
    Some(RoleView {
        arn: format!("arn:aws:iam::{account}:role{}{}", entity.path, entity.name),
        path: entity.path.to_string(),
        trust: effective_trust(world, role).text().to_string(),
        description: role.description.as_deref().map(str::to_owned),
        max_session_duration: role.max_session,
        boundary: entity.boundary.as_deref().map(str::to_owned),
        tags: tag_map(&entity.tags),
        attached: entity.attached.iter().map(ToString::to_string).collect(),
        inline: entity
            .inline
            .iter()
            .map(|(name, paper)| (name.to_string(), paper.text().to_string()))
            .collect(),
    })
}

pub(crate) fn policy_view(iam: &Iam, name: &str) -> Option<PolicyView> {
    let policy = iam.policies.get(name)?;
    Some(PolicyView {
        path: policy.path.to_string(),
        document: policy
            .document()
            .map(|paper| paper.text().to_string())
            .unwrap_or_default(),
        default_version: policy.default,
        versions: policy
            .versions
            .iter()
            .map(|version| version.number)
            .collect(),
        tags: tag_map(&policy.tags),
    })
}

fn names(tree: &Tree, member: &Member) -> String {
    let chain = tree.chain(member.parent);
    chain
        .iter()
        .skip(1)
        .map(|unit| &*unit.name)
        .collect::<Vec<_>>()
        .join("/")
}
