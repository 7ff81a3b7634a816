//! A temporary user retired: only where the role works, each step on record before it is taken,
//! finished by the next process wherever one dies.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::drift::DriftKind;
use rolekeeper_domain::outcome::{
    AccountReport, Mode, Outcome, StepResult, SweepOutcome, SweepRecord, Trigger,
};
use rolekeeper_domain::role::{Ensure, RoleSpec};
use rolekeeper_engine::port::store::{Completion, Control as _, Halt, Journal as _, Sweeps as _};
use rolekeeper_engine::retire::Retirement;
use rolekeeper_engine::{EngineSettings, SweepError, SweepOrder};
use rolekeeper_simulator::faults::{self, Effect, Script, Trouble};
use rolekeeper_simulator::{ApiError, Drift, Input, Request, Service, World};
use rolekeeper_tests::sim::check;
use rolekeeper_tests::sim::clock::SimClock;
use rolekeeper_tests::sim::hand::{Hand, between};
use rolekeeper_tests::sim::memory::MemoryStore;
use rolekeeper_tests::sim::rig::{self, Moment, Process, demo_spec};
use tokio_util::sync::CancellationToken;

const USER: &str = "cloudcoreo";

struct Stage {
    world: Arc<World>,
    store: Arc<MemoryStore>,
    clock: SimClock,
}

impl Stage {
    /// Three accounts with a right role and the user left behind.
    fn new() -> Self {
        let world = Arc::new(World::new(rig::calm(3)));
        for account in world.reachable() {
            assert!(world.plant(account, Drift::LegacyUser));
        }
        let store = Arc::new(MemoryStore::default());
        store.watch(&world);
        Self {
            world,
            store,
            clock: SimClock::start(),
        }
    }

    fn spec() -> RoleSpec {
        RoleSpec {
            legacy_users: [USER.to_owned()].into(),
            ..demo_spec()
        }
    }

    async fn process(&self, change: impl FnOnce(&mut EngineSettings)) -> Process<MemoryStore> {
        // What was changed is seen by now, an old lease is over, an old entry is not young.
        self.clock.wait(Duration::from_secs(120)).await;
        let mut settings = rig::settings("ann", Self::spec());
        settings.limits.concurrency = 1;
        change(&mut settings);
        Process::start(&self.world, &self.clock, &self.store, settings, 1).await
    }

    async fn sweep(&self, order: SweepOrder) -> Result<SweepRecord, SweepError> {
        let process = self.process(|_| {}).await;
        let record = process.engine.sweep(order, CancellationToken::new()).await;
        process.engine.release_lease().await.unwrap();
        record
    }

    fn with_user(&self) -> Vec<AccountId> {
        let accounts = self.world.reachable().into_iter();
        accounts
            .filter(|account| self.world.user_names(*account).contains(&USER.to_owned()))
            .collect()
    }

    fn reports(&self, sweep: &SweepRecord) -> Vec<AccountReport> {
        let reports = self.store.all_reports(&sweep.id).into_iter();
        reports
            .filter(|report| report.outcome != Outcome::Skipped)
            .collect()
    }
}

/// Asks IAM, a moment later than before: what is changed twice at once is refused.
async fn iam(stage: &Stage, hand: &Hand<'_>, form: &str) -> String {
    stage.clock.wait(Duration::from_secs(1)).await;
    hand.ask(Service::Iam, form)
}

fn retire(mode: Mode) -> SweepOrder {
    SweepOrder {
        retire: Some(Retirement {
            user: USER.to_owned(),
            quiet_for: SignedDuration::from_hours(24),
        }),
        ..SweepOrder::new(mode, Trigger::RetireUser, "ann")
    }
}

fn denied() -> faults::Fault {
    faults::Fault {
        effect: Effect::None,
        trouble: Trouble::Error(ApiError {
            status: 403,
            code: "AccessDenied".into(),
            message: "simulated".to_owned(),
        }),
    }
}

