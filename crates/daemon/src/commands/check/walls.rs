//! What the organization's own policies would deny to a repair or to the vendor: seen before somebody runs into it.

use std::collections::BTreeMap;

use rolekeeper_domain::account::{Account, AccountId};
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::least_privilege::{Scope, missing_statement};
use rolekeeper_domain::role::RoleSpec;
use rolekeeper_domain::wall::{Demand, Rails, Site, Vendor, Wall, against_repair, against_vendor};
use rolekeeper_engine::settings::{Place as RolePlace, Roles as _};
use secrecy::ExposeSecret as _;

use super::Place;
use super::lines::Lines;
use crate::config::Config;
use crate::failure::Failure;
use crate::report::accounts;
use crate::specs::{self, Specs};
use crate::wire::{self, AuditEngine};

/// Accounts whose policies are read: a unit costs two calls of five a second, and units mostly inherit theirs.
const MOST: usize = 20;

/// What is called by name of a group of accounts.
const NAMED: usize = 3;

/// Tells of the walls, and of which accounts stand behind each.
pub(super) async fn look(
    config: &Config,
    engine: &AuditEngine,
    (place, chosen): (&Place, &[Account]),
    lines: &mut Lines<'_>,
) -> Result<(), Failure> {
    const WHAT: &str = "policies of the organization";
    // They do not bind the management account.
    let bound: Vec<Account> = chosen
        .iter()
        .filter(|account| !account.is_management)
        .take(MOST)
        .cloned()
        .collect();
    let rails = match engine.rails(&bound).await {
        Ok(rails) => rails,
        Err(fault) => return lines.warning(WHAT, &unread(&fault), &how_to_read(config, &fault)),
    };
    let specs = Specs::new(config)?.0;
    let mut walls: BTreeMap<String, (Wall, Vec<AccountId>)> = BTreeMap::new();
    for (account, rails) in &rails {
        for name in &rails.unread {
            lines.warning(WHAT, &format!("{name} cannot be understood"), "")?;
        }
        let wanted = specs.wanted(&RolePlace {
            account: *account,
            partition: place.caller.partition,
            organization_id: &place.organization.id,
            hub_account: place.caller.account,
        });
        // A specification that cannot be filled in has been told of by the audit.
        for spec in wanted.iter().flat_map(|specs| specs.iter()) {
            for wall in of_account(config, rails, (*account, place), spec) {
                let (_, behind) = walls
                    .entry(wall.to_string())
                    .or_insert_with(|| (wall, Vec::new()));
                if !behind.contains(account) {
                    behind.push(*account);
                }
            }
        }
    }
    if walls.is_empty() {
        let words = format!(
            "read for {}, and none in the way of a repair or of the vendor",
            accounts(u64::try_from(rails.len()).unwrap_or(u64::MAX))
        );
        return lines.ok(WHAT, &words);
    }
    for (words, (wall, behind)) in &walls {
        let words = format!("{words}; {}", named(behind, rails.len()));
        let matters =
            !matches!(wall, Wall::Denies { .. } | Wall::Omits { .. }) || wire::may_write(config);
        if wall.is_sure() && matters {
            lines.account(WHAT, &words, &remedy(wall))?;
        } else {
            lines.warning(WHAT, &words, &remedy(wall))?;
        }
    }
    Ok(())
}

/// The walls of one account: those that none of the admin roles gets past, and the vendor's.
fn of_account(
    config: &Config,
    rails: &Rails,
    (account, place): (AccountId, &Place),
    spec: &RoleSpec,
) -> Vec<Wall> {
    let site = |admin_role| Site {
        account,
        organization: &place.organization.id,
        admin_role,
    };
    let mut roles = config.aws.admin_roles.iter();
    let first = roles.next().map_or("", String::as_str);
    let mut walls = against_repair(rails, &site(first), spec);
    for role in roles {
        let behind = against_repair(rails, &site(role), spec);
        walls.retain(|wall| behind.contains(wall));
    }
    let entry = config
        .roles
        .iter()
        .find(|role| role.entry.name == spec.name)
        .map(|role| &role.entry);
    if let Some(entry) = entry
        && let Some(vendor) = entry.vendor_account_id
    {
        let vendor = Vendor {
            account: vendor,
            external_id: entry.external_id.as_ref().map(|id| id.expose_secret()),
        };
        walls.extend(against_vendor(rails, &site(first), spec, &vendor));
    }
    walls
}

fn named(behind: &[AccountId], of: usize) -> String {
    let some: Vec<String> = behind
        .iter()
        .take(NAMED)
        .map(AccountId::to_string)
        .collect();
    let more = behind.len().saturating_sub(NAMED);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!(
        "so it is in {}{more}, of {} looked at",
        some.join(", "),
        accounts(u64::try_from(of).unwrap_or(u64::MAX))
    )
}

fn remedy(wall: &Wall) -> String {
    match wall {
        Wall::Denies {
            demand: Some(Demand::Tags(keys)),
            ..
        } => {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            format!(
                "it asks for tags: give the role and its managed policies {} in `tags`; they go into the call that creates them",
                keys.join(", ")
            )
        }
        Wall::Denies {
            demand: Some(Demand::Boundary),
            ..
        } => "it asks for a permissions boundary: set permissions_boundary; it goes into the call that creates the role".to_owned(),
        Wall::Denies { .. } => {
            "exempt the admin role there (a condition on aws:PrincipalArn), or leave these accounts out with select.exclude".to_owned()
        }
        Wall::Omits { .. } => "allow these calls at every level, from the root down to the account".to_owned(),
        Wall::KeepsOut { .. } => {
            "exempt the vendor's account there (aws:PrincipalAccount), or this role: to rolekeeper the role is right, and the vendor \
             still cannot work"
                .to_owned()
        }
    }
}

fn unread(fault: &Fault) -> String {
    format!("cannot be read, so what they would deny is not known beforehand: {fault}")
}

fn how_to_read(config: &Config, fault: &Fault) -> String {
    let scope = Scope {
        walls: true,
        ..specs::scope(config, false)
    };
    if fault.category != Category::AccessDenied {
        return String::new();
    }
    let both = [Operation::ListPoliciesForTarget, Operation::DescribePolicy];
    let statements = both.map(|operation| missing_statement(operation, &scope).unwrap_or_default());
    format!(
        "no sweep needs it; to have it checked as well (`rolekeeper iam-policy hub --with-check`), add: {}",
        statements.join(" and ")
    )
}
