//! Requests that AWS's documentation decides, row by row. Sources are pages
//! of the IAM User Guide: `logic` is "Policy evaluation logic" with its parts
//! on single accounts, cross-account access and denials; `principal`,
//! `condition`, `variables`, `resource`, `action` are the pages on these
//! policy elements; `multi` is "Single-valued vs. multivalued context keys".

#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

use rolekeeper_domain::policy::{
    ConditionContext, Decision, Document, Kind, Policies, PolicyType, Principal, Request, evaluate,
};

const ROLE: &str = "arn:aws:iam::111122223333:role/deep/worker";

fn doc(kind: Kind, statements: &str) -> Document {
    Document::parse(
        kind,
        &format!("{{\"Version\":\"2012-10-17\",\"Statement\":[{statements}]}}"),
    )
    .unwrap()
}

fn identity(statements: &str) -> Document {
    doc(Kind::Identity, statements)
}

fn user() -> Principal {
    Principal::User {
        arn: "arn:aws:iam::111122223333:user/ana".into(),
    }
}

fn session() -> Principal {
    Principal::Session {
        role: ROLE.into(),
        name: "job".into(),
    }
}

fn ask(principal: Principal, action: &str, resource: &str) -> Request {
    Request {
        principal,
        action: action.into(),
        resource: resource.into(),
        context: ConditionContext::new(),
    }
}

const ALLOW_S3: &str = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;
const ALLOW_ALL: &str = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
const DENY_PUT: &str = r#"{"Effect":"Deny","Action":"s3:PutObject","Resource":"*"}"#;
const OBJECT: &str = "arn:aws:s3:::bucket/key";

fn denied(missing: PolicyType) -> Decision {
    Decision::ImplicitDeny { missing }
}

