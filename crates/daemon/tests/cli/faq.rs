//! The FAQ's own steps: a role from temporary keys, and the user that held them retired.

mod lost_answer;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::process::Stdio;

use expect_test::expect_file;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::SweepId;
use rolekeeper_domain::plan::{Band, PlannedStep, Step};
use rolekeeper_domain::policy::{Document, Kind};
use rolekeeper_domain::role::RoleName;
use rolekeeper_engine::port::store::{Deed, Intent, Journal as _, Lease as _};
use rolekeeper_simulator::{Drift, HUB_ACCESS_KEY};

use crate::golden;
use crate::harness::{Desk, Ran};

const ROLE: &str = "CloudCoreoAssumedRolePolicy";
const USER: &str = "cloudcoreo";

fn orderly() -> Desk {
    Desk::with(|settings| {
        settings.drift = 0.0;
        settings.denied = 0.0;
    })
}

/// The access key that `retire-user --plan` names.
fn key_in(plan: &Ran) -> String {
    let after = plan.stdout.split("key AKIA").nth(1).unwrap();
    format!("AKIA{}", after.split_whitespace().next().unwrap())
}

/// Key ids differ from seed to seed only, and look like secrets to scanners.
fn without_key(mut ran: Ran, key: &str) -> Ran {
    ran.stdout = ran.stdout.replace(key, "KEY-ID");
    ran
}

#[test]
fn user_is_retired_where_the_role_works_and_only_there() {
    let desk = orderly();
    let world = desk.simulator.world();
    let accounts = world.reachable();
    let (works, broken) = (accounts[0], accounts[1]);
    for account in [works, broken] {
        assert!(world.plant(account, Drift::LegacyUser));
    }
    assert!(world.plant(broken, Drift::TrustOpen));
    let both = format!("{works},{broken}");
    let plan = desk
        .run(&["retire-user", USER, "--accounts", &both, "--plan"])
        .exits(2);
    let key = key_in(&plan);
    assert!(world.user_names(works).contains(&USER.to_owned()));
    // No terminal, no `--yes`: nobody said a word.
    let unasked = desk
        .run(&["retire-user", USER, "--accounts", &both])
        .exits(1);
    assert!(unasked.stderr.contains("--yes"), "{}", unasked.stderr);
    assert!(world.user_names(works).contains(&USER.to_owned()));
    let retired = desk
        .run(&["retire-user", USER, "--accounts", &both, "--yes"])
        .exits(2);
    assert!(!world.user_names(works).contains(&USER.to_owned()));
    assert!(world.user_names(broken).contains(&USER.to_owned()));
    let again = desk
        .run(&["retire-user", USER, "--accounts", &works.to_string()])
        .exits(0);
    let history = desk.run(&["history", &works.to_string()]).exits(0);
    let sweep = last_repair(&desk);
    let rollback = desk
        .run(&["rollback", "--sweep", &sweep, "--plan"])
        .exits(1);
    let verified = desk.run(&["journal", "verify"]).exits(0);
    assert!(
        verified.stdout.starts_with("8 records"),
        "{}",
        verified.stdout
    );
    let exported = desk.run(&["journal", "export"]).exits(0);
    assert_eq!(
        exported.stdout.matches("\"user\":\"cloudcoreo\"").count(),
        4
    );
    let runs = [plan, retired, again, history, rollback].map(|ran| without_key(ran, &key));
    golden(
        &runs,
        expect_file!["../../../../tests/golden/cli/retire_user.txt"],
    );
}

/// The newest sweep that wrote, as `sweeps` tells it.
fn last_repair(desk: &Desk) -> String {
    let sweeps = desk.run(&["sweeps", "--format", "json"]).exits(0);
    let sweeps: serde_json::Value = serde_json::from_str(&sweeps.stdout).unwrap();
    let sweeps = sweeps["sweeps"].as_array().unwrap();
    let written = sweeps.iter().find(|sweep| sweep["mode"] == "repair");
    let written = written.unwrap();
    assert_eq!(written["trigger"], "retire_user");
    written["id"].as_str().unwrap().to_owned()
}

