//! A policy whose CreatePolicy was never answered may be a stranger's.

use super::*;

const TEXT: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// The store of a process that was killed while it asked for the policy.
async fn asked_for_a_policy(url: &str, account: AccountId) {
    let store = rolekeeper_store::open(url).await.unwrap();
    let role: RoleName = ROLE.parse().unwrap();
    let step = PlannedStep {
        step: Step::CreatePolicy {
            arn: format!("arn:aws:iam::{account}:policy/{ROLE}")
                .parse()
                .unwrap(),
            name: ROLE.parse().unwrap(),
            path: "/".parse().unwrap(),
            document: Document::parse(Kind::Identity, TEXT).unwrap(),
            tags: BTreeMap::new(),
        },
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

#[test]
fn a_strangers_policy_is_not_taken_for_one_whose_answer_was_lost() {
    let desk = orderly();
    let world = desk.simulator.world();
    let account = world.management_account().unwrap();
    let key = temporary_user(&desk);
    let url = format!("sqlite:{}", desk.path("rolekeeper-demo.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(asked_for_a_policy(&url, account));
    // Years later somebody else makes one of that name; it says something else.
    let theirs = TEXT.replace("\"*\"}", "\"arn:aws:s3:::theirs\"}");
    iam(
        &desk,
        &[
            ("Action", "CreatePolicy"),
            ("PolicyName", ROLE),
            ("PolicyDocument", &theirs),
        ],
    );
    let ran = with_keys(&desk, &key, &["bootstrap", "--stdin", "--yes"]).exits(3);
    assert!(ran.stdout.contains("not verified"), "{}", ran.stdout);
    assert!(world.role(account, ROLE).is_none());
    let history = desk.run(&["history", &account.to_string()]).exits(0);
    assert!(
        !history.stdout.contains("Made or adopted"),
        "{}",
        history.stdout
    );
}