#[test]
fn one_account_needs_every_kind_that_applies() {
    let all = [identity(ALLOW_ALL)];
    let s3 = [identity(ALLOW_S3)];
    let denying = [identity(ALLOW_ALL), identity(DENY_PUT)];
    let iam_only = identity(r#"{"Effect":"Allow","Action":"iam:*","Resource":"*"}"#);
    let iam_session = [iam_only.clone()];
    let full: &[Document] = &[doc(Kind::ServiceControl, ALLOW_ALL)];
    let s3_denied: &[Document] = &[
        doc(Kind::ServiceControl, ALLOW_ALL),
        doc(Kind::ServiceControl, DENY_PUT),
    ];
    let narrow: &[Document] = &[doc(
        Kind::ServiceControl,
        r#"{"Effect":"Allow","Action":"ec2:*","Resource":"*"}"#,
    )];
    let base = Policies {
        same_account: true,
        ..Policies::default()
    };
    let by_identity = Decision::Allowed {
        by: PolicyType::Identity,
    };
    let deny = |by, document, statement| Decision::ExplicitDeny {
        by,
        document,
        statement,
    };
    let rows: [(&str, Policies<'_>, Decision); 12] = [
        (
            "logic: nothing allows, so it is denied by default",
            base,
            denied(PolicyType::Identity),
        ),
        (
            "logic: an allow in an identity policy",
            Policies {
                identity: &s3,
                ..base
            },
            by_identity,
        ),
        (
            "logic: an explicit deny overrides any allow",
            Policies {
                identity: &denying,
                ..base
            },
            deny(PolicyType::Identity, 1, 0),
        ),
        (
            "logic: a boundary must allow as well",
            Policies {
                identity: &all,
                boundary: Some(&iam_only),
                ..base
            },
            denied(PolicyType::Boundary),
        ),
        (
            "logic: a boundary grants nothing itself",
            Policies {
                boundary: Some(&all[0]),
                ..base
            },
            denied(PolicyType::Identity),
        ),
        (
            "logic: a session policy must allow as well",
            Policies {
                identity: &all,
                session: Some(&iam_session),
                ..base
            },
            denied(PolicyType::Session),
        ),
        (
            "logic: no session policy passed, no limit",
            Policies {
                identity: &all,
                session: Some(&[]),
                ..base
            },
            by_identity,
        ),
        (
            "logic: each level of SCPs must allow",
            Policies {
                identity: &all,
                scps: &[full, narrow],
                ..base
            },
            denied(PolicyType::ServiceControl),
        ),
        (
            "logic: levels of SCPs that all allow",
            Policies {
                identity: &all,
                scps: &[full, full],
                ..base
            },
            by_identity,
        ),
        (
            "logic: an SCP's deny names its place",
            Policies {
                identity: &all,
                scps: &[full, s3_denied],
                ..base
            },
            deny(PolicyType::ServiceControl, 2, 0),
        ),
        (
            "logic: SCPs grant nothing themselves",
            Policies {
                scps: &[full],
                ..base
            },
            denied(PolicyType::Identity),
        ),
        (
            "logic: several policies allow together",
            Policies {
                identity: &[iam_only.clone(), s3[0].clone()],
                ..base
            },
            by_identity,
        ),
    ];
    for (why, policies, wanted) in rows {
        let got = evaluate(&ask(user(), "s3:PutObject", OBJECT), &policies);
        assert_eq!(got, wanted, "{why}");
    }
}

fn bucket(principal: &str) -> Document {
    doc(
        Kind::Resource,
        &format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":"s3:*","Resource":"*"}}"#),
    )
}

#[test]
fn a_resource_policy_reaches_as_far_as_the_name_it_uses() {
    let nothing = identity(r#"{"Effect":"Allow","Action":"iam:*","Resource":"*"}"#);
    let session_policy = [nothing.clone()];
    let rows = [
        // logic, "Evaluating identity-based policies with resource-based policies"
        (
            "the user's own ARN needs no identity policy",
            user(),
            r#"{"AWS":"arn:aws:iam::111122223333:user/ana"}"#,
            false,
            true,
        ),
        (
            "nor does a boundary limit it",
            user(),
            r#"{"AWS":"arn:aws:iam::111122223333:user/ana"}"#,
            true,
            true,
        ),
        (
            "the account leaves it to identity policies",
            user(),
            r#"{"AWS":"111122223333"}"#,
            false,
            false,
        ),
        (
            "everyone includes the account's users",
            user(),
            r#""*""#,
            false,
            true,
        ),
        (
            "but a boundary limits what everyone gets",
            user(),
            r#""*""#,
            true,
            false,
        ),
        (
            "the role's ARN needs no identity policy",
            session(),
            r#"{"AWS":"arn:aws:iam::111122223333:role/deep/worker"}"#,
            false,
            true,
        ),
        (
            "but boundary and session policy limit it",
            session(),
            r#"{"AWS":"arn:aws:iam::111122223333:role/deep/worker"}"#,
            true,
            false,
        ),
        (
            "the session's ARN is limited by neither",
            session(),
            r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/worker/job"}"#,
            true,
            true,
        ),
        (
            "another session's ARN is another's",
            session(),
            r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/worker/other"}"#,
            false,
            false,
        ),
    ];
    for (why, who, principal, limited, wanted) in rows {
        let policy = bucket(principal);
        let policies = Policies {
            resource: Some(&policy),
            boundary: limited.then_some(&nothing),
            session: limited.then_some(&session_policy[..]),
            same_account: true,
            ..Policies::default()
        };
        assert_eq!(
            evaluate(&ask(who, "s3:GetObject", OBJECT), &policies).is_allowed(),
            wanted,
            "{why}"
        );
    }
}

#[test]
fn across_accounts_both_sides_must_allow() {
    let mine = [identity(ALLOW_S3)];
    let theirs = bucket(r#"{"AWS":"111122223333"}"#);
    let direct = bucket(r#"{"AWS":"arn:aws:iam::111122223333:user/ana"}"#);
    let cross = Policies::default();
    let rows = [
        (
            "only the identity side",
            Policies {
                identity: &mine,
                ..cross
            },
            denied(PolicyType::Resource),
        ),
        (
            "only the resource side",
            Policies {
                resource: Some(&theirs),
                ..cross
            },
            denied(PolicyType::Identity),
        ),
        (
            "only the resource side, by name",
            Policies {
                resource: Some(&direct),
                ..cross
            },
            denied(PolicyType::Identity),
        ),
        (
            "both sides",
            Policies {
                identity: &mine,
                resource: Some(&theirs),
                ..cross
            },
            Decision::Allowed {
                by: PolicyType::Identity,
            },
        ),
    ];
    for (why, policies, wanted) in rows {
        assert_eq!(
            evaluate(&ask(user(), "s3:GetObject", OBJECT), &policies),
            wanted,
            "logic: {why}"
        );
    }
}

fn trust(statement: &str) -> Document {
    doc(Kind::Trust, statement)
}

#[test]
fn a_trust_policy_always_has_its_say() {
    let may_assume = [identity(
        r#"{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::*:role/Target"}"#,
    )];
    let account =
        trust(r#"{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}"#);
    let by_name = trust(
        r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/ana"},"Action":"sts:AssumeRole"}"#,
    );
    let service = trust(
        r#"{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}"#,
    );
    let web = trust(
        r#"{"Effect":"Allow","Principal":{"Federated":"accounts.google.com"},"Action":"sts:AssumeRoleWithWebIdentity"}"#,
    );
    let ec2 = Principal::Service("ec2.amazonaws.com".into());
    let google = Principal::Federated("accounts.google.com".into());
    let root = Principal::Root {
        account: "111122223333".into(),
    };
    let with = |identity, trust, same_account| Policies {
        identity,
        resource: Some(trust),
        same_account,
        ..Policies::default()
    };
    let none: &[Document] = &[];
    let rows = [
        (
            "identity alone is not enough, even at home",
            user(),
            "sts:AssumeRole",
            Policies {
                identity: &may_assume,
                same_account: true,
                ..Policies::default()
            },
            false,
        ),
        (
            "the account is trusted and its user allowed",
            user(),
            "sts:AssumeRole",
            with(&may_assume[..], &account, true),
            true,
        ),
        (
            "the account is trusted, its user not allowed",
            user(),
            "sts:AssumeRole",
            with(none, &account, true),
            false,
        ),
        (
            "named at home: no identity policy is needed",
            user(),
            "sts:AssumeRole",
            with(none, &by_name, true),
            true,
        ),
        (
            "named from afar: both sides",
            user(),
            "sts:AssumeRole",
            with(none, &by_name, false),
            false,
        ),
        (
            "both sides from afar",
            user(),
            "sts:AssumeRole",
            with(&may_assume[..], &account, false),
            true,
        ),
        (
            "a session of the account",
            session(),
            "sts:AssumeRole",
            with(&may_assume[..], &account, false),
            true,
        ),
        (
            "roles may not be assumed by root users",
            root,
            "sts:AssumeRole",
            with(&may_assume[..], &account, true),
            false,
        ),
        (
            "a service needs the trust policy alone",
            ec2.clone(),
            "sts:AssumeRole",
            with(none, &service, false),
            true,
        ),
        (
            "another service",
            Principal::Service("sns.amazonaws.com".into()),
            "sts:AssumeRole",
            with(none, &service, false),
            false,
        ),
        (
            "a web identity",
            google.clone(),
            "sts:AssumeRoleWithWebIdentity",
            with(none, &web, false),
            true,
        ),
        (
            "the action is another one",
            google,
            "sts:AssumeRole",
            with(none, &web, false),
            false,
        ),
        (
            "a service is no user",
            ec2,
            "sts:AssumeRole",
            with(none, &account, false),
            false,
        ),
    ];
    for (why, who, action, policies, wanted) in rows {
        let request = ask(who, action, "arn:aws:iam::444455556666:role/Target");
        assert_eq!(
            evaluate(&request, &policies).is_allowed(),
            wanted,
            "principal, logic: {why}"
        );
    }
}

#[test]
fn not_principal_spares_only_who_is_listed_by_every_name() {
    // principal (NotPrincipal): the example of an audit session in account
    // 444455556666 lists session, role and account.
    let statement = |names: &str| {
        trust(&format!(
            "{{\"Effect\":\"Deny\",\"NotPrincipal\":{{\"AWS\":[{names}]}},\"Action\":\"s3:*\"}},\
             {{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:*\"}}"
        ))
    };
    let all = r#""arn:aws:sts::444455556666:assumed-role/audit/app","arn:aws:iam::444455556666:role/audit","arn:aws:iam::444455556666:root""#;
    let without_account = r#""arn:aws:sts::444455556666:assumed-role/audit/app","arn:aws:iam::444455556666:role/audit""#;
    let audit = |name: &str| Principal::Session {
        role: "arn:aws:iam::444455556666:role/audit".into(),
        name: name.into(),
    };
    let rows = [
        (all, audit("app"), true),
        (all, audit("other"), false),
        (without_account, audit("app"), false),
        (all, user(), false),
    ];
    for (names, who, wanted) in rows {
        let policy = statement(names);
        let policies = Policies {
            resource: Some(&policy),
            identity: &[identity(ALLOW_ALL)],
            same_account: true,
            ..Policies::default()
        };
        assert_eq!(
            evaluate(&ask(who.clone(), "s3:GetObject", OBJECT), &policies).is_allowed(),
            wanted,
            "{names} {who:?}"
        );
    }
}

/// The context of a request: keys with their values.
type Keys = &'static [(&'static str, &'static [&'static str])];

#[track_caller]
fn check_condition(condition: &str, context: Keys, wanted: bool) {
    let policy = [identity(&format!(
        r#"{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{{condition}}}}}"#
    ))];
    let mut request = ask(user(), "s3:GetObject", OBJECT);
    for (key, values) in context {
        request.context.set_many(key, values.iter().copied());
    }
    let policies = Policies {
        identity: &policy,
        same_account: true,
        ..Policies::default()
    };
    assert_eq!(
        evaluate(&request, &policies).is_allowed(),
        wanted,
        "{condition} {context:?}"
    );
}

#[test]
fn conditions_hold_as_documented() {
    let present: Keys = &[("aws:PrincipalTag/team", &["blue"])];
    let rows: &[(&str, Keys, bool)] = &[
        // condition: keys have no case, values have
        (
            r#""StringEquals":{"AWS:principaltag/TEAM":"blue"}"#,
            present,
            true,
        ),
        (
            r#""StringEquals":{"aws:PrincipalTag/team":"Blue"}"#,
            present,
            false,
        ),
        (
            r#""StringEqualsIgnoreCase":{"aws:PrincipalTag/team":"Blue"}"#,
            present,
            true,
        ),
        // condition: several values are alternatives, several keys and operators all hold
        (
            r#""StringEquals":{"aws:PrincipalTag/team":["red","blue"]}"#,
            present,
            true,
        ),
        (
            r#""StringEquals":{"aws:PrincipalTag/team":"blue","aws:PrincipalTag/x":"y"}"#,
            present,
            false,
        ),
        // condition: negated operators need all values to differ, and hold without the key
        (
            r#""StringNotEquals":{"aws:PrincipalTag/team":["red","blue"]}"#,
            present,
            false,
        ),
        (
            r#""StringNotEquals":{"aws:PrincipalTag/team":["red","green"]}"#,
            present,
            true,
        ),
        (
            r#""StringNotEquals":{"aws:PrincipalTag/team":"red"}"#,
            &[],
            true,
        ),
        (
            r#""StringEquals":{"aws:PrincipalTag/team":"red"}"#,
            &[],
            false,
        ),
        (
            r#""StringLike":{"aws:PrincipalTag/team":"b?u*"}"#,
            present,
            true,
        ),
        (
            r#""StringNotLike":{"aws:PrincipalTag/team":"b*"}"#,
            present,
            false,
        ),
        // condition: …IfExists holds without the key
        (
            r#""StringEqualsIfExists":{"aws:PrincipalTag/team":"red"}"#,
            &[],
            true,
        ),
        (
            r#""StringEqualsIfExists":{"aws:PrincipalTag/team":"red"}"#,
            present,
            false,
        ),
        // condition: Null
        (r#""Null":{"aws:PrincipalTag/team":"true"}"#, &[], true),
        (r#""Null":{"aws:PrincipalTag/team":"true"}"#, present, false),
        (r#""Null":{"aws:PrincipalTag/team":"false"}"#, present, true),
        // condition: Bool; a missing key is neither
        (
            r#""Bool":{"aws:SecureTransport":"true"}"#,
            &[("aws:SecureTransport", &["true"])],
            true,
        ),
        (
            r#""Bool":{"aws:SecureTransport":true}"#,
            &[("aws:SecureTransport", &["TRUE"])],
            true,
        ),
        (
            r#""Bool":{"aws:MultiFactorAuthPresent":"false"}"#,
            &[],
            false,
        ),
        (
            r#""BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}"#,
            &[],
            true,
        ),
        // condition: numbers, also written as numbers
        (
            r#""NumericLessThanEquals":{"s3:max-keys":"10"}"#,
            &[("s3:max-keys", &["10"])],
            true,
        ),
        (
            r#""NumericLessThanEquals":{"s3:max-keys":10}"#,
            &[("s3:max-keys", &["10.5"])],
            false,
        ),
        (
            r#""NumericNotEquals":{"s3:max-keys":"10"}"#,
            &[("s3:max-keys", &["10.0"])],
            false,
        ),
        (
            r#""NumericGreaterThan":{"s3:max-keys":"-1"}"#,
            &[("s3:max-keys", &["0"])],
            true,
        ),
        // condition: dates, ISO 8601 or epoch
        (
            r#""DateLessThan":{"aws:CurrentTime":"2026-06-30T00:00:00Z"}"#,
            &[("aws:CurrentTime", &["2026-06-29T23:59:59Z"])],
            true,
        ),
        (
            r#""DateGreaterThan":{"aws:EpochTime":"1751241600"}"#,
            &[("aws:EpochTime", &["1751241601"])],
            true,
        ),
        (
            r#""DateEquals":{"aws:CurrentTime":"2026-06-30"}"#,
            &[("aws:CurrentTime", &["2026-06-30T02:00:00+02:00"])],
            true,
        ),
        // condition: addresses in both families
        (
            r#""IpAddress":{"aws:SourceIp":"203.0.113.0/24"}"#,
            &[("aws:SourceIp", &["203.0.113.77"])],
            true,
        ),
        (
            r#""IpAddress":{"aws:SourceIp":"203.0.113.0/24"}"#,
            &[("aws:SourceIp", &["203.0.114.1"])],
            false,
        ),
        (
            r#""IpAddress":{"aws:SourceIp":["203.0.113.0/24","2001:DB8:1234:5678::/64"]}"#,
            &[("aws:SourceIp", &["2001:db8:1234:5678:1234:5678:abcd:ef01"])],
            true,
        ),
        (
            r#""NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}"#,
            &[("aws:SourceIp", &["203.0.114.1"])],
            true,
        ),
        // condition: ARNs by their six parts; ArnEquals and ArnLike are the same
        (
            r#""ArnEquals":{"aws:SourceArn":"arn:aws:sns:*:123456789012:t*"}"#,
            &[(
                "aws:SourceArn",
                &["arn:aws:sns:eu-west-1:123456789012:topic"],
            )],
            true,
        ),
        (
            r#""ArnLike":{"aws:SourceArn":"arn:aws:sns:*:123456789012:t*"}"#,
            &[(
                "aws:SourceArn",
                &["arn:aws:sns:eu-west-1:x:123456789012:topic"],
            )],
            false,
        ),
        (
            r#""ArnNotLike":{"aws:SourceArn":"arn:aws:sns:*:*:*"}"#,
            &[("aws:SourceArn", &["arn:aws:sqs:eu-west-1:1:q"])],
            true,
        ),
        (
            r#""BinaryEquals":{"x:key":"QmluYXJ5"}"#,
            &[("x:key", &["QmluYXJ5"])],
            true,
        ),
        // multi: ForAllValues holds for no values at all; ForAnyValue does not
        (
            r#""ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}"#,
            &[("aws:TagKeys", &["a"])],
            true,
        ),
        (
            r#""ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}"#,
            &[("aws:TagKeys", &["a", "c"])],
            false,
        ),
        (
            r#""ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}"#,
            &[],
            true,
        ),
        (
            r#""ForAnyValue:StringEquals":{"aws:TagKeys":["a","b"]}"#,
            &[("aws:TagKeys", &["a", "c"])],
            true,
        ),
        (
            r#""ForAnyValue:StringEquals":{"aws:TagKeys":["a","b"]}"#,
            &[],
            false,
        ),
        (
            r#""ForAllValues:StringNotEquals":{"aws:TagKeys":["a"]}"#,
            &[("aws:TagKeys", &["b", "c"])],
            true,
        ),
        (
            r#""ForAllValues:StringNotEquals":{"aws:TagKeys":["a"]}"#,
            &[("aws:TagKeys", &["a", "c"])],
            false,
        ),
        // what follows from the principal is there by itself
        (
            r#""StringEquals":{"aws:PrincipalAccount":"111122223333"}"#,
            &[],
            true,
        ),
        (
            r#""ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/a*"}"#,
            &[],
            true,
        ),
    ];
    for (condition, context, wanted) in rows {
        check_condition(condition, context, *wanted);
    }
}

#[test]
fn elements_match_as_documented() {
    let rows = [
        // action: prefix and name have no case; wildcards anywhere
        (
            r#""Action":"IAM:listaccesskeys","Resource":"*""#,
            "iam:ListAccessKeys",
            "*",
            true,
        ),
        (
            r#""Action":"iam:*AccessKey*","Resource":"*""#,
            "iam:CreateAccessKey",
            "*",
            true,
        ),
        (
            r#""NotAction":"iam:*","Resource":"*""#,
            "iam:CreateUser",
            "*",
            false,
        ),
        (
            r#""NotAction":"iam:*","Resource":"*""#,
            "s3:ListBucket",
            "*",
            true,
        ),
        // resource: names have case; a * reaches over slashes
        (
            r#""Action":"*","Resource":"arn:aws:iam::111122223333:user/Bob""#,
            "iam:GetUser",
            "arn:aws:iam::111122223333:user/bob",
            false,
        ),
        (
            r#""Action":"*","Resource":"arn:aws:s3:::bucket/*/test/*""#,
            "s3:GetObject",
            "arn:aws:s3:::bucket/1/2/test/3/object.jpg",
            true,
        ),
        (
            r#""Action":"*","Resource":"arn:aws:s3:::bucket/*/test/*""#,
            "s3:GetObject",
            "arn:aws:s3:::bucket/1-test/object.jpg",
            false,
        ),
        (
            r#""Action":"*","NotResource":["arn:aws:s3:::HRBucket","arn:aws:s3:::HRBucket/*"]"#,
            "s3:GetObject",
            "arn:aws:s3:::HRBucket/x",
            false,
        ),
        (
            r#""Action":"*","NotResource":["arn:aws:s3:::HRBucket","arn:aws:s3:::HRBucket/*"]"#,
            "s3:GetObject",
            "arn:aws:s3:::Other",
            true,
        ),
        // variables: values from the request, and only under the new version
        (
            r#""Action":"*","Resource":"arn:aws:s3:::home/${aws:username}/*""#,
            "s3:GetObject",
            "arn:aws:s3:::home/ana/x",
            true,
        ),
        (
            r#""Action":"*","Resource":"arn:aws:s3:::home/${aws:username}/*""#,
            "s3:GetObject",
            "arn:aws:s3:::home/bob/x",
            false,
        ),
        (
            r#""Action":"*","Resource":"arn:aws:s3:::home/${aws:PrincipalTag/team, 'all'}""#,
            "s3:GetObject",
            "arn:aws:s3:::home/all",
            true,
        ),
        (
            r#""Action":"*","Resource":"arn:aws:s3:::home/${*}""#,
            "s3:GetObject",
            "arn:aws:s3:::home/x",
            false,
        ),
    ];
    for (elements, action, resource, wanted) in rows {
        let policy = [identity(&format!("{{\"Effect\":\"Allow\",{elements}}}"))];
        let mut request = ask(user(), action, resource);
        request.context.set("aws:username", "ana");
        let policies = Policies {
            identity: &policy,
            same_account: true,
            ..Policies::default()
        };
        assert_eq!(
            evaluate(&request, &policies).is_allowed(),
            wanted,
            "{elements} {action} {resource}"
        );
    }
    let old = Document::parse(Kind::Identity, r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::home/${aws:username}"}}"#).unwrap();
    let old = [old];
    let policies = Policies {
        identity: &old,
        same_account: true,
        ..Policies::default()
    };
    let mut request = ask(user(), "s3:GetObject", "arn:aws:s3:::home/ana");
    request.context.set("aws:username", "ana");
    assert!(
        !evaluate(&request, &policies).is_allowed(),
        "variables: an older version reads them as text"
    );
    request.resource = "arn:aws:s3:::home/${aws:username}".into();
    assert!(evaluate(&request, &policies).is_allowed());
}

#[test]
fn the_faq_role_may_do_everything_but_create_users() {
    let policy = [identity(
        r#"{"Action":["*"],"Effect":"Allow","Resource":"*"},{"Action":["iam:CreateUser"],"Effect":"Deny","Resource":"*"}"#,
    )];
    let policies = Policies {
        identity: &policy,
        same_account: true,
        ..Policies::default()
    };
    assert!(evaluate(&ask(session(), "iam:CreateAccessKey", "*"), &policies).is_allowed());
    let refused = evaluate(
        &ask(
            session(),
            "iam:createuser",
            "arn:aws:iam::111122223333:user/x",
        ),
        &policies,
    );
    assert_eq!(
        refused,
        Decision::ExplicitDeny {
            by: PolicyType::Identity,
            document: 0,
            statement: 1
        }
    );
}

#[test]
fn an_rcp_binds_whoever_asks() {
    let allow: &[Document] = &[doc(Kind::Identity, ALLOW_ALL)];
    let perimeter = doc(
        Kind::ResourceControl,
        r#"{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole","Resource":"*","Condition":{"StringNotEqualsIfExists":{"aws:PrincipalOrgID":"o-ours"},"BoolIfExists":{"aws:PrincipalIsAWSService":"false"}}}"#,
    );
    let trusts =
        trust(r#"{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}"#);
    let rcps: &[&[Document]] = &[&[perimeter]];
    let policies = Policies {
        identity: allow,
        rcps,
        resource: Some(&trusts),
        ..Policies::default()
    };
    let mut request = ask(
        session(),
        "sts:AssumeRole",
        "arn:aws:iam::444455556666:role/Target",
    );
    let refused = Decision::ExplicitDeny {
        by: PolicyType::ResourceControl,
        document: 0,
        statement: 0,
    };
    assert_eq!(evaluate(&request, &policies), refused);
    request.context.set("aws:PrincipalOrgID", "o-ours");
    assert_eq!(
        evaluate(&request, &policies),
        Decision::Allowed {
            by: PolicyType::Identity
        }
    );
}
