//! Draws policy documents and requests from one small world, so that they
//! meet often, and holds what is said of pairs against the evaluator.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use rolekeeper_domain::policy::{
    Authority, ConditionContext, Context, Document, Effect, Kind, Policies, Principal, Request,
    Verdict, compare, compare_authority, document_says, evaluate, examples,
};

const ACTIONS: [&str; 16] = [
    "*",
    "*:*",
    "s3:*",
    "S3:get*",
    "s3:GetObject",
    "s3:getobject",
    "s3:Get?bject",
    "s3:Put*",
    "s3:*Object",
    "iam:*",
    "iam:CreateUser",
    "iam:Create*",
    "iam:PassRole",
    "*:Get*",
    "sts:AssumeRole",
    "sts:*",
];
const RESOURCES: [&str; 14] = [
    "*",
    "arn:aws:s3:::a",
    "arn:aws:s3:::a/*",
    "arn:aws:s3:::a*",
    "arn:aws:s3:::*",
    "arn:aws:s3:::?",
    "arn:aws:s3:::home/${aws:username}/*",
    "arn:aws:s3:::home/${aws:username}",
    "arn:aws:s3:::home/bob/x",
    "arn:aws:s3:::home/*",
    "arn:aws:iam::111122223333:role/*",
    "arn:aws:iam::*:role/x",
    "arn:aws:iam::1111*:role/x",
    "arn:*",
];
const PRINCIPALS: [&str; 12] = [
    r#""*""#,
    r#"{"AWS":"*"}"#,
    r#"{"AWS":"111122223333"}"#,
    r#"{"AWS":"arn:aws:iam::111122223333:root"}"#,
    r#"{"AWS":["arn:aws:iam::111122223333:role/x","444455556666"]}"#,
    r#"{"AWS":"arn:aws:iam::111122223333:role/x"}"#,
    r#"{"AWS":"arn:aws:iam::111122223333:user/u"}"#,
    r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/x/s"}"#,
    r#"{"AWS":"AROAEXAMPLEID1234567"}"#,
    r#"{"Service":"ec2.amazonaws.com"}"#,
    r#"{"Service":["ec2.amazonaws.com","lambda.amazonaws.com"],"AWS":"444455556666"}"#,
    r#"{"Federated":"accounts.google.com"}"#,
];
const NOT_PRINCIPALS: [&str; 3] = [
    r#"{"AWS":["111122223333","arn:aws:iam::111122223333:role/x"]}"#,
    r#"{"AWS":["444455556666","arn:aws:iam::111122223333:user/u"]}"#,
    r#"{"Service":"ec2.amazonaws.com"}"#,
];
/// Conditions by key, each with values that meet those of its neighbors.
const CONDITIONS: [&str; 49] = [
    r#""Bool":{"aws:PrincipalIsAWSService":"false"}"#,
    r#""BoolIfExists":{"aws:PrincipalIsAWSService":"true"}"#,
    r#""StringEquals":{"aws:PrincipalType":["User","Account"]}"#,
    r#""StringEquals":{"sts:ExternalId":"one"}"#,
    r#""StringEquals":{"sts:ExternalId":["one","two"]}"#,
    r#""stringequals":{"STS:ExternalId":"ONE"}"#,
    r#""StringNotEquals":{"sts:ExternalId":"one"}"#,
    r#""StringEqualsIfExists":{"sts:ExternalId":"one"}"#,
    r#""StringEqualsIgnoreCase":{"sts:ExternalId":"One"}"#,
    r#""StringLike":{"sts:ExternalId":"o*"}"#,
    r#""StringNotLike":{"sts:ExternalId":"?n*"}"#,
    r#""Null":{"sts:ExternalId":"true"}"#,
    r#""Null":{"sts:ExternalId":false}"#,
    r#""StringEquals":{"aws:username":"bob"}"#,
    r#""StringLike":{"s3:prefix":"${aws:username}/*"}"#,
    r#""StringLike":{"s3:prefix":"*"}"#,
    r#""StringEquals":{"s3:prefix":["","home"]}"#,
    r#""Bool":{"aws:MultiFactorAuthPresent":"true"}"#,
    r#""Bool":{"aws:MultiFactorAuthPresent":false}"#,
    r#""BoolIfExists":{"aws:MultiFactorAuthPresent":"true"}"#,
    r#""NumericLessThan":{"aws:MultiFactorAuthAge":"300"}"#,
    r#""NumericLessThanEquals":{"aws:MultiFactorAuthAge":300}"#,
    r#""NumericGreaterThan":{"aws:MultiFactorAuthAge":"300"}"#,
    r#""NumericGreaterThanEquals":{"aws:MultiFactorAuthAge":"299.5"}"#,
    r#""NumericNotEquals":{"aws:MultiFactorAuthAge":"300"}"#,
    r#""NumericEquals":{"aws:MultiFactorAuthAge":["300","3e2"]}"#,
    r#""DateGreaterThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"}"#,
    r#""DateLessThan":{"aws:CurrentTime":"2026-07-01"}"#,
    r#""DateGreaterThanEquals":{"aws:CurrentTime":"1767225600"}"#,
    r#""DateNotEquals":{"aws:CurrentTime":"2026-07-01T00:00:00Z"}"#,
    r#""IpAddress":{"aws:SourceIp":"10.0.0.0/8"}"#,
    r#""IpAddress":{"aws:SourceIp":["10.0.0.0/9","10.128.0.0/9"]}"#,
    r#""NotIpAddress":{"aws:SourceIp":"10.1.0.0/16"}"#,
    r#""IpAddress":{"aws:SourceIp":["10.1.2.3","2001:db8::/32"]}"#,
    r#""ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}"#,
    r#""ForAnyValue:StringEquals":{"aws:TagKeys":"a"}"#,
    r#""ForAnyValue:StringNotEquals":{"aws:TagKeys":["a","c"]}"#,
    r#""ForAllValues:StringLike":{"aws:TagKeys":"a*"}"#,
    r#""Null":{"aws:TagKeys":"false"}"#,
    r#""ArnLike":{"aws:SourceArn":"arn:aws:s3:::a*"}"#,
    r#""ArnEquals":{"aws:SourceArn":"arn:aws:s3:*:*:a"}"#,
    r#""ArnNotEquals":{"aws:SourceArn":"arn:aws:s3:::a"}"#,
    r#""StringLike":{"aws:SourceArn":"arn:aws:s3:*"}"#,
    r#""StringEquals":{"aws:PrincipalAccount":"111122223333"}"#,
    r#""StringNotEquals":{"aws:PrincipalAccount":"111122223333"}"#,
    r#""ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/x"}"#,
    r#""ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:*"}"#,
    r#""StringNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/*"}"#,
    r#""StringEquals":{"aws:PrincipalOrgID":"o-aaaaaaaaaa"}"#,
];

