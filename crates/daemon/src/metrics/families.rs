//! The metric families: a field is a metric, its doc comment is its help text.

use prometheus::{
    CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec, Opts, Registry,
};

/// Bounds for one AWS call, in seconds: the retries' scale, not the page's.
const CALL_SECONDS: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8];
/// Bounds for one account's walk, in seconds.
const ACCOUNT_SECONDS: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];
/// Bounds for a sweep, in seconds: from a handful of accounts to 50,000.
const SWEEP_SECONDS: &[f64] = &[
    1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0,
];

macro_rules! families {
    (
        $(#[$struct_meta:meta])*
        pub(crate) struct $struct:ident {
            $(
                $(#[doc = $help:literal])+
                $field:ident: $type:ident($name:literal $(, [$($label:literal),*])? $(, buckets $buckets:ident)?),
            )+
        }
    ) => {
        $(#[$struct_meta])*
        pub(crate) struct $struct {
            $($(#[doc = $help])+ pub(crate) $field: $type,)+
        }

        impl $struct {
            /// Makes every family and registers it.
            pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
                Ok(Self {
                    $($field: {
                        let help = concat!($($help),+).trim();
                        let family = families!(@make $type, $name, help $(, [$($label),*])? $(, buckets $buckets)?)?;
                        registry.register(Box::new(family.clone()))?;
                        family
                    },)+
                })
            }

            /// The names of all families, for the documentation.
            #[cfg(test)]
            pub(crate) const CATALOG: &'static [(&'static str, &'static str, &'static str, &'static [&'static str])] = &[
                $(($name, stringify!($type), concat!($($help),+), &[$($($label),*)?]),)+
            ];
        }
    };
    (@make Histogram, $name:literal, $help:ident, buckets $buckets:ident) => {
        Histogram::with_opts(HistogramOpts::new($name, $help).buckets($buckets.to_vec()))
    };
    (@make HistogramVec, $name:literal, $help:ident, [$($label:literal),*], buckets $buckets:ident) => {
        HistogramVec::new(HistogramOpts::new($name, $help).buckets($buckets.to_vec()), &[$($label),*])
    };
    (@make Gauge, $name:literal, $help:ident) => { Gauge::new($name, $help) };
    (@make IntGauge, $name:literal, $help:ident) => { IntGauge::new($name, $help) };
    (@make IntCounter, $name:literal, $help:ident) => { IntCounter::new($name, $help) };
    (@make $type:ident, $name:literal, $help:ident, [$($label:literal),*]) => {
        $type::new(Opts::new($name, $help), &[$($label),*])
    };
}

families! {
    /// Every family of the contract.
    pub(crate) struct Families {
        /// The version that runs; always 1.
        build_info: IntGaugeVec("rolekeeper_build_info", ["version"]),
        /// Accounts of the organization by their newest outcome.
        accounts: IntGaugeVec("rolekeeper_accounts", ["outcome"]),
        /// Skipped accounts by reason.
        accounts_skipped: IntGaugeVec("rolekeeper_accounts_skipped", ["reason"]),
        /// Open findings by managed role, kind and severity.
        findings: IntGaugeVec("rolekeeper_findings", ["role", "kind", "severity"]),
        /// Whether an account has open findings of this severity (opt-in, capped).
        account_drifted: IntGaugeVec("rolekeeper_account_drifted", ["account_id", "severity"]),
        /// Whether a sweep is under way in this process.
        sweep_running: IntGauge("rolekeeper_sweep_running"),
        /// Accounts done in the sweep under way.
        sweep_accounts_done: IntGauge("rolekeeper_sweep_accounts_done"),
        /// When the newest sweep began, in seconds since the epoch; 0 before the first.
        last_sweep_start: GaugeVec("rolekeeper_last_sweep_start_timestamp_seconds", ["mode"]),
        /// When the newest completed sweep over the organization ended, in seconds since the epoch; 0 before the first.
        last_sweep_success: GaugeVec("rolekeeper_last_sweep_success_timestamp_seconds", ["mode"]),
        /// The longest time that the schedule leaves between two sweeps.
        schedule_interval: Gauge("rolekeeper_schedule_interval_seconds"),
        /// How long sweeps took.
        sweep_duration: Histogram("rolekeeper_sweep_duration_seconds", buckets SWEEP_SECONDS),
        /// Sweeps ended, by mode and outcome.
        sweeps: IntCounterVec("rolekeeper_sweeps_total", ["mode", "outcome"]),
        /// How long one account's walk took.
        account_duration: HistogramVec("rolekeeper_account_duration_seconds", ["result"], buckets ACCOUNT_SECONDS),
        /// Steps by action and result.
        steps: IntCounterVec("rolekeeper_steps_total", ["action", "result"]),
        /// Accounts that failed, by category.
        account_failures: IntCounterVec("rolekeeper_account_failures_total", ["category"]),
        /// Attempts of AWS calls, by outcome: ok, or the category of the failure.
        aws_requests: IntCounterVec("rolekeeper_aws_requests_total", ["service", "operation", "outcome"]),
        /// How long attempts of AWS calls took.
        aws_request_duration: HistogramVec("rolekeeper_aws_request_duration_seconds", ["service", "operation"], buckets CALL_SECONDS),
        /// The rate a limiter allows, in calls per second.
        limiter_rate: GaugeVec("rolekeeper_limiter_rate", ["service", "operation"]),
        /// Time that calls waited for their limiter.
        limiter_wait: CounterVec("rolekeeper_limiter_wait_seconds_total", ["service", "operation"]),
        /// Calls tried again, by the category of the failure before.
        retries: IntCounterVec("rolekeeper_retries_total", ["category"]),
        /// Accounts in flight.
        accounts_in_flight: IntGauge("rolekeeper_accounts_in_flight"),
        /// Whether writes are halted.
        halted: IntGauge("rolekeeper_halted"),
        /// Whether this replica is the one that writes.
        leader: IntGauge("rolekeeper_leader"),
        /// Failures of the store.
        store_errors: IntCounter("rolekeeper_store_errors_total"),
        /// Notifications by outcome.
        notifications: IntCounterVec("rolekeeper_notifications_total", ["outcome"]),
        /// Calls to the vendor that registers accounts, by action and outcome.
        registration_calls: IntCounterVec("rolekeeper_registration_calls_total", ["action", "outcome"]),
        /// Accounts by where their registration with the vendor stands, as this replica last saw it.
        registrations: IntGaugeVec("rolekeeper_registrations", ["state"]),
    }
}
