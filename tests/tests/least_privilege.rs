//! Least privilege, proven: with exactly the policies that rolekeeper prints for itself an audit and a
//! repair work, and without any one of their actions they fail and say which.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::call::{Access, Operation};
use rolekeeper_domain::least_privilege::{
    Audience, Grant, RoleScope, Scope, document_of, grants_for, missing_statement,
};
use rolekeeper_domain::outcome::{AccountReport, Mode, Outcome, StepReport, StepResult};
use rolekeeper_domain::policy::Kind;
use rolekeeper_domain::role::{Boundary, Ensure, OWNER_TAG_KEY, RoleSpec};
use rolekeeper_engine::SweepError;
use rolekeeper_simulator::{
    Drift, HUB_ACCESS_KEY, Input, Limits, Params, Request, Service, Settings, World,
};
use rolekeeper_tests::sim::clock::SimClock;
use rolekeeper_tests::sim::memory::MemoryStore;
use rolekeeper_tests::sim::rig::{self, Process, demo_spec, order};
use tokio_util::sync::CancellationToken;

const ADMIN: &str = "OrganizationAccountAccessRole";
const EVERYTHING: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// A spec in which every part of a role is kept.
fn full() -> RoleSpec {
    let inline = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"aws-portal:*","Resource":"*"}]}"#;
    RoleSpec {
        boundary: Boundary::Policy("arn:aws:iam::aws:policy/PowerUserAccess".parse().unwrap()),
        attach: BTreeSet::from(["arn:aws:iam::aws:policy/SecurityAudit".parse().unwrap()]),
        inline: BTreeMap::from([(
            "NoBilling".parse().unwrap(),
            rig::document(Kind::Identity, inline),
        )]),
        ..demo_spec()
    }
}

/// The same without a boundary, which is another call.
fn unbounded() -> RoleSpec {
    RoleSpec {
        boundary: Boundary::None,
        ..full()
    }
}

fn scope(spec: &RoleSpec, repair: bool) -> Scope {
    Scope {
        roles: vec![RoleScope::from(spec)],
        admin_roles: vec![ADMIN.to_owned()],
        repair,
        ..Scope::default()
    }
}

/// An organization in which everything has drifted that can drift, and in which hub and
/// admin roles have exactly these statements.
struct Stage {
    world: Arc<World>,
    store: Arc<MemoryStore>,
    clock: SimClock,
    spec: RoleSpec,
    accounts: Vec<AccountId>,
}

impl Stage {
    fn new(spec: &RoleSpec, hub: &[Grant], admin: &[Grant]) -> Self {
        let drifts: Vec<Drift> = Drift::ALL
            .into_iter()
            .filter(|drift| repairable(*drift))
            .collect();
        let settings = Settings {
            accounts: u32::try_from(drifts.len()).unwrap() + 1,
            provisioned: true,
            inactive: 0.0,
            control_tower: 0.0,
            tail: false,
            limits: Limits::none(),
            ..Settings::default()
        };
        let provision = spec.clone();
        let world = World::provisioned_with(settings, move |_| vec![provision.clone()]);
        let world = Arc::new(world);
        let clock = SimClock::start();
        let management = world.management_account().unwrap();
        let accounts: Vec<AccountId> = world
            .reachable()
            .into_iter()
            .filter(|account| *account != management)
            .collect();
        for (account, drift) in accounts.iter().zip(drifts) {
            assert!(world.plant(*account, drift), "{drift}");
        }
        let stage = Self {
            world,
            store: Arc::default(),
            clock,
            spec: spec.clone(),
            accounts,
        };
        for account in &stage.accounts {
            stage.narrow_admin(*account, admin);
        }
        stage.narrow_hub(hub);
        stage
    }

    /// What a caller with these keys is told.
    fn ask(&self, service: Service, keys: &(String, Option<String>), form: &str) -> String {
        let params = Params::parse(form);
        let request = Request {
            service,
            operation: params.get("Action").unwrap().to_owned(),
            access_key: Some(keys.0.clone()),
            session_token: keys.1.clone(),
            region: "us-east-1".to_owned(),
            input: Input::Query(params),
        };
        let answer = self.world.handle(&request, self.clock.true_time());
        let body = String::from_utf8(answer.body.to_vec()).unwrap();
        assert_eq!(answer.status, 200, "{form}: {body}");
        body
    }

