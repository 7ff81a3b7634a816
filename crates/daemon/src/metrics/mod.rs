//! Prometheus metrics, on a registry that the process owns.
//!
//! Counters and histograms are fed by the engine's events; fleet gauges are
//! computed from the store, so a restart does not reset them and what vanished
//! goes to 0.

mod families;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use prometheus::{Registry, TextEncoder};
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::call::{Access, Operation, Service};
use rolekeeper_domain::drift::{DriftKind, Severity};
use rolekeeper_domain::fault::Category;
use rolekeeper_domain::outcome::{Mode, Outcome, SkipReason, StepResult, SweepId, SweepOutcome};
use rolekeeper_domain::registration::{Action, State};
use rolekeeper_domain::role::RoleName;
use rolekeeper_engine::event::{CallOutcome, Event, EventSink};
use rolekeeper_engine::port::store::{FleetTotals, StoreError};

use self::families::Families;
use crate::register::{Delivered, OUTCOMES};

/// How a notification's delivery can end.
pub(crate) const NOTIFICATION_OUTCOMES: [&str; 3] = ["delivered", "retried", "dropped"];

/// At most this many accounts get a series of their own: beyond that the
/// report is the place to look, and Prometheus would pay for each.
pub(crate) const ACCOUNT_SERIES_MAX: usize = 500;

/// All metrics of the process.
pub(crate) struct Metrics {
    registry: Registry,
    families: Families,
    managed_roles: Vec<RoleName>,
    /// Roles that had findings once: their series go to 0, they do not vanish.
    seen_roles: Mutex<BTreeSet<RoleName>>,
    /// A repair looks at an account a second time, and skipped ones end without having begun.
    in_flight: Mutex<BTreeSet<AccountId>>,
    /// Accounts that had drift of a severity since the series were last dropped.
    seen_accounts: Mutex<BTreeSet<(AccountId, Severity)>>,
    /// What is done in each sweep under way.
    done: Mutex<BTreeMap<SweepId, BTreeSet<AccountId>>>,
}

