//! One account, put right: look, judge, apply, look again until it reads back right.

use std::time::Duration;

use rolekeeper_domain::drift::{Diff, Drift};
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::judge::{Approval, Guardrails, judge, not_left_alone};
use rolekeeper_domain::outcome::{AccountReport, Mode, Outcome, StepReport, StepResult};
use rolekeeper_domain::plan::Plan;
use rolekeeper_domain::record;
use rolekeeper_domain::role::RoleSpec;
use rolekeeper_domain::verdict::{Refusal, Verdict};

use crate::apply::{End, Site};
use crate::brake::Stop;
use crate::discover::Named;
use crate::event::EventSink;
use crate::gateway::within_own_time;
use crate::look::{BETWEEN_LOOKS, LOOKS, Look, Sight, looks_differ, sight};
use crate::port::clock::Clock;
use crate::port::directory::Directory;
use crate::port::session::SessionProvider;
use crate::port::store::{Store, StoreError};
use crate::repaired::{Repair, RoleEnd, conclude};
use crate::rollout::Change;
use crate::run::{Run, out_of_time, plan_report, withheld_report};
use crate::slot::Slot;

/// A plan is made and carried out at most so often in one account and sweep: again
/// once, after somebody else changed the same thing or an answer was lost.
const ROUNDS: u32 = 2;

/// Before looking again after a lost answer: what AWS did shows after a moment.
const LOST_ANSWER_WAIT: Duration = Duration::from_secs(5);

/// The first wait of a verification that does not read back right at once.
const VERIFY_WAIT: Duration = Duration::from_millis(500);

/// The longest wait between two looks of a verification.
const VERIFY_WAIT_CAP: Duration = Duration::from_secs(10);