#[test]
fn user_is_not_retired_while_writes_are_halted_or_frozen() {
    let desk = orderly();
    let world = desk.simulator.world();
    let account = world.reachable()[0];
    assert!(world.plant(account, Drift::LegacyUser));
    let id = account.to_string();
    let retire = ["retire-user", USER, "--accounts", id.as_str(), "--yes"];
    desk.run(&["plan"]);
    desk.run(&["halt", "--why", "incident 4711"]).exits(0);
    let halted = desk.run(&retire).exits(1);
    assert!(halted.stderr.contains("incident 4711"), "{}", halted.stderr);
    desk.run(&["resume"]).exits(0);
    desk.write(
        "rolekeeper.toml",
        &format!(
            "{}\n[[rollout.freeze]]\nfrom = \"2020-01-01T00:00:00Z\"\nuntil = \"2120-01-01T00:00:00Z\"\nwhy = \"the end of the year\"\n",
            desk.configuration()
        ),
    );
    let frozen = desk.run(&retire).exits(3);
    assert!(
        frozen.stdout.contains("the end of the year"),
        "{}",
        frozen.stdout
    );
    assert!(world.user_names(account).contains(&USER.to_owned()));
    assert_eq!(crate::writes(&desk), 0);
}

/// Asks IAM for something with the hub's keys, in the hub's own account.
fn iam(desk: &Desk, parameters: &[(&str, &str)]) -> String {
    let address = desk.simulator.endpoint_url().replace("http://", "");
    let encoded =
        |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    let body: Vec<String> = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    let body = format!("Version=2010-05-08&{}", body.join("&"));
    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential={HUB_ACCESS_KEY}/20261124/us-east-1/iam/aws4_request, \
         SignedHeaders=host, Signature=0\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

/// The six actions of the FAQ.
const SIX: [&str; 6] = [
    "iam:GetUser",
    "iam:CreatePolicy",
    "iam:GetPolicy",
    "iam:CreateRole",
    "iam:GetRole",
    "iam:AttachRolePolicy",
];

/// The temporary user of the FAQ in the hub's account, with the FAQ's policy; answers its key's id.
fn temporary_user(desk: &Desk) -> String {
    temporary_user_with(desk, &SIX)
}

/// The same with these actions alone.
fn temporary_user_with(desk: &Desk, actions: &[&str]) -> String {
    let policy = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": "*" }],
    })
    .to_string();
    iam(desk, &[("Action", "CreateUser"), ("UserName", USER)]);
    iam(
        desk,
        &[
            ("Action", "PutUserPolicy"),
            ("UserName", USER),
            ("PolicyName", "six"),
            ("PolicyDocument", &policy),
        ],
    );
    let answer = iam(desk, &[("Action", "CreateAccessKey"), ("UserName", USER)]);
    let id = answer
        .split("<AccessKeyId>")
        .nth(1)
        .and_then(|rest| rest.split('<').next());
    id.unwrap().to_owned()
}

/// Runs a command with that key of the temporary user on standard input.
fn with_keys(desk: &Desk, key: &str, arguments: &[&str]) -> Ran {
    let mut child = desk
        .command(arguments)
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    write!(child.stdin.take().unwrap(), "{key}\nits-secret\n").unwrap();
    Ran::new(arguments, &child.wait_with_output().unwrap(), desk)
}

#[test]
fn temporary_keys_make_the_role_and_nothing_else() {
    let desk = orderly();
    let world = desk.simulator.world();
    let account = world.management_account().unwrap();
    let key = temporary_user(&desk);
    world.reset();
    let with_keys = |arguments: &[&str]| with_keys(&desk, &key, arguments);
    let plan = with_keys(&["bootstrap", "--stdin", "--plan"]).exits(2);
    let unasked = with_keys(&["bootstrap", "--stdin"]).exits(1);
    assert!(unasked.stderr.contains("--yes"), "{}", unasked.stderr);
    assert!(world.role(account, ROLE).is_none());
    // The configuration asks for a tag, and the six permissions set none: that much is left.
    let made = with_keys(&["bootstrap", "--stdin", "--yes"]).exits(2);
    let role = world.role(account, ROLE).unwrap();
    assert!(role.trust.contains("999999999999"), "{}", role.trust);
    assert!(world.policy(account, ROLE).is_some());
    // Whatever was asked for was one of the six, or who the caller is.
    for entry in world.requests() {
        let six = [
            "GetUser",
            "CreatePolicy",
            "GetPolicy",
            "CreateRole",
            "GetRole",
            "AttachRolePolicy",
        ];
        assert!(
            six.contains(&entry.operation) || entry.operation == "GetCallerIdentity",
            "{}",
            entry.operation
        );
    }
    let again = with_keys(&["bootstrap", "--stdin", "--yes"]).exits(2);
    let history = desk.run(&["history", &account.to_string()]).exits(0);
    let verified = desk.run(&["journal", "verify"]).exits(0);
    assert!(
        verified.stdout.starts_with("8 records"),
        "{}",
        verified.stdout
    );
    // Neither the keys nor a trace of them are in the store or beside it.
    for file in std::fs::read_dir(desk.path("")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("its-secret") && !text.contains(&key));
    }
    let shown = format!("{}{}", plan.transcript(), made.transcript());
    assert!(
        !shown.contains("its-secret") && !shown.contains(&key),
        "{shown}"
    );
    golden(
        &[plan, made, again, history],
        expect_file!["../../../../tests/golden/cli/bootstrap.txt"],
    );
}

