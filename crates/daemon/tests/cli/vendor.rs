//! The vendor hears of accounts, from the first repair to the last.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use rolekeeper_simulator::Drift;
use serde_json::Value;

use crate::harness::Desk;
use crate::writes;

const ROLE: &str = "CloudCoreoAssumedRolePolicy";

/// Long enough for anything on this machine; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the vendor was asked: the request line, the idempotency key and the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) call: String,
    key: String,
    body: String,
}

/// A vendor on loopback that gives every account the id of its AWS account.
pub(crate) struct Vendor {
    url: String,
    asked: Receiver<Asked>,
}

impl Vendor {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/cloudaccounts", listener.local_addr().unwrap());
        let (sender, asked) = channel();
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sender = sender.clone();
                std::thread::spawn(move || serve(stream, &sender));
            }
        });
        Self { url, asked }
    }

    pub(crate) fn settings(&self) -> String {
        format!(
            "\n[register]\npreset = \"cloudcoreo\"\nurl = \"{0}\"\nsecret = \"between-us\"\n\
             withdraw_url = \"{0}/${{vendor_id}}\"\n",
            self.url
        )
    }

    /// Everything that was asked since the last time.
    fn heard(&self) -> Vec<Asked> {
        self.asked.try_iter().collect()
    }

    pub(crate) fn next(&self) -> Asked {
        self.asked.recv_timeout(PATIENCE).unwrap()
    }
}

fn serve(stream: TcpStream, sender: &Sender<Asked>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let header = |name: &str| {
            let of = |line: &String| {
                let (found, value) = line.split_once(": ")?;
                found.eq_ignore_ascii_case(name).then(|| value.to_owned())
            };
            lines.iter().find_map(of)
        };
        let length: usize = header("content-length").map_or(0, |text| text.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let body = String::from_utf8(body).unwrap();
        let arn = serde_json::from_str::<Value>(&body).unwrap()["arn"].clone();
        let id = arn.as_str().and_then(|arn| arn.split(':').nth(4));
        let asked = Asked {
            call: lines[0].trim_end_matches(" HTTP/1.1").to_owned(),
            key: header("idempotency-key").unwrap(),
            body,
        };
        let answer = format!("{{\"id\":\"{}\"}}", id.unwrap_or("none"));
        // The test may have seen enough.
        let _gone = sender.send(asked);
        let written = write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{answer}",
            answer.len()
        );
        if written.is_err() {
            return;
        }
    }
}

fn orderly() -> Desk {
    Desk::with(|settings| {
        settings.accounts = 4;
        settings.drift = 0.0;
        settings.denied = 0.0;
        settings.inactive = 0.0;
    })
}

