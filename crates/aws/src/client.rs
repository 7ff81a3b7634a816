//! The clients: one connection pool, one client a service, every option explicit.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_iam::config::{IdentityCache, StalledStreamProtectionConfig};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use rolekeeper_domain::arn::Arn;
use rolekeeper_engine::port::clock::Clock;
use rolekeeper_engine::port::directory::Caller;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OnceCell;

use crate::credentials::HubCredentials;
use crate::directory::Directory;
use crate::http_client::Pool;
use crate::queue::EventQueue;
use crate::session::{AuditOnly, Sessions};
use crate::time::ByClock;
use crate::transport::{CarriedBy, Transport};

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// For the first byte of an answer.
    pub read: Duration,
    /// For a whole call.
    pub operation: Duration,
}

impl Default for Timeouts {
    /// IAM answers in well under a second; an IAM write under contention has been seen to
    /// take several.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(4),
            read: Duration::from_secs(15),
            operation: Duration::from_secs(20),
        }
    }
}

/// Where the hub's credentials come from.
#[derive(Clone, Debug, Default)]
pub enum HubKeys {
    /// The usual chain: environment, profile (with SSO, `credential_process` and role
    /// chaining), web identity, ECS and EKS, EC2.
    #[default]
    Chain,
    /// The usual chain, with this profile.
    Profile(String),
    /// These keys.
    Keys {
        /// The access key's id.
        access_key_id: String,
        /// Its secret.
        secret_access_key: SecretString,
        /// The session token of temporary keys.
        session_token: Option<SecretString>,
    },
}

/// What the clients are made from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The Region of STS and SQS; for IAM and Organizations it names the partition.
    pub region: String,
    /// One endpoint for all services, for simulators.
    pub endpoint_url: Option<String>,
    /// Use FIPS endpoints; none: as the environment or the profile says.
    pub use_fips: Option<bool>,
    /// Use dual-stack endpoints; none: as the environment or the profile says.
    pub use_dual_stack: Option<bool>,
    /// Where the hub's credentials come from.
    pub keys: HubKeys,
    /// The role assumed first to read the organization.
    pub organization_role: Option<Arn>,
    /// The first part of every session's name.
    pub session_name: String,
    /// The source identity of every session, where the admin roles' trust allows
    /// `sts:SetSourceIdentity`.
    pub source_identity: Option<String>,
    /// How long a session lasts: 15 minutes to 1 hour, as chained sessions can.
    pub session_duration: Duration,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// The most unused connections kept for one host.
    pub idle_connections: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            endpoint_url: None,
            use_fips: None,
            use_dual_stack: None,
            keys: HubKeys::Chain,
            organization_role: None,
            session_name: "rolekeeper".to_owned(),
            source_identity: None,
            session_duration: Duration::from_mins(15),
            timeouts: Timeouts::default(),
            idle_connections: 256,
        }
    }
}

/// The clients could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A role session can last 15 minutes to 12 hours; a chained one, 1 hour.
    #[error("a session cannot last {0} s: 900 to 43200 are allowed")]
    SessionDuration(u64),
}

/// Makes [`Aws`].
pub struct ClientBuilder {
    settings: Settings,
    http: Option<SharedHttpClient>,
    time: SharedTimeSource,
    sleep: SharedAsyncSleep,
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// A builder with these settings.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            http: None,
            time: SharedTimeSource::new(SystemTimeSource::new()),
            sleep: SharedAsyncSleep::new(TokioSleep::new()),
        }
    }

    /// Lets requests travel by `transport` instead of by sockets.
    #[must_use]
    pub fn with_transport(mut self, transport: impl Transport) -> Self {
        self.http = Some(SharedHttpClient::new(CarriedBy(Arc::new(transport))));
        self
    }

    /// Lets signatures, expiry and timeouts go by `clock`.
    #[must_use]
    pub fn with_clock<C: Clock>(mut self, clock: Arc<C>) -> Self {
        self.time = SharedTimeSource::new(ByClock(Arc::clone(&clock)));
        self.sleep = SharedAsyncSleep::new(ByClock(clock));
        self
    }

    /// Makes the clients. Nothing is sent to AWS yet; the credential chain may look
    /// at files and the environment.
    ///
    /// # Errors
    /// A setting that AWS would refuse.
    pub async fn build(self) -> Result<Aws, BuildError> {
        let Self {
            settings,
            http,
            time,
            sleep,
        } = self;
        let seconds = settings.session_duration.as_secs();
        if !(900..=43_200).contains(&seconds) {
            return Err(BuildError::SessionDuration(seconds));
        }
        let http =
            http.unwrap_or_else(|| SharedHttpClient::new(Pool::new(settings.idle_connections)));
        let shared = load(&settings, http, time.clone(), sleep).await;
        let hub = HubCredentials::new(shared.credentials_provider(), time);
        Ok(Aws::new(settings, &shared, hub))
    }
}

