//! A sweep's writes undone, under the same guards as they were made under.
//!
//! First every account is looked at, and nothing is written: what others changed since is
//! named. Then, in a repair, come approval and waves, and each account is looked at again
//! right before its steps are taken.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt as _;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::drift::Diff;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::judge::{Approval, Guardrails, judge};
use rolekeeper_domain::observation::Observation;
use rolekeeper_domain::outcome::{
    AccountReport, Mode, Outcome, StepReport, StepResult, SweepId,
};
use rolekeeper_domain::plan::Step;
use rolekeeper_domain::planner::{Taken, WayBack, probe, recheck, way_back};
use rolekeeper_domain::record;
use rolekeeper_domain::role::{RoleName, RoleSpec};
use rolekeeper_domain::verdict::{Refusal, Verdict};

use crate::apply::{End, Site};
use crate::brake::Stop;
use crate::discover::Named;
use crate::event::{Event, EventSink};
use crate::gateway::within;
use crate::look::take_in;
use crate::order::SweepError;
use crate::port::clock::Clock;
use crate::port::directory::Directory;
use crate::port::session::SessionProvider;
use crate::port::store::{Completion, EntryId, Halt, Store};
use crate::rollout::{Change, Tally};
use crate::run::{Run, out_of_time, plan_report};
use crate::settle::may_have_acted;
use crate::slot::Slot;
use crate::waves;

/// Journal entries read at a time.
const PAGE: u32 = 1_000;

/// The first wait of a verification, and the longest.
const VERIFY_WAIT: Duration = Duration::from_millis(500);
const VERIFY_WAIT_CAP: Duration = Duration::from_secs(10);

/// What the sweep did in one account, role by role, oldest first.
type Deeds = BTreeMap<RoleName, Vec<Taken>>;

/// What became of the account.
struct Undone {
    steps: Vec<StepReport>,
    reasons: Vec<String>,
    fault: Option<Fault>,
    change: Change,
    widens: Vec<String>,
    /// Whether there are steps to take.
    wants: bool,
}

/// Where one account is worked on, and until when.
#[derive(Clone, Copy)]
struct Place<'a> {
    account: AccountId,
    slot: &'a Slot,
    deadline: Duration,
}

/// Undoes `sweep`, or says what that would take, as the run's mode says.
pub(crate) async fn carry_out<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    sweep: &SweepId,
) -> Result<(), SweepError>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let deeds = deeds(run, sweep).await?;
    let accounts: Vec<(AccountId, Deeds)> = deeds.into_iter().collect();
    let concurrency = run.settings.limits.concurrency.max(1);

    let looks: Vec<_> = accounts
        .iter()
        .map(|(account, deeds)| account_pass(run, sweep, *account, deeds, false))
        .collect();
    let looked: Vec<Result<Undone, SweepError>> =
        futures_util::stream::iter(looks).buffered(concurrency).collect().await;
    run.recorder.flush().await;
    let mut wanting = Vec::new();
    let mut widens = BTreeSet::new();
    for (account, undone) in accounts.iter().zip(looked) {
        let undone = undone?;
        widens.extend(undone.widens);
        if undone.wants {
            wanting.push(account);
        }
    }
    if !run.is_repair() || wanting.is_empty() || run.brake.stop().is_some() {
        return Ok(());
    }
    let widens: Vec<String> = widens.into_iter().collect();
    if !waves::is_agreed(run, wanting.len(), &widens).await? {
        return Ok(());
    }
    take_back_in_waves(run, sweep, &wanting).await?;
    keep_it_undone(run, sweep).await
}

