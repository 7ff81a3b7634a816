//! The daemon and the queue of events: somebody's change is looked at now, not at the next sweep.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use rolekeeper_simulator::{DEMO_EXTERNAL_ID, DEMO_ROLE, Drift, Events};
use serde_json::Value;

use crate::harness::Desk;
use crate::writes;

/// An organization in order whose daemon sweeps once a day, and whose events all come twice, not in their order.
fn told() -> Desk {
    let desk = Desk::with(|settings| {
        settings.drift = 0.0;
        settings.denied = 0.0;
        settings.events = Some(Events {
            delay: Duration::from_millis(300),
            lost: 0.0,
            twice: 1.0,
        });
    });
    let queue = desk.simulator.world().queue_url().unwrap();
    let configuration = desk
        .configuration()
        .replace("every = \"5m\"", "every = \"1d\"")
        .replace("mode = \"audit\"", "mode = \"repair\"");
    desk.write(
        "rolekeeper.toml",
        &format!(
            "{configuration}\n[events]\nqueue_url = \"{queue}\"\ngather = \"1s\"\n[http]\nlisten = \"127.0.0.1:0\"\n"
        ),
    );
    desk
}

#[test]
fn an_account_that_joins_and_a_role_that_is_tampered_with_are_put_right_at_once() {
    let desk = told();
    let world = desk.simulator.world();
    // Nothing differs. What it says is that somebody agrees to what new accounts will be given;
    // and the next sweep over everybody is due in a day.
    desk.run(&["apply", "--yes"]).exits(0);
    assert_eq!(writes(&desk), 0);
    let mut child = desk
        .command(&["run"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let mut wait_for = |words: &str| {
        assert!(
            lines.by_ref().any(|line| line.contains(words)),
            "the daemon never said `{words}`"
        );
    };
    wait_for("this replica now writes");

    let new = world.add_account("fresh");
    wait_for("completed: 1 account");
    let role = world.role(new, DEMO_ROLE).unwrap();
    assert!(role.trust.contains(DEMO_EXTERNAL_ID), "{}", role.trust);

    let victim = world.reachable()[5];
    assert!(world.plant(victim, Drift::TrustOpen));
    // The copies of the event before this one may have asked for a look as well.
    for _ in 0..5 {
        wait_for("completed: 1 account");
        if world
            .role(victim, DEMO_ROLE)
            .unwrap()
            .trust
            .contains(DEMO_EXTERNAL_ID)
        {
            break;
        }
    }
    assert!(
        world
            .role(victim, DEMO_ROLE)
            .unwrap()
            .trust
            .contains(DEMO_EXTERNAL_ID)
    );
    let ended = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(ended.success());
    // Read to the end, so that the pipe never fills.
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest:?}");

    let sweeps = desk.run(&["sweeps", "--format", "json"]).exits(0);
    let sweeps: Value = serde_json::from_str(&sweeps.stdout).unwrap();
    let listed = sweeps["sweeps"].as_array().or(sweeps.as_array()).unwrap();
    let by_event = listed
        .iter()
        .filter(|sweep| sweep["trigger"] == "event")
        .count();
    // One for each thing that happened and one for its copy; what the repairs themselves caused is known and asks for none.
    assert!((2..=4).contains(&by_event), "{listed:#?}");
}
