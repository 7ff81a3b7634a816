//! The change of an external id, played through: whoever presents the id that works is never
//! refused, wherever the change is interrupted.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::arn::Partition;
use rolekeeper_domain::fault::Fault;
use rolekeeper_domain::outcome::{AccountReport, Mode, Outcome, StepResult, SweepRecord, Trigger};
use rolekeeper_domain::policy::{Document, Kind};
use rolekeeper_domain::role::{Adopt, Ensure, Extras, RoleSpec};
use rolekeeper_domain::spec::{
    Binding, BoundTemplate, BoundaryTemplate, ExternalId, ManagedPolicyTemplate, NextExternalId,
    Progress, Rotation, RotationGoal, RotationStep, SpecTemplate, Standing, preset,
};
use rolekeeper_engine::port::store::{Control as _, Halt};
use rolekeeper_engine::settings::{Place, Roles};
use rolekeeper_engine::{EngineSettings, SweepOrder};
use rolekeeper_simulator::faults::{self, Effect, Script, Trouble};
use rolekeeper_simulator::{
    ApiError, DEMO_DESCRIPTION, DEMO_EXTERNAL_ID, DEMO_ROLE, DEMO_TAG, DEMO_VENDOR, Drift, Service,
    VENDOR_ACCESS_KEY, World,
};
use rolekeeper_tests::sim::check;
use rolekeeper_tests::sim::clock::SimClock;
use rolekeeper_tests::sim::hand::Hand;
use rolekeeper_tests::sim::memory::MemoryStore;
use rolekeeper_tests::sim::rig::{self, Moment, POLICY, Process, order};
use tokio_util::sync::CancellationToken;

const OLD: &str = DEMO_EXTERNAL_ID;
const NEW: &str = "demo-next-4c1d8e";
const ACCOUNTS: u32 = 6;

/// The demo's role by its template, with an id on its way or none.
#[derive(Debug)]
struct Templates(BoundTemplate);

impl Templates {
    fn new(present: &str, next: Option<(&str, RotationGoal)>) -> Self {
        let tags = [(DEMO_TAG.0.to_owned(), DEMO_TAG.1.to_owned())];
        let template = SpecTemplate {
            name: DEMO_ROLE.parse().unwrap(),
            path: "/".parse().unwrap(),
            ensure: Ensure::Present,
            trust: preset("cloudcoreo").unwrap().trust_policy.to_owned(),
            description: Some(DEMO_DESCRIPTION.to_owned()),
            max_session_duration: Some(3_600),
            boundary: BoundaryTemplate::None,
            tags: tags.clone().into(),
            managed_policies: vec![ManagedPolicyTemplate {
                name: DEMO_ROLE.parse().unwrap(),
                path: "/".parse().unwrap(),
                document: POLICY.to_owned(),
                tags: tags.into(),
            }],
            attach: Vec::new(),
            inline: std::collections::BTreeMap::new(),
            extras: Extras::Remove,
            adopt: Adopt::Always,
            tolerate: Vec::new(),
            legacy_users: BTreeSet::new(),
            vendor_account_id: Some(DEMO_VENDOR.parse().unwrap()),
            external_id: Some(ExternalId::new(present).unwrap()),
            next_external_id: next.map(|(id, goal)| NextExternalId {
                id: ExternalId::new(id).unwrap(),
                goal,
            }),
        };
        let binding = Binding {
            partition: Partition::Aws,
            hub_account_id: "111111111111".parse().unwrap(),
            organization_id: None,
        };
        Self(template.bind(binding).unwrap())
    }

    fn rotation(&self, account: AccountId) -> Rotation {
        self.0.rotation(account).unwrap().unwrap()
    }
}

impl Roles for Templates {
    fn wanted(&self, place: &Place<'_>) -> Result<Arc<[RoleSpec]>, Fault> {
        let spec = self.0.in_account(place.account).unwrap();
        Ok(Arc::from([spec.as_ref().clone()]))
    }

    fn rotations(&self, place: &Place<'_>) -> Result<Arc<[Rotation]>, Fault> {
        Ok(self
            .0
            .rotation(place.account)
            .unwrap()
            .into_iter()
            .collect())
    }