fn element(name: &'static str, pool: &'static [&'static str]) -> impl Strategy<Value = String> {
    let values = subsequence(pool, 1..=3.min(pool.len()));
    (prop::bool::weighted(0.15), values).prop_map(move |(negated, values)| {
        let values: Vec<String> = values.iter().map(|v| format!("\"{v}\"")).collect();
        format!(
            "\"{}{name}\":[{}]",
            if negated { "Not" } else { "" },
            values.join(",")
        )
    })
}

fn principal() -> impl Strategy<Value = String> {
    prop_oneof![
        9 => select(&PRINCIPALS[..]).prop_map(|p| format!("\"Principal\":{p}")),
        1 => select(&NOT_PRINCIPALS[..]).prop_map(|p| format!("\"NotPrincipal\":{p}")),
    ]
}

fn conditions() -> impl Strategy<Value = String> {
    let some = prop_oneof![3 => Just(0usize), 3 => Just(1), 1 => Just(2), 1 => Just(3)];
    some.prop_flat_map(|n| vec(select(&CONDITIONS[..]), n))
        .prop_map(|all| {
            let mut kept: Vec<&str> = Vec::new();
            for one in all {
                let operator = |c: &str| c.split(':').take(2).collect::<String>().to_lowercase();
                let name = |c: &str| c.split_once("\":{").map(|(n, _)| n.to_lowercase());
                if !kept
                    .iter()
                    .any(|k| name(k) == name(one) || operator(k) == operator(one))
                {
                    kept.push(one);
                }
            }
            if kept.is_empty() {
                String::new()
            } else {
                format!(",\"Condition\":{{{}}}", kept.join(","))
            }
        })
}

fn effect() -> impl Strategy<Value = &'static str> {
    prop_oneof![7 => Just("Allow"), 3 => Just("Deny")]
}

