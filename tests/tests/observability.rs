//! What a running daemon tells the outside: metrics before, during and after a sweep and over a restart,
//! notices that are neither lost nor doubled, logs without secrets. The program itself, over loopback.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test panics on purpose"
)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rolekeeper_simulator::{HUB_ACCESS_KEY, HUB_SECRET_KEY, Limits, Settings, Simulator};
use rolekeeper_tests::eventually;
use rolekeeper_tests::program;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

const TOKEN: &str = "the-token-of-the-api-0123456789";
const WEBHOOK_KEY: &str = "the-key-of-the-webhook";
const EXTERNAL_ID: &str = "demo-7f3a9c52";
const ACCOUNTS: u32 = 40;
/// Nothing here takes so long; a test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(90);

/// A simulated organization, a webhook's receiver, and a folder with the configuration.
struct Stage {
    simulator: Simulator,
    folder: tempfile::TempDir,
    url: String,
    heard: Arc<Mutex<Vec<Value>>>,
    _receiver: JoinSet<()>,
}

impl Stage {
    async fn new() -> Self {
        let settings = Settings {
            accounts: ACCOUNTS,
            seed: 5,
            provisioned: true,
            drift: 0.5,
            denied: 0.1,
            inactive: 0.1,
            latency: Duration::from_millis(50),
            tail: false,
            limits: Limits::none(),
            ..Settings::default()
        };
        let simulator = Simulator::builder().settings(settings).start().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let webhook = format!("http://{}/hook", listener.local_addr().unwrap());
        let mut receiver = JoinSet::new();
        receiver.spawn(receive(listener, Arc::clone(&heard)));
        let free = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
                .unwrap();
            path
        };
        let token = write("token", TOKEN);
        let demo = include_str!("../../config/demo.toml");
        let (spec, _) = demo.split_once("[schedule]").unwrap();
        let spec = spec.replace("http://127.0.0.1:4599", &simulator.endpoint_url());
        write(
            "rolekeeper.toml",
            &format!(
                "{spec}\n[schedule]\ncron = \"0 0 1 1 *\"\nrepair_on_request = true\n[rollout]\napprove_widening = false\n[limits]\nconcurrency = 4\n\
                 [http]\nlisten = \"{free}\"\ntoken_file = \"{}\"\n[store]\nurl = \"sqlite:{}\"\n\
                 [notify]\nwebhooks = [{{ url = \"{webhook}\", secret = \"{WEBHOOK_KEY}\" }}]\n",
                token.display(),
                folder.path().join("test.db").display(),
            ),
        );
        Self {
            simulator,
            folder,
            url: format!("http://{free}"),
            heard,
            _receiver: receiver,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn command(&self) -> Command {
        let mut command = Command::new(program::rolekeeper().await);
        command
            .arg("--config")
            .arg(self.path("rolekeeper.toml"))
            .env("AWS_ACCESS_KEY_ID", HUB_ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", HUB_SECRET_KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Starts the daemon and waits until it writes. Its log goes to a file of this name.
    async fn daemon(&self, log: &str) -> Child {
        let log = std::fs::File::create(self.path(log)).unwrap();
        let child = self
            .command()
            .await
            .args(["-vvv", "--log-format", "json", "run"])
            .stderr(log)
            .spawn()
            .unwrap();
        eventually("the daemon leads", PATIENCE, async || {
            let text = self.try_get("/metrics").await?;
            (Scrape::of(&text).value("rolekeeper_leader") == 1.0).then_some(())
        })
        .await;
        child
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Option<(u16, String)> {
        let client: Client<HttpConnector, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).build_http();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(
                body.map(|body| body.to_string()).unwrap_or_default(),
            )))
            .unwrap();
        let answer = client.request(request).await.ok()?;
        let status = answer.status().as_u16();
        let text = answer.into_body().collect().await.ok()?.to_bytes();
        Some((status, String::from_utf8(text.to_vec()).unwrap()))
    }

    async fn try_get(&self, path: &str) -> Option<String> {
        let (status, text) = self.ask("GET", path, None).await?;
        (status == 200).then_some(text)
    }

    async fn get(&self, path: &str) -> Value {
        serde_json::from_str(&self.try_get(path).await.unwrap()).unwrap()
    }

    async fn scrape(&self) -> Scrape {
        Scrape::of(&self.try_get("/metrics").await.unwrap())
    }

    async fn start_sweep(&self, mode: &str) {
        let (status, text) = self
            .ask("POST", "/api/v1/sweeps", Some(json!({"mode": mode})))
            .await
            .unwrap();
        assert_eq!(status, 202, "{text}");
    }

    async fn until_idle(&self) -> Scrape {
        eventually("the sweep ends", PATIENCE, async || {
            let scrape = self.scrape().await;
            (scrape.value("rolekeeper_sweep_running") == 0.0).then_some(scrape)
        })
        .await
    }

    fn ids(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard
            .iter()
            .map(|body| body.get("id").and_then(Value::as_str).unwrap().to_owned())
            .collect()
    }

    /// Calls that the simulator has answered, as the metrics name them.
    fn calls(&self) -> BTreeMap<String, u64> {
        let mut calls = BTreeMap::new();
        let summary = self.simulator.world().summary();
        for row in summary.get("requests").and_then(Value::as_array).unwrap() {
            let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap();
            let operation = format!("{} {}", text("service"), text("operation"));
            *calls.entry(operation).or_default() +=
                row.get("count").and_then(Value::as_u64).unwrap();
        }
        calls
    }
}

/// Takes webhook calls for as long as the test lasts.
async fn receive(listener: TcpListener, heard: Arc<Mutex<Vec<Value>>>) {
    listen(listener, "x-rolekeeper-signature", heard).await;
}

/// Takes JSON bodies for as long as the test lasts; each request must have this header.
async fn listen(listener: TcpListener, header: &'static str, heard: Arc<Mutex<Vec<Value>>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let heard = Arc::clone(&heard);
        connections.spawn(async move {
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let heard = Arc::clone(&heard);
                async move {
                    assert!(request.headers().contains_key(header));
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    heard
                        .lock()
                        .unwrap()
                        .push(serde_json::from_slice(&body).unwrap());
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
                }
            });
            drop(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
    }
}

/// The samples of one scrape.
struct Scrape {
    text: String,
    samples: BTreeMap<String, f64>,
}

impl Scrape {
    fn of(text: &str) -> Self {
        let samples = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| {
                let (name, value) = line.rsplit_once(' ').unwrap();
                (name.to_owned(), value.parse().unwrap())
            })
            .collect();
        Self {
            text: text.to_owned(),
            samples,
        }
    }

