//! `rolekeeper retire-user`: the temporary user of the FAQ, taken apart and deleted, once the role is proven to work.

use std::fmt::Write as _;
use std::sync::Arc;

use futures_util::StreamExt as _;
use jiff::SignedDuration;
use rolekeeper_aws::Sessions;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::drift::DriftKind;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::outcome::{AccountReport, Mode, Outcome, Trigger};
use rolekeeper_domain::user::{UserStep, retirement};
use rolekeeper_engine::port::directory::Caller;
use rolekeeper_engine::port::session::Entry;
use rolekeeper_engine::port::store::{Control as _, ReportFilter, Sweeps as _};
use rolekeeper_engine::port::user::{UserRequest, UserSessions as _};
use rolekeeper_engine::{SweepOrder, retire};
use rolekeeper_store::Store;

use super::sweep;
use crate::app::App;
use crate::args::RetireArgs;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Style, plain};
use crate::report::accounts;
use crate::wall_clock::time_of_day;
use crate::wire::{self, RepairEngine};

/// Accounts looked at together: some twenty calls each, which no limiter spaces.
const TOGETHER: usize = 8;
/// Names the sessions in CloudTrail.
const LABEL: &str = "retire-user";

/// Retires a user in every account in which the managed roles are as specified.
pub(crate) async fn run(app: &App, args: RetireArgs) -> Result<Exit, Failure> {
    let config = app.config()?;
    let store = wire::store(&config).await?;
    let engine = wire::audit(&config, Arc::clone(&store), sweep::sinks(app)).await?;
    let mut order = SweepOrder::new(Mode::Audit, Trigger::CommandLine, app.person());
    order.accounts = args.accounts.chosen();
    let audit = sweep::carry_out(app, &engine, order).await?;
    if audit.interrupted {
        return Err(Failure::interrupted());
    }
    let retiring = Retiring {
        sessions: wire::aws(&config).await?.sessions(),
        caller: engine.ourselves().await?.0,
        admin_roles: config.aws.admin_roles.clone(),
        user: args.user.clone(),
        quiet_for: SignedDuration::from_hours(24 * i64::from(args.quiet_days)),
    };
    let (proven, mut tally) = proven(&store, &audit.record.id).await?;
    let found: Vec<Finding> = futures_util::stream::iter(proven)
        .map(|account| retiring.look(account))
        .buffered(TOGETHER)
        .collect()
        .await;
    let ready = shown(app, &retiring.user, found, &mut tally)?;
    if args.plan || ready.is_empty() {
        return Ok(if ready.is_empty() {
            tally.exit()
        } else {
            Exit::Drift
        });
    }
    if !agreed(app, &args, &config, &store, ready.len()).await? {
        app.terminal.tell("Nothing was written to AWS.");
        return Ok(Exit::Drift);
    }
    take_apart(app, &config, &store, &retiring, ready, &mut tally).await?;
    store.close().await;
    Ok(tally.exit())
}

/// What keeps the command from ending with 0.
#[derive(Debug, Default)]
struct Tally {
    failed: u64,
    left: u64,
}

impl Tally {
    const fn exit(&self) -> Exit {
        if self.failed > 0 {
            Exit::Incomplete
        } else if self.left > 0 {
            Exit::Drift
        } else {
            Exit::Clean
        }
    }
}

/// The accounts in which the roles are as specified, but for the user itself.
async fn proven(
    store: &Store,
    sweep: &rolekeeper_domain::outcome::SweepId,
) -> Result<(Vec<AccountId>, Tally), Failure> {
    let mut proven = Vec::new();
    let mut tally = Tally::default();
    let mut after = None;
    loop {
        let page = store
            .reports(sweep, &ReportFilter::default(), after, 500)
            .await?;
        let Some(last) = page.last() else {
            return Ok((proven, tally));
        };
        after = Some(last.account);
        for report in &page {
            match report.outcome {
                Outcome::Skipped => {}
                Outcome::Failed | Outcome::Pending => tally.failed += 1,
                Outcome::InSync | Outcome::Repaired | Outcome::Drifted if works(report) => {
                    proven.push(report.account)
                }
                Outcome::InSync | Outcome::Repaired | Outcome::Drifted => tally.left += 1,
            }
        }
    }
}

fn works(report: &AccountReport) -> bool {
    report
        .drifts
        .iter()
        .all(|drift| drift.kind == DriftKind::LegacyUser)
}

/// What was found in one account.
struct Finding {
    account: AccountId,
    entry: Entry,
    what: Result<Option<Vec<UserStep>>, String>,
}

struct Retiring {
    sessions: Sessions,
    caller: Caller,
    admin_roles: Vec<String>,
    user: String,
    quiet_for: SignedDuration,
}

impl Retiring {
    /// Looks at the user in one account, through the first admin role that lets in.
    async fn look(&self, account: AccountId) -> Finding {
        let mut denied = Fault::new(Category::AccessDenied, "there is no admin role to try");
        for entry in self.entries(account) {
            let request = self.request(account, &entry);
            match self.sessions.user_reader(request).await {
                Ok(reader) => {
                    let what = match retire::look(&reader).await {
                        Ok(None) => Ok(None),
                        Ok(Some(user)) => retirement(&user, self.quiet_for, time_of_day())
                            .map(Some)
                            .map_err(|signs| {
                                signs
                                    .iter()
                                    .map(ToString::to_string)
                                    .collect::<Vec<_>>()
                                    .join("; ")
                            }),
                        Err(fault) => Err(fault.to_string()),
                    };
                    return Finding {
                        account,
                        entry,
                        what,
                    };
                }
                Err(fault) => denied = fault,
            }
        }
        Finding {
            account,
            entry: Entry::Hub,
            what: Err(denied.to_string()),
        }
    }

