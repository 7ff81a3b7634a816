//! `rolekeeper demo`: the real thing against an organization that is simulated in this process.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rolekeeper_aws::{Aws, HubKeys};
use rolekeeper_domain::outcome::{Mode, Trigger};
use rolekeeper_engine::SweepOrder;
use rolekeeper_engine::event::{Event, EventSink};
use rolekeeper_engine::port::session::SessionProvider;
use rolekeeper_simulator::{HUB_ACCESS_KEY, HUB_SECRET_KEY, Limits, Settings, Simulator};
use rolekeeper_store::Store;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;

use super::sweep::{self, Done};
use crate::app::App;
use crate::args::DemoArgs;
use crate::config::{self, Config, Environment};
use crate::daemon::{Daemon, Face};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::fit::broken;
use crate::gremlin;
use crate::output::Style;
use crate::report;
use crate::wire::{self, RealEngine};

/// What is wanted in the simulated accounts: the file that goes with the simulator.
const CONFIG: &str = include_str!("../../../../config/demo.toml");

/// Accounts that differ, at least: one for each kind of difference that can be planted.
const DIFFERENT: f64 = 18.0;
/// Accounts that rolekeeper cannot get into.
const CLOSED_DOORS: f64 = 2.0;
/// How long a simulated call takes: a tenth of what AWS needs, so that nobody waits for a demo.
const LATENCY: Duration = Duration::from_millis(10);

/// Shows an audit, a repair and a second sweep, and then stays up.
pub(crate) async fn run(app: &App, args: DemoArgs) -> Result<Exit, Failure> {
    let simulator = simulator(&args)?;
    let folder = tempfile::tempdir()?;
    let config = configuration(&simulator, folder.path())?;
    let demo = Demo {
        app,
        aws: wire::aws_with(&config, keys()).await?,
        store: wire::store(&config).await?,
        config,
        simulator,
        waves: Waves::default(),
    };
    demo.introduce(&args)?;
    if demo.audit().await?.interrupted
        || demo.repair().await?.interrupted
        || demo.second_sweep().await?.interrupted
    {
        return Err(Failure::interrupted());
    }
    if args.once {
        demo.store.close().await;
        return Ok(Exit::Clean);
    }
    demo.stay_up(&args).await
}

struct Demo<'a> {
    app: &'a App,
    simulator: Simulator,
    config: Config,
    aws: Aws,
    store: Arc<Store>,
    waves: Waves,
}

/// How many accounts each wave of repairs had.
#[derive(Clone, Debug, Default)]
struct Waves(Arc<Mutex<Vec<u64>>>);

impl EventSink for Waves {
    fn emit(&self, event: &Event) {
        if let Event::WaveStarted { accounts, .. } = event {
            let mut waves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            waves.push(*accounts);
        }
    }
}

impl Waves {
    fn told(&self) -> String {
        let waves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waves: Vec<String> = waves.iter().copied().map(report::grouped).collect();
        waves.join(", then ")
    }
}