fn statement(kind: Kind) -> BoxedStrategy<String> {
    match kind {
        Kind::Trust => (
            effect(),
            principal(),
            element("Action", &ACTIONS[12..]),
            conditions(),
        )
            .prop_map(|(e, p, a, c)| format!("{{\"Effect\":\"{e}\",{p},{a}{c}}}"))
            .boxed(),
        _ => (
            effect(),
            element("Action", &ACTIONS),
            element("Resource", &RESOURCES),
            conditions(),
        )
            .prop_map(|(e, a, r, c)| format!("{{\"Effect\":\"{e}\",{a},{r}{c}}}"))
            .boxed(),
    }
}

fn version() -> impl Strategy<Value = &'static str> {
    prop_oneof![8 => Just("\"Version\":\"2012-10-17\","), 1 => Just("\"Version\":\"2008-10-17\","), 1 => Just("")]
}

/// The texts of a document's statements, and its version.
pub(crate) fn parts(kind: Kind) -> impl Strategy<Value = (&'static str, Vec<String>)> {
    (version(), vec(statement(kind), 1..4))
}

pub(crate) fn text(version: &str, statements: &[String]) -> String {
    format!("{{{version}\"Statement\":[{}]}}", statements.join(","))
}

/// A document of the given kind.
pub(crate) fn document(kind: Kind) -> impl Strategy<Value = Document> {
    parts(kind).prop_map(move |(v, s)| parse(kind, &text(v, &s)))
}

#[track_caller]
pub(crate) fn parse(kind: Kind, text: &str) -> Document {
    match Document::parse(kind, text) {
        Ok(document) => document,
        Err(error) => unreachable!("{error}: {text}"),
    }
}

/// Two documents: unrelated, or the second one made from the first by adding,
/// dropping, exchanging or turning round a statement.
pub(crate) fn pair(kind: Kind) -> impl Strategy<Value = (Document, Document)> {
    let change = (0usize..6, any::<prop::sample::Index>(), statement(kind));
    (parts(kind), parts(kind), change).prop_map(
        move |((v, mut first), (w, second), (how, at, other))| {
            let before = parse(kind, &text(v, &first));
            let n = at.index(first.len());
            match how {
                0 => return (before, parse(kind, &text(w, &second))),
                1 => first.push(other),
                2 => drop(first.remove(n)),
                3 => drop(first.splice(n..=n, [other])),
                4 => first.reverse(),
                _ => first.iter_mut().skip(n).take(1).for_each(turn_round),
            }
            (before, parse(kind, &text(v, &first)))
        },
    )
}

/// Makes an Allow of a Deny and the other way round.
fn turn_round(statement: &mut String) {
    let (from, to) = if statement.contains("\"Allow\"") {
        ("\"Allow\"", "\"Deny\"")
    } else {
        ("\"Deny\"", "\"Allow\"")
    };
    *statement = statement.replacen(from, to, 1);
}

fn requester() -> impl Strategy<Value = Principal> {
    let role = "arn:aws:iam::111122223333:role/x".to_owned();
    select(vec![
        Principal::Root {
            account: "111122223333".into(),
        },
        Principal::User {
            arn: "arn:aws:iam::111122223333:user/u".into(),
        },
        Principal::User {
            arn: "arn:aws:iam::111122223333:user/v".into(),
        },
        Principal::Session {
            role: role.clone(),
            name: "s".into(),
        },
        Principal::Session {
            role,
            name: "t".into(),
        },
        Principal::Session {
            role: "arn:aws:iam::111122223333:role/deep/x".into(),
            name: "s".into(),
        },
        Principal::User {
            arn: "arn:aws:iam::444455556666:user/u".into(),
        },
        Principal::User {
            arn: "arn:aws:iam::777788889999:user/u".into(),
        },
        Principal::Service("ec2.amazonaws.com".into()),
        Principal::Service("sns.amazonaws.com".into()),
        Principal::Federated("accounts.google.com".into()),
        Principal::Anonymous,
    ])
}