/// The accounts in waves, canary first; no further when too much goes wrong.
async fn take_back_in_waves<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    sweep: &SweepId,
    wanting: &[&(AccountId, Deeds)],
) -> Result<(), SweepError>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    let rollout = &run.settings.rollout;
    let mut tally = Tally::default();
    let ranges = rollout.waves(wanting.len());
    for (index, range) in ranges.iter().enumerate() {
        tally.in_canary = index == 0 && rollout.canary > 0;
        let wave = wanting.get(range.clone()).unwrap_or_default();
        run.emit(&Event::WaveStarted {
            sweep: run.sweep.clone(),
            wave: waves::number(index + 1),
            of: waves::number(ranges.len()),
            accounts: wave.len() as u64,
        });
        let passes: Vec<_> = wave
            .iter()
            .map(|(account, deeds)| async move {
                (*account, account_pass(run, sweep, *account, deeds, true).await)
            })
            .collect();
        let concurrency = run.settings.limits.concurrency.max(1);
        let mut passes = futures_util::stream::iter(passes).buffer_unordered(concurrency);
        while let Some((account, undone)) = passes.next().await {
            tally.count(account, undone?.change);
            if let Some(why) = rollout.verdict(&tally)
                && run.brake.stop().is_none()
            {
                run.emit(&Event::Halted { sweep: Some(run.sweep.clone()), why: why.clone() });
                run.brake.pull(Stop::Halted(why));
            }
        }
        run.recorder.flush().await;
        if run.brake.stop().is_some() {
            break;
        }
    }
    Ok(())
}

/// The next sweep would do again what was undone. Until a person has changed the
/// specification and says so, nothing is written.
async fn keep_it_undone<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    sweep: &SweepId,
) -> Result<(), SweepError>
where
    P: SessionProvider,
    S: Store,
    C: Clock,
{
    let why = format!(
        "sweep {sweep} was rolled back: writes wait until the specification is changed and `rolekeeper resume` is given"
    );
    let by = run.order.requested_by.clone();
    let at = run.engine.gateway.clock.now();
    Ok(run.engine.store.halt(&Halt { why, by, at }).await?)
}