impl<D, P, S, C, E> Run<D, P, S, C, E>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    /// Puts one account right, as far as its plan is permitted. `seen` is what this sweep saw in it before.
    pub(crate) async fn repair(
        &self,
        account: &Named,
        seen: Option<&Sight>,
        slot: &Slot,
    ) -> Repair {
        let began = self.begin(account);
        let looked = self.looks_that_agree(account, seen, slot).await;
        let (looks, roles) = match looked.and_then(|looks| Ok((looks, self.wanted(account.id)?))) {
            Ok(found) => found,
            Err(fault) => {
                return Repair {
                    report: self.failed_report(account, fault, began),
                    change: Change::None,
                };
            }
        };
        let guardrails = match self.guardrails(account).await {
            Ok(guardrails) => guardrails,
            Err(error) => {
                let fault = Fault::new(Category::Internal, error.to_string());
                self.store_failed(&error);
                return Repair {
                    report: self.failed_report(account, fault, began),
                    change: Change::None,
                };
            }
        };
        let deadline = began + self.settings.limits.repair_deadline;
        let site = Site {
            account: account.id,
            roles: &roles,
            slot,
            deadline,
        };
        let mut repair = Repair {
            report: self.blank_report(account, Outcome::InSync, began),
            change: Change::None,
        };
        for (look, spec) in looks.into_iter().zip(roles.iter()) {
            let end = self
                .repair_role(account, spec, look, &guardrails, site)
                .await;
            repair.take(end);
        }
        let AccountReport {
            observed_at,
            duration_ms,
            ..
        } = self.blank_report(account, Outcome::InSync, began);
        repair.report.observed_at = observed_at;
        repair.report.duration_ms = duration_ms;
        conclude(&mut repair.report, repair.change == Change::Verified);
        repair
    }

    /// Looks at an account until two looks in a row show the same. IAM answers some reads as before a change
    /// that is seconds old: a plan that rests on one such read could give permissions under a trust that
    /// somebody has opened meanwhile. Where the look that decides differs from the first one of the sweep,
    /// one of the two may be such a read.
    async fn looks_that_agree(
        &self,
        account: &Named,
        seen: Option<&Sight>,
        slot: &Slot,
    ) -> Result<Vec<Look>, Fault> {
        let mut looks = self.looks_in_time(account, slot).await?;
        let mut before = seen.cloned();
        for _ in 1..LOOKS {
            let now = sight(&looks);
            let agree = before.as_ref().is_none_or(|before| *before == now);
            let is_plain = looks.iter().all(|look| look.plan.is_empty());
            if agree || is_plain || self.brake.stop().is_some() {
                return Ok(looks);
            }
            before = Some(now);
            let behalf = self.behalf(account.id, slot);
            self.engine.gateway.pause(behalf, BETWEEN_LOOKS).await;
            looks = self.looks_in_time(account, slot).await?;
        }
        if before.is_none_or(|before| before == sight(&looks)) {
            return Ok(looks);
        }
        Err(looks_differ())
    }

    async fn repair_role(
        &self,
        account: &Named,
        spec: &RoleSpec,
        first: Look,
        guardrails: &Guardrails,
        site: Site<'_>,
    ) -> RoleEnd {
        let guardrails = &Guardrails {
            approval: self.approval_for(&spec.name),
            ..guardrails.clone()
        };
        let found = first.diff.clone();
        let mut look = first;
        let mut steps = Vec::new();
        let mut read_by_somebody: Option<Vec<String>> = None;
        for round in 1..=ROUNDS {
            let objection = match &read_by_somebody {
                Some(read) => unread(&look.plan, read),
                None => self.objection(&look),
            };
            let verdict = match objection {
                Some(what) => Verdict::Refuse(look.plan, vec![Refusal::Stale { what }]),
                None => judge(
                    look.plan,
                    &look.observation,
                    &look.diff,
                    guardrails,
                    Mode::Repair,
                ),
            };
            let permit = match verdict {
                Verdict::Apply(permit) => permit,
                // The lost answer was a yes.
                Verdict::InSync if round > 1 => break,
                Verdict::InSync => {
                    return RoleEnd {
                        diff: look.diff,
                        ..RoleEnd::default()
                    };
                }
                Verdict::ReportOnly(plan) => {
                    steps.extend(withheld_report(&plan));
                    return RoleEnd {
                        diff: look.diff,
                        steps,
                        ..RoleEnd::default()
                    };
                }
                Verdict::Refuse(plan, refusals) => {
                    let words: Vec<String> = refusals.iter().map(ToString::to_string).collect();
                    let reason = words.join("; ");
                    steps.extend(plan_report(&plan, StepResult::Refused, Some(&reason)));
                    return RoleEnd {
                        diff: look.diff,
                        steps,
                        reason: Some(reason),
                        ..RoleEnd::default()
                    };
                }
            };
            if self.order.plans.is_some() {
                // Whatever has to be looked at again: no step is taken that was not in the saved plan.
                read_by_somebody.get_or_insert_with(|| calls(permit.plan()).collect());
            }
            let withheld: Vec<StepReport> = withheld_report(permit.plan()).collect();
            let applied = Box::pin(self.apply(permit, site)).await;
            steps.extend(applied.steps);
            let fault = match applied.end {
                End::All => {
                    steps.extend(withheld);
                    break;
                }
                End::Stopped(why) => {
                    return RoleEnd {
                        diff: found,
                        steps,
                        reason: Some(why),
                        ..RoleEnd::default()
                    };
                }
                End::Failed(fault) | End::Lost(fault, _) => fault,
            };
            let again = if round < ROUNDS && deserves_another_look(&fault) {
                self.look_again(account, spec, site.slot).await
            } else {
                None
            };
            if let (Some(lost), Some(next)) = (&applied.lost, &again) {
                self.settle_lost(lost, &next.observation).await;
            }
            match again {
                Some(next) => look = next,
                None => {
                    let change = Some(Change::Failed(fault.category));
                    return RoleEnd {
                        diff: found,
                        steps,
                        change,
                        fault: Some(fault),
                        ..RoleEnd::default()
                    };
                }
            }
        }
        self.verify(account, spec, (found, steps), guardrails, site)
            .await
    }

    /// Looks until everything that was changed reads back right, within bounds. What was `found` and is left alone,
    /// since somebody else puts it back again and again, need not.
    async fn verify(
        &self,
        account: &Named,
        spec: &RoleSpec,
        (found, steps): (Diff, Vec<StepReport>),
        guardrails: &Guardrails,
        site: Site<'_>,
    ) -> RoleEnd {
        let is_right = |look: &Look| {
            let (plan, diff) = (look.plan.clone(), &look.diff);
            diff.blind.is_empty()
                && not_left_alone(plan, &look.observation, diff, guardrails).is_empty()
        };
        let gateway = &self.engine.gateway;
        let limit = self.settings.limits.settle_for;
        let end = gateway.clock.elapsed() + limit;
        let mut wait = VERIFY_WAIT;
        loop {
            let last = self.looked(account, spec, site.slot).await;
            if let Ok(look) = &last
                && is_right(look)
            {
                // What remains is what the plan withheld.
                let diff = look.diff.clone();
                let stands = |drift: &Drift| diff.drifts.iter().any(|other| drift.is_like(other));
                let mended = found.drifts.into_iter().filter(|drift| !stands(drift));
                let reason = (!diff.drifts.is_empty())
                    .then(|| "not everything could be repaired, see the withheld steps".to_owned());
                return RoleEnd {
                    mended: mended.collect(),
                    diff,
                    steps,
                    change: Some(Change::Verified),
                    reason,
                    fault: None,
                };
            }
            // A halt is no hurry: what was changed is looked at until it reads back right.
            let given_up = self.brake.is_hurried();
            if given_up || gateway.clock.elapsed() + wait > end {
                let what = match &last {
                    Ok(look) => differs(look),
                    Err(fault) => fault.to_string(),
                };
                let message = format!(
                    "changes were made and do not read back right after {} s: {what}",
                    limit.as_secs()
                );
                let fault = Fault::new(Category::Timeout, message);
                // A verification that was cut short proves nothing against the change.
                let change = if given_up {
                    None
                } else {
                    Some(Change::Unsettled)
                };
                return RoleEnd {
                    diff: found,
                    steps,
                    change,
                    fault: Some(fault),
                    ..RoleEnd::default()
                };
            }
            gateway
                .pause(self.behalf(account.id, site.slot), wait)
                .await;
            wait = (wait * 2).min(VERIFY_WAIT_CAP);
        }
    }

    /// Another look after a conflict or a lost answer; none when it cannot be had.
    async fn look_again(&self, account: &Named, spec: &RoleSpec, slot: &Slot) -> Option<Look> {
        self.engine
            .gateway
            .pause(self.behalf(account.id, slot), LOST_ANSWER_WAIT)
            .await;
        self.looked(account, spec, slot).await.ok()
    }

    async fn looked(&self, account: &Named, spec: &RoleSpec, slot: &Slot) -> Result<Look, Fault> {
        let clock = self.engine.gateway.clock.as_ref();
        let limit = self.settings.limits.look_deadline;
        let wanted = self.wanted(account.id)?;
        let looks = self.looks_at(account, &wanted, std::slice::from_ref(spec), slot);
        let looks = Box::pin(looks);
        let looks = within_own_time(clock, limit, slot, looks)
            .await
            .unwrap_or_else(|| Err(out_of_time(limit, None)))?;
        looks.into_iter().next().ok_or_else(|| {
            Fault::new(
                Category::Internal,
                "one role was looked at and none was seen",
            )
        })
    }

    /// Why the plan is not the one that was asked for, if it is not.
    fn objection(&self, look: &Look) -> Option<String> {
        let saved = self.order.plans.as_ref()?;
        if look.plan.is_empty() {
            None
        } else {
            saved.objection(&look.plan)
        }
    }

    async fn guardrails(&self, account: &Named) -> Result<Guardrails, StoreError> {
        let store = self.engine.store.as_ref();
        let halted = store.halted().await?;
        if let Some(halt) = &halted {
            self.brake.pull(Stop::Halted(halt.why.clone()));
        }
        let now = self.engine.gateway.clock.now();
        Ok(Guardrails {
            halted: halted.map(|halt| halt.why),
            frozen: self.settings.frozen(now),
            ineligible: None,
            // Said role by role: one specification may be wider and another not.
            approval: Approval::NotNeeded,
            too_many: None,
            admin_roles: self.settings.admin_roles.clone(),
            flap_limit: self.settings.flap_limit,
            findings: store.findings(Some(account.id)).await?,
        })
    }

    /// Whether everything is in order but for an adoption, and records that.
    pub(crate) async fn adopt_in_sync(&self, looks: &[Look]) {
        for look in looks
            .iter()
            .filter(|look| look.diff.is_in_sync() && look.plan.is_empty())
        {
            if self.adopt(&look.plan).await.is_err() {
                return;
            }
        }
    }
}

