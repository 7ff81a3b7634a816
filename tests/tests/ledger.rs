//! Writes on record outside the walk over an organization.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test panics on purpose"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::arn::Arn;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::observation::{Observation, Sighting};
use rolekeeper_domain::outcome::{SweepOutcome, Trigger};
use rolekeeper_domain::plan::{Band, PlannedStep, Step};
use rolekeeper_domain::role::RoleName;
use rolekeeper_engine::SweepError;
use rolekeeper_engine::ledger::{Ledger, NotTaken};
use rolekeeper_engine::port::session::Receipt;
use rolekeeper_engine::port::store::{
    Completion, Control as _, Deed, Halt, Journal as _, Lease as _, StoreError, Sweeps as _,
};
use rolekeeper_tests::sim::clock::SimClock;
use rolekeeper_tests::sim::memory::MemoryStore;
use rolekeeper_tests::sim::rig::{self, demo_spec};

struct Stage {
    store: Arc<MemoryStore>,
    clock: SimClock,
    account: AccountId,
    role: RoleName,
    arn: Arn,
    step: PlannedStep,
}

impl Stage {
    fn new() -> Self {
        let role: RoleName = "Auditor".parse().unwrap();
        let arn: Arn = "arn:aws:iam::123456789012:policy/Audit".parse().unwrap();
        let step = Step::AttachRolePolicy {
            role: role.clone(),
            arn: arn.clone(),
        };
        Self {
            store: Arc::new(MemoryStore::default()),
            clock: SimClock::start(),
            account: "123456789012".parse().unwrap(),
            role,
            arn,
            step: PlannedStep {
                step,
                band: Band::Widen,
                preconditions: Vec::new(),
                because: Vec::new(),
                before: None,
            },
        }
    }

    async fn ledger(&self, salt: u32) -> Result<Ledger<MemoryStore, SimClock>, SweepError> {
        Ledger::open(
            Arc::clone(&self.store),
            Arc::new(self.clock.clone()),
            rig::settings("ann", demo_spec()),
            "ann".to_owned(),
            salt,
        )
        .await
    }

