//! A policy whose CreatePolicy was never answered may be a stranger's.

use super::*;

const TEXT: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

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
    let step = Step::CreatePolicy {
        arn: format!("arn:aws:iam::{account}:policy/{ROLE}")
            .parse()
            .unwrap(),
        name: ROLE.parse().unwrap(),
        path: "/".parse().unwrap(),
        document: Document::parse(Kind::Identity, TEXT).unwrap(),
        tags: BTreeMap::new(),
    };
    runtime.block_on(left_open(&url, account, step));
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
