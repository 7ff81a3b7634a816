//! A specification that gives more than was agreed to waits for a person's word; restoring what was agreed
//! to needs none. And what a failed change that the canary did not show does to a rollout.
#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::{Mode, Outcome, SweepOutcome, SweepRecord, Trigger};
use rolekeeper_domain::policy::{Document, Kind};
use rolekeeper_domain::role::{Ensure, RoleSpec};
use rolekeeper_engine::event::Event;
use rolekeeper_engine::port::store::Control as _;
use rolekeeper_engine::rollout::OnSurprise;
use rolekeeper_engine::{EngineSettings, SavedPlans, SweepOrder};
use rolekeeper_simulator::faults::{Effect, Fault, Script, Trouble};
use rolekeeper_simulator::{ApiError, DEMO_EXTERNAL_ID, Drift};
use rolekeeper_tests::sim::memory::MemoryStore;
use rolekeeper_tests::sim::rig::{self, Process, demo_spec, order, trust_text};
use rolekeeper_tests::sim::stage::Stage;
use tokio_util::sync::CancellationToken;

/// A process to which widening needs a word.
async fn started(stage: &Stage, spec: RoleSpec) -> Process<MemoryStore> {
    let settings = EngineSettings {
        approve_widening: true,
        flap_limit: 0,
        ..rig::settings("one", spec)
    };
    stage.process(settings).await
}

async fn swept(stage: &Stage, spec: RoleSpec, order: SweepOrder) -> (SweepRecord, u64) {
    // A sweep's id begins with the second in which it began.
    stage.clock.wait(Duration::from_secs(1)).await;
    let process = started(stage, spec).await;
    let record = process.engine.sweep(order, CancellationToken::new()).await;
    (record.unwrap(), process.wire.writes())
}

/// Somebody approves what waits, once something does.
async fn approve(stage: &Stage) {
    loop {
        stage.clock.wait(Duration::from_secs(1)).await;
        if let Some(waiting) = stage.store.waiting().pop() {
            let now = stage.clock.true_time();
            assert!(stage.store.approve(&waiting, "bob", now).await.unwrap());
            return;
        }
    }
}

fn agreed(mode: Mode) -> SweepOrder {
    SweepOrder {
        approved_by: Some("ann".to_owned()),
        ..order(mode)
    }
}

