//! What stops a sweep, and what one bad account costs the others: the whole engine over a
//! simulated organization, in paused time.
#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::drift::DriftKind;
use rolekeeper_domain::fault::{Category, Denial};
use rolekeeper_domain::outcome::{Mode, Outcome, StepResult, SweepOutcome};
use rolekeeper_engine::event::Event;
use rolekeeper_engine::port::store::{Control as _, Memory as _};
use rolekeeper_engine::rollout::Rollout;
use rolekeeper_engine::{EngineSettings, SweepError};
use rolekeeper_simulator::faults::{Effect, Fault, Script, Trouble};
use rolekeeper_simulator::{ApiError, Drift};
use rolekeeper_tests::sim::check;
use rolekeeper_tests::sim::memory::MemoryStore;
use rolekeeper_tests::sim::rig::{self, Process, demo_spec, order};
use rolekeeper_tests::sim::stage::Stage;
use tokio_util::sync::CancellationToken;

/// A quiet organization in which the role is missing everywhere.
fn bare(accounts: u32) -> Stage {
    let stage = Stage::of(accounts);
    for account in stage.world.reachable() {
        assert!(stage.world.plant(account, Drift::RoleMissing));
    }
    stage
}

fn settings() -> EngineSettings {
    rig::settings("one", demo_spec())
}

fn error(code: &'static str, status: u16) -> Fault {
    let error = ApiError {
        status,
        code: code.into(),
        message: "simulated".to_owned(),
    };
    Fault {
        effect: Effect::None,
        trouble: Trouble::Error(error),
    }
}

