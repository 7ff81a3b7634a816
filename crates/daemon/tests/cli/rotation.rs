//! The external id changed without a gap, as a person goes through it.

use expect_test::expect_file;
use rolekeeper_simulator::DEMO_EXTERNAL_ID;
use serde_json::Value;

use crate::golden;
use crate::harness::{Desk, Ran};
use crate::writes;

const NEXT: &str = "demo-next-4c1d8e";
const PRESENT: &str = "external_id = \"demo-7f3a9c52\"";

fn small() -> Desk {
    Desk::with(|settings| {
        settings.accounts = 6;
        settings.drift = 0.0;
        settings.denied = 0.0;
        settings.inactive = 0.0;
        settings.control_tower = 0.0;
    })
}

/// The configuration with these lines in the place of the present id's.
fn configure(desk: &Desk, lines: &str) {
    desk.write(
        "rolekeeper.toml",
        &desk.configuration().replace(PRESENT, lines),
    );
}

fn guide(desk: &Desk) -> Ran {
    desk.run(&["rotate-external-id"])
}

#[test]
fn an_external_id_is_changed_step_by_step() {
    let desk = small();
    desk.write("next-id", &format!("{NEXT}\n"));
    let nothing = guide(&desk).exits(0);
    configure(
        &desk,
        &format!("{PRESENT}\nnext_external_id_file = \"next-id\""),
    );
    let add = guide(&desk).exits(2);
    assert_eq!(writes(&desk), 0, "the guide wrote something");
    let plan = desk.run(&["plan"]).exits(2);
    desk.run(&["apply", "--yes"]).exits(0);
    let hand_over = guide(&desk).exits(0);
    configure(
        &desk,
        &format!(
            "{PRESENT}\nnext_external_id_file = \"next-id\"\nexternal_id_rotation = \"next_only\""
        ),
    );
    let drop = guide(&desk).exits(2);
    desk.run(&["apply", "--yes"]).exits(0);
    let finish = guide(&desk).exits(0);
    let told = desk
        .run(&["rotate-external-id", "--format", "json"])
        .exits(0);
    let document: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(document["roles"][0]["step"], "finish");
    configure(&desk, "external_id_file = \"next-id\"");
    desk.run(&["plan"]).exits(0);
    let done = guide(&desk).exits(0);
    let runs = [nothing, add, plan, hand_over, drop, finish, done];
    let shown: String = runs.iter().map(Ran::transcript).collect();
    assert!(
        !shown.contains(NEXT) && !shown.contains(DEMO_EXTERNAL_ID),
        "an id was shown: {shown}"
    );
    assert!(!told.stdout.contains(NEXT), "{}", told.stdout);
    golden(
        &runs,
        expect_file!["../../../../tests/golden/cli/rotation.txt"],
    );
}

#[test]
fn an_account_that_cannot_be_looked_at_makes_the_change_wait() {
    let desk = Desk::with(|settings| {
        settings.accounts = 6;
        settings.drift = 0.0;
        settings.denied = 0.2;
        settings.inactive = 0.0;
        settings.control_tower = 0.0;
    });
    configure(&desk, &format!("{PRESENT}\nnext_external_id = \"{NEXT}\""));
    desk.run(&["apply", "--yes"]).exits(3);
    let add = guide(&desk).exits(3);
    configure(
        &desk,
        &format!("{PRESENT}\nnext_external_id = \"{NEXT}\"\nexternal_id_rotation = \"next_only\""),
    );
    let before = writes(&desk);
    let early = desk.run(&["apply", "--yes"]).exits(3);
    assert_eq!(writes(&desk), before, "an id was taken away too early");
    let waits = guide(&desk).exits(3);
    golden(
        &[add, early, waits],
        expect_file!["../../../../tests/golden/cli/rotation_waits.txt"],
    );
}

#[test]
fn a_change_that_cannot_be_meant_is_refused_with_the_key_and_the_reason() {
    let desk = small();
    let mut runs = Vec::new();
    for lines in [
        format!("{PRESENT}\nnext_external_id = \"demo-7f3a9c52\""),
        format!("{PRESENT}\nnext_external_id = \"x\""),
        format!("{PRESENT}\nexternal_id_rotation = \"next_only\""),
        format!("{PRESENT}\nnext_external_id = \"{NEXT}\"\nexternal_id_rotation = \"now\""),
        format!(
            "{PRESENT}\nnext_external_id = \"{NEXT}\"\ntrust_policy = '''{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Effect\":\"Allow\",\"Principal\":{{\"AWS\":\"999999999999\"}},\"Action\":\"sts:AssumeRole\",\"Condition\":{{\"StringEquals\":{{\"sts:ExternalId\":\"fixed\"}}}}}}]}}'''"
        ),
    ] {
        configure(&desk, &lines);
        runs.push(guide(&desk).exits(1));
    }
    runs.push(desk.run(&["rotate-external-id", "--role", "Nobody"]));
    configure(&desk, PRESENT);
    runs.push(
        desk.run(&["rotate-external-id", "--role", "Nobody"])
            .exits(1),
    );
    assert_eq!(desk.simulator.world().requests().len(), 0);
    golden(
        &runs,
        expect_file!["../../../../tests/golden/cli/rotation_refused.txt"],
    );
}
