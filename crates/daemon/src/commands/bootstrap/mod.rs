//! `rolekeeper bootstrap`: one account outside the organization, provisioned with the six permissions of the FAQ's
//! temporary user and nothing else. The keys are used and forgotten; what is written with them is on record.
//!
//! With these six permissions little can be read: not what is attached, not what a policy says. What follows from
//! what can be read or is on record is taken for seen (a role that is not there has nothing attached, a policy that a
//! run made says what it was made with); where nothing follows, nothing is changed and the reason is told.

mod known;
mod site;

use std::io::Read as _;
use std::sync::Arc;

use rolekeeper_aws::HubKeys;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::outcome::SweepId;
use rolekeeper_engine::ledger::{Ledger, NotTaken};
use rolekeeper_engine::port::directory::Directory as _;
use rolekeeper_engine::port::store::{Journal as _, JournalEntry};
use rolekeeper_engine::settings::{Place, Roles as _};
use rolekeeper_store::{OpenError, Store};
use secrecy::{ExposeSecret as _, SecretString};

use self::site::{Job, Looked, Record, Site, Weighed};
use crate::app::App;
use crate::args::BootstrapArgs;
use crate::config::Config;
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
    let place = Place {
        account: caller.account,
        partition: caller.partition,
        organization_id: "",
        hub_account: caller.account,
    };
    let specs = Specs::new(&config)?.0.wanted(&place).map_err(told)?;
    let earlier = earlier(&config, args.plan).await?;
    let site = |spec| Site {
        app,
        aws: &aws,
        caller: &caller,
        spec,
        store: earlier.as_deref(),
    };
    let (mut all_done, mut unread) = (true, false);
    let mut wanting = Vec::new();
    let mut looks = Vec::new();
    for spec in specs.iter() {
        looks.push((site(spec), site(spec).seen().await?));
    }
    if let Some(store) = earlier.as_ref().filter(|_| !args.plan) {
        settle(&config, store, app.person(), &looks).await?;
    }
    for (site, looked) in looks {
        match site.weigh(&looked).await? {
            Weighed::Done(done) => all_done &= done,
            Weighed::Wants(job) => wanting.push((site, job)),
            Weighed::Unread => unread = true,
        }
    }
    if unread {
        app.terminal.tell("Nothing was written to AWS.");
        return Ok(Exit::Incomplete);
    }
    if args.plan && !wanting.is_empty() {
        return Ok(Exit::Drift);
    }
    if !wanting.is_empty() {
        if !agreed(app, &args, caller.account).await? {
            app.terminal.tell("Nothing was written to AWS.");
            return Ok(Exit::Drift);
        }
        if !args.yes {
            let Some(again) = looked_again(app, wanting).await? else {
                return Ok(Exit::Incomplete);
            };
            wanting = again;
        }
        let (done, sweep) = on_record(&config, app.person(), wanting).await?;
        all_done &= done;
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

/// The store, if there is one: a look makes none.
async fn earlier(config: &Config, only_look: bool) -> Result<Option<Arc<Store>>, Failure> {
    let url = config.store_url.expose_secret();
    let opened = match only_look {
        true => rolekeeper_store::open_read_only(url).await,
        false => rolekeeper_store::open_existing(url).await,
    };
    match opened {
        Ok(store) => Ok(Some(Arc::new(store))),
        Err(OpenError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn ledger(config: &Config, store: &Arc<Store>, by: String) -> Result<Record, Failure> {
    let clock = Arc::new(WallClock::start());
    let settings = wire::settings(config)?;
    Ok(Ledger::open(Arc::clone(store), clock, settings, by, wire::salt()).await?)
}

/// Settles what an earlier run left open when it was killed or its answer was lost, also where nothing is left to do.
async fn settle(
    config: &Config,
    store: &Arc<Store>,
    by: String,
    looks: &[(Site<'_>, Looked)],
) -> Result<(), Failure> {
    let open = store.open().await?;
    let ours = |entry: &JournalEntry| {
        let role = entry.subject.role();
        looks
            .iter()
            .any(|(site, _)| entry.account == site.caller.account && role == Some(&site.spec.name))
    };
    if !open.iter().any(ours) {
        return Ok(());
    }
    let ledger = ledger(config, store, by).await?;
    for (site, looked) in looks {
        ledger.settle(&site.spec.name, &looked.to_settle()).await?;
    }
    Ok(ledger.close(None).await?)
}

async fn agreed(app: &App, args: &BootstrapArgs, account: AccountId) -> Result<bool, Failure> {
    let question = format!("Do this in account {account}?");
    app.terminal.agreed(args.yes, &question).await
}

/// Looks once more at what a person agreed to. None where it is something else by now: nobody agreed to that.
async fn looked_again<'a>(
    app: &App,
    shown: Vec<(Site<'a>, Box<Job>)>,
) -> Result<Option<Vec<(Site<'a>, Box<Job>)>>, Failure> {
    let mut again = Vec::with_capacity(shown.len());
    for (site, job) in shown {
        let Some(job) = site.again(&job).await? else {
            app.terminal.tell(&format!(
                "What is to be done about the role {} is no longer what was shown: somebody changed it, or a policy of \
                 it, since then. Nothing was written to AWS; run the command again.",
                site.spec.name
            ));
            return Ok(None);
        };
        again.push((site, job));
    }
    Ok(Some(again))
}

/// Makes what is missing, in a record of its own.
async fn on_record(
    config: &Config,
    by: String,
    wanting: Vec<(Site<'_>, Box<Job>)>,
) -> Result<(bool, SweepId), Failure> {
    let store = wire::store(config).await?;
    let ledger = ledger(config, &store, by).await?;
    let result = carry_out(&store, &ledger, wanting).await;
    let failed = result.as_ref().err().map(Failure::message);
    let sweep = ledger.sweep().clone();
    ledger.close(failed).await?;
    store.close().await;
    Ok((result?, sweep))
}

/// Makes what is missing, role by role; answers whether all are there as specified.
async fn carry_out(
    store: &Store,
    ledger: &Record,
    wanting: Vec<(Site<'_>, Box<Job>)>,
) -> Result<bool, Failure> {
    let mut all_done = true;
    for (site, job) in wanting {
        all_done &= site.provision(store, ledger, *job).await?;
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
