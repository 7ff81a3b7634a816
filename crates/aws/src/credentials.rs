//! The hub's own credentials, kept until shortly before they expire.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_async::time::SharedTimeSource;
use rolekeeper_domain::fault::Fault;

use crate::error::credentials_fault;

/// Credentials are renewed this long before they expire: longer than the longest
/// call, so that none is signed with credentials that expire on the way.
pub(crate) const RENEW_BEFORE: Duration = Duration::from_mins(5);

/// One set of credentials, renewed when it is about to expire.
///
/// The provider behind it may ask a metadata service for each set; here it is asked once.
#[derive(Clone)]
pub(crate) struct HubCredentials(Arc<Cached>);

struct Cached {
    provider: Option<SharedCredentialsProvider>,
    time: SharedTimeSource,
    held: RwLock<Option<Credentials>>,
    /// Held while the provider is asked, so that it is asked once.
    renewing: tokio::sync::Mutex<()>,
}

impl fmt::Debug for HubCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HubCredentials([hidden])")
    }
}

impl HubCredentials {
    pub(crate) fn new(provider: Option<SharedCredentialsProvider>, time: SharedTimeSource) -> Self {
        let held = RwLock::new(None);
        Self(Arc::new(Cached {
            provider,
            time,
            held,
            renewing: tokio::sync::Mutex::new(()),
        }))
    }

    /// Credentials that are good for [`RENEW_BEFORE`], or for as long as can be had.
    pub(crate) async fn get(&self) -> Result<Credentials, Fault> {
        self.obtain()
            .await
            .map_err(|error| credentials_fault(&error))
    }

    /// Forgets what is held, since AWS refused it: the next call asks the chain again.
    pub(crate) fn forget(&self) {
        *self.0.held.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn time(&self) -> SharedTimeSource {
        self.0.time.clone()
    }

    async fn obtain(&self) -> Result<Credentials, CredentialsError> {
        if let Some(held) = self.held(RENEW_BEFORE) {
            return Ok(held);
        }
        let _renewing = self.0.renewing.lock().await;
        if let Some(held) = self.held(RENEW_BEFORE) {
            return Ok(held);
        }
        let Some(provider) = &self.0.provider else {
            return Err(CredentialsError::not_loaded("no provider of credentials"));
        };
        match provider.provide_credentials().await {
            Ok(fresh) => {
                *self.0.held.write().unwrap_or_else(PoisonError::into_inner) = Some(fresh.clone());
                Ok(fresh)
            }
            // A metadata service that fails for a minute costs nothing while the old ones last.
            Err(error) => self.held(Duration::ZERO).ok_or(error),
        }
    }

    fn held(&self, margin: Duration) -> Option<Credentials> {
        let held = self
            .0
            .held
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()?;
        let good = held
            .expiry()
            .is_none_or(|expiry| self.0.time.now() + margin < expiry);
        good.then_some(held)
    }
}

impl ProvideCredentials for HubCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.obtain())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{SystemTime, UNIX_EPOCH};

    use aws_smithy_async::time::TimeSource;
    use rolekeeper_domain::fault::Category;

    use super::*;

    #[derive(Debug, Default)]
    struct World {
        seconds: AtomicU64,
        asked: AtomicU64,
        broken: std::sync::atomic::AtomicBool,
    }

    #[derive(Clone, Debug)]
    struct Shared(Arc<World>);

    impl TimeSource for Shared {
        fn now(&self) -> SystemTime {
            UNIX_EPOCH + Duration::from_secs(self.0.seconds.load(Ordering::SeqCst))
        }
    }

    impl ProvideCredentials for Shared {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let n = self.0.asked.fetch_add(1, Ordering::SeqCst);
            future::ProvideCredentials::ready(if self.0.broken.load(Ordering::SeqCst) {
                Err(CredentialsError::provider_error(
                    "the metadata service is away",
                ))
            } else {
                let expiry = self.now() + Duration::from_hours(1);
                Ok(Credentials::new(
                    format!("key-{n}"),
                    "secret-of-the-hub",
                    None,
                    Some(expiry),
                    "test",
                ))
            })
        }
    }

    fn world() -> (Arc<World>, HubCredentials) {
        let world = Arc::new(World::default());
        let shared = Shared(Arc::clone(&world));
        let time = SharedTimeSource::new(shared.clone());
        (
            world,
            HubCredentials::new(Some(SharedCredentialsProvider::new(shared)), time),
        )
    }

    #[tokio::test]
    async fn credentials_are_asked_for_once_and_renewed_before_they_expire() {
        let (world, hub) = world();
        for (at, key) in [
            (0, "key-0"),
            (3_299, "key-0"),
            (3_300, "key-1"),
            (6_599, "key-1"),
            (7_000, "key-2"),
        ] {
            world.seconds.store(at, Ordering::SeqCst);
            assert_eq!(hub.get().await.unwrap().access_key_id(), key, "at {at} s");
        }
        assert_eq!(world.asked.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_failed_renewal_is_no_failure_while_the_old_credentials_last() {
        let (world, hub) = world();
        hub.get().await.unwrap();
        world.broken.store(true, Ordering::SeqCst);
        world.seconds.store(3_400, Ordering::SeqCst);
        assert_eq!(hub.get().await.unwrap().access_key_id(), "key-0");
        world.seconds.store(3_600, Ordering::SeqCst);
        let fault = hub.get().await.unwrap_err();
        assert_eq!(fault.category, Category::Credentials);
        assert!(
            fault.message.contains("the metadata service is away"),
            "{}",
            fault.message
        );
    }

    #[tokio::test]
    async fn refused_credentials_are_asked_for_anew() {
        let (_, hub) = world();
        hub.get().await.unwrap();
        hub.forget();
        assert_eq!(hub.get().await.unwrap().access_key_id(), "key-1");
    }

    #[tokio::test]
    async fn debug_shows_no_secret() {
        let (_, hub) = world();
        hub.get().await.unwrap();
        assert_eq!(format!("{hub:?}"), "HubCredentials([hidden])");
    }
}