    fn entries(&self, account: AccountId) -> Vec<Entry> {
        if account == self.caller.account {
            return vec![Entry::Hub];
        }
        self.admin_roles
            .iter()
            .cloned()
            .map(Entry::AdminRole)
            .collect()
    }

    fn request<'a>(&'a self, account: AccountId, entry: &'a Entry) -> UserRequest<'a> {
        UserRequest {
            account,
            entry,
            label: LABEL,
            user: &self.user,
        }
    }
}

/// A user that can be retired.
struct Ready {
    account: AccountId,
    entry: Entry,
    steps: Vec<UserStep>,
}

/// Shows what was found; answers the users that can be retired.
fn shown(
    app: &App,
    user: &str,
    found: Vec<Finding>,
    tally: &mut Tally,
) -> Result<Vec<Ready>, Failure> {
    let mut ready = Vec::new();
    let mut text = String::new();
    if tally.left > 0 {
        let words = format!(
            "{}: the role is not as specified there; `rolekeeper apply` first",
            accounts(tally.left)
        );
        let _infallible = writeln!(
            text,
            "{} {words}",
            app.terminal.paint(Style::Warning, "left")
        );
    }
    for Finding {
        account,
        entry,
        what,
    } in found
    {
        match what {
            Ok(None) => {}
            Ok(Some(steps)) => {
                let _infallible = writeln!(text, "{account}");
                for step in &steps {
                    let _infallible = writeln!(
                        text,
                        "  {} {}",
                        step.operation().action(),
                        plain(&step.resource(user))
                    );
                }
                ready.push(Ready {
                    account,
                    entry,
                    steps,
                });
            }
            Err(why) => {
                tally.failed += 1;
                let _infallible = writeln!(
                    text,
                    "{account} {}: {}",
                    app.terminal.paint(Style::Alarm, "left alone"),
                    plain(&why)
                );
            }
        }
    }
    if ready.is_empty() {
        let _infallible = writeln!(text, "No user {} is to be retired.", plain(user));
    }
    app.terminal.show(&text)?;
    Ok(ready)
}

/// Whether to go on: nothing is written while writes are halted, and a person is asked.
async fn agreed(
    app: &App,
    args: &RetireArgs,
    config: &Config,
    store: &Store,
    users: usize,
) -> Result<bool, Failure> {
    if let Some(halt) = store.halted().await? {
        return Err(
            Failure::new(format!("writes are halted by {}: {}", halt.by, halt.why))
                .with_help("`rolekeeper resume` lifts the halt"),
        );
    }
    if config
        .freezes
        .iter()
        .any(|freeze| (freeze.from..freeze.until).contains(&time_of_day()))
    {
        return Err(Failure::new(
            "changes are frozen at this time (rollout.freeze)",
        ));
    }
    if args.yes || !app.terminal.can_ask {
        return Ok(true);
    }
    Ok(app
        .terminal
        .ask(&format!("Retire the user in {}?", accounts(users as u64)))?)
}

/// Takes the users apart, one account after the other, and looks whether each is gone.
async fn take_apart(
    app: &App,
    config: &Config,
    store: &Arc<Store>,
    retiring: &Retiring,
    ready: Vec<Ready>,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let engine = wire::repair(config, Arc::clone(store), wire::Sinks::default()).await?;
    sweep::take_turn(app, &engine).await?;
    let result = one_after_the_other(app, &engine, retiring, ready, tally).await;
    engine.release_lease().await?;
    result
}

async fn one_after_the_other(
    app: &App,
    engine: &RepairEngine,
    retiring: &Retiring,
    ready: Vec<Ready>,
    tally: &mut Tally,
) -> Result<(), Failure> {
    for Ready {
        account,
        entry,
        steps,
    } in ready
    {
        if engine.acquire_lease().await?.is_none() {
            return Err(Failure::new(
                "another process holds the lease now: the rest is left",
            ));
        }
        let words = match retiring.carry_out(account, &entry, &steps).await {
            Ok(()) => app.terminal.paint(Style::Good, "retired"),
            Err(why) => {
                tally.failed += 1;
                format!(
                    "{}: {}",
                    app.terminal.paint(Style::Alarm, "failed"),
                    plain(&why)
                )
            }
        };
        app.terminal.show(&format!("{account} {words}\n"))?;
    }
    Ok(())
}

impl Retiring {
    async fn carry_out(
        &self,
        account: AccountId,
        entry: &Entry,
        steps: &[UserStep],
    ) -> Result<(), String> {
        let request = self.request(account, entry);
        let reader = self
            .sessions
            .user_reader(request)
            .await
            .map_err(|fault| fault.to_string())?;
        let writer = self
            .sessions
            .user_writer(request, steps)
            .await
            .map_err(|fault| fault.to_string())?;
        let ended = retire::carry_out(&reader, &writer, steps).await;
        let failed = ended
            .taken
            .iter()
            .find_map(|taken| taken.answer.as_ref().err());
        match (failed, ended.gone) {
            (Some(fault), _) => Err(fault.to_string()),
            (None, true) => Ok(()),
            (None, false) => {
                Err("every call was answered with yes, and the user can still be seen".to_owned())
            }
        }
    }
}
