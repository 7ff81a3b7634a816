//! What runs beside the engine: credentials looked at, people told, old things forgotten.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rolekeeper_engine::port::session::SessionProvider;
use rolekeeper_store::{Retention, Store};
use tokio_util::sync::CancellationToken;

use super::Face;
use crate::api::Readiness;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::notify::{self, HttpPost, Scan, Webhook};
use crate::wall_clock::{self, time_of_day};
use crate::wire::RealEngine;

/// Between two looks at the credentials: one STS call in a quota of hundreds a second.
const CREDENTIALS: Duration = Duration::from_secs(300);
/// The same while they do not work, so that a repair is seen soon.
const CREDENTIALS_BROKEN: Duration = Duration::from_secs(15);
/// Between two looks at what is to be told.
const NOTIFY: Duration = Duration::from_secs(5);
/// Between two rounds of forgetting.
const FORGET: Duration = Duration::from_secs(24 * 3600);

/// Waits, or ends early; answers whether to go on.
pub(super) async fn pause(time: Duration, cancel: &CancellationToken) -> bool {
    tokio::select! {
        biased;
        () = cancel.cancelled() => false,
        () = wall_clock::pause(time) => true,
    }
}

/// Keeps /readyz informed about the hub's credentials.
pub(super) async fn watch_credentials<P: SessionProvider>(
    engine: RealEngine<P>,
    readiness: Arc<Readiness>,
    cancel: CancellationToken,
) -> Result<(), String> {
    loop {
        let ourselves = tokio::select! {
            biased;
            () = cancel.cancelled() => return Ok(()),
            ourselves = engine.ourselves() => ourselves,
        };
        let works = ourselves
            .map(drop)
            .map_err(|problem| crate::failure::whole(&problem));
        let wait = if works.is_ok() {
            CREDENTIALS
        } else {
            CREDENTIALS_BROKEN
        };
        if let Err(problem) = &works {
            tracing::warn!(
                problem,
                "the hub's credentials or the organization cannot be used"
            );
        }
        readiness.set_credentials(works);
        if !pause(wait, &cancel).await {
            return Ok(());
        }
    }
}

/// The webhooks in force.
#[derive(Clone, Debug)]
pub(super) struct Webhooks(Arc<RwLock<Vec<Webhook>>>);

impl Webhooks {
    pub(super) fn new(webhooks: Vec<Webhook>) -> Self {
        Self(Arc::new(RwLock::new(webhooks)))
    }

    pub(super) fn replace(&self, webhooks: Vec<Webhook>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = webhooks;
    }

    fn get(&self) -> Vec<Webhook> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Tells people, in the one replica that writes, so that nobody hears things twice. A store that fails is
/// waited for; the news is still there afterwards.
pub(super) async fn notify(
    store: Arc<Store>,
    webhooks: Webhooks,
    mut scan: Scan,
    face: Face,
    cancel: CancellationToken,
) -> Result<(), String> {
    let Face { live, metrics, .. } = face;
    let mut post = None;
    while pause(NOTIFY, &cancel).await {
        let webhooks = webhooks.get();
        if webhooks.is_empty() || !live.leading() {
            continue;
        }
        if post.is_none() {
            post = Some(
                HttpPost::new()
                    .map_err(|problem| format!("webhooks cannot be called: {problem}"))?,
            );
        }
        let Some(post) = &post else { continue };
        if let Err(problem) = scan.round(store.as_ref(), &webhooks, time_of_day()).await {
            tracing::error!(problem = %crate::failure::whole(&problem), "what is to be told cannot be found out");
            metrics.count_store_failure();
            continue;
        }
        match notify::deliver(store.as_ref(), post, &webhooks, time_of_day()).await {
            Ok(delivered) => {
                for (outcome, count) in [
                    ("delivered", delivered.delivered),
                    ("retried", delivered.retried),
                    ("dropped", delivered.dropped),
                ] {
                    (0..count).for_each(|_| metrics.count_notification(outcome));
                }
            }
            Err(problem) => metrics.count_store_error(&problem),
        }
    }
    Ok(())
}

/// How long things are kept.
pub(super) fn retention(config: &Config) -> Retention {
    let number = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    Retention {
        keep_days: number(config.store.keep_days),
        keep_sweeps: number(config.store.keep_sweeps),
    }
}

/// Forgets what is older than it has to be kept.
pub(super) async fn forget(
    store: Arc<Store>,
    keep: Retention,
    metrics: Arc<Metrics>,
    cancel: CancellationToken,
) -> Result<(), String> {
    loop {
        match store.prune(keep, time_of_day()).await {
            Ok(pruned) => tracing::debug!(?pruned, "old records are forgotten"),
            Err(problem) => {
                tracing::error!(problem = %problem, "old records cannot be forgotten");
                metrics.count_store_failure();
            }
        }
        if !pause(FORGET, &cancel).await {
            return Ok(());
        }
    }
}
