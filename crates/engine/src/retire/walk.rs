//! The walk over the organization: prove the roles, look at the user, then account after account
//! in waves.

use std::sync::Arc;

use futures_util::StreamExt as _;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::outcome::{AccountReport, Outcome, StepReport, StepResult};
use rolekeeper_domain::user::{ObservedUser, UserStep, is_replaced, retirement};
use tracing::Instrument as _;

use super::paced::Paced;
use super::settle::Open;
use super::{Retirement, look};
use crate::discover::Named;
use crate::event::EventSink;
use crate::gateway::within;
use crate::order::SweepError;
use crate::port::clock::Clock;
use crate::port::directory::Directory;
use crate::port::session::SessionProvider;
use crate::port::store::{ReportFilter, Store};
use crate::run::{Run, account_span, out_of_time};
use crate::slot::Slot;
use crate::staged::{self, Stops};
use crate::waves;

/// Reports read at a time.
const PAGE: u32 = 500;

/// Retires the user, or says what that would take, as the run's mode says.
pub(crate) async fn carry_out<D, P, S, C, E>(
    run: &Arc<Run<D, P, S, C, E>>,
    order: &Retirement,
) -> Result<(), SweepError>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    crate::census::carry_out(run).await?;
    run.recorder.flush().await;
    if run.brake.stop().is_some() {
        return Ok(());
    }
    let proven = proven(run).await?;
    let concurrency = run.settings.limits.concurrency.max(1);
    let looks: Vec<_> = proven
        .iter()
        .map(|report| {
            run.weigh(order, report)
                .instrument(account_span(report.account))
        })
        .collect();
    let wants: Vec<bool> = futures_util::stream::iter(looks)
        .buffered(concurrency)
        .collect()
        .await;
    run.recorder.flush().await;
    let wanting: Vec<Named> = proven
        .iter()
        .zip(wants)
        .filter(|(_, wants)| *wants)
        .map(|(report, _)| named(report))
        .collect();
    if !run.is_repair() || wanting.is_empty() || run.brake.stop().is_some() {
        return Ok(());
    }
    if waves::is_agreed(run, wanting.len(), &[], false).await? {
        staged::in_waves(run, &wanting, Stops::ThisSweep, |account| async move {
            let pass = run.retire_in(order, account);
            let change = pass.instrument(account_span(account.id)).await;
            (account.id, Ok(change))
        })
        .await?;
    }
    Ok(())
}

/// What this sweep found in the accounts that can do without the user.
async fn proven<D, P, S, C, E>(run: &Run<D, P, S, C, E>) -> Result<Vec<AccountReport>, SweepError>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let mut proven = Vec::new();
    let mut after = None;
    loop {
        let everyone = ReportFilter::default();
        let store = run.engine.store.as_ref();
        let page = store.reports(&run.sweep, &everyone, after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(proven);
        };
        after = Some(last.account);
        proven.extend(page.into_iter().filter(|report| {
            let was_seen = matches!(report.outcome, Outcome::InSync | Outcome::Drifted);
            let specs = run.wanted(report.account);
            was_seen && specs.is_ok_and(|specs| is_replaced(&specs, &report.drifts))
        }));
    }
}

fn named(report: &AccountReport) -> Named {
    Named {
        id: report.account,
        name: report.name.clone(),
        ou_path: report.ou_path.clone(),
    }
}

/// What is to be done about the user in one account.
pub(super) enum Task {
    /// Nothing: it is not there.
    Nothing,
    /// It stays, and why.
    Left(String),
    /// These steps.
    Steps(Vec<UserStep>),
}

