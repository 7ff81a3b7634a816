//! Verdicts and their sentences, row by row. The first row of each table is
//! the pair that does not differ.

#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use rolekeeper_domain::policy::{
    Authority, Comparison, Context, Document, Kind, Verdict, compare, compare_authority, explain,
    without_tolerated,
};

const FAQ: &str = r#"{"Version":"2012-10-17","Statement":[{"Action":["*"],"Effect":"Allow","Resource":"*"},{"Action":["iam:CreateUser"],"Effect":"Deny","Resource":"*"}]}"#;

fn doc(kind: Kind, statements: &str) -> Document {
    Document::parse(
        kind,
        &format!("{{\"Version\":\"2012-10-17\",\"Statement\":[{statements}]}}"),
    )
    .unwrap()
}

fn allow(rest: &str) -> String {
    format!("{{\"Effect\":\"Allow\",{rest}}}")
}

fn deny(rest: &str) -> String {
    format!("{{\"Effect\":\"Deny\",{rest}}}")
}

/// The trust statement of the FAQ's vendor, with more of it.
fn vendor(rest: &str) -> String {
    allow(&format!(
        "\"Principal\":{{\"AWS\":\"arn:aws:iam::777777777777:root\"}},\"Action\":\"sts:AssumeRole\"{rest}"
    ))
}

const SECRET: &str = r#","Condition":{"StringEquals":{"sts:ExternalId":"secret-word"}}"#;

fn shown(comparison: &Comparison) -> String {
    let mut out = format!("{}\n", comparison.verdict);
    for gained in &comparison.gained {
        writeln!(out, "+ {gained}").unwrap();
    }
    for lost in &comparison.lost {
        writeln!(out, "- {lost}").unwrap();
    }
    out
}

#[track_caller]
fn check(kind: Kind, before: &str, after: &str, wanted: Expect) {
    let comparison = compare(&doc(kind, before), &doc(kind, after), &Context::default());
    wanted.assert_eq(&shown(&comparison));
}

#[track_caller]
fn same(kind: Kind, why: &str, before: &str, after: &str) {
    let comparison = compare(&doc(kind, before), &doc(kind, after), &Context::default());
    assert_eq!(shown(&comparison), "equivalent\n", "{why}");
}

