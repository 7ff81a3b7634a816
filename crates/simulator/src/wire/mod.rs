//! The world's HTTP face.

mod control;
mod parse;
mod server;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::role::RoleSpec;
use tokio::sync::oneshot;

use crate::settings::{HUB_ACCESS_KEY, HUB_SECRET_KEY, Limits, Settings};
use crate::world::World;

pub(crate) use crate::wire::parse::{Parsed, parse};
pub(crate) use crate::wire::server::response;

/// Why a simulator did not start.
#[derive(Debug)]
pub struct StartError {
    listen: SocketAddr,
    source: io::Error,
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot listen on {}", self.listen)
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// A world on a port of this machine, until it is dropped.
#[derive(Debug)]
pub struct Simulator {
    world: Arc<World>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Simulator {
    /// A simulator of 50 accounts, to be described further.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Serves a world that is there already.
    ///
    /// # Errors
    ///
    /// When the port cannot be had.
    pub fn serve(
        world: Arc<World>,
        listen: SocketAddr,
        threads: usize,
    ) -> Result<Self, StartError> {
        let failed = |source| StartError { listen, source };
        let listener = std::net::TcpListener::bind(listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let mut runtime = if threads <= 1 {
            tokio::runtime::Builder::new_current_thread()
        } else {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        };
        let runtime = runtime.enable_all().build().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&world);
        // A thread and a runtime of its own: the time of whoever tests against
        // it may stand still.
        let work = move || runtime.block_on(server::serve(listener, served, stopped));
        let thread = std::thread::Builder::new()
            .name("simulator".to_owned())
            .spawn(work)
            .map_err(failed)?;
        Ok(Self {
            world,
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// `http://127.0.0.1:PORT`, for all services.
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The hub's access key and secret.
    pub const fn hub_keys(&self) -> (&'static str, &'static str) {
        (HUB_ACCESS_KEY, HUB_SECRET_KEY)
    }

    /// The world behind it.
    pub const fn world(&self) -> &Arc<World> {
        &self.world
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have stopped by itself.
            stop.send(()).unwrap_or_default();
        }
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// The role an account is provisioned with.
type Provision = Box<dyn Fn(AccountId) -> Vec<RoleSpec> + Send + Sync>;

/// What kind of world to serve, and where.
pub struct Builder {
    settings: Settings,
    provision: Option<Provision>,
    listen: SocketAddr,
    threads: usize,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("settings", &self.settings)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

impl Default for Builder {
    /// A tame world: no latency, no faults, no limits, all accounts in order.
    fn default() -> Self {
        let settings = Settings {
            inactive: 0.0,
            control_tower: 0.0,
            ragged_pages: false,
            limits: Limits::none(),
            ..Settings::default()
        };
        Self {
            settings,
            provision: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            threads: 1,
        }
    }
}

impl Builder {
    /// Takes all settings from outside.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Changes settings in place.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Member accounts, beside the management account.
    #[must_use]
    pub fn accounts(self, accounts: u32) -> Self {
        self.with(|settings| settings.accounts = accounts)
    }

    /// What every choice is drawn from.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.with(|settings| settings.seed = seed)
    }

    /// Every account already has the managed role.
    #[must_use]
    pub fn provisioned(self) -> Self {
        self.with(|settings| settings.provisioned = true)
    }

    /// Every account already has these roles, in place of the demo's.
    #[must_use]
    pub fn provisioned_with(
        mut self,
        roles: impl Fn(AccountId) -> Vec<RoleSpec> + Send + Sync + 'static,
    ) -> Self {
        self.provision = Some(Box::new(roles));
        self.provisioned()
    }

    /// Share of the accounts in which something drifted.
    #[must_use]
    pub fn drift(self, share: f64) -> Self {
        self.with(|settings| settings.drift = share)
    }

    /// How long a call takes.
    #[must_use]
    pub fn latency(self, latency: Duration) -> Self {
        self.with(|settings| settings.latency = latency)
    }

    /// Rates and bursts.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        self.with(|settings| settings.limits = limits)
    }

    /// Keeps every change with what was before and after it.
    #[must_use]
    pub fn history(self) -> Self {
        self.with(|settings| settings.history = true)
    }

    /// Where to listen; a free port of 127.0.0.1 when not said.
    #[must_use]
    pub fn listen(mut self, listen: SocketAddr) -> Self {
        self.listen = listen;
        self
    }

    /// How many threads serve.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// The world alone, without a port.
    pub fn world(self) -> World {
        match self.provision {
            Some(roles) => World::provisioned_with(self.settings, roles),
            None => World::new(self.settings),
        }
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// When the port cannot be had.
    pub fn start(self) -> Result<Simulator, StartError> {
        let (listen, threads) = (self.listen, self.threads);
        Simulator::serve(Arc::new(self.world()), listen, threads)
    }
}
