//! What people get wrong, and what they are told.

use expect_test::expect_file;

use crate::golden;
use crate::harness::{Desk, Ran};

#[test]
fn every_mistake_is_told_with_what_to_do() {
    let desk = Desk::new();
    desk.write(
        "misspelled.toml",
        &desk.configuration().replace("quota_share", "qouta_share"),
    );
    desk.write("anyone.toml", "[[roles]]\nname = \"Open\"\ntrust_policy = '''{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"sts:AssumeRole\"}]}'''\n");
    desk.write("protected.toml", "[[roles]]\npreset = \"cloudcoreo\"\nname = \"AWSControlTowerExecution\"\nvendor_account_id = \"999999999999\"\nexternal_id = \"abcdef\"\n");
    desk.write("organization.toml", "[aws]\norganization_role_arn = \"arn:aws:iam::111111111111:role/ops/OrganizationReader\"\n[[roles]]\npreset = \"cloudcoreo\"\nname = \"OrganizationReader\"\nvendor_account_id = \"999999999999\"\nexternal_id = \"abcdef\"\n");
    desk.write("placeholder.toml", "[[roles]]\npreset = \"cloudcoreo\"\nvendor_account_id = \"999999999999\"\nexternal_id = \"abcdef\"\ndescription = \"for ${acount_id}\"\n");
    desk.write(
        "dead.toml",
        &desk
            .configuration()
            .replace(&desk.simulator.endpoint_url(), "http://127.0.0.1:9"),
    );
    desk.write(
        "not-a-store.db",
        "this is a letter to the editor, and no database at all",
    );
    desk.write(
        "store.toml",
        &desk
            .configuration()
            .replace("sqlite:rolekeeper-demo.db", "sqlite:not-a-store.db"),
    );
    let runs = [
        desk.run(&["plan", "--config", "nowhere.toml"]).exits(1),
        desk.run(&["plan", "--config", "misspelled.toml"]).exits(1),
        desk.run(&["check", "--offline", "--config", "anyone.toml"])
            .exits(1),
        desk.run(&["check", "--offline", "--config", "protected.toml"])
            .exits(1),
        desk.run(&["check", "--offline", "--config", "organization.toml"])
            .exits(1),
        desk.run(&["check", "--offline", "--config", "placeholder.toml"])
            .exits(1),
        desk.run(&["plan", "--config", "store.toml"]).exits(1),
        desk.run(&["report", "--format", "csv"]).exits(1),
        desk.run(&["history", "12345"]).exits(1),
        desk.run(&["plan", "--accounts", "000000000000"]).exits(1),
        desk.run(&[
            "report",
            "--format",
            "csv",
            "--sweep",
            "20260101T000000Z-00000000",
        ])
        .exits(1),
        desk.run(&["halt", "--why", " "]).exits(1),
        desk.run(&["plan", "--config", "dead.toml"]).exits(1),
    ];
    golden(
        &runs,
        expect_file!["../../../../tests/golden/cli/mistakes.txt"],
    );
}

#[test]
fn credentials_that_are_not_there_are_told() {
    let desk = Desk::new();
    let arguments = ["plan"];
    let output = desk
        .command(&arguments)
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output()
        .unwrap();
    let ran = Ran::new(&arguments, &output, &desk).exits(1);
    assert!(
        ran.stderr
            .starts_with("error: the hub's own credentials were not accepted"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("help:"), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
}
