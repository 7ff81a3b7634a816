//! The composition root: the only place that knows which part stands behind which port.

use std::sync::Arc;

use rolekeeper_aws::{
    AuditOnly, Aws, ClientBuilder, Directory, HubKeys, Sessions, Settings, Timeouts,
};
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::census::CensusLimits;
use rolekeeper_domain::fault::{Category, Denial};
use rolekeeper_domain::least_privilege::missing_statement;
use rolekeeper_domain::outcome::Mode;
use rolekeeper_domain::selector::{ManagementPolicy, Rules, Selector};
use rolekeeper_engine::event::{Event, EventSink};
use rolekeeper_engine::port::session::SessionProvider;
use rolekeeper_engine::rollout::{Rollout, Share};
use rolekeeper_engine::schedule::{Cadence, Schedule};
use rolekeeper_engine::settings::{EngineSettings, Freeze, Limits, Remedy};
use rolekeeper_engine::{Engine, Ports};
use rolekeeper_store::{OpenError, Store};
use secrecy::ExposeSecret;

use crate::config::{self, Config, ManagementAccount, Role};
use crate::cron;
use crate::failure::Failure;
use crate::specs::{self, Specs};
use crate::wall_clock::{WallClock, time_of_day};

/// The engine over the real ports. `P` decides whether the process can write at all.
pub(crate) type RealEngine<P> = Engine<Directory, P, Store, WallClock, Sinks>;
/// An engine that has no way to write.
pub(crate) type AuditEngine = RealEngine<AuditOnly>;
/// An engine that can write.
pub(crate) type RepairEngine = RealEngine<Sessions>;

/// Everybody who listens to the engine.
#[derive(Clone, Default)]
pub(crate) struct Sinks(Vec<Arc<dyn EventSink>>);

impl Sinks {
    /// One more listener.
    #[must_use]
    pub(crate) fn and(mut self, sink: impl EventSink) -> Self {
        self.0.push(Arc::new(sink));
        self
    }
}

impl EventSink for Sinks {
    fn emit(&self, event: &Event) {
        self.0.iter().for_each(|sink| sink.emit(event));
    }
}

/// The ways to AWS. Nothing is sent yet.
pub(crate) async fn aws(config: &Config) -> Result<Aws, Failure> {
    aws_with(config, hub_keys(config)).await
}

/// The same with these keys.
pub(crate) async fn aws_with(config: &Config, keys: HubKeys) -> Result<Aws, Failure> {
    let aws = &config.aws;
    let settings = Settings {
        region: aws.region.clone(),
        endpoint_url: aws.endpoint_url.clone(),
        use_fips: aws.use_fips,
        use_dual_stack: aws.use_dual_stack,
        keys,
        organization_role: aws.organization_role_arn.clone(),
        session_name: aws.session_name.clone(),
        source_identity: aws.source_identity.clone(),
        session_duration: aws.session_duration,
        timeouts: Timeouts {
            operation: config.limits.call_timeout,
            ..Timeouts::default()
        },
        // As many as may be in use at once: each account has its reads in flight together.
        idle_connections: number(config.limits.concurrency).saturating_mul(4),
    };
    Ok(ClientBuilder::new(settings).build().await?)
}

fn hub_keys(config: &Config) -> HubKeys {
    match &config.aws.profile {
        Some(profile) => HubKeys::Profile(profile.clone()),
        None => HubKeys::Chain,
    }
}

/// The store, made or brought up to date.
pub(crate) async fn store(config: &Config) -> Result<Arc<Store>, Failure> {
    Ok(Arc::new(
        rolekeeper_store::open(config.store_url.expose_secret()).await?,
    ))
}

