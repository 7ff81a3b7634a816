//! Rates and faults: each hits what it is meant for and says what AWS says.

#![expect(clippy::indexing_slicing, reason = "a test panics on purpose")]

mod common;

use std::time::Duration;

use common::{ADMIN, Hand, trusting};
use rolekeeper_simulator::faults::{Effect, Fault, Script, Trouble};
use rolekeeper_simulator::{Limits, Settings, Simulator, Verdict, World};
use serde_json::json;

fn limited(limits: Limits) -> Hand {
    Hand::hub(Simulator::builder().accounts(3).limits(limits).world())
}

#[test]
fn organizations_and_sts_keep_to_the_published_rates() {
    let hub = limited(Limits {
        published: true,
        iam_rate: None,
        target_rate: None,
    });
    let list = || {
        (0..100)
            .filter(|_| hub.organizations("ListAccounts", json!({})).code() == "ok")
            .count()
    };
    assert_eq!(list(), 12);
    assert_eq!(
        hub.organizations("ListAccounts", json!({})).code(),
        "TooManyRequestsException"
    );
    assert_eq!(hub.organizations("ListRoots", json!({})).code(), "ok");
    hub.wait(1.0);
    assert_eq!(list(), 8);
    let sts = || {
        (0..700)
            .filter(|_| hub.sts("GetCallerIdentity", &[]).code() == "ok")
            .count()
    };
    assert_eq!(sts(), 600);
    let throttled = hub.sts("GetCallerIdentity", &[]);
    assert_eq!(
        (throttled.code().as_str(), throttled.message().as_str()),
        ("Throttling", "Rate exceeded")
    );
    assert_eq!(throttled.answer.verdict, Verdict::Throttled);
}

#[test]
fn iam_is_charged_to_the_hub_and_to_the_target() {
    let hub = limited(Limits {
        published: false,
        iam_rate: Some(60.0),
        target_rate: Some(10.0),
    });
    let targets: Vec<Hand> = hub
        .world
        .reachable()
        .into_iter()
        .map(|account| hub.assume(account, ADMIN, &[]))
        .collect();
    let calls = |hand: &Hand| {
        (0..50)
            .filter(|_| hand.iam("GetAccountSummary", &[]).code() == "ok")
            .count()
    };
    // 20 in the target's bucket, 30 in the hub's.
    assert_eq!(
        (calls(&targets[0]), calls(&targets[1]), calls(&targets[2])),
        (20, 10, 0)
    );
    for target in &targets {
        target.wait(1.0);
    }
    hub.world.set_limits(Limits {
        published: false,
        iam_rate: Some(30.0),
        target_rate: Some(10.0),
    });
    assert_eq!(calls(&targets[2]), 15);
    assert!(
        hub.world
            .set_target_rate(hub.world.reachable()[0], Some(1.0))
    );
    targets[0].wait(10.0);
    assert_eq!(calls(&targets[0]), 2);
}

#[test]
fn the_third_creation_answers_500_after_having_worked() {
    let hub = Hand::tame(2);
    let (account, admin) = hub.first_account();
    hub.world.script(
        Script::on("CreateRole", Fault::internal(Effect::Done))
            .account(account)
            .nth(3),
    );
    let trust = trusting("111122223333");
    let create = |name: &str| {
        admin.iam(
            "CreateRole",
            &[("RoleName", name), ("AssumeRolePolicyDocument", &trust)],
        )
    };
    let codes: Vec<String> = ["A", "B", "C", "D"]
        .map(|name| create(name).code())
        .to_vec();
    assert_eq!(codes, ["ok", "ok", "ServiceFailure", "ok"]);
    assert_eq!(create("C").code(), "EntityAlreadyExists");
}

#[test]
fn trouble_comes_in_every_shape_with_and_without_effect() {
    let rows = [
        (Trouble::EmptyBadGateway, Effect::None, "HTTP 502", false),
        (Trouble::HtmlUnavailable, Effect::Done, "HTTP 503", true),
        (Trouble::Cut, Effect::Done, "Cut", true),
        (Trouble::Timeout, Effect::None, "Never", false),
        (Trouble::Truncated, Effect::Done, "ok", true),
        (Trouble::Pretend, Effect::None, "ok", false),
    ];
    for (trouble, effect, code, done) in rows {
        let hub = Hand::tame(1);
        let (account, admin) = hub.first_account();
        hub.world.script(
            Script::on(
                "CreateRole",
                Fault {
                    effect,
                    trouble: trouble.clone(),
                },
            )
            .nth(1),
        );
        let trust = trusting("111122223333");
        let reply = admin.iam(
            "CreateRole",
            &[("RoleName", "New"), ("AssumeRolePolicyDocument", &trust)],
        );
        assert_eq!(reply.code(), code, "{trouble:?}");
        assert_eq!(
            hub.world.role(account, "New").is_some(),
            done,
            "{trouble:?}"
        );
        if trouble == Trouble::Truncated {
            assert!(!reply.body.ends_with("</CreateRoleResponse>"));
        }
    }
}

#[test]
fn a_seed_repeats_a_run_to_the_letter() {
    let settings = Settings {
        accounts: 20,
        errors: 0.1,
        latency: Duration::from_millis(40),
        stale: Duration::from_secs(2),
        limits: Limits::none(),
        ..Settings::default()
    };
    let run = |seed: u64| {
        let hub = Hand::hub(World::new(Settings {
            seed,
            ..settings.clone()
        }));
        let mut told = Vec::new();
        for account in hub.world.reachable() {
            for _ in 0..5 {
                let reply = hub.try_assume(account, ADMIN, &[]);
                told.push((reply.code(), reply.answer.delay, reply.body));
            }
        }
        told
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn the_tail_of_the_latency_is_long_and_thin() {
    let latency = Duration::from_millis(40);
    let hub = Hand::hub(World::new(Settings {
        latency,
        limits: Limits::none(),
        ..Settings::default()
    }));
    let mut delays = std::collections::BTreeMap::<Duration, u32>::new();
    for _ in 0..20_000 {
        let reply = hub.sts("GetCallerIdentity", &[]);
        *delays.entry(reply.answer.delay).or_default() += 1;
    }
    // One in a hundred takes three times as long, one in a thousand ten times.
    assert_eq!(
        delays.keys().copied().collect::<Vec<_>>(),
        [latency, latency * 3, latency * 10]
    );
    let thrice = delays.get(&(latency * 3)).copied().unwrap_or_default();
    let tenfold = delays.get(&(latency * 10)).copied().unwrap_or_default();
    assert!((120..=280).contains(&thrice), "{delays:?}");
    assert!((5..=45).contains(&tenfold), "{delays:?}");
}