/// Somebody else changed the same thing, the answer was lost, or the session ended:
/// what to do now can only be said after another look.
const fn deserves_another_look(fault: &Fault) -> bool {
    let category = fault.category;
    category.hides_the_answer() || matches!(category, Category::Conflict | Category::Credentials)
}

/// What still differs, in words.
fn differs(look: &Look) -> String {
    if let Some(blind) = look.diff.blind.first() {
        return format!("{} could not be read: {}", blind.facet, blind.fault);
    }
    let drifts = look
        .diff
        .drifts
        .iter()
        .map(|drift| drift.explanation.as_str());
    let steps = look.plan.steps.iter().map(|step| step.step.resource());
    drifts
        .map(str::to_owned)
        .chain(steps)
        .next()
        .unwrap_or_default()
}

/// A plan's calls with all that is in them, in words that can be compared.
fn calls(plan: &Plan) -> impl Iterator<Item = String> + '_ {
    plan.steps.iter().map(|planned| {
        let step = &planned.step;
        format!("{} {}", step.operation().action(), record::parameters(step))
    })
}

/// What a plan would do beyond the calls that somebody has read, if anything.
fn unread(plan: &Plan, read: &[String]) -> Option<String> {
    let is_new = calls(plan).any(|call| !read.contains(&call));
    is_new.then(|| {
        format!(
            "{} in {} was changed by somebody else while the saved plan was carried out",
            plan.role, plan.account
        )
    })
}