#[tokio::test(start_paused = true)]
async fn every_step_is_on_record_before_it_is_taken_and_completed_after() {
    let stage = Stage::new();
    let record = stage.sweep(retire(Mode::Repair)).await.unwrap();
    assert_eq!(record.outcome, Some(SweepOutcome::Completed), "{record:?}");
    assert_eq!(record.trigger, Trigger::RetireUser);
    assert_eq!(record.summary.repaired, 3, "{record:?}");
    assert_eq!(stage.with_user(), []);
    assert_eq!(check::unrecorded(&stage.world, &stage.store), None);
    let journal = stage.store.journal();
    let changes = stage.world.history();
    assert_eq!(journal.len(), changes.len());
    for entry in &journal {
        assert_eq!(entry.subject.user(), Some(USER));
        assert_eq!(entry.requested_by, "ann");
        assert_eq!(entry.sweep, record.id);
        let Some(Completion::Done { request_id, .. }) = &entry.completion else {
            panic!("{entry:?}")
        };
        assert!(request_id.is_some(), "{entry:?}");
    }
    // One account's steps end with the user itself.
    let account = stage.world.reachable()[0];
    let history = stage.store.history(account, None, 100).await.unwrap();
    assert_eq!(history[0].operation, Operation::DeleteUser);
    // The finding is gone with the user.
    for finding in stage.store.findings(Some(account)).await.unwrap() {
        assert!(finding.resolved_at.is_some(), "{finding:?}");
    }
    // A second time there is nothing to do.
    let again = stage.sweep(retire(Mode::Repair)).await.unwrap();
    assert_eq!(again.summary.in_sync, 3);
    assert_eq!(stage.store.journal().len(), journal.len());
}

