//! The AWS permissions that rolekeeper itself needs: one table of every call,
//! and the policies made from it.
//!
//! No action is ever a wildcard. Resources are narrowed to the configured names;
//! a wildcard in a resource stands for an account id or for a path.

mod session;
mod table;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::account::AccountId;
use crate::arn::{Arn, Partition};
use crate::call::{Access, Operation};
use crate::role::{Boundary, Ensure, Extras, IamPath, PolicyName, RoleName, RoleSpec};

pub use session::{
    MAX_SESSION_POLICY, audit_session, repair_session, user_audit_session, user_repair_session,
};
pub use table::{Row, TABLE, Target, When};

/// Whose policy it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Audience {
    /// The principal the process runs as.
    Hub,
    /// The role that reads the organization when the hub may not.
    Organization,
    /// The admin role in each member account.
    Admin,
    /// The session policy of an audit: what is left of the admin role.
    Session,
    /// The temporary user of an account outside the organization: the six
    /// actions of the FAQ.
    Bootstrap,
}

/// The names one managed role brings along.
#[derive(Clone, Debug)]
pub struct RoleScope {
    /// The role.
    pub name: RoleName,
    /// Its path.
    pub path: IamPath,
    /// The managed policies that rolekeeper keeps for it.
    pub policies: Vec<(IamPath, PolicyName)>,
    /// Policies of others that it attaches.
    pub attach: Vec<Arn>,
    /// Its permissions boundary.
    pub boundary: Boundary,
    /// Whether description or session length are kept.
    pub settings: bool,
    /// What is done about unexpected attachments and inline policies.
    pub extras: Extras,
    /// Whether it should be there.
    pub ensure: Ensure,
    /// Users that should not be left behind.
    pub legacy_users: BTreeSet<String>,
}

impl From<&RoleSpec> for RoleScope {
    fn from(spec: &RoleSpec) -> Self {
        let named =
            |policy: &crate::role::ManagedPolicySpec| (policy.path.clone(), policy.name.clone());
        Self {
            name: spec.name.clone(),
            path: spec.path.clone(),
            policies: spec.managed_policies.iter().map(named).collect(),
            attach: spec.attach.iter().cloned().collect(),
            boundary: spec.boundary.clone(),
            settings: spec.description.is_some() || spec.max_session_duration.is_some(),
            extras: spec.extras,
            ensure: spec.ensure,
            legacy_users: spec.legacy_users.clone(),
        }
    }
}

/// What the policies are made for.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The partition.
    pub partition: Partition,
    /// The one account meant; none: every account.
    pub account: Option<AccountId>,
    /// The managed roles.
    pub roles: Vec<RoleScope>,
    /// The admin roles, with path where they have one.
    pub admin_roles: Vec<String>,
    /// The role assumed first to read the organization.
    pub organization_role: Option<Arn>,
    /// The queue of events.
    pub queue: Option<Arn>,
    /// Whether sweeps may write.
    pub repair: bool,
    /// Whether a sweep's writes may be undone.
    pub rollback: bool,
    /// Whether a selector asks for account tags.
    pub tag_selectors: bool,
    /// Whether `ListAccounts` gives no OU paths, so that each unit is listed.
    pub units_listed: bool,
    /// Whether sessions carry a source identity.
    pub source_identity: bool,
    /// Whether the hub manages its own account too.
    pub hub_managed: bool,
    /// Whether `check` may read the organization's own policies.
    pub walls: bool,
    /// Temporary users that may be retired.
    pub retired_users: BTreeSet<String>,
}

impl Scope {
    /// The scope of an audit of one account.
    pub fn audit(partition: Partition, account: AccountId, roles: &[RoleSpec]) -> Self {
        Self {
            partition,
            account: Some(account),
            roles: roles.iter().map(RoleScope::from).collect(),
            ..Self::default()
        }
    }

    fn account_text(&self) -> String {
        self.account
            .map_or_else(|| "*".to_owned(), |account| account.to_string())
    }

    fn iam(&self, resource: &str) -> String {
        format!(
            "arn:{}:iam::{}:{resource}",
            self.partition,
            self.account_text()
        )
    }
}

/// One statement that allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The actions, sorted.
    pub actions: BTreeSet<String>,
    /// The resources, sorted.
    pub resources: BTreeSet<String>,
    /// The policies that may be attached, where the actions attach some.
    pub attachable: BTreeSet<String>,
}

impl Grant {
    fn of(operation: Operation, resources: impl IntoIterator<Item = String>) -> Self {
        let mut actions = BTreeSet::from([operation.action()]);
        actions.extend(implied(operation).map(str::to_owned));
        Self {
            actions,
            resources: resources.into_iter().collect(),
            attachable: BTreeSet::new(),
        }
    }