async fn sweep(
    process: &Process<MemoryStore>,
    mode: Mode,
) -> rolekeeper_domain::outcome::SweepRecord {
    process
        .engine
        .sweep(order(mode), CancellationToken::new())
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn one_account_that_never_answers_costs_the_others_nothing() {
    let stage = Stage::of(200);
    let silent = stage.account(7);
    let never = Fault {
        effect: Effect::None,
        trouble: Trouble::Timeout,
    };
    stage
        .world
        .script(Script::on("GetRole", never).account(silent));
    let process = stage.process(settings()).await;
    let done = async {
        let mut others = None;
        while others.is_none() {
            stage.clock.wait(Duration::from_millis(100)).await;
            let finished = process.listener.count(|event| {
                matches!(event, Event::AccountFinished { report, .. } if report.outcome == Outcome::InSync)
            });
            others = (finished == 199).then(|| stage.clock.true_time());
        }
        others
    };
    let begun = stage.clock.true_time();
    let (record, others) = tokio::join!(sweep(&process, Mode::Audit), done);
    let seconds = others.unwrap().duration_since(begun).as_secs();
    assert!(seconds < 12, "the others took {seconds} s");
    let report = stage.report(&record.id, silent);
    assert_eq!(report.failure.unwrap().category, Category::Timeout);
    assert_eq!((record.summary.in_sync, record.summary.failed), (199, 1));
}

#[tokio::test(start_paused = true)]
async fn a_denied_account_ends_with_its_category_and_which_policy_denied() {
    let stage = Stage::of(5);
    let denied = stage.account(2);
    let rail = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:*","Resource":"*"}]}"#;
    stage
        .world
        .attach_service_control_policy(&denied.to_string(), rail)
        .unwrap();
    let process = stage.process(settings()).await;
    let record = sweep(&process, Mode::Repair).await;
    let failure = stage.report(&record.id, denied).failure.unwrap();
    assert_eq!(failure.category, Category::AccessDenied);
    assert_eq!(failure.denial, Some(Denial::ServiceControlPolicy));
    assert!(failure.request_id.is_some());
    assert_eq!((record.summary.in_sync, record.summary.failed), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn an_account_without_any_admin_role_names_the_last_that_was_tried() {
    let stage = Stage::of(3);
    let odd = stage.account(1);
    assert!(
        stage
            .world
            .remove_role(odd, "OrganizationAccountAccessRole")
    );
    let process = stage.process(settings()).await;
    let record = sweep(&process, Mode::Audit).await;
    let failure = stage.report(&record.id, odd).failure.unwrap();
    assert_eq!(failure.category, Category::AccessDenied);
    assert!(
        failure.message.contains("AWSControlTowerExecution"),
        "{}",
        failure.message
    );
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_breaks_off_fails_the_sweep_and_nothing_is_written() {
    let stage = bare(45);
    stage
        .world
        .script(Script::on("ListAccounts", error("AccessDeniedException", 400)).nth(2));
    let process = stage.process(settings()).await;
    let ended = process
        .engine
        .sweep(order(Mode::Repair), CancellationToken::new())
        .await;
    assert!(matches!(ended, Err(SweepError::Census(_))), "{ended:?}");
    assert_eq!(process.wire.writes(), 0);
    assert_eq!(stage.store.census_size().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_listing_sharply_smaller_than_the_last_one_fails_the_sweep() {
    let stage = bare(10);
    let ids: Vec<AccountId> = (0..100)
        .map(|n| format!("{n:012}").parse().unwrap())
        .collect();
    stage
        .store
        .remember_census(&ids, stage.clock.true_time())
        .await
        .unwrap();
    let process = stage.process(settings()).await;
    let ended = process
        .engine
        .sweep(order(Mode::Repair), CancellationToken::new())
        .await;
    assert!(matches!(ended, Err(SweepError::Census(_))), "{ended:?}");
    assert_eq!(process.wire.writes(), 0);
    // Whoever only lists the accounts is told as well.
    let listed = process.engine.discover().await;
    assert!(matches!(listed, Err(SweepError::Census(_))), "{listed:?}");
    assert_eq!(
        stage.store.census_size().await.unwrap(),
        Some(100),
        "the trusted one is kept"
    );
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_not_in_the_organization_is_named() {
    let stage = Stage::of(3);
    let stranger: AccountId = "000000000042".parse().unwrap();
    let process = stage.process(settings()).await;
    let mut asked = order(Mode::Audit);
    asked.accounts = Some(BTreeSet::from([stage.account(0), stranger]));
    let ended = process.engine.sweep(asked, CancellationToken::new()).await;
    assert!(matches!(ended, Err(SweepError::NoSuchAccount { accounts }) if accounts == [stranger]));
}

#[tokio::test(start_paused = true)]
async fn a_failure_in_the_canary_halts_every_writer_until_somebody_resumes() {
    let stage = bare(40);
    stage
        .world
        .script(Script::on("CreateRole", error("AccessDenied", 403)));
    let process = stage.process(settings()).await;
    let record = sweep(&process, Mode::Repair).await;
    assert_eq!(record.outcome, Some(SweepOutcome::Halted), "{record:?}");
    let touched: BTreeSet<AccountId> = stage
        .store
        .journal()
        .iter()
        .map(|entry| entry.account)
        .collect();
    assert!(
        touched.len() <= 3,
        "nothing outside the canary: {touched:?}"
    );
    assert!(stage.store.halted().await.unwrap().is_some());
    let ended = process
        .engine
        .sweep(order(Mode::Repair), CancellationToken::new())
        .await;
    assert!(matches!(ended, Err(SweepError::Halted { .. })), "{ended:?}");

    stage.world.clear_scripts();
    stage
        .store
        .resume("somebody", stage.clock.true_time())
        .await
        .unwrap();
    let record = sweep(&process, Mode::Repair).await;
    assert_eq!(record.outcome, Some(SweepOutcome::Completed));
    assert_eq!(record.summary.repaired, 40, "{record:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_sweep_ends_at_once_and_says_what_it_did_not_reach() {
    let stage = Stage::of(300);
    let mut settings = settings();
    settings.limits.concurrency = 4;
    let process = stage.process(settings).await;
    let cancel = CancellationToken::new();
    let stop = async {
        stage.clock.wait(Duration::from_secs(3)).await;
        cancel.cancel();
        stage.clock.true_time()
    };
    let (record, stopped) = tokio::join!(
        process.engine.sweep(order(Mode::Audit), cancel.clone()),
        stop
    );
    let record = record.unwrap();
    assert_eq!(record.outcome, Some(SweepOutcome::Cancelled));
    assert!(record.summary.pending > 0, "{record:?}");
    assert!(record.summary.in_sync > 0, "{record:?}");
    let seconds = stage.clock.true_time().duration_since(stopped).as_secs();
    assert!(seconds <= 1, "it took {seconds} s to end");
}

#[tokio::test(start_paused = true)]
async fn many_changes_wait_for_approval_and_go_on_with_it() {
    let stage = bare(12);
    let mut settings = settings();
    settings.rollout = Rollout {
        approve_above: 10,
        ..Rollout::default()
    };
    let process = stage.process(settings).await;
    let approve = async {
        let waiting = loop {
            stage.clock.wait(Duration::from_secs(1)).await;
            if let Some(sweep) = stage.store.waiting().pop() {
                break sweep;
            }
        };
        stage.clock.wait(Duration::from_secs(60)).await;
        assert_eq!(
            process.wire.writes(),
            0,
            "nothing is written before somebody agreed"
        );
        assert!(
            stage
                .store
                .approve(&waiting, "somebody", stage.clock.true_time())
                .await
                .unwrap()
        );
    };
    let (record, ()) = tokio::join!(sweep(&process, Mode::Repair), approve);
    assert_eq!(record.summary.repaired, 12, "{record:?}");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_approves_is_not_done() {
    let stage = bare(12);
    let mut settings = settings();
    settings.rollout = Rollout {
        approve_above: 10,
        ..Rollout::default()
    };
    let process = stage.process(settings).await;
    let record = sweep(&process, Mode::Repair).await;
    assert_eq!(record.outcome, Some(SweepOutcome::Cancelled), "{record:?}");
    assert_eq!(process.wire.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_frozen_time_refuses_every_step() {
    let stage = bare(2);
    let mut settings = settings();
    settings.freeze = Some(Arc::new(|_| Some("year's end".to_owned())));
    let process = stage.process(settings).await;
    let record = sweep(&process, Mode::Repair).await;
    let report = stage.report(&record.id, stage.account(0));
    assert_eq!(report.outcome, Outcome::Drifted);
    assert!(
        report
            .steps
            .iter()
            .all(|step| step.result == StepResult::Refused),
        "{report:#?}"
    );
    assert!(report.reason.unwrap().contains("year's end"));
    assert_eq!(process.wire.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_written_stops_the_writes_to_aws() {
    let stage = bare(30);
    let process = stage.process(settings()).await;
    let full = async {
        while process.wire.writes() < 10 {
            stage.clock.wait(Duration::from_millis(5)).await;
        }
        stage.store.set_broken(true);
        process.wire.writes()
    };
    let (ended, written) = tokio::join!(
        process
            .engine
            .sweep(order(Mode::Repair), CancellationToken::new()),
        full
    );
    assert!(ended.is_err(), "{ended:?}");
    // Calls that were on record and on their way may arrive; no other is begun.
    assert!(
        process.wire.writes() <= written + 3,
        "{} after {written}",
        process.wire.writes()
    );
    stage.store.set_broken(false);
    assert_eq!(check::unrecorded(&stage.world, &stage.store), None);
}

/// What is left alone does not read back right, and that is no reason to halt everybody.
#[tokio::test(start_paused = true)]
async fn a_tag_that_is_left_alone_stands_in_the_way_of_no_other_repair() {
    let stage = Stage::of(1);
    let account = stage.account(0);
    let flapping = EngineSettings {
        flap_limit: 1,
        ..settings()
    };
    let process = stage.process(flapping).await;
    stage.world.plant(account, Drift::RoleTags);
    let record = sweep(&process, Mode::Repair).await;
    assert_eq!(stage.report(&record.id, account).outcome, Outcome::Repaired);
    stage.clock.wait(Duration::from_secs(600)).await;
    stage.world.plant(account, Drift::RoleTags);
    stage.world.plant(account, Drift::TrustOpen);
    let record = sweep(&process, Mode::Repair).await;
    assert_eq!(record.outcome, Some(SweepOutcome::Completed), "{record:?}");
    let report = stage.report(&record.id, account);
    let stands: Vec<_> = report.drifts.iter().map(|drift| drift.kind).collect();
    assert_eq!(stands, [DriftKind::RoleTags], "{report:#?}");
    assert_eq!(stage.store.halted().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn the_same_thing_repaired_three_times_in_a_row_is_left_alone() {
    let stage = Stage::of(1);
    let account = stage.account(0);
    let process = stage.process(settings()).await;
    for _ in 0..3 {
        stage.world.plant(account, Drift::TrustOpen);
        let record = sweep(&process, Mode::Repair).await;
        assert_eq!(stage.report(&record.id, account).outcome, Outcome::Repaired);
        stage.clock.wait(Duration::from_secs(600)).await;
    }
    stage.world.plant(account, Drift::TrustOpen);
    let written = process.wire.writes();
    let record = sweep(&process, Mode::Repair).await;
    let report = stage.report(&record.id, account);
    assert_eq!(report.outcome, Outcome::Drifted);
    assert!(
        report
            .reason
            .unwrap()
            .contains("someone else keeps changing it")
    );
    assert_eq!(process.wire.writes(), written);
}
