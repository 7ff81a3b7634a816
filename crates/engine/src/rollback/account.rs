//! One account on the way back.

use std::collections::BTreeMap;
use std::time::Duration;

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::drift::Diff;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::judge::{Approval, Guardrails, judge};
use rolekeeper_domain::observation::Observation;
use rolekeeper_domain::outcome::{AccountReport, Mode, Outcome, StepReport, StepResult, SweepId};
use rolekeeper_domain::plan::Step;
use rolekeeper_domain::planner::{Taken, WayBack, probe, way_back};
use rolekeeper_domain::role::{RoleName, RoleSpec};
use rolekeeper_domain::verdict::{Refusal, Verdict};

use super::Deeds;
use crate::apply::{End, Site};
use crate::brake::Stop;
use crate::discover::Named;
use crate::event::{Event, EventSink};
use crate::gateway::within;
use crate::look::{BETWEEN_LOOKS, LOOKS, looks_differ, take_in};
use crate::order::SweepError;
use crate::port::clock::Clock;
use crate::port::directory::Directory;
use crate::port::session::SessionProvider;
use crate::port::store::Store;
use crate::rollout::Change;
use crate::run::{Run, out_of_time, plan_report};
use crate::slot::Slot;

/// The first wait of a verification, and the longest.
const VERIFY_WAIT: Duration = Duration::from_millis(500);
const VERIFY_WAIT_CAP: Duration = Duration::from_secs(10);

/// What would be undone of each role by the first look at an account.
pub(super) type Seen = BTreeMap<RoleName, String>;

/// What is done in an account.
#[derive(Clone, Copy)]
pub(super) enum Pass<'a> {
    /// It is looked at.
    Look,
    /// The steps are undone.
    Undo {
        seen: &'a Seen,
        /// Why nothing may be changed. What was so when the rollback began stays so: nothing was halted for it.
        frozen: Option<&'a str>,
    },
}

/// What became of the account.
pub(super) struct Undone {
    steps: Vec<StepReport>,
    reasons: Vec<String>,
    fault: Option<Fault>,
    pub(super) change: Change,
    pub(super) widens: Vec<String>,
    /// Whether there are steps to take.
    pub(super) wants: bool,
    /// What they are, role by role, to be compared with the next look.
    pub(super) seen: Seen,
}

/// Where one account is worked on, and until when.
#[derive(Clone, Copy)]
struct Place<'a> {
    account: AccountId,
    slot: &'a Slot,
    deadline: Duration,
}

/// An account that is left as it is, and why.
pub(super) async fn leave<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    account: AccountId,
    deeds: &Deeds,
    why: &str,
) -> Result<(), SweepError>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let began = run.engine.gateway.clock.elapsed();
    let named = named(run, account).await?;
    let mut report = run.blank_report(&named, Outcome::Skipped, began);
    for taken in deeds.values() {
        let steps: Vec<&Step> = taken.iter().map(|taken| &taken.step).collect();
        report.steps.extend(refused(&steps, why));
    }
    report.reason = Some(format!(
        "not rolled back: {why}; `--accounts {account}` does it all the same"
    ));
    run.hand_in(report).await;
    Ok(())
}

async fn named<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    account: AccountId,
) -> Result<Named, SweepError>
where
    P: SessionProvider,
    S: Store,
{
    let known = run.engine.store.fleet_account(account).await?;
    let (name, ou_path) =
        known.map_or_else(Default::default, |report| (report.name, report.ou_path));
    Ok(Named {
        id: account,
        name,
        ou_path,
    })
}

/// One account: looks, takes the steps if that is what the pass is for, and reports how the account
/// then stands against the specification.
pub(super) async fn account_pass<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    sweep: &SweepId,
    account: AccountId,
    deeds: &Deeds,
    pass: Pass<'_>,
) -> Result<Undone, SweepError>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let clock = run.engine.gateway.clock.as_ref();
    let began = clock.elapsed();
    let named = named(run, account).await?;
    let mut all = Undone {
        steps: Vec::new(),
        reasons: Vec::new(),
        fault: None,
        change: Change::None,
        widens: Vec::new(),
        wants: false,
        seen: Seen::new(),
    };
    let slot = if run.brake.stop().is_some() {
        None
    } else {
        run.places.take().await
    };
    let Some(slot) = slot else {
        run.hand_in(run.pending_report(&named)).await;
        return Ok(all);
    };
    run.emit(&Event::AccountStarted {
        sweep: run.sweep.clone(),
        account,
    });
    let place = Place {
        account,
        slot: &slot,
        deadline: began + run.settings.limits.repair_deadline,
    };
    for (role, taken) in deeds {
        run.undo_role(place, role, taken, pass, &mut all).await?;
    }
    let write = matches!(pass, Pass::Undo { .. });
    let report = run
        .report_undone(&named, sweep, &slot, began, write, &all)
        .await;
    run.hand_in(report).await;
    Ok(all)
}

