//! The store is gone, or is one of yesterday: what docs/OPERATIONS.md promises.

use rolekeeper_domain::account::AccountId;
use rolekeeper_simulator::{DEMO_EXTERNAL_ID, DEMO_ROLE, Drift};

use crate::harness::Desk;
use crate::writes;

const STORE: &str = "rolekeeper-demo.db";

fn orderly(provisioned: bool) -> Desk {
    Desk::with(|settings| {
        settings.provisioned = provisioned;
        settings.drift = 0.0;
        settings.denied = 0.0;
    })
}

/// Every account's role and policy.
fn everything(desk: &Desk) -> Vec<(AccountId, String)> {
    let world = desk.simulator.world();
    let of = |account: AccountId| {
        let (role, policy) = (
            world.role(account, DEMO_ROLE),
            world.policy(account, DEMO_ROLE),
        );
        (account, format!("{role:?} {policy:?}"))
    };
    world.reachable().into_iter().map(of).collect()
}

/// The files of a store, which may be three.
fn files(desk: &Desk) -> Vec<std::path::PathBuf> {
    ["", "-wal", "-shm"]
        .iter()
        .map(|end| desk.path(&format!("{STORE}{end}")))
        .filter(|path| path.exists())
        .collect()
}

#[test]
fn a_lost_store_is_filled_again_from_what_is_there_and_nothing_is_made_twice() {
    let desk = orderly(false);
    desk.run(&["apply", "--yes"]).exits(0);
    let made = everything(&desk);
    for file in files(&desk) {
        std::fs::remove_file(file).unwrap();
    }
    desk.simulator.world().reset();
    // An audit first, then the mode it had.
    let plan = desk.run(&["plan"]).exits(0);
    assert!(plan.stdout.contains("in sync"), "{}", plan.stdout);
    desk.run(&["apply", "--yes"]).exits(0);
    assert_eq!(writes(&desk), 0, "something was made twice");
    assert_eq!(everything(&desk), made);
    // By its tag the role is still rolekeeper's: what somebody changes is put right.
    let account = desk.simulator.world().reachable()[3];
    assert!(
        desk.simulator
            .world()
            .plant(account, Drift::TrustWithoutExternalId)
    );
    desk.run(&["apply", "--yes", "--accounts", &account.to_string()])
        .exits(0);
    assert!(
        desk.simulator
            .world()
            .role(account, DEMO_ROLE)
            .unwrap()
            .trust
            .contains(DEMO_EXTERNAL_ID)
    );
    desk.run(&["journal", "verify"]).exits(0);
}

#[test]
fn a_store_of_yesterday_knows_by_tag_what_was_made_since() {
    let desk = orderly(true);
    let world = desk.simulator.world();
    let account = world.reachable()[0];
    desk.run(&["apply", "--yes"]).exits(0);
    // Nothing runs: the files are the whole of it.
    let backup: Vec<_> = files(&desk)
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(&path).unwrap()))
        .collect();
    assert!(world.remove_role(account, DEMO_ROLE));
    desk.run(&["apply", "--yes"]).exits(0);
    assert!(
        desk.run(&["history", &account.to_string()])
            .exits(0)
            .stdout
            .contains("iam:CreateRole")
    );
    for file in files(&desk) {
        std::fs::remove_file(file).unwrap();
    }
    for (path, bytes) in backup {
        std::fs::write(path, bytes).unwrap();
    }
    desk.run(&["check"]).exits(0);
    desk.run(&["journal", "verify"]).exits(0);
    // The journal does not know of the role; its tag does.
    assert!(
        !desk
            .run(&["history", &account.to_string()])
            .stdout
            .contains("iam:CreateRole")
    );
    world.reset();
    desk.run(&["plan"]).exits(0);
    desk.run(&["apply", "--yes"]).exits(0);
    assert_eq!(writes(&desk), 0);
    assert!(world.plant(account, Drift::AttachmentMissing));
    desk.run(&["apply", "--yes"]).exits(0);
    assert_eq!(world.role(account, DEMO_ROLE).unwrap().attached.len(), 1);
}

#[test]
fn a_damaged_store_is_refused_and_left_as_it_is() {
    let desk = orderly(true);
    desk.run(&["plan"]).exits(0);
    for file in files(&desk).into_iter().skip(1) {
        std::fs::remove_file(file).unwrap();
    }
    let mut bytes = std::fs::read(desk.path(STORE)).unwrap();
    for byte in bytes.iter_mut().skip(4096).take(2048) {
        *byte = 0x5a;
    }
    std::fs::write(desk.path(STORE), &bytes).unwrap();
    let refused = desk.run(&["apply", "--yes"]).exits(1);
    assert!(refused.stderr.contains("damaged"), "{}", refused.stderr);
    assert_eq!(std::fs::read(desk.path(STORE)).unwrap(), bytes);
    assert_eq!(writes(&desk), 0);
    let check = desk.run(&["check"]).exits(1);
    assert!(check.stdout.contains("error    store"), "{}", check.stdout);
}
