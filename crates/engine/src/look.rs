//! One account, looked at: enter, observe, diff, plan. Writes nothing to AWS.

use std::time::Duration;

use rolekeeper_domain::diff::{diff, wants};
use rolekeeper_domain::drift::Diff;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::judge::{Guardrails, judge};
use rolekeeper_domain::observation::{Observation, Sighting};
use rolekeeper_domain::outcome::{AccountReport, Mode, Outcome, StepResult};
use rolekeeper_domain::ownership::{OwnershipRecord, is_tagged};
use rolekeeper_domain::plan::Plan;
use rolekeeper_domain::planner::plan;
use rolekeeper_domain::role::{Ensure, RoleSpec};
use rolekeeper_domain::verdict::Verdict;

use crate::brake::Stop;
use crate::discover::Named;
use crate::event::{Event, EventSink};
use crate::gateway::within_own_time;
use crate::observe::Lookout;
use crate::port::clock::Clock;
use crate::port::directory::Directory;
use crate::port::session::SessionProvider;
use crate::port::store::Store;
use crate::run::{Run, out_of_time, plan_report};
use crate::slot::Slot;

/// Before looking again where two looks differ, and how many looks there are at most: AWS shows everywhere
/// within half a minute what was changed.
pub(crate) const BETWEEN_LOOKS: Duration = Duration::from_secs(5);
pub(crate) const LOOKS: u32 = 8;

/// No two looks in a row were the same.
pub(crate) fn looks_differ() -> Fault {
    Fault::new(
        Category::Conflict,
        "what was seen changed from look to look: somebody else is changing it at this moment",
    )
}

/// One role as it was seen, and what that means.
pub(crate) struct Look {
    pub(crate) observation: Observation,
    pub(crate) diff: Diff,
    pub(crate) plan: Plan,
}

/// What a look at an account leads to.
pub(crate) struct Outlook {
    pub(crate) report: AccountReport,
    /// Whether a repair would take steps.
    pub(crate) wants: Wants,
    /// What a repair would give to whom, where that needs a person's word.
    pub(crate) widens: Vec<String>,
    /// What was seen, so that a later look can be held against it.
    pub(crate) sight: Sight,
}

/// What a look at an account showed, as far as a repair rests on it: the digests of its plans.
pub(crate) type Sight = Vec<String>;

/// What these looks show.
pub(crate) fn sight(looks: &[Look]) -> Sight {
    looks.iter().map(|look| look.plan.digest()).collect()
}

/// What a repair of an account would take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wants {
    /// Steps that need nobody's word.
    pub(crate) steps: bool,
    /// Steps that need somebody's word: the specification gives more than was agreed to.
    pub(crate) word: bool,
}