impl Demo<'_> {
    fn say(&self, text: &str) -> Result<(), Failure> {
        Ok(self.app.terminal.show(&format!("{text}\n"))?)
    }

    /// A paragraph, as wide as the terminal, or as people like to read.
    fn tell(&self, text: &str) -> Result<(), Failure> {
        const READABLE: usize = 100;
        let width = self.app.terminal.width.unwrap_or(READABLE).min(READABLE);
        self.say(&broken(text, width).join("\n"))
    }

    fn heading(&self, text: &str) -> Result<(), Failure> {
        let text = self.app.terminal.paint(Style::Strong, text);
        self.say(&format!("\n{text}\n"))
    }

    fn introduce(&self, args: &DemoArgs) -> Result<(), Failure> {
        self.heading("rolekeeper demo")?;
        self.tell(&format!(
            "An organization with {} is simulated in this process (seed {}) and spoken to over loopback with the AWS SDK. \
             Each account should hold the role CloudCoreoAssumedRolePolicy, which lets a vendor in. Somebody has been at \
             some of them. Nothing leaves this machine.",
            report::accounts(u64::from(args.accounts)),
            args.seed,
        ))
    }

    async fn audit(&self) -> Result<Done, Failure> {
        self.heading("1. An audit looks, and writes nothing        (rolekeeper plan)")?;
        let engine = self.engine(self.aws.audit_only()).await?;
        let before = self.calls();
        let done = sweep::carry_out(self.app, &engine, order(Mode::Audit)).await?;
        let overview = report::overview(self.store.as_ref(), &done.record).await?;
        self.app.terminal.show(&report::overview_text(
            &done.record,
            &overview,
            &self.app.terminal,
        ))?;
        self.tell_calls(before)?;
        Ok(done)
    }

    async fn repair(&self) -> Result<Done, Failure> {
        self.heading(
            "2. A repair changes a few accounts first, then the others        (rolekeeper apply)",
        )?;
        let (done, before) = self.repair_sweep().await?;
        let overview = report::overview(self.store.as_ref(), &done.record).await?;
        self.app.terminal.show(&report::repair_text(
            &done.record,
            &overview,
            &self.app.terminal,
        ))?;
        self.tell(&format!(
            "It went in waves of so many accounts, each verified before the next one began: {}.",
            self.waves.told()
        ))?;
        self.tell_calls(before)?;
        Ok(done)
    }

    async fn second_sweep(&self) -> Result<Done, Failure> {
        self.heading("3. A second repair finds nothing to do        (rolekeeper apply)")?;
        let (done, before) = self.repair_sweep().await?;
        self.say(&report::headline(&done.record, &self.app.terminal))?;
        self.tell_calls(before)?;
        Ok(done)
    }

    async fn repair_sweep(&self) -> Result<(Done, Calls), Failure> {
        let engine = self.engine(self.aws.sessions()).await?;
        let before = self.calls();
        let done = sweep::carry_out(self.app, &engine, order(Mode::Repair)).await;
        engine.release_lease().await?;
        Ok((done?, before))
    }

    async fn engine<P: SessionProvider>(&self, sessions: P) -> Result<RealEngine<P>, Failure> {
        wire::engine(
            &self.config,
            &self.aws,
            sessions,
            Arc::clone(&self.store),
            sweep::sinks(self.app).and(self.waves.clone()),
        )
        .await
    }

    fn calls(&self) -> Calls {
        Calls::of(&self.simulator)
    }

    fn tell_calls(&self, before: Calls) -> Result<(), Failure> {
        let Calls { all, writes } = self.calls().since(before);
        let text = format!(
            "The simulated AWS counted {} calls, {} of them writes.",
            report::grouped(all),
            report::grouped(writes)
        );
        let style = if writes == 0 {
            Style::Good
        } else {
            Style::Faint
        };
        self.say(&format!("\n{}", self.app.terminal.paint(style, &text)))
    }

    async fn stay_up(self, args: &DemoArgs) -> Result<Exit, Failure> {
        let mut config = self.config.clone();
        let signals = crate::signals::Signals::heard()?;
        let token = token()?;
        config.http.token = Some(token.clone());
        let listener = listener(args.listen, config.http.listen).await?;
        let address = listener.local_addr()?;
        self.heading("4. The daemon stays up and goes on looking        (rolekeeper run)")?;
        self.say(&format!(
            "  page     http://{address}/\n  token    {}\n  metrics  curl -H 'Authorization: Bearer {}' http://{address}/metrics\n",
            token.expose_secret(),
            token.expose_secret(),
        ))?;
        self.tell(
            "The page asks for the token. From time to time somebody changes an account; an audit each minute finds it, \
             and the page can repair it. Ctrl-C ends the demo.",
        )?;
        let face = Face::new(&config)?;
        let engine = wire::engine(
            &config,
            &self.aws,
            self.aws.sessions(),
            Arc::clone(&self.store),
            face.sinks(),
        )
        .await?;
        let daemon = Daemon {
            environment: Environment::default(),
            aws: self.aws.clone(),
            engine,
            store: Arc::clone(&self.store),
            face,
            listener,
            reload: None,
            config,
        };
        let told = |account, drift| {
            self.app.terminal.tell(&format!(
                "Somebody changed account {account} ({drift}). The next audit will find it."
            ));
        };
        tokio::select! {
            ended = super::run::until_told(daemon, signals) => ended,
            never = gremlin::haunt(self.simulator.world(), args.seed, told) => match never {},
        }
    }
}