    fn to_json(&self) -> Value {
        let mut statement = Map::new();
        statement.insert("Effect".to_owned(), json!("Allow"));
        statement.insert("Action".to_owned(), one_or_many(&self.actions));
        statement.insert("Resource".to_owned(), one_or_many(&self.resources));
        if !self.attachable.is_empty() {
            let condition = json!({"ArnEquals": {"iam:PolicyARN": one_or_many(&self.attachable)}});
            statement.insert("Condition".to_owned(), condition);
        }
        Value::Object(statement)
    }
}

/// What AWS checks beside the operation itself: a create call that carries tags
/// needs the action that tags.
fn implied(operation: Operation) -> impl Iterator<Item = &'static str> {
    let action = match operation {
        Operation::CreateRole => Some("iam:TagRole"),
        Operation::CreatePolicy => Some("iam:TagPolicy"),
        _ => None,
    };
    action.into_iter()
}

fn one_or_many(texts: &BTreeSet<String>) -> Value {
    match texts.first() {
        Some(only) if texts.len() == 1 => json!(only),
        _ => json!(texts),
    }
}

/// The statements that `audience` needs in `scope`.
pub fn grants_for(audience: Audience, scope: &Scope) -> Vec<Grant> {
    let mut grants: Vec<Grant> = TABLE
        .iter()
        .filter(|row| row.audiences.contains(&audience))
        .flat_map(|row| row.grants(scope))
        .collect();
    if audience == Audience::Hub && scope.hub_managed {
        grants.extend(grants_for(Audience::Admin, scope));
    }
    if audience == Audience::Hub && scope.organization_role.is_none() {
        grants.extend(grants_for(Audience::Organization, scope));
    }
    if audience == Audience::Bootstrap {
        // The FAQ's user tags nothing: its six actions are all it has.
        for grant in &mut grants {
            grant
                .actions
                .retain(|action| !action.starts_with("iam:Tag"));
        }
    }
    if scope.source_identity && audience == Audience::Hub {
        for grant in grants
            .iter_mut()
            .filter(|grant| grant.actions.contains("sts:AssumeRole"))
        {
            grant.actions.insert("sts:SetSourceIdentity".to_owned());
        }
    }
    merge(grants)
}

/// The policy that `audience` needs in `scope`, as indented JSON.
pub fn policy_for(audience: Audience, scope: &Scope) -> String {
    let document = document(&grants_for(audience, scope));
    format!("{document:#}")
}

/// Puts grants together that differ in one part only.
fn merge(grants: Vec<Grant>) -> Vec<Grant> {
    let mut merged: Vec<Grant> = Vec::new();
    // First the resources of the same call, then the calls on the same resources.
    for grant in grants {
        let same = |other: &&mut Grant| {
            other.actions == grant.actions
                && (other.attachable == grant.attachable || other.resources == grant.resources)
        };
        match merged.iter_mut().find(same) {
            Some(other) => {
                other.resources.extend(grant.resources);
                other.attachable.extend(grant.attachable);
            }
            None => merged.push(grant),
        }
    }
    let mut whole: Vec<Grant> = Vec::new();
    for grant in merged {
        let same = |other: &&mut Grant| {
            other.resources == grant.resources && other.attachable == grant.attachable
        };
        match whole.iter_mut().find(same) {
            Some(other) => other.actions.extend(grant.actions),
            None => whole.push(grant),
        }
    }
    whole
}

/// The policy that consists of these statements, as compact JSON.
pub fn document_of(grants: &[Grant]) -> String {
    document(grants).to_string()
}

fn document(grants: &[Grant]) -> Value {
    json!({"Version": "2012-10-17", "Statement": grants.iter().map(Grant::to_json).collect::<Vec<_>>()})
}

/// The statement that would allow a denied call, as JSON: for the remedy that
/// goes with the fault. None for a call that needs no permission.
pub fn missing_statement(operation: Operation, scope: &Scope) -> Option<String> {
    let audience = match (operation.service(), operation.access()) {
        (crate::call::Service::Iam, Access::Read | Access::Write) => Audience::Admin,
        _ => Audience::Hub,
    };
    let action = operation.action();
    let grants = grants_for(audience, scope);
    let grant = grants
        .iter()
        .find(|grant| grant.actions.contains(&action))?;
    let only = Grant {
        actions: BTreeSet::from([action]),
        ..grant.clone()
    };
    Some(only.to_json().to_string())
}

#[cfg(test)]
mod tests;
