//! Steps taken in their order: each on record before it is made, and completed after.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::outcome::{StepReport, StepResult};
use rolekeeper_domain::plan::{Plan, PlannedStep, Precondition, Step};
use rolekeeper_domain::role::RoleSpec;
use rolekeeper_domain::verdict::{Permit, Refusal};
use tracing::Instrument as _;

use crate::brake::Stop;
use crate::event::{Event, EventSink};
use crate::port::clock::Clock;
use crate::port::directory::Directory;
use crate::port::session::{Receipt, RoleWriter, SessionProvider};
use crate::port::store::{Completion, Deed, EntryId, Fence, Intent, Store, StoreError};
use crate::run::{Run, step_report};
use crate::slot::Slot;

/// A step on something that an earlier step of the plan has just made, or that names a principal which
/// AWS does not see, is tried so often when AWS does not see it yet: 1 + 2 + 4 + 8 + 16 s cover the 10 to 30 s that are reported.
const CONSISTENCY_TRIES: u32 = 6;

/// The first wait for AWS to see what was just made.
const CONSISTENCY_WAIT: Duration = Duration::from_secs(1);

/// How a plan's steps ended.
pub(crate) struct Applied {
    /// Every step of the plan, in order.
    pub(crate) steps: Vec<StepReport>,
    pub(crate) end: End,
    /// The step whose answer was lost, if that is why it ended.
    pub(crate) lost: Option<Lost>,
}

/// A step that AWS may have carried out although nobody heard it say so. Its entry stays open until a look
/// settles it.
pub(crate) struct Lost {
    pub(crate) entry: EntryId,
    pub(crate) step: Step,
}

/// Why no further step was taken.
pub(crate) enum End {
    /// All were.
    All,
    /// A reason outside the account: halt, cancellation, lost lease, time.
    Stopped(String),
    /// A step failed, or the session for writing could not be had.
    Failed(Fault),
    /// The answer to a step was lost; this is its entry.
    Lost(Fault, EntryId),
}

/// Why a call was not made, or came to nothing.
pub(crate) enum Unmade {
    /// AWS said no, or nothing.
    Failed(Fault),
    /// A reason came up to make no further call; nothing was done by this one.
    Stopped(End),
}

/// Where and when a plan is carried out.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    pub(crate) account: AccountId,
    pub(crate) roles: &'a [RoleSpec],
    pub(crate) slot: &'a Slot,
    /// No step begins after this moment of the clock's elapsed time.
    pub(crate) deadline: Duration,
}

