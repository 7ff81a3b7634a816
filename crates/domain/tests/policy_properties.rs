//! What is said of pairs of documents, held against the evaluator.

#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

mod policy_support;

use std::cell::RefCell;
use std::collections::BTreeMap;

use policy_support::{
    document, hold, hold_powers, pair, parse, parts, powers, reach, request, text,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use rolekeeper_domain::policy::{Context, Document, Kind, Verdict, compare};

/// Runs a property; a failure shows its reason, which names the smallest case,
/// without the debug form of everything drawn.
#[track_caller]
fn hold_for<S: Strategy>(
    cases: u32,
    strategy: &S,
    test: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    // The same cases each time: a failure here is a change of the code. New
    // cases are for the soak (examples/policy_soak.rs).
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 4_000,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, rng);
    match runner.run(strategy, test) {
        Ok(()) => {}
        Err(TestError::Fail(reason, _)) => panic!("{reason}"),
        Err(other @ TestError::Abort(_)) => panic!("{other}"),
    }
}

fn verdicts_hold(kind: Kind, cases: u32) {
    let counts: RefCell<BTreeMap<Verdict, u32>> = RefCell::default();
    hold_for(
        cases,
        &(pair(kind), vec(request(), 32)),
        |((before, after), requests)| {
            let verdict = hold(&before, &after, &requests).map_err(|why| {
                TestCaseError::fail(format!(
                    "{why}\nbefore {}\nafter  {}",
                    before.text(),
                    after.text()
                ))
            })?;
            *counts.borrow_mut().entry(verdict).or_default() += 1;
            Ok(())
        },
    );
    // The verdicts must be spread, and the undecided ones few, or the
    // property would say little.
    let counts = counts.into_inner();
    let share = |v| f64::from(counts.get(&v).copied().unwrap_or(0)) / f64::from(cases);
    for verdict in [
        Verdict::Equivalent,
        Verdict::Narrower,
        Verdict::Wider,
        Verdict::Different,
    ] {
        assert!(
            share(verdict) > 0.02,
            "{verdict} is hardly drawn: {counts:?}"
        );
    }
    assert!(
        share(Verdict::Unproven) < 0.2,
        "too much is left undecided: {counts:?}"
    );
}

#[test]
fn verdicts_on_identity_policies_hold_for_every_request_drawn() {
    verdicts_hold(Kind::Identity, 1_000);
}

#[test]
fn verdicts_on_trust_policies_hold_for_every_request_drawn() {
    verdicts_hold(Kind::Trust, 1_000);
}

#[test]
fn verdicts_on_whole_roles_hold_for_every_request_drawn() {
    hold_for(
        600,
        &(powers(), vec(request(), 32)),
        |((before, after), requests)| {
            let verdict = hold_powers(&before, &after, &requests).map_err(|why| {
                TestCaseError::fail(format!("{why}\nbefore {before:?}\nafter {after:?}"))
            })?;
            prop_assert!(verdict <= Verdict::Unproven);
            Ok(())
        },
    );
}

#[test]
fn a_document_is_equivalent_to_itself_however_spelled() {
    hold_for(
        400,
        &(parts(Kind::Identity), vec(request(), 16)),
        |((version, statements), requests)| {
            let plain = parse(Kind::Identity, &text(version, &statements));
            let mut turned = statements.clone();
            turned.reverse();
            turned.push(turned[0].clone());
            let spelled = text(version, &turned)
                .replace("{\"Effect\"", "{ \"Sid\" : \"x\",\n \"Effect\"")
                .replace("s3:", "S3:");
            let spelled = spelled
                .replace("arn:aws:S3:", "arn:aws:s3:")
                .replace("\"S3:prefix\"", "\"s3:prefix\"");
            let spelled = parse(Kind::Identity, &spelled);
            prop_assert_eq!(plain.fingerprint(), spelled.fingerprint());
            prop_assert!(plain == spelled);
            prop_assert_eq!(
                compare(&plain, &spelled, &Context::default()).verdict,
                Verdict::Equivalent
            );
            for request in &requests {
                prop_assert_eq!(reach(&plain, request), reach(&spelled, request));
            }
            Ok(())
        },
    );
}

#[test]
fn writing_and_reading_again_keeps_the_meaning() {
    for kind in [Kind::Identity, Kind::Trust] {
        hold_for(300, &document(kind), |document| {
            let again = parse(kind, document.text());
            prop_assert_eq!(again.text(), document.text());
            prop_assert_eq!(again.fingerprint(), document.fingerprint());
            prop_assert_eq!(again.size(), document.size());
            Ok(())
        });
    }
}

#[test]
fn equal_fingerprints_never_differ_in_meaning() {
    hold_for(
        500,
        &(pair(Kind::Trust), vec(request(), 16)),
        |((one, other), requests)| {
            if one.fingerprint() == other.fingerprint() {
                for request in &requests {
                    prop_assert_eq!(reach(&one, request), reach(&other, request));
                }
            }
            Ok(())
        },
    );
}

#[test]
fn arbitrary_text_is_read_or_refused_never_a_panic() {
    let kinds = [
        Kind::Identity,
        Kind::Trust,
        Kind::Session,
        Kind::ServiceControl,
        Kind::ResourceControl,
        Kind::Resource,
    ];
    hold_for(1_000, &any::<String>(), |text| {
        for kind in kinds {
            drop(Document::parse(kind, &text));
        }
        Ok(())
    });
    // Texts that are nearly documents come further.
    let damage = (
        parts(Kind::Identity),
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        any::<char>(),
    );
    hold_for(1_500, &damage, |((version, statements), from, to, c)| {
        let mut chars: Vec<char> = text(version, &statements).chars().collect();
        let (from, to) = (from.index(chars.len()), to.index(chars.len()));
        if from % 2 == 0 {
            chars[from] = c;
        } else {
            chars.swap(from, to);
        }
        let text: String = chars.into_iter().collect();
        for kind in kinds {
            if let Ok(document) = Document::parse(kind, &text) {
                let other = parse(Kind::Identity, "{\"Statement\":[]}");
                drop(compare(&document, &other, &Context::default()));
                prop_assert!(!document.fingerprint().is_empty());
            }
        }
        Ok(())
    });
}
