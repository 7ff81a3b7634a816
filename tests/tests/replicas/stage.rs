//! A simulated organization, a schema of the server, and replicas of the program.

use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rolekeeper_domain::outcome::{AccountReport, Outcome, StepResult};
use rolekeeper_engine::port::store::{FleetOrder, Journal, ReportFilter, Sweeps as _};
use rolekeeper_simulator::{HUB_ACCESS_KEY, HUB_SECRET_KEY, Limits, Settings, Simulator};
use rolekeeper_store::Store;
use rolekeeper_tests::eventually;
use rolekeeper_tests::program;
use rolekeeper_tests::sim::check;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::cable::Cable;

const TOKEN: &str = "the-token-of-the-api-0123456789";
pub(crate) const ACCOUNTS: u32 = 24;
/// Nothing here takes so long; a test that waits longer has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// A lease lasts 15 s and is asked for every second; the rest is for a busy machine.
pub(crate) const TAKEOVER: Duration = Duration::from_secs(30);

/// A simulated organization with drift in it, a schema of the server, and two replicas.
pub(crate) struct Stage {
    pub(crate) simulator: Simulator,
    folder: tempfile::TempDir,
    pub(crate) store_url: String,
}

/// A process of the program.
pub(crate) struct Replica {
    pub(crate) child: Child,
    url: String,
}

impl Stage {
    pub(crate) fn new(test: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let settings = Settings {
            accounts: ACCOUNTS,
            seed: 7,
            provisioned: true,
            drift: 0.7,
            inactive: 0.0,
            control_tower: 0.0,
            // Slow enough that a repair is under way for some seconds.
            latency: Duration::from_millis(150),
            tail: false,
            limits: Limits::none(),
            history: true,
            ..Settings::default()
        };
        let simulator = Simulator::builder().settings(settings).start().unwrap();
        let server = program::needed("ROLEKEEPER_TEST_POSTGRES_URL")
            .display()
            .to_string();
        let joint = if server.contains('?') { '&' } else { '?' };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let moment = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap()
            .as_micros();
        let schema = format!("{test}_{}_{number}_{moment}", std::process::id());
        let store_url = format!("{server}{joint}schema={schema}");
        Self {
            simulator,
            folder: tempfile::tempdir().unwrap(),
            store_url,
        }
    }

    /// Starts a replica on this way to the store.
    pub(crate) async fn replica(&self, name: &str, store_url: &str) -> Replica {
        self.hub(name, store_url, "").await
    }

    /// Starts a replica with more in its configuration, and waits until it answers.
    pub(crate) async fn hub(&self, name: &str, store_url: &str, more: &str) -> Replica {
        let listen = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        let token = self.write("token", TOKEN);
        let demo = include_str!("../../../config/demo.toml");
        let (spec, _) = demo.split_once("[schedule]").unwrap();
        let spec = spec.replace("http://127.0.0.1:4599", &self.simulator.endpoint_url());
        let config = format!(
            "{spec}\n[schedule]\ncron = \"0 0 1 1 *\"\nrepair_on_request = true\n[rollout]\napprove_widening = false\n[limits]\nconcurrency = 2\n\
             [http]\nlisten = \"{listen}\"\ntoken_file = \"{token}\"\n[store]\nurl = \"{store_url}\"\n{more}"
        );
        let config = self.write(&format!("{name}.toml"), &config);
        let log = std::fs::File::create(self.folder.path().join(format!("{name}.log"))).unwrap();
        let child = Command::new(program::rolekeeper().await)
            .args(["--config", &config, "-v", "run"])
            .env("AWS_ACCESS_KEY_ID", HUB_ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", HUB_SECRET_KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let replica = Replica {
            child,
            url: format!("http://{listen}"),
        };
        eventually(&format!("{name} is up"), PATIENCE, async || {
            replica.leads().await.map(drop)
        })
        .await;
        replica
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        path.display().to_string()
    }