    fn deed(&self) -> Deed<'_> {
        Deed::Role {
            role: &self.role,
            step: &self.step,
        }
    }

    fn seen(&self, attached: bool) -> Observation {
        let attached = attached.then(|| self.arn.clone());
        Observation {
            account: self.account,
            role: Sighting::Absent,
            attachments: Sighting::Seen(attached.into_iter().collect()),
            inline: Sighting::Absent,
            policies: BTreeMap::new(),
            foreign_documents: BTreeMap::new(),
            legacy_users: Sighting::Seen(BTreeSet::new()),
        }
    }

    fn receipt() -> Receipt {
        Receipt {
            request_id: Some("req-1".to_owned()),
            created: None,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_is_on_record_before_its_call_and_completed_after() {
    let stage = Stage::new();
    let ledger = stage.ledger(1).await.unwrap();
    let call = || async {
        let open = stage.store.open().await.unwrap();
        assert_eq!(open.len(), 1, "the intent comes first");
        // Longer than the lease: it is renewed meanwhile, so that nobody else takes it.
        stage.clock.wait(Duration::from_secs(60)).await;
        let other = stage
            .store
            .acquire("bob", Duration::from_secs(15), stage.clock.true_time())
            .await;
        assert_eq!(other, Ok(None));
        Ok(Stage::receipt())
    };
    ledger
        .take(stage.account, stage.deed(), call)
        .await
        .unwrap();
    let denied = || async { Err(Fault::new(Category::AccessDenied, "no")) };
    let told = ledger.take(stage.account, stage.deed(), denied).await;
    assert!(matches!(told, Err(NotTaken::Failed(_))), "{told:?}");
    let sweep = ledger.sweep().clone();
    ledger.close(Some("no")).await.unwrap();
    let journal = stage.store.journal();
    let ends: Vec<_> = journal.iter().map(|entry| &entry.completion).collect();
    assert!(matches!(
        ends.as_slice(),
        [Some(Completion::Done { .. }), Some(Completion::Failed(_))]
    ));
    assert!(journal.iter().all(|entry| entry.requested_by == "ann"));
    let record = stage.store.sweep(&sweep).await.unwrap().unwrap();
    assert_eq!(record.trigger, Trigger::Bootstrap);
    assert_eq!(record.outcome, Some(SweepOutcome::Failed));
    assert_eq!(stage.store.holder().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_under_a_halt_a_freeze_or_somebody_elses_lease() {
    let stage = Stage::new();
    let ledger = stage.ledger(1).await.unwrap();
    let halt = Halt {
        why: "incident 4711".to_owned(),
        by: "bob".to_owned(),
        at: stage.clock.true_time(),
    };
    stage.store.halt(&halt).await.unwrap();
    let never = || async { call_that_must_not_be() };
    let told = ledger.take(stage.account, stage.deed(), never).await;
    let Err(NotTaken::NotBegun(SweepError::Halted { why, .. })) = told else {
        panic!("{told:?}")
    };
    assert_eq!(why, "incident 4711");
    assert!(stage.ledger(2).await.is_err());
    stage
        .store
        .resume("bob", stage.clock.true_time())
        .await
        .unwrap();
    ledger.close(None).await.unwrap();

    let mut settings = rig::settings("ann", demo_spec());
    settings.freeze = Some(Arc::new(|_| Some("the end of the year".to_owned())));
    let (store, clock) = (Arc::clone(&stage.store), Arc::new(stage.clock.clone()));
    let told = Ledger::open(store, clock, settings, "ann".to_owned(), 3).await;
    assert!(matches!(told.err(), Some(SweepError::Frozen { .. })));

    let now = stage.clock.true_time();
    let held = stage
        .store
        .acquire("bob", Duration::from_secs(15), now)
        .await;
    assert!(held.unwrap().is_some());
    let told = stage.ledger(4).await.err();
    assert!(
        matches!(told, Some(SweepError::NotLeader { .. })),
        "{told:?}"
    );
    assert_eq!(stage.store.journal(), []);
}

/// What a call that must not be made would answer.
fn call_that_must_not_be() -> Result<Receipt, Fault> {
    panic!("a step was begun that nothing allows")
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_run_left_open_is_settled_by_what_the_next_one_sees() {
    let rows = [
        // Seen: done. Not seen: it may still be on its way, since a step that does not find what was made a moment
        // ago is called again for a minute; and after a while it is not.
        (true, 0, Some(Completion::SettledDone)),
        (false, 0, None),
        (false, 120, None),
        (false, 180, Some(Completion::SettledUndone)),
    ];
    for (attached, seconds, expected) in rows {
        let stage = Stage::new();
        let killed = stage.ledger(1).await.unwrap();
        tokio::select! {
            biased;
            told = killed.take(stage.account, stage.deed(), std::future::pending) => {
                panic!("{told:?}")
            }
            () = stage.clock.wait(Duration::from_secs(1)) => {}
        }
        drop(killed);
        stage.clock.wait(Duration::from_secs(20 + seconds)).await;
        let next = stage.ledger(2).await.unwrap();
        next.settle(&stage.role, &stage.seen(attached))
            .await
            .unwrap();
        let journal = stage.store.journal();
        assert_eq!(journal.first().unwrap().completion, expected);
        next.close(None).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_lost_and_regained_stops_the_record() {
    let stage = Stage::new();
    let ledger = stage.ledger(1).await.unwrap();
    stage.clock.wait(Duration::from_secs(20)).await;
    let now = stage.clock.true_time();
    let lease = Duration::from_secs(15);
    let other = stage.store.acquire("bob", lease, now).await;
    assert!(other.unwrap().is_some(), "it was over");
    stage.store.release("bob").await.unwrap();
    let never = || async { call_that_must_not_be() };
    let told = ledger.take(stage.account, stage.deed(), never).await;
    let fenced = matches!(
        told,
        Err(NotTaken::NotBegun(SweepError::Store(
            StoreError::Fenced { .. }
        )))
    );
    assert!(fenced, "{told:?}");
    assert_eq!(stage.store.journal(), []);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_found_yet_is_called_again_unless_writing_is_stopped_meanwhile() {
    let stage = Stage::new();
    let ledger = stage.ledger(1).await.unwrap();
    let calls = AtomicU32::new(0);
    let third = || async {
        match calls.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => Err(Fault::new(Category::NotFound, "no such role")),
            _ => Ok(Stage::receipt()),
        }
    };
    let told = ledger.take(stage.account, stage.deed(), third).await;
    assert!(told.is_ok(), "{told:?}");

    calls.store(0, Ordering::Relaxed);
    let halting = || async {
        assert_eq!(calls.fetch_add(1, Ordering::Relaxed), 0, "halted");
        let halt = Halt {
            why: "incident 4711".to_owned(),
            by: "bob".to_owned(),
            at: stage.clock.true_time(),
        };
        stage.store.halt(&halt).await.unwrap();
        Err(Fault::new(Category::NotFound, "no such role"))
    };
    let told = ledger.take(stage.account, stage.deed(), halting).await;
    assert!(
        matches!(told, Err(NotTaken::NotBegun(SweepError::Halted { .. }))),
        "{told:?}"
    );
    let journal = stage.store.journal();
    let end = journal.last().unwrap().completion.as_ref();
    assert!(matches!(end, Some(Completion::Failed(fault)) if fault.category == Category::NotFound));
}

#[tokio::test(start_paused = true)]
async fn a_step_whose_answer_was_lost_is_settled_by_the_next_run() {
    let stage = Stage::new();
    let categories = [Category::Timeout, Category::Network, Category::Service];
    for (salt, category) in (1..).step_by(2).zip(categories) {
        let ledger = stage.ledger(salt).await.unwrap();
        let lost = || async { Err(Fault::new(category, "no answer")) };
        let told = ledger.take(stage.account, stage.deed(), lost).await;
        assert!(matches!(told, Err(NotTaken::Failed(_))), "{told:?}");
        ledger.close(Some("no answer")).await.unwrap();
        let journal = stage.store.journal();
        assert_eq!(journal.last().unwrap().completion, None);
        let next = stage.ledger(salt + 1).await.unwrap();
        next.settle(&stage.role, &stage.seen(true)).await.unwrap();
        next.close(None).await.unwrap();
        let journal = stage.store.journal();
        let end = journal.last().unwrap().completion.clone();
        assert_eq!(end, Some(Completion::SettledDone));
    }
}
