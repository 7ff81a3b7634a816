//! `rolekeeper iam-policy`: what rolekeeper itself needs, no more.

use rolekeeper_domain::least_privilege::{Audience, policy_for};

use crate::app::App;
use crate::args::{IamPolicyArgs, Whose};
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
    let mut scope = specs::scope(&config, !args.audit_only);
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