    fn wanted_meanwhile(&self, place: &Place<'_>) -> Result<Arc<[RoleSpec]>, Fault> {
        let spec = self.0.meanwhile_in_account(place.account).unwrap();
        Ok(Arc::from([spec.as_ref().clone()]))
    }
}

/// What the configuration says at each step of the change.
fn before() -> Templates {
    Templates::new(OLD, None)
}

fn both() -> Templates {
    Templates::new(OLD, Some((NEW, RotationGoal::Both)))
}

fn next_only() -> Templates {
    Templates::new(OLD, Some((NEW, RotationGoal::NextOnly)))
}

fn after() -> Templates {
    Templates::new(NEW, None)
}

struct Stage {
    world: Arc<World>,
    store: Arc<MemoryStore>,
    clock: SimClock,
}

impl Stage {
    fn new() -> Self {
        let world = Arc::new(World::new(rig::calm(ACCOUNTS)));
        let store = Arc::new(MemoryStore::default());
        store.watch(&world);
        Self {
            world,
            store,
            clock: SimClock::start(),
        }
    }

    fn accounts(&self) -> Vec<AccountId> {
        self.world.reachable()
    }

    async fn process(&self, roles: Templates) -> Process<MemoryStore> {
        // An old lease is over by then.
        self.clock.wait(Duration::from_secs(60)).await;
        let spec = roles.0.in_account(self.accounts()[0]).unwrap();
        let mut settings = rig::settings("ann", spec.as_ref().clone());
        settings.roles = Arc::new(roles);
        settings.limits.concurrency = 1;
        Process::start(&self.world, &self.clock, &self.store, settings, 1).await
    }

    async fn sweep(&self, roles: Templates, order: SweepOrder) -> SweepRecord {
        let process = self.process(roles).await;
        let record = process
            .engine
            .sweep(order, CancellationToken::new())
            .await
            .unwrap();
        process.engine.release_lease().await.unwrap();
        record
    }

    async fn repair(&self, roles: Templates) -> SweepRecord {
        self.sweep(roles, order(Mode::Repair)).await
    }

    /// What the vendor, presenting this id, can get into.
    fn admits(&self, id: &str) -> Vec<AccountId> {
        let accounts = self.accounts().into_iter();
        accounts
            .filter(|account| self.lets_in(*account, id))
            .collect()
    }

    /// The vendor's own call: `AssumeRole` with the external id.
    fn lets_in(&self, account: AccountId, id: &str) -> bool {
        let form = format!(
            "Action=AssumeRole&RoleArn=arn:aws:iam::{account}:role/{DEMO_ROLE}&RoleSessionName=engine&ExternalId={id}"
        );
        let vendor = Hand::with(&self.world, &self.clock, VENDOR_ACCESS_KEY);
        vendor.call(Service::Sts, &form).0 == 200
    }

    fn progress(&self, roles: &Templates, sweep: &SweepRecord) -> Progress {
        let mut progress = Progress::default();
        for report in self.store.all_reports(&sweep.id) {
            if let Some(sight) = roles.rotation(report.account).seen_in(&report) {
                progress.count(report.account, sight);
            }
        }
        progress
    }

    /// What the sweep said of the accounts that are meant.
    fn reports(&self, sweep: &SweepRecord) -> Vec<AccountReport> {
        let reports = self.store.all_reports(&sweep.id).into_iter();
        reports
            .filter(|report| report.outcome != Outcome::Skipped)
            .collect()
    }

    async fn step(&self, roles: Templates) -> RotationStep {
        let account = self.accounts()[0];
        let goal = roles.rotation(account).goal;
        let again = match goal {
            RotationGoal::Both => both(),
            RotationGoal::NextOnly => next_only(),
        };
        let audit = self.sweep(again, order(Mode::Audit)).await;
        self.progress(&roles, &audit).step(goal)
    }

    /// No account can be looked at from now on: somebody denies it.
    fn deny(&self, account: AccountId) {
        let error = ApiError {
            status: 403,
            code: "AccessDenied".into(),
            message: "denied meanwhile".to_owned(),
        };
        let denied = faults::Fault {
            effect: Effect::None,
            trouble: Trouble::Error(error),
        };
        self.world
            .script(Script::on("GetRole", denied).account(account));
    }