/// The demo's role with a second external id: whoever knows it may come in as well.
fn wider() -> RoleSpec {
    let ids = format!(r#"["{DEMO_EXTERNAL_ID}","next"]"#);
    let text = trust_text().replace(&format!("\"{DEMO_EXTERNAL_ID}\""), &ids);
    RoleSpec {
        trust: Document::parse(Kind::Trust, &text).unwrap(),
        ..demo_spec()
    }
}

#[tokio::test(start_paused = true)]
async fn restoring_what_was_agreed_to_needs_no_word() {
    let stage = Stage::of(2);
    let (first, _) = swept(&stage, demo_spec(), agreed(Mode::Repair)).await;
    assert_eq!(first.outcome, Some(SweepOutcome::Completed));
    assert!(!first.widens.is_empty(), "nothing was agreed to before");
    // Somebody takes permissions away, and trust: putting them back gives somebody more than now.
    for (index, drift) in [Drift::PolicyNarrower, Drift::RoleMissing]
        .into_iter()
        .enumerate()
    {
        assert!(stage.world.plant(stage.account(index), drift));
    }
    let (record, writes) = swept(&stage, demo_spec(), order(Mode::Repair)).await;
    assert_eq!(record.outcome, Some(SweepOutcome::Completed));
    assert_eq!(record.widens, Vec::<String>::new());
    assert!(writes > 0);
    for index in 0..2 {
        let report = stage.report(&record.id, stage.account(index));
        assert_eq!(report.outcome, Outcome::Repaired);
    }
}

/// A repair that only takes away waits as well while nothing was ever agreed to, and so does a removal: what is
/// typed in wrong would take everybody's access away.
#[tokio::test(start_paused = true)]
async fn nothing_is_written_before_somebody_has_agreed_once() {
    let absent = RoleSpec {
        ensure: Ensure::Absent,
        ..demo_spec()
    };
    for spec in [demo_spec(), absent] {
        let stage = Stage::of(3);
        for index in 0..3 {
            assert!(
                stage
                    .world
                    .plant(stage.account(index), Drift::AttachmentUnexpected)
            );
        }
        let (record, writes) = swept(&stage, spec.clone(), order(Mode::Repair)).await;
        assert_eq!(record.outcome, Some(SweepOutcome::Cancelled), "{record:?}");
        assert_eq!(writes, 0);
        assert!(!record.widens.is_empty());
        // Nobody said a word, so the next one waits again; then somebody does.
        let ((record, writes), ()) = tokio::join!(
            swept(&stage, spec.clone(), order(Mode::Repair)),
            approve(&stage)
        );
        assert_eq!(record.outcome, Some(SweepOutcome::Completed), "{record:?}");
        assert!(writes > 0);
        // From then on what only takes away needs none.
        if spec.ensure == Ensure::Present {
            assert!(
                stage
                    .world
                    .plant(stage.account(0), Drift::AttachmentUnexpected)
            );
            let (record, writes) = swept(&stage, spec, order(Mode::Repair)).await;
            assert_eq!(record.outcome, Some(SweepOutcome::Completed), "{record:?}");
            assert!(writes > 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wider_specification_waits_until_somebody_agrees_and_is_known_from_then_on() {
    let stage = Stage::of(6);
    swept(&stage, demo_spec(), agreed(Mode::Repair)).await;
    let before = stage.world.history().len();
    let (record, writes) = swept(&stage, wider(), order(Mode::Repair)).await;
    assert_eq!(record.outcome, Some(SweepOutcome::Cancelled), "{record:?}");
    let said = record.widens.join("; ");
    assert!(
        said.contains("CloudCoreoAssumedRolePolicy: anyone in account"),
        "{said}"
    );
    assert_eq!(writes, 0, "nothing is written without a word");
    assert_eq!(stage.world.history().len(), before);

    // The next one is approved, and then it is known: repairs under it wait no more.
    let process = started(&stage, wider()).await;
    let sweep = process
        .engine
        .sweep(order(Mode::Repair), CancellationToken::new());
    let (record, ()) = tokio::join!(sweep, approve(&stage));
    let record = record.unwrap();
    assert_eq!(record.outcome, Some(SweepOutcome::Completed), "{record:?}");
    assert_eq!(record.summary.repaired, 6, "{record:?}");
    let agreed = stage.store.agreed_specs().await.unwrap();
    let by: Vec<_> = agreed.iter().map(|spec| spec.by.as_str()).collect();
    assert_eq!(by, ["bob"], "the one who approved it is on record");
    assert!(stage.world.plant(stage.account(3), Drift::PolicyNarrower));
    let (record, writes) = swept(&stage, wider(), order(Mode::Repair)).await;
    assert_eq!(record.widens, Vec::<String>::new());
    assert!(writes > 0);
    assert_eq!(record.outcome, Some(SweepOutcome::Completed));

    // Back to the narrow one without a word; the wide one again is wider again.
    let (record, _) = swept(&stage, demo_spec(), order(Mode::Repair)).await;
    assert_eq!(record.summary.repaired, 6, "{record:?}");
    let (record, writes) = swept(&stage, wider(), order(Mode::Audit)).await;
    assert!(!record.widens.is_empty());
    assert_eq!(writes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_role_that_waits_for_a_word_holds_up_no_other_role() {
    let stage = Stage::of(4);
    swept(&stage, demo_spec(), agreed(Mode::Repair)).await;
    let opened = stage.account(2);
    assert!(stage.world.plant(opened, Drift::TrustOpen));
    let second = RoleSpec {
        name: "Second".parse().unwrap(),
        managed_policies: Vec::new(),
        ..demo_spec()
    };
    let settings = EngineSettings {
        approve_widening: true,
        roles: Arc::new(rig::Same(Arc::from([demo_spec(), second]))),
        ..rig::settings("one", demo_spec())
    };
    let process = Process::start(&stage.world, &stage.clock, &stage.store, settings, 1).await;
    let sweep = process
        .engine
        .sweep(order(Mode::Repair), CancellationToken::new());
    let record = sweep.await.unwrap();
    assert_eq!(record.outcome, Some(SweepOutcome::Cancelled), "{record:?}");
    assert!(
        record
            .widens
            .iter()
            .all(|said| said.starts_with("Second: "))
    );
    let changes = stage.world.history();
    assert!(!changes.is_empty(), "the door is closed");
    for change in changes {
        assert_eq!(change.account, opened, "{change:?}");
        assert_ne!(change.operation, "CreateRole");
    }
}

#[tokio::test(start_paused = true)]
async fn a_specification_that_was_never_agreed_to_waits_wherever_it_would_be_made() {
    let stage = Stage::of(3);
    assert!(stage.world.plant(stage.account(0), Drift::RoleMissing));
    let (record, writes) = swept(&stage, demo_spec(), order(Mode::Repair)).await;
    assert_eq!(record.outcome, Some(SweepOutcome::Cancelled), "{record:?}");
    assert_eq!(writes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_word_for_some_accounts_is_a_word_for_these_alone() {
    let stage = Stage::of(3);
    for index in 0..3 {
        assert!(stage.world.plant(stage.account(index), Drift::RoleMissing));
    }
    let one = SweepOrder {
        accounts: Some(BTreeSet::from([stage.account(1)])),
        ..agreed(Mode::Repair)
    };
    let (record, _) = swept(&stage, demo_spec(), one).await;
    assert_eq!(record.summary.repaired, 1, "{record:?}");
    assert_eq!(stage.store.agreed_specs().await.unwrap(), []);
    let (record, writes) = swept(&stage, demo_spec(), order(Mode::Repair)).await;
    assert_eq!(record.outcome, Some(SweepOutcome::Cancelled), "{record:?}");
    assert_eq!(writes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_narrower_specification_that_is_tried_in_some_accounts_holds_up_no_other() {
    let stage = Stage::of(3);
    swept(&stage, demo_spec(), agreed(Mode::Repair)).await;
    let mut narrower = demo_spec();
    for policy in &mut narrower.managed_policies {
        let text = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#;
        policy.document = Document::parse(Kind::Identity, text).unwrap();
    }
    let trial = SweepOrder {
        accounts: Some(BTreeSet::from([stage.account(1)])),
        ..agreed(Mode::Repair)
    };
    let (record, _) = swept(&stage, narrower, trial).await;
    assert_eq!(record.summary.repaired, 1, "{record:?}");
    // What all others have is what was agreed to, and no more than that.
    let (record, _) = swept(&stage, demo_spec(), order(Mode::Repair)).await;
    assert_eq!(record.outcome, Some(SweepOutcome::Completed), "{record:?}");
    assert_eq!(record.summary.repaired, 1, "{record:?}");
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_somebody_read_has_their_word() {
    let stage = Stage::of(2);
    assert!(stage.world.plant(stage.account(0), Drift::RoleMissing));
    let process = started(&stage, demo_spec()).await;
    let audit = process
        .engine
        .sweep(order(Mode::Audit), CancellationToken::new());
    audit.await.unwrap();
    let mut saved = SavedPlans::default().made_for_everybody(true);
    for event in process.listener.events() {
        if let Event::Planned { plan, .. } = event {
            saved.add(plan.account, plan.role.clone(), plan.digest());
        }
    }
    let apply = SweepOrder {
        plans: Some(saved),
        ..agreed(Mode::Repair)
    };
    let (record, _) = swept(&stage, demo_spec(), apply).await;
    assert_eq!(record.summary.repaired, 1, "{record:?}");
    let kept = stage.store.agreed_specs().await.unwrap();
    assert_eq!(
        kept.len(),
        1,
        "a plan for everybody is a word for everybody"
    );
}

#[tokio::test(start_paused = true)]
async fn an_event_waits_for_nobody() {
    let stage = Stage::of(2);
    assert!(stage.world.plant(stage.account(0), Drift::RoleMissing));
    let told = SweepOrder {
        accounts: Some(BTreeSet::from([stage.account(0)])),
        ..SweepOrder::new(Mode::Repair, Trigger::Event, "event e-1")
    };
    let begun = stage.clock.true_time();
    let (record, writes) = swept(&stage, demo_spec(), told).await;
    assert_eq!(writes, 0);
    assert_eq!(record.outcome, Some(SweepOutcome::Completed), "{record:?}");
    let took = stage.clock.true_time().duration_since(begun).as_secs();
    assert!(took < 60, "it held the daemon up for {took} s");
    assert_eq!(stage.store.waiting(), []);
}

fn denied() -> Fault {
    Fault {
        effect: Effect::None,
        trouble: Trouble::Error(ApiError {
            status: 403,
            code: "AccessDenied".into(),
            message: "simulated".to_owned(),
        }),
    }
}

/// The number of canaries, and whether the sweep was halted.
async fn rolled_out(stage: &Stage, on_surprise: OnSurprise) -> (SweepRecord, usize) {
    let mut settings = rig::settings("one", demo_spec());
    settings.limits.concurrency = 2;
    settings.rollout.on_surprise = on_surprise;
    let process = Process::start(&stage.world, &stage.clock, &stage.store, settings, 1).await;
    let record = process
        .engine
        .sweep(order(Mode::Repair), CancellationToken::new());
    let record = record.await.unwrap();
    let again = process
        .listener
        .count(|event| matches!(event, Event::CanaryAgain { .. }));
    (record, again)
}

fn bare(accounts: u32) -> Stage {
    let stage = Stage::of(accounts);
    for account in stage.world.reachable() {
        assert!(stage.world.plant(account, Drift::RoleMissing));
    }
    stage
}

/// An organization in which one account, of which the canary shows nothing, denies the role.
fn one_that_denies() -> (Stage, AccountId) {
    let stage = bare(40);
    let mut ids = stage.world.reachable();
    ids.sort();
    let odd = *ids.get(20).unwrap();
    stage
        .world
        .script(Script::on("CreateRole", denied()).account(odd));
    (stage, odd)
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_the_canary_did_not_show_sends_the_rest_through_a_canary_again() {
    let (stage, _) = one_that_denies();
    let (record, again) = rolled_out(&stage, OnSurprise::Canary).await;
    assert_eq!(again, 1);
    assert_eq!(record.outcome, Some(SweepOutcome::Completed), "{record:?}");
    assert_eq!((record.summary.repaired, record.summary.failed), (39, 1));
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_the_canary_did_not_show_halts_if_that_is_asked_for() {
    let (stage, odd) = one_that_denies();
    let (record, again) = rolled_out(&stage, OnSurprise::Halt).await;
    assert_eq!(again, 0);
    assert_eq!(record.outcome, Some(SweepOutcome::Halted), "{record:?}");
    // What was in flight beside it is finished, and nobody else is begun.
    assert!(record.summary.repaired <= 21, "{record:?}");
    assert_eq!(record.summary.failed, 1, "{record:?}");
    let halt = stage.store.halted().await.unwrap().unwrap();
    assert!(halt.why.contains(&odd.to_string()), "{halt:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_the_second_canary_shows_too_halts() {
    let stage = bare(60);
    let mut ids = stage.world.reachable();
    ids.sort();
    // A service control policy over one part of the organization, which the canary was not in.
    for id in ids.iter().skip(20) {
        stage
            .world
            .script(Script::on("CreateRole", denied()).account(*id));
    }
    let (record, again) = rolled_out(&stage, OnSurprise::Canary).await;
    assert_eq!(again, 1);
    assert_eq!(record.outcome, Some(SweepOutcome::Halted), "{record:?}");
    // The two in flight at the first failure, and at most the two in flight of the second canary.
    assert!(record.summary.failed <= 4, "{record:?}");
    assert_eq!(record.summary.repaired, 20, "{record:?}");
}