#[test]
fn account_is_registered_looked_at_again_and_withdrawn() {
    let (desk, vendor) = (orderly(), Vendor::start());
    let world = desk.simulator.world();
    let management = world.management_account().unwrap();
    let accounts: Vec<_> = world
        .reachable()
        .into_iter()
        .filter(|account| *account != management)
        .collect();
    let one = accounts[0];
    let main = desk.configuration() + &vendor.settings();
    desk.write("rolekeeper.toml", &main);
    assert!(world.plant(one, Drift::RoleMissing));

    // Who only looks tells nobody.
    desk.run(&["check", "--offline"]).exits(0);
    desk.run(&["plan"]).exits(2);
    assert_eq!(vendor.heard(), []);

    desk.run(&["apply", "--yes"]).exits(0);
    let heard = vendor.heard();
    assert_eq!(heard.len(), 2 * accounts.len(), "{heard:?}");
    let registered = |asked: &&Asked| asked.call == "POST /cloudaccounts";
    assert_eq!(heard.iter().filter(registered).count(), accounts.len());
    desk.run(&["apply", "--yes"]).exits(0);
    assert_eq!(vendor.heard(), [], "once");
    let history = desk.run(&["history", &one.to_string()]).exits(0);
    let words = format!("{ROLE}: registered, registered");
    assert!(history.stdout.contains(&words), "{}", history.stdout);
    assert!(history.stdout.contains(&format!("as {one}")));

    // Somebody shuts the vendor out; put right, the vendor looks again.
    assert!(world.plant(one, Drift::TrustOtherAccount));
    desk.run(&["apply", "--yes"]).exits(0);
    let calls: Vec<String> = vendor.heard().into_iter().map(|asked| asked.call).collect();
    assert_eq!(calls, [format!("POST /cloudaccounts/{one}/re-validate")]);

    // No longer selected: left alone, and shown as such.
    let excluded = format!("{main}\n[select]\nexclude = {{ accounts = [\"{one}\"] }}\n");
    desk.write("rolekeeper.toml", &excluded);
    desk.run(&["apply", "--yes"]).exits(0);
    assert!(world.role(one, ROLE).is_some());
    let shown = desk.run(&["accounts"]).exits(0).stdout;
    let line = shown.lines().find(|line| line.contains(&one.to_string()));
    assert!(line.unwrap().contains("excluded"), "{shown}");
    assert_eq!(vendor.heard(), []);

    // Offboarded, as the runbook says.
    let absent = main.replacen(
        "preset = \"cloudcoreo\"",
        "preset = \"cloudcoreo\"\nensure = \"absent\"",
        1,
    );
    desk.write("offboard.toml", &absent);
    let offboard = |arguments: &[&str]| {
        let id = one.to_string();
        let mut all = vec!["--config", "offboard.toml"];
        all.extend(arguments);
        all.extend(["--accounts", &id]);
        desk.run(&all)
    };
    let before = writes(&desk);
    offboard(&["plan"]).exits(2);
    assert_eq!(writes(&desk), before);
    offboard(&["apply", "--yes"]).exits(0);
    assert!(world.role(one, ROLE).is_none());
    assert!(
        world.role(accounts[1], ROLE).is_some(),
        "the others have theirs"
    );
    let calls: Vec<String> = vendor.heard().into_iter().map(|asked| asked.call).collect();
    assert_eq!(calls, [format!("DELETE /cloudaccounts/{one}")]);
    // The daemon's configuration reads nothing wrong into that.
    desk.run(&["apply", "--yes"]).exits(0);
    assert_eq!(vendor.heard(), []);
    assert!(world.role(one, ROLE).is_none());
    let history = desk.run(&["history", &one.to_string(), "--format", "json"]);
    let history: Value = serde_json::from_str(&history.exits(0).stdout).unwrap();
    assert_eq!(history["registrations"][0]["state"], "not_registered");
}

#[test]
fn vendor_that_is_away_is_told_by_the_next_repair() {
    let (desk, vendor) = (orderly(), Vendor::start());
    let main = desk.configuration();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let away = format!("http://{}/cloudaccounts", nobody.local_addr().unwrap());
    drop(nobody);
    desk.write(
        "rolekeeper.toml",
        &(main.clone() + &vendor.settings().replace(&vendor.url, &away)),
    );
    let repair = desk.run(&["apply", "--yes"]).exits(0);
    assert!(
        repair.stderr.contains("not told to the vendor yet"),
        "{}",
        repair.stderr
    );
    desk.write("rolekeeper.toml", &(main + &vendor.settings()));
    desk.run(&["apply", "--yes"]).exits(0);
    assert!(!vendor.heard().is_empty());
}

fn daemon(desk: &Desk) -> Child {
    desk.command(&["run"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn daemon_that_is_killed_has_told_each_account_once_when_it_comes_back() {
    let (desk, vendor) = (orderly(), Vendor::start());
    let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let http = format!("\n[http]\nlisten = \"{}\"\n", listen.unwrap());
    let settings = vendor.settings() + "revalidate_url = \"\"\n";
    desk.write(
        "rolekeeper.toml",
        &(desk.configuration() + &settings + &http),
    );
    let management = desk.simulator.world().management_account().unwrap();
    let mut accounts = desk.simulator.world().reachable();
    accounts.retain(|account| *account != management);

    let mut killed = daemon(&desk);
    let first = vendor.next();
    killed.kill().unwrap();
    killed.wait().unwrap();
    let mut heard = vec![first];
    let mut keys = |asked: Asked| {
        heard.push(asked);
        let keys: std::collections::BTreeSet<&String> = heard.iter().map(|it| &it.key).collect();
        keys.len()
    };
    let mut again = daemon(&desk);
    // Whatever was under way comes again under its own key; nothing is missing.
    while keys(vendor.next()) < accounts.len() {}
    again.kill().unwrap();
    again.wait().unwrap();
    let keys: std::collections::BTreeSet<(String, String)> = heard
        .into_iter()
        .map(|asked| (asked.key, asked.body))
        .collect();
    assert_eq!(
        keys.len(),
        accounts.len(),
        "one key and one body for each account"
    );
}
