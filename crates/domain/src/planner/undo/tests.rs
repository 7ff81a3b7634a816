#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test panics on purpose"
)]

use std::collections::{BTreeMap, BTreeSet};

use expect_test::{Expect, expect};

use super::*;
use crate::observation::{ObservedDocument, ObservedPolicy, ObservedRole, PolicyVersion, Sighting};
use crate::planner::recheck;

const VENDOR: &str = "999999999999";

fn trust_text(who: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{who}"}},"Action":"sts:AssumeRole"}}]}}"#
    )
}

fn trust(who: &str) -> Document {
    Document::parse(Kind::Trust, &trust_text(who)).unwrap()
}

fn allow(action: &str) -> Document {
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"*"}}]}}"#
    );
    Document::parse(Kind::Identity, &text).unwrap()
}

fn role() -> RoleName {
    "Auditor".parse().unwrap()
}

fn arn(name: &str) -> Arn {
    format!("arn:aws:iam::111111111111:policy/{name}")
        .parse()
        .unwrap()
}

fn account() -> AccountId {
    "111111111111".parse().unwrap()
}

/// The account as the sweep left it: the vendor trusted, one policy attached.
fn account_after() -> Observation {
    let policy = ObservedPolicy {
        arn: arn("Audit"),
        policy_id: "ANPA1".to_owned(),
        default_version_id: "v2".to_owned(),
        document: Sighting::Seen(ObservedDocument::Valid(allow("s3:Get*"))),
        tags: BTreeMap::new(),
        attachment_count: 1,
        versions: Some(Sighting::Seen(vec![
            PolicyVersion {
                id: "v1".to_owned(),
                is_default: false,
                created_at: 1,
            },
            PolicyVersion {
                id: "v2".to_owned(),
                is_default: true,
                created_at: 2,
            },
        ])),
    };
    Observation {
        account: account(),
        role: Sighting::Seen(ObservedRole {
            arn: "arn:aws:iam::111111111111:role/Auditor".parse().unwrap(),
            role_id: "AROA1".to_owned(),
            path: "/".to_owned(),
            trust: ObservedDocument::Valid(trust(VENDOR)),
            description: "new".to_owned(),
            max_session_duration: 3_600,
            boundary: None,
            tags: BTreeMap::from([("team".to_owned(), "security".to_owned())]),
        }),
        attachments: Sighting::Seen(BTreeSet::from([arn("Audit")])),
        inline: Sighting::Seen(BTreeMap::new()),
        policies: BTreeMap::from([(arn("Audit"), Sighting::Seen(policy))]),
        foreign_documents: BTreeMap::new(),
        legacy_users: Sighting::Absent,
    }
}

fn observed_role(observation: &mut Observation) -> &mut ObservedRole {
    match &mut observation.role {
        Sighting::Seen(role) => role,
        other => panic!("{other:?}"),
    }
}

fn taken(step: Step, before: Option<&str>) -> Taken {
    Taken {
        step,
        before: before.map(str::to_owned),
        created: None,
        certain: true,
    }
}

fn retrust(to: &str, before: &str) -> Taken {
    let step = Step::UpdateAssumeRolePolicy {
        role: role(),
        trust: trust(to),
    };
    taken(step, Some(&trust_text(before)))
}

fn create_role() -> Taken {
    let step = Step::CreateRole {
        role: role(),
        path: IamPath::default(),
        trust: trust(VENDOR),
        description: Some("new".to_owned()),
        max_session_duration: Some(3_600),
        boundary: None,
        tags: BTreeMap::from([("team".to_owned(), "security".to_owned())]),
    };
    Taken {
        created: Some("AROA1".to_owned()),
        ..taken(step, None)
    }
}

fn attach(name: &str) -> Taken {
    taken(
        Step::AttachRolePolicy {
            role: role(),
            arn: arn(name),
        },
        None,
    )
}

#[track_caller]
fn check(taken: &[Taken], observation: &Observation, expected: &Expect) {
    let way = way_back(&role(), taken, observation);
    let mut text = String::new();
    for step in &way.plan.steps {
        text.push_str(&format!("{} [{:?}]\n", step.step, step.band));
    }
    for withheld in &way.plan.withheld {
        text.push_str(&format!(
            "withheld {}: {}\n",
            withheld.resource, withheld.reason
        ));
    }
    for obstacle in &way.obstacles {
        text.push_str(&format!("obstacle: {obstacle}\n"));
    }
    expected.assert_eq(&text);
    assert!(
        way.obstacles.is_empty() || way.plan.is_empty(),
        "undone in spite of an obstacle"
    );
    assert_eq!(recheck(&way.plan, observation), Ok(()));
}

