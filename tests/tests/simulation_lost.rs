//! Each single call of a repair, one at a time, has its answer lost: AWS did what was asked, or never
//! heard of it, and nobody knows which. Looking tells, and the record says so.
#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rolekeeper_domain::outcome::{Mode, Outcome, SweepOutcome};
use rolekeeper_domain::role::RoleSpec;
use rolekeeper_engine::port::store::{Completion, Control as _, Journal as _};
use rolekeeper_simulator::faults::{Effect, Fault, Script, Trouble};
use rolekeeper_simulator::{Drift, Service, World};
use rolekeeper_tests::sim::check;
use rolekeeper_tests::sim::clock::SimClock;
use rolekeeper_tests::sim::durable::Durable;
use rolekeeper_tests::sim::hand::Hand;
use rolekeeper_tests::sim::rig::{self, Process, demo_spec, order, trust_text};
use rolekeeper_tests::sim::stage::Stage;
use rolekeeper_tests::sim::wanted::{absent, second_spec};
use tokio_util::sync::CancellationToken;

const LOST: Trouble = Trouble::Cut;

fn stage(built: &[RoleSpec], drifts: &[Drift]) -> Stage {
    let built = built.to_vec();
    let world = World::provisioned_with(rig::calm(1), move |_| built.clone());
    let stage = Stage {
        world: Arc::new(world),
        store: Arc::default(),
        clock: SimClock::start(),
    };
    stage.store.watch(&stage.world);
    let account = stage.account(0);
    for drift in drifts {
        assert!(stage.world.plant(account, *drift), "{drift:?}");
    }
    stage
}

async fn sweep(stage: &Stage, specs: &[RoleSpec]) -> (Option<SweepOutcome>, Vec<Outcome>, u64) {
    stage.clock.wait(Duration::from_secs(3_600)).await;
    let now = stage.clock.true_time();
    stage.store.resume("somebody", now).await.unwrap();
    let mut settings = rig::settings_of("one", Arc::from(specs));
    settings.flap_limit = 0;
    let process = stage.process(settings).await;
    let record = process
        .engine
        .sweep(order(Mode::Repair), CancellationToken::new());
    let record = record.await.unwrap();
    let reports = stage.store.all_reports(&record.id);
    let outcomes = reports.iter().map(|report| report.outcome);
    let outcomes = outcomes.filter(|outcome| *outcome != Outcome::Skipped);
    (record.outcome, outcomes.collect(), process.wire.writes())
}

fn holds(stage: &Stage, specs: &[RoleSpec], what: &str) {
    let (world, store) = (&stage.world, &stage.store);
    assert_eq!(check::unrecorded(world, store), None, "{what}");
    assert_eq!(check::strayed_from(world, specs), None, "{what}");
    assert_eq!(check::exposed_under(world, specs, 0), None, "{what}");
}

/// Loses the answer to each call that a repair makes, one call in one run.
async fn each_answer_lost(specs: &[RoleSpec], drifts: &[Drift], effect: Effect) -> usize {
    let whole = stage(specs, drifts);
    sweep(&whole, specs).await;
    let mut calls: BTreeMap<&str, u32> = BTreeMap::new();
    let history = whole.world.history();
    for (index, change) in history.iter().enumerate() {
        let nth = calls.entry(change.operation).or_default();
        *nth += 1;
        let what = format!(
            "{drifts:?}: the answer to call {index} of {}, {} {nth}, {effect:?}",
            history.len(),
            change.operation
        );
        let stage = stage(specs, drifts);
        let fault = Fault {
            effect,
            trouble: LOST,
        };
        stage
            .world
            .script(Script::on(change.operation, fault).nth(*nth));
        sweep(&stage, specs).await;
        holds(&stage, specs, &what);
        // The account ends right, in this sweep or in the next, and the record with it.
        let (outcome, reports, _) = sweep(&stage, specs).await;
        assert_eq!(outcome, Some(SweepOutcome::Completed), "{what}");
        let is_right = |one: &Outcome| matches!(one, Outcome::InSync | Outcome::Repaired);
        assert!(reports.iter().all(is_right), "{what}: {reports:?}");
        holds(&stage, specs, &what);
        assert_eq!(check::unsettled(&stage.world, &stage.store), None, "{what}");
        let (_, reports, writes) = sweep(&stage, specs).await;
        assert_eq!((reports, writes), (vec![Outcome::InSync], 0), "{what}");
    }
    history.len()
}

