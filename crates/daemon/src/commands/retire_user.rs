//! `rolekeeper retire-user`: the temporary user of the FAQ, taken apart and deleted, once the role is proven to work.
//!
//! A sweep like any other: it looks first and shows what it would do, then it asks, and looks again before it writes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::SignedDuration;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::drift::DriftKind;
use rolekeeper_domain::outcome::{
    AccountReport, Mode, Outcome, StepReport, StepResult, SweepId, Trigger,
};
use rolekeeper_domain::role::{Ensure, RoleSpec};
use rolekeeper_engine::SweepOrder;
use rolekeeper_engine::port::store::{ReportFilter, Sweeps as _};
use rolekeeper_engine::retire::Retirement;
use rolekeeper_store::Store;

use super::sweep::{self, Done};
use crate::app::App;
use crate::args::RetireArgs;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Style, plain};
use crate::report::accounts;
use crate::specs;
use crate::wire;

/// Reports read at a time.
const PAGE: u32 = 500;

/// Retires a user in every account in which the managed roles are as specified.
pub(crate) async fn run(app: &App, args: RetireArgs) -> Result<Exit, Failure> {
    let config = app.config()?;
    let replaces = |spec: &RoleSpec| spec.ensure == Ensure::Present;
    if !specs::samples(&config).iter().any(replaces) {
        return Err(Failure::new(
            "no role of the configuration is to be present: nothing replaces the user",
        )
        .with_help("the user is retired once a role works in its place"));
    }
    let store = wire::store(&config).await?;
    let engine = wire::audit(&config, Arc::clone(&store), sweep::sinks(app)).await?;
    let order = order(app.person(), &args, Mode::Audit, args.accounts.chosen());
    let audit = sweep::carry_out(app, &engine, order).await?;
    if audit.interrupted {
        return Err(Failure::interrupted());
    }
    let found = Found::read(&store, &audit.record.id, &args.user).await?;
    app.terminal.show(&found.text(app, &args.user))?;
    let ready = found.ready();
    if args.plan || ready.is_empty() {
        store.close().await;
        return Ok(if ready.is_empty() {
            found.exit()
        } else {
            Exit::Drift
        });
    }
    if !agreed(app, &args, ready.len()).await? {
        app.terminal.tell("Nothing was written to AWS.");
        return Ok(Exit::Drift);
    }
    let done = retire(app, &args, &config, &store, ready).await?;
    let exit = told(app, &args, &store, &done, &found).await?;
    store.close().await;
    Ok(exit)
}

fn order(
    by: String,
    args: &RetireArgs,
    mode: Mode,
    accounts: Option<BTreeSet<AccountId>>,
) -> SweepOrder {
    // A repair is ordered only when every account was shown and somebody said yes, or `--yes` to all of it.
    let approved_by = (mode == Mode::Repair).then(|| by.clone());
    let mut order = SweepOrder::new(mode, Trigger::RetireUser, by);
    order.approved_by = approved_by;
    order.accounts = accounts;
    order.retire = Some(Retirement {
        user: args.user.clone(),
        quiet_for: SignedDuration::from_hours(24 * i64::from(args.quiet_days)),
    });
    order
}

/// What a look at the organization said about the user.
struct Found {
    /// Accounts in which something is to be told, in order.
    reports: Vec<AccountReport>,
    /// Accounts whose roles are not as specified.
    unproven: u64,
    /// Accounts that could not be looked at.
    failed: u64,
    /// Accounts in which the user was there and is gone.
    retired: BTreeSet<AccountId>,
    user: String,
}

impl Found {
    async fn read(store: &Store, sweep: &SweepId, user: &str) -> Result<Self, Failure> {
        let mut found = Self {
            reports: Vec::new(),
            unproven: 0,
            failed: 0,
            retired: BTreeSet::new(),
            user: user.to_owned(),
        };
        let mut after = None;
        loop {
            let everyone = ReportFilter::default();
            let page = store.reports(sweep, &everyone, after, PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(found);
            };
            after = Some(last.account);
            for report in page {
                let differs = report
                    .drifts
                    .iter()
                    .any(|drift| drift.kind != DriftKind::LegacyUser);
                match report.outcome {
                    Outcome::Skipped => {}
                    Outcome::Failed | Outcome::Pending => {
                        found.failed += 1;
                        found.reports.push(report);
                    }
                    _ if is_done(&report) => {
                        found.retired.insert(report.account);
                    }
                    _ if refused(&report, user).is_some() => found.reports.push(report),
                    _ if differs => found.unproven += 1,
                    _ if !planned(&report).is_empty() => found.reports.push(report),
                    Outcome::InSync | Outcome::Drifted | Outcome::Repaired => {}
                }
            }
        }
    }

    fn ready(&self) -> BTreeSet<AccountId> {
        let ready = self
            .reports
            .iter()
            .filter(|report| !planned(report).is_empty() && report.failure.is_none());
        ready.map(|report| report.account).collect()
    }