#[tokio::test(start_paused = true)]
async fn everything_a_user_has_goes_in_the_order_that_iam_demands() {
    let stage = Stage::new();
    let account = stage.world.reachable()[0];
    let admin = Hand::admin(&stage.world, &stage.clock, account);
    let of_user = |call: &str, more: &str| format!("Action={call}&UserName={USER}&{more}");
    let serial = format!("arn:aws:iam::{account}:mfa/phone");
    iam(
        &stage,
        &admin,
        &of_user("CreateLoginProfile", "Password=correct-horse-1"),
    )
    .await;
    iam(
        &stage,
        &admin,
        &of_user(
            "AttachUserPolicy",
            "PolicyArn=arn:aws:iam::aws:policy/SecurityAudit",
        ),
    )
    .await;
    iam(&stage, &admin, "Action=CreateGroup&GroupName=vendors").await;
    iam(
        &stage,
        &admin,
        &of_user("AddUserToGroup", "GroupName=vendors"),
    )
    .await;
    iam(
        &stage,
        &admin,
        "Action=CreateVirtualMFADevice&VirtualMFADeviceName=phone",
    )
    .await;
    let codes = "AuthenticationCode1=123456&AuthenticationCode2=654321";
    iam(
        &stage,
        &admin,
        &of_user("EnableMFADevice", &format!("SerialNumber={serial}&{codes}")),
    )
    .await;
    stage.sweep(retire(Mode::Repair)).await.unwrap();
    assert_eq!(stage.with_user(), []);
    let mut history = stage.store.history(account, None, 100).await.unwrap();
    history.reverse();
    let calls: Vec<Operation> = history.iter().map(|entry| entry.operation).collect();
    assert_eq!(
        calls,
        [
            Operation::UpdateAccessKey,
            Operation::DeleteAccessKey,
            Operation::DeleteLoginProfile,
            Operation::DetachUserPolicy,
            Operation::DeleteUserPolicy,
            Operation::RemoveUserFromGroup,
            Operation::DeactivateMFADevice,
            Operation::DeleteVirtualMFADevice,
            Operation::DeleteUser,
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_look_plans_the_steps_and_writes_nothing() {
    let stage = Stage::new();
    let record = stage.sweep(retire(Mode::Audit)).await.unwrap();
    assert_eq!(stage.world.history().len(), 0);
    assert_eq!(stage.store.journal(), []);
    for report in stage.reports(&record) {
        let planned: Vec<Operation> = report
            .steps
            .iter()
            .inspect(|step| assert_eq!(step.result, StepResult::Planned))
            .map(|step| step.operation)
            .collect();
        assert_eq!(planned.last(), Some(&Operation::DeleteUser), "{report:#?}");
        // It is drift that an audit reports anyway.
        let kinds: Vec<DriftKind> = report.drifts.iter().map(|drift| drift.kind).collect();
        assert_eq!(kinds, [DriftKind::LegacyUser]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_stays_where_the_role_is_not_as_specified_or_not_seen() {
    let stage = Stage::new();
    let accounts = stage.world.reachable();
    assert!(stage.world.plant(accounts[0], Drift::TrustOpen));
    stage
        .world
        .script(Script::on("ListAttachedRolePolicies", denied()).account(accounts[1]));
    stage.sweep(retire(Mode::Repair)).await.unwrap();
    assert_eq!(stage.with_user(), [accounts[0], accounts[1]]);
    assert!(
        stage
            .store
            .journal()
            .iter()
            .all(|entry| entry.account == accounts[2])
    );
}

#[tokio::test(start_paused = true)]
async fn a_role_that_is_to_be_absent_replaces_nobody() {
    let stage = Stage::new();
    let spec = RoleSpec {
        ensure: Ensure::Absent,
        name: "Nothing".parse().unwrap(),
        managed_policies: Vec::new(),
        ..Stage::spec()
    };
    let process = stage
        .process(|settings| settings.roles = Arc::new(rig::Same(Arc::from([spec]))))
        .await;
    let record = process
        .engine
        .sweep(retire(Mode::Repair), CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(record.outcome, Some(SweepOutcome::Completed));
    assert_eq!(stage.with_user(), stage.world.reachable());
}

#[tokio::test(start_paused = true)]
async fn a_user_that_was_used_for_something_else_lately_is_left_alone() {
    let stage = Stage::new();
    let account = stage.world.reachable()[1];
    let admin = Hand::admin(&stage.world, &stage.clock, account);
    let form = format!("Action=CreateAccessKey&UserName={USER}");
    let keys = iam(&stage, &admin, &form).await;
    // Not one of the services that setting up a role needs; that it is refused makes it no less a use.
    let call = Request {
        service: Service::Organizations,
        operation: "DescribeOrganization".to_owned(),
        access_key: Some(between(&keys, "AccessKeyId")),
        session_token: None,
        region: "us-east-1".to_owned(),
        input: Input::Json(serde_json::json!({})),
    };
    drop(stage.world.handle(&call, stage.clock.true_time()));
    let record = stage.sweep(retire(Mode::Repair)).await.unwrap();
    assert_eq!(stage.with_user(), [account]);
    let reports = stage.reports(&record);
    let report = reports
        .iter()
        .find(|report| report.account == account)
        .unwrap();
    let reason = report.reason.as_deref().unwrap();
    assert!(reason.contains("was used for organizations"), "{reason}");
    assert_eq!(report.steps.len(), 1, "{report:#?}");
    assert_eq!(report.steps[0].result, StepResult::Refused);
    // Its own use of IAM is what it was made for.
    let other = stage.world.reachable()[0];
    assert!(!stage.with_user().contains(&other));
}

#[tokio::test(start_paused = true)]
async fn a_halt_and_a_freeze_stop_it_like_any_other_write() {
    let stage = Stage::new();
    let halt = Halt {
        why: "incident 4711".to_owned(),
        by: "bob".to_owned(),
        at: stage.clock.true_time(),
    };
    stage.store.halt(&halt).await.unwrap();
    let told = stage.sweep(retire(Mode::Repair)).await;
    assert!(matches!(told, Err(SweepError::Halted { .. })), "{told:?}");
    stage
        .store
        .resume("bob", stage.clock.true_time())
        .await
        .unwrap();
    let process = stage
        .process(|settings| {
            settings.freeze = Some(Arc::new(|_| Some("the end of the year".to_owned())));
        })
        .await;
    let record = process
        .engine
        .sweep(retire(Mode::Repair), CancellationToken::new())
        .await
        .unwrap();
    process.engine.release_lease().await.unwrap();
    for report in stage.reports(&record) {
        let reason = report.reason.unwrap();
        assert!(reason.contains("the end of the year"), "{reason}");
    }
    // Another process leads.
    let leader = stage
        .process(|settings| settings.holder = "bob".to_owned())
        .await;
    leader.engine.acquire_lease().await.unwrap().unwrap();
    let process = {
        let mut settings = rig::settings("ann", Stage::spec());
        settings.limits.concurrency = 1;
        Process::start(&stage.world, &stage.clock, &stage.store, settings, 1).await
    };
    let told = process
        .engine
        .sweep(retire(Mode::Repair), CancellationToken::new())
        .await;
    assert!(
        matches!(told, Err(SweepError::NotLeader { .. })),
        "{told:?}"
    );
    assert_eq!(stage.with_user(), stage.world.reachable());
    assert_eq!(stage.store.journal(), []);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_fails_ends_the_walk_there_and_in_the_canary() {
    let stage = Stage::new();
    let first = stage.world.reachable()[0];
    stage
        .world
        .script(Script::on("DeleteAccessKey", denied()).account(first));
    let record = stage.sweep(retire(Mode::Repair)).await.unwrap();
    assert!(stage.with_user().contains(&first));
    let journal = stage.store.journal();
    let last = journal
        .iter()
        .rfind(|entry| entry.account == first)
        .unwrap();
    assert_eq!(last.operation, Operation::DeleteAccessKey);
    assert!(matches!(last.completion, Some(Completion::Failed(_))));
    assert_eq!(record.outcome, Some(SweepOutcome::Halted), "{record:?}");
    // Only this sweep is over: repairs of roles may go on.
    assert_eq!(stage.store.halted().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_process_killed_at_any_step_leaves_what_the_next_one_settles_and_finishes() {
    let whole = Stage::new();
    let process = whole.process(|_| {}).await;
    process
        .engine
        .sweep(retire(Mode::Repair), CancellationToken::new())
        .await
        .unwrap();
    let steps = process.wire.writes();
    assert!(steps >= 9, "only {steps} steps");
    for index in 0..steps {
        for moment in [Moment::Before, Moment::After] {
            let what = format!("killed {moment:?} write {index} of {steps}");
            let stage = Stage::new();
            let process = stage.process(|_| {}).await;
            process.wire.crash_at(index, moment);
            tokio::select! {
                biased;
                () = process.wire.dead.cancelled() => {}
                ended = process.engine.sweep(retire(Mode::Repair), CancellationToken::new()) => {
                    panic!("{what}: it was not: {ended:?}");
                }
            }
            drop(process);
            let open = stage.store.open().await.unwrap();
            assert_eq!(open.len(), 1, "{what}");
            // An ordinary sweep looks what became of it, and takes nothing from the user.
            let changes = stage.world.history().len();
            stage.sweep(rig::order(Mode::Repair)).await.unwrap();
            assert_eq!(stage.world.history().len(), changes, "{what}");
            let journal = stage.store.journal();
            let entry = journal.iter().find(|entry| entry.id == open[0].id).unwrap();
            let expected = match moment {
                Moment::Before => Completion::SettledUndone,
                Moment::After => Completion::SettledDone,
            };
            assert_eq!(entry.completion, Some(expected), "{what}: {entry:?}");
            let dead = stage.store.sweep(&open[0].sweep).await.unwrap().unwrap();
            assert_eq!(dead.outcome, Some(SweepOutcome::Failed), "{what}");
            stage.sweep(retire(Mode::Repair)).await.unwrap();
            assert_eq!(stage.with_user(), [], "{what}");
            assert_eq!(stage.store.open().await.unwrap(), [], "{what}");
            assert_eq!(
                check::unrecorded(&stage.world, &stage.store),
                None,
                "{what}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_whose_end_nobody_saw_is_deleted_by_the_next_retirement() {
    for moment in [Moment::Before, Moment::After] {
        let stage = Stage::new();
        let account = stage.world.reachable()[0];
        let admin = Hand::admin(&stage.world, &stage.clock, account);
        let serial = format!("arn:aws:iam::{account}:mfa/phone");
        iam(
            &stage,
            &admin,
            "Action=CreateVirtualMFADevice&VirtualMFADeviceName=phone",
        )
        .await;
        let enable = format!(
            "Action=EnableMFADevice&UserName={USER}&SerialNumber={serial}&AuthenticationCode1=123456&AuthenticationCode2=654321"
        );
        iam(&stage, &admin, &enable).await;
        let only = |mode| SweepOrder {
            accounts: Some([account].into()),
            ..retire(mode)
        };
        let planned = stage.sweep(only(Mode::Audit)).await.unwrap();
        let steps = stage.reports(&planned)[0].steps.clone();
        let index = steps
            .iter()
            .position(|step| step.operation == Operation::DeleteVirtualMFADevice)
            .unwrap();
        let process = stage.process(|_| {}).await;
        process.wire.crash_at(index as u64, moment);
        tokio::select! {
            biased;
            () = process.wire.dead.cancelled() => {}
            ended = process.engine.sweep(only(Mode::Repair), CancellationToken::new()) => {
                panic!("it was not killed: {ended:?}");
            }
        }
        drop(process);
        let record = stage.sweep(only(Mode::Repair)).await.unwrap();
        assert_eq!(record.summary.repaired, 1, "{moment:?}: {record:?}");
        // Its name is free again.
        let admin = Hand::admin(&stage.world, &stage.clock, account);
        iam(
            &stage,
            &admin,
            "Action=CreateVirtualMFADevice&VirtualMFADeviceName=phone",
        )
        .await;
        assert!(!stage.with_user().contains(&account));
        assert_eq!(stage.store.open().await.unwrap(), [], "{moment:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retirement_cannot_be_rolled_back_and_says_so() {
    let stage = Stage::new();
    let retired = stage.sweep(retire(Mode::Repair)).await.unwrap();
    let changes = stage.world.history().len();
    for mode in [Mode::Audit, Mode::Repair] {
        let undo = SweepOrder {
            undo: Some(retired.id.clone()),
            approved_by: Some("ann".to_owned()),
            ..SweepOrder::new(mode, Trigger::Rollback, "ann")
        };
        let told = stage.sweep(undo).await.unwrap_err();
        assert!(matches!(told, SweepError::Irreversible { .. }), "{told:?}");
        let words = told.to_string();
        assert!(words.contains("cannot be undone"), "{words}");
    }
    assert_eq!(stage.world.history().len(), changes);
    assert_eq!(stage.store.halted().await.unwrap(), None);
}