    fn narrow_hub(&self, grants: &[Grant]) {
        let keys = (HUB_ACCESS_KEY.to_owned(), None);
        let user = between(&self.ask(Service::Iam, &keys, "Action=GetUser"), "UserName");
        let policy = encoded(&document_of(grants));
        self.ask(
            Service::Iam,
            &keys,
            &format!(
                "Action=PutUserPolicy&UserName={user}&PolicyName=least&PolicyDocument={policy}"
            ),
        );
        self.ask(
            Service::Iam,
            &keys,
            &format!("Action=DetachUserPolicy&UserName={user}&PolicyArn={EVERYTHING}"),
        );
    }

    /// Keys of the admin role.
    fn admin_keys(&self, account: AccountId) -> (String, Option<String>) {
        let hub = (HUB_ACCESS_KEY.to_owned(), None);
        let form = format!(
            "Action=AssumeRole&RoleArn=arn:aws:iam::{account}:role/{ADMIN}&RoleSessionName=setup"
        );
        let session = self.ask(Service::Sts, &hub, &form);
        (
            between(&session, "AccessKeyId"),
            Some(between(&session, "SessionToken")),
        )
    }

    fn narrow_admin(&self, account: AccountId, grants: &[Grant]) {
        let keys = self.admin_keys(account);
        let policy = encoded(&document_of(grants));
        self.ask(
            Service::Iam,
            &keys,
            &format!(
                "Action=PutRolePolicy&RoleName={ADMIN}&PolicyName=least&PolicyDocument={policy}"
            ),
        );
        self.ask(
            Service::Iam,
            &keys,
            &format!("Action=DetachRolePolicy&RoleName={ADMIN}&PolicyArn={EVERYTHING}"),
        );
    }

    async fn sweep(&self, mode: Mode) -> Result<Vec<AccountReport>, SweepError> {
        let mut settings = rig::settings("one", self.spec.clone());
        settings.admin_roles = vec![ADMIN.to_owned()];
        // A denial everywhere is the point here, not a reason to stop.
        settings.rollout.max_failures = rolekeeper_engine::rollout::Share::ALL;
        settings.rollout.canary = usize::MAX;
        let process = Process::start(&self.world, &self.clock, &self.store, settings, 1).await;
        let record = process
            .engine
            .sweep(order(mode), CancellationToken::new())
            .await?;
        let reports = self.store.all_reports(&record.id);
        let mine = |report: &AccountReport| self.accounts.contains(&report.account);
        Ok(reports.into_iter().filter(mine).collect())
    }
}

/// What a repair ends: a role under another path cannot be moved, and the others are no drift
/// of this role.
fn repairable(drift: Drift) -> bool {
    !matches!(
        drift,
        Drift::RolePath | Drift::RoleUnexpected | Drift::LegacyUser
    )
}

