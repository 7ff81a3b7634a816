//! The engine: ports, settings, and what sweeps share.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rolekeeper_domain::account::Account;
use rolekeeper_domain::census::judge_listing;
use rolekeeper_domain::outcome::{SweepId, SweepRecord};
use rolekeeper_domain::selector::Selection;
use tokio_util::sync::CancellationToken;

use crate::discover::Discovery;
use crate::event::{Event, EventSink};
use crate::gateway::Gateway;
use crate::lease::Keeper;
use crate::limit::{Limiters, RateChange};
use crate::order::{FaultError, SweepError, SweepOrder};
use crate::port::clock::Clock;
use crate::port::directory::{Caller, Directory, Organization};
use crate::port::session::SessionProvider;
use crate::port::store::{Fence, Store, StoreError};
use crate::sessions::Sessions;
use crate::settings::EngineSettings;
use crate::sweep;

/// The outside, as the engine needs it.
pub struct Ports<D, P, S, C, E> {
    /// The organization.
    pub directory: D,
    /// The ways into accounts.
    pub sessions: P,
    /// What outlives the process.
    pub store: Arc<S>,
    /// Time.
    pub clock: Arc<C>,
    /// Who listens.
    pub sink: E,
}

/// Keeps the roles right. Cheap to clone: all clones are one engine.
///
/// One engine lives as long as its process and is shared by all sweeps: the limits of the hub
/// are one thing, however many sweeps there are.
pub struct Engine<D, P: SessionProvider, S, C, E> {
    pub(crate) inner: Arc<Inner<D, P, S, C, E>>,
}

impl<D, P: SessionProvider, S, C, E> Clone for Engine<D, P, S, C, E> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

pub(crate) struct Inner<D, P: SessionProvider, S, C, E> {
    pub(crate) directory: D,
    pub(crate) provider: P,
    pub(crate) store: Arc<S>,
    pub(crate) gateway: Gateway<C, E>,
    pub(crate) sessions: Sessions<P::Reader>,
    pub(crate) keeper: Keeper,
    /// Sweeps of this process, so that none is taken for a dead one's.
    pub(crate) under_way: Mutex<BTreeSet<SweepId>>,
    /// Whether the sweep under way does nothing but wait for a person's word. Held by sweeps that go before it
    /// meanwhile: it goes on when they are over.
    pub(crate) awaits_word: tokio::sync::Mutex<bool>,
    settings: RwLock<Arc<EngineSettings>>,
}

