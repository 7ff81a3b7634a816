//! Rollbacks that have nothing to undo.

use serde_json::Value;

use crate::harness::Desk;
use crate::writes;

#[test]
fn a_rollback_that_finds_nothing_to_undo_says_so() {
    let desk = Desk::with(|settings| {
        settings.drift = 0.0;
        settings.denied = 0.0;
    });
    desk.run(&["apply", "--yes"]).exits(0);
    let sweeps = desk.run(&["sweeps", "--format", "json"]).exits(0);
    let sweeps: Value = serde_json::from_str(&sweeps.stdout).unwrap();
    let sweep = sweeps["sweeps"][0]["id"].as_str().unwrap();
    for how in ["--plan", "--yes"] {
        let ran = desk.run(&["rollback", "--sweep", sweep, how]).exits(1);
        assert!(
            ran.stderr.contains("no write is on record"),
            "{}",
            ran.stderr
        );
    }
    assert_eq!(writes(&desk), 0);
}
