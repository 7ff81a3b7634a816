//! A halt holds for every replica, whichever of them it was given to.

use jiff::SignedDuration;
use rolekeeper_domain::outcome::{SweepOutcome, SweepRecord};
use rolekeeper_engine::port::store::{Control as _, Journal as _, Sweeps as _};
use rolekeeper_store::Store;
use serde_json::json;

use rolekeeper_tests::eventually;

use crate::stage::{PATIENCE, Replica, Stage};

/// A halt is looked for every two seconds; the rest is for a busy machine.
const SEEN: SignedDuration = SignedDuration::from_secs(5);

/// The repair that the halt has ended.
async fn halted(store: &Store) -> SweepRecord {
    eventually("the repair ends", PATIENCE, async || {
        let last = store.sweeps(None, 1).await.unwrap().pop()?;
        last.finished_at.is_some().then_some(last)
    })
    .await
}

/// The first has stopped because of that halt, with work left to do, and begins nothing more.
async fn holds(stage: &Stage, first: &Replica, why: &str) {
    let store = stage.store().await;
    let record = halted(&store).await;
    assert_eq!(record.outcome, Some(SweepOutcome::Halted), "{record:?}");
    assert_eq!(record.reason.as_deref(), Some(why));
    let halt = store.halted().await.unwrap().unwrap();
    assert_eq!(halt.why, why);
    let world = stage.simulator.world();
    let changes = world.history().len();
    for account in world.reachable() {
        for entry in store.history(account, None, 1_000).await.unwrap() {
            let late = entry.intended_at.duration_since(halt.at);
            assert!(late <= SEEN, "begun {late:?} after the halt: {entry:?}");
        }
    }
    // It still leads, and is asked again: in vain.
    assert_eq!(first.leads().await, Some(true));
    let body = json!({ "mode": "repair" }).to_string();
    let (status, said) = first.ask("POST", "/api/v1/sweeps", &body).await.unwrap();
    assert!(status >= 400 && said.contains(why), "{status} {said}");
    assert_eq!(world.history().len(), changes);
}

/// After it is lifted, the rest is done.
async fn goes_on(stage: &Stage, first: &Replica) {
    let changes = stage.simulator.world().history().len();
    stage.ends_well(first).await;
    let after = stage.simulator.world().history().len();
    assert!(after > changes, "the halt came when all was done");
}

#[tokio::test]
async fn a_halt_given_to_the_second_replica_stops_the_first() {
    let stage = Stage::new("halted_api");
    let (first, second) = stage.two(&stage.store_url).await;
    first.repair().await;
    stage.in_the_middle().await;
    let why = json!({ "why": "look at this first" }).to_string();
    let (status, said) = second.ask("POST", "/api/v1/halt", &why).await.unwrap();
    assert_eq!(status, 200, "{said}");
    holds(&stage, &first, "look at this first").await;
    let (status, said) = second.ask("POST", "/api/v1/resume", "").await.unwrap();
    assert_eq!(status, 200, "{said}");
    goes_on(&stage, &first).await;
}

#[tokio::test]
async fn a_halt_given_at_the_command_line_stops_the_replica_that_writes() {
    let stage = Stage::new("halted_cli");
    let (first, _second) = stage.two(&stage.store_url).await;
    first.repair().await;
    stage.in_the_middle().await;
    let given = stage.command("second", &["halt", "--why", "not on a Friday"]);
    given.await;
    holds(&stage, &first, "not on a Friday").await;
    stage.command("second", &["resume"]).await;
    goes_on(&stage, &first).await;
}
