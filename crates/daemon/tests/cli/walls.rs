//! What `check` sees before somebody runs into it, and that it changes nothing by looking.

use expect_test::expect_file;
use rolekeeper_simulator::DEMO_ROLE;

use crate::harness::{Desk, Ran};
use crate::{golden, writes};

/// An organization in order, repaired by schedule, so that what a repair would meet matters.
fn repaired(denied: f64) -> Desk {
    let desk = Desk::with(|settings| {
        settings.drift = 0.0;
        settings.denied = denied;
        settings.control_tower = 0.0;
    });
    desk.write(
        "rolekeeper.toml",
        &desk
            .configuration()
            .replace("mode = \"audit\"", "mode = \"repair\""),
    );
    desk
}

/// Only what `check` says from here on: what stands before is in another transcript.
fn from(mut ran: Ran, what: &str) -> Ran {
    let at = ran.stdout.find(what).unwrap_or_default();
    ran.stdout = ran.stdout.split_off(at);
    ran
}

fn statement(text: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{text}]}}"#)
}

#[test]
fn policies_of_the_organization_that_would_deny_are_told_beforehand() {
    let desk = repaired(0.0);
    let world = desk.simulator.world();
    let root = world.root_id();
    let account = world.reachable()[4].to_string();
    let deny_attaching =
        r#"{"Sid":"NoAttaching","Effect":"Deny","Action":"iam:AttachRolePolicy","Resource":"*"}"#;
    let wants_tag = r#"{"Effect":"Deny","Action":["iam:CreateRole","iam:CreatePolicy"],"Resource":"*","Condition":{"Null":{"aws:RequestTag/CostCenter":"true"}}}"#;
    let from_office = r#"{"Effect":"Deny","Action":"iam:PutRolePolicy","Resource":"*","Condition":{"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}}}"#;
    let perimeter = r#"{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole","Resource":"*","Condition":{"StringNotEqualsIfExists":{"aws:PrincipalOrgID":"ORGANIZATION"},"BoolIfExists":{"aws:PrincipalIsAWSService":"false"}}}"#;
    let organization = desk.run(&["check"]).exits(0).stdout;
    let organization = organization.split("organization: ").nth(1).unwrap();
    let perimeter = perimeter.replace("ORGANIZATION", organization.split(',').next().unwrap());
    // One at the root, one at an account, one that asks for what shows only in the call, one around everything.
    world
        .attach_service_control_policy(&root, &statement(wants_tag))
        .unwrap();
    world
        .attach_service_control_policy(&account, &statement(deny_attaching))
        .unwrap();
    world
        .attach_service_control_policy(&account, &statement(from_office))
        .unwrap();
    world
        .attach_resource_control_policy(&root, &statement(&perimeter))
        .unwrap();
    // The account has to be one of those that are looked at.
    desk.write(
        "rolekeeper.toml",
        &format!(
            "{}\n[select]\ninclude = {{ accounts = [\"{account}\"] }}\n",
            desk.read("rolekeeper.toml")
        ),
    );
    world.reset();
    let check = desk.run(&["check"]).exits(3);
    assert_eq!(writes(&desk), 0);
    // Audits go on: what a repair would meet is then no more than a warning; the vendor is kept out all the same.
    desk.write(
        "rolekeeper.toml",
        &desk
            .read("rolekeeper.toml")
            .replace("mode = \"repair\"", "mode = \"audit\""),
    );
    let audits = desk.run(&["check"]).exits(3);
    let runs = [check, audits].map(|ran| from(ran, "ok       accounts"));
    golden(
        &runs,
        expect_file!["../../../../tests/golden/cli/check_walls.txt"],
    );
}

#[test]
fn what_the_configuration_gives_satisfies_a_policy_that_demands_it() {
    let desk = repaired(0.0);
    let world = desk.simulator.world();
    let wants_owner = r#"{"Effect":"Deny","Action":["iam:CreateRole","iam:CreatePolicy"],"Resource":"*","Condition":{"Null":{"aws:RequestTag/owner":"true"}}}"#;
    world
        .attach_service_control_policy(&world.root_id(), &statement(wants_owner))
        .unwrap();
    let check = desk.run(&["check"]).exits(0);
    assert!(
        check
            .stdout
            .contains("none in the way of a repair or of the vendor"),
        "{}",
        check.stdout
    );
    // And so it is.
    let account = world.reachable()[0];
    assert!(world.remove_role(account, DEMO_ROLE));
    desk.run(&["apply", "--yes", "--accounts", &account.to_string()])
        .exits(0);
}

#[test]
fn an_account_without_an_admin_role_gets_the_template_of_one() {
    let desk = repaired(0.5);
    let account = desk.run(&["plan", "--format", "json"]).exits(3);
    let report: serde_json::Value = serde_json::from_str(&account.stdout).unwrap();
    let accounts = report["accounts"].as_array().unwrap();
    let invited = accounts.iter().find(|account| {
        let said = account["failure"]["message"].as_str().unwrap_or_default();
        said.contains("no admin role could be assumed")
    });
    let id = invited.unwrap()["account_id"].as_str().unwrap().to_owned();
    desk.write(
        "rolekeeper.toml",
        &format!(
            "{}\n[select]\ninclude = {{ accounts = [\"{id}\"] }}\n",
            desk.read("rolekeeper.toml")
        ),
    );
    desk.simulator.world().reset();
    let check = desk.run(&["check"]).exits(3);
    assert_eq!(writes(&desk), 0);
    let template = check
        .stdout
        .split("CAPABILITY_NAMED_IAM):\n")
        .nth(1)
        .unwrap();
    let template: serde_json::Value = serde_json::from_str(template).unwrap();
    let role = &template["Resources"]["AdminRole"]["Properties"];
    assert_eq!(role["RoleName"], "OrganizationAccountAccessRole");
    // It may do what the printed policy says, and no more.
    let printed = desk.run(&["iam-policy", "admin", "--no-rollback"]).exits(0);
    let printed: serde_json::Value = serde_json::from_str(&printed.stdout).unwrap();
    assert_eq!(role["Policies"][0]["PolicyDocument"], printed);
    golden(
        &[from(check, "ok       accounts")],
        expect_file!["../../../../tests/golden/cli/check_template.txt"],
    );
}

#[test]
fn a_check_makes_no_call_that_changes_anything_and_leaves_no_sweep_behind() {
    let desk = Desk::new();
    desk.run(&["plan"]).exits(3);
    let before = desk.run(&["sweeps"]).exits(0).stdout;
    desk.simulator.world().reset();
    desk.run(&["check"]).exits(3);
    assert_eq!(writes(&desk), 0);
    for entry in desk.simulator.world().requests() {
        let reads = ["Get", "List", "Describe", "AssumeRole"]
            .iter()
            .any(|verb| entry.operation.starts_with(verb));
        assert!(reads, "{}", entry.operation);
    }
    assert_eq!(desk.run(&["sweeps"]).exits(0).stdout, before);
}
