//! Where the hub's credentials come from in each place that deploy/README.md names, other than the environment.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::Command;

use rolekeeper_simulator::{HUB_ACCESS_KEY, HUB_SECRET_KEY};

use crate::harness::{Desk, Ran};

fn orderly() -> Desk {
    Desk::with(|settings| {
        settings.drift = 0.0;
        settings.denied = 0.0;
    })
}

/// The program without any keys in its environment.
fn keyless(desk: &Desk) -> Command {
    let mut command = desk.command(&["plan"]);
    command
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("HOME", desk.path("."));
    command
}

fn plans(desk: &Desk, mut command: Command) {
    let output = command.output().unwrap();
    let ran = Ran::new(&["plan"], &output, desk).exits(0);
    assert!(ran.stdout.contains("in sync"), "{}", ran.stdout);
}

/// IAM Roles Anywhere: `aws_signing_helper` is such a program.
#[test]
fn credentials_come_from_a_program_that_a_profile_names() {
    let desk = orderly();
    desk.write(
        "keys.json",
        &format!(
            r#"{{"Version": 1, "AccessKeyId": "{HUB_ACCESS_KEY}", "SecretAccessKey": "{HUB_SECRET_KEY}"}}"#
        ),
    );
    desk.write(
        "aws-config",
        &format!(
            "[profile anywhere]\ncredential_process = cat {}\n",
            desk.path("keys.json").display()
        ),
    );
    let mut command = keyless(&desk);
    command
        .env("AWS_CONFIG_FILE", desk.path("aws-config"))
        .env("AWS_PROFILE", "anywhere")
        .env("PATH", "/usr/bin:/bin");
    plans(&desk, command);
}

/// EKS Pod Identity, and ECS: an agent hands them out to who shows the token of the pod.
#[test]
fn credentials_come_from_the_agent_of_a_container() {
    let desk = orderly();
    desk.write("pod-token", "a-token-of-the-pod");
    let agent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = agent.local_addr().unwrap();
    let serving = std::thread::spawn(move || {
        let (stream, _) = agent.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let asked: Vec<String> = lines
            .by_ref()
            .map_while(Result::ok)
            .take_while(|line| !line.is_empty())
            .collect();
        let body = format!(
            r#"{{"AccessKeyId": "{HUB_ACCESS_KEY}", "SecretAccessKey": "{HUB_SECRET_KEY}", "Token": "none", "Expiration": "2126-11-24T06:30:00Z"}}"#
        );
        write!(
            &stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        asked
    });
    let mut command = keyless(&desk);
    command
        .env(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            format!("http://{address}/v1/credentials"),
        )
        .env(
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            desk.path("pod-token"),
        );
    plans(&desk, command);
    let asked = serving.join().unwrap();
    assert!(
        asked
            .iter()
            .any(|line| line.eq_ignore_ascii_case("authorization: a-token-of-the-pod")),
        "{asked:?}"
    );
}
