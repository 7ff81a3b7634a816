//! One account: the roles proven once more, the user taken apart on record, looked for again.

use std::time::Duration;

use rolekeeper_domain::drift::DriftKind;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::outcome::{AccountReport, Outcome, StepReport};
use rolekeeper_domain::user::{UserStep, is_replaced};
use rolekeeper_domain::verdict::Refusal;

use super::Retirement;
use super::walk::{Task, leave, replace_steps};
use crate::apply::{End, Site};
use crate::brake::Stop;
use crate::discover::Named;
use crate::event::EventSink;
use crate::look::take_in;
use crate::port::clock::Clock;
use crate::port::directory::Directory;
use crate::port::session::SessionProvider;
use crate::port::store::{Completion, Deed, Store};
use crate::port::user::{UserReader as _, UserWriter as _};
use crate::rollout::Change;
use crate::run::Run;
use crate::slot::Slot;

/// The first wait for a deleted user to be gone from sight, and the longest.
const GONE_WAIT: Duration = Duration::from_millis(500);
const GONE_WAIT_CAP: Duration = Duration::from_secs(10);

impl<D, P, S, C, E> Run<D, P, S, C, E>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    /// Retires the user in one account: proves the roles once more, and takes what is there now.
    pub(super) async fn retire_in(&self, order: &Retirement, account: &Named) -> Change {
        let slot = if self.brake.stop().is_some() {
            None
        } else {
            self.places.take().await
        };
        let Some(slot) = slot else {
            self.hand_in(self.pending_report(account)).await;
            return Change::None;
        };
        let began = self.begin(account);
        let mut report = match self.looks_in_time(account, &slot).await {
            Ok(looks) => {
                let mut report = self.blank_report(account, Outcome::InSync, began);
                looks
                    .iter()
                    .for_each(|look| take_in(&mut report, &look.diff));
                report
            }
            Err(fault) => self.failed_report(account, fault, began),
        };
        let change = if report.failure.is_some() {
            Change::None
        } else {
            self.retire_where_proven(order, &slot, began, &mut report)
                .await
        };
        self.hand_in(report).await;
        change
    }

    async fn retire_where_proven(
        &self,
        order: &Retirement,
        slot: &Slot,
        began: Duration,
        report: &mut AccountReport,
    ) -> Change {
        let account = report.account;
        let specs = self.wanted(account);
        if !specs.is_ok_and(|specs| is_replaced(&specs, &report.drifts)) {
            leave(report, order, "the managed roles are not as specified");
            return Change::None;
        }
        if let Some(refusal) = self.stands_against().await {
            leave(report, order, &refusal.to_string());
            return Change::None;
        }
        let steps = match self.task(order, account, slot).await {
            Ok(Task::Nothing) => return Change::None,
            Ok(Task::Left(why)) => {
                leave(report, order, &why);
                return Change::None;
            }
            Ok(Task::Steps(steps)) => steps,
            Err(fault) => {
                (report.outcome, report.failure) = (Outcome::Failed, Some(fault));
                return Change::None;
            }
        };
        let site = Site {
            account,
            roles: &[],
            slot,
            deadline: began + self.settings.limits.repair_deadline,
        };
        let mut taken = Vec::with_capacity(steps.len());
        let end = self.take_apart(order, &steps, site, &mut taken).await;
        replace_steps(report, order, taken);
        match end {
            Ok(()) => self.verify_gone(order, slot, report).await,
            Err(End::All) => Change::None,
            Err(End::Stopped(why)) => {
                report.reason = Some(why);
                Change::None
            }
            Err(End::Failed(fault) | End::Lost(fault, _)) => {
                let change = Change::Failed(fault.category);
                (report.outcome, report.failure) = (Outcome::Failed, Some(fault));
                change
            }
        }
    }

    /// A halt or a freeze, as it is now.
    async fn stands_against(&self) -> Option<Refusal> {
        match self.engine.store.halted().await {
            Err(error) => {
                self.store_failed(&error);
                Some(Refusal::Halted {
                    why: error.to_string(),
                })
            }
            Ok(Some(halt)) => {
                self.brake.pull(Stop::Halted(halt.why.clone()));
                Some(Refusal::Halted { why: halt.why })
            }
            Ok(None) => {
                let now = self.engine.gateway.clock.now();
                let why = self.settings.frozen(now);
                why.map(|why| Refusal::Frozen { why })
            }
        }
    }

    /// Takes the steps, each on record, none after one that failed.
    async fn take_apart(
        &self,
        order: &Retirement,
        steps: &[UserStep],
        site: Site<'_>,
        taken: &mut Vec<StepReport>,
    ) -> Result<(), End> {
        let engine = self.engine.as_ref();
        self.may_go_on(site)?;
        let visit = self.visit(site.account, &[], site.slot);
        let writer = engine
            .sessions
            .user_writer(
                &engine.provider,
                &engine.gateway,
                visit,
                (&order.user, steps),
            )
            .await
            .map_err(End::Failed)?;
        let begun = self.begun(order, site.account).await.map_err(End::Failed)?;
        for step in steps {
            let deed = Deed::User {
                user: &order.user,
                step,
            };
            let attempt = || writer.take(step);
            let call = self.write(site, step.operation(), attempt);
            self.on_record(site, deed, call, taken).await?;
            // What was begun before is done by now, whoever did it.
            for open in begun.iter().filter(|open| open.step == *step) {
                let now = engine.gateway.clock.now();
                let settled = engine
                    .store
                    .complete(open.id, &Completion::SettledDone, now)
                    .await;
                settled.map_err(|error| self.store_failed(&error))?;
            }
        }
        Ok(())
    }

    /// Looks until the user is gone from sight, within bounds.
    async fn verify_gone(
        &self,
        order: &Retirement,
        slot: &Slot,
        report: &mut AccountReport,
    ) -> Change {
        let gateway = &self.engine.gateway;
        let limit = self.settings.limits.settle_for;
        let end = gateway.clock.elapsed() + limit;
        let mut wait = GONE_WAIT;
        loop {
            let seen = match self.reader_of_user(report.account, slot, &order.user).await {
                Ok(reader) => reader.user().await,
                Err(fault) => Err(fault),
            };
            if matches!(seen, Ok(None)) {
                let left_behind = |subject: Option<&str>| subject == Some(order.user.as_str());
                report.drifts.retain(|drift| {
                    drift.kind != DriftKind::LegacyUser || !left_behind(drift.subject.as_deref())
                });
                report.outcome = if report.drifts.is_empty() {
                    Outcome::Repaired
                } else {
                    Outcome::Drifted
                };
                return Change::Verified;
            }
            if gateway.clock.elapsed() + wait > end {
                let message = match seen {
                    Err(fault) => fault.to_string(),
                    Ok(_) => format!(
                        "every call was answered with yes, and the user {} can still be seen after {} s",
                        order.user,
                        limit.as_secs()
                    ),
                };
                report.outcome = Outcome::Failed;
                report.failure = Some(Fault::new(Category::Timeout, message));
                return Change::Unsettled;
            }
            gateway.pause(self.behalf(report.account, slot), wait).await;
            wait = (wait * 2).min(GONE_WAIT_CAP);
        }
    }
}
