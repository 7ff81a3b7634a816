//! What the tests against moto share: moto itself, the other hand (boto3), a
//! recorder between rolekeeper and moto, and rolekeeper's binary.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses a part of this"
)]

mod recorder;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

pub use recorder::{Recorder, mutating};

/// The hub's keys: moto takes any, and `123456789012` for the hub's account.
pub const HUB_KEY: &str = "AKIAHUB0000000000001";
/// Their secret.
pub const HUB_SECRET: &str = "hub-secret";

fn variable(name: &str) -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "cargo xtask says by variables where the tools are"
    )]
    let value = std::env::var(name);
    value.unwrap_or_else(|_| panic!("{name} is not set: these tests are run by `cargo xtask test`"))
}

/// A moto server on a port of its own, ended when dropped.
pub struct Moto {
    url: String,
    _server: Child,
    _log: JoinSet<()>,
}

impl Moto {
    /// Starts one and waits until it listens.
    pub async fn start() -> Self {
        let mut server = Command::new(variable("ROLEKEEPER_TEST_MOTO"))
            .args(["-H", "127.0.0.1", "-p", "0"])
            .env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
        let url = loop {
            let line = lines
                .next_line()
                .await
                .unwrap()
                .expect("moto ended before it listened");
            if let Some((_, url)) = line.split_once("Running on ") {
                break url.trim().to_owned();
            }
        };
        // moto logs each request, and would stop at a full pipe.
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            url,
            _server: server,
            _log: tasks,
        }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes an organization; answers with the accounts' and units' ids by name.
    pub async fn plant(&self, world: &str) -> World {
        World(self.other_hand(&["plant", world]).await)
    }

    /// Everything that stands in every account.
    pub async fn dump(&self) -> Value {
        self.other_hand(&["dump"]).await
    }

    /// What boto3 finds wrong in the accounts of these names, by name.
    pub async fn confirm(&self, names: &[&str]) -> Value {
        self.other_hand(&[&["confirm"], names].concat()).await
    }

    /// Makes a queue with these messages; answers with its URL.
    pub async fn queue(&self, bodies: &[&str]) -> String {
        let url = self.other_hand(&[&["queue"], bodies].concat()).await;
        url.as_str().unwrap().to_owned()
    }

    /// What boto3 finds wrong in an account that has the preset and no more.
    pub async fn bare(&self, name: &str) -> Value {
        self.other_hand(&["bare", name]).await
    }

    /// Makes the FAQ's temporary user in an account; answers with its key's id and secret.
    pub async fn user(&self, name: &str) -> (String, String) {
        let keys = self.other_hand(&["user", name]).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&keys[0]), text(&keys[1]))
    }

    /// Puts a message on a queue.
    pub async fn send(&self, url: &str, body: &str) {
        self.other_hand(&["send", url, body]).await;
    }

    /// Changes something in one account.
    pub async fn tamper(&self, name: &str, how: &str) {
        self.other_hand(&["tamper", name, how]).await;
    }

    /// How many messages are on the queue, hidden ones included.
    pub async fn left(&self, url: &str) -> u64 {
        self.other_hand(&["left", url]).await.as_u64().unwrap()
    }

    async fn other_hand(&self, arguments: &[&str]) -> Value {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/moto_world.py");
        let output = Command::new(variable("ROLEKEEPER_TEST_PYTHON"))
            .arg(script)
            .arg(&self.url)
            .args(arguments)
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "moto_world.py {arguments:?}: {words}"
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// The ids of what was planted.
pub struct World(Value);

impl World {
    /// The id of the account of that name.
    #[track_caller]
    pub fn account(&self, name: &str) -> String {
        self.0["accounts"][name]
            .as_str()
            .unwrap_or_else(|| panic!("no account {name}"))
            .to_owned()
    }

    /// The names of all accounts but the management account.
    pub fn names(&self) -> Vec<String> {
        self.0["accounts"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    }

    /// The id of the unit of that path of names.
    #[track_caller]
    pub fn unit(&self, path: &str) -> String {
        self.0["units"][path]
            .as_str()
            .unwrap_or_else(|| panic!("no unit {path}"))
            .to_owned()
    }

    /// The root's id.
    pub fn root(&self) -> &str {
        self.0["root"].as_str().unwrap()
    }
}

/// How a run of rolekeeper ended.
pub struct Run {
    /// Its exit code.
    pub code: i32,
    /// What it said.
    pub stdout: String,
    /// What it told.
    pub stderr: String,
}

impl Run {
    /// Its report.
    #[track_caller]
    pub fn report(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!("{error}; stdout: {}\nstderr: {}", self.stdout, self.stderr)
        })
    }
}

/// rolekeeper's binary with a configuration in a folder of its own.
pub struct Keeper {
    folder: tempfile::TempDir,
    binary: PathBuf,
    endpoint: String,
    keys: (String, String),
}

impl Keeper {
    /// The binary, with this configuration, talking to `endpoint`.
    pub async fn new(endpoint: &str, config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("rolekeeper.toml"), config).unwrap();
        Self {
            folder,
            binary: rolekeeper_tests::program::rolekeeper().await,
            endpoint: endpoint.to_owned(),
            keys: (HUB_KEY.to_owned(), HUB_SECRET.to_owned()),
        }
    }

    /// The same with these keys instead of the hub's.
    pub fn with_keys(self, keys: (String, String)) -> Self {
        Self { keys, ..self }
    }

    /// Its folder, where the store is.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("AWS_ACCESS_KEY_ID", &self.keys.0)
            .env("AWS_SECRET_ACCESS_KEY", &self.keys.1)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Starts the daemon; it ends when the handle is dropped.
    pub fn daemon(&self) -> Child {
        self.start(&["run"])
    }

    /// Starts a command; it ends when the handle is dropped.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Runs a command to its end.
    pub async fn run(&self, arguments: &[&str]) -> Run {
        let output = self.command(arguments).output().await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}