fn order(mode: Mode) -> SweepOrder {
    let mut order = SweepOrder::new(mode, Trigger::CommandLine, "the demo");
    // Whoever starts the demo wants to see it done.
    order.approved_by = Some("the demo".to_owned());
    order
}

fn simulator(args: &DemoArgs) -> Result<Simulator, Failure> {
    let accounts = f64::from(args.accounts);
    let settings = Settings {
        accounts: args.accounts,
        seed: args.seed,
        provisioned: true,
        drift: (DIFFERENT / accounts).clamp(0.05, 1.0),
        denied: (CLOSED_DOORS / accounts).min(0.1),
        latency: LATENCY,
        limits: Limits::default(),
        ..Settings::default()
    };
    Simulator::builder()
        .settings(settings)
        .start()
        .map_err(|problem| Failure::new(crate::failure::whole(&problem)))
}

/// The simulator's configuration with what differs in the demo, laid over it as the environment would.
fn configuration(simulator: &Simulator, folder: &std::path::Path) -> Result<Config, Failure> {
    let (endpoint, store) = (
        simulator.endpoint_url(),
        format!("sqlite:{}", folder.join("demo.db").display()),
    );
    let environment = Environment::from([
        ("ROLEKEEPER__AWS__ENDPOINT_URL", endpoint.as_str()),
        ("ROLEKEEPER__STORE__URL", store.as_str()),
        ("ROLEKEEPER__ROLES__0__EXTRAS", "remove"),
        ("ROLEKEEPER__SCHEDULE__EVERY", "1m"),
        ("ROLEKEEPER__SCHEDULE__REPAIR_ON_REQUEST", "true"),
    ]);
    Ok(config::load_text("config/demo.toml", CONFIG, &environment)?)
}

fn keys() -> HubKeys {
    HubKeys::Keys {
        access_key_id: HUB_ACCESS_KEY.to_owned(),
        secret_access_key: SecretString::from(HUB_SECRET_KEY),
        session_token: None,
    }
}

/// A token for this demo alone.
fn token() -> Result<SecretString, Failure> {
    use std::io::Read as _;
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(SecretString::from(format!(
        "{:032x}",
        u128::from_be_bytes(bytes)
    )))
}

/// Where the page is served: the port that was asked for, else the usual one or, when another process has that, any
/// that is free.
async fn listener(wanted: Option<SocketAddr>, usual: SocketAddr) -> Result<TcpListener, Failure> {
    let address = wanted.unwrap_or(usual);
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(problem) if wanted.is_none() && problem.kind() == std::io::ErrorKind::AddrInUse => {
            Ok(TcpListener::bind((address.ip(), 0)).await?)
        }
        Err(problem) => Err(
            Failure::new(format!("cannot listen on {address}: {problem}"))
                .with_help("--listen names another address"),
        ),
    }
}

/// Calls that the simulator has counted.
#[derive(Clone, Copy, Debug)]
struct Calls {
    all: u64,
    writes: u64,
}

impl Calls {
    fn of(simulator: &Simulator) -> Self {
        let mut calls = Self { all: 0, writes: 0 };
        let summary = simulator.world().summary();
        for row in summary
            .get("requests")
            .and_then(serde_json::Value::as_array)
            .into_iter()
            .flatten()
        {
            let text = |key: &str| {
                row.get(key)
                    .and_then(serde_json::Value::as_str)
                    .unwrap_or_default()
            };
            let count = row
                .get("count")
                .and_then(serde_json::Value::as_u64)
                .unwrap_or(0);
            let action = format!("{}:{}", text("service"), text("operation"));
            let operation = rolekeeper_domain::call::Operation::from_action(&action);
            let writes = operation.is_some_and(|operation| {
                operation.access() == rolekeeper_domain::call::Access::Write
            });
            calls.all += count;
            calls.writes += if writes { count } else { 0 };
        }
        calls
    }

    const fn since(self, before: Self) -> Self {
        Self {
            all: self.all.saturating_sub(before.all),
            writes: self.writes.saturating_sub(before.writes),
        }
    }
}