fn key(
    name: &'static str,
    pool: &'static [&'static str],
) -> impl Strategy<Value = (&'static str, Vec<String>)> {
    prop_oneof![
        1 => Just((name, Vec::new())),
        3 => select(pool).prop_map(move |v| (name, vec![v.to_owned()])),
    ]
}

/// A request's context, from values on both sides of every condition.
fn context() -> impl Strategy<Value = ConditionContext> {
    let tag_keys = subsequence(&["a", "ab", "b", "c"][..], 0..4);
    let single = (
        key("sts:ExternalId", &["one", "ONE", "two", "on", "xn", ""]),
        key("aws:username", &["bob", "alice", "a"]),
        key("s3:prefix", &["", "home", "bob/x", "alice/"]),
        key("aws:MultiFactorAuthPresent", &["true", "false"]),
        key(
            "aws:MultiFactorAuthAge",
            &["299.4", "299.5", "299.9", "300", "301"],
        ),
        key(
            "aws:CurrentTime",
            &[
                "2025-12-31T23:59:59Z",
                "2026-01-01T00:00:00Z",
                "2026-03-01T00:00:00Z",
                "2026-07-01T00:00:00Z",
            ],
        ),
        key(
            "aws:SourceIp",
            &[
                "10.1.2.3",
                "10.1.9.9",
                "10.200.0.1",
                "11.0.0.0",
                "2001:db8::1",
            ],
        ),
        key(
            "aws:SourceArn",
            &[
                "arn:aws:s3:::a",
                "arn:aws:s3:::ab",
                "arn:aws:s3:::b",
                "arn:aws:sns:::a",
            ],
        ),
        key("aws:PrincipalOrgID", &["o-aaaaaaaaaa", "o-bbbbbbbbbb"]),
    );
    (single, tag_keys).prop_map(|(k, tags)| {
        let mut context = ConditionContext::new();
        for (name, values) in [k.0, k.1, k.2, k.3, k.4, k.5, k.6, k.7, k.8] {
            if !values.is_empty() {
                context.set_many(name, values);
            }
        }
        if !tags.is_empty() {
            context.set_many("aws:TagKeys", tags);
        }
        context
    })
}

/// A request.
pub(crate) fn request() -> impl Strategy<Value = Request> {
    let actions = select(
        &[
            "s3:GetObject",
            "s3:GetBucket",
            "s3:PutObject",
            "iam:CreateUser",
            "iam:PassRole",
            "iam:GetRole",
            "sts:AssumeRole",
            "sts:TagSession",
            "ec2:GetThing",
        ][..],
    );
    let resources = select(
        &[
            "*",
            "arn:aws:s3:::a",
            "arn:aws:s3:::a/k",
            "arn:aws:s3:::ab",
            "arn:aws:s3:::b",
            "arn:aws:s3:::home/bob",
            "arn:aws:s3:::home/bob/x",
            "arn:aws:s3:::home/alice/x",
            "arn:aws:iam::111122223333:role/x",
            "arn:aws:iam::999999999999:role/x",
            "arn:aws:ec2:::i",
        ][..],
    );
    (requester(), actions, resources, context()).prop_map(
        |(principal, action, resource, context)| Request {
            principal,
            action: action.to_owned(),
            resource: resource.to_owned(),
            context,
        },
    )
}

/// How far a document lets a request come: denied, unmentioned, allowed.
pub(crate) fn reach(document: &Document, request: &Request) -> u8 {
    match document_says(document, request) {
        Some(Effect::Deny) => 0,
        None => 1,
        Some(Effect::Allow) => 2,
    }
}

