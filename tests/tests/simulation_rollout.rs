//! How far a rollout goes: canary, waves, and how many failures stop it, judged by what reached the world.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

mod wave_support;

use std::collections::BTreeSet;
use std::time::Duration;

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::fault::Category;
use rolekeeper_domain::outcome::{Mode, Outcome, SweepOutcome, SweepRecord};
use rolekeeper_engine::EngineSettings;
use rolekeeper_engine::port::store::Control as _;
use rolekeeper_engine::rollout::{Rollout, Share};
use rolekeeper_simulator::faults::{Effect, Fault, Script, Trouble};
use rolekeeper_simulator::{ApiError, Drift};
use rolekeeper_tests::sim::check;
use rolekeeper_tests::sim::rig::{self, demo_spec, order};
use rolekeeper_tests::sim::stage::Stage;
use tokio_util::sync::CancellationToken;

use crate::wave_support::out_of_turn;

/// A quiet organization in which the same is wrong everywhere.
fn wrong(accounts: u32, drifts: &[Drift]) -> Stage {
    let stage = Stage::of(accounts);
    for account in stage.world.reachable() {
        for drift in drifts {
            assert!(stage.world.plant(account, *drift));
        }
    }
    stage
}

/// The accounts in the order of a sweep over accounts that were never looked at.
fn in_order(stage: &Stage) -> Vec<AccountId> {
    let mut accounts = stage.world.reachable();
    accounts.sort();
    accounts
}

/// Where something was changed.
fn changed(stage: &Stage) -> BTreeSet<AccountId> {
    let history = stage.world.history();
    history.iter().map(|change| change.account).collect()
}

async fn repaired(stage: &Stage, settings: EngineSettings) -> SweepRecord {
    let process = stage.process(settings).await;
    let sweep = process
        .engine
        .sweep(order(Mode::Repair), CancellationToken::new());
    let record = sweep.await.unwrap();
    assert_eq!(check::unrecorded(&stage.world, &stage.store), None);
    assert_eq!(check::exposed(&stage.world, 0), None);
    record
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_in_a_wave_before_the_one_before_was_looked_at() {
    for concurrency in [1, 8, 64] {
        let stage = wrong(60, &[Drift::RoleMissing, Drift::PolicyMissing]);
        let mut settings = rig::settings("one", demo_spec());
        settings.limits.concurrency = concurrency;
        let record = repaired(&stage, settings).await;
        assert_eq!(record.summary.repaired, 60, "{record:?}");
        let calls = stage.world.requests();
        assert_eq!(out_of_turn(&calls, &[3, 3, 24, 30]), None, "{concurrency}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_does_not_read_back_in_time_is_said_and_halts_wherever_it_is() {
    let stage = wrong(20, &[Drift::AttachmentMissing]);
    let accounts = in_order(&stage);
    let (liar, before, after) = (accounts[9], &accounts[..9], &accounts[10..]);
    // Confirmed, and never done, in the last account of a wave behind the canary.
    let lost = Fault {
        effect: Effect::None,
        trouble: Trouble::Pretend,
    };
    stage
        .world
        .script(Script::on("AttachRolePolicy", lost).account(liar));
    let mut settings = rig::settings("one", demo_spec());
    settings.limits.settle_for = Duration::from_secs(20);
    let record = repaired(&stage, settings).await;
    let failure = stage.report(&record.id, liar).failure.unwrap();
    assert_eq!(failure.category, Category::Timeout);
    let message = failure.message;
    assert!(
        message.contains("do not read back right after 20 s"),
        "{message}"
    );
    assert_eq!(record.outcome, Some(SweepOutcome::Halted), "{record:?}");
    let why = record.reason.unwrap();
    assert!(why.contains(&liar.to_string()), "{why}");
    assert!(why.contains("does not read back"), "{why}");
    assert_eq!(stage.store.halted().await.unwrap().unwrap().why, why);
    assert_eq!(changed(&stage), before.iter().copied().collect());
    for account in after {
        let outcome = stage.report(&record.id, *account).outcome;
        assert_ne!(outcome, Outcome::Repaired, "{account}");
    }
}

/// A repair of 60 accounts, one at a time, some of which deny it. The first that does is behind the canary; the
/// canary that comes then is in order, and from there on denials are nothing new.
async fn denied(places: &[usize], rollout: Rollout) -> (Stage, SweepRecord) {
    let stage = wrong(60, &[Drift::AttachmentMissing]);
    let accounts = in_order(&stage);
    for place in places {
        let error = ApiError {
            status: 403,
            code: "AccessDenied".into(),
            message: "not here".to_owned(),
        };
        let denied = Fault {
            effect: Effect::None,
            trouble: Trouble::Error(error),
        };
        stage
            .world
            .script(Script::on("AttachRolePolicy", denied).account(accounts[*place]));
    }
    let mut settings = rig::settings("one", demo_spec());
    settings.limits.concurrency = 1;
    settings.rollout = rollout;
    let record = repaired(&stage, settings).await;
    (stage, record)
}

#[tokio::test(start_paused = true)]
async fn as_many_failures_as_are_too_many_halt_and_say_how_many_are_allowed() {
    let (stage, record) = denied(&[4, 20, 40], Rollout::default()).await;
    assert_eq!(record.outcome, Some(SweepOutcome::Halted), "{record:?}");
    assert_eq!(
        record.reason.as_deref(),
        Some("3 of 41 changed accounts failed or did not verify, 2 are allowed")
    );
    let halt = stage.store.halted().await.unwrap().unwrap();
    assert_eq!(Some(halt.why), record.reason);
    // Everybody before the third of them, and nobody behind it.
    let accounts = in_order(&stage);
    let right = (0..40).filter(|place| ![4, 20].contains(place));
    assert_eq!(
        changed(&stage),
        right.map(|place| accounts[place]).collect()
    );
}

#[tokio::test(start_paused = true)]
async fn one_failure_fewer_than_too_many_stops_nothing() {
    let (stage, record) = denied(&[4, 40], Rollout::default()).await;
    assert_eq!(record.outcome, Some(SweepOutcome::Completed), "{record:?}");
    assert_eq!((record.summary.repaired, record.summary.failed), (58, 2));
    assert_eq!(changed(&stage).len(), 58);
    assert_eq!(stage.store.halted().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn the_share_that_may_fail_is_of_the_accounts_changed_so_far() {
    let lenient = Rollout {
        max_failures: Share::new(0.1).unwrap(),
        ..Rollout::default()
    };
    // Of 46 accounts a tenth is five, more than these.
    let (_, record) = denied(&[4, 30, 45], lenient.clone()).await;
    assert_eq!(record.outcome, Some(SweepOutcome::Completed), "{record:?}");
    assert_eq!((record.summary.repaired, record.summary.failed), (57, 3));
    // Of 39 it is four.
    let (_, record) = denied(&[4, 32, 36, 38], lenient).await;
    assert_eq!(
        record.reason.as_deref(),
        Some("4 of 39 changed accounts failed or did not verify, 3 are allowed")
    );
}
