//! Two hubs that share one database: each keeps its part of the organization, in a schema of its own.

use std::collections::BTreeSet;

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::Outcome;
use rolekeeper_engine::port::store::{FleetOrder, ReportFilter, Sweeps as _};

use rolekeeper_tests::eventually;

use crate::stage::{PATIENCE, Replica, Stage};

/// The units of each hub; between them all but the suspended ones.
const FIRST: [&str; 4] = ["prod", "security", "infrastructure", "acquired"];
const SECOND: [&str; 3] = ["staging", "dev", "sandbox"];

/// The accounts below some units that a hub can get into.
fn below(stage: &Stage, units: &[&str]) -> BTreeSet<AccountId> {
    let accounts = stage.simulator.world().accounts().into_iter();
    accounts
        .filter(|account| {
            let unit = account.path.split('/').next().unwrap_or_default();
            account.is_reachable && units.contains(&unit)
        })
        .map(|account| account.id)
        .collect()
}

/// Where something was changed from the change number `start` on.
fn changed_since(stage: &Stage, start: usize) -> BTreeSet<AccountId> {
    let changes = stage.simulator.world().history().split_off(start);
    changes.iter().map(|change| change.account).collect()
}

/// Starts a hub over these units on a store of its own, which then leads.
async fn hub(stage: &Stage, name: &str, units: &[&str]) -> (Replica, String) {
    let store_url = format!("{}_{name}", stage.store_url);
    let select = format!("[select]\ninclude = {{ ous = {units:?} }}\n");
    let hub = stage.hub(name, &store_url, &select).await;
    eventually(&format!("{name} leads"), PATIENCE, async || {
        hub.leads().await?.then_some(())
    })
    .await;
    (hub, store_url)
}

/// Everybody whom the store knows and who is not skipped, once its one repair is over.
async fn kept(store_url: &str) -> BTreeSet<AccountId> {
    let store = rolekeeper_store::open_read_only(store_url).await.unwrap();
    eventually("the repair ends", PATIENCE, async || {
        let last = store.sweeps(None, 1).await.unwrap().pop()?;
        last.finished_at.map(drop)
    })
    .await;
    let any = ReportFilter::default();
    let fleet = store.fleet(&any, FleetOrder::default(), None, 1_000).await;
    let looked_at = fleet.unwrap().into_iter();
    looked_at
        .filter(|report| report.outcome != Outcome::Skipped)
        .map(|report| report.account)
        .collect()
}

#[tokio::test]
async fn two_hubs_in_two_schemas_of_one_database_keep_each_its_own_part() {
    let stage = Stage::new("hubs");
    let parts = [below(&stage, &FIRST), below(&stage, &SECOND)];
    assert!(parts.iter().all(|part| part.len() >= 5), "{parts:?}");
    let (first, first_store) = hub(&stage, "first", &FIRST).await;
    let (second, second_store) = hub(&stage, "second", &SECOND).await;
    // Neither waits for the other's lease.
    assert_eq!(first.leads().await, Some(true));

    first.repair().await;
    assert_eq!(kept(&first_store).await, parts[0]);
    let changes = stage.simulator.world().history().len();
    let of_first = changed_since(&stage, 0);
    assert!(!of_first.is_empty() && of_first.is_subset(&parts[0]));

    second.repair().await;
    assert_eq!(kept(&second_store).await, parts[1]);
    let of_second = changed_since(&stage, changes);
    assert!(!of_second.is_empty() && of_second.is_subset(&parts[1]));

    // A halt of one is none of the other.
    let why = r#"{"why":"only here"}"#;
    let (status, said) = first.ask("POST", "/api/v1/halt", why).await.unwrap();
    assert_eq!(status, 200, "{said}");
    second.repair().await;
    for hub in [&first, &second] {
        assert_eq!(hub.leads().await, Some(true));
    }
}