/// `iam:GetUser` stands in the FAQ's policy; whose the keys are is asked of STS, which needs no permission.
#[test]
fn without_any_one_of_the_six_actions_that_it_uses_bootstrap_fails_and_names_it() {
    for missing in SIX.into_iter().filter(|action| *action != "iam:GetUser") {
        let desk = orderly();
        let left: Vec<&str> = SIX
            .into_iter()
            .filter(|action| *action != missing)
            .collect();
        let key = temporary_user_with(&desk, &left);
        let ran = with_keys(&desk, &key, &["bootstrap", "--stdin", "--yes"]);
        let said = ran.transcript();
        assert_ne!(ran.code, Some(0), "{missing}: {said}");
        assert!(
            said.contains("AccessDenied") && said.contains(missing),
            "{missing} was not missed: {said}"
        );
        assert!(!said.contains("The keys are not kept"), "{missing}: {said}");
    }
}

#[test]
fn temporary_keys_come_from_the_environment_or_a_profile_as_well_and_never_from_an_argument() {
    let desk = orderly();
    let key = temporary_user(&desk);
    let caller = format!("user/{USER} in account");
    let plan = ["bootstrap", "--plan"];
    let mut command = desk.command(&plan);
    command.env("AWS_ACCESS_KEY_ID", &key);
    let ran = Ran::new(&plan, &command.output().unwrap(), &desk).exits(2);
    assert!(ran.stderr.contains(&caller), "{}", ran.stderr);

    desk.write(
        "credentials",
        &format!("[new-account]\naws_access_key_id = {key}\naws_secret_access_key = its-secret\n"),
    );
    let plan = ["bootstrap", "--plan", "--profile", "new-account"];
    let mut command = desk.command(&plan);
    command
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("AWS_SHARED_CREDENTIALS_FILE", desk.path("credentials"));
    let ran = Ran::new(&plan, &command.output().unwrap(), &desk).exits(2);
    assert!(ran.stderr.contains(&caller), "{}", ran.stderr);
    assert!(!ran.transcript().contains("its-secret"));

    let refused = desk.run(&["bootstrap", "--plan", &key]);
    assert!(
        refused.stderr.contains("unexpected argument"),
        "{}",
        refused.stderr
    );
    // A look needs no store and makes none.
    assert!(!desk.path("rolekeeper-demo.db").exists());
}

#[test]
fn bootstrap_writes_nothing_while_writes_are_halted() {
    let desk = orderly();
    let world = desk.simulator.world();
    let account = world.management_account().unwrap();
    desk.run(&["plan"]);
    desk.run(&["halt", "--why", "incident 4711"]).exits(0);
    world.reset();
    // The hub's own keys stand in for the temporary user's.
    let halted = desk.run(&["bootstrap", "--yes"]).exits(1);
    assert!(halted.stderr.contains("incident 4711"), "{}", halted.stderr);
    assert!(world.role(account, ROLE).is_none());
    assert_eq!(crate::writes(&desk), 0);
}

const ATTACH_LIST: [(&str, &str); 2] = [("Action", "ListAttachedRolePolicies"), ("RoleName", ROLE)];

