//! What the removal of a role needs that should not be there.

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::least_privilege::Grant;
use rolekeeper_domain::outcome::{Mode, Outcome, StepReport, StepResult};
use rolekeeper_domain::role::{Ensure, OWNER_TAG_KEY, RoleSpec};
use rolekeeper_simulator::{Drift, Service};
use rolekeeper_tests::sim::rig;

use crate::stage::{Stage, actions, both, denied, encoded, full, scope, without};

/// The spec of a role that is to go.
fn absent() -> RoleSpec {
    RoleSpec {
        ensure: Ensure::Absent,
        ..full()
    }
}

/// An organization in which rolekeeper made a role that should now not be there. Others have added policies, of
/// which none may simply be taken away first, and its own has no room for a version.
fn leaving(hub: &[Grant], admin: &[Grant]) -> Stage {
    let stage = Stage::new(rig::calm(3), &full(), &absent());
    for account in &stage.accounts {
        assert!(stage.world.plant(*account, Drift::PolicyVersionsFull));
        add_strangers(&stage, *account);
    }
    disown(&stage, stage.accounts[0]);
    stage.narrow(hub, admin);
    stage
}

/// Somebody adds policies that allow and deny: each holds back some of what another one gives.
fn add_strangers(stage: &Stage, account: AccountId) {
    let admin = stage.admin(account);
    for (name, allowed, denied) in [("One", "s3", "iam"), ("Two", "iam", "s3")] {
        let document = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{allowed}:*","Resource":"*"}},{{"Effect":"Deny","Action":"{denied}:*","Resource":"*"}}]}}"#
        );
        let form = format!(
            "Action=PutRolePolicy&RoleName={}&PolicyName={name}&PolicyDocument={}",
            stage.spec.name,
            encoded(&document)
        );
        admin.ask(Service::Iam, &form);
    }
}

/// Takes the tag away that says whose the role is: another hand made it.
fn disown(stage: &Stage, account: AccountId) {
    let form = format!(
        "Action=UntagRole&RoleName={}&TagKeys.member.1={}",
        stage.spec.name,
        encoded(OWNER_TAG_KEY)
    );
    stage.admin(account).ask(Service::Iam, &form);
}

#[tokio::test(start_paused = true)]
async fn with_exactly_its_own_policies_rolekeeper_removes_what_it_made_and_nothing_else() {
    let (hub, admin) = both(&scope(&absent(), true));
    let stage = leaving(&hub, &admin);
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
    let (hub, admin) = both(&scope(&absent(), true));
    let mut superfluous = Vec::new();
    for action in actions(&admin) {
        let stage = leaving(&hub, &without(&admin, &action));
        let reports = stage.sweep(Mode::Repair).await.unwrap();
        if !denied(&reports, &action) {
            superfluous.push(action);
        }
    }
    // What a policy says that cannot be read is taken for anything: the guard then denies everything for the length
    // of a few calls, and the removal goes on.
    assert_eq!(superfluous, ["iam:GetPolicyVersion", "iam:GetRolePolicy"]);
}
