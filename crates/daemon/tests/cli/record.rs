//! The record: what was tampered with is named, and an older sweep can be read again.

use rolekeeper_simulator::Drift;
use serde_json::Value;

use crate::harness::{Desk, Ran};

/// An organization whose first account differs, and is put right.
fn repaired() -> Desk {
    let desk = Desk::with(|settings| {
        settings.drift = 0.0;
        settings.denied = 0.0;
    });
    let world = desk.simulator.world();
    for account in world.reachable().into_iter().take(3) {
        assert!(world.plant(account, Drift::AttachmentMissing));
    }
    desk.run(&["apply", "--yes"]).exits(0);
    desk
}

/// The journal as it is exported, a record a line.
fn exported(desk: &Desk) -> Vec<String> {
    let lines = desk.run(&["journal", "export"]).exits(0).stdout;
    lines.lines().map(str::to_owned).collect()
}

fn number(line: &str) -> i64 {
    let line: Value = serde_json::from_str(line).unwrap();
    line["seq"].as_i64().unwrap()
}

/// These lines in a file, followed.
fn verified(desk: &Desk, lines: &[String]) -> Ran {
    desk.write("journal.jsonl", &(lines.join("\n") + "\n"));
    desk.run(&["journal", "verify", "journal.jsonl"])
}

#[track_caller]
fn refused_naming(ran: Ran, what: &str) {
    let ran = ran.exits(1);
    assert!(ran.stderr.contains(what), "{}", ran.stderr);
    assert!(ran.stderr.contains("docs/SECURITY.md"), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_record_that_was_edited_in_an_export_is_named() {
    let desk = repaired();
    let mut lines = exported(&desk);
    assert!(lines.len() >= 6, "{lines:#?}");
    verified(&desk, &lines).exits(0);
    // Somebody else is said to have done it.
    let edited = lines
        .iter()
        .position(|line| line.contains("somebody at the command line") && line.contains("intent"))
        .unwrap();
    lines[edited] = lines[edited].replace("somebody at", "nobody at");
    let what = format!("record {} was changed", number(&lines[edited]));
    refused_naming(verified(&desk, &lines), &what);
}

#[test]
fn records_that_were_cut_out_of_the_middle_of_an_export_are_missed() {
    let desk = repaired();
    let mut lines = exported(&desk);
    let gone: Vec<String> = lines.drain(2..4).collect();
    let (after, found) = (number(&gone[0]) - 1, number(&gone[1]) + 1);
    let what = format!("after record {after} comes record {found}");
    refused_naming(verified(&desk, &lines), &what);
    // Half a line is no record either.
    let mut lines = exported(&desk);
    lines[3].truncate(20);
    refused_naming(verified(&desk, &lines), "line 4 is not a record");
}

#[test]
fn a_report_of_an_older_sweep_is_of_that_one_and_not_of_the_last() {
    let desk = Desk::with(|settings| {
        settings.drift = 0.0;
        settings.denied = 0.0;
    });
    let world = desk.simulator.world();
    let account = world.reachable()[0];
    assert!(world.plant(account, Drift::TrustOpen));
    let older: Value =
        serde_json::from_str(&desk.run(&["plan", "--format", "json"]).exits(2).stdout).unwrap();
    desk.run(&["apply", "--yes"]).exits(0);
    let last: Value =
        serde_json::from_str(&desk.run(&["plan", "--format", "json"]).exits(0).stdout).unwrap();
    let id = older["sweep"]["id"].as_str().unwrap();
    assert_ne!(older["sweep"]["id"], last["sweep"]["id"]);
    let told: Value = serde_json::from_str(
        &desk
            .run(&["report", "--sweep", id, "--format", "json"])
            .exits(0)
            .stdout,
    )
    .unwrap();
    assert_eq!(told, older);
    let csv = desk
        .run(&["report", "--sweep", id, "--format", "csv"])
        .exits(0)
        .stdout;
    assert!(csv.contains(id) && csv.contains("trust_policy"), "{csv}");
    assert!(!csv.contains(last["sweep"]["id"].as_str().unwrap()));
    // Without a name it is the last one.
    let told = desk.run(&["report", "--format", "json"]).exits(0).stdout;
    assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), last);
}