/// Holds the verdict on a pair against requests, its own sentences, its own
/// examples and its mirror image. The error names what does not hold.
pub(crate) fn hold(
    before: &Document,
    after: &Document,
    requests: &[Request],
) -> Result<Verdict, String> {
    let comparison = compare(before, after, &Context::default());
    let verdict = comparison.verdict;
    let no_gain = matches!(verdict, Verdict::Equivalent | Verdict::Narrower);
    let no_loss = matches!(verdict, Verdict::Equivalent | Verdict::Wider);
    // Policies of users and roles never meet a request of anybody else.
    let meets = |r: &&Request| before.kind().has_principals() || r.principal.account().is_some();
    for request in requests.iter().filter(meets) {
        let (old, new) = (reach(before, request), reach(after, request));
        if no_gain && new > old {
            return Err(format!("{verdict}, but gained: {request:?}"));
        }
        if no_loss && new < old {
            return Err(format!("{verdict}, but lost: {request:?}"));
        }
    }
    let examples = examples(before, after);
    if let Some(request) = &examples.gained
        && (no_gain || reach(after, request) <= reach(before, request))
    {
        return Err(format!("{verdict}: no example of a gain: {request:?}"));
    }
    if let Some(request) = &examples.lost
        && (no_loss || reach(after, request) >= reach(before, request))
    {
        return Err(format!("{verdict}: no example of a loss: {request:?}"));
    }
    if verdict != Verdict::Unproven {
        let told = (!comparison.gained.is_empty(), !comparison.lost.is_empty());
        if told != (!no_gain, !no_loss) {
            return Err(format!("{verdict}, but told {comparison:?}"));
        }
        let shown = (examples.gained.is_some(), examples.lost.is_some());
        if shown != (!no_gain, !no_loss) {
            return Err(format!("{verdict}, but shown {examples:?}"));
        }
    }
    let mirrored = match compare(after, before, &Context::default()).verdict {
        Verdict::Narrower => Verdict::Wider,
        Verdict::Wider => Verdict::Narrower,
        other => other,
    };
    if mirrored != verdict {
        return Err(format!("{verdict}, but the other way round {mirrored}"));
    }
    Ok(verdict)
}

/// Policies and boundary of a role.
pub(crate) type Powers = (Vec<Document>, Option<Document>);

/// Two states of a role, often alike.
pub(crate) fn powers() -> impl Strategy<Value = (Powers, Powers)> {
    let identity = || document(Kind::Identity);
    (
        vec(identity(), 1..3),
        prop::option::of(identity()),
        pair(Kind::Identity),
        0usize..5,
    )
        .prop_map(|(policies, boundary, (one, other), how)| {
            let with = |extra: &Document| -> Vec<Document> {
                policies.iter().chain([extra]).cloned().collect()
            };
            match how {
                0 => ((with(&one), boundary.clone()), (with(&other), boundary)),
                1 => ((policies.clone(), Some(one)), (policies, Some(other))),
                2 => ((policies.clone(), Some(one)), (policies, None)),
                3 => ((with(&one), boundary.clone()), (policies.clone(), boundary)),
                _ => (
                    (with(&one), boundary),
                    (with(&one).into_iter().rev().collect(), Some(other)),
                ),
            }
        })
}

/// Holds the verdict on two states of a role against requests.
pub(crate) fn hold_powers(
    before: &Powers,
    after: &Powers,
    requests: &[Request],
) -> Result<Verdict, String> {
    fn role(powers: &Powers) -> Authority<'_> {
        Authority {
            trust: None,
            policies: &powers.0,
            boundary: powers.1.as_ref(),
        }
    }
    let verdict = compare_authority(&role(before), &role(after), &Context::default()).verdict;
    let no_gain = matches!(verdict, Verdict::Equivalent | Verdict::Narrower);
    let no_loss = matches!(verdict, Verdict::Equivalent | Verdict::Wider);
    let allowed = |request: &Request, powers: &Powers| {
        let (identity, boundary) = (powers.0.as_slice(), powers.1.as_ref());
        let policies = Policies {
            identity,
            boundary,
            same_account: true,
            ..Policies::default()
        };
        evaluate(request, &policies).is_allowed()
    };
    for request in requests.iter().filter(|r| {
        matches!(
            r.principal,
            Principal::User { .. } | Principal::Session { .. }
        )
    }) {
        let (was, is) = (allowed(request, before), allowed(request, after));
        if (no_gain && is && !was) || (no_loss && was && !is) {
            return Err(format!("{verdict}, but {was} became {is}: {request:?}"));
        }
    }
    Ok(verdict)
}
