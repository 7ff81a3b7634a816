//! `rolekeeper iam-policy`: what rolekeeper itself needs, no more.

use rolekeeper_aws::queue_arn;
use rolekeeper_domain::least_privilege::{Audience, RoleScope, Scope, policy_for};

use crate::app::App;
use crate::args::{IamPolicyArgs, Whose};
use crate::config::{Config, ManagementAccount};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::specs;

/// Prints a policy.
pub(crate) fn run(app: &App, args: &IamPolicyArgs) -> Result<Exit, Failure> {
    let config = app.config()?;
    let audience = match args.whose {
        Whose::Hub => Audience::Hub,
        Whose::Organization => Audience::Organization,
        Whose::Admin => Audience::Admin,
        Whose::Session => Audience::Session,
        Whose::Bootstrap => Audience::Bootstrap,
    };
    let mut scope = scope(&config, !args.audit_only);
    if audience == Audience::Hub && scope.queue.is_none() && config.events.is_some() {
        // A policy without the queue would look whole.
        return Err(Failure::new(
            "events.queue_url does not say in which Region and account the queue is, so the policy cannot name it",
        )
        .with_help("give the URL that AWS gives: https://sqs.REGION.amazonaws.com/ACCOUNT/NAME"));
    }
    scope.rollback &= !args.no_rollback;
    scope.walls = args.with_check;
    app.terminal
        .result(&format!("{}\n", policy_for(audience, &scope)))?;
    Ok(Exit::Clean)
}

/// What the configuration makes necessary.
pub(crate) fn scope(config: &Config, writes: bool) -> Scope {
    let partition = specs::partition_of(&config.aws.region);
    Scope {
        partition,
        account: None,
        roles: specs::samples(config).iter().map(RoleScope::from).collect(),
        admin_roles: config.aws.admin_roles.clone(),
        organization_role: config.aws.organization_role_arn.clone(),
        queue: config
            .events
            .as_ref()
            .and_then(|events| queue_arn(events.queue_url.as_deref()?, partition)),
        repair: writes,
        rollback: writes,
        tag_selectors: !config.include.tags.is_empty() || !config.exclude.tags.is_empty(),
        units_listed: !config.include.ous.is_empty() || !config.exclude.ous.is_empty(),
        source_identity: config.aws.source_identity.is_some(),
        hub_managed: config.aws.management_account == ManagementAccount::Include,
        ..Scope::default()
    }
}