fn between(text: &str, tag: &str) -> String {
    let after = text
        .split(&format!("<{tag}>"))
        .nth(1)
        .unwrap_or_else(|| panic!("no {tag}: {text}"));
    after.split('<').next().unwrap().to_owned()
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn without(grants: &[Grant], action: &str) -> Vec<Grant> {
    grants
        .iter()
        .cloned()
        .map(|mut grant| {
            grant.actions.remove(action);
            grant
        })
        .filter(|grant| !grant.actions.is_empty())
        .collect()
}

fn actions(grants: &[Grant]) -> BTreeSet<String> {
    grants
        .iter()
        .flat_map(|grant| grant.actions.iter().cloned())
        .collect()
}

/// Whether some account says that this action was denied, and to whom.
fn denied(reports: &[AccountReport], action: &str) -> bool {
    let says = |words: &str| {
        words.contains("AccessDenied") && words.contains(action) && words.contains("User: arn:aws:")
    };
    reports.iter().any(|report| {
        let failed = report
            .failure
            .as_ref()
            .is_some_and(|fault| says(&fault.to_string()));
        let reasons = report
            .steps
            .iter()
            .filter(|step| step.result == StepResult::Failed);
        failed || reasons.filter_map(|step| step.reason.as_deref()).any(says)
    })
}

#[tokio::test(start_paused = true)]
async fn with_exactly_its_own_policies_rolekeeper_finds_and_repairs_everything() {
    for spec in [full(), unbounded()] {
        let hub = grants_for(Audience::Hub, &scope(&spec, true));
        let admin = grants_for(Audience::Admin, &scope(&spec, true));
        let stage = Stage::new(&spec, &hub, &admin);
        for report in stage.sweep(Mode::Repair).await.unwrap() {
            let fine = matches!(report.outcome, Outcome::Repaired | Outcome::InSync);
            assert!(
                fine,
                "{}: {:?} {:?}",
                report.account, report.failure, report.steps
            );
        }
        for report in stage.sweep(Mode::Repair).await.unwrap() {
            assert_eq!(report.outcome, Outcome::InSync, "{report:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_audit_needs_no_action_that_writes() {
    let spec = full();
    let admin = grants_for(Audience::Admin, &scope(&spec, false));
    for action in actions(&admin) {
        assert_eq!(
            Operation::from_action(&action).unwrap().access(),
            Access::Read,
            "{action}"
        );
    }
    let stage = Stage::new(
        &spec,
        &grants_for(Audience::Hub, &scope(&spec, false)),
        &admin,
    );
    for report in stage.sweep(Mode::Audit).await.unwrap() {
        assert!(report.failure.is_none(), "{report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_any_one_action_of_the_admin_role_a_repair_fails_and_names_it() {
    let mut superfluous = Vec::new();
    let mut tried = BTreeSet::new();
    // The second spec adds the one call that the first has no use for.
    for spec in [full(), unbounded()] {
        let hub = grants_for(Audience::Hub, &scope(&spec, true));
        let admin = grants_for(Audience::Admin, &scope(&spec, true));
        for action in actions(&admin) {
            if !tried.insert(action.clone()) {
                continue;
            }
            let stage = Stage::new(&spec, &hub, &without(&admin, &action));
            let reports = stage.sweep(Mode::Repair).await.unwrap();
            if !denied(&reports, &action) {
                superfluous.push(action);
            }
        }
    }
    assert!(tried.contains("iam:DeleteRolePermissionsBoundary"));
    assert!(
        superfluous.is_empty(),
        "granted, and never missed: {superfluous:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn without_any_one_action_of_the_hub_a_sweep_fails_and_names_it() {
    let spec = full();
    let hub = grants_for(Audience::Hub, &scope(&spec, true));
    let admin = grants_for(Audience::Admin, &scope(&spec, true));
    for action in actions(&hub) {
        let stage = Stage::new(&spec, &without(&hub, &action), &admin);
        match stage.sweep(Mode::Audit).await {
            Ok(reports) => assert!(denied(&reports, &action), "{action} was not missed"),
            Err(error) => assert!(
                format!("{error:?}").contains(&action),
                "{action}: {error:?}"
            ),
        }
    }
}

/// What `check` prints beside a denied call is what was taken away, ready to be put back.
#[test]
fn the_statement_that_is_named_is_the_one_that_is_missing() {
    let mut named = 0;
    for spec in [full(), unbounded()] {
        let scope = scope(&spec, true);
        for audience in [Audience::Hub, Audience::Admin] {
            let grants = grants_for(audience, &scope);
            for action in actions(&grants) {
                let operation = Operation::from_action(&action).unwrap();
                let statement = missing_statement(operation, &scope).unwrap();
                let statement: serde_json::Value = serde_json::from_str(&statement).unwrap();
                assert_eq!(statement["Action"], action.as_str());
                let texts = |value: &serde_json::Value| -> BTreeSet<String> {
                    let many = value.as_array().cloned();
                    let all = many.unwrap_or_else(|| vec![value.clone()]);
                    all.iter()
                        .filter_map(|text| text.as_str().map(str::to_owned))
                        .collect()
                };
                let resources = texts(&statement["Resource"]);
                let is_granted = grants
                    .iter()
                    .any(|grant| grant.actions.contains(&action) && grant.resources == resources);
                assert!(is_granted, "{statement}");
                named += 1;
            }
        }
    }
    assert!(named > 40, "{named}");
}

/// The spec of a role that is to go.
fn absent() -> RoleSpec {
    RoleSpec {
        ensure: Ensure::Absent,
        ..full()
    }
}

impl Stage {
    /// An organization in which rolekeeper made a role that should now not be there. Others have added policies, of
    /// which none may simply be taken away first, and its own has no room for a version.
    fn leaving(hub: &[Grant], admin: &[Grant]) -> Self {
        let settings = Settings {
            accounts: 3,
            provisioned: true,
            inactive: 0.0,
            control_tower: 0.0,
            tail: false,
            limits: Limits::none(),
            ..Settings::default()
        };
        let world = Arc::new(World::provisioned_with(settings, |_| vec![full()]));
        let management = world.management_account().unwrap();
        let accounts: Vec<AccountId> = world
            .reachable()
            .into_iter()
            .filter(|account| *account != management)
            .collect();
        let stage = Self {
            world,
            store: Arc::default(),
            clock: SimClock::start(),
            spec: absent(),
            accounts,
        };
        for account in &stage.accounts {
            assert!(stage.world.plant(*account, Drift::PolicyVersionsFull));
            stage.add_strangers(*account);
            if stage.accounts.first() == Some(account) {
                stage.disown(*account);
            }
            stage.narrow_admin(*account, admin);
        }
        stage.narrow_hub(hub);
        stage
    }

    /// Somebody adds policies that allow and deny: each holds back some of what another one gives.
    fn add_strangers(&self, account: AccountId) {
        let keys = self.admin_keys(account);
        for (name, allowed, denied) in [("One", "s3", "iam"), ("Two", "iam", "s3")] {
            let document = format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{allowed}:*","Resource":"*"}},{{"Effect":"Deny","Action":"{denied}:*","Resource":"*"}}]}}"#
            );
            let form = format!(
                "Action=PutRolePolicy&RoleName={}&PolicyName={name}&PolicyDocument={}",
                self.spec.name,
                encoded(&document)
            );
            self.ask(Service::Iam, &keys, &form);
        }
    }

    /// Takes the tag away that says whose the role is: another hand made it.
    fn disown(&self, account: AccountId) {
        let form = format!(
            "Action=UntagRole&RoleName={}&TagKeys.member.1={}",
            self.spec.name,
            encoded(OWNER_TAG_KEY)
        );
        self.ask(Service::Iam, &self.admin_keys(account), &form);
    }
}

#[tokio::test(start_paused = true)]
async fn with_exactly_its_own_policies_rolekeeper_removes_what_it_made_and_nothing_else() {
    let scope = scope(&absent(), true);
    let stage = Stage::leaving(
        &grants_for(Audience::Hub, &scope),
        &grants_for(Audience::Admin, &scope),
    );
    let role = |account| stage.world.role(account, stage.spec.name.as_str());
    let reports = stage.sweep(Mode::Repair).await.unwrap();
    let (foreign, ours) = reports.split_first().unwrap();
    assert_eq!(ours.len(), 2);
    assert_eq!(foreign.outcome, Outcome::Drifted, "{foreign:?}");
    assert!(role(foreign.account).is_some(), "another hand made it");
    let touched = |step: &StepReport| step.result == StepResult::Done;
    assert!(!foreign.steps.iter().any(touched), "{foreign:?}");
    for report in ours {
        let failed = format!("{:?} {:?}", report.failure, report.steps);
        assert_eq!(report.outcome, Outcome::Repaired, "{failed}");
        let taken: Vec<&str> = report
            .steps
            .iter()
            .map(|step| step.operation.name())
            .collect();
        let first = |name: &str| taken.iter().position(|step| *step == name).unwrap();
        let last = |name: &str| taken.iter().rposition(|step| *step == name).unwrap();
        // The guard holds every denial in place until nothing is left that it could hold back.
        assert_eq!(first("PutRolePolicy"), 0, "{taken:?}");
        assert!(last("DetachRolePolicy") < first("DeleteRole"), "{taken:?}");
        assert!(last("DeleteRolePolicy") < first("DeleteRole"), "{taken:?}");
        let deleted = first("DeletePolicy");
        assert!(last("DeletePolicyVersion") < deleted, "{taken:?}");
        assert!(first("DeleteRole") < deleted, "{taken:?}");
        assert!(role(report.account).is_none());
    }
    let after = stage.sweep(Mode::Repair).await.unwrap();
    for report in after.iter().skip(1) {
        assert_eq!(report.outcome, Outcome::InSync, "{report:?}");
        assert!(report.steps.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn without_any_one_action_of_the_admin_role_a_removal_fails_and_names_it() {
    let scope = scope(&absent(), true);
    let hub = grants_for(Audience::Hub, &scope);
    let admin = grants_for(Audience::Admin, &scope);
    let mut superfluous = Vec::new();
    for action in actions(&admin) {
        let stage = Stage::leaving(&hub, &without(&admin, &action));
        let reports = stage.sweep(Mode::Repair).await.unwrap();
        if !denied(&reports, &action) {
            superfluous.push(action);
        }
    }
    // What a policy says that cannot be read is taken for anything: the guard then denies everything for the length
    // of a few calls, and the removal goes on.
    assert_eq!(superfluous, ["iam:GetPolicyVersion", "iam:GetRolePolicy"]);
}
