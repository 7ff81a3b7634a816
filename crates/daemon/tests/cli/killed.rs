//! Ends that nobody asked for.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use crate::harness::Desk;
use crate::writes;

/// Sends a signal by its number.
fn signal(child: &Child, name: &str) {
    let sent = std::process::Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

#[test]
fn killed_repair_is_finished_by_the_next_one() {
    let desk = Desk::with(|settings| {
        settings.denied = 0.0;
        settings.latency = std::time::Duration::from_millis(20);
    });
    let mut child = desk
        .command(&["apply", "--yes", "-v"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    // The first step is done, others are under way.
    let first = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains(": done")));
    assert!(first.is_some(), "the repair ended before it was killed");
    signal(&child, "KILL");
    assert_eq!(child.wait().unwrap().code(), None);
    let next = desk.run(&["apply", "--yes"]);
    // What cannot be repaired at all (a path, extras that are only reported) is left.
    assert_eq!(next.code, Some(2), "{}\n{}", next.stdout, next.stderr);
    assert!(next.stderr.contains("holds the lease"), "{}", next.stderr);
    let after = writes(&desk);
    desk.run(&["apply", "--yes"]).exits(2);
    assert_eq!(
        writes(&desk),
        after,
        "a third sweep found something to write"
    );
}

#[test]
fn a_repair_that_is_told_to_end_finishes_its_steps_and_leaves_nothing_open() {
    let desk = Desk::with(|settings| {
        settings.denied = 0.0;
        settings.latency = std::time::Duration::from_millis(20);
    });
    let mut child = desk
        .command(&["apply", "--yes", "-v"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let first = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains(": done")));
    assert!(first.is_some(), "the repair ended before it was told to");
    signal(&child, "TERM");
    // Read to the end, so that the pipe never fills.
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    let made = writes(&desk);
    let exported = desk.run(&["journal", "export"]).exits(0).stdout;
    let count = |kind: &str| exported.matches(&format!("\"kind\":\"{kind}\"")).count();
    assert_eq!(count("intent"), count("completion"), "{exported}");
    // One that was stopped just before its call was intended, and completed as not made.
    assert!(made <= count("intent") as u64, "{exported}");
    // The next one need not wait for the lease, and does the rest.
    let next = desk.run(&["apply", "--yes"]).exits(2);
    assert!(!next.stderr.contains("holds the lease"), "{}", next.stderr);
    assert!(made < writes(&desk), "nothing was left to do");
}

#[test]
fn interrupted_sweep_says_so_and_ends_with_130() {
    let desk = Desk::with(|settings| settings.latency = std::time::Duration::from_millis(200));
    let mut child = desk
        .command(&["plan", "-v"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let began = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("began")));
    assert!(began.is_some());
    signal(&child, "INT");
    // Read to the end, so that the pipe never fills.
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
}

#[test]
fn daemon_serves_sweeps_and_ends_in_order() {
    use std::io::{Read as _, Write as _};
    let desk = Desk::new();
    desk.write("token", "a-token-for-the-test\n");
    let listen = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    desk.write(
        "rolekeeper.toml",
        &format!(
            "{}\n[http]\nlisten = \"{listen}\"\ntoken_file = \"token\"\n",
            desk.configuration()
        ),
    );
    let mut child = desk
        .command(&["run"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut wait_for = |words: &str| {
        let found = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains(words)));
        assert!(found.is_some(), "the daemon never said `{words}`");
    };
    let get = |path: &str, token: bool| {
        let mut stream = std::net::TcpStream::connect(listen).unwrap();
        let header = if token {
            "Authorization: Bearer a-token-for-the-test\r\n"
        } else {
            ""
        };
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {listen}\r\nConnection: close\r\n{header}\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    wait_for("is up");
    wait_for("completed: 31 accounts");
    assert!(get("/healthz", false).starts_with("HTTP/1.1 200"));
    assert!(
        get("/readyz", false).starts_with("HTTP/1.1 200"),
        "{}",
        get("/readyz", false)
    );
    assert!(get("/metrics", false).starts_with("HTTP/1.1 401"));
    let metrics = get("/metrics", true);
    assert!(
        metrics.contains("rolekeeper_accounts{outcome=\"failed\"} 2"),
        "{metrics}"
    );
    assert!(get("/", false).contains("<title>"), "no page");
    // A mistake in the file changes nothing; a good file is taken up.
    let good = desk.read("rolekeeper.toml");
    desk.write("rolekeeper.toml", "[limits]\nconcurrency = \"lots\"\n");
    signal(&child, "HUP");
    wait_for("the old one stays in force");
    desk.write("rolekeeper.toml", &good);
    signal(&child, "HUP");
    wait_for("was read again");
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(writes(&desk), 0);
}
