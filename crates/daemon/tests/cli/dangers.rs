//! Specifications that are dangerous wherever they are written.

use crate::harness::Desk;
use crate::writes;

const ANYONE: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]}"#;

/// A desk whose configuration has one more role, with these lines.
fn with_role(lines: &str) -> Desk {
    let desk = Desk::with(|settings| {
        settings.drift = 0.0;
        settings.denied = 0.0;
    });
    let text = format!("{}\n[[roles]]\n{lines}\n", desk.configuration());
    desk.write("rolekeeper.toml", &text);
    desk
}

#[test]
fn a_dangerous_role_is_refused_until_it_is_said_to_be_meant_and_then_warned_of() {
    let role = format!("name = \"Open\"\ntrust_policy = '{ANYONE}'");
    let desk = with_role(&role);
    for command in [&["plan"][..], &["apply", "--yes"], &["check", "--offline"]] {
        let refused = desk.run(command).exits(1);
        let said = &refused.stderr;
        assert!(said.contains("lets anyone in any AWS account"), "{said}");
        assert!(
            said.contains(r#"i_understand = ["anyone_may_assume"]"#),
            "{said}"
        );
    }
    assert_eq!(desk.simulator.world().requests().len(), 0);

    // Another danger's word is no word for this one.
    let other = with_role(&format!("{role}\ni_understand = [\"no_external_id\"]"));
    other.run(&["plan"]).exits(1);
    assert_eq!(other.simulator.world().requests().len(), 0);

    let meant = with_role(&format!("{role}\ni_understand = [\"anyone_may_assume\"]"));
    let plan = meant.run(&["plan"]).exits(2);
    let first = plan.stderr.lines().next().unwrap_or_default();
    assert!(
        first.contains("warning") && first.contains("lets anyone in any AWS account"),
        "{}",
        plan.stderr
    );
    assert_eq!(writes(&meant), 0);
    meant.run(&["apply", "--yes"]).exits(0);
    let world = meant.simulator.world();
    for account in world.reachable() {
        assert!(world.role(account, "Open").is_some(), "{account}");
    }
}

#[test]
fn a_role_that_can_never_be_meant_is_refused_whatever_is_understood() {
    let never = [
        ("OrganizationAccountAccessRole", "lock rolekeeper out"),
        ("AWSReservedSSO_Admins_1234567890abcdef", "would undo"),
    ];
    let words = r#"i_understand = ["locks_us_out", "reserved_name", "no_external_id", "anyone_may_assume"]"#;
    for (name, why) in never {
        let desk = with_role(&format!(
            "preset = \"cloudcoreo\"\nname = \"{name}\"\nvendor_account_id = \"999999999999\"\nexternal_id = \"abcdef\"\n{words}"
        ));
        for command in [&["plan"][..], &["apply", "--yes"], &["run"]] {
            let refused = desk.run(command).exits(1);
            assert!(refused.stderr.contains(why), "{}", refused.stderr);
            assert!(
                !refused.stderr.contains("if this is meant"),
                "{}",
                refused.stderr
            );
        }
        assert_eq!(desk.simulator.world().requests().len(), 0, "{name}");
    }
}
