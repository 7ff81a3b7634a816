//! What is no policy document, and how that is said.

#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

use expect_test::{Expect, expect};
use rolekeeper_domain::policy::{Context, Document, Kind, Verdict, compare};

#[track_caller]
fn refuses(kind: Kind, text: &str, wanted: Expect) {
    wanted.assert_eq(&Document::parse(kind, text).unwrap_err().to_string());
}

fn with(statement: &str) -> String {
    format!(
        "{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}},{statement}]}}"
    )
}

#[test]
fn errors_name_the_place_what_stands_there_and_what_may() {
    let id = Kind::Identity;
    refuses(
        id,
        "",
        expect!["line 1 column 0: found EOF while parsing a value, expected a JSON document"],
    );
    refuses(
        id,
        "{\"Statement\": [}",
        expect!["line 1 column 16: found expected value, expected a JSON document"],
    );
    refuses(
        id,
        "[]",
        expect!["document: found an empty list, expected an object"],
    );
    refuses(
        id,
        "{}",
        expect!["document: found no Statement, expected a Statement element"],
    );
    refuses(
        id,
        r#"{"Version":"2012-10-18","Statement":[]}"#,
        expect![[r#"Version: found "2012-10-18", expected "2012-10-17" or "2008-10-17""#]],
    );
    refuses(
        id,
        r#"{"version":"2012-10-17","Statement":[]}"#,
        expect!["version: found an unknown element, expected Version in this case"],
    );
    refuses(
        id,
        r#"{"Statement":"Allow"}"#,
        expect![[r#"Statement: found "Allow", expected a statement or a list of statements"#]],
    );
    refuses(
        id,
        &with("7"),
        expect!["Statement[1]: found the number 7, expected an object"],
    );
    refuses(
        id,
        &with(r#"{"Action":"*","Resource":"*"}"#),
        expect!["Statement[1]: found no Effect, expected an Effect element"],
    );
    refuses(
        id,
        &with(r#"{"Effect":"allow","Action":"*","Resource":"*"}"#),
        expect![[r#"Statement[1].Effect: found "allow", expected "Allow" or "Deny" in this case"#]],
    );
    refuses(
        id,
        &with(r#"{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}"#),
        expect!["Statement[1].Effect: found the key twice, expected each key once"],
    );
    refuses(
        id,
        &with(r#"{"Effect":"Deny","Resource":"*"}"#),
        expect![
            "Statement[1]: found neither Action nor NotAction, expected one of Action and NotAction"
        ],
    );
    refuses(
        id,
        &with(r#"{"Effect":"Deny","Action":"*","NotAction":"*","Resource":"*"}"#),
        expect![
            "Statement[1]: found both Action and NotAction, expected one of Action and NotAction"
        ],
    );
    refuses(
        id,
        &with(r#"{"Effect":"Deny","Action":[],"Resource":"*"}"#),
        expect![
            "Statement[1].Action: found an empty list, expected a string or a list of at least one string"
        ],
    );
    refuses(
        id,
        &with(r#"{"Effect":"Deny","Action":["s3:*",3],"Resource":"*"}"#),
        expect!["Statement[1].Action[1]: found the number 3, expected a string"],
    );
    refuses(
        id,
        &with(r#"{"Effect":"Deny","Action":"GetObject","Resource":"*"}"#),
        expect![[
            r#"Statement[1].Action: found "GetObject", expected "*" or "service:Action", with * and ? as wildcards"#
        ]],
    );
    refuses(
        id,
        &with(r#"{"Effect":"Deny","Action":"*","Resource":"bucket"}"#),
        expect![[
            r#"Statement[1].Resource: found "bucket", expected "*" or an ARN, with * and ? as wildcards"#
        ]],
    );
    refuses(
        id,
        &with(r#"{"Effect":"Deny","Action":"*"}"#),
        expect![
            "Statement[1]: found neither Resource nor NotResource, expected one of Resource and NotResource"
        ],
    );
    refuses(
        id,
        &with(r#"{"Effect":"Deny","Action":"*","Resource":"*","Principal":"*"}"#),
        expect![
            "Statement[1].Principal: found an unknown element, expected Sid, Effect, Action, NotAction, Condition, Resource, NotResource"
        ],
    );
    refuses(
        id,
        &with(
            r#"{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringIs":{"a:b":"c"}}}"#,
        ),
        expect![[
            r#"Statement[1].Condition.StringIs: found "StringIs", expected a condition operator, such as StringEquals"#
        ]],
    );
    refuses(
        id,
        &with(
            r#"{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"NullIfExists":{"a:b":"true"}}}"#,
        ),
        expect![[
            r#"Statement[1].Condition.NullIfExists: found "NullIfExists", expected a condition operator, such as StringEquals"#
        ]],
    );
    refuses(
        id,
        &with(r#"{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"a:b":{}}}}"#),
        expect![
            "Statement[1].Condition.Bool.a:b: found an empty object, expected a string, a number, true or false, or a list of them"
        ],
    );
    refuses(
        id,
        &with(
            r#"{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"a:b":["true",null]}}}"#,
        ),
        expect![
            "Statement[1].Condition.Bool.a:b[1]: found null, expected a string, a number, true or false, or a list of them"
        ],
    );
    let trust = |principal: &str| {
        format!(r#"{{"Statement":{{"Effect":"Allow","Action":"sts:AssumeRole",{principal}}}}}"#)
    };
    refuses(
        Kind::Trust,
        &trust(r#""Sid":"x""#),
        expect![
            "Statement: found neither Principal nor NotPrincipal, expected one of Principal and NotPrincipal"
        ],
    );
    refuses(
        Kind::Trust,
        &trust(r#""Principal":"111122223333""#),
        expect![[
            r#"Statement.Principal: found "111122223333", expected "*" or an object with AWS, Service, Federated or CanonicalUser"#
        ]],
    );
    refuses(
        Kind::Trust,
        &trust(r#""Principal":{"AWS":"arn:aws:iam::111122223333:role/*"}"#),
        expect![[
            r#"Statement.Principal.AWS: found "arn:aws:iam::111122223333:role/*", expected "*", an account id, or the ARN of an account's root, a user, a role or a session, without wildcards in it"#
        ]],
    );
    refuses(
        Kind::Trust,
        &trust(r#""Principal":{"AWS":[]}"#),
        expect![
            "Statement.Principal.AWS: found an empty list, expected a string or a list of at least one string"
        ],
    );
    refuses(
        Kind::Trust,
        &trust(r#""Principal":{"User":"x"}"#),
        expect![
            "Statement.Principal.User: found an unknown element, expected AWS, Service, Federated, CanonicalUser"
        ],
    );
    refuses(
        Kind::Trust,
        &trust(r#""NotPrincipal":"*""#),
        expect![[
            r#"Statement.NotPrincipal: found "*", expected principals to spare: with "*" it would speak of nobody"#
        ]],
    );
    refuses(
        Kind::Trust,
        &trust(r#""Principal":"*","Resource":"*""#),
        expect![
            "Statement.Resource: found an unknown element, expected Sid, Effect, Action, NotAction, Condition, Principal, NotPrincipal"
        ],
    );
}

#[test]
fn the_text_stays_the_authors() {
    let text = "{ \"Version\" : \"2012-10-17\",\n \"Statement\" : { \"Sid\" : \"a b\", \"Action\" : [ \"S3:get*\" ],\t\"Effect\":\"Allow\", \"Resource\":\"*\" } }";
    let document = Document::parse(Kind::Identity, text).unwrap();
    let kept = r#"{"Version":"2012-10-17","Statement":{"Sid":"a b","Action":["S3:get*"],"Effect":"Allow","Resource":"*"}}"#;
    assert_eq!(document.text(), kept);
    assert_eq!(document.size(), kept.chars().count());
    assert_eq!(
        Document::parse(Kind::Identity, document.text())
            .unwrap()
            .text(),
        kept
    );
}

#[test]
fn each_kind_has_its_elements() {
    let identity = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    let trust = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}}"#;
    let control =
        r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}}"#;
    let rows = [
        (Kind::Identity, [true, false, false]),
        (Kind::Session, [true, false, false]),
        (Kind::ServiceControl, [true, false, false]),
        (Kind::Trust, [false, true, false]),
        (Kind::ResourceControl, [false, false, true]),
        (Kind::Resource, [false, true, true]),
    ];
    for (kind, wanted) in rows {
        let read = [identity, trust, control].map(|text| Document::parse(kind, text).is_ok());
        assert_eq!(read, wanted, "{kind}");
    }
}

#[test]
fn the_corpus_is_read_as_its_names_say() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let kind = if name.starts_with("trust") {
            Kind::Trust
        } else {
            Kind::Identity
        };
        let document = Document::parse(kind, &text);
        assert_eq!(
            document.is_err(),
            name.starts_with("bad"),
            "{name}: {document:?}"
        );
        if let Ok(document) = document {
            let again = Document::parse(kind, document.text()).unwrap();
            assert_eq!(
                compare(&document, &again, &Context::default()).verdict,
                Verdict::Equivalent,
                "{name}"
            );
            seen += 1;
        }
    }
    assert!(seen >= 10, "the corpus is gone");
}

#[test]
fn hostile_sizes_are_refused_or_bounded() {
    let id = Kind::Identity;
    refuses(
        id,
        &"[".repeat(100_000),
        expect!["line 1 column 128: found recursion limit exceeded, expected a JSON document"],
    );
    refuses(
        id,
        &" ".repeat(600_000),
        expect!["document: found 600000 bytes, expected at most 524288 bytes"],
    );
    let statement = r#"{"Effect":"Allow","Action":"a:b","Resource":"*"}"#;
    let many = vec![statement; 5_000].join(",");
    refuses(
        id,
        &format!("{{\"Statement\":[{many}]}}"),
        expect!["Statement: found 5000 statements, expected at most 4096"],
    );
    let values = vec!["\"a:b\""; 40_000].join(",");
    refuses(
        id,
        &format!(
            "{{\"Statement\":{{\"Effect\":\"Allow\",\"Action\":[{values}],\"Resource\":\"*\"}}}}"
        ),
        expect!["Statement.Action: found value 40000, expected at most 32768 values"],
    );
}

/// Two documents of wildcards that would take an automaton of exponential
/// size. The bounds on its states and steps are tested beside it; here the
/// whole comparison must come to an end, and must not claim equivalence.
#[test]
fn hostile_wildcards_end_undecided_or_decided_never_wrong() {
    let stars = |letter: char, n: usize| {
        let all: Vec<String> = (0..n)
            .map(|k| {
                format!(
                    "\"arn:*{letter}{}*b{}*\"",
                    "?".repeat(k % 9),
                    "a".repeat(k % 7)
                )
            })
            .collect();
        format!(
            "{{\"Statement\":{{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":[{}]}}}}",
            all.join(",")
        )
    };
    let one = Document::parse(Kind::Identity, &stars('a', 30)).unwrap();
    let other = Document::parse(Kind::Identity, &stars('c', 30)).unwrap();
    let verdict = compare(&one, &other, &Context::default()).verdict;
    assert!(
        matches!(verdict, Verdict::Different | Verdict::Unproven),
        "{verdict}"
    );
    let wild = format!(
        "{{\"Statement\":{{\"Effect\":\"Allow\",\"Action\":[{}],\"Resource\":\"*\"}}}}",
        (0..400)
            .map(|n| format!("\"s3:*{n}*\""))
            .collect::<Vec<_>>()
            .join(",")
    );
    let wild = Document::parse(Kind::Identity, &wild).unwrap();
    let everything = Document::parse(
        Kind::Identity,
        r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#,
    )
    .unwrap();
    let verdict = compare(&wild, &everything, &Context::default()).verdict;
    assert!(
        matches!(verdict, Verdict::Wider | Verdict::Unproven),
        "{verdict}"
    );
    // More different statements than are looked at together.
    let statements: Vec<String> = (0..300)
        .map(|n| {
            format!(
                "{{\"Effect\":\"Allow\",\"Action\":\"s3:A{n}\",\"Resource\":\"arn:aws:s3:::b{n}\"}}"
            )
        })
        .collect();
    let long = Document::parse(
        Kind::Identity,
        &format!("{{\"Statement\":[{}]}}", statements.join(",")),
    )
    .unwrap();
    assert_eq!(
        compare(&long, &everything, &Context::default()).verdict,
        Verdict::Unproven
    );
    assert_eq!(
        compare(&long, &long.clone(), &Context::default()).verdict,
        Verdict::Equivalent
    );
}
