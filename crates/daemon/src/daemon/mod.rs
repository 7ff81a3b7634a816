//! The daemon: the engine, the HTTP face and everything that runs beside them, for as
//! long as all of them do.

mod beside;
mod events;
mod listener;
pub(crate) mod registrar;
mod reload;
mod systemd;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rolekeeper_aws::Aws;
use rolekeeper_engine::Reach;
use rolekeeper_engine::port::session::SessionProvider;
use rolekeeper_store::Store;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use self::reload::Reload;
use crate::api::{self, ApiState, Live, Readiness};
use crate::config::{Config, Environment};
use crate::failure::Failure;
use crate::log::LogSink;
use crate::metrics::Metrics;
use crate::notify::Scan;
use crate::wall_clock::{self, time_of_day};
use crate::wire::{self, RealEngine, Sinks};

/// What the daemon shows and tells, apart from the engine.
#[derive(Clone)]
pub(crate) struct Face {
    metrics: Arc<Metrics>,
    live: Arc<Live>,
    readiness: Arc<Readiness>,
    begun: registrar::Begun,
}

impl Face {
    /// A face that has seen nothing yet.
    pub(crate) fn new(config: &Config) -> Result<Self, Failure> {
        let roles = config
            .roles
            .iter()
            .map(|role| role.entry.name.clone())
            .collect();
        let metrics = Metrics::new(roles)
            .map_err(|problem| Failure::new(format!("the metrics cannot be set up: {problem}")))?;
        let now = time_of_day();
        metrics.set_schedule_interval(wire::schedule(config).longest_interval(now));
        Ok(Self {
            metrics: Arc::new(metrics),
            live: Arc::new(Live::new(now)),
            readiness: Arc::new(Readiness::default()),
            begun: registrar::Begun::default(),
        })
    }

    /// The engine's listeners.
    pub(crate) fn sinks(&self) -> Sinks {
        Sinks::default()
            .and(LogSink)
            .and(Arc::clone(&self.metrics))
            .and(Arc::clone(&self.live))
            .and(self.begun.clone())
    }
}

/// Takes the port, so that a start that cannot be heard fails before anything is done.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|problem| {
        Failure::new(format!("cannot listen on {address}: {problem}"))
            .with_help("another process may have the port; http.listen (or --listen of the demo) names another one")
    })
}

/// Everything that a running daemon is made of.
pub(crate) struct Daemon<P: SessionProvider> {
    /// The configuration it starts with.
    pub(crate) config: Config,
    /// The environment.
    pub(crate) environment: Environment,
    /// The way to AWS.
    pub(crate) aws: Aws,
    /// The engine.
    pub(crate) engine: RealEngine<P>,
    /// The store.
    pub(crate) store: Arc<Store>,
    /// Metrics, live events, readiness.
    pub(crate) face: Face,
    /// The port.
    pub(crate) listener: TcpListener,
    /// Where to read the configuration again; none: it never changes.
    pub(crate) reload: Option<Reload>,
}

/// How much longer than the steps under way the parts of a daemon are waited for once it is to end. With the default
/// `limits.shutdown_timeout` that is less than the 45 s after which systemd and Kubernetes, as deploy/ sets them up, kill it.
const STOPPING: Duration = Duration::from_secs(20);

impl<P: SessionProvider> Daemon<P> {
    /// Runs until `cancel`. An error is a part that ended although nobody wanted it to.
    pub(crate) async fn run(self, cancel: CancellationToken) -> Result<(), Failure> {
        let webhooks = beside::Webhooks::new(self.config.webhooks.clone());
        let watched = events::Watched::new(&self.config);
        let standing = registrar::Standing::new(&self.config, time_of_day());
        let keep = beside::retention(&self.config);
        let mut parts: JoinSet<Result<(), String>> = JoinSet::new();
        let state = self.state(cancel.clone());
        parts.spawn(listener::serve(
            self.listener,
            api::router(state),
            cancel.clone(),
        ));
        parts.spawn(engine(self.engine.clone(), cancel.clone()));
        parts.spawn(beside::watch_credentials(
            self.engine.clone(),
            Arc::clone(&self.face.readiness),
            cancel.clone(),
        ));
        parts.spawn(beside::notify(
            Arc::clone(&self.store),
            webhooks.clone(),
            Scan::new(keep.keep_days),
            self.face.clone(),
            cancel.clone(),
        ));
        parts.spawn(registrar::register(
            self.engine.clone(),
            Arc::clone(&self.store),
            standing.clone(),
            self.face.clone(),
            cancel.clone(),
        ));
        parts.spawn(beside::forget(
            Arc::clone(&self.store),
            keep,
            Arc::clone(&self.face.metrics),
            cancel.clone(),
        ));
        if let Some(events) = self.config.events.clone() {
            parts.spawn(events::listen(
                self.aws.clone(),
                events,
                watched.clone(),
                Arc::clone(&self.store),
                cancel.clone(),
            ));
        }
        if let Some(reload) = self.reload {
            parts.spawn(reload.on_hangup(
                self.engine.clone(),
                self.config.clone(),
                reload::Beside {
                    webhooks,
                    standing,
                    watched,
                    metrics: Arc::clone(&self.face.metrics),
                },
                self.environment.clone(),
                cancel.clone(),
            ));
        }
        parts.spawn(systemd::notify(self.environment, cancel.clone()));
        let mut failure = None;
        let patience = self.config.limits.shutdown_timeout + STOPPING;
        let mut overdue = std::pin::pin!(async {
            cancel.cancelled().await;
            wall_clock::pause(patience).await;
        });
        loop {
            let ended = tokio::select! {
                biased;
                ended = parts.join_next() => ended,
                () = &mut overdue => {
                    tracing::warn!(after_s = patience.as_secs(), "what has not ended by now is left as it is; the next start looks what became of it");
                    parts.shutdown().await;
                    break;
                }
            };
            let Some(ended) = ended else { break };
            let problem = match ended {
                Ok(Ok(())) if cancel.is_cancelled() => continue,
                Ok(Ok(())) => "a part of the daemon ended by itself".to_owned(),
                Ok(Err(problem)) => problem,
                Err(panic) => format!("a part of the daemon failed: {panic}"),
            };
            tracing::error!(problem, "the daemon stops");
            failure.get_or_insert(problem);
            // The others are asked to end in order; what is under way in AWS is finished.
            cancel.cancel();
        }
        self.store.close().await;
        failure.map_or(Ok(()), |problem| Err(Failure::new(problem)))
    }

    fn state(&self, stopping: CancellationToken) -> ApiState {
        ApiState {
            store: Arc::clone(&self.store),
            metrics: Arc::clone(&self.face.metrics),
            live: Arc::clone(&self.face.live),
            readiness: Arc::clone(&self.face.readiness),
            token: self.config.http.token.clone(),
            reach: Reach::of::<P>(),
            now: time_of_day,
            account_series: self.config.http.account_series,
            stopping,
        }
    }
}

async fn engine<P: SessionProvider>(
    engine: RealEngine<P>,
    cancel: CancellationToken,
) -> Result<(), String> {
    engine.serve(cancel).await;
    Ok(())
}
