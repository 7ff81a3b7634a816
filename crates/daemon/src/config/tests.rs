#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

use expect_test::{Expect, expect};
use rolekeeper_domain::outcome::Mode;

use super::*;

const SHORTEST: &str = "
[[roles]]
preset = \"cloudcoreo\"
vendor_account_id = \"999999999999\"
external_id = \"a-shared-secret\"
";

fn load(text: &str) -> Result<Config, ConfigError> {
    load_text("rolekeeper.toml", text, &Environment::default())
}

#[track_caller]
fn refuses(text: &str, expected: Expect) {
    expected.assert_eq(&load(text).unwrap_err().to_string());
}

#[track_caller]
fn refuses_with(extra: &str, expected: Expect) {
    refuses(&format!("{extra}\n{SHORTEST}"), expected);
}

#[test]
fn shortest_configuration_means_the_vendors_role_and_audit_only() {
    let config = load(SHORTEST).unwrap();
    assert_eq!(config.roles.len(), 1);
    assert_eq!(
        config.roles[0].entry.name.as_str(),
        "CloudCoreoAssumedRolePolicy"
    );
    assert_eq!(config.roles[0].managed_policies.len(), 1);
    assert_eq!(config.schedule.mode, Mode::Audit);
    assert_eq!(
        config.schedule.every,
        Some(std::time::Duration::from_secs(3600))
    );
    assert_eq!(config.aws.management_account, ManagementAccount::Skip);
    assert!(config.http.token.is_none());
}

#[test]
fn entry_overrides_its_preset() {
    let config = load(&format!("{SHORTEST}name = \"CloudCoreoAssumedRole\"\n")).unwrap();
    assert_eq!(config.roles[0].entry.name.as_str(), "CloudCoreoAssumedRole");
    assert_eq!(
        config.roles[0].managed_policies[0].0.name.as_str(),
        "CloudCoreoAssumedRolePolicy"
    );
}

#[test]
fn environment_wins_over_the_file() {
    let environment = Environment::from([
        ("ROLEKEEPER__LIMITS__CONCURRENCY", "8"),
        ("ROLEKEEPER__AWS__ADMIN_ROLES", "First, Second"),
        ("ROLEKEEPER__ROLES__0__EXTERNAL_ID", "12345"),
        (
            "ROLEKEEPER__SELECT__EXCLUDE__TAGS",
            "{ Stage = \"sandbox\" }",
        ),
        ("ROLEKEEPER_CONFIG", "elsewhere.toml"),
        ("HOME", "/root"),
    ]);
    let text = format!("limits.concurrency = 3\n{SHORTEST}");
    let config = load_text("rolekeeper.toml", &text, &environment).unwrap();
    assert_eq!(config.limits.concurrency, 8);
    assert_eq!(config.aws.admin_roles, ["First", "Second"]);
    assert_eq!(
        secrecy::ExposeSecret::expose_secret(config.roles[0].entry.external_id.as_ref().unwrap()),
        "12345"
    );
    assert_eq!(config.exclude.tags["Stage"], "sandbox");
}