#[tokio::test(start_paused = true)]
async fn a_repair_whose_answer_is_lost_at_any_call_ends_right_and_is_on_record_as_it_was() {
    let mut calls = 0;
    for effect in [Effect::Done, Effect::None] {
        for drifts in [
            &[Drift::RoleMissing, Drift::PolicyMissing][..],
            &[
                Drift::TrustOpen,
                Drift::PolicyWider,
                Drift::AttachmentUnexpected,
            ],
            &[
                Drift::PolicyVersionsFull,
                Drift::InlineUnexpected,
                Drift::PolicyTags,
            ],
            &[
                Drift::RolePermissionsBoundary,
                Drift::RoleTags,
                Drift::RoleDescription,
            ],
        ] {
            calls += each_answer_lost(&[demo_spec()], drifts, effect).await;
        }
        let two = [demo_spec(), second_spec()];
        calls += each_answer_lost(
            &two,
            &[Drift::TrustOtherAccount, Drift::AttachmentMissing],
            effect,
        )
        .await;
    }
    assert!(calls >= 20, "only {calls} calls");
}

#[tokio::test(start_paused = true)]
async fn a_removal_whose_answer_is_lost_at_any_call_ends_right_and_is_on_record_as_it_was() {
    let mut calls = 0;
    for effect in [Effect::Done, Effect::None] {
        let specs = [absent(demo_spec())];
        calls += each_answer_lost(&specs, &[Drift::AttachmentUnexpected], effect).await;
    }
    assert!(calls >= 8, "only {calls} calls");
}

#[tokio::test(start_paused = true)]
async fn a_role_that_went_without_an_answer_is_ours_no_longer() {
    let world = Arc::new(World::provisioned_with(rig::calm(1), |_| vec![demo_spec()]));
    let account = *world.reachable().first().unwrap();
    for drift in [Drift::RoleMissing, Drift::PolicyMissing] {
        assert!(world.plant(account, drift));
    }
    let clock = SimClock::start();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let store = Arc::new(Durable::open(&url));
    let fault = Fault {
        effect: Effect::Done,
        trouble: LOST,
    };
    for (spec, script) in [
        (demo_spec(), None),
        (
            absent(demo_spec()),
            Some(Script::on("DeleteRole", fault).nth(1)),
        ),
    ] {
        script.into_iter().for_each(|script| world.script(script));
        let settings = rig::settings("one", spec);
        let process = Process::start(&world, &clock, &store, settings, 1).await;
        let record = process
            .engine
            .sweep(order(Mode::Repair), CancellationToken::new());
        assert_eq!(record.await.unwrap().outcome, Some(SweepOutcome::Completed));
        clock.wait(Duration::from_secs(3_600)).await;
    }
    let name = demo_spec().name;
    let history = store.history(account, None, 100).await.unwrap();
    let deleted = history
        .iter()
        .find(|entry| entry.operation.action() == "iam:DeleteRole");
    assert_eq!(deleted.unwrap().completion, Some(Completion::SettledDone));
    assert_eq!(store.owned(account).await.unwrap(), Vec::<String>::new());
    // Somebody else's, under the same name.
    let trust = percent(&trust_text());
    let form = format!("Action=CreateRole&RoleName={name}&AssumeRolePolicyDocument={trust}");
    Hand::admin(&world, &clock, account).ask(Service::Iam, &form);
    let changes = world.history().len();
    let settings = rig::settings("two", absent(demo_spec()));
    let process = Process::start(&world, &clock, &store, settings, 1).await;
    let record = process
        .engine
        .sweep(order(Mode::Repair), CancellationToken::new());
    record.await.unwrap();
    assert_eq!(
        world.history().len(),
        changes,
        "another hand's role was touched"
    );
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
