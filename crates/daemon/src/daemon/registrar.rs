//! The vendor is told about accounts, beside the sweeps and never in their way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rolekeeper_domain::outcome::SweepRecord;
use rolekeeper_engine::event::{Event, EventSink};
use rolekeeper_engine::port::registration::Registrations as _;
use rolekeeper_engine::port::session::SessionProvider;
use rolekeeper_engine::port::store::StoreError;
use rolekeeper_store::Store;
use tokio_util::sync::CancellationToken;

use super::Face;
use super::beside::pause;
use crate::config::Config;
use crate::outgoing::Client;
use crate::register::{self, Courier, Delivered, Ground, Look, Orders, Scanned};
use crate::specs;
use crate::wall_clock::time_of_day;
use crate::wire::{self, RealEngine};

/// Between two looks at what is to be told.
const REGISTER: Duration = Duration::from_secs(5);

/// Between the moment in which a sweep takes its settings and the one it says it began in.
const JUST_NOW: SignedDuration = SignedDuration::from_secs(5);

/// The orders in force; none: nobody is told anything.
#[derive(Clone, Debug)]
pub(super) struct Standing(Arc<RwLock<Option<Orders>>>);

/// The orders of a configuration that is in force from now on.
pub(crate) fn orders(config: &Config, now: Timestamp) -> Option<Orders> {
    config.register.clone().map(|register| Orders {
        register,
        revision: specs::revision(config),
        since: now,
    })
}

impl Standing {
    pub(super) fn new(config: &Config, now: Timestamp) -> Self {
        Self(Arc::new(RwLock::new(orders(config, now))))
    }

    /// Takes a configuration that was read again. Comes after the engine took it; a sweep that begins just
    /// now may still go by the old one, and counts for neither.
    pub(super) fn replace(&self, config: &Config, now: Timestamp) {
        let since = now.checked_add(JUST_NOW).unwrap_or(now);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = orders(config, since);
    }

    fn get(&self) -> Option<Orders> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Notes which sweeps began under which orders.
#[derive(Clone, Debug, Default)]
pub(crate) struct Begun(Arc<Mutex<Vec<SweepRecord>>>);

impl EventSink for Begun {
    fn emit(&self, event: &Event) {
        if let Event::SweepStarted { sweep } = event {
            self.list().push(sweep.clone());
        }
    }
}

impl Begun {
    fn list(&self) -> MutexGuard<'_, Vec<SweepRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody is to be told what they see.
    fn forget(&self) {
        self.list().clear();
    }

    /// Writes down under which specification they look.
    async fn mark(&self, store: &Store, orders: &Orders) -> Result<(), StoreError> {
        loop {
            // What cannot be written down now is written down the next time.
            let Some(sweep) = self.list().last().cloned() else {
                return Ok(());
            };
            if sweep.started_at >= orders.since {
                store.mark_sweep(&sweep.id, &orders.revision).await?;
            }
            self.list().retain(|other| other.id != sweep.id);
        }
    }
}

/// Registers accounts, in the one replica that writes. A store that fails is waited for, and so is AWS.
pub(super) async fn register<P: SessionProvider>(
    engine: RealEngine<P>,
    store: Arc<Store>,
    standing: Standing,
    face: Face,
    cancel: CancellationToken,
) -> Result<(), String> {
    let Face {
        metrics,
        live,
        begun,
        readiness,
    } = face;
    let mut round = None;
    while pause(REGISTER, &cancel).await {
        let Some(orders) = standing.get() else {
            begun.forget();
            continue;
        };
        if let Err(problem) = begun.mark(&store, &orders).await {
            metrics.count_store_error(&problem);
        }
        if !live.leading() {
            continue;
        }
        if round.is_none() && readiness.credentials().is_ok() {
            // What fails here is told by who watches the credentials.
            round = Round::begin(&engine).await?;
        }
        let Some(round) = &mut round else { continue };
        match round.go(store.as_ref(), &orders, &cancel).await {
            Ok(delivered) => metrics.count_registration_calls(&delivered),
            Err(problem) => metrics.count_store_error(&problem),
        }
        match store.registration_counts().await {
            Ok(counts) => metrics.set_registrations(&counts),
            Err(problem) => metrics.count_store_error(&problem),
        }
    }
    Ok(())
}

/// What stays the same from one look to the next.
pub(crate) struct Round {
    client: Client,
    ground: Ground,
    scanned: Scanned,
    revision: String,
    random: Mutex<StdRng>,
}

impl Round {
    /// Asks AWS whose organization this is; none when it does not say.
    pub(crate) async fn begin<P: SessionProvider>(
        engine: &RealEngine<P>,
    ) -> Result<Option<Self>, String> {
        let Ok((caller, organization)) = engine.ourselves().await else {
            return Ok(None);
        };
        let client =
            Client::new().map_err(|problem| format!("the vendor cannot be called: {problem}"))?;
        Ok(Some(Self {
            client,
            ground: Ground {
                partition: caller.partition,
                organization_id: organization.id,
            },
            scanned: Scanned::default(),
            revision: String::new(),
            random: Mutex::new(StdRng::seed_from_u64(wire::seed())),
        }))
    }

    /// Looks at what sweeps saw since the last time, and makes the calls that are due.
    pub(crate) async fn go(
        &mut self,
        store: &Store,
        orders: &Orders,
        cancel: &CancellationToken,
    ) -> Result<Delivered, StoreError> {
        let said = format!("{}{}", orders.revision, orders.register.fingerprint());
        if self.revision != said {
            // Other orders make something else of the same sweeps.
            self.scanned = Scanned::default();
            self.revision = said;
        }
        let register = &orders.register;
        let look = Look {
            store,
            register,
            ground: &self.ground,
            now: time_of_day(),
        };
        register::scan(&look, &orders.revision, &mut self.scanned).await?;
        let draw = || {
            let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
            random.random::<f64>()
        };
        let courier = Courier {
            store,
            post: &self.client,
            register,
            ground: &self.ground,
            now: &time_of_day,
            draw: &draw,
        };
        register::deliver(&courier, cancel).await
    }
}