    fn everywhere(&self, id: &str) {
        assert_eq!(self.admits(id), self.accounts(), "{id}");
    }

    fn nowhere(&self, id: &str) {
        assert_eq!(self.admits(id), [], "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_whole_change_never_refuses_the_id_that_works() {
    let stage = Stage::new();
    stage.repair(before()).await;
    stage.everywhere(OLD);
    stage.nowhere(NEW);

    // The new id is configured beside the present one.
    assert_eq!(stage.step(both()).await, RotationStep::Add);
    let changes = stage.world.history().len();
    let added = stage.repair(both()).await;
    assert_eq!(added.summary.repaired, u64::from(ACCOUNTS), "{added:?}");
    stage.everywhere(OLD);
    stage.everywhere(NEW);
    assert_eq!(stage.step(both()).await, RotationStep::HandOver);
    let quiet = stage.repair(both()).await;
    assert_eq!(quiet.summary.in_sync, u64::from(ACCOUNTS), "{quiet:?}");
    // One call an account.
    assert_eq!(stage.world.history().len() - changes, ACCOUNTS as usize);

    // The vendor uses the new one by now; the present one may go.
    assert_eq!(stage.step(next_only()).await, RotationStep::Drop);
    let dropped = stage.repair(next_only()).await;
    assert_eq!(dropped.summary.repaired, u64::from(ACCOUNTS), "{dropped:?}");
    stage.everywhere(NEW);
    stage.nowhere(OLD);
    assert_eq!(stage.step(next_only()).await, RotationStep::Finish);

    // The configuration is tidied up: nothing is left to write.
    let changes = stage.world.history().len();
    let done = stage.repair(after()).await;
    assert_eq!(done.summary.in_sync, u64::from(ACCOUNTS), "{done:?}");
    assert_eq!(stage.world.history().len(), changes);
    assert_eq!(check::unrecorded(&stage.world, &stage.store), None);
}

#[tokio::test(start_paused = true)]
async fn the_plan_says_who_gains_and_who_loses_and_shows_no_id() {
    let stage = Stage::new();
    stage.repair(before()).await;
    let words = async |roles: Templates| {
        let audit = stage.sweep(roles, order(Mode::Audit)).await;
        let report = stage.reports(&audit)[0].clone();
        assert_eq!(report.drifts.len(), 1, "{report:#?}");
        report.drifts[0].explanation.clone()
    };
    let adding = words(both()).await;
    assert!(adding.starts_with("less than agreed: "), "{adding}");
    assert!(adding.contains("external id"), "{adding}");
    stage.repair(both()).await;
    let dropping = words(next_only()).await;
    assert!(dropping.starts_with("more than agreed: "), "{dropping}");
    assert!(dropping.contains("external id"), "{dropping}");
    for text in [adding, dropping] {
        assert!(!text.contains(OLD) && !text.contains(NEW), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn adding_an_id_waits_for_approval_where_widening_does_and_dropping_does_not() {
    let stage = Stage::new();
    stage.repair(before()).await;
    let ask = |settings: &mut EngineSettings| {
        settings.approve_widening = true;
        settings.limits.approval_wait = Duration::from_secs(5);
    };
    let asked = async |roles: Templates| {
        let spec = roles.0.in_account(stage.accounts()[0]).unwrap();
        let mut settings = rig::settings("bob", spec.as_ref().clone());
        ask(&mut settings);
        settings.roles = Arc::new(roles);
        stage.clock.wait(Duration::from_secs(60)).await;
        let process = Process::start(&stage.world, &stage.clock, &stage.store, settings, 1).await;
        let record = process
            .engine
            .sweep(order(Mode::Repair), CancellationToken::new())
            .await
            .unwrap();
        process.engine.release_lease().await.unwrap();
        record
    };
    asked(both()).await;
    stage.nowhere(NEW);
    stage.everywhere(OLD);
    stage.repair(both()).await;
    asked(next_only()).await;
    stage.nowhere(OLD);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_was_denied_meanwhile_keeps_the_present_id_in_force_everywhere() {
    let stage = Stage::new();
    stage.repair(before()).await;
    let denied = stage.accounts()[2];
    stage.deny(denied);
    stage.repair(both()).await;
    stage.everywhere(OLD);
    assert_eq!(stage.step(both()).await, RotationStep::Add);

    // Too early: nothing is taken away, and every report says why.
    let early = stage.repair(next_only()).await;
    stage.everywhere(OLD);
    for report in stage.reports(&early) {
        if report.account == denied {
            assert_eq!(report.outcome, Outcome::Failed);
            continue;
        }
        assert_eq!(report.outcome, Outcome::Drifted, "{report:#?}");
        let reason = report.reason.unwrap();
        assert!(reason.contains(&denied.to_string()), "{reason}");
        let [step] = report.steps.as_slice() else {
            panic!("{:#?}", report.steps)
        };
        assert_eq!(step.result, StepResult::Withheld);
    }
    // An audit says the same, and plans nothing that a repair would not do.
    let audit = stage.sweep(next_only(), order(Mode::Audit)).await;
    let planned = stage.reports(&audit).into_iter();
    let planned = planned
        .flat_map(|report| report.steps)
        .filter(|step| step.result == StepResult::Planned)
        .count();
    assert_eq!(planned, 0);

    // It can be entered again: the next repair brings it on, the one after that takes the id out.
    stage.world.clear_scripts();
    stage.repair(next_only()).await;
    stage.everywhere(OLD);
    stage.everywhere(NEW);
    stage.repair(next_only()).await;
    stage.nowhere(OLD);
    stage.everywhere(NEW);
}

#[tokio::test(start_paused = true)]
async fn other_drift_is_repaired_while_the_id_waits() {
    let stage = Stage::new();
    stage.repair(before()).await;
    stage.repair(both()).await;
    let (denied, tampered, opened) = (
        stage.accounts()[0],
        stage.accounts()[1],
        stage.accounts()[2],
    );
    stage.deny(denied);
    assert!(stage.world.plant(tampered, Drift::AttachmentUnexpected));
    assert!(stage.world.plant(opened, Drift::TrustOtherAccount));
    let held = stage.repair(next_only()).await;
    let role = stage.world.role(tampered, DEMO_ROLE).unwrap();
    assert_eq!(role.attached.len(), 1, "{role:?}");
    // Who was let in by nobody's leave is out; whoever has the next id is in.
    assert!(stage.lets_in(opened, NEW));
    assert!(
        stage.lets_in(tampered, OLD),
        "the present id is still held there"
    );
    let report = stage.reports(&held).into_iter();
    let report = report.into_iter().find(|report| report.account == tampered);
    assert_eq!(report.unwrap().outcome, Outcome::Drifted);
    stage.world.clear_scripts();
    stage.repair(next_only()).await;
    stage.nowhere(OLD);
    stage.everywhere(NEW);
}

#[tokio::test(start_paused = true)]
async fn an_event_about_one_account_takes_no_id_away() {
    let stage = Stage::new();
    stage.repair(before()).await;
    stage.repair(both()).await;
    let one = stage.accounts()[0];
    let event = SweepOrder {
        accounts: Some([one].into()),
        ..SweepOrder::new(Mode::Repair, Trigger::Event, "an event")
    };
    stage.sweep(next_only(), event).await;
    stage.everywhere(OLD);
    // A person who names an account means it.
    let named = SweepOrder {
        accounts: Some([one].into()),
        ..order(Mode::Repair)
    };
    stage.sweep(next_only(), named).await;
    assert!(!stage.lets_in(one, OLD));
    assert_eq!(stage.admits(OLD).len(), stage.accounts().len() - 1);
    // An event does not bring it back either.
    let event = SweepOrder {
        accounts: Some([one].into()),
        ..SweepOrder::new(Mode::Repair, Trigger::Event, "an event")
    };
    stage.sweep(next_only(), event).await;
    assert!(!stage.lets_in(one, OLD));
}

#[tokio::test(start_paused = true)]
async fn a_halt_in_the_middle_leaves_whoever_worked_working() {
    let stage = Stage::new();
    stage.repair(before()).await;
    let process = stage.process(both()).await;
    let halted = async {
        while stage.admits(NEW).is_empty() {
            stage.clock.wait(Duration::from_millis(50)).await;
        }
        let halt = Halt {
            why: "incident".to_owned(),
            by: "bob".to_owned(),
            at: stage.clock.true_time(),
        };
        stage.store.halt(&halt).await.unwrap();
    };
    let (ended, ()) = tokio::join!(
        process
            .engine
            .sweep(order(Mode::Repair), CancellationToken::new()),
        halted
    );
    drop(ended);
    process.engine.release_lease().await.unwrap();
    let reached = stage.admits(NEW).len();
    assert!((1..ACCOUNTS as usize).contains(&reached), "{reached}");
    stage.everywhere(OLD);
    stage
        .store
        .resume("bob", stage.clock.true_time())
        .await
        .unwrap();
    assert_eq!(stage.step(both()).await, RotationStep::Add);
    stage.repair(both()).await;
    stage.everywhere(OLD);
    stage.everywhere(NEW);
}

/// Kills the process at each write of each step of the change, before and after the call; whoever
/// presents the id that works gets in all the while, and the next process goes on.
#[tokio::test(start_paused = true)]
async fn killed_at_any_write_the_change_goes_on_and_nobody_is_refused() {
    for dropping in [false, true] {
        let goal = || if dropping { next_only() } else { both() };
        for index in 0..u64::from(ACCOUNTS) {
            for moment in [Moment::Before, Moment::After] {
                let what = format!("dropping: {dropping}, killed {moment:?} write {index}");
                let stage = Stage::new();
                stage.repair(before()).await;
                if dropping {
                    stage.repair(both()).await;
                }
                // The vendor uses the old id until both are accepted everywhere.
                let works = if dropping { NEW } else { OLD };
                let process = stage.process(goal()).await;
                process.wire.crash_at(index, moment);
                tokio::select! {
                    biased;
                    () = process.wire.dead.cancelled() => {}
                    ended = process.engine.sweep(order(Mode::Repair), CancellationToken::new()) => {
                        panic!("{what}: it was not: {ended:?}");
                    }
                }
                drop(process);
                assert_eq!(stage.admits(works), stage.accounts(), "{what}");
                stage.repair(goal()).await;
                assert_eq!(stage.admits(works), stage.accounts(), "{what}");
                let other = if dropping { OLD } else { NEW };
                let expected = if dropping {
                    Vec::new()
                } else {
                    stage.accounts()
                };
                assert_eq!(stage.admits(other), expected, "{what}");
                assert_eq!(
                    check::unrecorded(&stage.world, &stage.store),
                    None,
                    "{what}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_account_comes_to_life_with_what_the_step_asks_for() {
    let stage = Stage::new();
    let one = stage.accounts()[0];
    stage.repair(before()).await;
    stage.world.remove_role(one, DEMO_ROLE);
    stage.repair(both()).await;
    assert!(stage.lets_in(one, OLD) && stage.lets_in(one, NEW));
    stage.world.remove_role(one, DEMO_ROLE);
    // Not there yet: the others keep the present id in this sweep.
    stage.repair(next_only()).await;
    assert!(!stage.lets_in(one, OLD) && stage.lets_in(one, NEW));
    assert_eq!(stage.admits(OLD).len(), stage.accounts().len() - 1);
    stage.repair(next_only()).await;
    stage.nowhere(OLD);
    stage.everywhere(NEW);
}

#[test]
fn what_is_accepted_is_told_by_meaning() {
    let rotation = both().rotation("222222222222".parse().unwrap());
    let trust = |ids: &str| {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"{DEMO_VENDOR}"}},"Action":["sts:AssumeRole"],"Condition":{{"StringEquals":{{"STS:ExternalID":{ids}}}}}}}}}"#
        );
        Document::parse(Kind::Trust, &text).unwrap()
    };
    let account = "222222222222".parse().unwrap();
    let rows = [
        (format!(r#"["{NEW}","{OLD}"]"#), Standing::Both),
        (format!(r#"["{OLD}","other","{NEW}"]"#), Standing::Both),
        (format!(r#""{OLD}""#), Standing::PresentOnly),
        (format!(r#"["{NEW}"]"#), Standing::NextOnly),
        (r#""other""#.to_owned(), Standing::Neither),
    ];
    for (ids, expected) in rows {
        assert_eq!(rotation.standing(&trust(&ids), account), expected, "{ids}");
    }
}