#[test]
fn the_environment_is_shown_as_it_was_understood() {
    let environment = Environment::from([
        ("ROLEKEEPER__LIMITS__CONCURRENCY", "0x2_0"),
        ("ROLEKEEPER__LIMITS__QUOTA_SHARE", "5e-1"),
        ("ROLEKEEPER__AWS__ADMIN_ROLES", "First, Second,"),
        ("ROLEKEEPER__ROLLOUT__WAVES", "[ '50%', '100%' ]"),
        ("ROLEKEEPER__ROLES__0__EXTERNAL_ID", "12345"),
        ("ROLEKEEPER__ROLES__0__MAX_SESSION_DURATION", "+7200"),
        ("ROLEKEEPER__ROLES__0__TAGS", "{ Stage='sandbox' }"),
        ("ROLEKEEPER__ROLES__0__DESCRIPTION", "42"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:4599"),
    ]);
    let config = load_text("rolekeeper.toml", SHORTEST, &environment).unwrap();
    let shown: String = config
        .shown
        .iter()
        .filter(|shown| matches!(shown.origin, error::Origin::Env(_)))
        .map(|shown| format!("{} = {}\n", shown.key, shown.value))
        .collect();
    expect![[r#"
        aws.admin_roles = ["First", "Second"]
        aws.endpoint_url = "http://127.0.0.1:4599"
        roles[0].external_id = "(hidden)"
        roles[0].max_session_duration = 7200
        roles[0].description = "42"
        roles[0].tags = { Stage = "sandbox" }
        limits.concurrency = 32
        limits.quota_share = 0.5
        rollout.waves = ["50%", "100%"]
    "#]]
    .assert_eq(&shown);
}

#[test]
fn secrets_are_neither_shown_nor_debugged() {
    let config = load(&format!(
        "store.url = \"postgres://keeper:hunter2@db/keeper\"\n{SHORTEST}"
    ))
    .unwrap();
    let everything = format!("{config:?}{:?}", config.shown);
    assert!(!everything.contains("a-shared-secret"), "{everything}");
    let shown: String = config
        .shown
        .iter()
        .map(|shown| format!("{} = {}\n", shown.key, shown.value))
        .collect();
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn misspelled_key_is_named_with_what_was_meant() {
    refuses_with(
        "[limits]\nconcurency = 8",
        expect![[r#"
        rolekeeper.toml:2: limits.concurency
          found:   a key that does not exist
          allowed: account_timeout, call_timeout, concurrency, max_repairs, quota_share, repair_timeout, sessions, settle_timeout, shutdown_timeout, smallest_listing
          help:    did you mean `limits.concurrency`?"#]],
    );
}

#[test]
fn unknown_table_is_named() {
    refuses_with(
        "[limit]\nconcurrency = 8",
        expect![[r#"
        rolekeeper.toml:1: limit
          found:   a key that does not exist
          allowed: aws, events, http, limits, notify, register, roles, rollout, schedule, select, store
          help:    did you mean `limits`?"#]],
    );
}

#[test]
fn wrong_type_is_named_with_what_is_allowed() {
    refuses_with(
        "[limits]\nconcurrency = \"many\"",
        expect![[r#"
        rolekeeper.toml:2: limits.concurrency
          found:   the text "many"
          allowed: a whole number from 1 to 1024"#]],
    );
}

#[test]
fn number_out_of_range_is_refused() {
    refuses_with(
        "[limits]\nquota_share = 1.5",
        expect![[r#"
        rolekeeper.toml:2: limits.quota_share
          found:   the number 1.5
          allowed: a number above 0 and at most 1"#]],
    );
}

#[test]
fn number_as_a_text_is_refused_in_the_file() {
    refuses_with(
        "[limits]\nconcurrency = \"8\"",
        expect![[r#"
        rolekeeper.toml:2: limits.concurrency
          found:   the text "8"
          allowed: a whole number from 1 to 1024"#]],
    );
}

#[test]
fn unknown_mode_is_refused() {
    refuses_with(
        "[schedule]\nmode = \"fix\"",
        expect![[r#"
        rolekeeper.toml:2: schedule.mode
          found:   the text "fix"
          allowed: "audit" or "repair""#]],
    );
}

#[test]
fn two_schedules_are_refused() {
    refuses_with(
        "[schedule]\nevery = \"1h\"\ncron = \"17 * * * *\"",
        expect![[r#"
            rolekeeper.toml:3: schedule.cron
              found:   both `every` and `cron`
              allowed: one of them"#]],
    );
}

#[test]
fn impossible_cron_is_refused() {
    refuses_with(
        "[schedule]\ncron = \"61 * * * *\"",
        expect![[r#"
            rolekeeper.toml:2: schedule.cron
              found:   cron = "61 * * * *": Component error: Number out of bounds.
              allowed: a cron expression of five fields, such as "17 * * * *""#]],
    );
}

#[test]
fn account_id_as_a_number_is_refused() {
    refuses_with(
        "[select]\ninclude = { accounts = [123456789012] }",
        expect![[r#"
        rolekeeper.toml:2: select.include.accounts[0]
          found:   the number 123456789012
          allowed: a twelve-digit account id, as a text"#]],
    );
}

#[test]
fn waves_that_do_not_end_with_everything_are_refused() {
    refuses_with(
        "[rollout]\nwaves = [\"10%\", \"50%\"]",
        expect![[r#"
            rolekeeper.toml:2: rollout.waves
              found:   waves that do not grow up to 100%
              allowed: growing percentages that end with "100%", such as ["10%", "50%", "100%"]"#]],
    );
}

#[test]
fn open_door_without_a_token_is_refused() {
    refuses_with(
        "[http]\nlisten = \"0.0.0.0:9464\"",
        expect![[r#"
            rolekeeper.toml:2: http.listen
              found:   listen = "0.0.0.0:9464" without token_file
              allowed: a loopback address such as "127.0.0.1:9464", or also a token_file
              help:    make a token: (umask 077; openssl rand -hex 32 > rolekeeper.token)"#]],
    );
}

#[test]
fn broken_toml_is_one_line_with_its_place() {
    refuses(
        "[aws\nregion = 1",
        expect![[r#"
        rolekeeper.toml:1
          found:   unclosed table, expected `]`
          allowed: TOML"#]],
    );
}

#[test]
fn no_role_at_all_is_refused() {
    refuses(
        "[aws]\nregion = \"eu-west-1\"",
        expect![[r#"
        rolekeeper.toml: roles
          found:   nothing: the key is missing and has no default
          allowed: at least one [[roles]] entry
          help:    the shortest one has preset = "cloudcoreo", vendor_account_id and external_id"#]],
    );
}

#[test]
fn missing_vendor_is_explained() {
    refuses(
        "[[roles]]\npreset = \"cloudcoreo\"",
        expect![[r#"
        rolekeeper.toml:1: roles[0].vendor_account_id
          found:   nothing: the key is missing and has no default
          allowed: a twelve-digit account id, as a text
          help:    it is the account of whoever may assume the role; the vendor tells you"#]],
    );
}

#[test]
fn missing_external_id_is_explained() {
    refuses(
        "[[roles]]\npreset = \"cloudcoreo\"\nvendor_account_id = \"999999999999\"",
        expect![[r#"
        rolekeeper.toml:1: roles[0].external_id
          found:   nothing: the key is missing and has no default
          allowed: a text of 2 to 1224 characters, or external_id_file
          help:    it keeps other customers of the vendor out of your accounts; the vendor tells you"#]],
    );
}

#[test]
fn unknown_preset_is_named_with_what_was_meant() {
    refuses(
        "[[roles]]\npreset = \"cloudcoro\"",
        expect![[r#"
        rolekeeper.toml:2: roles[0].preset
          found:   the text "cloudcoro"
          allowed: "cloudcoreo", "cloudcoreo-audit"
          help:    did you mean "cloudcoreo"?"#]],
    );
}

#[test]
fn missing_document_is_named() {
    refuses(
        "[[roles]]\nname = \"Auditor\"",
        expect![[r#"
        rolekeeper.toml:1: roles[0].trust_policy
          found:   nothing: the key is missing and has no default
          allowed: a trust policy, or the file that holds it"#]],
    );
}

#[test]
fn document_file_that_is_not_there_is_named() {
    refuses(
        "[[roles]]\nname = \"Auditor\"\ntrust_policy = \"nowhere/trust.json\"",
        expect![[r#"
        rolekeeper.toml:3: roles[0].trust_policy
          found:   nowhere/trust.json: No such file or directory (os error 2)
          allowed: a file that this user may read, relative to the configuration file"#]],
    );
}

#[test]
fn same_role_twice_is_refused_whatever_its_case() {
    refuses(
        &format!("{SHORTEST}\n{SHORTEST}name = \"CLOUDCOREOASSUMEDROLEPOLICY\""),
        expect![[r#"
        rolekeeper.toml:8: roles[1]
          found:   the role name CLOUDCOREOASSUMEDROLEPOLICY, which roles[0] has as well
          allowed: one entry for each role name"#]],
    );
}

#[test]
fn wrong_value_from_the_environment_names_the_variable() {
    let environment = Environment::from([("ROLEKEEPER__LIMITS__CONCURRENCY", "many")]);
    let error = load_text("rolekeeper.toml", SHORTEST, &environment).unwrap_err();
    expect![[r#"
        environment variable ROLEKEEPER__LIMITS__CONCURRENCY: limits.concurrency
          found:   the text "many"
          allowed: a whole number from 1 to 1024"#]]
    .assert_eq(&error.to_string());
}

#[test]
fn unknown_variable_is_named() {
    let environment = Environment::from([("ROLEKEEPER__LIMITS__CONCURENCY", "8")]);
    let error = load_text("rolekeeper.toml", SHORTEST, &environment).unwrap_err();
    expect![[r#"
        environment variable ROLEKEEPER__LIMITS__CONCURENCY: limits.concurency
          found:   a key that does not exist
          allowed: account_timeout, call_timeout, concurrency, max_repairs, quota_share, repair_timeout, sessions, settle_timeout, shutdown_timeout, smallest_listing
          help:    did you mean `limits.concurrency`?"#]].assert_eq(&error.to_string());
}

#[test]
fn secret_given_twice_is_refused() {
    refuses(
        &format!("{SHORTEST}external_id_file = \"external-id\""),
        expect![[r#"
        rolekeeper.toml:6: roles[0].external_id_file
          found:   both `external_id` and `external_id_file`
          allowed: one of `external_id` and `external_id_file`"#]],
    );
}

#[test]
fn webhook_must_be_http() {
    refuses_with(
        "[[notify.webhooks]]\nurl = \"ftp://example.com\"",
        expect![[r#"
        rolekeeper.toml:1: notify.webhooks[0]
          found:   a url of another kind
          allowed: an http:// or https:// URL"#]],
    );
}

const REGISTERED: &str = "[register]\nurl = \"https://vendor.example/accounts\"\n";

#[test]
fn nobody_is_registered_unless_it_is_asked_for() {
    assert!(load(SHORTEST).unwrap().register.is_none());
}

#[test]
fn registration_that_cannot_work_is_refused() {
    let check = |extra: &str, expected: Expect| {
        let error = load(&format!("{SHORTEST}{REGISTERED}{extra}")).unwrap_err();
        expected.assert_eq(&error.to_string());
    };
    let body = r#"body = '{"arn":"${role_arn}","id":"${external_id}"}'"#;
    assert!(load(&format!("{SHORTEST}{REGISTERED}{body}")).is_ok());
    check(
        "",
        expect![[r#"
        rolekeeper.toml:6: register.body
          found:   nothing: the key is missing and has no default
          allowed: a JSON text, or the file that holds it"#]],
    );
    check(
        "body = '{\"x\":\"${secret}\"}'",
        expect![[r#"
        rolekeeper.toml:6: register
          found:   body: `${secret}` is not a placeholder here: there are ${account_id}, ${account_name}, ${role_arn}, ${external_id}, ${partition}, ${organization_id}
          allowed: a text whose placeholders are known"#]],
    );
    check(
        "body = '{\"x\":1}'",
        expect![[r#"
        rolekeeper.toml:6: register
          found:   a body that is the same for every account
          allowed: ${account_id} or ${role_arn} in the body or the url"#]],
    );
    check(
        &format!("{body}\nrole = \"Other\""),
        expect![[r#"
        rolekeeper.toml:6: register
          found:   role = "Other"
          allowed: one of CloudCoreoAssumedRolePolicy"#]],
    );
    check(
        &format!("{body}\nrevalidate_url = \"https://vendor.example/${{vendor_id}}\""),
        expect![[r#"
            rolekeeper.toml:6: register.vendor_id
              found:   nothing: the key is missing and has no default
              allowed: where the vendor's id stands in its answer, such as "/id""#]],
    );
    check(
        &format!("{body}\nwithdraw_url = \"http://vendor.example/${{account_id}}\""),
        expect![[r#"
            rolekeeper.toml:6: register
              found:   withdraw_url = "http://vendor.example/${account_id}"
              allowed: an https:// URL, or http:// on this machine (127.0.0.1, [::1], localhost), with placeholders in its path alone"#]],
    );
    check(
        &format!("{body}\nwithdraw_url = \"https://${{account_id}}.vendor.example/\""),
        expect![[r#"
            rolekeeper.toml:6: register
              found:   withdraw_url = "https://${account_id}.vendor.example/"
              allowed: an https:// URL, or http:// on this machine (127.0.0.1, [::1], localhost), with placeholders in its path alone"#]],
    );
    check(
        &format!("{body}\nwithdraw_url = \"https://vendor.example/?x=${{external_id}}\""),
        expect![[r#"
            rolekeeper.toml:6: register
              found:   withdraw_url: `${external_id}` is not a placeholder here: there are ${account_id}, ${partition}, ${organization_id}, ${vendor_id}
              allowed: a text whose placeholders are known"#]],
    );
    check(
        &format!("{body}\nheaders = {{ authorization = \"Bearer x\" }}"),
        expect![[r#"
            rolekeeper.toml:6: register
              found:   the header `authorization`
              allowed: headers that rolekeeper does not set itself; for a bearer token there is token_file"#]],
    );
    check(
        &format!("{body}\nwithdraw_on = [\"friday\"]"),
        expect![[r#"
            rolekeeper.toml:9: register.withdraw_on[0]
              found:   the text "friday"
              allowed: one of absent, closed, left, deselected"#]],
    );
    check(
        &format!("{body}\n[register.cloudcoreo]\nscan_enabled = true"),
        expect![[r#"
            rolekeeper.toml:9: register.cloudcoreo
              found:   a key that does not exist
              allowed: body, headers, method, preset, revalidate_url, role, secret, secret_file, timeout, token, token_file, url, vendor_id, withdraw_method, withdraw_on, withdraw_url"#]],
    );
}

#[test]
fn secrets_of_registration_are_neither_shown_nor_debugged() {
    let config = load(&format!(
        "{SHORTEST}{REGISTERED}preset = \"cloudcoreo\"\ntoken = \"a-token-of-ours\"\nsecret = \"a-key-of-ours\"\n"
    ))
    .unwrap();
    let everything = format!("{config:?}");
    for secret in ["a-token-of-ours", "a-key-of-ours", "a-shared-secret"] {
        assert!(!everything.contains(secret), "{secret} in {everything}");
    }
}

/// Where systemd puts the credentials of the unit of deploy/systemd.
const CREDENTIALS: &str = "/run/credentials/rolekeeper.service";

#[test]
fn every_example_is_a_configuration_that_could_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    let mut examples = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        examples += 1;
        // What systemd hands to the service is there only while that runs.
        let credentials = tempfile::tempdir().unwrap();
        let handed = credentials.path().display().to_string();
        let text = std::fs::read_to_string(&path).unwrap();
        let path = if text.contains(CREDENTIALS) {
            std::fs::write(credentials.path().join("external-id"), "demo-7f3a9c52").unwrap();
            let copy = credentials.path().join("rolekeeper.toml");
            std::fs::write(&copy, text.replace(CREDENTIALS, &handed)).unwrap();
            copy
        } else {
            path
        };
        let loaded = super::load(&path, &Environment::default())
            .and_then(|config| crate::specs::Specs::new(&config).map(drop));
        assert_eq!(
            loaded.map_err(|error| error.to_string()),
            Ok(()),
            "{}",
            path.display()
        );
    }
    assert!(examples >= 3, "{examples} examples");
}

#[test]
fn ten_lines_of_the_readme_are_the_ten_lines_of_the_example() {
    let keys = |text: &str| -> Vec<String> {
        let lines = text
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default().trim());
        lines
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let readme = include_str!("../../../../README.md");
    let block = readme
        .split("```toml")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    let in_file = block.replace(
        "external_id_file = \"external-id\"",
        "external_id = \"replace-me\"",
    );
    assert_eq!(
        keys(&in_file),
        keys(include_str!("../../../../config/ten-lines.toml"))
    );
}

#[test]
fn no_configuration_at_all_is_told_as_such() {
    let error = ConfigError::new(
        error::Origin::Default,
        "",
        "no configuration file",
        "one of these two",
    );
    assert_eq!(
        error.to_string(),
        "configuration\n  found:   no configuration file\n  allowed: one of these two"
    );
}
