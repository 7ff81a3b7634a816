//! What the parts of one sweep share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::outcome::{AccountReport, Mode, Outcome, StepReport, StepResult, SweepId};
use rolekeeper_domain::plan::{Plan, PlannedStep};
use rolekeeper_domain::role::RoleSpec;

use crate::agreement::{Agreement, Kept};
use crate::brake::{Brake, Stop};
use crate::discover::Named;
use crate::documents::Documents;
use crate::engine::Inner;
use crate::event::{Event, EventSink};
use crate::gateway::Behalf;
use crate::order::SweepOrder;
use crate::port::clock::Clock;
use crate::port::directory::{Caller, Organization};
use crate::port::session::SessionProvider;
use crate::port::store::{Fence, Halt};
use crate::recorder::Recorder;
use crate::rotation::Held;
use crate::sessions::Visit;
use crate::settings::{EngineSettings, Place};
use crate::settle::LATE;
use crate::slot::{Places, Slot};

/// One sweep under way.
pub(crate) struct Run<D, P: SessionProvider, S, C, E> {
    pub(crate) engine: Arc<Inner<D, P, S, C, E>>,
    pub(crate) settings: Arc<EngineSettings>,
    /// Whose sessions may be kept, see [`crate::sessions::Sessions::generation`].
    pub(crate) generation: u64,
    pub(crate) order: SweepOrder,
    pub(crate) sweep: SweepId,
    /// The sweep's part of session names.
    pub(crate) label: String,
    pub(crate) caller: Caller,
    pub(crate) organization: Organization,
    pub(crate) documents: Documents,
    pub(crate) recorder: Recorder,
    pub(crate) places: Places,
    pub(crate) brake: Arc<Brake>,
    /// Halts that this sweep goes on in spite of: it undoes another one, whoever asked for that had the
    /// halt in view, and it leaves one of its own.
    pub(crate) despite: Mutex<Vec<Halt>>,
    /// What the lease was when the sweep began. A lease that was lost and taken again is another one:
    /// somebody else may have written in between, so what was planned before is no longer good.
    pub(crate) fence: Option<Fence>,
    /// Whether a person agreed to what needs approval.
    pub(crate) approved: AtomicBool,
    /// The accounts in which a change of external ids waits, once everybody was looked at.
    pub(crate) held: OnceLock<Held>,
    /// How its specifications stand to those that were agreed to.
    pub(crate) agreement: Agreement,
    /// Which of them it has kept as agreed to.
    pub(crate) kept_agreed: Kept,
}

impl<D, P: SessionProvider, S, C: Clock, E: EventSink> Run<D, P, S, C, E> {
    pub(crate) fn behalf<'a>(&'a self, account: AccountId, slot: &'a Slot) -> Behalf<'a> {
        Behalf {
            account: Some(account),
            slot: Some(slot),
            places: Some(&self.places),
        }
    }

