//! `rolekeeper bootstrap`: one account outside the organization, provisioned with the six permissions of the FAQ's
//! temporary user and nothing else. The keys are used and forgotten; what is written with them is on record.
//!
//! With these six permissions little can be read: not what is attached, not what a policy says. What follows from
//! what can be read is taken for seen (a role that is not there has nothing attached); where nothing follows,
//! nothing is changed and the reason is told.

mod site;

use std::io::Read as _;
use std::sync::Arc;

use rolekeeper_aws::HubKeys;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_engine::ledger::{Ledger, NotTaken};
use rolekeeper_engine::port::directory::Directory as _;
use rolekeeper_engine::settings::{Place, Roles as _};
use secrecy::SecretString;

use self::site::{Job, Record, Site, Weighed};
use crate::app::App;
use crate::args::BootstrapArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::plain;
use crate::specs::Specs;
use crate::wall_clock::WallClock;
use crate::wire;

/// The six actions of the FAQ.
const SIX: [&str; 6] = [
    "iam:GetUser",
    "iam:CreatePolicy",
    "iam:GetPolicy",
    "iam:CreateRole",
    "iam:GetRole",
    "iam:AttachRolePolicy",
];
/// Provisions the account that the keys belong to.
pub(crate) async fn run(app: &App, args: BootstrapArgs) -> Result<Exit, Failure> {
    let mut config = app.config()?;
    if args.profile.is_some() {
        config.aws.profile.clone_from(&args.profile);
    }
    let aws = match args.stdin {
        true => wire::aws_with(&config, keys_from(std::io::stdin())?).await?,
        false => wire::aws(&config).await?,
    };
    let caller = aws.directory().caller().await.map_err(told)?;
    app.terminal.tell(&format!(
        "The keys belong to {} in account {}.",
        plain(caller.arn.as_str()),
        caller.account
    ));
    let clock = Arc::new(WallClock::start());
    let place = Place {
        account: caller.account,
        partition: caller.partition,
        organization_id: "",
        hub_account: caller.account,
    };
    let specs = Specs::new(&config)?.0.wanted(&place).map_err(told)?;
    let site = |spec| Site {
        app,
        aws: &aws,
        caller: &caller,
        spec,
    };
    let mut all_done = true;
    let mut wanting = Vec::new();
    for spec in specs.iter() {
        match site(spec).weigh().await? {
            Weighed::Done(done) => all_done &= done,
            Weighed::Wants(job) => wanting.push((site(spec), job)),
        }
    }
    if args.plan && !wanting.is_empty() {
        return Ok(Exit::Drift);
    }
    if !wanting.is_empty() {
        if !agreed(app, &args, caller.account).await? {
            app.terminal.tell("Nothing was written to AWS.");
            return Ok(Exit::Drift);
        }
        let store = wire::store(&config).await?;
        let settings = wire::settings(&config)?;
        let by = app.person();
        let ledger = Ledger::open(Arc::clone(&store), clock, settings, by, wire::salt()).await?;
        let result = carry_out(&ledger, wanting).await;
        let failed = result.as_ref().err().map(Failure::message);
        let sweep = ledger.sweep().clone();
        ledger.close(failed).await?;
        store.close().await;
        all_done &= result?;
        app.terminal.tell(&format!(
            "Every step is on record: rolekeeper history {}. Sweep {sweep}.",
            caller.account
        ));
    }
    if all_done && !args.plan {
        app.terminal.tell("The keys are not kept. Deactivate and delete them, then the user: that is the FAQ's last step.");
    }
    Ok(if all_done { Exit::Clean } else { Exit::Drift })
}

async fn agreed(app: &App, args: &BootstrapArgs, account: AccountId) -> Result<bool, Failure> {
    if args.yes || !app.terminal.can_ask {
        return Ok(true);
    }
    let question = format!("Do this in account {account}?");
    app.terminal.ask(&question).await
}

/// Makes what is missing, role by role; answers whether all are there as specified.
async fn carry_out(ledger: &Record, wanting: Vec<(Site<'_>, Box<Job>)>) -> Result<bool, Failure> {
    let mut all_done = true;
    for (site, job) in wanting {
        all_done &= site.provision(ledger, *job).await?;
    }
    Ok(all_done)
}

fn not_taken(problem: NotTaken) -> Failure {
    match problem {
        NotTaken::Failed(fault) => told(fault),
        NotTaken::NotBegun(error) => error.into(),
    }
}

fn told(fault: Fault) -> Failure {
    let failure = Failure::new(plain(&fault.to_string()));
    match fault.category {
        Category::AccessDenied => failure.with_help(format!("the user needs {}", SIX.join(", "))),
        Category::Credentials => failure.with_help(
            "keys come from the environment, from --profile or, with --stdin, from standard input",
        ),
        _ => failure,
    }
}

/// Keys as two or three lines: id, secret and, for temporary ones, session token.
fn keys_from(mut input: impl std::io::Read) -> Result<HubKeys, Failure> {
    const MOST: u64 = 16 * 1024; // session tokens have about a thousand characters
    let mut text = String::new();
    input.by_ref().take(MOST).read_to_string(&mut text)?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let (Some(id), Some(secret)) = (lines.next(), lines.next()) else {
        return Err(Failure::new("standard input has no keys").with_help(
            "one line each: access key id, secret, and the session token of temporary keys",
        ));
    };
    Ok(HubKeys::Keys {
        access_key_id: id.to_owned(),
        secret_access_key: SecretString::from(secret.to_owned()),
        session_token: lines
            .next()
            .map(|token| SecretString::from(token.to_owned())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_two_or_three_lines_and_never_shown() {
        let keys = keys_from("AKIAEXAMPLE\n very-secret \n\n".as_bytes());
        let shown = format!("{keys:?}");
        assert!(shown.contains("AKIAEXAMPLE"), "{shown}");
        assert!(!shown.contains("very-secret"), "{shown}");
        assert!(keys_from("AKIAEXAMPLE\n".as_bytes()).is_err());
    }
}