impl<D, P, S, C, E> Run<D, P, S, C, E>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    /// Everything about a user; none when there is no such user.
    pub(super) async fn look_at_user(
        &self,
        account: AccountId,
        slot: &Slot,
        user: &str,
    ) -> Result<Option<ObservedUser>, Fault> {
        look(&self.reader_of_user(account, slot, user).await?).await
    }

    pub(super) async fn reader_of_user<'a>(
        &'a self,
        account: AccountId,
        slot: &'a Slot,
        user: &str,
    ) -> Result<Paced<'a, P::UserReader, C, E>, Fault> {
        let engine = self.engine.as_ref();
        let visit = self.visit(account, &[], slot);
        let reader = engine
            .sessions
            .user_reader(&engine.provider, &engine.gateway, visit, user)
            .await;
        Ok(Paced {
            reader: reader.inspect_err(|fault| self.note_entry_fault(fault))?,
            gateway: &engine.gateway,
            behalf: visit.behalf,
        })
    }

    /// Looks what is to be done about the user where the roles are proven; writes nothing to AWS.
    /// Answers whether there are steps to take.
    async fn weigh(&self, order: &Retirement, proven: &AccountReport) -> bool {
        let Some(slot) = self.places.take().await else {
            return false;
        };
        let mut report = proven.clone();
        let result = match self.task(order, report.account, &slot).await {
            Ok(Task::Nothing) => return false,
            Ok(Task::Left(why)) => {
                leave(&mut report, order, &why);
                false
            }
            Ok(Task::Steps(steps)) => {
                let planned = steps.iter().map(|step| StepReport {
                    operation: step.operation(),
                    resource: step.resource(&order.user),
                    result: StepResult::Planned,
                    reason: None,
                });
                replace_steps(&mut report, order, planned.collect());
                true
            }
            Err(fault) => {
                (report.outcome, report.failure) = (Outcome::Failed, Some(fault));
                false
            }
        };
        self.recorder.report(report).await;
        result
    }

    /// What the user, and the journal, leave to be done.
    pub(super) async fn task(
        &self,
        order: &Retirement,
        account: AccountId,
        slot: &Slot,
    ) -> Result<Task, Fault> {
        let clock = self.engine.gateway.clock.as_ref();
        let limit = self.settings.limits.look_deadline;
        let seen = within(clock, limit, self.look_at_user(account, slot, &order.user))
            .await
            .unwrap_or_else(|| Err(out_of_time(limit, None)))?;
        let mut steps: Vec<UserStep> = self
            .begun(order, account)
            .await?
            .into_iter()
            .map(|open| open.step)
            .collect();
        match seen.map(|user| retirement(&user, order.quiet_for, clock.now())) {
            None => {}
            Some(Ok(rest)) => steps.extend(rest),
            Some(Err(signs)) => {
                let signs: Vec<String> = signs.iter().map(ToString::to_string).collect();
                return Ok(Task::Left(signs.join("; ")));
            }
        }
        Ok(if steps.is_empty() {
            Task::Nothing
        } else {
            Task::Steps(steps)
        })
    }

    /// Steps on the user that a dead process began and whose effect no look at the user shows:
    /// taken again, since deleting what is gone does nothing.
    pub(super) async fn begun(
        &self,
        order: &Retirement,
        account: AccountId,
    ) -> Result<Vec<Open>, Fault> {
        let open = self.engine.store.open().await.map_err(|error| {
            self.store_failed(&error);
            Fault::new(Category::Internal, error.to_string())
        })?;
        let ours = open.iter().filter(|entry| {
            entry.account == account
                && entry.subject.user() == Some(&order.user)
                && entry.operation == Operation::DeleteVirtualMFADevice
        });
        Ok(ours.filter_map(Open::of).collect())
    }
}

/// The user stays: the report says so and why.
pub(super) fn leave(report: &mut AccountReport, order: &Retirement, why: &str) {
    let step = UserStep::DeleteUser;
    let refused = StepReport {
        operation: step.operation(),
        resource: step.resource(&order.user),
        result: StepResult::Refused,
        reason: Some(why.to_owned()),
    };
    replace_steps(report, order, vec![refused]);
    report.reason = Some(format!("the user {} is left alone: {why}", order.user));
}

/// What the report says of this user, in place of what an ordinary repair would say of it.
pub(super) fn replace_steps(
    report: &mut AccountReport,
    order: &Retirement,
    steps: Vec<StepReport>,
) {
    let whole = UserStep::DeleteUser.resource(&order.user);
    report.steps.retain(|step| step.resource != whole);
    report.steps.extend(steps);
}
