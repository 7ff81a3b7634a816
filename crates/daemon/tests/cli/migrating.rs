//! Roles that another tool made are taken over as docs/MIGRATING.md says.

use expect_test::expect_file;
use rolekeeper_domain::account::AccountId;
use rolekeeper_simulator::{AccountView, DEMO_EXTERNAL_ID, DEMO_ROLE, DEMO_VENDOR};

use crate::harness::Desk;
use crate::other_hand::OtherHand;
use crate::{golden, writes};

/// The FAQ's policy, spelled as another tool would.
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"NoUsers","Effect":"Deny","Action":"iam:createuser","Resource":["*"]},
    {"Sid":"All","Effect":"Allow","Action":"*","Resource":["*"]}]}"#;

const CONFIGURATION: &str = r#"
[select]
include = { accounts = [ACCOUNTS] }

[[roles]]
preset = "cloudcoreo"
vendor_account_id = "999999999999"
external_id = "demo-7f3a9c52"
"#;

fn trust(condition: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"{DEMO_VENDOR}"}},"Action":["sts:AssumeRole"]{condition}}}}}"#
    )
}

fn agreed() -> String {
    trust(&format!(
        r#","Condition":{{"StringEquals":{{"sts:ExternalId":["{DEMO_EXTERNAL_ID}"]}}}}"#
    ))
}

/// An organization that nobody has put the role into, and the accounts that another tool did: right, and with an open
/// trust policy. The third has no role at all.
fn migrating() -> (Desk, [AccountId; 3]) {
    let desk = Desk::with(|settings| {
        settings.provisioned = false;
        settings.drift = 0.0;
        settings.denied = 0.0;
        settings.control_tower = 0.0;
    });
    let world = desk.simulator.world();
    let ready =
        |account: &AccountView| account.is_reachable && world.role(account.id, DEMO_ROLE).is_none();
    let accounts = world.accounts();
    let mut ids = accounts
        .iter()
        .filter(|account| ready(account))
        .map(|account| account.id);
    let three = [(); 3].map(|()| ids.next().unwrap());
    OtherHand::within(&desk, three[0]).make_role(DEMO_ROLE, &agreed(), POLICY);
    OtherHand::within(&desk, three[1]).make_role(DEMO_ROLE, &trust(""), POLICY);
    configure(&desk, &three, "");
    (desk, three)
}

fn configure(desk: &Desk, accounts: &[AccountId], more: &str) {
    let ids: Vec<String> = accounts
        .iter()
        .map(|account| format!("\"{account}\""))
        .collect();
    let configuration = CONFIGURATION.replace("ACCOUNTS", &ids.join(", "));
    let endpoint = desk.simulator.endpoint_url();
    desk.write(
        "rolekeeper.toml",
        &format!("{configuration}{more}\n[aws]\nendpoint_url = \"{endpoint}\"\n"),
    );
}

#[test]
fn a_role_of_another_tool_is_adopted_without_a_write_and_one_that_differs_is_left_alone() {
    let (desk, [equal, open, bare]) = migrating();
    let world = desk.simulator.world();
    let before = (world.role(equal, DEMO_ROLE), world.role(open, DEMO_ROLE));
    desk.simulator.world().reset();
    let plan = desk.run(&["plan"]).exits(2);
    assert_eq!(writes(&desk), 0);
    // One account first, as the page says.
    let one = desk
        .run(&["apply", "--yes", "--accounts", &equal.to_string()])
        .exits(0);
    assert_eq!(writes(&desk), 0, "adopting wrote something");
    let all = desk.run(&["apply", "--yes"]).exits(2);
    assert_eq!(
        (world.role(equal, DEMO_ROLE), world.role(open, DEMO_ROLE)),
        before
    );
    assert!(world.role(bare, DEMO_ROLE).is_some());
    let runs = [
        plan,
        one,
        all,
        desk.run(&["history", &equal.to_string()]).exits(0),
    ];
    golden(
        &runs,
        expect_file!["../../../../tests/golden/cli/migrating.txt"],
    );
}

#[test]
fn what_was_adopted_is_kept_right_and_what_was_not_stays_withheld() {
    let (desk, [equal, open, _]) = migrating();
    let world = desk.simulator.world();
    desk.run(&["apply", "--yes"]).exits(2);
    let hand = OtherHand::within(&desk, equal);
    hand.iam(&[
        ("Action", "UpdateAssumeRolePolicy"),
        ("RoleName", DEMO_ROLE),
        ("PolicyDocument", &trust("")),
    ]);
    // It differs now, and is rolekeeper's all the same.
    desk.run(&["apply", "--yes", "--accounts", &equal.to_string()])
        .exits(0);
    let role = world.role(equal, DEMO_ROLE).unwrap();
    assert!(role.trust.contains(DEMO_EXTERNAL_ID), "{}", role.trust);
    let left = desk
        .run(&["apply", "--yes", "--accounts", &open.to_string()])
        .exits(2);
    assert!(
        left.stdout.contains("was not made by rolekeeper"),
        "{}",
        left.stdout
    );
    assert!(
        !world
            .role(open, DEMO_ROLE)
            .unwrap()
            .trust
            .contains(DEMO_EXTERNAL_ID)
    );
}

#[test]
fn always_makes_a_role_of_another_tool_right_and_never_touches_none() {
    let (desk, [equal, open, bare]) = migrating();
    let world = desk.simulator.world();
    configure(&desk, &[equal, open, bare], "adopt = \"never\"\n");
    let before = (world.role(equal, DEMO_ROLE), world.role(open, DEMO_ROLE));
    desk.run(&["apply", "--yes"]);
    assert_eq!(
        (world.role(equal, DEMO_ROLE), world.role(open, DEMO_ROLE)),
        before
    );
    configure(&desk, &[equal, open, bare], "adopt = \"always\"\n");
    desk.run(&["apply", "--yes"]).exits(0);
    assert!(
        world
            .role(open, DEMO_ROLE)
            .unwrap()
            .trust
            .contains(DEMO_EXTERNAL_ID)
    );
    world.reset();
    desk.run(&["apply", "--yes"]).exits(0);
    assert_eq!(writes(&desk), 0);
}