impl<D, P, S, C, E> Run<D, P, S, C, E>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    /// Looks at an account and reports. Bounded in time; never fails as a function.
    pub(crate) async fn audit(&self, account: &Named, slot: &Slot) -> Outlook {
        let began = self.begin(account);
        match self.looks_in_time(account, slot).await {
            Ok(looks) => {
                // A retirement changes nothing but the user.
                if self.is_repair() && self.order.retire.is_none() {
                    self.adopt_in_sync(&looks).await;
                }
                self.outlook(account, &looks, began)
            }
            Err(fault) => Outlook {
                report: self.failed_report(account, fault, began),
                wants: Wants::default(),
                widens: Vec::new(),
                sight: Sight::new(),
            },
        }
    }

    /// Says that the account's walk begins; answers when.
    pub(crate) fn begin(&self, account: &Named) -> Duration {
        self.emit(&Event::AccountStarted {
            sweep: self.sweep.clone(),
            account: account.id,
        });
        self.engine.gateway.clock.elapsed()
    }

    /// The same as [`Run::looks`], within the time that a look may take.
    pub(crate) async fn looks_in_time(
        &self,
        account: &Named,
        slot: &Slot,
    ) -> Result<Vec<Look>, Fault> {
        let clock = self.engine.gateway.clock.as_ref();
        let limit = self.settings.limits.look_deadline;
        within_own_time(clock, limit, slot, Box::pin(self.looks(account, slot)))
            .await
            .unwrap_or_else(|| Err(out_of_time(limit, None)))
    }

    /// Looks at every role wanted in the account.
    pub(crate) async fn looks(&self, account: &Named, slot: &Slot) -> Result<Vec<Look>, Fault> {
        let roles = self.wanted(account.id)?;
        self.looks_at(account, &roles, &roles, slot).await
    }

    /// Looks at some of the roles `wanted` in the account; with another session where the one at hand has ended.
    pub(crate) async fn looks_at(
        &self,
        account: &Named,
        wanted: &[RoleSpec],
        roles: &[RoleSpec],
        slot: &Slot,
    ) -> Result<Vec<Look>, Fault> {
        let looks = self.looks_once(account, wanted, roles, slot).await?;
        let expired = looks
            .iter()
            .flat_map(|look| &look.diff.blind)
            .any(|blind| blind.fault.category == Category::Credentials);
        if !expired {
            return Ok(looks);
        }
        // The session ended under way: a new one, once.
        self.engine.sessions.forget(account.id);
        self.looks_once(account, wanted, roles, slot).await
    }

    /// Looks at these roles, once. The session is opened for all that are `wanted` in the account: it is
    /// kept, and whoever looks next may look at another one.
    async fn looks_once(
        &self,
        account: &Named,
        wanted: &[RoleSpec],
        roles: &[RoleSpec],
        slot: &Slot,
    ) -> Result<Vec<Look>, Fault> {
        let engine = self.engine.as_ref();
        let visit = self.visit(account.id, wanted, slot);
        let reader = engine
            .sessions
            .reader(&engine.provider, &engine.gateway, visit)
            .await
            .inspect_err(|fault| self.note_entry_fault(fault))?;
        let lookout = Lookout {
            reader: &reader,
            gateway: &engine.gateway,
            documents: &self.documents,
            recorder: &self.recorder,
            behalf: visit.behalf,
            account: account.id,
            partition: self.caller.partition,
        };
        let mut looks = Vec::with_capacity(roles.len());
        for spec in roles {
            looks.push(self.look(&lookout, spec));
        }
        futures_util::future::join_all(looks)
            .await
            .into_iter()
            .collect()
    }

    async fn look(
        &self,
        lookout: &Lookout<'_, P::Reader, C, E>,
        spec: &RoleSpec,
    ) -> Result<Look, Fault> {
        let account = lookout.account;
        let mut observation = lookout.observe(spec).await;
        let mut record = OwnershipRecord::default();
        let mut difference = diff(spec, &observation, &record);
        let drifted = !difference.drifts.is_empty();
        if (drifted || spec.ensure == Ensure::Absent || self.is_repair())
            && is_unmarked(&observation)
        {
            record = self.owned(&observation).await?;
            difference = diff(spec, &observation, &record);
        }
        if !difference.drifts.is_empty() {
            let wants = wants(spec, &observation, &record);
            if lookout.read_wanted(&mut observation, &wants).await {
                difference = diff(spec, &observation, &record);
            }
        }
        // What is in sync needs no plan, unless it came from another hand and may become ours.
        let settled =
            difference.is_in_sync() && record == OwnershipRecord::default() && !self.is_repair();
        let plan = if settled {
            Plan::empty(account, spec.name.clone())
        } else {
            plan(spec, &observation, &difference, &record)
        };
        Ok(Look {
            observation,
            diff: difference,
            plan,
        })
    }

    /// What the journal shows as ours in the account.
    async fn owned(&self, observation: &Observation) -> Result<OwnershipRecord, Fault> {
        match self.engine.store.owned(observation.account).await {
            Ok(owned) => Ok(OwnershipRecord::new(owned)),
            Err(error) => {
                self.brake.pull(Stop::Failed(error.to_string()));
                Err(Fault::new(Category::Internal, error.to_string()))
            }
        }
    }

    fn outlook(&self, account: &Named, looks: &[Look], began: Duration) -> Outlook {
        let mut report = self.blank_report(account, Outcome::InSync, began);
        let mut widens = Vec::new();
        let mut wants = Wants::default();
        for look in looks {
            take_in(&mut report, &look.diff);
            let guardrails = Guardrails::default();
            match judge(
                look.plan.clone(),
                &look.observation,
                &look.diff,
                &guardrails,
                Mode::Audit,
            ) {
                Verdict::InSync => {}
                Verdict::ReportOnly(plan) | Verdict::Refuse(plan, _) => {
                    report
                        .steps
                        .extend(plan_report(&plan, StepResult::Planned, None));
                    let needs_word = self.approval_for(&plan.role).holds_back(&plan);
                    wants.steps |= !plan.is_empty() && !needs_word;
                    wants.word |= !plan.is_empty() && needs_word;
                    if needs_word {
                        widens.extend(plan.widens.iter().cloned());
                    }
                    self.emit(&Event::Planned {
                        sweep: self.sweep.clone(),
                        plan: Box::new(plan),
                    });
                }
                // `judge` gives no permit for an audit.
                Verdict::Apply(_) => {}
            }
        }
        if report.failure.is_some() {
            wants = Wants::default();
        }
        // Only what a repair may come back to is compared later.
        let comes_back = self.is_repair() && wants != Wants::default();
        Outlook {
            sight: if comes_back {
                sight(looks)
            } else {
                Sight::new()
            },
            wants,
            widens,
            report,
        }
    }
}

/// Takes the findings about one role into the account's report.
pub(crate) fn take_in(report: &mut AccountReport, diff: &Diff) {
    report.drifts.extend(diff.drifts.iter().cloned());
    if let Some(blind) = diff.blind.first() {
        // What could not be read counts more than what was found: nothing is repaired now.
        report.outcome = Outcome::Failed;
        report.failure.get_or_insert_with(|| blind.fault.clone());
    } else if !diff.drifts.is_empty() && report.outcome != Outcome::Failed {
        report.outcome = Outcome::Drifted;
    }
}

/// Whether anything is there that does not carry the owner tag: then the journal is asked.
fn is_unmarked(observation: &Observation) -> bool {
    let role = observation
        .role
        .seen()
        .is_some_and(|role| !is_tagged(&role.tags));
    let seen = observation.policies.values().filter_map(Sighting::seen);
    role || seen.into_iter().any(|policy| !is_tagged(&policy.tags))
}
