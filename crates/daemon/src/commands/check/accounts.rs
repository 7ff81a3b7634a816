//! One account of each organizational unit, and what helps where it cannot be read.

use std::collections::{BTreeMap, BTreeSet};

use rolekeeper_domain::account::Account;
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::fault::{Category, Denial, Fault};
use rolekeeper_domain::least_privilege::missing_statement;
use rolekeeper_domain::outcome::{AccountReport, Mode, Outcome, Trigger};
use rolekeeper_domain::selector::{IdleRules, Rule, Selection, Selector};
use rolekeeper_engine::SweepOrder;
use rolekeeper_engine::port::store::{ReportFilter, Sweeps as _};
use tokio_util::sync::CancellationToken;

use super::lines::Lines;
use crate::commands::sweep::CASE;
use crate::config::{Config, nearest};
use crate::failure::{Failure, whole};
use crate::output::plain;
use crate::specs;
use crate::wire::{self, AuditEngine};

/// Rules of the selector that match nobody: an account that somebody means to protect is not protected by a misspelled one.
pub(super) fn idle_rules(
    selector: &Selector,
    found: &[(Account, Selection)],
    lines: &Lines,
) -> Result<(), Failure> {
    let mut idle = IdleRules::of(selector);
    let mut units = BTreeSet::new();
    for (account, _) in found {
        idle.see(account);
        for depth in 1..=account.path.names.len() {
            units.extend(account.path.names.get(..depth).map(|names| names.join("/")));
        }
    }
    let units: Vec<&str> = units.iter().map(String::as_str).collect();
    for rule in idle.left() {
        let remedy = match &rule.rule {
            Rule::Ou(ou) => match nearest(ou.trim_matches('/'), &units) {
                Some(near) => format!("did you mean \"{}\"? {CASE}", plain(near)),
                None => format!("`rolekeeper accounts` shows the units that have accounts. {CASE}"),
            },
            _ => "`rolekeeper accounts` lists all there are".to_owned(),
        };
        lines.warning("selector", &plain(&rule.to_string()), &remedy)?;
    }
    Ok(())
}

/// The first selected account of each unit.
pub(super) fn one_in_each_unit(found: &[(Account, Selection)]) -> Vec<Account> {
    let mut chosen: BTreeMap<String, &Account> = BTreeMap::new();
    for (account, selection) in found {
        if selection.is_included() {
            chosen.entry(account.path.to_string()).or_insert(account);
        }
    }
    chosen.into_values().cloned().collect()
}

/// Audits these accounts. Answers whether one of them has no admin role.
pub(super) async fn audit(
    config: &Config,
    engine: &AuditEngine,
    chosen: &[Account],
    lines: &mut Lines<'_>,
) -> Result<bool, Failure> {
    let mut order = SweepOrder::new(Mode::Audit, Trigger::CommandLine, "rolekeeper check");
    order.accounts = Some(chosen.iter().map(|account| account.id).collect());
    let record = match engine.sweep(order, CancellationToken::new()).await {
        Ok(record) => record,
        Err(problem) => {
            lines.error("audit", &whole(&problem), "")?;
            return Ok(false);
        }
    };
    let mut is_without_role = false;
    let mut after = None;
    loop {
        let page = engine
            .store()
            .reports(&record.id, &ReportFilter::default(), after, 500)
            .await?;
        let Some(last) = page.last() else {
            return Ok(is_without_role);
        };
        after = Some(last.account);
        for report in page
            .iter()
            .filter(|report| report.outcome != Outcome::Skipped)
        {
            account(config, report, lines)?;
            is_without_role |= report.failure.as_ref().is_some_and(has_no_role);
        }
    }
}

fn account(config: &Config, report: &AccountReport, lines: &mut Lines<'_>) -> Result<(), Failure> {
    let what = format!("{} ({} in {})", report.account, report.name, report.ou_path);
    match &report.failure {
        Some(fault) => lines.account(&what, &fault.to_string(), &remedy(config, fault)),
        None => lines.ok(
            &what,
            &format!("can be read; {}", report.outcome.as_str().replace('_', " ")),
        ),
    }
}

/// Whether none of the admin roles is there, or none of them trusts the hub: AWS does not tell the two apart.
fn has_no_role(fault: &Fault) -> bool {
    let by_organization = matches!(
        fault.denial,
        Some(Denial::ServiceControlPolicy | Denial::ResourceControlPolicy)
    );
    fault.category == Category::AccessDenied
        && fault.operation == Some(Operation::AssumeRole)
        && !by_organization
}

/// What most often helps.
pub(super) fn remedy(config: &Config, fault: &Fault) -> String {
    match (fault.category, fault.operation, fault.denial) {
        (Category::AccessDenied, _, Some(Denial::ServiceControlPolicy)) => {
            "a service control policy of the organization forbids it: exempt the admin role there (aws:PrincipalArn); those of \
             Control Tower exempt AWSControlTowerExecution already"
                .to_owned()
        }
        (Category::AccessDenied, _, Some(Denial::ResourceControlPolicy)) => {
            "a resource control policy of the organization forbids it: exempt the hub there".to_owned()
        }
        (Category::AccessDenied, _, Some(Denial::PermissionsBoundary)) => {
            "a permissions boundary forbids it, whatever the policies allow: the boundary of the admin role has to allow what \
             `rolekeeper iam-policy admin` prints"
                .to_owned()
        }
        (Category::AccessDenied, Some(Operation::AssumeRole), _) => format!(
            "the account needs one of the roles of aws.admin_roles ({}), and the role has to trust the hub; invited accounts have \
             none. The template below adds one; deploy/cloudformation/admin-role-stackset.yaml puts it into all accounts",
            config.aws.admin_roles.join(", ")
        ),
        // It says so itself.
        (Category::AccessDenied, ..) if fault.message.contains(wire::STATEMENT_MISSING) => String::new(),
        (Category::AccessDenied, Some(operation), _) => {
            match missing_statement(operation, &specs::scope(config, false)) {
                Some(statement) => format!("{}: {statement}", wire::STATEMENT_MISSING),
                None => "`rolekeeper iam-policy admin` prints what the admin role needs".to_owned(),
            }
        }
        (Category::NotFound, Some(Operation::GetQueueAttributes), _) => {
            "events.queue_url is the output QueueUrl of deploy/cloudformation/events.yaml".to_owned()
        }
        (Category::Network | Category::Timeout, ..) => "is the network, a proxy or aws.endpoint_url in the way?".to_owned(),
        _ => String::new(),
    }
}
