//! What the organization's own policies keep from working although everything else is right: a repair that a service
//! control policy denies, a vendor whom a resource control policy keeps out of a perfect role.

use std::collections::BTreeSet;
use std::fmt;

use crate::account::AccountId;
use crate::least_privilege::{Audience, RoleScope, Scope, grants_for};
use crate::ownership::with_owner_tag;
use crate::policy::{
    Condition, ConditionContext, Decision, Document, Policies, PolicyType, Principal, Request,
    Statement, evaluate,
};
use crate::role::{Boundary, Ensure, RoleSpec};

/// A policy of the organization, and where it hangs.
#[derive(Clone, Debug)]
pub struct Rail {
    /// Its name, as people know it.
    pub name: String,
    /// The root, unit or account it is attached to.
    pub target: String,
    /// What it says.
    pub document: Document,
}

/// Every policy of the organization that binds one account, level by level, the root first.
#[derive(Clone, Debug, Default)]
pub struct Rails {
    /// The service control policies: each level has to allow.
    pub service: Vec<Vec<Rail>>,
    /// The resource control policies, which only deny.
    pub resource: Vec<Vec<Rail>>,
    /// The names of those that could not be understood.
    pub unread: BTreeSet<String>,
}

/// Where and as whom.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The account.
    pub account: AccountId,
    /// The organization's id.
    pub organization: &'a str,
    /// The admin role, with its path where it has one.
    pub admin_role: &'a str,
}

/// Whoever is to assume the managed role from outside the organization.
#[derive(Clone, Copy, Debug)]
pub struct Vendor<'a> {
    /// The vendor's account.
    pub account: AccountId,
    /// What it presents.
    pub external_id: Option<&'a str>,
}

/// One thing that cannot work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wall {
    /// A service control policy denies calls that a repair may have to make.
    Denies {
        /// The policy's name.
        policy: String,
        /// Where it hangs.
        target: String,
        /// The calls.
        actions: BTreeSet<String>,
        /// What would satisfy it.
        demand: Option<Demand>,
        /// Whether it surely does: its conditions ask for nothing that shows only in the call itself.
        surely: bool,
    },
    /// At some level no service control policy allows the calls.
    Omits {
        /// The calls.
        actions: BTreeSet<String>,
    },
    /// A resource control policy keeps the vendor from assuming the role.
    KeepsOut {
        /// The policy's name.
        policy: String,
        /// Where it hangs.
        target: String,
        /// Whether it surely does.
        surely: bool,
    },
}

impl Wall {
    /// Whether it surely stands, as far as policies alone can tell.
    pub const fn is_sure(&self) -> bool {
        match self {
            Self::Denies { surely, .. } | Self::KeepsOut { surely, .. } => *surely,
            Self::Omits { .. } => true,
        }
    }
}

/// What a service control policy wants to see in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Tags with these keys.
    Tags(BTreeSet<String>),
    /// A permissions boundary.
    Boundary,
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denies {
                policy,
                target,
                actions,
                surely,
                ..
            } => write!(
                f,
                "the service control policy {policy} (at {target}) {} {}, which a repair may have to call",
                if *surely { "denies" } else { "may deny" },
                listed(actions)
            ),
            Self::Omits { actions } => write!(
                f,
                "no service control policy allows {}, which a repair may have to call",
                listed(actions)
            ),
            Self::KeepsOut {
                policy,
                target,
                surely,
            } => write!(
                f,
                "the resource control policy {policy} (at {target}) {} the vendor from assuming the role, however right the role is",
                if *surely { "keeps" } else { "may keep" }
            ),
        }
    }
}

fn listed(actions: &BTreeSet<String>) -> String {
    actions.iter().cloned().collect::<Vec<_>>().join(", ")
}