/// The store that the daemon or another command made, for what is told to it. An empty one, made here, would
/// hear it in the place of theirs.
pub(crate) async fn store_of_others(config: &Config) -> Result<Arc<Store>, Failure> {
    let opened = rolekeeper_store::open_existing(config.store_url.expose_secret()).await;
    let store = opened.map_err(|error| match error {
        OpenError::Missing { place } => {
            Failure::new(format!("no store at {place}: is store.url the daemon's?")).with_help(
                "a relative store.url begins in the folder that a command is started in. Before the daemon's first start \
                 there is nothing to tell: to have it start halted, make its store with `rolekeeper plan`, which \
                 writes nothing to AWS, and halt then",
            )
        }
        error => error.into(),
    })?;
    Ok(Arc::new(store))
}

/// The store as it is, for commands that only look.
pub(crate) async fn store_to_read(config: &Config) -> Result<Arc<Store>, Failure> {
    Ok(Arc::new(
        rolekeeper_store::open_read_only(config.store_url.expose_secret()).await?,
    ))
}

/// An engine that only looks.
pub(crate) async fn audit(
    config: &Config,
    store: Arc<Store>,
    sinks: Sinks,
) -> Result<AuditEngine, Failure> {
    let aws = aws(config).await?;
    engine(config, &aws, aws.audit_only(), store, sinks).await
}

/// An engine that may write.
pub(crate) async fn repair(
    config: &Config,
    store: Arc<Store>,
    sinks: Sinks,
) -> Result<RepairEngine, Failure> {
    let aws = aws(config).await?;
    engine(config, &aws, aws.sessions(), store, sinks).await
}

/// An engine over `sessions`.
pub(crate) async fn engine<P: SessionProvider>(
    config: &Config,
    aws: &Aws,
    sessions: P,
    store: Arc<Store>,
    sinks: Sinks,
) -> Result<RealEngine<P>, Failure> {
    let ports = Ports {
        directory: aws.directory(),
        sessions,
        store,
        clock: Arc::new(WallClock::start()),
        sink: sinks,
    };
    Ok(Engine::start(ports, settings(config)?, seed()).await?)
}

/// Whether the daemon has a way to write at all.
pub(crate) fn may_write(config: &Config) -> bool {
    config.schedule.mode == Mode::Repair || config.schedule.repair_on_request
}

/// What the examples say where an external id belongs.
const PLACEHOLDER: &str = "replace-me";

/// Refuses an external id that everybody can read in the examples.
pub(crate) fn refuse_placeholder(config: &Config) -> Result<(), Failure> {
    let is_placeholder = |role: &&Role| {
        let id = role.entry.external_id.as_ref();
        id.is_some_and(|id| id.expose_secret() == PLACEHOLDER)
    };
    match config.roles.iter().find(is_placeholder) {
        None => Ok(()),
        Some(role) => Err(Failure::new(format!(
            "the external id of {} is still \"{PLACEHOLDER}\", as in the examples",
            role.entry.name
        ))
        .with_help("put in the one that you agreed on with the vendor, best in a file: external_id_file = \"external-id\"")),
    }
}

/// The configuration as the engine wants it.
pub(crate) fn settings(config: &Config) -> Result<EngineSettings, Failure> {
    refuse_placeholder(config)?;
    let limits = &config.limits;
    let share = |share: f64| Share::new(share).unwrap_or(Share::ALL);
    Ok(EngineSettings {
        admin_roles: config.aws.admin_roles.clone(),
        management: match config.aws.management_account {
            ManagementAccount::Skip => ManagementPolicy::Skip,
            ManagementAccount::Include => ManagementPolicy::Include,
        },
        selector: Selector {
            include: rules(&config.include),
            exclude: rules(&config.exclude),
        },
        roles: Arc::new(Specs::new(config)?.0),
        census: CensusLimits {
            smallest_share: limits.smallest_listing,
            ..CensusLimits::default()
        },
        rollout: Rollout {
            canary: number(config.rollout.canary),
            waves: config.rollout.waves.iter().copied().map(share).collect(),
            max_failures: share(config.rollout.max_failures),
            on_surprise: config.rollout.on_surprise,
            approve_above: config.rollout.approve_above,
        },
        freeze: freeze(&config.freezes),
        remedy: Some(remedy(config)),
        flap_limit: u32::try_from(limits.max_repairs).unwrap_or(u32::MAX),
        approve_widening: config.rollout.approve_widening,
        limits: Limits {
            concurrency: number(limits.concurrency),
            quota_share: limits.quota_share,
            look_deadline: limits.account_timeout,
            repair_deadline: limits.repair_timeout,
            settle_for: limits.settle_timeout,
            grace: limits.shutdown_timeout,
            approval_wait: config.rollout.approval_timeout,
            sessions: number(limits.sessions),
            ..Limits::default()
        },
        holder: holder(),
        // The session's name begins with `aws.session_name`; the engine adds what the session is for.
        session_label: "sweep".to_owned(),
        schedule: schedule(config),
    })
}

