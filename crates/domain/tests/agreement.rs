//! What a specification gives beyond the one that was agreed to.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

use std::collections::{BTreeMap, BTreeSet};

use rolekeeper_domain::agreement::Agreed;
use rolekeeper_domain::arn::Partition;
use rolekeeper_domain::policy::{Document, Kind};
use rolekeeper_domain::role::{Adopt, Boundary, Ensure, Extras, ManagedPolicySpec, RoleSpec};

fn trust(ids: &str) -> Document {
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::999999999999:root"}},"Action":"sts:AssumeRole","Condition":{{"StringEquals":{{"sts:ExternalId":{ids}}}}}}}]}}"#
    );
    Document::parse(Kind::Trust, &text).unwrap()
}

fn policy(statements: &str) -> Document {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    Document::parse(Kind::Identity, &text).unwrap()
}

const READ: &str = r#"{"Effect":"Allow","Action":["s3:GetObject","s3:ListBucket"],"Resource":"*"}"#;
const NO_USERS: &str = r#"{"Effect":"Deny","Action":"iam:CreateUser","Resource":"*"}"#;
const ALL: &str = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;

fn spec() -> RoleSpec {
    RoleSpec {
        partition: Partition::Aws,
        name: "Auditor".parse().unwrap(),
        path: "/".parse().unwrap(),
        ensure: Ensure::Present,
        trust: trust(r#""one""#),
        description: None,
        max_session_duration: Some(7_200),
        boundary: Boundary::Policy("arn:aws:iam::aws:policy/PowerUserAccess".parse().unwrap()),
        tags: BTreeMap::new(),
        managed_policies: vec![ManagedPolicySpec {
            name: "Auditor".parse().unwrap(),
            path: "/".parse().unwrap(),
            document: policy(&format!("{READ},{NO_USERS}")),
            tags: BTreeMap::new(),
        }],
        attach: BTreeSet::from(["arn:aws:iam::aws:policy/SecurityAudit".parse().unwrap()]),
        inline: BTreeMap::new(),
        extras: Extras::Remove,
        adopt: Adopt::IfEquivalent,
        tolerate: Vec::new(),
        legacy_users: BTreeSet::new(),
    }
}

fn beyond(change: impl FnOnce(&mut RoleSpec)) -> Vec<String> {
    let mut after = spec();
    change(&mut after);
    Agreed::of(&after).beyond(Some(&Agreed::of(&spec())))
}

/// What gives no more, whatever else it changes.
#[test]
fn a_specification_that_gives_no_more_needs_no_word() {
    type Change = fn(&mut RoleSpec);
    let rows: [(&str, Change); 11] = [
        ("nothing", |_| {}),
        ("a description", |spec| {
            spec.description = Some("other".to_owned());
        }),
        ("a tag", |spec| {
            spec.tags.insert("team".to_owned(), "red".to_owned());
        }),
        ("the same in other words", |spec| {
            spec.trust = Document::parse(
                Kind::Trust,
                &spec
                    .trust
                    .text()
                    .replace("\"arn:aws:iam::999999999999:root\"", "[\"999999999999\"]"),
            )
            .unwrap();
        }),
        ("the policy inline instead of managed", |spec| {
            let moved = spec.managed_policies.pop().unwrap();
            spec.inline.insert(moved.name, moved.document);
        }),
        ("fewer actions", |spec| {
            let less = format!(
                r#"{{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}},{NO_USERS}"#
            );
            spec.managed_policies[0].document = policy(&less);
        }),
        ("one denial more", |spec| {
            spec.inline.insert(
                "NoRoles".parse().unwrap(),
                policy(r#"{"Effect":"Deny","Action":"iam:CreateRole","Resource":"*"}"#),
            );
        }),
        ("a shorter session", |spec| {
            spec.max_session_duration = Some(3_600);
        }),
        ("a session left to itself", |spec| {
            spec.max_session_duration = None;
        }),
        ("no role", |spec| spec.ensure = Ensure::Absent),
        ("tolerating what is agreed anyway", |spec| {
            spec.tolerate = vec![trust(r#""one""#)];
        }),
    ];
    for (what, change) in rows {
        assert_eq!(beyond(change), Vec::<String>::new(), "{what}");
    }
}

/// What gives somebody more, and a word of the sentence that says so.
#[test]
fn a_specification_that_gives_more_anywhere_says_what() {
    type Change = fn(&mut RoleSpec);
    let rows: [(&str, &str, Change); 15] = [
        (
            "anyone in account 999999999999",
            "another external id",
            |spec| {
                spec.trust = trust(r#"["one","two"]"#);
            },
        ),
        (
            "anyone in account 999999999999",
            "an exchanged external id",
            |spec| {
                spec.trust = trust(r#""two""#);
            },
        ),
        ("111111111111", "another principal", |spec| {
            let text = spec.trust.text().replace("999999999999", "111111111111");
            spec.trust = Document::parse(Kind::Trust, &text).unwrap();
        }),
        ("s3:PutObject", "another action", |spec| {
            let more = format!(
                r#"{READ},{NO_USERS},{{"Effect":"Allow","Action":"s3:PutObject","Resource":"*"}}"#
            );
            spec.managed_policies[0].document = policy(&more);
        }),
        (
            "iam:CreateUser",
            "a denial that goes, beside an attached policy",
            |spec| {
                spec.managed_policies[0].document = policy(READ);
            },
        ),
        ("ec2:", "an inline policy", |spec| {
            let more = r#"{"Effect":"Allow","Action":"ec2:RunInstances","Resource":"*"}"#;
            spec.inline.insert("More".parse().unwrap(), policy(more));
        }),
        ("AdministratorAccess is attached", "an attachment", |spec| {
            let arn = "arn:aws:iam::aws:policy/AdministratorAccess";
            spec.attach.insert(arn.parse().unwrap());
        }),
        (
            "SecurityAudit is no longer attached",
            "an attachment that goes",
            |spec| {
                spec.attach.clear();
            },
        ),
        (
            "need not have the permissions boundary",
            "no boundary",
            |spec| {
                spec.boundary = Boundary::None;
            },
        ),
        (
            "need not have the permissions boundary",
            "a boundary left to itself",
            |spec| {
                spec.boundary = Boundary::Unmanaged;
            },
        ),
        ("it may let through more", "another boundary", |spec| {
            let arn = "arn:aws:iam::aws:policy/AdministratorAccess";
            spec.boundary = Boundary::Policy(arn.parse().unwrap());
        }),
        (
            "43200 seconds and no longer 7200",
            "a longer session",
            |spec| {
                spec.max_session_duration = Some(43_200);
            },
        ),
        ("no longer removed", "extras that stay", |spec| {
            spec.extras = Extras::Report;
        }),
        ("besides what is agreed", "tolerated trust", |spec| {
            spec.tolerate = vec![trust(r#""other""#)];
        }),
        ("every action", "everything", |spec| {
            spec.managed_policies[0].document = policy(ALL);
        }),
    ];
    for (word, what, change) in rows {
        let said = beyond(change).join("; ");
        assert!(said.contains(word), "{what}: {said}");
    }
}

#[test]
fn without_an_agreement_everything_is_more_and_no_role_is_nothing() {
    let all = Agreed::of(&spec()).beyond(None).join("; ");
    for word in ["999999999999", "s3:GetObject", "SecurityAudit is attached"] {
        assert!(all.contains(word), "{word}: {all}");
    }
    let absent = RoleSpec {
        ensure: Ensure::Absent,
        ..spec()
    };
    assert_eq!(Agreed::of(&absent).beyond(None), Vec::<String>::new());
    // A role that was agreed to be gone and comes back is new again.
    let again = Agreed::of(&spec()).beyond(Some(&Agreed::of(&absent)));
    assert_eq!(again.join("; "), all);
}

#[test]
fn a_record_is_read_back_to_the_same_agreement() {
    let mut other = spec();
    other.boundary = Boundary::None;
    other.max_session_duration = None;
    other.tolerate = vec![trust(r#""other""#)];
    other.extras = Extras::Ignore;
    let absent = RoleSpec {
        ensure: Ensure::Absent,
        ..spec()
    };
    for spec in [spec(), other, absent] {
        let agreed = Agreed::of(&spec);
        let read = Agreed::read(&agreed.record()).unwrap();
        assert_eq!(read, agreed);
        assert_eq!(read.digest(), agreed.digest());
    }
}

#[test]
fn a_record_of_another_form_is_no_agreement() {
    let record = Agreed::of(&spec()).record();
    let broken = [
        "",
        "{}",
        "7",
        &record.replace("\"form\":1", "\"form\":2"),
        &record.replace("\"remove\"", "\"keep\""),
        &record.replace("\"is\":\"policy\"", "\"is\":\"wall\""),
        &record.replace("sts:AssumeRole", "sts:"),
        &record.replace("\"partition\":\"aws\"", "\"partition\":\"moon\""),
    ];
    for text in broken {
        assert!(Agreed::read(text).is_err(), "{text}");
    }
}

#[test]
fn one_digest_is_one_specification() {
    let agreed = Agreed::of(&spec());
    assert_eq!(agreed.digest(), Agreed::of(&spec()).digest());
    let mut other = spec();
    other.max_session_duration = Some(7_201);
    assert_ne!(agreed.digest(), Agreed::of(&other).digest());
}