/// What stands in the way of keeping `spec` right in an account.
pub fn against_repair(rails: &Rails, site: &Site<'_>, spec: &RoleSpec) -> Vec<Wall> {
    let scope = Scope {
        partition: spec.partition,
        account: Some(site.account),
        roles: vec![RoleScope::from(spec)],
        repair: true,
        ..Scope::default()
    };
    let levels = documents(&rails.service);
    let scps: Vec<&[Document]> = levels.iter().map(Vec::as_slice).collect();
    let policies = Policies {
        scps: &scps,
        same_account: true,
        ..Policies::default()
    };
    let mut walls = Vec::new();
    for grant in grants_for(Audience::Admin, &scope) {
        for action in &grant.actions {
            let request = Request {
                principal: Principal::Session {
                    role: format!(
                        "arn:{}:iam::{}:role/{}",
                        spec.partition, site.account, site.admin_role
                    ),
                    name: "rolekeeper".to_owned(),
                },
                action: action.clone(),
                resource: example(&grant.resources, spec),
                context: context(action, site, spec),
            };
            match evaluate(&request, &policies) {
                Decision::ExplicitDeny {
                    document,
                    statement,
                    ..
                } => {
                    let rail = rails.service.iter().flatten().nth(document);
                    let found = rail.and_then(|rail| rail.document.statements().get(statement));
                    if let (Some(rail), Some(found)) = (rail, found) {
                        let surely = found.conditions().iter().all(|c| is_known(c, &request));
                        add_denial(&mut walls, rail, action, (demand_of(found), surely));
                    }
                }
                Decision::ImplicitDeny {
                    missing: PolicyType::ServiceControl,
                } => add_omission(&mut walls, action),
                // What the admin role itself may do is not asked here.
                Decision::ImplicitDeny { .. } | Decision::Allowed { .. } => {}
            }
        }
    }
    walls
}

/// Whether the vendor is kept out of a role that is exactly as `spec` says. None also where the trust policy itself
/// asks for more than is known here.
pub fn against_vendor(
    rails: &Rails,
    site: &Site<'_>,
    spec: &RoleSpec,
    vendor: &Vendor<'_>,
) -> Option<Wall> {
    if spec.ensure == Ensure::Absent {
        return None;
    }
    let mut context = ConditionContext::new()
        .with("aws:SecureTransport", "true")
        .with("aws:ResourceOrgID", site.organization)
        .with("aws:ResourceAccount", site.account.to_string());
    if let Some(id) = vendor.external_id {
        context.set("sts:ExternalId", id);
    }
    let request = Request {
        principal: Principal::Session {
            role: format!("arn:{}:iam::{}:role/vendor", spec.partition, vendor.account),
            name: "vendor".to_owned(),
        },
        action: "sts:AssumeRole".to_owned(),
        resource: spec.arn(site.account).as_str().to_owned(),
        context,
    };
    let perfect = Policies {
        resource: Some(&spec.trust),
        ..Policies::default()
    };
    // The vendor's own account gives the rest of the permission.
    let lets_in = matches!(
        evaluate(&request, &perfect),
        Decision::Allowed { .. }
            | Decision::ImplicitDeny {
                missing: PolicyType::Identity
            }
    );
    if !lets_in {
        return None;
    }
    let levels = documents(&rails.resource);
    let rcps: Vec<&[Document]> = levels.iter().map(Vec::as_slice).collect();
    match evaluate(
        &request,
        &Policies {
            rcps: &rcps,
            ..perfect
        },
    ) {
        Decision::ExplicitDeny {
            by: PolicyType::ResourceControl,
            document,
            statement,
        } => {
            let rail = rails.resource.iter().flatten().nth(document)?;
            let found = rail.document.statements().get(statement)?;
            Some(Wall::KeepsOut {
                policy: rail.name.clone(),
                target: rail.target.clone(),
                surely: found.conditions().iter().all(|c| is_known(c, &request)),
            })
        }
        _ => None,
    }
}

fn documents(levels: &[Vec<Rail>]) -> Vec<Vec<Document>> {
    let of = |level: &Vec<Rail>| level.iter().map(|rail| rail.document.clone()).collect();
    levels.iter().map(of).collect()
}

/// A resource that a call will really name, of those that its statement allows.
fn example(resources: &BTreeSet<String>, spec: &RoleSpec) -> String {
    let fits = |resource: &&String| resource.contains(":role/*/") == (spec.path.as_str() != "/");
    let chosen = resources.iter().find(fits).or(resources.first());
    let inner = spec.path.as_str().trim_matches('/');
    chosen.map_or_else(String::new, |resource| resource.replace('*', inner))
}