#[test]
fn spellings_that_are_no_difference() {
    let everywhere = |action: &str| allow(&format!("\"Action\":{action},\"Resource\":\"*\""));
    let get = everywhere(r#""s3:GetObject""#);
    let rows = [
        ("the same", get.clone(), get.clone()),
        (
            "string or list",
            get.clone(),
            everywhere(r#"["s3:GetObject"]"#),
        ),
        (
            "case of actions",
            get.clone(),
            everywhere(r#""S3:getobject""#),
        ),
        (
            "order and repetition",
            everywhere(r#"["s3:A","s3:B"]"#),
            everywhere(r#"["s3:B","s3:A","s3:B"]"#),
        ),
        (
            "a Sid is a label",
            get.clone(),
            allow(r#""Sid":"Read","Action":"s3:GetObject","Resource":"*""#),
        ),
        (
            "an action another one covers",
            everywhere(r#""s3:*""#),
            everywhere(r#"["s3:*","s3:GetObject"]"#),
        ),
        (
            "split statements",
            everywhere(r#"["s3:A","s3:B"]"#),
            format!("{},{}", everywhere(r#""s3:A""#), everywhere(r#""s3:B""#)),
        ),
        ("a statement twice", get.clone(), format!("{get},{get}")),
        (
            "a statement within another",
            everywhere(r#""s3:*""#),
            format!(
                "{},{}",
                everywhere(r#""s3:*""#),
                allow(
                    r#""Action":"s3:Get*","Resource":"arn:aws:s3:::b/*","Condition":{"Bool":{"aws:SecureTransport":"true"}}"#
                )
            ),
        ),
        (
            "every action has one colon",
            everywhere(r#""*""#),
            everywhere(r#""*:*""#),
        ),
        (
            "wildcards as languages",
            everywhere(r#""s3:*Object*""#),
            everywhere(r#"["s3:**Object*","s3:?*Object*","s3:Object*"]"#),
        ),
        (
            "resources in parts",
            allow(r#""Action":"s3:*","Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]"#),
            format!(
                "{},{}",
                allow(r#""Action":"s3:*","Resource":"arn:aws:s3:::b/*""#),
                allow(r#""Action":"s3:*","Resource":"arn:aws:s3:::b""#)
            ),
        ),
        (
            "all but some, and those",
            everywhere(r#""*""#),
            format!(
                "{},{}",
                allow(r#""NotAction":"iam:*","Resource":"*""#),
                everywhere(r#""iam:*""#)
            ),
        ),
        (
            "a grant wholly denied",
            deny(r#""Action":"*","Resource":"*""#),
            format!(
                "{},{}",
                deny(r#""Action":"*","Resource":"*""#),
                everywhere(r#""s3:*""#)
            ),
        ),
        (
            "a denial within a denial",
            deny(r#""Action":"s3:*","Resource":"*""#),
            format!(
                "{},{}",
                deny(r#""Action":"s3:*","Resource":"*""#),
                deny(r#""Action":"s3:Get*","Resource":"arn:aws:s3:::b""#)
            ),
        ),
        (
            "true or \"true\"",
            allow(
                r#""Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":true}}"#,
            ),
            allow(
                r#""Action":"*","Resource":"*","Condition":{"bool":{"AWS:securetransport":["TRUE"]}}"#,
            ),
        ),
        (
            "both truths and neither missing",
            allow(
                r#""Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":["true","false"]}}"#,
            ),
            allow(
                r#""Action":"*","Resource":"*","Condition":{"Null":{"aws:SecureTransport":"false"}}"#,
            ),
        ),
        (
            "two halves of a range",
            allow(
                r#""Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#,
            ),
            allow(
                r#""Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":["10.128.0.0/9","10.0.0.0/9"]}}"#,
            ),
        ),
        (
            "whole numbers",
            allow(
                r#""Action":"*","Resource":"*","Condition":{"NumericLessThan":{"s3:max-keys":10}}"#,
            ),
            allow(
                r#""Action":"*","Resource":"*","Condition":{"NumericLessThan":{"s3:max-keys":"10.00"}}"#,
            ),
        ),
        (
            "dates in two spellings",
            allow(
                r#""Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:CurrentTime":"2026-01-01"}}"#,
            ),
            allow(
                r#""Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:CurrentTime":"1767225600"}}"#,
            ),
        ),
        (
            "ArnEquals is ArnLike",
            allow(
                r#""Action":"*","Resource":"*","Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:sns:*:*:t"}}"#,
            ),
            allow(
                r#""Action":"*","Resource":"*","Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:*:t"}}"#,
            ),
        ),
        (
            "a condition that always holds",
            everywhere(r#""s3:*""#),
            allow(
                r#""Action":"s3:*","Resource":"*","Condition":{"Null":{"aws:username":["true","false"]}}"#,
            ),
        ),
        (
            "a pattern without wildcards",
            allow(
                r#""Action":"*","Resource":"*","Condition":{"StringLike":{"aws:username":"ana"}}"#,
            ),
            allow(
                r#""Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:username":"ana"}}"#,
            ),
        ),
        (
            "the same case split by a condition",
            everywhere(r#""s3:*""#),
            format!(
                "{},{}",
                allow(
                    r#""Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"aws:username":"ana"}}"#
                ),
                allow(
                    r#""Action":"s3:*","Resource":"*","Condition":{"StringNotEquals":{"aws:username":"ana"}}"#
                )
            ),
        ),
    ];
    for (why, before, after) in rows {
        same(Kind::Identity, why, &before, &after);
    }
}

#[test]
fn spellings_of_principals_that_are_no_difference() {
    let to = |principal: &str, rest: &str| {
        allow(&format!(
            "\"Principal\":{principal},\"Action\":\"sts:AssumeRole\"{rest}"
        ))
    };
    let account = to(r#"{"AWS":"arn:aws:iam::777777777777:root"}"#, SECRET);
    let role = to(r#"{"AWS":"arn:aws:iam::777777777777:role/x"}"#, "");
    let rows = [
        ("the same", account.clone(), account.clone()),
        (
            "account id or root ARN",
            account.clone(),
            to(r#"{"AWS":["777777777777"]}"#, SECRET),
        ),
        ("everyone", to(r#""*""#, ""), to(r#"{"AWS":"*"}"#, "")),
        (
            "account by condition",
            to(r#"{"AWS":"777777777777"}"#, ""),
            to(
                r#""*""#,
                r#","Condition":{"StringEquals":{"aws:PrincipalAccount":"777777777777"}}"#,
            ),
        ),
        (
            "role by condition",
            role.clone(),
            to(
                r#"{"AWS":"777777777777"}"#,
                r#","Condition":{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::777777777777:role/x"}}"#,
            ),
        ),
        (
            "a role beside its account",
            to(r#"{"AWS":"777777777777"}"#, ""),
            to(
                r#"{"AWS":["777777777777","arn:aws:iam::777777777777:role/x"]}"#,
                "",
            ),
        ),
        (
            "two statements or one list",
            to(r#"{"AWS":["111111111111","222222222222"]}"#, ""),
            format!(
                "{},{}",
                to(r#"{"AWS":"111111111111"}"#, ""),
                to(r#"{"AWS":"222222222222"}"#, "")
            ),
        ),
        (
            "a deleted principal lets nobody in",
            account.clone(),
            format!("{account},{}", to(r#"{"AWS":"AROAEXAMPLEID1234567"}"#, "")),
        ),
    ];
    for (why, before, after) in rows {
        same(Kind::Trust, why, &before, &after);
    }
}

#[test]
fn what_a_trust_policy_gained_or_lost() {
    check(
        Kind::Trust,
        &vendor(SECRET),
        &vendor(SECRET),
        expect![[r"
        equivalent
    "]],
    );
    check(
        Kind::Trust,
        &vendor(SECRET),
        &vendor(""),
        expect![[r#"
        wider
        + anyone in account 777777777777 may assume the role without an external id
    "#]],
    );
    check(
        Kind::Trust,
        &vendor(""),
        &vendor(SECRET),
        expect![[r#"
        narrower
        - anyone in account 777777777777 may no longer assume the role without an external id
    "#]],
    );
    check(
        Kind::Trust,
        &vendor(SECRET),
        &vendor(&SECRET.replace("secret", "other")),
        expect![[r#"
        different
        + anyone in account 777777777777 may assume the role with another external id
        - anyone in account 777777777777 may no longer assume the role with the external id that was asked for before
    "#]],
    );
    check(
        Kind::Trust,
        &vendor(SECRET),
        &vendor(&SECRET.replace("StringEquals", "StringEqualsIfExists")),
        expect![[r#"
        wider
        + anyone in account 777777777777 may assume the role without an external id
    "#]],
    );
    check(
        Kind::Trust,
        &vendor(SECRET),
        &vendor(SECRET).replace("arn:aws:iam::777777777777:root", "*"),
        expect![[r#"
        wider
        + anyone at all (beyond anyone in account 777777777777) may assume the role if they present the external id
    "#]],
    );
    check(
        Kind::Trust,
        &vendor(SECRET),
        &vendor(SECRET).replace(":root\"", ":root\",\"Service\":\"ec2.amazonaws.com\""),
        expect![[r#"
        wider
        + the service ec2.amazonaws.com may assume the role if they present the external id
    "#]],
    );
    check(
        Kind::Trust,
        &vendor(SECRET),
        &vendor(SECRET).replace(":root", ":role/engine"),
        expect![[r#"
        narrower
        - anyone in account 777777777777 (beyond the role engine of account 777777777777) may no longer assume the role if they present the external id
    "#]],
    );
    check(
        Kind::Trust,
        &vendor(SECRET),
        &vendor(SECRET).replace("arn:aws:iam::777777777777:root", "AROAEXAMPLEID1234567"),
        expect![[r#"
        narrower
        - anyone in account 777777777777 may no longer assume the role if they present the external id
    "#]],
    );
    check(
        Kind::Trust,
        &vendor(SECRET),
        &vendor(SECRET).replace("\"sts:AssumeRole\"", "\"sts:*\""),
        expect![[r#"
        wider
        + anyone in account 777777777777 may do sts:* (beyond sts:AssumeRole) on the role if they present the external id
    "#]],
    );
    check(
        Kind::Trust,
        &vendor(SECRET),
        &format!(
            "{},{}",
            vendor(SECRET),
            deny(
                r#""Principal":"*","Action":"sts:*","Condition":{"StringNotEquals":{"aws:PrincipalOrgID":"o-ours"}}"#
            )
        ),
        expect![[r#"
            narrower
            - anyone at all may in no case do sts:* on the role if aws:PrincipalOrgID is not o-ours
        "#]],
    );
    check(
        Kind::Trust,
        &vendor(r#","Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}"#),
        &vendor(r#","Condition":{"IpAddress":{"aws:SourceIp":"192.0.0.0/16"}}"#),
        expect![[r#"
            wider
            + anyone in account 777777777777 may assume the role without the condition that aws:SourceIp is in 192.0.2.0/24
        "#]],
    );
}

#[test]
fn what_a_permission_policy_gained_or_lost() {
    let faq = FAQ
        .split_once("\"Statement\":[")
        .map(|(_, s)| s.trim_end_matches("]}").to_owned())
        .unwrap();
    let everything = allow(r#""Action":"*","Resource":"*""#);
    check(
        Kind::Identity,
        &faq,
        &faq,
        expect![[r"
        equivalent
    "]],
    );
    check(
        Kind::Identity,
        &faq,
        &everything,
        expect![[r#"
        wider
        + the denial of iam:CreateUser is gone
    "#]],
    );
    check(
        Kind::Identity,
        &everything,
        &faq,
        expect![[r#"
        narrower
        - iam:CreateUser is denied
    "#]],
    );
    check(
        Kind::Identity,
        &faq,
        &faq.replace("iam:CreateUser", "iam:Create*"),
        expect![[r#"
        narrower
        - iam:Create* (beyond iam:CreateUser) is denied
    "#]],
    );
    check(
        Kind::Identity,
        &faq,
        &faq.replace("\"Action\":[\"*\"]", "\"Action\":\"s3:*\""),
        expect![[r#"
        narrower
        - every action (beyond s3:*) is no longer allowed
    "#]],
    );
    check(
        Kind::Identity,
        &allow(r#""Action":["s3:GetObject","s3:ListBucket"],"Resource":"*""#),
        &allow(r#""Action":["s3:Get*","ec2:*"],"Resource":"*""#),
        expect![[r#"
        different
        + s3:Get* (beyond s3:GetObject) and ec2:* are allowed
        - s3:ListBucket is no longer allowed
    "#]],
    );
    check(
        Kind::Identity,
        &allow(r#""Action":"s3:*","Resource":["arn:aws:s3:::a","arn:aws:s3:::a/*"]"#),
        &allow(r#""Action":"s3:*","Resource":"arn:aws:s3:::*""#),
        expect![[r#"
        wider
        + s3:* is allowed on arn:aws:s3:::* (beyond arn:aws:s3:::a and arn:aws:s3:::a/*)
    "#]],
    );
    check(
        Kind::Identity,
        &allow(r#""NotAction":"iam:*","Resource":"*""#),
        &format!(
            "{everything},{}",
            deny(r#""Action":"iam:*","Resource":"*""#)
        ),
        expect![[r#"
        narrower
        - iam:* is denied
    "#]],
    );
    check(
        Kind::Identity,
        &allow(
            r#""Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#,
        ),
        &allow(
            r#""Action":"s3:*","Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"true"}}"#,
        ),
        expect![[r#"
        wider
        + s3:* is allowed without the condition that aws:MultiFactorAuthPresent is true
    "#]],
    );
    check(
        Kind::Identity,
        &allow(r#""Action":"s3:*","Resource":"arn:aws:s3:::home/${aws:username}/*""#),
        &allow(r#""Action":"s3:*","Resource":"arn:aws:s3:::home/*""#),
        expect![[r#"
        wider
        + s3:* is allowed on arn:aws:s3:::home/* (beyond arn:aws:s3:::home/${aws:username}/*)
    "#]],
    );
}

#[test]
fn the_version_counts_where_variables_do() {
    let with = |version: &str, resource: &str| {
        let text = format!(
            "{{{version}\"Statement\":{{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"{resource}\"}}}}"
        );
        Document::parse(Kind::Identity, &text).unwrap()
    };
    let (new, old) = ("\"Version\":\"2012-10-17\",", "\"Version\":\"2008-10-17\",");
    let verdict = |a: &Document, b: &Document| compare(a, b, &Context::default()).verdict;
    let plain = "arn:aws:s3:::home/*";
    let variable = "arn:aws:s3:::home/${aws:username}";
    assert_eq!(
        verdict(&with(new, plain), &with(old, plain)),
        Verdict::Equivalent
    );
    assert_eq!(
        with(new, plain).fingerprint(),
        with("", plain).fingerprint()
    );
    assert_eq!(
        verdict(&with(old, variable), &with("", variable)),
        Verdict::Equivalent
    );
    assert_eq!(
        verdict(&with(new, variable), &with(old, variable)),
        Verdict::Different
    );
    assert_ne!(
        with(new, variable).fingerprint(),
        with(old, variable).fingerprint()
    );
}

#[test]
fn a_role_as_a_whole() {
    let trust = doc(Kind::Trust, &vendor(SECRET));
    let open = doc(Kind::Trust, &vendor(""));
    let all = doc(Kind::Identity, &allow(r#""Action":"*","Resource":"*""#));
    let s3 = doc(Kind::Identity, &allow(r#""Action":"s3:*","Resource":"*""#));
    let ec2 = doc(Kind::Identity, &allow(r#""Action":"ec2:*","Resource":"*""#));
    let both = doc(
        Kind::Identity,
        &allow(r#""Action":["s3:*","ec2:*"],"Resource":"*""#),
    );
    let no_ec2 = doc(Kind::Identity, &deny(r#""Action":"ec2:*","Resource":"*""#));
    let check = |before: &Authority<'_>, after: &Authority<'_>, wanted: Expect| {
        wanted.assert_eq(&shown(&compare_authority(
            before,
            after,
            &Context::default(),
        )));
    };
    let two = [s3.clone(), ec2.clone()];
    let one = [both.clone()];
    let denied = [both.clone(), no_ec2.clone()];
    let everything = [all.clone()];
    let role = |trust, policies, boundary| Authority {
        trust: Some(trust),
        policies,
        boundary,
    };
    check(
        &role(&trust, &two, None),
        &role(&trust, &one, None),
        expect![[r"
        equivalent
    "]],
    );
    check(
        &Authority::default(),
        &role(&trust, &one, None),
        expect![[r#"
        wider
        + anyone in account 777777777777 may assume the role if they present the external id
        + s3:* and ec2:* are allowed
    "#]],
    );
    check(
        &role(&trust, &one, None),
        &role(&open, &one, None),
        expect![[r#"
        wider
        + anyone in account 777777777777 may assume the role without an external id
    "#]],
    );
    check(
        &role(&trust, &two, None),
        &role(&trust, &denied, None),
        expect![[r#"
        narrower
        - ec2:* is denied
    "#]],
    );
    check(
        &role(&trust, &everything, Some(&s3)),
        &role(&trust, &everything, None),
        expect![[r#"
        wider
        + every action (beyond s3:*) is allowed
        + the role is no longer limited by the permissions boundary
    "#]],
    );
    check(
        &role(&trust, &everything, Some(&s3)),
        &role(&trust, &everything, Some(&both)),
        expect![[r#"
        wider
        + every action (beyond s3:*) is allowed
        + the role is no longer limited by part of the permissions boundary
    "#]],
    );
    check(
        &role(&trust, &one, Some(&all)),
        &role(&trust, &one, Some(&both)),
        expect![[r#"
        narrower
        - the role is now limited by part of the permissions boundary
    "#]],
    );
    check(
        &role(&open, &one, None),
        &role(&trust, &everything, None),
        expect![[r#"
        different
        + every action (beyond s3:* and ec2:*) is allowed
        - anyone in account 777777777777 may no longer assume the role without an external id
    "#]],
    );
}

#[test]
fn external_ids_are_never_told() {
    let before = doc(Kind::Trust, &vendor(SECRET));
    let after = doc(
        Kind::Trust,
        &vendor(
            &SECRET
                .replace("secret", "other")
                .replace("StringEquals", "StringLike"),
        ),
    );
    let comparison = compare(&before, &after, &Context::default());
    let everything = format!("{}{:?}", shown(&comparison), explain(&before));
    assert!(!everything.contains("word"), "{everything}");
}

/// What is gained is said with what the same document denies everywhere, and only with that.
#[test]
fn what_is_gained_is_said_with_what_stays_denied() {
    let before = allow(r#""Action":"s3:GetObject","Resource":"*""#);
    let all = allow(r#""Action":"*","Resource":"*""#);
    let gained = |denied: &str| {
        let after = format!("{all},{}", deny(denied));
        let comparison = compare(
            &doc(Kind::Identity, &before),
            &doc(Kind::Identity, &after),
            &Context::default(),
        );
        let said = shown(&comparison);
        let sentences = said.lines().filter(|line| line.starts_with('+'));
        sentences.collect::<Vec<_>>().join("; ")
    };
    for (denied, said) in [
        (
            r#""Action":"iam:CreateUser","Resource":"*""#,
            "every action but iam:CreateUser (beyond",
        ),
        (
            r#""Action":["iam:*","sts:*"],"Resource":"*""#,
            "every action but iam:* and sts:* (beyond",
        ),
        // Denied in one place or under a condition, or nowhere: that much is not held back.
        (
            r#""Action":"iam:CreateUser","Resource":"arn:aws:iam::*:user/a""#,
            "every action (beyond",
        ),
        (
            r#""Action":"iam:CreateUser","NotResource":"*""#,
            "every action (beyond",
        ),
        (
            r#""Action":"iam:CreateUser","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}"#,
            "every action (beyond",
        ),
    ] {
        let told = gained(denied);
        assert!(told.contains(said), "{denied}: {told}");
    }
}

#[test]
fn documents_are_explained_statement_by_statement() {
    let told = |kind, statements: &str| explain(&doc(kind, statements)).join("\n");
    expect![[r#"
        every action is allowed on every resource
        iam:CreateUser is denied on every resource, whatever else allows it"#]]
    .assert_eq(&explain(&Document::parse(Kind::Identity, FAQ).unwrap()).join("\n"));
    expect!["anyone in account 777777777777 may assume the role if they present the external id"]
        .assert_eq(&told(Kind::Trust, &vendor(SECRET)));
    expect!["anyone but account 111122223333 and the service ec2.amazonaws.com may in no case do every action but sts:TagSession on the role if some value of aws:PrincipalOrgPaths is like o-a/* or o-b/* and aws:MultiFactorAuthAge, if present, is less than 60 and aws:TokenIssueTime is absent"].assert_eq(&told(
        Kind::Trust,
        &deny(r#""NotPrincipal":{"AWS":"111122223333","Service":"ec2.amazonaws.com"},"NotAction":"sts:TagSession","Condition":{"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":["o-a/*","o-b/*"]},"NumericLessThanIfExists":{"aws:MultiFactorAuthAge":"60"},"Null":{"aws:TokenIssueTime":true}}"#),
    ));
    expect!["every action but iam:* and sts:* is allowed on every resource but arn:aws:s3:::secret/* (Own)"].assert_eq(&told(Kind::Identity, &allow(r#""Sid":"Own","NotAction":["iam:*","sts:*"],"NotResource":"arn:aws:s3:::secret/*""#)));
}

#[test]
fn denials_of_a_known_shape_are_tolerated() {
    let guard = |org: &str| {
        deny(&format!(
            "\"Sid\":\"Guard\",\"Principal\":\"*\",\"Action\":\"sts:*\",\"Condition\":{{\"StringNotEquals\":{{\"aws:PrincipalOrgID\":\"{org}\"}}}}"
        ))
    };
    let agreed = doc(Kind::Trust, &vendor(SECRET));
    let template = [doc(
        Kind::Trust,
        &guard("o-*").replace("\"Sid\":\"Guard\",", ""),
    )];
    let seen = |statements: &[String]| doc(Kind::Trust, &statements.join(","));

    let guarded = seen(&[vendor(SECRET), guard("o-abc")]);
    let (kept, told) = without_tolerated(&guarded, &agreed, &template);
    assert_eq!(kept, agreed);
    assert_eq!(kept.text(), agreed.text());
    assert_eq!(told.len(), 1);
    assert!(
        told.iter().all(|t| t.contains("aws:PrincipalOrgID")),
        "{told:?}"
    );

    // Another key, an Allow, a further condition, or what was agreed: stays.
    let stays = [
        guard("o-abc").replace("PrincipalOrgID", "SourceOrgID"),
        guard("x-abc"),
        guard("o-abc").replace("Deny", "Allow"),
        guard("o-abc").replace(
            "\"StringNotEquals\"",
            "\"Bool\":{\"aws:SecureTransport\":\"false\"},\"StringNotEquals\"",
        ),
        guard("o-abc").replace("sts:*", "s3:*"),
    ];
    for statement in stays {
        let seen = seen(&[vendor(SECRET), statement.clone()]);
        assert_eq!(
            without_tolerated(&seen, &agreed, &template),
            (seen.clone(), Vec::new()),
            "{statement}"
        );
    }
    let (kept, told) = without_tolerated(&guarded, &guarded, &template);
    assert_eq!((kept, told.len()), (guarded, 0));
}

#[test]
fn deleted_principals_are_found() {
    let trust = doc(
        Kind::Trust,
        &allow(
            r#""Principal":{"AWS":["AROAEXAMPLEID1234567","777777777777","AIDAEXAMPLEID1234567"]},"Action":"sts:AssumeRole""#,
        ),
    );
    assert_eq!(
        trust.dead_principals(),
        ["AIDAEXAMPLEID1234567", "AROAEXAMPLEID1234567"]
    );
}

/// For most users the second statement adds nothing to the first; for one
/// who is called bob it does.
#[test]
fn what_a_variable_may_happen_to_meet_is_not_overlooked() {
    let all_but_bobs = allow(r#""Action":"s3:*","NotResource":"arn:aws:s3:::home/bob/*""#);
    let own = allow(r#""Action":"s3:*","Resource":"arn:aws:s3:::home/${aws:username}/*""#);
    let before = doc(Kind::Identity, &format!("{all_but_bobs},{own}"));
    let after = doc(Kind::Identity, &all_but_bobs);
    let bob = rolekeeper_domain::policy::Request {
        principal: rolekeeper_domain::policy::Principal::User {
            arn: "arn:aws:iam::111122223333:user/bob".to_owned(),
        },
        action: "s3:GetObject".to_owned(),
        resource: "arn:aws:s3:::home/bob/x".to_owned(),
        context: rolekeeper_domain::policy::ConditionContext::new().with("aws:username", "bob"),
    };
    let says = |d| rolekeeper_domain::policy::document_says(d, &bob).is_some();
    assert_eq!((says(&before), says(&after)), (true, false));
    let verdict = |a, b| compare(a, b, &Context::default()).verdict;
    assert_eq!(verdict(&before, &after), Verdict::Unproven);
    assert_eq!(verdict(&after, &before), Verdict::Unproven);
}

/// A condition on a variable's own key: the evaluator has the last word.
#[test]
fn a_variable_beside_a_condition_on_its_key() {
    let with = |resource: &str| {
        let rest = r#""Condition":{"StringEquals":{"aws:username":"bob"}}"#;
        doc(
            Kind::Identity,
            &allow(&format!(
                "\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::home/{resource}\",{rest}"
            )),
        )
    };
    let verdict = |a: &str, b: &str| compare(&with(a), &with(b), &Context::default()).verdict;
    assert_eq!(
        verdict("${aws:username}", "${aws:username}"),
        Verdict::Equivalent
    );
    // In truth equivalent: only bob gets past the condition.
    assert_eq!(verdict("${aws:username}", "bob"), Verdict::Unproven);
    assert_eq!(verdict("${aws:username}", "*"), Verdict::Wider);
    assert_eq!(verdict("${aws:username}/*", "alice/*"), Verdict::Different);
}
