//! Each single read of a rollback, one at a time, is answered by a replica that is behind.

use std::sync::Arc;
use std::time::Duration;

use rolekeeper_domain::outcome::{Mode, SweepOutcome, SweepRecord};
use rolekeeper_engine::SweepOrder;
use rolekeeper_engine::port::store::Control as _;
use rolekeeper_simulator::Drift;
use rolekeeper_tests::sim::check;
use rolekeeper_tests::sim::replica::Replica;
use rolekeeper_tests::sim::rig::order;

use crate::stage::{Differences, Stage, carried_out, settings, undo};

/// One account that a sweep has put right, and a replica that remembers what stood there before.
struct Behind {
    stage: Stage,
    replica: Arc<Replica>,
    before: Differences,
    repaired: SweepRecord,
    changes: usize,
}

impl Behind {
    async fn new(drifts: &[Drift]) -> Self {
        let stage = Stage::alike(1, drifts);
        let before = stage.differences().await;
        let replica = Arc::new(Replica::default());
        let repaired = swept(&stage, &replica, order(Mode::Repair)).await;
        let changes = stage.changes();
        stage.clock.wait(Duration::from_secs(60)).await;
        Self {
            stage,
            replica,
            before,
            repaired,
            changes,
        }
    }

    async fn rollback(&self, nth: Option<u64>) -> SweepRecord {
        self.replica.fall_behind(nth);
        let undo = undo(&self.repaired.id, Mode::Repair);
        swept(&self.stage, &self.replica, undo).await
    }
}

async fn swept(stage: &Stage, replica: &Arc<Replica>, order: SweepOrder) -> SweepRecord {
    let process = stage.process_with(settings("ann")).await;
    process.wire.read_from(replica);
    carried_out(&process, order).await
}

/// Answers at how many of its reads a rollback was told what was true before.
async fn each_read_stale(drifts: &[Drift]) -> u64 {
    let whole = Behind::new(drifts).await;
    whole.rollback(None).await;
    let reads = whole.replica.reads();
    let mut stale = 0;
    for nth in 0..reads {
        let what = format!("{drifts:?}: read {nth} of {reads} was stale");
        let behind = Behind::new(drifts).await;
        let stage = &behind.stage;
        let undone = behind.rollback(Some(nth)).await;
        stale += u64::from(behind.replica.was_stale());
        let report = stage.report(&undone.id, stage.accounts()[0]);
        let told = format!("{what}: {undone:#?}\n{report:#?}");
        stage.holds(0, behind.changes, &what);
        assert_eq!(check::unsettled(&stage.world, &stage.store), None, "{what}");
        let now = stage.differences().await;
        if now == behind.before {
            assert_eq!(undone.outcome, Some(SweepOutcome::Completed), "{told}");
        } else {
            assert_eq!(stage.changes(), behind.changes, "half is undone: {told}");
            let reason = report.reason.as_deref().unwrap_or_default();
            assert!(reason.contains("changed since"), "{told}");
        }
        // Asked again, once it shows everywhere, it is done.
        stage
            .store
            .resume("ann", stage.clock.true_time())
            .await
            .unwrap();
        let again = behind.rollback(None).await;
        assert_eq!(again.outcome, Some(SweepOutcome::Completed), "{told}");
        assert_eq!(stage.differences().await, behind.before, "{told}");
        stage.holds(0, behind.changes, &what);
    }
    stale
}

#[tokio::test(start_paused = true)]
async fn a_rollback_ends_right_or_is_refused_by_name_whichever_single_read_is_stale() {
    for (drifts, at_least) in [
        (
            &[Drift::AttachmentUnexpected, Drift::RoleDescription][..],
            4,
        ),
        (&[Drift::PolicyWider, Drift::AttachmentMissing], 4),
        (&[Drift::RoleMissing, Drift::PolicyMissing], 6),
        (&[Drift::TrustOtherAccount, Drift::InlineUnexpected], 4),
    ] {
        let stale = each_read_stale(drifts).await;
        assert!(stale >= at_least, "{drifts:?}: only {stale} stale reads");
    }
}