impl<D, P, S, C, E> Run<D, P, S, C, E>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    /// Carries out what `permit` allows. Consumes it: a plan is carried out once.
    pub(crate) async fn apply(&self, permit: Permit, site: Site<'_>) -> Applied {
        let plan = permit.plan();
        let mut steps = Vec::with_capacity(plan.steps.len());
        let end = match self.take_steps(&permit, site, &mut steps).await {
            Ok(()) => End::All,
            Err(end) => end,
        };
        let reason = match &end {
            End::All => None,
            End::Stopped(why) => Some(why.clone()),
            End::Failed(_) | End::Lost(..) => Some("an earlier step failed".to_owned()),
        };
        let lost = match &end {
            End::Lost(_, entry) => {
                let last = steps.len().checked_sub(1);
                let last = last.and_then(|last| plan.steps.get(last));
                last.map(|last| Lost {
                    entry: *entry,
                    step: last.step.clone(),
                })
            }
            End::All | End::Stopped(_) | End::Failed(_) => None,
        };
        let rest = plan.steps.iter().skip(steps.len());
        steps.extend(rest.map(|step| step_report(step, StepResult::Refused, reason.clone())));
        Applied { steps, end, lost }
    }

    async fn take_steps(
        &self,
        permit: &Permit,
        site: Site<'_>,
        taken: &mut Vec<StepReport>,
    ) -> Result<(), End> {
        let engine = self.engine.as_ref();
        let plan = permit.plan();
        self.may_go_on(site)?;
        let visit = self.visit(site.account, site.roles, site.slot);
        let writer = engine
            .sessions
            .writer(&engine.provider, &engine.gateway, visit, permit)
            .await
            .map_err(End::Failed)?;
        self.adopt(plan).await?;
        for step in &plan.steps {
            let deed = Deed::Role {
                role: &plan.role,
                step,
            };
            let call = self.execute(&writer, step, site);
            self.on_record(site, deed, call, taken).await?;
        }
        Ok(())
    }

    /// Makes one call: its intent is on disk before it begins, its end after; where nobody heard the answer
    /// it has none until a look settles it. What became of it is added to `taken`; nothing is when it was
    /// not begun.
    pub(crate) async fn on_record(
        &self,
        site: Site<'_>,
        deed: Deed<'_>,
        call: impl Future<Output = Result<Receipt, Unmade>>,
        taken: &mut Vec<StepReport>,
    ) -> Result<(), End> {
        let fence = self.may_go_on(site)?;
        let entry = self.intend(site.account, deed, fence).await?;
        // Writing the intent took time; the lease may be over now.
        if let Err(end) = self.may_go_on(site) {
            self.complete(entry, &untaken()).await?;
            return Err(end);
        }
        let span = tracing::info_span!(
            "step",
            step.action = %deed.operation().action(), step.resource = deed.resource(),
        );
        let result = match call.instrument(span).await {
            Ok(receipt) => Ok(receipt),
            Err(Unmade::Failed(fault)) => Err(fault),
            Err(Unmade::Stopped(end)) => {
                self.complete(entry, &untaken()).await?;
                return Err(end);
            }
        };
        let recorded = match &result {
            Err(fault) if fault.category.hides_the_answer() => Ok(()),
            _ => self.complete(entry, &completion(&result)).await,
        };
        taken.push(self.tell(site.account, deed, result.as_ref().err()));
        match result {
            Ok(_) => recorded,
            Err(fault) if fault.category.hides_the_answer() => Err(End::Lost(fault, entry)),
            Err(fault) => Err(End::Failed(fault)),
        }
    }

    /// The fence, unless there is a reason to begin no further step.
    pub(crate) fn may_go_on(&self, site: Site<'_>) -> Result<Fence, End> {
        let clock = self.engine.gateway.clock.as_ref();
        if let Some(stop) = self.brake.stop() {
            return Err(End::Stopped(stop.why().to_owned()));
        }
        // A freeze that begins in the midst of an account holds from its next step on: each prefix of a plan
        // is a state that was meant.
        if let Some(why) = self.settings.frozen(clock.now()) {
            return Err(End::Stopped(Refusal::Frozen { why }.to_string()));
        }
        if clock.elapsed() >= site.deadline {
            return Err(End::Stopped(
                "there is no time left for this account".to_owned(),
            ));
        }
        self.fence().ok_or_else(|| self.lease_lost())
    }

    /// A lease that was lost ends the sweep's writes.
    pub(crate) fn lease_lost(&self) -> End {
        let stop = Stop::Failed("the lease was lost: another process may write now".to_owned());
        let end = End::Stopped(stop.why().to_owned());
        self.brake.pull(stop);
        end
    }

    /// One step; again only where AWS surely did nothing, or does not yet see what this very plan, or
    /// somebody else, made a moment ago.
    async fn execute(
        &self,
        writer: &P::Writer,
        step: &PlannedStep,
        site: Site<'_>,
    ) -> Result<Receipt, Unmade> {
        let gateway = &self.engine.gateway;
        let behalf = self.behalf(site.account, site.slot);
        let builds_on_new = step
            .preconditions
            .iter()
            .any(|precondition| matches!(precondition, Precondition::AfterStep { .. }));
        let mut wait = CONSISTENCY_WAIT;
        let mut tries = 1;
        loop {
            let attempt = || writer.execute(&step.step);
            match self.write(site, step.step.operation(), attempt).await {
                Err(Unmade::Failed(fault))
                    if (builds_on_new && fault.category == Category::NotFound
                        || is_unseen_principal(&fault))
                        && tries < CONSISTENCY_TRIES
                        && self.brake.stop().is_none() =>
                {
                    gateway.pause(behalf, wait).await;
                    wait *= 2;
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    /// One call that writes, through the gateway.
    ///
    /// Before each attempt it is asked once more whether it may be made: between the intent and the call
    /// lie waits for a limiter and between attempts, and whoever stood still there may have lost the lease.
    pub(crate) async fn write<F>(
        &self,
        site: Site<'_>,
        operation: Operation,
        attempt: impl Fn() -> F,
    ) -> Result<Receipt, Unmade>
    where
        F: Future<Output = Result<Receipt, Fault>>,
    {
        let stopped: Mutex<Option<End>> = Mutex::default();
        let attempt = || async {
            if let Err(end) = self.may_go_on(site) {
                let fault = Fault::new(Category::Internal, UNTAKEN);
                *stopped.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
                return Err(fault);
            }
            attempt().await
        };
        let behalf = self.behalf(site.account, site.slot);
        let gateway = &self.engine.gateway;
        let result = gateway.write(behalf, operation, attempt).await;
        let end = stopped.into_inner().unwrap_or_else(PoisonError::into_inner);
        match end {
            Some(end) => Err(Unmade::Stopped(end)),
            None => result.map_err(Unmade::Failed),
        }
    }

    /// Records what becomes ours although it came from another hand.
    pub(crate) async fn adopt(&self, plan: &Plan) -> Result<(), End> {
        let clock = self.engine.gateway.clock.as_ref();
        for resource in &plan.adopts {
            let Some(fence) = self.fence() else {
                return Err(self.lease_lost());
            };
            let adopted =
                self.engine
                    .store
                    .adopt(plan.account, resource, &self.sweep, clock.now(), fence);
            adopted.await.map_err(|error| self.store_failed(&error))?;
        }
        Ok(())
    }

    async fn intend(
        &self,
        account: AccountId,
        deed: Deed<'_>,
        fence: Fence,
    ) -> Result<EntryId, End> {
        let intent = Intent {
            sweep: &self.sweep,
            requested_by: &self.order.requested_by,
            account,
            deed,
            at: self.engine.gateway.clock.now(),
        };
        let entry = self.engine.store.intend(&intent, fence).await;
        entry.map_err(|error| self.store_failed(&error))
    }

    async fn complete(&self, entry: EntryId, completion: &Completion) -> Result<(), End> {
        let now = self.engine.gateway.clock.now();
        let completed = self.engine.store.complete(entry, completion, now).await;
        completed.map_err(|error| self.store_failed(&error))
    }

    /// A store that cannot be written stops every write to AWS.
    pub(crate) fn store_failed(&self, error: &StoreError) -> End {
        self.emit(&Event::StoreFailed {
            message: error.to_string(),
        });
        self.brake.pull(Stop::Failed(error.to_string()));
        End::Stopped(error.to_string())
    }

    fn tell(&self, account: AccountId, deed: Deed<'_>, fault: Option<&Fault>) -> StepReport {
        let result = if fault.is_some() {
            StepResult::Failed
        } else {
            StepResult::Done
        };
        self.emit(&Event::StepFinished {
            sweep: self.sweep.clone(),
            account,
            operation: deed.operation(),
            resource: deed.resource(),
            result,
            fault: fault.cloned(),
        });
        StepReport {
            operation: deed.operation(),
            resource: deed.resource(),
            result,
            reason: fault.map(ToString::to_string),
        }
    }
}

/// AWS does not see a principal of the trust policy. One that was made a moment ago it sees soon; and
/// it says the same of one that does not exist.
fn is_unseen_principal(fault: &Fault) -> bool {
    fault.code.as_deref() == Some("MalformedPolicyDocument")
        && fault.message.to_lowercase().contains("invalid principal")
}

/// What the journal says of an answer.
pub(crate) fn completion(answer: &Result<Receipt, Fault>) -> Completion {
    match answer {
        Ok(Receipt {
            request_id,
            created,
        }) => Completion::Done {
            request_id: request_id.clone(),
            created: created.clone(),
        },
        Err(fault) => Completion::Failed(fault.clone()),
    }
}

const UNTAKEN: &str = "the call was not made: the sweep stopped just before it";

fn untaken() -> Completion {
    Completion::Failed(Fault::new(Category::Internal, UNTAKEN))
}