#[test]
fn a_policy_that_was_there_before_is_not_attached_unless_it_can_be_read() {
    let desk = orderly();
    let world = desk.simulator.world();
    let account = world.management_account().unwrap();
    let key = temporary_user(&desk);
    let all =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    iam(
        &desk,
        &[
            ("Action", "CreatePolicy"),
            ("PolicyName", ROLE),
            ("PolicyDocument", all),
        ],
    );
    let plan = with_keys(&desk, &key, &["bootstrap", "--stdin", "--plan"]).exits(3);
    assert!(plan.stdout.contains("not verified"), "{}", plan.stdout);
    assert!(
        plan.stdout.contains("iam:GetPolicyVersion"),
        "{}",
        plan.stdout
    );
    let refused = with_keys(&desk, &key, &["bootstrap", "--stdin", "--yes"]).exits(3);
    assert!(
        refused.stderr.contains("Nothing was written"),
        "{}",
        refused.stderr
    );
    assert!(world.role(account, ROLE).is_none());

    // With keys that may read it, it is known to be another one.
    let read = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:GetPolicyVersion","Resource":"*"}]}"#;
    iam(
        &desk,
        &[
            ("Action", "PutUserPolicy"),
            ("UserName", USER),
            ("PolicyName", "read"),
            ("PolicyDocument", read),
        ],
    );
    let plan = with_keys(&desk, &key, &["bootstrap", "--stdin", "--plan"]);
    assert!(!plan.stdout.contains("not verified"), "{}", plan.stdout);
    assert!(plan.stdout.contains("policy_document"), "{}", plan.stdout);
}

#[test]
fn a_policy_that_somebody_else_has_is_not_taken_for_attached_to_the_role() {
    let desk = orderly();
    let world = desk.simulator.world();
    let account = world.management_account().unwrap();
    let key = temporary_user(&desk);
    with_keys(&desk, &key, &["bootstrap", "--stdin", "--yes"]).exits(2);
    let arn = format!("arn:aws:iam::{account}:policy/{ROLE}");
    let trust = world.role(account, ROLE).unwrap().trust;
    iam(
        &desk,
        &[
            ("Action", "CreateRole"),
            ("RoleName", "Other"),
            ("AssumeRolePolicyDocument", &trust),
        ],
    );
    for (action, role) in [("AttachRolePolicy", "Other"), ("DetachRolePolicy", ROLE)] {
        iam(
            &desk,
            &[("Action", action), ("RoleName", role), ("PolicyArn", &arn)],
        );
    }
    assert!(!iam(&desk, &ATTACH_LIST).contains(&arn));
    with_keys(&desk, &key, &["bootstrap", "--stdin", "--yes"]).exits(2);
    assert!(iam(&desk, &ATTACH_LIST).contains(&arn));
}

#[test]
fn what_a_killed_bootstrap_left_open_is_settled_also_where_nothing_is_left_to_do() {
    let desk = orderly();
    let world = desk.simulator.world();
    let account = world.management_account().unwrap();
    // The hub's own keys, which may list and read.
    desk.run(&["bootstrap", "--yes"]).exits(2);
    for file in ["", "-wal", "-shm"] {
        drop(std::fs::remove_file(
            desk.path(&format!("rolekeeper-demo.db{file}")),
        ));
    }
    let url = format!("sqlite:{}", desk.path("rolekeeper-demo.db").display());
    let trust = world.role(account, ROLE).unwrap().trust;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let step = Step::CreateRole {
        role: ROLE.parse().unwrap(),
        path: "/".parse().unwrap(),
        trust: Document::parse(Kind::Trust, &trust).unwrap(),
        description: None,
        max_session_duration: None,
        boundary: None,
        tags: BTreeMap::new(),
    };
    runtime.block_on(left_open(&url, account, step));
    let history = desk.run(&["history", &account.to_string()]).exits(0);
    assert!(
        !history.stdout.contains("Made or adopted"),
        "{}",
        history.stdout
    );
    desk.run(&["bootstrap", "--yes"]).exits(2);
    let history = desk.run(&["history", &account.to_string()]).exits(0);
    let owned = format!("Made or adopted by rolekeeper\n  role/{ROLE}");
    assert!(history.stdout.contains(&owned), "{}", history.stdout);
}

/// The store of a process that was killed after it asked for this and before it heard an answer.
async fn left_open(url: &str, account: AccountId, step: Step) {
    let store = rolekeeper_store::open(url).await.unwrap();
    let role: RoleName = ROLE.parse().unwrap();
    let step = PlannedStep {
        step,
        band: Band::Widen,
        preconditions: Vec::new(),
        because: Vec::new(),
        before: None,
    };
    let at = jiff::Timestamp::UNIX_EPOCH;
    let lease = std::time::Duration::from_secs(15);
    let fence = store.acquire("killed", lease, at).await.unwrap().unwrap();
    let intent = Intent {
        sweep: &SweepId::parse("sweep-1").unwrap(),
        requested_by: "ann",
        account,
        deed: Deed::Role {
            role: &role,
            step: &step,
        },
        at,
    };
    store.intend(&intent, fence).await.unwrap();
    store.close().await;
}
