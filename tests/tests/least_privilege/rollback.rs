//! What it needs to undo what a sweep did.

use std::collections::BTreeSet;
use std::sync::Arc;

use rolekeeper_domain::least_privilege::{Audience, Grant, Scope, grants_for};
use rolekeeper_domain::outcome::{AccountReport, Mode, Outcome, StepResult, Trigger};
use rolekeeper_domain::role::{Boundary, Ensure, RoleSpec};
use rolekeeper_engine::SweepOrder;
use rolekeeper_simulator::Service;
use rolekeeper_tests::sim::rig::{self, order};

use crate::stage::{Stage, actions, both, denied, full, scope, unbounded, without};
use crate::sweeps::drifted;

fn undoing(spec: &RoleSpec) -> Scope {
    Scope {
        rollback: true,
        ..scope(spec, true)
    }
}

/// Everything has drifted that a repair ends; and somebody took the boundary away, where there should be one.
fn repairable(spec: &RoleSpec) -> Stage {
    let stage = drifted(spec);
    if spec.boundary != Boundary::None {
        let account = *stage.accounts.last().unwrap();
        let form = format!(
            "Action=DeleteRolePermissionsBoundary&RoleName={}",
            spec.name
        );
        stage.admin(account).ask(Service::Iam, &form);
    }
    stage
}

/// Carries out what is wanted with all the power there is, and undoes it with this much.
async fn undone(stage: Stage, hub: &[Grant], admin: &[Grant]) -> Vec<AccountReport> {
    let (repaired, reports) = stage.carry_out(order(Mode::Repair)).await.unwrap();
    assert!(
        reports
            .iter()
            .all(|report| report.outcome != Outcome::Failed),
        "{reports:?}"
    );
    stage.narrow(hub, admin);
    let undo = SweepOrder {
        undo: Some(repaired.id),
        approved_by: Some("ann".to_owned()),
        ..SweepOrder::new(Mode::Repair, Trigger::Rollback, "ann")
    };
    stage.carry_out(undo).await.unwrap().1
}

#[tokio::test(start_paused = true)]
async fn with_exactly_its_own_policies_rolekeeper_undoes_what_it_did() {
    for spec in [full(), unbounded()] {
        let (hub, admin) = both(&undoing(&spec));
        let reports = undone(repairable(&spec), &hub, &admin).await;
        let steps = || reports.iter().flat_map(|report| &report.steps);
        for report in &reports {
            assert_ne!(report.outcome, Outcome::Failed, "{report:?}");
        }
        assert!(steps().all(|step| step.result != StepResult::Failed));
        assert!(
            steps()
                .filter(|step| step.result == StepResult::Done)
                .count()
                > 15
        );
    }
}

#[tokio::test(start_paused = true)]
async fn without_any_one_action_of_the_admin_role_a_rollback_fails_and_names_it() {
    let mut superfluous = BTreeSet::new();
    let mut missed = BTreeSet::new();
    for spec in [full(), unbounded()] {
        let (hub, admin) = both(&undoing(&spec));
        let repairing = actions(&grants_for(Audience::Admin, &scope(&spec, true)));
        // What a repair needs is shown where it repairs.
        for action in actions(&admin).difference(&repairing) {
            let reports = undone(repairable(&spec), &hub, &without(&admin, action)).await;
            match denied(&reports, action) {
                true => missed.insert(action.clone()),
                false => superfluous.insert(action.clone()),
            };
        }
    }
    let superfluous: Vec<&String> = superfluous.difference(&missed).collect();
    assert!(
        superfluous.is_empty(),
        "granted, and never missed: {superfluous:?}"
    );
    assert!(missed.contains("iam:UntagPolicy"), "{missed:?}");
}

/// A role that was removed because it should not be there is made again, with all that it had.
#[tokio::test(start_paused = true)]
async fn with_exactly_its_own_policies_rolekeeper_makes_a_role_again_that_it_removed() {
    for built in [full(), unbounded()] {
        let spec = RoleSpec {
            ensure: Ensure::Absent,
            ..built.clone()
        };
        let (hub, admin) = both(&undoing(&spec));
        let stage = Stage::new(rig::calm(2), &built, &spec);
        let (world, account) = (Arc::clone(&stage.world), stage.accounts[0]);
        for report in undone(stage, &hub, &admin).await {
            assert_ne!(report.outcome, Outcome::Failed, "{report:?}");
            assert!(
                report
                    .steps
                    .iter()
                    .all(|step| step.result == StepResult::Done),
                "{report:?}"
            );
        }
        assert!(world.role(account, spec.name.as_str()).is_some());
    }
}
