//! Several replicas of the program on one PostgreSQL: one writes, another takes over when it is
//! killed, stopped or cut off, and no step is lost or doubled.

#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

mod cable;
mod halted;
mod hubs;
mod stage;

use std::time::Duration;

use self::cable::Line;
use rolekeeper_tests::eventually;

use self::stage::{PATIENCE, Replica, Stage, TAKEOVER, takes_over};

#[tokio::test]
async fn a_replica_that_is_killed_is_followed_by_another() {
    let stage = Stage::new("killed");
    let (mut first, second) = stage.two(&stage.store_url).await;
    first.repair().await;
    stage.in_the_middle().await;
    first.child.kill().await.unwrap();
    takes_over(&second).await;
    stage.ends_well(&second).await;
}

#[tokio::test]
async fn a_replica_that_ends_in_order_is_followed_at_once() {
    let stage = Stage::new("ended");
    let (mut first, second) = stage.two(&stage.store_url).await;
    first.signal("-TERM").await;
    assert!(first.child.wait().await.unwrap().success());
    let soon = Duration::from_secs(10);
    eventually("the second one takes over", soon, async || {
        second.leads().await?.then_some(())
    })
    .await;
    stage.ends_well(&second).await;
}

#[tokio::test]
async fn a_replica_that_stood_still_writes_nothing_when_it_wakes() {
    let stage = Stage::new("stopped");
    let (first, second) = stage.two(&stage.store_url).await;
    first.repair().await;
    stage.in_the_middle().await;
    first.signal("-STOP").await;
    takes_over(&second).await;
    stage.ends_well(&second).await;
    let changes = stage.simulator.world().history().len();
    first.signal("-CONT").await;
    eventually(
        "the first one knows that it no longer leads",
        TAKEOVER,
        async || (!first.leads().await?).then_some(()),
    )
    .await;
    assert_eq!(stage.simulator.world().history().len(), changes);
    stage.ends_well(&second).await;
}

/// One whose line is whole again serves, does not lead, and has written nothing meanwhile.
async fn serves_without_writing(stage: &Stage, replica: &Replica) {
    let changes = stage.simulator.world().history().len();
    eventually(
        "the first one serves again and does not lead",
        PATIENCE,
        async || {
            let (status, _) = replica.ask("GET", "/api/v1/summary", "").await?;
            (status == 200 && replica.leads().await == Some(false)).then_some(())
        },
    )
    .await;
    assert_eq!(stage.simulator.world().history().len(), changes);
}

#[tokio::test]
async fn a_replica_that_is_cut_off_from_the_store_stops_writing_and_another_goes_on() {
    let stage = Stage::new("cut");
    let (cable, through) = stage.cable().await;
    let (first, second) = stage.two(&through).await;
    first.repair().await;
    stage.in_the_middle().await;
    cable.set(Line::Cut);
    takes_over(&second).await;
    stage.ends_well(&second).await;
    cable.set(Line::Whole);
    serves_without_writing(&stage, &first).await;
}

#[tokio::test]
async fn a_store_that_goes_away_and_comes_back_is_waited_for() {
    let stage = Stage::new("gone");
    let (cable, through) = stage.cable().await;
    let only = stage.replica("only", &through).await;
    eventually("it leads", PATIENCE, async || {
        only.leads().await?.then_some(())
    })
    .await;
    only.repair().await;
    stage.in_the_middle().await;
    cable.set(Line::Cut);
    eventually("it says that it may not write", PATIENCE, async || {
        (!only.leads().await?).then_some(())
    })
    .await;
    let changes = stage.simulator.world().history().len();
    cable.set(Line::Whole);
    eventually("it leads again", PATIENCE, async || {
        only.leads().await?.then_some(())
    })
    .await;
    assert_eq!(
        stage.simulator.world().history().len(),
        changes,
        "nothing is written without a store"
    );
    stage.ends_well(&only).await;
}

#[tokio::test]
async fn a_replica_whose_line_to_the_store_goes_silent_stops_writing_and_another_goes_on() {
    let stage = Stage::new("silent");
    let (cable, through) = stage.cable().await;
    let (first, second) = stage.two(&through).await;
    first.repair().await;
    stage.in_the_middle().await;
    cable.set(Line::Silent);
    takes_over(&second).await;
    let changes = stage.simulator.world().history().len();
    eventually(
        "the first one says that it may not write",
        TAKEOVER,
        async || (!first.leads().await?).then_some(()),
    )
    .await;
    assert_eq!(
        stage.simulator.world().history().len(),
        changes,
        "nothing is written without a store"
    );
    stage.ends_well(&second).await;
    // What was lost stays lost on those connections; new ones work.
    cable.set(Line::Whole);
    serves_without_writing(&stage, &first).await;
}
