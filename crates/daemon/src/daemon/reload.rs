//! SIGHUP: the configuration is read again, and a mistake in it changes nothing.

use std::path::PathBuf;
use std::sync::Arc;

use rolekeeper_engine::port::session::SessionProvider;
use secrecy::ExposeSecret;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::beside::Webhooks;
use super::events::Watched;
use super::registrar::Standing;
use crate::config::{self, Config, Environment, ManagementAccount};
use crate::failure::Failure;
use crate::metrics::Metrics;
use crate::wall_clock::time_of_day;
use crate::wire::{self, RealEngine};

/// Where the configuration is read again.
#[derive(Clone, Debug)]
pub(crate) struct Reload {
    /// The file.
    pub(crate) path: PathBuf,
}

/// What runs beside the engine and follows a new configuration.
pub(super) struct Beside {
    pub(super) webhooks: Webhooks,
    pub(super) standing: Standing,
    pub(super) watched: Watched,
    pub(super) metrics: Arc<Metrics>,
}

impl Reload {
    pub(super) async fn on_hangup<P: SessionProvider>(
        self,
        engine: RealEngine<P>,
        mut current: Config,
        beside: Beside,
        environment: Environment,
        cancel: CancellationToken,
    ) -> Result<(), String> {
        let mut hangups = signal(SignalKind::hangup())
            .map_err(|problem| format!("SIGHUP cannot be heard: {problem}"))?;
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Ok(()),
                _ = hangups.recv() => {}
            }
            super::systemd::tell(&environment, "RELOADING=1");
            match self.again(&engine, &current, &beside, &environment) {
                Ok(fresh) => {
                    tracing::info!(file = %self.path.display(), "the configuration was read again; sweeps that begin from now on go by it");
                    current = fresh;
                }
                Err(problem) => tracing::error!(
                    file = %self.path.display(), problem = problem.message(),
                    "the configuration has a mistake; the old one stays in force",
                ),
            }
            super::systemd::tell(&environment, "READY=1");
        }
    }

    fn again<P: SessionProvider>(
        &self,
        engine: &RealEngine<P>,
        current: &Config,
        beside: &Beside,
        environment: &Environment,
    ) -> Result<Config, Failure> {
        let fresh = config::load(&self.path, environment)?;
        let settings = wire::settings(&fresh)?;
        let interval = settings.schedule.longest_interval(time_of_day());
        for part in unchangeable(current, &fresh) {
            tracing::warn!(
                part,
                "this part of the configuration takes effect at the next start"
            );
        }
        engine.reconfigure(settings);
        beside.metrics.set_schedule_interval(interval);
        beside.webhooks.replace(fresh.webhooks.clone());
        beside.watched.replace(&fresh);
        beside.standing.replace(&fresh, time_of_day());
        Ok(fresh)
    }
}

/// What changed and is only looked at when the process starts.
fn unchangeable(current: &Config, fresh: &Config) -> Vec<&'static str> {
    let differs =
        |a: &dyn std::fmt::Debug, b: &dyn std::fmt::Debug| format!("{a:?}") != format!("{b:?}");
    let token = |config: &Config| {
        config
            .http
            .token
            .as_ref()
            .map(|token| token.expose_secret().to_owned())
    };
    let aws = |config: &Config| {
        let mut aws = config.aws.clone();
        // These two are looked at by every sweep.
        aws.admin_roles.clear();
        aws.management_account = ManagementAccount::Skip;
        aws
    };
    let paces = |config: &Config| {
        let limits = &config.limits;
        (limits.quota_share, limits.sessions, limits.call_timeout)
    };
    let mut parts = Vec::new();
    if differs(&aws(current), &aws(fresh)) {
        parts.push("[aws], except admin_roles and management_account");
    }
    if differs(&paces(current), &paces(fresh)) {
        parts.push("limits.quota_share, limits.sessions and limits.call_timeout");
    }
    if current.store_url.expose_secret() != fresh.store_url.expose_secret()
        || differs(&current.store, &fresh.store)
    {
        parts.push("[store]");
    }
    if differs(&current.http, &fresh.http) || token(current) != token(fresh) {
        parts.push("[http]");
    }
    if differs(&current.events, &fresh.events) {
        parts.push("[events]");
    }
    if wire::may_write(current) != wire::may_write(fresh) {
        parts.push("schedule.mode and schedule.repair_on_request");
    }
    parts
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

    use super::*;

    fn config(more: &str) -> Config {
        let role = "[[roles]]\npreset = \"cloudcoreo\"\nvendor_account_id = \"999999999999\"\nexternal_id = \"abcdef\"\n";
        let text = format!("{role}{more}");
        config::load_text("rolekeeper.toml", &text, &Environment::default()).unwrap()
    }

    #[test]
    fn only_what_takes_a_new_start_is_told() {
        let current = config("");
        for (more, told) in [
            ("", vec![]),
            (
                "[aws]\nadmin_roles = [\"ops/Admin\"]\nmanagement_account = \"include\"",
                vec![],
            ),
            ("[limits]\nconcurrency = 3", vec![]),
            (
                "[aws]\nregion = \"eu-west-1\"",
                vec!["[aws], except admin_roles and management_account"],
            ),
            (
                "[limits]\nquota_share = 0.5",
                vec!["limits.quota_share, limits.sessions and limits.call_timeout"],
            ),
            ("[http]\nlisten = \"127.0.0.1:1\"", vec!["[http]"]),
        ] {
            assert_eq!(unchangeable(&current, &config(more)), told, "{more}");
        }
    }
}