    fn exit(&self) -> Exit {
        let refused = self
            .reports
            .iter()
            .any(|report| refused(report, &self.user).is_some());
        if self.failed > 0 || refused {
            Exit::Incomplete
        } else if self.unproven > 0 {
            Exit::Drift
        } else {
            Exit::Clean
        }
    }

    fn text(&self, app: &App, user: &str) -> String {
        let mut text = String::new();
        if self.unproven > 0 {
            let _infallible = writeln!(
                text,
                "{} {}: the role is not as specified there; `rolekeeper apply` first",
                app.terminal.paint(Style::Warning, "left"),
                accounts(self.unproven)
            );
        }
        for report in &self.reports {
            let why = match &report.failure {
                Some(fault) => Some(fault.to_string()),
                None => refused(report, user).or_else(|| report.reason.clone()),
            };
            if let Some(why) = why {
                let _infallible = writeln!(
                    text,
                    "{} {}: {}",
                    report.account,
                    app.terminal.paint(Style::Alarm, "left alone"),
                    plain(&why)
                );
                continue;
            }
            let _infallible = writeln!(text, "{}", report.account);
            for step in planned(report) {
                let _infallible = writeln!(
                    text,
                    "  {} {}",
                    step.operation.action(),
                    plain(&step.resource)
                );
            }
        }
        if self.ready().is_empty() {
            let _infallible = writeln!(text, "No user {} is to be retired.", plain(user));
        }
        text
    }
}

fn planned(report: &AccountReport) -> Vec<&StepReport> {
    let is_planned = |step: &&StepReport| step.result == StepResult::Planned;
    report.steps.iter().filter(is_planned).collect()
}

/// Whether steps were taken, and none failed.
fn is_done(report: &AccountReport) -> bool {
    let mut taken = report
        .steps
        .iter()
        .filter(|step| step.result != StepResult::Withheld)
        .peekable();
    taken.peek().is_some() && taken.all(|step| step.result == StepResult::Done)
}

/// Why the user stays, if it was looked at and does.
fn refused(report: &AccountReport, user: &str) -> Option<String> {
    let whole = format!("user/{user}");
    let step = report
        .steps
        .iter()
        .find(|step| step.result == StepResult::Refused && step.resource == whole)?;
    step.reason.clone()
}

async fn agreed(app: &App, args: &RetireArgs, users: usize) -> Result<bool, Failure> {
    let question = format!("Retire the user in {}?", accounts(users as u64));
    app.terminal.agreed(args.yes, &question).await
}

async fn retire(
    app: &App,
    args: &RetireArgs,
    config: &Config,
    store: &Arc<Store>,
    ready: BTreeSet<AccountId>,
) -> Result<Done, Failure> {
    let engine = wire::repair(config, Arc::clone(store), sweep::sinks(app)).await?;
    let order = order(app.person(), args, Mode::Repair, Some(ready));
    let result = match sweep::take_turn(app, &engine).await {
        Ok(()) => sweep::carry_out(app, &engine, order).await,
        Err(failure) => Err(failure),
    };
    engine.release_lease().await?;
    result
}

/// Tells what became of each user that was to go.
async fn told(
    app: &App,
    args: &RetireArgs,
    store: &Store,
    done: &Done,
    found: &Found,
) -> Result<Exit, Failure> {
    let after = Found::read(store, &done.record.id, &args.user).await?;
    let mut text = String::new();
    let mut complete = true;
    for account in found.ready() {
        if after.retired.contains(&account) {
            let gone = app.terminal.paint(Style::Good, "retired");
            let _infallible = writeln!(text, "{account} {gone}");
            continue;
        }
        complete = false;
        let report = after
            .reports
            .iter()
            .find(|report| report.account == account);
        let fault = report.and_then(|report| report.failure.as_ref());
        let why = fault.map(ToString::to_string).or_else(|| {
            let report = report?;
            refused(report, &args.user).or_else(|| report.reason.clone())
        });
        let why = why.unwrap_or_else(|| "it was not reached, or is gone already".to_owned());
        let failed = app.terminal.paint(Style::Alarm, "failed");
        let _infallible = writeln!(text, "{account} {failed}: {}", plain(&why));
    }
    app.terminal.show(&text)?;
    if let Some(reason) = &done.record.reason {
        app.terminal.tell(&plain(reason));
    }
    app.terminal.tell(&format!(
        "Every step is on record: rolekeeper history ACCOUNT. Sweep {}.",
        done.record.id
    ));
    if done.interrupted {
        return Ok(Exit::Interrupted);
    }
    Ok(if complete {
        found.exit()
    } else {
        Exit::Incomplete
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_said_yes_is_not_asked_once_more() {
        let args = RetireArgs {
            user: "cloudcoreo".to_owned(),
            accounts: crate::args::Accounts::default(),
            quiet_days: 7,
            plan: false,
            yes: false,
        };
        let approved_by = |mode| order("ann".to_owned(), &args, mode, None).approved_by;
        assert_eq!(approved_by(Mode::Audit), None);
        assert_eq!(approved_by(Mode::Repair).as_deref(), Some("ann"));
    }
}