/// What the sweep did, by account and role.
async fn deeds<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    sweep: &SweepId,
) -> Result<BTreeMap<AccountId, Deeds>, SweepError>
where
    P: SessionProvider,
    S: Store,
{
    let store = run.engine.store.as_ref();
    let only = run.order.accounts.as_ref();
    let mut deeds: BTreeMap<AccountId, Deeds> = BTreeMap::new();
    let mut after: Option<EntryId> = None;
    loop {
        let page = store.of_sweep(sweep, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for entry in page {
            if only.is_some_and(|only| !only.contains(&entry.account)) {
                continue;
            }
            let Some(certain) = may_have_acted(&entry) else { continue };
            let unreadable = |error: record::Unreadable| SweepError::Unreadable {
                entry: entry.id.0,
                why: error.to_string(),
            };
            let step = record::step(entry.operation, &entry.parameters).map_err(unreadable)?;
            let created = match entry.completion {
                Some(Completion::Done { created, .. }) => created,
                _ => None,
            };
            let taken = Taken { step, before: entry.before, created, certain };
            deeds.entry(entry.account).or_default().entry(entry.role).or_default().push(taken);
        }
    }
    if deeds.is_empty() && store.sweep(sweep).await?.is_none() {
        return Err(SweepError::NoSuchSweep { sweep: sweep.clone() });
    }
    Ok(deeds)
}

/// One account: looks, takes the steps when `write`, and reports how the account
/// then stands against the specification.
async fn account_pass<D, P, S, C, E>(
    run: &Run<D, P, S, C, E>,
    sweep: &SweepId,
    account: AccountId,
    deeds: &Deeds,
    write: bool,
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
    let known = run.engine.store.fleet_account(account).await?;
    let named = known.map_or_else(
        || Named { id: account, name: String::new(), ou_path: String::new() },
        |report| Named { id: account, name: report.name, ou_path: report.ou_path },
    );
    let mut all = Undone {
        steps: Vec::new(),
        reasons: Vec::new(),
        fault: None,
        change: Change::None,
        widens: Vec::new(),
        wants: false,
    };
    let slot = if run.brake.stop().is_some() { None } else { run.places.take().await };
    let Some(slot) = slot else {
        run.hand_in(run.pending_report(&named)).await;
        return Ok(all);
    };
    run.emit(&Event::AccountStarted { sweep: run.sweep.clone(), account });
    let place = Place { account, slot: &slot, deadline: began + run.settings.limits.repair_deadline };
    for (role, taken) in deeds {
        run.undo_role(place, role, taken, write, &mut all).await?;
    }
    let report = run.report_undone(&named, sweep, &slot, began, write, &all).await;
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
        write: bool,
        all: &mut Undone,
    ) -> Result<(), SweepError> {
        let Place { account, slot, deadline } = place;
        let steps: Vec<&Step> = taken.iter().map(|taken| &taken.step).collect();
        let probe = match probe(role, &steps, account, self.caller.partition) {
            Ok(probe) => probe,
            Err(why) => {
                all.reasons.push(why);
                return Ok(());
            }
        };
        let observation = match self.look_in_time(account, &probe, slot).await {
            Ok(observation) => observation,
            Err(fault) => {
                all.fault.get_or_insert(fault);
                return Ok(());
            }
        };
        let way = way_back(role, taken, &observation);
        if !way.obstacles.is_empty() {
            let words = way.obstacles.join("; ");
            all.steps.extend(refused(&steps, &words));
            all.reasons.push(format!("{role} was not rolled back: {words}"));
            return Ok(());
        }
        all.widens.extend(way.plan.widens.iter().cloned());
        all.wants |= !way.plan.is_empty();
        if !write {
            all.steps.extend(plan_report(&way.plan, StepResult::Planned, None));
            if !way.plan.is_empty() {
                self.emit(&Event::Planned {
                    sweep: self.sweep.clone(),
                    plan: Box::new(way.plan),
                });
            }
            return Ok(());
        }
        let site = Site { account, roles: std::slice::from_ref(&probe), slot, deadline };
        self.take_back(way, &observation, site, all).await
    }

    async fn take_back(
        &self,
        way: WayBack,
        observation: &Observation,
        site: Site<'_>,
        all: &mut Undone,
    ) -> Result<(), SweepError> {
        let guardrails = self.rollback_guardrails().await?;
        let plan = way.plan.clone();
        let stale = recheck(&plan, observation).err();
        let verdict = match stale {
            Some(refusals) => Verdict::Refuse(plan, refusals),
            None => judge(plan, observation, &Diff::default(), &guardrails, Mode::Repair),
        };
        match verdict {
            Verdict::InSync => Ok(()),
            Verdict::ReportOnly(plan) => {
                all.steps.extend(plan_report(&plan, StepResult::Refused, None));
                Ok(())
            }
            Verdict::Refuse(plan, refusals) => {
                let words: Vec<String> = refusals.iter().map(Refusal::to_string).collect();
                let words = words.join("; ");
                all.steps.extend(plan_report(&plan, StepResult::Refused, Some(&words)));
                all.reasons.push(words);
                Ok(())
            }
            Verdict::Apply(permit) => {
                let applied = self.apply(permit, site).await;
                all.steps.extend(applied.steps);
                match applied.end {
                    End::All => self.verify_undone(&way, site, all).await,
                    End::Stopped(why) => all.reasons.push(why),
                    End::Failed(fault) => {
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
        let Some(probe) = site.roles.first() else { return };
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
                all.fault.get_or_insert(Fault::new(Category::Timeout, message));
                return;
            }
            gateway.pause(self.behalf(site.account, site.slot), wait).await;
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
        let newer = halted.filter(|halt| Some(halt) != self.despite.as_ref());
        if let Some(halt) = &newer {
            self.brake.pull(Stop::Halted(halt.why.clone()));
        }
        let now = self.engine.gateway.clock.now();
        Ok(Guardrails {
            halted: newer.map(|halt| halt.why),
            frozen: self.settings.freeze.as_ref().and_then(|frozen| frozen(now)),
            widening: match (self.settings.approve_widening, self.is_approved()) {
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
                looks.iter().for_each(|look| take_in(&mut report, &look.diff));
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