#[test]
fn nothing_taken_is_nothing_to_undo() {
    check(&[], &account_after(), &expect![[""]]);
}

#[test]
fn what_the_sweep_made_is_removed_newest_first() {
    let create = Step::CreatePolicy {
        arn: arn("Audit"),
        name: "Audit".parse().unwrap(),
        path: IamPath::default(),
        document: allow("s3:*"),
        tags: BTreeMap::new(),
    };
    let version = Step::CreatePolicyVersion {
        arn: arn("Audit"),
        document: allow("s3:Get*"),
    };
    let taken = [
        create_role(),
        taken(create, None),
        taken(version, Some(allow("s3:*").text())),
        attach("Audit"),
    ];
    check(
        &taken,
        &account_after(),
        &expect![[r#"
            iam:DetachRolePolicy role/Auditor policy/Audit [Narrow]
            iam:DeletePolicyVersion policy/Audit v1 [Narrow]
            iam:DeletePolicy policy/Audit [Narrow]
            iam:DeleteRole role/Auditor [Narrow]
        "#]],
    );
}

#[test]
fn each_step_goes_back_to_what_stood_just_before_it() {
    // Narrowed to nobody else, then widened to the vendor: on the way back the trust is
    // narrowed first, and is the old one again only at the end.
    let narrow = retrust("222222222222", "333333333333");
    let widen = retrust(VENDOR, "333333333333");
    let taken = [narrow, attach("Audit"), widen];
    let way = way_back(&role(), &taken, &account_after());
    let trusts: Vec<String> = way
        .plan
        .steps
        .iter()
        .map(|step| match &step.step {
            Step::UpdateAssumeRolePolicy { trust, .. } => trust.text().to_owned(),
            other => other.to_string(),
        })
        .collect();
    let detach = "iam:DetachRolePolicy role/Auditor policy/Audit".to_owned();
    assert_eq!(
        trusts,
        [
            trust_text("222222222222"),
            detach,
            trust_text("333333333333")
        ]
    );
}

#[test]
fn every_kind_of_change_has_a_way_back() {
    let tags = BTreeMap::from([("team".to_owned(), "security".to_owned())]);
    let taken = [
        taken(
            Step::DetachRolePolicy {
                role: role(),
                arn: arn("Old"),
            },
            None,
        ),
        taken(
            Step::DeleteRolePolicy {
                role: role(),
                policy: "Inline".parse().unwrap(),
            },
            Some(allow("ec2:*").text()),
        ),
        taken(
            Step::CreatePolicyVersion {
                arn: arn("Audit"),
                document: allow("s3:Get*"),
            },
            Some(allow("s3:List*").text()),
        ),
        retrust(VENDOR, "333333333333"),
        taken(
            Step::UpdateRole {
                role: role(),
                description: "new".to_owned(),
                max_session_duration: 3_600,
            },
            Some(r#"{"description":"old","max_session_duration":7200}"#),
        ),
        taken(
            Step::TagRole { role: role(), tags },
            Some(r#"{"team":null}"#),
        ),
        taken(
            Step::DeleteRolePermissionsBoundary { role: role() },
            Some("arn:aws:iam::111111111111:policy/Bound"),
        ),
    ];
    check(
        &taken,
        &account_after(),
        &expect![[r#"
            iam:PutRolePermissionsBoundary role/Auditor [Widen]
            iam:UntagRole role/Auditor [Turn]
            iam:UpdateRole role/Auditor [Turn]
            iam:UpdateAssumeRolePolicy role/Auditor [Widen]
            iam:CreatePolicyVersion policy/Audit [Widen]
            iam:PutRolePolicy role/Auditor inline/Inline [Widen]
            iam:AttachRolePolicy role/Auditor policy/Old [Widen]
        "#]],
    );
}

#[test]
fn a_role_that_was_removed_is_made_again_as_it_was() {
    let mut observation = account_after();
    observation.role = Sighting::Absent;
    observation.attachments = Sighting::Absent;
    observation.inline = Sighting::Absent;
    let before = format!(
        r#"{{"path":"/old/","trust":{},"description":"old","max_session_duration":3600,"boundary":null,"tags":{{"team":"ops"}}}}"#,
        serde_json::Value::String(trust_text(VENDOR))
    );
    let taken = [
        taken(
            Step::DetachRolePolicy {
                role: role(),
                arn: arn("Audit"),
            },
            None,
        ),
        taken(Step::DeleteRole { role: role() }, Some(&before)),
    ];
    let way = way_back(&role(), &taken, &observation);
    assert_eq!(way.obstacles, Vec::<String>::new());
    let steps: Vec<_> = way
        .plan
        .steps
        .iter()
        .map(|step| step.step.to_string())
        .collect();
    let expected = [
        "iam:CreateRole role/old/Auditor",
        "iam:AttachRolePolicy role/Auditor policy/Audit",
    ];
    assert_eq!(steps, expected);
    assert_eq!(
        way.unfinished(&observation).first().map(String::as_str),
        Some("the role itself")
    );
}

#[test]
fn what_others_changed_since_is_named_and_nothing_is_undone() {
    let taken = [retrust(VENDOR, "333333333333"), attach("Audit")];
    let mut observation = account_after();
    observed_role(&mut observation).trust = ObservedDocument::Valid(trust("444444444444"));
    observation.attachments = Sighting::Seen(BTreeSet::new());
    check(
        &taken,
        &observation,
        &expect![[r#"
            obstacle: the trust policy was changed since
            obstacle: whether arn:aws:iam::111111111111:policy/Audit is attached was changed since
        "#]],
    );
}

#[test]
fn what_others_added_to_a_role_the_sweep_made_keeps_it_there() {
    let mut observation = account_after();
    observation.attachments = Sighting::Seen(BTreeSet::from([arn("Audit"), arn("Theirs")]));
    check(
        &[create_role(), attach("Audit")],
        &observation,
        &expect![[r#"
            obstacle: arn:aws:iam::111111111111:policy/Theirs was attached since to the role that the sweep made
        "#]],
    );
    // Another role of the same name is not the one that was made.
    let mut observation = account_after();
    observed_role(&mut observation).role_id = "AROA2".to_owned();
    check(
        &[create_role(), attach("Audit")],
        &observation,
        &expect![[r#"
            obstacle: the role itself was changed since
        "#]],
    );
}

#[test]
fn a_trust_policy_that_names_the_dead_cannot_come_back() {
    let taken = [retrust(VENDOR, "AROAEXAMPLEEXAMPLE123")];
    check(
        &taken,
        &account_after(),
        &expect![[r#"
            obstacle: the trust policy as it was names principals that no longer exist (AROAEXAMPLEEXAMPLE123): AWS takes it no more
        "#]],
    );
}

#[test]
fn what_could_not_be_read_is_not_undone() {
    let mut observation = account_after();
    observation.attachments = Sighting::Unread(crate::fault::Fault::new(
        crate::fault::Category::AccessDenied,
        "no",
    ));
    let way = way_back(&role(), &[attach("Audit")], &observation);
    assert!(way.plan.is_empty());
    assert_eq!(way.obstacles.len(), 1);
}

#[test]
fn a_lost_answer_counts_when_its_effect_is_there() {
    let lost = |taken: Taken| Taken {
        certain: false,
        ..taken
    };
    let there = [lost(attach("Audit"))];
    check(
        &there,
        &account_after(),
        &expect![[r#"
            iam:DetachRolePolicy role/Auditor policy/Audit [Narrow]
        "#]],
    );
    let not_there = [lost(attach("Other"))];
    check(&not_there, &account_after(), &expect![[""]]);
    // The next step found there what the lost call had put.
    let taken = [
        lost(retrust("222222222222", "333333333333")),
        retrust(VENDOR, "222222222222"),
    ];
    let way = way_back(&role(), &taken, &account_after());
    assert_eq!(way.plan.steps.len(), 2);
}

#[test]
fn a_lost_answer_whose_effect_nobody_can_tell_is_in_the_way() {
    let lost = |taken: Taken| Taken {
        certain: false,
        ..taken
    };
    // What stands there cannot be read.
    let mut blind = account_after();
    blind.attachments = Sighting::Unread(crate::fault::Fault::new(
        crate::fault::Category::Throttled,
        "slow down",
    ));
    let taken = [retrust(VENDOR, "333333333333"), lost(attach("Audit"))];
    let way = way_back(&role(), &taken, &blind);
    assert!(way.plan.is_empty());
    let [obstacle] = way.obstacles.as_slice() else {
        panic!("{:?}", way.obstacles);
    };
    assert!(obstacle.contains("policy/Audit is attached"), "{obstacle}");
    // What stands there is neither from before the call nor from after it.
    let mut changed = account_after();
    observed_role(&mut changed).trust = ObservedDocument::Valid(trust("444444444444"));
    let taken = [attach("Audit"), lost(retrust(VENDOR, "333333333333"))];
    let way = way_back(&role(), &taken, &changed);
    assert!(way.plan.is_empty());
    assert_eq!(way.obstacles.len(), 1, "{:?}", way.obstacles);
    // Where the role is gone, nothing of it is left to undo.
    let mut gone = account_after();
    (gone.role, gone.attachments) = (Sighting::Absent, Sighting::Absent);
    let way = way_back(&role(), &[lost(attach("Audit"))], &gone);
    assert_eq!((way.plan.steps.len(), way.obstacles.len()), (0, 0));
}

#[test]
fn undoing_is_finished_when_everything_stands_as_before() {
    let taken = [retrust(VENDOR, "333333333333")];
    let mut observation = account_after();
    let way = way_back(&role(), &taken, &observation);
    assert_eq!(way.unfinished(&observation), ["the trust policy"]);
    observed_role(&mut observation).trust = ObservedDocument::Valid(trust("333333333333"));
    assert_eq!(way.unfinished(&observation), Vec::<String>::new());
}

#[test]
fn a_probe_names_the_policies_that_were_changed_and_no_others() {
    let own = taken(
        Step::DeletePolicy {
            arn: arn("some/path/Audit"),
        },
        None,
    );
    let other = attach("Other");
    let steps = [&own.step, &other.step];
    let probe = probe(&role(), &steps, account(), Partition::Aws).unwrap();
    let policies: Vec<_> = probe
        .managed_policies
        .iter()
        .map(|policy| format!("{}{}", policy.path, policy.name))
        .collect();
    assert_eq!(policies, ["/some/path/Audit"]);
}

#[test]
fn a_step_without_an_answer_is_judged_by_what_stands_there() {
    let there = |step: &Step, observation: &Observation| effect(step, observation);
    let observation = account_after();
    let absent = Step::DetachRolePolicy {
        role: role(),
        arn: arn("Audit"),
    };
    let version = |id: &str| Step::DeletePolicyVersion {
        arn: arn("Audit"),
        version_id: id.to_owned(),
    };
    assert_eq!(there(&create_role().step, &observation), Effect::There);
    assert_eq!(there(&attach("Audit").step, &observation), Effect::There);
    assert_eq!(there(&attach("Other").step, &observation), Effect::NotThere);
    assert_eq!(there(&absent, &observation), Effect::NotThere);
    assert_eq!(there(&version("v1"), &observation), Effect::NotThere);
    assert_eq!(there(&version("v9"), &observation), Effect::There);
    let mut blind = account_after();
    blind.attachments = Sighting::Unread(crate::fault::Fault::new(
        crate::fault::Category::Throttled,
        "slow down",
    ));
    assert_eq!(there(&attach("Audit").step, &blind), Effect::Unknown);
    assert_eq!(there(&retrust(VENDOR, "x").step, &blind), Effect::There);
}

#[test]
fn a_way_back_that_was_broken_off_goes_on_from_where_it_stands() {
    let taken = [
        retrust("222222222222", "333333333333"),
        attach("Audit"),
        retrust(VENDOR, "x"),
    ];
    let mut observation = account_after();
    let steps = |observation: &Observation| {
        let way = way_back(&role(), &taken, observation);
        assert_eq!(way.obstacles, Vec::<String>::new());
        way.plan.steps.len()
    };
    assert_eq!(steps(&observation), 3);
    observed_role(&mut observation).trust = ObservedDocument::Valid(trust("222222222222"));
    assert_eq!(steps(&observation), 2);
    observation.attachments = Sighting::Seen(BTreeSet::new());
    assert_eq!(steps(&observation), 1);
    observed_role(&mut observation).trust = ObservedDocument::Valid(trust("333333333333"));
    assert_eq!(steps(&observation), 0);
}

#[test]
fn a_role_that_was_made_and_is_gone_again_is_nothing_to_undo() {
    let mut observation = account_after();
    observation.role = Sighting::Absent;
    observation.attachments = Sighting::Absent;
    observation.inline = Sighting::Absent;
    check(
        &[create_role(), attach("Other")],
        &observation,
        &expect![[""]],
    );
}