/// Reads what the environment and the profile say, and overrides all of it that
/// rolekeeper decides itself.
async fn load(
    settings: &Settings,
    http: SharedHttpClient,
    time: SharedTimeSource,
    sleep: SharedAsyncSleep,
) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(settings.region.clone()))
        .http_client(http)
        .time_source(time)
        .sleep_impl(sleep)
        // For the credential chain alone; the service clients make one attempt.
        .retry_config(RetryConfig::standard())
        .identity_cache(IdentityCache::no_cache());
    if let Ok(name) = AppName::new(concat!("rolekeeper-", env!("CARGO_PKG_VERSION"))) {
        loader = loader.app_name(name);
    }
    if let Some(url) = &settings.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    if let Some(fips) = settings.use_fips {
        loader = loader.use_fips(fips);
    }
    if let Some(dual_stack) = settings.use_dual_stack {
        loader = loader.use_dual_stack(dual_stack);
    }
    match &settings.keys {
        HubKeys::Chain => {}
        HubKeys::Profile(name) => loader = loader.profile_name(name),
        HubKeys::Keys {
            access_key_id,
            secret_access_key,
            session_token,
        } => {
            let token = session_token
                .as_ref()
                .map(|token| token.expose_secret().to_owned());
            let secret = secret_access_key.expose_secret();
            let keys = Credentials::new(access_key_id, secret, token, None, "rolekeeper");
            loader = loader.credentials_provider(keys);
        }
    }
    loader.load().await
}

/// The way to AWS: cheap to clone, one connection pool for all clones.
#[derive(Clone)]
pub struct Aws {
    pub(crate) settings: Arc<Settings>,
    pub(crate) hub: HubCredentials,
    /// Who the hub is, once that has been asked.
    pub(crate) known_caller: Arc<OnceCell<Caller>>,
    pub(crate) iam: aws_sdk_iam::Client,
    pub(crate) organizations: aws_sdk_organizations::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) sts: aws_sdk_sts::Client,
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// What a call lays over its client's configuration: whose credentials sign it. Without a word about caching the
/// SDK would make a cache for every call.
macro_rules! signed_with {
    ($service:ident, $credentials:expr) => {
        $service::config::Builder::new()
            .credentials_provider($credentials)
            .identity_cache($service::config::IdentityCache::no_cache())
    };
}
pub(crate) use signed_with;

/// A service's configuration with every option that matters set here.
///
/// Credentials come with each call: hundreds of accounts share a client, and the
/// SDK's own cache of identities has 64 places. Timeouts are never overridden by a
/// call, since the connection pool is keyed by them.
macro_rules! service {
    ($service:ident, $shared:expr, $settings:expr, $operation_timeout:expr) => {
        $service::Client::from_conf(
            $service::config::Builder::from($shared)
                .retry_config(RetryConfig::disabled())
                .timeout_config(
                    TimeoutConfig::builder()
                        .connect_timeout($settings.timeouts.connect)
                        .read_timeout($settings.timeouts.read.max($operation_timeout))
                        .operation_attempt_timeout($operation_timeout)
                        .operation_timeout($operation_timeout)
                        .build(),
                )
                // Bodies are a few kilobytes, held whole, and the operation's timeout bounds their last byte
                // as well; watching their flow would cost a timer for each.
                .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
                .identity_cache(IdentityCache::no_cache())
                .build(),
        )
    };
}

impl Aws {
    fn new(settings: Settings, shared: &SdkConfig, hub: HubCredentials) -> Self {
        // Without a provider of its own a client cannot send a call that brings none.
        let shared = &shared
            .to_builder()
            .credentials_provider(SharedCredentialsProvider::new(hub.clone()))
            .build();
        let usual = settings.timeouts.operation;
        let polling = usual + crate::queue::LONG_POLL;
        Self {
            iam: service!(aws_sdk_iam, shared, settings, usual),
            organizations: service!(aws_sdk_organizations, shared, settings, usual),
            sqs: service!(aws_sdk_sqs, shared, settings, polling),
            sts: service!(aws_sdk_sts, shared, settings, usual),
            settings: Arc::new(settings),
            hub,
            known_caller: Arc::default(),
        }
    }

    /// Reads the organization.
    pub fn directory(&self) -> Directory {
        Directory::new(self.clone())
    }

    /// Enters accounts, to look and to change.
    pub fn sessions(&self) -> Sessions {
        Sessions::new(self.clone())
    }

    /// Enters accounts, to look only.
    pub fn audit_only(&self) -> AuditOnly {
        AuditOnly::new(self.clone())
    }

    /// Reads events from the queue of that URL.
    pub fn event_queue(&self, url: &str) -> EventQueue {
        EventQueue::new(self.clone(), url)
    }
}
