//! The production engine over the AWS adapter over a simulated organization:
//! no socket, no real time, everything from one seed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt as _;
use rand::rngs::StdRng;
use rolekeeper_aws::{
    Aws, ClientBuilder, HubKeys, Sessions, Transport, TransportFailure, TransportFuture,
};
use rolekeeper_domain::arn::Partition;
use rolekeeper_domain::call::{Access, Operation};
use rolekeeper_domain::census::CensusLimits;
use rolekeeper_domain::fault::Fault;
use rolekeeper_domain::outcome::{Mode, Trigger};
use rolekeeper_domain::policy::{Document, Kind};
use rolekeeper_domain::role::{Adopt, Boundary, Ensure, Extras, ManagedPolicySpec, RoleSpec};
use rolekeeper_domain::selector::{ManagementPolicy, Selector};
use rolekeeper_engine::event::{Event, EventSink};
use rolekeeper_engine::rollout::Rollout;
use rolekeeper_engine::schedule::Schedule;
use rolekeeper_engine::settings::{Place, Roles};
use rolekeeper_engine::{Engine, EngineSettings, Limits, Ports, SweepOrder};
use rolekeeper_simulator::ports::InProcess;
use rolekeeper_simulator::{
    DEMO_DESCRIPTION, DEMO_EXTERNAL_ID, DEMO_ROLE, DEMO_TAG, DEMO_VENDOR, HUB_ACCESS_KEY,
    HUB_SECRET_KEY, Limits as Unlimited, Settings, World,
};
use tokio_util::sync::CancellationToken;

use super::clock::SimClock;
use super::replica::Replica;
use super::sent::{Sent, Watched};

/// The policy of the FAQ.
pub const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Action":["*"],"Effect":"Allow","Resource":"*"},{"Action":["iam:CreateUser"],"Effect":"Deny","Resource":"*"}]}"#;

/// The trust policy of the demo's role.
pub fn trust_text() -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{DEMO_VENDOR}:root"}},"Action":"sts:AssumeRole","Condition":{{"StringEquals":{{"sts:ExternalId":"{DEMO_EXTERNAL_ID}"}}}}}}]}}"#
    )
}

/// A document that parses, since it is written here.
#[expect(clippy::expect_used, reason = "the documents are written in this file")]
pub fn document(kind: Kind, text: &str) -> Document {
    Document::parse(kind, text).expect("a valid document")
}

/// The demo's role as a specification.
#[expect(clippy::expect_used, reason = "the names are written in this file")]
pub fn demo_spec() -> RoleSpec {
    let tags = [(DEMO_TAG.0.to_owned(), DEMO_TAG.1.to_owned())];
    RoleSpec {
        partition: Partition::Aws,
        name: DEMO_ROLE.parse().expect("a name"),
        path: "/".parse().expect("a path"),
        ensure: Ensure::Present,
        trust: document(Kind::Trust, &trust_text()),
        description: Some(DEMO_DESCRIPTION.to_owned()),
        max_session_duration: Some(3_600),
        boundary: Boundary::None,
        tags: tags.clone().into(),
        managed_policies: vec![ManagedPolicySpec {
            name: DEMO_ROLE.parse().expect("a name"),
            path: "/".parse().expect("a path"),
            document: document(Kind::Identity, POLICY),
            tags: tags.into(),
        }],
        attach: BTreeSet::new(),
        inline: std::collections::BTreeMap::new(),
        extras: Extras::Remove,
        adopt: Adopt::Always,
        tolerate: Vec::new(),
        legacy_users: BTreeSet::new(),
    }
}

/// A quiet organization of so many members, all of which have the demo's role as it should be: nobody is
/// suspended, nothing is slow or limited, and each change is remembered.
pub fn calm(accounts: u32) -> Settings {
    Settings {
        accounts,
        provisioned: true,
        inactive: 0.0,
        control_tower: 0.0,
        tail: false,
        limits: Unlimited::none(),
        latency: Duration::from_millis(20),
        history: true,
        ..Settings::default()
    }
}

/// The same specification in every account.
#[derive(Debug)]
pub struct Same(pub Arc<[RoleSpec]>);

impl Roles for Same {
    fn wanted(&self, _: &Place<'_>) -> Result<Arc<[RoleSpec]>, Fault> {
        Ok(Arc::clone(&self.0))
    }
}

/// Settings over one role.
pub fn settings(holder: &str, spec: RoleSpec) -> EngineSettings {
    settings_of(holder, Arc::from([spec]))
}

