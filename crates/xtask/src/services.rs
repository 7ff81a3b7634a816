//! Servers that the tests talk to: started here on loopback, ended by their id.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::apt::is_root;
use crate::failure::Failure;
use crate::shell::Shell;
use crate::workshop::Workshop;

/// PostgreSQL needs about a second; a machine that needs a minute is stuck.
const START_WITHIN: Duration = Duration::from_secs(60);

/// A PostgreSQL server in a folder of its own. Ends when dropped, and also when
/// this process is killed.
pub(crate) struct Postgres {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Postgres {
    /// Makes a cluster and starts it; `bin` holds `initdb` and `postgres`.
    pub(crate) fn start(workshop: &Workshop, bin: &Path) -> Result<Self, Failure> {
        let folder =
            std::env::temp_dir().join(format!("rolekeeper-postgres-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(Failure::file(&folder, "cannot be made"))?;
        let account = Account::for_postgres(workshop)?;
        account.give(workshop, &folder)?;
        let data = folder.join("data");
        account
            .shell(workshop, &bin.join("initdb"))
            .args([
                "--username=rolekeeper",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
            ])
            .args(["--no-sync", "--pgdata"])
            .arg(&data)
            .dir(&folder)
            .read()?;

        let port = free_port()?;
        let mut command: Command = account
            .shell(workshop, &bin.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k"])
            .arg(&folder)
            // The data does not outlive the tests, so nothing waits for a disk.
            .args(["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=200"])
            .dir(&folder)
            .into_command();
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| Failure::Start {
                program: "postgres".to_owned(),
                source,
            })?;
        let ready = watch(&mut child);
        let server = Self {
            child,
            folder,
            port,
        };
        match ready.recv_timeout(START_WITHIN) {
            Ok(()) => Ok(server),
            Err(_) => Err(Failure::Found(
                "postgres did not get ready; its log is above".to_owned(),
            )),
        }
    }

    /// Where it listens; each test makes a database of its own there.
    pub(crate) fn url(&self) -> String {
        format!("postgres://rolekeeper@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGINT is PostgreSQL's "fast shutdown"; a plain kill would leave its
        // shared memory behind.
        let asked = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        if !asked.is_ok_and(|status| status.success())
            && let Err(error) = self.child.kill()
        {
            eprintln!(
                "postgres (process {}) could not be ended: {error}",
                self.child.id()
            );
        }
        if let Err(error) = self.child.wait() {
            eprintln!(
                "postgres (process {}) was not waited for: {error}",
                self.child.id()
            );
        }
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("{} was left behind: {error}", self.folder.display());
        }
    }
}

/// Reads the server's log to its end, so that its pipe never fills; the channel
/// gets one message when it is ready, and is closed if it ends before that.
fn watch(child: &mut Child) -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel();
    if let Some(log) = child.stderr.take() {
        thread::spawn(move || {
            let mut early = Some(sender);
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                if line.contains("ready to accept connections") {
                    if let Some(sender) = early.take() {
                        // Nobody listens any more only if the wait was given up.
                        let _given_up = sender.send(());
                    }
                } else if early.is_some() {
                    println!("  postgres: {line}");
                }
            }
        });
    }
    receiver
}

/// A loopback port that was free a moment ago.
fn free_port() -> Result<u16, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(Failure::file(
            "127.0.0.1:0",
            "no loopback port is to be had",
        ))
}

/// Whom a server runs as: PostgreSQL refuses to run as root.
struct Account {
    ids: Option<(String, String)>,
}

impl Account {
    fn for_postgres(workshop: &Workshop) -> Result<Self, Failure> {
        if !is_root() {
            return Ok(Self { ids: None });
        }
        for name in ["postgres", "nobody"] {
            let uid = Shell::new(workshop, "id").args(["-u", name]).output()?;
            if uid.status.success() {
                let uid = String::from_utf8_lossy(&uid.stdout).trim().to_owned();
                let gid = Shell::new(workshop, "id").args(["-g", name]).read()?;
                return Ok(Self {
                    ids: Some((uid, gid)),
                });
            }
        }
        Err(Failure::Missing {
            tool: "an unprivileged user".to_owned(),
            remedy: "PostgreSQL does not run as root; add a user `postgres`".to_owned(),
        })
    }

    fn give(&self, workshop: &Workshop, folder: &Path) -> Result<(), Failure> {
        match &self.ids {
            Some((uid, gid)) => Shell::new(workshop, "chown")
                .arg(format!("{uid}:{gid}"))
                .arg(folder)
                .read()
                .map(drop),
            None => Ok(()),
        }
    }

    /// `program`, under this account, asked to end when we do.
    fn shell(&self, workshop: &Workshop, program: &Path) -> Shell {
        let shell = Shell::new(workshop, "setpriv").args(["--pdeathsig", "INT"]);
        match &self.ids {
            Some((uid, gid)) => shell
                .args([
                    "--reuid",
                    uid.as_str(),
                    "--regid",
                    gid.as_str(),
                    "--clear-groups",
                ])
                .arg(program),
            None => shell.arg(program),
        }
    }
}
