//! What audits and repairs need.

use std::collections::BTreeSet;

use rolekeeper_domain::call::{Access, Operation};
use rolekeeper_domain::least_privilege::{Audience, Grant, grants_for, missing_statement};
use rolekeeper_domain::outcome::{Mode, Outcome};
use rolekeeper_domain::role::RoleSpec;
use rolekeeper_simulator::{Drift, Settings};
use rolekeeper_tests::sim::rig;

use crate::stage::{Stage, actions, both, denied, full, scope, unbounded, without};

/// What a repair ends: a role under another path cannot be moved, and the others are no drift
/// of this role.
fn repairable(drift: Drift) -> bool {
    !matches!(
        drift,
        Drift::RolePath | Drift::RoleUnexpected | Drift::LegacyUser
    )
}

/// An organization in which everything has drifted that a repair ends, one thing an account.
pub(crate) fn drifted(spec: &RoleSpec) -> Stage {
    let drifts: Vec<Drift> = Drift::ALL
        .into_iter()
        .filter(|drift| repairable(*drift))
        .collect();
    let accounts = u32::try_from(drifts.len()).unwrap() + 1;
    let settings = Settings {
        history: false,
        ..rig::calm(accounts)
    };
    let stage = Stage::new(settings, spec, spec);
    for (account, drift) in stage.accounts.iter().zip(drifts) {
        assert!(stage.world.plant(*account, drift), "{drift}");
    }
    stage
}

fn narrowed(spec: &RoleSpec, (hub, admin): (&[Grant], &[Grant])) -> Stage {
    let stage = drifted(spec);
    stage.narrow(hub, admin);
    stage
}

#[tokio::test(start_paused = true)]
async fn with_exactly_its_own_policies_rolekeeper_finds_and_repairs_everything() {
    for spec in [full(), unbounded()] {
        let (hub, admin) = both(&scope(&spec, true));
        let stage = narrowed(&spec, (&hub, &admin));
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
async fn an_audit_needs_each_action_of_its_own_and_none_that_writes() {
    let spec = full();
    let (hub, admin) = both(&scope(&spec, false));
    for action in actions(&admin) {
        let operation = Operation::from_action(&action).unwrap();
        assert_eq!(operation.access(), Access::Read, "{action}");
    }
    let stage = narrowed(&spec, (&hub, &admin));
    for report in stage.sweep(Mode::Audit).await.unwrap() {
        assert!(report.failure.is_none(), "{report:?}");
    }
    for action in actions(&admin) {
        let stage = narrowed(&spec, (&hub, &without(&admin, &action)));
        let reports = stage.sweep(Mode::Audit).await.unwrap();
        assert!(denied(&reports, &action), "{action} was not missed");
    }
}

#[tokio::test(start_paused = true)]
async fn without_any_one_action_of_the_admin_role_a_repair_fails_and_names_it() {
    let mut superfluous = Vec::new();
    let mut tried = BTreeSet::new();
    // The second spec adds the one call that the first has no use for.
    for spec in [full(), unbounded()] {
        let (hub, admin) = both(&scope(&spec, true));
        for action in actions(&admin) {
            if !tried.insert(action.clone()) {
                continue;
            }
            let stage = narrowed(&spec, (&hub, &without(&admin, &action)));
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
