//! `rolekeeper iam-policy`: what rolekeeper itself needs, no more.

use rolekeeper_domain::arn::Arn;
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
            .and_then(|events| queue_arn(events.queue_url.as_deref()?, partition.as_str())),
        repair: writes,
        rollback: writes,
        tag_selectors: !config.include.tags.is_empty() || !config.exclude.tags.is_empty(),
        units_listed: !config.include.ous.is_empty() || !config.exclude.ous.is_empty(),
        source_identity: config.aws.source_identity.is_some(),
        hub_managed: config.aws.management_account == ManagementAccount::Include,
        ..Scope::default()
    }
}

/// The ARN of a queue, from its URL: `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME`.
fn queue_arn(url: &str, partition: &str) -> Option<Arn> {
    let (host, path) = url.split_once("://")?.1.split_once('/')?;
    let region = host.strip_prefix("sqs.")?.split('.').next()?;
    let (account, name) = path.trim_end_matches('/').split_once('/')?;
    format!("arn:{partition}:sqs:{region}:{account}:{name}")
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::queue_arn;

    #[test]
    fn queue_is_named_by_its_url() {
        let arn = queue_arn(
            "https://sqs.eu-west-1.amazonaws.com/123456789012/rolekeeper",
            "aws",
        );
        assert_eq!(
            arn.map(|arn| arn.to_string()).as_deref(),
            Some("arn:aws:sqs:eu-west-1:123456789012:rolekeeper")
        );
        assert_eq!(
            queue_arn("http://127.0.0.1:4566/123456789012/rolekeeper", "aws"),
            None
        );
    }
}