    pub(crate) fn visit<'a>(
        &'a self,
        account: AccountId,
        roles: &'a [RoleSpec],
        slot: &'a Slot,
    ) -> Visit<'a> {
        Visit {
            account,
            is_hub: account == self.caller.account,
            admin_roles: &self.settings.admin_roles,
            label: &self.label,
            roles,
            generation: self.generation,
            behalf: self.behalf(account, slot),
        }
    }

    /// What is wanted in an account.
    pub(crate) fn wanted(&self, account: AccountId) -> Result<Arc<[RoleSpec]>, Fault> {
        let place = self.place(account);
        match self.held.get() {
            Some(held) if held.keeps(account) => self.settings.roles.wanted_meanwhile(&place),
            Some(_) | None => self.settings.roles.wanted(&place),
        }
    }

    /// What placeholders stand for in an account.
    pub(crate) fn place(&self, account: AccountId) -> Place<'_> {
        Place {
            account,
            partition: self.caller.partition,
            organization_id: &self.organization.id,
            hub_account: self.caller.account,
        }
    }

    /// The fence, while the lease that the sweep began with is surely ours.
    pub(crate) fn fence(&self) -> Option<Fence> {
        let held = self.engine.keeper.fence(self.engine.gateway.clock.as_ref());
        held.filter(|held| Some(*held) == self.fence)
    }

    /// Whether a call intended at `intended_at`, by a process or a sweep that is gone since `began` of the
    /// steady clock at the latest, has surely shown by now whatever it did. Between an intent and its last
    /// attempt lie waits for limiters and for AWS, as long as an account may take; so the age of the intent
    /// says it only when it is greater than that. The time of day may also have been set back.
    pub(crate) fn is_late(&self, intended_at: Timestamp, began: Duration) -> bool {
        let clock = self.engine.gateway.clock.as_ref();
        let span = |span: Duration| SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
        let waited = span(clock.elapsed().saturating_sub(began));
        let longest = LATE.saturating_add(span(self.settings.limits.repair_deadline));
        LATE <= waited || longest <= clock.now().duration_since(intended_at)
    }

    /// Whether this sweep goes on although writes are halted.
    pub(crate) fn goes_on_despite(&self, halt: &Halt) -> bool {
        let known = self.despite.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(halt)
    }

    /// From now on it goes on in spite of this one too.
    pub(crate) fn go_on_despite(&self, halt: Halt) {
        let mut known = self.despite.lock().unwrap_or_else(PoisonError::into_inner);
        known.push(halt);
    }

    pub(crate) fn is_repair(&self) -> bool {
        self.order.mode == Mode::Repair
    }

    pub(crate) fn is_approved(&self) -> bool {
        self.approved.load(Ordering::Relaxed)
    }

    pub(crate) fn emit(&self, event: &Event) {
        self.engine.gateway.sink.emit(event);
    }

    /// Credentials of our own that no longer work end the sweep: every further
    /// account would fail in the same way.
    pub(crate) fn note_entry_fault(&self, fault: &Fault) {
        if fault.category == Category::Credentials {
            self.brake.pull(Stop::Failed(format!(
                "the hub's own credentials were not accepted: {}",
                fault.message
            )));
        }
    }

    /// A report of an account that was looked at for `began.elapsed()`.
    pub(crate) fn blank_report(
        &self,
        account: &Named,
        outcome: Outcome,
        began: Duration,
    ) -> AccountReport {
        let clock = &self.engine.gateway.clock;
        let spent = clock.elapsed().saturating_sub(began).as_millis();
        AccountReport {
            account: account.id,
            name: account.name.clone(),
            ou_path: account.ou_path.clone(),
            outcome,
            reason: None,
            failure: None,
            drifts: Vec::new(),
            steps: Vec::new(),
            mended: Vec::new(),
            observed_at: clock.now(),
            duration_ms: u64::try_from(spent).unwrap_or(u64::MAX),
        }
    }

    /// The report of an account that failed as a whole.
    pub(crate) fn failed_report(
        &self,
        account: &Named,
        fault: Fault,
        began: Duration,
    ) -> AccountReport {
        AccountReport {
            failure: Some(fault),
            ..self.blank_report(account, Outcome::Failed, began)
        }
    }

    /// The report of an account that was not reached.
    pub(crate) fn pending_report(&self, account: &Named) -> AccountReport {
        let reason = self.brake.stop().map(|stop| stop.why().to_owned());
        let now = self.engine.gateway.clock.elapsed();
        AccountReport {
            reason,
            ..self.blank_report(account, Outcome::Pending, now)
        }
    }

    /// Hands a report in and tells about it.
    pub(crate) async fn hand_in(&self, mut report: AccountReport) {
        if let (Some(fault), Some(remedy)) = (&mut report.failure, &self.settings.remedy)
            && let Some(words) = remedy(fault)
            && !fault.message.ends_with(&words)
        {
            fault.message.push_str("; ");
            fault.message.push_str(&words);
        }
        let report = match self.held.get() {
            Some(held) => held.amended(report),
            None => report,
        };
        self.emit(&Event::AccountFinished {
            sweep: self.sweep.clone(),
            report: Box::new(report.clone()),
        });
        self.recorder.report(report).await;
    }
}

/// What an account's walk is logged and traced under.
pub(crate) fn account_span(account: AccountId) -> tracing::Span {
    tracing::info_span!("account", account.id = %account)
}

/// A step in a report.
pub(crate) fn step_report(
    step: &PlannedStep,
    result: StepResult,
    reason: Option<String>,
) -> StepReport {
    StepReport {
        operation: step.step.operation(),
        resource: step.step.resource(),
        result,
        reason,
    }
}

/// All steps of a plan with one result, and what it withholds.
pub(crate) fn plan_report(
    plan: &Plan,
    result: StepResult,
    reason: Option<&str>,
) -> Vec<StepReport> {
    let steps = plan
        .steps
        .iter()
        .map(|step| step_report(step, result, reason.map(str::to_owned)));
    steps.chain(withheld_report(plan)).collect()
}

/// What a plan withholds.
pub(crate) fn withheld_report(plan: &Plan) -> impl Iterator<Item = StepReport> + '_ {
    plan.withheld.iter().map(|withheld| StepReport {
        operation: withheld.operation,
        resource: withheld.resource.clone(),
        result: StepResult::Withheld,
        reason: Some(withheld.reason.clone()),
    })
}

/// A fault for a walk that did not end in time.
pub(crate) fn out_of_time(limit: Duration, operation: Option<Operation>) -> Fault {
    let fault = Fault::new(
        Category::Timeout,
        format!("the account was not done after {} s", limit.as_secs()),
    );
    Fault { operation, ..fault }
}