    /// Carries out a command with a replica's configuration.
    pub(crate) async fn command(&self, name: &str, arguments: &[&str]) {
        let config = self.folder.path().join(format!("{name}.toml"));
        let ran = Command::new(program::rolekeeper().await)
            .arg("--config")
            .arg(config)
            .args(arguments)
            .env("AWS_ACCESS_KEY_ID", HUB_ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", HUB_SECRET_KEY)
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{arguments:?}: {said}");
    }

    /// A cable to the server, and the way through it.
    pub(crate) async fn cable(&self) -> (Cable, String) {
        let (start, rest) = self.store_url.split_once('@').unwrap();
        let (address, path) = rest.split_once('/').unwrap();
        let cable = Cable::lay(address.to_owned()).await;
        let through = format!("{start}@127.0.0.1:{}/{path}", cable.port);
        (cable, through)
    }

    /// Two replicas, the first of which writes.
    pub(crate) async fn two(&self, first_store_url: &str) -> (Replica, Replica) {
        let first = self.replica("first", first_store_url).await;
        eventually("the first one leads", PATIENCE, async || {
            first.leads().await?.then_some(())
        })
        .await;
        let second = self.replica("second", &self.store_url).await;
        assert_eq!(second.leads().await, Some(false));
        (first, second)
    }

    /// Waits until a repair has made some changes.
    pub(crate) async fn in_the_middle(&self) {
        let began = self.simulator.world().history().len();
        eventually("changes are made", PATIENCE, async || {
            (self.simulator.world().history().len() >= began + 6).then_some(())
        })
        .await;
    }

    pub(crate) async fn store(&self) -> Store {
        rolekeeper_store::open_read_only(&self.store_url)
            .await
            .unwrap()
    }

    /// The second replica puts the rest right. Then each change that the world saw is
    /// on record once, nothing is open, the chain holds, and everybody is in order.
    pub(crate) async fn ends_well(&self, leader: &Replica) {
        leader.repair().await;
        let store = self.store().await;
        eventually("the organization is right", PATIENCE, async || {
            let finished = store.unfinished().await.unwrap().is_empty();
            let any = ReportFilter::default();
            let fleet = store
                .fleet(&any, FleetOrder::default(), None, 1_000)
                .await
                .unwrap();
            (finished && fleet.iter().all(is_right)).then_some(())
        })
        .await;
        assert_eq!(Journal::open(&store).await.unwrap(), []);
        assert!(store.verify_journal(None).await.unwrap().is_ok());
        let world = self.simulator.world();
        assert_eq!(
            check::steps_done(&store, world).await,
            world.history().len(),
            "a step is lost or doubled"
        );
    }
}

/// Whether nothing is left to be done there but what a person has to decide.
fn is_right(report: &AccountReport) -> bool {
    let withheld = || {
        report
            .steps
            .iter()
            .all(|step| step.result == StepResult::Withheld)
    };
    match report.outcome {
        Outcome::InSync | Outcome::Repaired | Outcome::Skipped => true,
        Outcome::Drifted => withheld(),
        Outcome::Failed | Outcome::Pending => false,
    }
}

impl Replica {
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let client: Client<HttpConnector, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).build_http();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(5), client.request(request));
        let answer = answer.await.ok()?.ok()?;
        let status = answer.status().as_u16();
        let text = answer.into_body().collect().await.ok()?.to_bytes();
        Some((status, String::from_utf8(text.to_vec()).unwrap()))
    }

    /// Whether it says that it writes; none while it says nothing.
    pub(crate) async fn leads(&self) -> Option<bool> {
        let (_, text) = self.ask("GET", "/metrics", "").await?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("rolekeeper_leader "))?;
        Some(line == "1")
    }

    pub(crate) async fn repair(&self) {
        let body = json!({ "mode": "repair" }).to_string();
        let (status, text) = self.ask("POST", "/api/v1/sweeps", &body).await.unwrap();
        assert_eq!(status, 202, "{text}");
    }

    pub(crate) async fn signal(&self, signal: &str) {
        let pid = self.child.id().unwrap().to_string();
        let sent = Command::new("kill")
            .args([signal, &pid])
            .status()
            .await
            .unwrap();
        assert!(sent.success());
    }
}

pub(crate) async fn takes_over(replica: &Replica) {
    eventually("the second one takes over", TAKEOVER, async || {
        replica.leads().await?.then_some(())
    })
    .await;
}