impl Metrics {
    /// Makes the registry with every known label value at 0.
    pub(crate) fn new(managed_roles: Vec<RoleName>) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        #[cfg(target_os = "linux")]
        registry.register(Box::new(
            prometheus::process_collector::ProcessCollector::for_self(),
        ))?;
        let families = Families::register(&registry)?;
        let metrics = Self {
            registry,
            families,
            managed_roles,
            seen_roles: Mutex::default(),
            in_flight: Mutex::default(),
            seen_accounts: Mutex::default(),
            done: Mutex::default(),
        };
        metrics.preset();
        Ok(metrics)
    }

    /// The exposition text.
    pub(crate) fn render(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    /// Sets the fleet gauges to what the store says.
    pub(crate) fn set_fleet(&self, totals: &FleetTotals) {
        let families = &self.families;
        for outcome in Outcome::ALL {
            let count = totals.accounts.get(outcome).copied().unwrap_or(0);
            families
                .accounts
                .with_label_values(&[outcome.as_str()])
                .set(gauge(count));
        }
        for reason in SkipReason::ALL {
            let count = totals.skipped.get(reason).copied().unwrap_or(0);
            families
                .accounts_skipped
                .with_label_values(&[reason.as_str()])
                .set(gauge(count));
        }
        self.set_findings(totals);
        for mode in Mode::ALL {
            let label = &[mode.as_str()];
            let seconds = |at: Option<&jiff::Timestamp>| at.map_or(0.0, |at| at.as_second() as f64);
            families
                .last_sweep_start
                .with_label_values(label)
                .set(seconds(totals.last_start.get(mode)));
            families
                .last_sweep_success
                .with_label_values(label)
                .set(seconds(totals.last_success.get(mode)));
        }
    }

    /// Sets the opt-in series of single accounts; beyond the cap the worst come first.
    pub(crate) fn set_accounts(&self, drifted: &[(AccountId, Severity)]) {
        // Those that are right by now go to 0 for one scrape or more; only beyond the cap do series vanish.
        let mut seen = self
            .seen_accounts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if ACCOUNT_SERIES_MAX < seen.len() + drifted.len() {
            self.families.account_drifted.reset();
            seen.clear();
        }
        for (account, severity) in seen.iter() {
            self.families
                .account_drifted
                .with_label_values(&[account.to_string().as_str(), severity.as_str()])
                .set(0);
        }
        seen.extend(drifted.iter().take(ACCOUNT_SERIES_MAX));
        for (account, severity) in drifted.iter().take(ACCOUNT_SERIES_MAX) {
            self.families
                .account_drifted
                .with_label_values(&[account.to_string().as_str(), severity.as_str()])
                .set(1);
        }
    }

    /// Whether writes are halted, as the store says.
    pub(crate) fn set_halted(&self, halted: bool) {
        self.families.halted.set(i64::from(halted));
    }

    /// How far apart the schedule's sweeps are, at most; none: it has none.
    pub(crate) fn set_schedule_interval(&self, longest: Option<Duration>) {
        let seconds = longest.unwrap_or_default().as_secs_f64();
        self.families.schedule_interval.set(seconds);
    }

    /// Whether this replica writes.
    pub(crate) fn set_leader(&self, leading: bool) {
        self.families.leader.set(i64::from(leading));
    }

    /// Counts a failure of the store and says what it was.
    pub(crate) fn count_store_error(&self, error: &StoreError) {
        tracing::error!(error = %error, "the store failed");
        self.count_store_failure();
    }

    /// Counts a failure of the store that has been said already.
    pub(crate) fn count_store_failure(&self) {
        self.families.store_errors.inc();
    }

    /// Counts the end of one delivery: one of [`NOTIFICATION_OUTCOMES`].
    pub(crate) fn count_notification(&self, outcome: &'static str) {
        self.families
            .notifications
            .with_label_values(&[outcome])
            .inc();
    }

    /// Counts calls to the vendor.
    pub(crate) fn count_registration_calls(&self, calls: &Delivered) {
        for ((action, outcome), count) in calls {
            self.families
                .registration_calls
                .with_label_values(&[action.as_str(), outcome])
                .inc_by(*count);
        }
    }

    /// Says where registrations stand, as the store says.
    pub(crate) fn set_registrations(&self, counts: &BTreeMap<State, u64>) {
        for state in State::ALL {
            let count = counts.get(&state).copied().unwrap_or(0);
            self.families
                .registrations
                .with_label_values(&[state.as_str()])
                .set(gauge(count));
        }
    }

    fn in_flight<T>(&self, change: impl FnOnce(&mut BTreeSet<AccountId>) -> T) {
        let mut flying = self
            .in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        change(&mut flying);
        self.families
            .accounts_in_flight
            .set(i64::try_from(flying.len()).unwrap_or(i64::MAX));
    }

    fn set_findings(&self, totals: &FleetTotals) {
        let mut roles = self
            .seen_roles
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        roles.extend(self.managed_roles.iter().cloned());
        roles.extend(totals.findings.keys().map(|(role, _, _)| role.clone()));
        for role in roles.iter() {
            for kind in DriftKind::ALL {
                for severity in Severity::ALL {
                    let key = (role.clone(), *kind, severity);
                    let count = totals.findings.get(&key).copied().unwrap_or(0);
                    self.families
                        .findings
                        .with_label_values(&[role.as_str(), kind.as_str(), severity.as_str()])
                        .set(gauge(count));
                }
            }
        }
    }

    fn preset(&self) {
        let families = &self.families;
        families
            .build_info
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1);
        self.set_fleet(&FleetTotals::default());
        for mode in Mode::ALL {
            for outcome in SweepOutcome::ALL {
                families
                    .sweeps
                    .with_label_values(&[mode.as_str(), outcome.as_str()])
                    .inc_by(0);
            }
        }
        for outcome in Outcome::ALL {
            let _unset = families
                .account_duration
                .with_label_values(&[outcome.as_str()]);
        }
        for category in Category::ALL {
            families
                .account_failures
                .with_label_values(&[category.as_str()])
                .inc_by(0);
            families
                .retries
                .with_label_values(&[category.as_str()])
                .inc_by(0);
        }
        for outcome in NOTIFICATION_OUTCOMES {
            families
                .notifications
                .with_label_values(&[outcome])
                .inc_by(0);
        }
        for action in Action::ALL {
            for outcome in OUTCOMES {
                families
                    .registration_calls
                    .with_label_values(&[action.as_str(), outcome])
                    .inc_by(0);
            }
        }
        self.set_registrations(&BTreeMap::new());
        for operation in Operation::ALL {
            self.preset_operation(*operation);
        }
    }

    fn preset_operation(&self, operation: Operation) {
        let families = &self.families;
        let (service, name) = (operation.service().as_str(), operation.name());
        families
            .aws_requests
            .with_label_values(&[service, name, "ok"])
            .inc_by(0);
        for category in Category::ALL {
            families
                .aws_requests
                .with_label_values(&[service, name, category.as_str()])
                .inc_by(0);
        }
        let _unset = families
            .aws_request_duration
            .with_label_values(&[service, name]);
        families
            .limiter_wait
            .with_label_values(&[service, name])
            .inc_by(0.0);
        if operation.service() == Service::Iam && operation.access() == Access::Write {
            for result in StepResult::ALL {
                families
                    .steps
                    .with_label_values(&[operation.action().as_str(), result.as_str()])
                    .inc_by(0);
            }
        }
    }
}

