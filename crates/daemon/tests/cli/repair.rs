//! Changing things: repair, saved plans, halt, undo.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use expect_test::expect_file;
use rolekeeper_simulator::Drift;
use serde_json::Value;

use crate::harness::Desk;
use crate::{golden, writes};

#[test]
fn second_repair_writes_nothing() {
    let desk = Desk::new();
    let first = desk.run(&["apply", "--yes"]).exits(3);
    let after_first = writes(&desk);
    assert!(after_first > 0);
    let second = desk.run(&["apply", "--yes"]).exits(3);
    assert_eq!(writes(&desk), after_first);
    golden(
        &[first, second],
        expect_file!["../../../../tests/golden/cli/apply.txt"],
    );
}

#[test]
fn saved_plan_is_carried_out_and_a_changed_account_is_refused() {
    let desk = Desk::with(|settings| {
        settings.drift = 0.0;
        settings.denied = 0.0;
    });
    let world = desk.simulator.world();
    let accounts = world.reachable();
    let (kept, changed) = (accounts[0], accounts[1]);
    for account in [kept, changed] {
        assert!(world.plant(account, Drift::TrustOpen));
    }
    let plan = desk.run(&["plan", "--out", "plan.json"]).exits(2);
    let file: Value = serde_json::from_str(&desk.read("plan.json")).unwrap();
    assert_eq!(file["schema"], "rolekeeper.plan/v1");
    assert_eq!(file["plans"].as_array().unwrap().len(), 2);
    // Somebody else was faster in one of them.
    assert!(world.plant(changed, Drift::TrustOtherAccount));
    let apply = desk.run(&["apply", "plan.json", "--yes"]).exits(2);
    let again = desk.run(&[
        "apply",
        "plan.json",
        "--yes",
        "--accounts",
        &kept.to_string(),
    ]);
    let history = desk.run(&["history", &kept.to_string()]).exits(0);
    golden(
        &[plan, apply, again, history],
        expect_file!["../../../../tests/golden/cli/plan_file.txt"],
    );
}

#[test]
fn plan_file_is_for_its_owner_alone_and_cannot_be_edited() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new();
    desk.run(&["plan", "--out", "plan.json"]).exits(3);
    let mode = std::fs::metadata(desk.path("plan.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    let edited = desk
        .read("plan.json")
        .replacen("iam:UpdateAssumeRolePolicy", "iam:DeleteRole", 1);
    desk.write("edited.json", &edited);
    desk.write("garbage.json", "{\"schema\": 7");
    desk.write(
        "rolekeeper.toml",
        &desk
            .configuration()
            .replace("demo-7f3a9c52", "another-secret"),
    );
    let runs = [
        desk.run(&["apply", "edited.json", "--yes"]).exits(1),
        desk.run(&["apply", "garbage.json", "--yes"]).exits(1),
        desk.run(&["apply", "nowhere.json", "--yes"]).exits(1),
        desk.run(&["apply", "plan.json", "--yes"]).exits(1),
    ];
    assert_eq!(writes(&desk), 0);
    golden(
        &runs,
        expect_file!["../../../../tests/golden/cli/plan_file_refused.txt"],
    );
}

#[test]
fn halt_stops_repairs_until_it_is_lifted() {
    let desk = Desk::with(|settings| settings.denied = 0.0);
    // In the wrong folder nobody would hear it.
    let unheard = desk.run(&["halt", "--why", "incident 4711"]).exits(1);
    desk.run(&["resume"]).exits(1);
    desk.run(&["approve"]).exits(1);
    assert!(!desk.path("rolekeeper-demo.db").exists());
    desk.run(&["plan"]).exits(2);
    let runs = [
        unheard,
        desk.run(&["halt", "--why", "incident 4711"]).exits(0),
        desk.run(&["apply", "--yes"]).exits(1),
        desk.run(&["resume"]).exits(0),
        desk.run(&["resume"]).exits(0),
    ];
    assert_eq!(writes(&desk), 0);
    desk.run(&["apply", "--yes"]).exits(2);
    assert!(writes(&desk) > 0);
    golden(&runs, expect_file!["../../../../tests/golden/cli/halt.txt"]);
}

#[test]
fn sweep_can_be_undone() {
    let desk = Desk::with(|settings| {
        settings.drift = 0.0;
        settings.denied = 0.0;
    });
    let world = desk.simulator.world();
    let account = world.reachable()[0];
    let name = "CloudCoreoAssumedRolePolicy";
    assert!(world.plant(account, Drift::TrustOpen));
    let before = world.role(account, name).unwrap();
    desk.run(&["apply", "--yes"]).exits(0);
    let sweeps: Value =
        serde_json::from_str(&desk.run(&["sweeps", "--format", "json"]).exits(0).stdout).unwrap();
    let sweep = sweeps["sweeps"][0]["id"].as_str().unwrap().to_owned();
    let after_apply = writes(&desk);
    let plan = desk
        .run(&["rollback", "--sweep", &sweep, "--plan"])
        .exits(2);
    assert_eq!(writes(&desk), after_apply);
    // Undone, the account differs from the specification again.
    let undo = desk.run(&["rollback", "--sweep", &sweep, "--yes"]).exits(2);
    assert_eq!(world.role(account, name).unwrap().trust, before.trust);
    let halted = desk.run(&["apply", "--yes"]).exits(1);
    golden(
        &[plan, undo, halted],
        expect_file!["../../../../tests/golden/cli/rollback.txt"],
    );
}

#[test]
fn repair_that_nobody_agreed_to_waits_and_is_approved_from_another_terminal() {
    let desk = Desk::with(|settings| {
        settings.drift = 0.0;
        settings.denied = 0.0;
    });
    let world = desk.simulator.world();
    assert!(world.plant(world.reachable()[0], Drift::RoleMissing));
    desk.run(&["plan"]).exits(2);
    desk.run(&["approve"]).exits(0);
    desk.run(&["approve", "20261124T063000Z-0badcafe"]).exits(1);
    // No terminal, no `--yes`: nobody said a word yet.
    let mut apply = desk
        .command(&["apply"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(apply.stderr.take().unwrap()).lines();
    let waits = lines
        .find_map(|line| Some(line.ok()?.split_once("rolekeeper approve ")?.1.to_owned()))
        .expect("it says that it waits");
    assert_eq!(writes(&desk), 0);
    let shown = desk.run(&["approve"]).exits(0);
    assert!(shown.stdout.contains(&waits), "{}", shown.stdout);
    assert!(
        shown.stdout.contains("may assume the role"),
        "{}",
        shown.stdout
    );
    desk.run(&["approve", &waits]).exits(0);
    // Read to the end, so that the pipe never fills.
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert_eq!(apply.wait().unwrap().code(), Some(0), "{rest:?}");
    // From now on it is known: what somebody takes away is put back without a word.
    assert!(world.plant(world.reachable()[1], Drift::PolicyNarrower));
    desk.run(&["apply"]).exits(0);
}
