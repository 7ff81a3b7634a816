//! An account that is closed: the vendor hears of it when AWS tells, not at the next sweep.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use rolekeeper_domain::account::AccountState;
use rolekeeper_simulator::Events;

use crate::harness::Desk;

/// Longer than anything here takes, far shorter than the schedule.
const PATIENCE: Duration = Duration::from_secs(60);

/// A vendor that takes everything and tells what it was asked: method and path.
fn vendor() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/accounts", listener.local_addr().unwrap());
    let (sender, asked) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let sender = sender.clone();
            std::thread::spawn(move || serve(stream.unwrap(), &sender));
        }
    });
    (url, asked)
}

fn serve(stream: TcpStream, sender: &Sender<String>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let (mut call, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if call.is_empty() {
                call = line.trim_end_matches(" http/1.1").to_owned();
            } else if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        // The test may have seen enough.
        let _gone = sender.send(call);
        let answer = "{\"id\":\"the-one\"}";
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

#[test]
fn the_vendor_hears_of_a_closed_account_when_aws_tells() {
    let desk = Desk::with(|settings| {
        settings.accounts = 4;
        settings.drift = 0.0;
        settings.denied = 0.0;
        settings.inactive = 0.0;
        settings.events = Some(Events {
            delay: Duration::from_millis(300),
            lost: 0.0,
            twice: 0.0,
        });
    });
    let world = desk.simulator.world();
    let (url, asked) = vendor();
    let configuration = desk
        .configuration()
        .replace("every = \"5m\"", "every = \"1d\"");
    let queue = world.queue_url().unwrap();
    desk.write(
        "rolekeeper.toml",
        &format!(
            "{configuration}\n[events]\nqueue_url = \"{queue}\"\ngather = \"1s\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [register]\npreset = \"cloudcoreo\"\nurl = \"{url}\"\nsecret = \"between-us\"\nrevalidate_url = \"\"\n\
             withdraw_url = \"{url}/${{vendor_id}}\"\n"
        ),
    );
    let mut child = desk
        .command(&["run"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let management = world.management_account().unwrap();
    let accounts: Vec<_> = world
        .reachable()
        .into_iter()
        .filter(|account| *account != management)
        .collect();
    for _ in &accounts {
        let call = asked.recv_timeout(PATIENCE).unwrap();
        assert_eq!(call, "post /accounts");
    }
    assert!(world.set_state(accounts[0], AccountState::Closed));
    let call = asked.recv_timeout(PATIENCE).unwrap();
    assert_eq!(call, "delete /accounts/the-one");
    let ended = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(ended.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