impl<D, P, S, C, E> Engine<D, P, S, C, E>
where
    D: Directory,
    P: SessionProvider,
    S: Store,
    C: Clock,
    E: EventSink,
{
    /// An engine over these ports. `seed` feeds the jitter and the sweeps' ids.
    ///
    /// # Errors
    ///
    /// When the store cannot say which rates were learned before.
    pub async fn start(
        ports: Ports<D, P, S, C, E>,
        settings: EngineSettings,
        seed: u64,
    ) -> Result<Self, StoreError> {
        let remembered = ports.store.rates().await?;
        let now = ports.clock.elapsed();
        let limiters = Limiters::new(settings.limits.quota_share, &remembered, now);
        for RateChange {
            service,
            operation,
            rate,
        } in limiters.rates(now)
        {
            ports.sink.emit(&Event::LimiterRate {
                service,
                operation,
                rate,
            });
        }
        let inner = Inner {
            directory: ports.directory,
            provider: ports.sessions,
            store: ports.store,
            sessions: Sessions::new(settings.limits.sessions),
            keeper: Keeper::new(settings.holder.clone(), settings.limits.lease),
            under_way: Mutex::default(),
            awaits_word: tokio::sync::Mutex::default(),
            gateway: Gateway::new(ports.clock, ports.sink, limiters, seed),
            settings: RwLock::new(Arc::new(settings)),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<EngineSettings> {
        self.inner.settings()
    }

    /// Puts other settings in force for the sweeps that begin from now on. The quota share, the
    /// number of sessions, the holder's name and the lease stay as they were at the start.
    pub fn reconfigure(&self, settings: EngineSettings) {
        let mut current = self
            .inner
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(settings);
        // A session's policy names the roles it may look at.
        self.inner.sessions.forget_all();
    }

    /// The store.
    pub fn store(&self) -> &Arc<S> {
        &self.inner.store
    }

    /// Carries out one sweep; answers its record.
    ///
    /// `cancel` ends it early: no further step is begun, those under way are given
    /// [`crate::settings::Limits::grace`] to end, and accounts that were not reached are `pending`.
    ///
    /// # Errors
    ///
    /// When the sweep as a whole could not be carried out. It then stands in the store as failed,
    /// with the reason, if it had begun. A single account that fails is no error.
    pub async fn sweep(
        &self,
        order: SweepOrder,
        cancel: CancellationToken,
    ) -> Result<SweepRecord, SweepError> {
        // Boxed: the walk over the whole organization is one large future.
        Box::pin(sweep::run(&self.inner, order, cancel)).await
    }

    /// Every account of the organization with what the selector says about it, by id.
    ///
    /// # Errors
    ///
    /// When the organization cannot be read to the end, or the listing cannot be trusted: none or sharply fewer
    /// accounts than last time.
    pub async fn discover(&self) -> Result<Vec<(Account, Selection)>, SweepError> {
        let settings = self.settings();
        let discovery = self.inner.discovery(&settings);
        let (_, organization) = discovery.ourselves().await.map_err(census_error)?;
        let (mut found, listing) = discovery.selected(&organization, &settings, |_| true).await;
        let previous = self.inner.store.census_size().await?;
        let found_now = found.len() as u64;
        judge_listing(
            previous,
            found_now,
            listing.unread.as_ref(),
            &settings.census,
        )
        .map_err(census_error)?;
        found.sort_by_key(|(account, _)| account.id);
        Ok(found)
    }

    /// Who the process is and which organization it belongs to.
    ///
    /// # Errors
    ///
    /// When either call fails.
    pub async fn ourselves(&self) -> Result<(Caller, Organization), SweepError> {
        let settings = self.settings();
        self.inner
            .discovery(&settings)
            .ourselves()
            .await
            .map_err(census_error)
    }

    /// Takes the lease, or makes it last longer; none when another process holds it.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn acquire_lease(&self) -> Result<Option<Fence>, StoreError> {
        let Inner {
            keeper,
            store,
            gateway,
            ..
        } = self.inner.as_ref();
        keeper
            .acquire(store.as_ref(), gateway.clock.as_ref(), &gateway.sink)
            .await
    }

    /// Gives the lease back.
    ///
    /// # Errors
    ///
    /// When the store fails; the lease then ends by itself.
    pub async fn release_lease(&self) -> Result<(), StoreError> {
        let Inner {
            keeper,
            store,
            gateway,
            ..
        } = self.inner.as_ref();
        keeper.release(store.as_ref(), &gateway.sink).await
    }

    /// A new sweep's id, for a caller that promises one before the sweep begins.
    pub fn new_sweep_id(&self) -> SweepId {
        self.inner.new_sweep_id()
    }
}

impl<D, P: SessionProvider, S, C: Clock, E: EventSink> Inner<D, P, S, C, E> {
    pub(crate) fn settings(&self) -> Arc<EngineSettings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn discovery<'a>(&'a self, settings: &EngineSettings) -> Discovery<'a, D, C, E> {
        Discovery {
            directory: &self.directory,
            gateway: &self.gateway,
            needs_tags: settings.selector.needs_tags(),
        }
    }

    /// Whether a sweep of this process is of that id.
    pub(crate) fn is_under_way(&self, sweep: &SweepId) -> bool {
        let under_way = self.under_way.lock();
        under_way
            .unwrap_or_else(PoisonError::into_inner)
            .contains(sweep)
    }

    /// Notes that it is, until what is answered is dropped.
    pub(crate) fn begin(&self, sweep: &SweepId) -> UnderWay<'_> {
        let mut under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        under_way.insert(sweep.clone());
        UnderWay {
            all: &self.under_way,
            this: sweep.clone(),
        }
    }

    pub(crate) fn new_sweep_id(&self) -> SweepId {
        SweepId::new(self.gateway.clock.now(), self.gateway.salt())
    }
}

/// A sweep of this process, for as long as it is under way.
pub(crate) struct UnderWay<'a> {
    all: &'a Mutex<BTreeSet<SweepId>>,
    this: SweepId,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&self.this);
    }
}

/// The accounts among `wanted` that are not `present`.
pub(crate) fn missing<'a, T: Copy + Ord + 'a>(
    wanted: impl IntoIterator<Item = &'a T>,
    present: &BTreeSet<T>,
) -> Vec<T> {
    wanted
        .into_iter()
        .filter(|account| !present.contains(account))
        .copied()
        .collect()
}

pub(crate) fn census_error(fault: rolekeeper_domain::fault::Fault) -> SweepError {
    use rolekeeper_domain::fault::Category;
    if fault.category == Category::Credentials {
        SweepError::Credentials(FaultError(fault))
    } else {
        SweepError::Census(FaultError(fault))
    }
}