    fn value(&self, sample: &str) -> f64 {
        self.samples
            .get(sample)
            .copied()
            .unwrap_or_else(|| panic!("{sample} is not exported:\n{}", self.text))
    }

    fn of_family(&self, family: &str) -> BTreeMap<&str, f64> {
        let start = format!("{family}{{");
        self.samples
            .iter()
            .filter(|(name, _)| name.starts_with(&start))
            .map(|(name, value)| (name.as_str(), *value))
            .collect()
    }

    fn sum(&self, family: &str) -> f64 {
        self.of_family(family).values().sum()
    }
}

/// Fleet gauges: what the store says, whatever process is asked.
const FLEET: [&str; 5] = [
    "rolekeeper_accounts",
    "rolekeeper_accounts_skipped",
    "rolekeeper_findings",
    "rolekeeper_last_sweep_start_timestamp_seconds",
    "rolekeeper_last_sweep_success_timestamp_seconds",
];

#[tokio::test]
async fn metrics_are_right_before_during_and_after_a_sweep_and_over_a_restart() {
    let stage = Stage::new().await;
    let mut daemon = stage.daemon("first.log").await;

    let before = stage.scrape().await;
    assert_eq!(before.value("rolekeeper_sweep_running"), 0.0);
    for family in FLEET.into_iter().chain([
        "rolekeeper_steps_total",
        "rolekeeper_sweeps_total",
        "rolekeeper_account_failures_total",
    ]) {
        assert!(!before.of_family(family).is_empty(), "{family}");
        assert_eq!(before.sum(family), 0.0, "{family}");
    }
    assert_eq!(
        before.value(r#"rolekeeper_sweeps_total{mode="repair",outcome="halted"}"#),
        0.0
    );
    assert_eq!(
        before.value(r#"rolekeeper_notifications_total{outcome="delivered"}"#),
        0.0
    );
    assert!(0.0 < before.value("process_resident_memory_bytes"));

    stage.start_sweep("audit").await;
    let during = eventually("accounts are in flight", PATIENCE, async || {
        let scrape = stage.scrape().await;
        (0.0 < scrape.value("rolekeeper_accounts_in_flight")
            && 0.0 < scrape.value("rolekeeper_sweep_accounts_done"))
        .then_some(scrape)
    })
    .await;
    assert_eq!(during.value("rolekeeper_sweep_running"), 1.0);
    assert!(during.value("rolekeeper_accounts_in_flight") <= 4.0);
    assert!(during.value("rolekeeper_sweep_accounts_done") < f64::from(ACCOUNTS + 1));
    assert!(0.0 < during.value(r#"rolekeeper_last_sweep_start_timestamp_seconds{mode="audit"}"#));
    assert_eq!(
        during.value(r#"rolekeeper_last_sweep_success_timestamp_seconds{mode="audit"}"#),
        0.0
    );

    let after = stage.until_idle().await;
    let all = f64::from(ACCOUNTS + 1);
    assert_eq!(after.sum("rolekeeper_accounts"), all);
    assert_eq!(after.value("rolekeeper_sweep_accounts_done"), all);
    assert_eq!(after.value("rolekeeper_accounts_in_flight"), 0.0);
    assert_eq!(
        after.value(r#"rolekeeper_sweeps_total{mode="audit",outcome="completed"}"#),
        1.0
    );
    assert_eq!(after.value("rolekeeper_sweep_duration_seconds_count"), 1.0);
    assert_eq!(after.sum("rolekeeper_account_duration_seconds_count"), all);
    let failed = after.value(r#"rolekeeper_accounts{outcome="failed"}"#);
    assert!(0.0 < failed);
    assert_eq!(after.sum("rolekeeper_account_failures_total"), failed);
    assert_eq!(
        after.sum("rolekeeper_accounts_skipped"),
        after.value(r#"rolekeeper_accounts{outcome="skipped"}"#)
    );
    assert_eq!(
        after.sum("rolekeeper_steps_total"),
        0.0,
        "an audit takes no step"
    );
    // What is counted on this side of the wire is what was counted on the other.
    for (call, count) in stage.calls() {
        let (service, operation) = call.split_once(' ').unwrap();
        let ours: f64 = after
            .of_family("rolekeeper_aws_requests_total")
            .iter()
            .filter(|(name, _)| {
                name.contains(&format!("operation=\"{operation}\""))
                    && name.contains(&format!("service=\"{service}\""))
            })
            .map(|(_, value)| value)
            .sum();
        let timed = after.value(&format!(
            "rolekeeper_aws_request_duration_seconds_count{{operation=\"{operation}\",service=\"{service}\"}}"
        ));
        assert_eq!((ours, timed), (count as f64, count as f64), "{call}");
    }
    let summary = stage.get("/api/v1/summary").await;
    let open: u64 = summary
        .get("findings")
        .and_then(Value::as_array)
        .unwrap()
        .iter()
        .map(|finding| finding.get("count").and_then(Value::as_u64).unwrap())
        .sum();
    assert!(0 < open);
    assert_eq!(after.sum("rolekeeper_findings"), open as f64);

    // The news goes out, and a kill right after it says nothing twice.
    eventually("the critical drift is told", PATIENCE, async || {
        (!stage.ids().is_empty()).then_some(())
    })
    .await;
    daemon.kill().await.unwrap();
    let mut daemon = stage.daemon("second.log").await;
    let restarted = stage.scrape().await;
    for family in FLEET {
        assert_eq!(
            restarted.of_family(family),
            after.of_family(family),
            "{family}"
        );
    }
    assert_eq!(restarted.sum("rolekeeper_sweeps_total"), 0.0);

    stage.start_sweep("repair").await;
    eventually("the repair begins", PATIENCE, async || {
        let sweeps = stage.scrape().await;
        (sweeps.value("rolekeeper_sweep_running") == 1.0).then_some(())
    })
    .await;
    let repaired = stage.until_idle().await;
    assert!(0.0 < repaired.value(r#"rolekeeper_accounts{outcome="repaired"}"#));
    let steps = repaired.sum("rolekeeper_steps_total");
    let written: f64 = stage
        .calls()
        .iter()
        .filter(|(call, _)| is_write(call))
        .map(|(_, count)| *count as f64)
        .sum();
    assert!(
        0.0 < steps && steps <= written,
        "{steps} steps, {written} writing calls"
    );
    assert!(repaired.sum("rolekeeper_findings") < open as f64);

    // A halt reaches the gauge and the webhook.
    let (status, _) = stage
        .ask("POST", "/api/v1/halt", Some(json!({"why": "drill"})))
        .await
        .unwrap();
    assert_eq!(status, 200);
    assert_eq!(stage.scrape().await.value("rolekeeper_halted"), 1.0);
    eventually("the halt is told", PATIENCE, async || {
        stage
            .ids()
            .iter()
            .any(|id| id.starts_with("halted:"))
            .then_some(())
    })
    .await;
    let told = eventually("the delivery is counted", PATIENCE, async || {
        let told = stage
            .scrape()
            .await
            .value(r#"rolekeeper_notifications_total{outcome="delivered"}"#);
        (0.0 < told).then_some(told)
    })
    .await;
    assert!(1.0 <= told);
    let ids = stage.ids();
    let mut unique = ids.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(ids.len(), unique.len(), "{ids:?}");
    assert!(!format!("{:?}", stage.heard.lock().unwrap()).contains(EXTERNAL_ID));
    daemon.kill().await.unwrap();

    for log in ["first.log", "second.log"] {
        tells_no_secret(&stage.path(log));
    }
    names_its_spans(&stage.path("second.log"));
    if let Some(promtool) = program::outside("ROLEKEEPER_TEST_PROMTOOL") {
        clean(&promtool, &repaired.text).await;
    }
}

/// A span that reached the collector.
struct Span {
    name: String,
    parent: String,
    fields: BTreeMap<String, Value>,
}

/// The spans of everything that was posted, by their ids.
fn spans(bodies: &[Value]) -> BTreeMap<String, Span> {
    let text = |value: &Value, key: &str| {
        let text = value.get(key).and_then(Value::as_str);
        text.unwrap_or_else(|| panic!("{key} in {value}"))
            .to_owned()
    };
    let all = bodies.iter().flat_map(|body| {
        let spans = body.pointer("/resourceSpans/0/scopeSpans/0/spans");
        spans.and_then(Value::as_array).unwrap()
    });
    all.map(|span| {
        let fields = span.get("attributes").and_then(Value::as_array).unwrap();
        let fields = fields
            .iter()
            .map(|field| (text(field, "key"), field.get("value").cloned().unwrap()));
        let known = Span {
            name: text(span, "name"),
            parent: text(span, "parentSpanId"),
            fields: fields.collect(),
        };
        (text(span, "spanId"), known)
    })
    .collect()
}

#[tokio::test]
async fn traces_have_the_places_and_names_of_the_log_and_no_secret() {
    let stage = Stage::new().await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let collector = format!("http://{}", listener.local_addr().unwrap());
    let mut listening = JoinSet::new();
    listening.spawn(listen(listener, "content-type", Arc::clone(&heard)));
    // The log says nothing: what it is told has no say in what is traced.
    let done = stage
        .command()
        .await
        .args(["apply", "--yes"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector)
        .env("ROLEKEEPER_LOG", "off")
        .stderr(Stdio::null())
        .status()
        .await
        .unwrap();
    assert!(matches!(done.code(), Some(0 | 2 | 3)), "{done}");
    let bodies = heard.lock().unwrap().clone();
    let spans = spans(&bodies);
    let count = |name: &str| spans.values().filter(|span| span.name == name).count();
    assert_eq!(count("sweep"), 1);
    assert!(30 < count("account") && 0 < count("step"));
    assert!(count("account") < count("call"));
    let names = [
        ("sweep", "", "sweep.id"),
        ("account", "sweep", "account.id"),
        ("step", "account", "step.action"),
        ("call", "", "aws.operation"),
    ];
    for (name, above, field) in names {
        for span in spans.values().filter(|span| span.name == name) {
            assert!(span.fields.contains_key(field), "{name}: {:?}", span.fields);
            let parent = spans.get(&span.parent).map(|parent| parent.name.as_str());
            if !above.is_empty() {
                assert_eq!(parent, Some(above), "{name}");
            }
        }
    }
    let in_steps = spans.values().filter(|span| {
        span.name == "call"
            && spans
                .get(&span.parent)
                .is_some_and(|above| above.name == "step")
    });
    assert!(
        0 < in_steps.count(),
        "the writing calls stand in their steps"
    );
    let said = format!("{bodies:?}");
    for secret in SECRETS {
        assert!(!said.contains(secret), "{secret}");
    }
}

/// The alert rules and the dashboard are held against a scrape by their own check; this is what they rest on.
#[cfg(feature = "external")]
#[tokio::test]
async fn promtool_finds_nothing_to_remark() {
    let promtool = program::needed("ROLEKEEPER_TEST_PROMTOOL");
    let stage = Stage::new().await;
    let mut daemon = stage.daemon("only.log").await;
    clean(&promtool, &stage.scrape().await.text).await;
    daemon.kill().await.unwrap();
}

async fn clean(promtool: &Path, text: &str) {
    use tokio::io::AsyncWriteExt as _;
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .await
        .unwrap();
    let output = child.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    // The process collector of the library is not ours to name.
    let ours: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("rolekeeper_"))
        .collect();
    assert!(
        ours.is_empty() && matches!(output.status.code(), Some(0 | 3)),
        "{said}"
    );
}

fn is_write(call: &str) -> bool {
    let name = call.replace(' ', ":");
    rolekeeper_domain::call::Operation::from_action(&name)
        .is_some_and(|operation| operation.access() == rolekeeper_domain::call::Access::Write)
}

/// What must not be told. The last one is how the simulator's session tokens begin.
const SECRETS: [&str; 7] = [
    EXTERNAL_ID,
    TOKEN,
    WEBHOOK_KEY,
    HUB_SECRET_KEY,
    "Signature=",
    "@example",
    "IQoJb3JpZ2luX2VjE",
];

/// At the most talkative level there is.
fn tells_no_secret(log: &Path) {
    let text = std::fs::read_to_string(log).unwrap();
    assert!(
        text.contains("\"aws.operation\":\"GetRole\""),
        "the log is not as talkative as it can be: no call of AWS is in it"
    );
    for secret in SECRETS {
        if let Some(line) = text.lines().find(|line| line.contains(secret)) {
            panic!("{secret} is in {}: {line}", log.display());
        }
    }
}

/// A step's lines stand in the spans of their sweep and account, under the names that the lines themselves use.
fn names_its_spans(log: &Path) {
    let text = std::fs::read_to_string(log).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let call = lines
        .iter()
        .find(|line| {
            let spans = line.get("spans").and_then(Value::as_array);
            spans.is_some_and(|spans| {
                spans
                    .iter()
                    .any(|span| span.get("name") == Some(&json!("step")))
            })
        })
        .unwrap_or_else(|| panic!("no line stands in a step's span"));
    let spans = call.get("spans").and_then(Value::as_array).unwrap();
    let names: Vec<&str> = spans
        .iter()
        .map(|span| span.get("name").and_then(Value::as_str).unwrap())
        .collect();
    // Below a call stand the SDK's own spans.
    assert_eq!(
        names.get(..4),
        Some(&["sweep", "account", "step", "call"][..])
    );
    for (span, field) in
        spans
            .iter()
            .zip(["sweep.id", "account.id", "step.action", "aws.operation"])
    {
        assert!(span.get(field).is_some(), "{field} is missing in {span}");
    }
    let step = lines
        .iter()
        .find(|line| line.get("step.action").is_some())
        .unwrap();
    assert!(
        step.get("sweep.id").is_some() && step.get("account.id").is_some(),
        "{step}"
    );
}