fn rules(matching: &config::Match) -> Rules {
    Rules {
        ous: matching.ous.clone(),
        accounts: matching.accounts.iter().copied().collect(),
        tags: matching.tags.clone(),
    }
}

/// Names the statement that a denied call lacks, where it is our policies that lack it.
fn remedy(config: &Config) -> Remedy {
    let scope = specs::scope(config, true);
    Arc::new(move |fault| {
        let is_ours = matches!(
            fault.denial,
            None | Some(Denial::NotAllowedByIdentityPolicy | Denial::Unknown)
        );
        // Whether there is no admin role or none that trusts the hub, AWS does not say.
        let operation = fault
            .operation
            .filter(|operation| *operation != Operation::AssumeRole)?;
        let is_lacking = is_ours && fault.category == Category::AccessDenied;
        is_lacking
            .then(|| missing_statement(operation, &scope))?
            .map(|statement| format!("{STATEMENT_MISSING}: {statement}"))
    })
}

/// Begins what is said of a statement that a policy lacks.
pub(crate) const STATEMENT_MISSING: &str = "this statement is missing";

fn freeze(freezes: &[config::Freeze]) -> Option<Freeze> {
    if freezes.is_empty() {
        return None;
    }
    let freezes = freezes.to_vec();
    Some(Arc::new(move |now| {
        let current = freezes
            .iter()
            .find(|freeze| (freeze.from..freeze.until).contains(&now))?;
        Some(format!("{} (until {})", current.why, current.until))
    }))
}

/// When the daemon sweeps by itself.
pub(crate) fn schedule(config: &Config) -> Schedule {
    let schedule = &config.schedule;
    let cadence = match (&schedule.cron, schedule.every) {
        (Some(expression), _) => match expression.parse::<croner::Cron>() {
            Ok(parsed) => Cadence::At(Arc::new(move |after| cron::next(&parsed, after))),
            // Refused when the configuration was read.
            Err(_) => Cadence::Never,
        },
        (None, Some(every)) => Cadence::Every(every),
        (None, None) => Cadence::Never,
    };
    Schedule {
        cadence,
        jitter: Share::new(schedule.jitter).unwrap_or(Share::NONE),
        mode: schedule.mode,
    }
}

/// This process's name among replicas. Host and process number are for people: containers share both
/// (every one has a process 1), and a name that two processes share is a lease that two hold.
#[expect(
    clippy::disallowed_methods,
    reason = "a name of its own is all that is wanted; nothing that is decided depends on it"
)]
fn holder() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    format!(
        "{}/{}/{:08x}",
        if host.is_empty() { "localhost" } else { host },
        std::process::id(),
        rand::random::<u32>()
    )
}

/// What jitter and sweep ids are drawn from: the moment, and which process it is.
#[expect(clippy::cast_sign_loss, reason = "any bits will do")]
pub(crate) fn seed() -> u64 {
    (time_of_day().as_nanosecond() as u64) ^ u64::from(std::process::id()).rotate_left(32)
}

/// Thirty-two of those bits, for a sweep's id.
#[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
pub(crate) fn salt() -> u32 {
    seed() as u32
}

fn number(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