impl EventSink for Metrics {
    fn emit(&self, event: &Event) {
        let families = &self.families;
        match event {
            Event::SweepStarted { sweep } => {
                families.sweep_running.set(1);
                families.sweep_accounts_done.set(0);
                let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
                done.insert(sweep.id.clone(), BTreeSet::new());
            }
            Event::AccountStarted { account, .. } => {
                self.in_flight(|flying| flying.insert(*account))
            }
            Event::AccountFinished { sweep, report } => {
                self.in_flight(|flying| flying.remove(&report.account));
                // What is looked at and then repaired is done once.
                let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(accounts) = done.get_mut(sweep) {
                    accounts.insert(report.account);
                    let accounts = i64::try_from(accounts.len()).unwrap_or(i64::MAX);
                    families.sweep_accounts_done.set(accounts);
                }
                drop(done);
                families
                    .account_duration
                    .with_label_values(&[report.outcome.as_str()])
                    .observe(report.duration_ms as f64 / 1000.0);
                if let Some(fault) = &report.failure {
                    families
                        .account_failures
                        .with_label_values(&[fault.category.as_str()])
                        .inc();
                }
            }
            Event::StepFinished {
                operation, result, ..
            } => families
                .steps
                .with_label_values(&[operation.action().as_str(), result.as_str()])
                .inc(),
            Event::CallFinished {
                operation,
                outcome,
                duration,
                ..
            } => {
                let outcome = match outcome {
                    CallOutcome::Ok => "ok",
                    CallOutcome::Failed(category) => category.as_str(),
                };
                let (service, name) = (operation.service().as_str(), operation.name());
                families
                    .aws_requests
                    .with_label_values(&[service, name, outcome])
                    .inc();
                families
                    .aws_request_duration
                    .with_label_values(&[service, name])
                    .observe(duration.as_secs_f64());
            }
            Event::Retrying { category, .. } => {
                families
                    .retries
                    .with_label_values(&[category.as_str()])
                    .inc();
            }
            Event::LimiterWaited { operation, waited } => families
                .limiter_wait
                .with_label_values(&[operation.service().as_str(), operation.name()])
                .inc_by(waited.as_secs_f64()),
            Event::LimiterRate {
                service,
                operation,
                rate,
            } => {
                families
                    .limiter_rate
                    .with_label_values(&[service, operation])
                    .set(*rate);
            }
            Event::Halted { .. } => families.halted.set(1),
            Event::SweepFinished { sweep } => {
                let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
                done.remove(&sweep.id);
                families.sweep_running.set(i64::from(!done.is_empty()));
                if done.is_empty() {
                    // A sweep that was cut off leaves walks without an end.
                    self.in_flight(BTreeSet::clear);
                }
                drop(done);
                if let Some(outcome) = sweep.outcome {
                    families
                        .sweeps
                        .with_label_values(&[sweep.mode.as_str(), outcome.as_str()])
                        .inc();
                }
                if let Some(finished_at) = sweep.finished_at {
                    let took = finished_at.duration_since(sweep.started_at);
                    families.sweep_duration.observe(took.as_secs_f64().max(0.0));
                }
            }
            Event::LeaderChanged { leading } => self.set_leader(*leading),
            Event::StoreFailed { .. } => families.store_errors.inc(),
            Event::SweepRefused { .. }
            | Event::NextSweep { .. }
            | Event::LeaseHeld { .. }
            | Event::IdleRules { .. }
            | Event::Planned { .. }
            | Event::Discovered { .. }
            | Event::ApprovalWanted { .. }
            | Event::CanaryAgain { .. }
            | Event::WaveStarted { .. } => {}
        }
    }
}

/// Prometheus gauges are signed; no organization has that many accounts.
fn gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