/// What is known of a call before it is made.
fn context(action: &str, site: &Site<'_>, spec: &RoleSpec) -> ConditionContext {
    let mut context = ConditionContext::new()
        .with("aws:SecureTransport", "true")
        .with("aws:ViaAWSService", "false")
        .with("aws:MultiFactorAuthPresent", "false")
        .with("aws:RequestedRegion", spec.partition.iam_region())
        .with("aws:PrincipalOrgID", site.organization)
        .with("aws:ResourceOrgID", site.organization)
        .with("aws:ResourceAccount", site.account.to_string());
    let of_policy = action.ends_with("Policy") && action != "iam:AttachRolePolicy"
        || action == "iam:CreatePolicyVersion";
    let own = match spec.managed_policies.first() {
        Some(policy) if of_policy => with_owner_tag(&policy.tags),
        _ => with_owner_tag(&spec.tags),
    };
    for (key, value) in &own {
        context.set(&format!("aws:ResourceTag/{key}"), value.as_str());
        context.set(&format!("iam:ResourceTag/{key}"), value.as_str());
    }
    if matches!(
        action,
        "iam:CreateRole" | "iam:CreatePolicy" | "iam:TagRole" | "iam:TagPolicy"
    ) {
        context.set_many("aws:TagKeys", own.keys().cloned());
        for (key, value) in &own {
            context.set(&format!("aws:RequestTag/{key}"), value.as_str());
        }
    }
    if let Boundary::Policy(arn) = &spec.boundary {
        context.set("iam:PermissionsBoundary", arn.as_str());
    }
    if action == "iam:AttachRolePolicy" {
        let own = spec
            .managed_policies
            .first()
            .map(|policy| spec.policy_arn(site.account, policy));
        if let Some(arn) = own.or_else(|| spec.attach.first().cloned()) {
            context.set("iam:PolicyARN", arn.as_str());
        }
    }
    context
}

/// Whether what a condition asks for is known before the call is made: what follows from the caller, what the call will
/// carry, and what it will not.
fn is_known(condition: &Condition, request: &Request) -> bool {
    let key = condition.key_lower();
    let of_caller = [
        "aws:principalarn",
        "aws:principalaccount",
        "aws:principaltype",
        "aws:principalisawsservice",
        // Absent for whoever belongs to no organization, and another one than ours for all other strangers.
        "aws:principalorgid",
        "aws:principalorgpaths",
    ];
    let of_call = key.starts_with("aws:requesttag/")
        || matches!(
            key,
            "aws:tagkeys" | "iam:permissionsboundary" | "sts:externalid"
        );
    of_caller.contains(&key) || of_call || request.context.get(key).is_some()
}

/// What a denial waits for, where its conditions say so.
fn demand_of(statement: &Statement) -> Option<Demand> {
    let conditions = || statement.conditions().iter();
    if conditions().any(|condition| condition.key_lower() == "iam:permissionsboundary") {
        return Some(Demand::Boundary);
    }
    let keys: BTreeSet<String> = conditions().flat_map(tag_keys).collect();
    (!keys.is_empty()).then_some(Demand::Tags(keys))
}

fn tag_keys(condition: &Condition) -> Vec<String> {
    const PREFIX: &str = "aws:requesttag/";
    if condition.key_lower() == "aws:tagkeys" {
        return condition.values().to_vec();
    }
    let tag = condition
        .key_lower()
        .starts_with(PREFIX)
        .then(|| condition.key().get(PREFIX.len()..))
        .flatten();
    tag.map(str::to_owned).into_iter().collect()
}

fn add_denial(
    walls: &mut Vec<Wall>,
    rail: &Rail,
    action: &str,
    (demand, surely): (Option<Demand>, bool),
) {
    for wall in walls.iter_mut() {
        if let Wall::Denies {
            policy,
            target,
            actions,
            demand: known,
            surely: sure,
        } = wall
            && (&*policy, &*target, &*known, *sure) == (&rail.name, &rail.target, &demand, surely)
        {
            actions.insert(action.to_owned());
            return;
        }
    }
    walls.push(Wall::Denies {
        policy: rail.name.clone(),
        target: rail.target.clone(),
        actions: BTreeSet::from([action.to_owned()]),
        demand,
        surely,
    });
}

fn add_omission(walls: &mut Vec<Wall>, action: &str) {
    for wall in walls.iter_mut() {
        if let Wall::Omits { actions } = wall {
            actions.insert(action.to_owned());
            return;
        }
    }
    walls.push(Wall::Omits {
        actions: BTreeSet::from([action.to_owned()]),
    });
}

#[cfg(test)]
mod tests;
