//! A disk that is really full, a server that really stops: nothing lost, nothing doubled, and the next process
//! puts everything right.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rolekeeper_engine::port::store::Journal;
use rolekeeper_simulator::{HUB_ACCESS_KEY, HUB_SECRET_KEY, Limits, Settings, Simulator};
use rolekeeper_tests::program;
use rolekeeper_tests::sim::check;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

/// A simulated organization in which every third account differs, and a folder with a configuration.
struct Desk {
    simulator: Simulator,
    folder: tempfile::TempDir,
}

impl Desk {
    fn new(latency: Duration) -> Self {
        let settings = Settings {
            accounts: 60,
            seed: 11,
            provisioned: true,
            drift: 0.7,
            inactive: 0.0,
            control_tower: 0.0,
            latency,
            tail: false,
            limits: Limits::none(),
            history: true,
            ..Settings::default()
        };
        Self {
            simulator: Simulator::builder().settings(settings).start().unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// The configuration of the demo with this store.
    fn config(&self, store_url: &str, more: &str) -> PathBuf {
        let demo = include_str!("../../config/demo.toml");
        let (spec, _) = demo.split_once("[schedule]").unwrap();
        let spec = spec.replace("http://127.0.0.1:4599", &self.simulator.endpoint_url());
        let path = self.folder.path().join("rolekeeper.toml");
        let text = format!("{spec}\n[store]\nurl = \"{store_url}\"\n{more}");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path())
            .env("AWS_ACCESS_KEY_ID", HUB_ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", HUB_SECRET_KEY)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Each change that the world saw is on record as done, once; nothing is open; the chain holds.
    fn adds_up(&self, lines: &[Value]) {
        // Not "settled_undone": what was not done does not add up to anything.
        let done = lines.iter().filter(|line| {
            let result = line["body"]["result"].as_str().unwrap_or_default();
            line["kind"] == "completion" && matches!(result, "done" | "settled_done")
        });
        let open = lines.iter().filter(|line| line["kind"] == "intent").count()
            - lines
                .iter()
                .filter(|line| line["kind"] == "completion")
                .count();
        assert_eq!(open, 0, "a step is open");
        assert_eq!(
            done.count(),
            self.simulator.world().history().len(),
            "a step is lost or doubled"
        );
    }
}

/// What the shell does in a mount namespace of its own: a file system of two megabytes is filled, but for
/// less and less, and a repair is begun each time; then there is room again.
const FULL_DISK: &str = r#"
set -eu
mount -t tmpfs -o size=2m tmpfs disk
"$ROLEKEEPER" --config "$CONFIG" plan > first.txt 2>&1 || [ $? -eq 2 ]
for left in 24 48 72 96 128; do
  dd if=/dev/zero of=disk/ballast bs=1k 2> /dev/null || true
  size=$(stat -c %s disk/ballast)
  truncate -s $((size - left * 1024)) disk/ballast
  code=0
  "$ROLEKEEPER" --config "$CONFIG" apply --yes > "full-$left.txt" 2>&1 || code=$?
  echo "exit $code" >> "full-$left.txt"
  rm disk/ballast
done
mount -o remount,size=64m disk
"$ROLEKEEPER" --config "$CONFIG" apply --yes > last.txt 2>&1 || echo "exit $?" >> last.txt
"$ROLEKEEPER" --config "$CONFIG" journal verify > verify.txt
"$ROLEKEEPER" --config "$CONFIG" journal export > journal.jsonl
"#;

#[tokio::test]
async fn a_disk_that_is_full_stops_the_writes_and_nothing_is_lost() {
    let desk = Desk::new(Duration::from_millis(5));
    std::fs::create_dir(desk.folder.path().join("disk")).unwrap();
    let config = desk.config("sqlite:disk/rolekeeper.db", "");
    // Root mounts in a namespace of its own; anybody else becomes root of a user namespace first.
    let ran = desk
        .command(Path::new("unshare"))
        .args(["--map-root-user", "--mount", "sh", "-c", FULL_DISK])
        .env("ROLEKEEPER", program::rolekeeper().await)
        .env("CONFIG", &config)
        .output()
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    let read =
        |name: &str| std::fs::read_to_string(desk.folder.path().join(name)).unwrap_or_default();
    assert!(ran.status.success(), "{told}\n{}", read("last.txt"));
    let full: Vec<String> = [24, 48, 72, 96, 128]
        .iter()
        .map(|left| read(&format!("full-{left}.txt")))
        .filter(|text| text.contains("disk is full"))
        .collect();
    assert!(
        !full.is_empty(),
        "the disk was never full: {}",
        read("full-24.txt")
    );
    for text in &full {
        assert!(text.contains("exit 1"), "{text}");
    }
    let lines: Vec<Value> = read("journal.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines.len() > 20, "{} records", lines.len());
    desk.adds_up(&lines);
}

/// A PostgreSQL server of our own, that can be stopped and started.
struct Server {
    bin: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
    log: JoinSet<()>,
}

impl Server {
    async fn new() -> Self {
        let bin = program::needed("ROLEKEEPER_TEST_POSTGRES");
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut server = Self {
            bin,
            folder,
            port,
            child: None,
            log: JoinSet::new(),
        };
        let made = server
            .command("initdb")
            .args([
                "--username=rolekeeper",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
            ])
            .args(["--no-sync", "--pgdata"])
            .arg(server.folder.path().join("data"))
            .output()
            .await
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        server.start().await;
        server
    }

    /// A program of PostgreSQL, which refuses to run as root.
    fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command
                .args([
                    "--reuid",
                    "postgres",
                    "--regid",
                    "postgres",
                    "--clear-groups",
                ])
                .arg(program);
            command
        } else {
            Command::new(program)
        };
        command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    async fn start(&mut self) {
        let mut child = self
            .command("postgres")
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-k"])
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        loop {
            let line = lines.next_line().await.unwrap();
            let line = line.unwrap_or_else(|| panic!("postgres ended before it was ready"));
            if line.contains("ready to accept connections") {
                break;
            }
        }
        // Read on, so that the pipe never fills.
        self.log
            .spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        self.child = Some(child);
    }

    /// Ends it at once, as a crash does: what was committed is in its log, and nothing else.
    async fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        let pid = child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-QUIT", &pid]).status().await;
        assert!(sent.unwrap().success());
        child.wait().await.unwrap();
    }

    fn url(&self) -> String {
        format!(
            "postgres://rolekeeper@127.0.0.1:{}/postgres?sslmode=disable",
            self.port
        )
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

#[expect(
    clippy::disallowed_methods,
    reason = "another process is waited for, in its own time"
)]
async fn until(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !look().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(Duration::from_secs(180), looking)
        .await
        .is_err()
    {
        panic!("not within 180 s: {what}");
    }
}

#[tokio::test]
async fn a_server_that_stops_in_the_middle_of_a_sweep_and_starts_again_loses_nothing() {
    let mut server = Server::new().await;
    let desk = Desk::new(Duration::from_millis(100));
    let config = desk.config(
        &server.url(),
        "[limits]\nconcurrency = 2\n[schedule]\nevery = \"10m\"\nmode = \"repair\"\n\
         [rollout]\napprove_widening = false\n[http]\nlisten = \"127.0.0.1:0\"\n",
    );
    let log = std::fs::File::create(desk.folder.path().join("log")).unwrap();
    let mut daemon = desk
        .command(&program::rolekeeper().await)
        .args(["--config", &config.display().to_string(), "-v", "run"])
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let world = desk.simulator.world();
    until("changes are made", async || world.history().len() >= 10).await;
    let log = || std::fs::read_to_string(desk.folder.path().join("log")).unwrap();
    let failed = "the store failed: no writes to AWS until it works";
    assert!(!log().contains(failed), "{}", log());
    server.stop().await;
    until("it says that the store failed", async || {
        log().contains(failed)
    })
    .await;
    // What was on record and on its way may arrive; then nothing more does.
    until("nothing is under way", async || {
        log().contains("no longer writes")
    })
    .await;
    let stopped = world.history().len();
    server.start().await;
    assert!(
        daemon.try_wait().unwrap().is_none(),
        "the daemon ended: {}",
        log()
    );
    assert_eq!(
        world.history().len(),
        stopped,
        "nothing is written without a store"
    );
    until("it leads again", async || {
        log().matches("this replica now writes").count() >= 2
    })
    .await;
    daemon.start_kill().unwrap();
    daemon.wait().await.unwrap();
    let last = desk
        .command(&program::rolekeeper().await)
        .args(["--config", &config.display().to_string(), "apply", "--yes"])
        .output()
        .await
        .unwrap();
    // Left are the differences that only a person can settle.
    assert!(
        matches!(last.status.code(), Some(0 | 2)),
        "{}",
        String::from_utf8_lossy(&last.stderr)
    );
    let store = rolekeeper_store::open_read_only(&server.url())
        .await
        .unwrap();
    assert_eq!(Journal::open(&store).await.unwrap(), []);
    store.verify_journal(None).await.unwrap().unwrap();
    let done = check::steps_done(&store, world).await;
    assert_eq!(done, world.history().len(), "a step is lost or doubled");
    store.close().await;
    server.stop().await;
}
