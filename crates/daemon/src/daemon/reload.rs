//! SIGHUP: the configuration is read again, and a mistake in it changes nothing.

use std::path::PathBuf;

use rolekeeper_engine::port::session::SessionProvider;
use secrecy::ExposeSecret;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::beside::Webhooks;
use super::registrar::Standing;
use crate::config::{self, Config, Environment};
use crate::failure::Failure;
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
        for part in unchangeable(current, &fresh) {
            tracing::warn!(
                part,
                "this part of the configuration takes effect at the next start"
            );
        }
        engine.reconfigure(settings);
        beside.webhooks.replace(fresh.webhooks.clone());
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
    let mut parts = Vec::new();
    if differs(&current.aws, &fresh.aws) {
        parts.push("[aws], except admin_roles and management_account");
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