impl<D, P, S, C, E> Run<D, P, S, C, E>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    async fn undo_role(
        &self,
        place: Place<'_>,
        role: &RoleName,
        taken: &[Taken],
        pass: Pass<'_>,
        all: &mut Undone,
    ) -> Result<(), SweepError> {
        let Place {
            account,
            slot,
            deadline,
        } = place;
        let steps: Vec<&Step> = taken.iter().map(|taken| &taken.step).collect();
        let probe = match probe(role, &steps, account, self.caller.partition) {
            Ok(probe) => probe,
            Err(why) => {
                all.reasons.push(why);
                return Ok(());
            }
        };
        let before = match pass {
            Pass::Look => None,
            Pass::Undo { seen, .. } => seen.get(role).cloned(),
        };
        let looked = self.ways_that_agree(place, role, taken, &probe, before);
        let (way, observation) = match looked.await {
            Ok(looked) => looked,
            Err(fault) => {
                all.fault.get_or_insert(fault);
                return Ok(());
            }
        };
        all.seen.insert(role.clone(), words(&way));
        if !way.obstacles.is_empty() {
            let words = way.obstacles.join("; ");
            all.steps.extend(refused(&steps, &words));
            all.reasons
                .push(format!("{role} was not rolled back: {words}"));
            return Ok(());
        }
        all.widens.extend(way.plan.widens.iter().cloned());
        all.wants |= !way.plan.is_empty();
        let Pass::Undo { frozen, .. } = pass else {
            all.steps
                .extend(plan_report(&way.plan, StepResult::Planned, None));
            if !way.plan.is_empty() {
                self.emit(&Event::Planned {
                    sweep: self.sweep.clone(),
                    plan: Box::new(way.plan),
                });
            }
            return Ok(());
        };
        let site = Site {
            account,
            roles: std::slice::from_ref(&probe),
            slot,
            deadline,
        };
        self.take_back(way, &observation, site, frozen, all).await
    }

    /// Looks until two looks in a row say the same of the way back, `before` being what the look before said. IAM
    /// answers some reads as before a change that is seconds old, or as another hand left it: by one such read a step
    /// seems to be undone already, and whoever goes on from there leaves the states of which each was safe.
    async fn ways_that_agree(
        &self,
        place: Place<'_>,
        role: &RoleName,
        taken: &[Taken],
        probe: &RoleSpec,
        mut before: Option<String>,
    ) -> Result<(WayBack, Observation), Fault> {
        let Place { account, slot, .. } = place;
        for _ in 0..LOOKS {
            let observation = self.look_in_time(account, probe, slot).await?;
            let way = way_back(role, taken, &observation);
            let now = words(&way);
            if before.is_none_or(|before| before == now) || self.brake.stop().is_some() {
                return Ok((way, observation));
            }
            before = Some(now);
            let behalf = self.behalf(account, slot);
            self.engine.gateway.pause(behalf, BETWEEN_LOOKS).await;
        }
        Err(looks_differ())
    }

    async fn take_back(
        &self,
        way: WayBack,
        observation: &Observation,
        site: Site<'_>,
        frozen: Option<&str>,
        all: &mut Undone,
    ) -> Result<(), SweepError> {
        let mut guardrails = self.rollback_guardrails().await?;
        if let Some(why) = frozen {
            guardrails.frozen = Some(why.to_owned());
        }
        let plan = way.plan.clone();
        let diff = Diff::default();
        let verdict = judge(plan, observation, &diff, &guardrails, Mode::Repair);
        match verdict {
            Verdict::InSync => Ok(()),
            Verdict::ReportOnly(plan) => {
                all.steps
                    .extend(plan_report(&plan, StepResult::Refused, None));
                Ok(())
            }
            Verdict::Refuse(plan, refusals) => {
                let words: Vec<String> = refusals.iter().map(Refusal::to_string).collect();
                let words = words.join("; ");
                all.steps
                    .extend(plan_report(&plan, StepResult::Refused, Some(&words)));
                all.reasons.push(words);
                Ok(())
            }
            Verdict::Apply(permit) => {
                let applied = self.apply(permit, site).await;
                all.steps.extend(applied.steps);
                match applied.end {
                    End::All => self.verify_undone(&way, site, all).await,
                    End::Stopped(why) => all.reasons.push(why),
                    End::Failed(fault) | End::Lost(fault, _) => {
                        all.change = Change::Failed(fault.category);
                        all.fault.get_or_insert(fault);
                    }
                }
                Ok(())
            }
        }
    }

    /// Looks until everything stands as before the sweep, within bounds.
    async fn verify_undone(&self, way: &WayBack, site: Site<'_>, all: &mut Undone) {
        let gateway = &self.engine.gateway;
        let limit = self.settings.limits.settle_for;
        let end = gateway.clock.elapsed() + limit;
        let mut wait = VERIFY_WAIT;
        let Some(probe) = site.roles.first() else {
            return;
        };
        loop {
            let left = match self.look_in_time(site.account, probe, site.slot).await {
                Ok(observation) => way.unfinished(&observation),
                Err(fault) => vec![fault.to_string()],
            };
            if left.is_empty() {
                if all.change == Change::None {
                    all.change = Change::Verified;
                }
                return;
            }
            if gateway.clock.elapsed() + wait > end {
                let what = left.join("; ");
                let message = format!(
                    "changes were undone and do not read back as before after {} s: {what}",
                    limit.as_secs()
                );
                all.change = Change::Unsettled;
                all.fault
                    .get_or_insert(Fault::new(Category::Timeout, message));
                return;
            }
            gateway
                .pause(self.behalf(site.account, site.slot), wait)
                .await;
            wait = (wait * 2).min(VERIFY_WAIT_CAP);
        }
    }

    async fn look_in_time(
        &self,
        account: AccountId,
        probe: &RoleSpec,
        slot: &Slot,
    ) -> Result<Observation, Fault> {
        let clock = self.engine.gateway.clock.as_ref();
        let limit = self.settings.limits.look_deadline;
        within(clock, limit, self.look_with(account, probe, slot))
            .await
            .unwrap_or_else(|| Err(out_of_time(limit, None)))
    }

    /// As for a repair, but for the halt that was in force when a person asked for the
    /// rollback: they had it in view. And they asked for the old state, whoever gains by it.
    async fn rollback_guardrails(&self) -> Result<Guardrails, SweepError> {
        let halted = self.engine.store.halted().await?;
        let newer = halted.filter(|halt| !self.goes_on_despite(halt));
        if let Some(halt) = &newer {
            self.brake.pull(Stop::Halted(halt.why.clone()));
        }
        let now = self.engine.gateway.clock.now();
        Ok(Guardrails {
            halted: newer.map(|halt| halt.why),
            frozen: self.settings.frozen(now),
            approval: match (self.settings.approve_widening, self.is_approved()) {
                (false, _) => Approval::NotNeeded,
                (true, true) => Approval::Given,
                (true, false) => Approval::Wanted,
            },
            admin_roles: self.settings.admin_roles.clone(),
            flap_limit: 0,
            ..Guardrails::default()
        })
    }

    /// How the account stands against the specification, and what was undone.
    async fn report_undone(
        &self,
        named: &Named,
        sweep: &SweepId,
        slot: &Slot,
        began: Duration,
        write: bool,
        all: &Undone,
    ) -> AccountReport {
        let clock = self.engine.gateway.clock.as_ref();
        let limit = self.settings.limits.look_deadline;
        let looks = within(clock, limit, self.looks(named, slot))
            .await
            .unwrap_or_else(|| Err(out_of_time(limit, None)));
        let mut report = match looks {
            Ok(looks) => {
                let mut report = self.blank_report(named, Outcome::InSync, began);
                looks
                    .iter()
                    .for_each(|look| take_in(&mut report, &look.diff));
                report
            }
            Err(fault) => self.failed_report(named, fault, began),
        };
        report.steps.clone_from(&all.steps);
        if let Some(fault) = &all.fault {
            report.outcome = Outcome::Failed;
            report.failure = Some(fault.clone());
        }
        report.reason = if !all.reasons.is_empty() {
            Some(all.reasons.join("; "))
        } else if write && all.change == Change::Verified {
            Some(format!("what sweep {sweep} did here was rolled back"))
        } else {
            None
        };
        report
    }
}

/// A way back, in words that can be compared.
fn words(way: &WayBack) -> String {
    format!("{} {}", way.plan.digest(), way.obstacles.join("; "))
}

/// The steps of the sweep, none of which is undone.
fn refused(steps: &[&Step], why: &str) -> Vec<StepReport> {
    let report = |step: &&Step| StepReport {
        operation: step.operation(),
        resource: step.resource(),
        result: StepResult::Refused,
        reason: Some(why.to_owned()),
    };
    steps.iter().map(report).collect()
}