/// Settings over these roles.
pub fn settings_of(holder: &str, specs: Arc<[RoleSpec]>) -> EngineSettings {
    EngineSettings {
        admin_roles: vec![
            "OrganizationAccountAccessRole".to_owned(),
            "AWSControlTowerExecution".to_owned(),
        ],
        management: ManagementPolicy::Skip,
        selector: Selector::default(),
        roles: Arc::new(Same(specs)),
        census: CensusLimits::default(),
        rollout: Rollout::default(),
        schedule: Schedule::NEVER,
        freeze: None,
        remedy: None,
        flap_limit: 3,
        approve_widening: false,
        limits: Limits {
            quota_share: 1.0,
            ..Limits::default()
        },
        holder: holder.to_owned(),
        session_label: "sim".to_owned(),
    }
}

/// Remembers what happened.
#[derive(Debug, Default)]
pub struct Listener {
    events: Mutex<Vec<Event>>,
}

impl Listener {
    /// Everything so far.
    pub fn events(&self) -> Vec<Event> {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How many events so far are of a kind.
    pub fn count(&self, is_meant: impl Fn(&Event) -> bool) -> usize {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().filter(|event| is_meant(event)).count()
    }

    /// How many attempts of each call were made.
    pub fn calls(&self) -> std::collections::BTreeMap<Operation, u64> {
        let mut calls = std::collections::BTreeMap::new();
        for event in self.events() {
            if let Event::CallFinished { operation, .. } = event {
                *calls.entry(operation).or_default() += 1;
            }
        }
        calls
    }
}

impl EventSink for Listener {
    fn emit(&self, event: &Event) {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(event.clone());
    }
}

/// At which moment of a write the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// On record, not sent.
    Before,
    /// Done by AWS, the answer never seen.
    After,
}

/// What stands between a process and the world: counts its writes, loses messages, and can
/// stop the process.
#[derive(Debug, Default)]
pub struct Wire {
    writes: AtomicU64,
    crash: Mutex<Option<(u64, Moment)>>,
    /// Cancelled when the process dies. Nothing it still sends arrives.
    pub dead: CancellationToken,
    paused: Mutex<Option<CancellationToken>>,
    loss: Mutex<Option<Loss>>,
    replica: Mutex<Option<Arc<Replica>>>,
}

/// Messages that get lost.
#[derive(Debug)]
pub struct Loss {
    /// The share of requests, from 0 to 1.
    pub share: f64,
    /// What decides.
    pub random: StdRng,
}

/// What becomes of one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nothing special.
    Arrives,
    /// The request is lost; the connection breaks.
    RequestLost,
    /// The answer is lost; the connection breaks.
    AnswerLost,
    /// The answer never comes and the connection stays.
    Silence,
}

impl Wire {
    /// Lets the process die at its write number `index`, counted from 0.
    pub fn crash_at(&self, index: u64, moment: Moment) {
        *self.crash.lock().unwrap_or_else(PoisonError::into_inner) = Some((index, moment));
    }

    /// Writes that were sent so far.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// Loses messages from now on, or none any more.
    pub fn lose(&self, loss: Option<Loss>) {
        *self.loss.lock().unwrap_or_else(PoisonError::into_inner) = loss;
    }

    /// Lets reads be answered by a replica.
    pub fn read_from(&self, replica: &Arc<Replica>) {
        *self.replica.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(replica));
    }

    /// The replica that answers this request, if it is a read of IAM and there is one.
    fn replica(&self, request: &http::Request<Bytes>) -> Option<(Arc<Replica>, String)> {
        operation(request).filter(|operation| operation.access() == Access::Read)?;
        let replica = self.replica.lock().unwrap_or_else(PoisonError::into_inner);
        let question = String::from_utf8_lossy(request.body()).into_owned();
        replica.clone().map(|replica| (replica, question))
    }

    /// Stops everything the process does, as `SIGSTOP` would; it goes on when the
    /// token is cancelled.
    pub fn pause(&self) -> CancellationToken {
        let token = CancellationToken::new();
        *self.paused.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
        token
    }

    /// Waits while the process is paused or dead.
    pub async fn gate(&self) {
        let paused = self
            .paused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(paused) = paused {
            paused.cancelled().await;
        }
        if self.dead.is_cancelled() {
            std::future::pending::<()>().await;
        }
    }

    fn dies(&self, index: u64, moment: Moment) -> bool {
        let crash = *self.crash.lock().unwrap_or_else(PoisonError::into_inner);
        let dies = crash == Some((index, moment));
        if dies {
            self.dead.cancel();
        }
        dies
    }

    fn fate(&self) -> Fate {
        let mut loss = self.loss.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Loss { share, random }) = loss.as_mut() else {
            return Fate::Arrives;
        };
        if random.random::<f64>() >= *share {
            return Fate::Arrives;
        }
        match random.random_range(0..5) {
            0 | 1 => Fate::RequestLost,
            2 | 3 => Fate::AnswerLost,
            _ => Fate::Silence,
        }
    }
}

struct Carrier {
    way: InProcess<SimClock>,
    wire: Arc<Wire>,
    sent: Arc<Sent>,
}

impl Transport for Carrier {
    fn carry(&self, request: http::Request<Bytes>) -> TransportFuture {
        let (way, wire) = (self.way.clone(), Arc::clone(&self.wire));
        let sent = Arc::clone(&self.sent);
        Box::pin(async move {
            wire.gate().await;
            let write = operation(&request).filter(|operation| operation.access() == Access::Write);
            let index = write.map(|_| wire.writes.fetch_add(1, Ordering::Relaxed));
            if index.is_some_and(|index| wire.dies(index, Moment::Before)) {
                return std::future::pending().await;
            }
            let lost = || TransportFailure::Connection("the simulated connection broke".to_owned());
            let fate = wire.fate();
            if fate == Fate::RequestLost {
                return Err(lost());
            }
            if index.is_some() {
                // The world acts before it first waits: the change, if there is one, has this number.
                let body = String::from_utf8_lossy(request.body());
                sent.note(way.world().history().len(), &body);
            }
            let replica = wire.replica(&request);
            let asked_at = replica
                .as_ref()
                .map(|(replica, _)| replica.epoch(way.world()));
            let mut answer = way.handle(request).await;
            if let (Some((replica, question)), Some(epoch)) = (replica, asked_at) {
                answer = answer.map(|truth| replica.answer(epoch, &question, truth));
            }
            if index.is_some_and(|index| wire.dies(index, Moment::After)) {
                return std::future::pending().await;
            }
            wire.gate().await;
            match fate {
                Fate::AnswerLost => Err(lost()),
                Fate::Silence => std::future::pending().await,
                Fate::Arrives | Fate::RequestLost => {
                    answer.map_err(|lost| TransportFailure::Connection(lost.to_string()))
                }
            }
        })
    }
}

/// The IAM operation of a request.
fn operation(request: &http::Request<Bytes>) -> Option<Operation> {
    let body = std::str::from_utf8(request.body()).ok()?;
    let action = body
        .split('&')
        .find_map(|pair| pair.strip_prefix("Action="))?;
    Operation::from_action(&format!("iam:{action}"))
}

/// The engine, as simulations run it.
pub type SimEngine<S> = Engine<rolekeeper_aws::Directory, Sessions, S, SimClock, Arc<Listener>>;

/// The hub's own keys and nothing special.
pub fn hub() -> rolekeeper_aws::Settings {
    rolekeeper_aws::Settings {
        keys: HubKeys::Keys {
            access_key_id: HUB_ACCESS_KEY.to_owned(),
            secret_access_key: HUB_SECRET_KEY.into(),
            session_token: None,
        },
        ..rolekeeper_aws::Settings::default()
    }
}

/// One process: an engine with its own connection to the world.
pub struct Process<S> {
    /// The engine.
    pub engine: SimEngine<S>,
    /// What it calls AWS with.
    pub aws: Aws,
    /// What it told.
    pub listener: Arc<Listener>,
    /// Its connection.
    pub wire: Arc<Wire>,
    /// Its clock.
    pub clock: SimClock,
}

impl<S: Watched> Process<S> {
    /// Starts a process over a world and a store.
    pub async fn start(
        world: &Arc<World>,
        clock: &SimClock,
        store: &Arc<S>,
        settings: EngineSettings,
        seed: u64,
    ) -> Self {
        Self::start_with(world, clock, store, settings, hub(), seed).await
    }

    /// The same, with its own way into AWS.
    #[expect(clippy::expect_used, reason = "the rig is part of the tests")]
    pub async fn start_with(
        world: &Arc<World>,
        clock: &SimClock,
        store: &Arc<S>,
        settings: EngineSettings,
        aws: rolekeeper_aws::Settings,
        seed: u64,
    ) -> Self {
        let wire = Arc::new(Wire::default());
        // The world's own delays go by true time, whether or not the process stands still.
        let way = InProcess::new(Arc::clone(world), clock.clone());
        let carrier = Carrier {
            way,
            wire: Arc::clone(&wire),
            sent: Arc::clone(store.sent()),
        };
        let clock = clock.of_process(&wire);
        let aws = ClientBuilder::new(aws)
            .with_transport(carrier)
            .with_clock(Arc::new(clock.clone()))
            .build()
            .await
            .expect("settings that AWS takes");
        let listener = Arc::new(Listener::default());
        let ports = Ports {
            directory: aws.directory(),
            sessions: aws.sessions(),
            store: Arc::clone(store),
            clock: Arc::new(clock.clone()),
            sink: Arc::clone(&listener),
        };
        let engine = Engine::start(ports, settings, seed)
            .await
            .expect("a store that answers");
        Self {
            engine,
            aws,
            listener,
            wire,
            clock,
        }
    }
}

/// A sweep over everybody.
pub fn order(mode: Mode) -> SweepOrder {
    SweepOrder::new(mode, Trigger::CommandLine, "simulation")
}

/// How long nothing in a simulation may take.
pub const FOREVER: Duration = Duration::from_secs(7 * 24 * 3_600);
