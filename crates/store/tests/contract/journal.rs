//! The journal.

use std::collections::BTreeMap;

use rolekeeper_domain::arn::{Arn, Partition};
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::plan::{PlannedStep, Step};
use rolekeeper_domain::policy::{Document, Kind};
use rolekeeper_domain::user::{UserStep, record};
use rolekeeper_engine::port::store::{
    Completion, Deed, EntryId, Fence, Intent, Journal as _, StoreError, Subject,
};
use rolekeeper_store::{Break, Store, Verifier};
use tokio::task::JoinSet;

use crate::given::{
    Place, account, at, begun, intend, intent, lead, planned, retrust, role, sweep_id,
};

fn done() -> Completion {
    Completion::Done {
        request_id: Some("req-1".to_owned()),
        created: Some("v2".to_owned()),
    }
}

fn create_role(path: &str) -> PlannedStep {
    planned(Step::CreateRole {
        role: role(),
        path: path.parse().unwrap(),
        trust: crate::given::trust(),
        description: None,
        max_session_duration: Some(3600),
        boundary: None,
        tags: BTreeMap::new(),
    })
}

async fn open(store: &Store) -> Vec<EntryId> {
    store
        .open()
        .await
        .unwrap()
        .iter()
        .map(|entry| entry.id)
        .collect()
}

pub(crate) async fn an_intent_without_the_lease_is_refused(place: &Place) {
    let (store, sweep) = begun(place, 1).await;
    let (step, role) = (retrust(), role());
    let told = store
        .intend(&intent(&sweep, 1, &step, &role), Fence(1))
        .await;
    assert_eq!(told, Err(StoreError::Fenced { ours: 1, held: 0 }));
    let told = store
        .adopt(account(1), "role/Auditor", &sweep, at(0), Fence(0))
        .await;
    assert_eq!(told, Err(StoreError::Fenced { ours: 0, held: 0 }));
    assert_eq!(open(&store).await, []);
    assert_eq!(store.owned(account(1)).await.unwrap(), Vec::<String>::new());
}

pub(crate) async fn an_intent_survives_the_process(place: &Place) {
    let (store, sweep) = begun(place, 1).await;
    let fence = lead(&store, "first").await;
    let entry = intend(&store, &sweep, 1, &retrust(), fence).await;
    // No close, no goodbye: another process looks while this one is still there.
    let other = place.open().await;
    let found = other.open().await.unwrap();
    let [found] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(found.id, entry);
    assert_eq!(found.sweep, sweep);
    assert_eq!(found.requested_by, "ann");
    assert_eq!(found.account, account(1));
    assert_eq!(found.subject, Subject::Role(role()));
    assert_eq!(found.operation, Operation::UpdateAssumeRolePolicy);
    assert_eq!(found.resource, "role/Auditor");
    assert_eq!(found.preconditions, ["the role is still AROA1"]);
    assert_eq!(found.before.as_deref(), Some("what stood there"));
    assert_eq!(found.after.as_deref(), Some(crate::given::trust().text()));
    let parameters: serde_json::Value = serde_json::from_str(&found.parameters).unwrap();
    let expected = serde_json::json!({
        "RoleName": "Auditor", "PolicyDocument": crate::given::trust().text(),
    });
    assert_eq!(parameters, expected);
    assert_eq!((found.intended_at, found.completed_at), (at(5), None));
    assert_eq!(found.completion, None);
}

pub(crate) async fn a_step_on_a_user_is_kept_like_any_other(place: &Place) {
    let (store, sweep) = begun(place, 1).await;
    let fence = lead(&store, "first").await;
    let step = UserStep::DeleteKey {
        key: "AKIAEXAMPLE".to_owned(),
    };
    let intent = Intent {
        sweep: &sweep,
        requested_by: "ann",
        account: account(1),
        deed: Deed::User {
            user: "cloudcoreo",
            step: &step,
        },
        at: at(5),
    };
    let entry = store.intend(&intent, fence).await.unwrap();
    let other = place.open().await;
    let found = other.open().await.unwrap();
    let [found] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(found.subject, Subject::User("cloudcoreo".to_owned()));
    assert_eq!(found.operation, Operation::DeleteAccessKey);
    assert_eq!(found.resource, "user/cloudcoreo key AKIAEXAMPLE");
    assert_eq!(
        record::step(found.operation, &found.parameters),
        Ok(step.clone())
    );
    store.complete(entry, &done(), at(6)).await.unwrap();
    assert_eq!(open(&store).await, []);
    let history = store.history(account(1), None, 10).await.unwrap();
    assert_eq!(history[0].completion, Some(done()));

    // The stream says whose step it was, and the chain holds over it.
    let lines = store.export_journal(0, 10).await.unwrap();
    let intended = &lines[0].body;
    assert_eq!(intended["user"], "cloudcoreo");
    assert_eq!(intended.get("role"), None);
    assert_eq!(intended["because"], serde_json::json!(["legacy_user"]));
    assert!(store.verify_journal(None).await.unwrap().is_ok());
    assert_eq!(store.owned(account(1)).await.unwrap(), Vec::<String>::new());
}

pub(crate) async fn an_end_closes_an_entry(place: &Place) {
    let (store, sweep) = begun(place, 1).await;
    let fence = lead(&store, "first").await;
    let first = intend(&store, &sweep, 1, &retrust(), fence).await;
    let second = intend(&store, &sweep, 2, &retrust(), fence).await;
    store.complete(first, &done(), at(6)).await.unwrap();
    assert_eq!(open(&store).await, [second]);
}

pub(crate) async fn each_kind_of_end_is_read_back(place: &Place) {
    let (store, sweep) = begun(place, 1).await;
    let fence = lead(&store, "first").await;
    let fault = Fault::new(Category::Timeout, "no \"answer\" \0").during(Operation::UpdateRole);
    let ends = [
        done(),
        Completion::Done {
            request_id: None,
            created: None,
        },
        Completion::Failed(fault),
        Completion::SettledDone,
        Completion::SettledUndone,
    ];
    for (end, number) in ends.into_iter().zip(1..) {
        let entry = intend(&store, &sweep, number, &retrust(), fence).await;
        store.complete(entry, &end, at(6)).await.unwrap();
        let history = store.history(account(number), None, 10).await.unwrap();
        let [found] = history.as_slice() else {
            panic!("{history:?}")
        };
        assert_eq!(
            (found.completion.as_ref(), found.completed_at),
            (Some(&end), Some(at(6)))
        );
    }
}

pub(crate) async fn an_entry_ends_once(place: &Place) {
    let (store, sweep) = begun(place, 1).await;
    let fence = lead(&store, "first").await;
    let entry = intend(&store, &sweep, 1, &retrust(), fence).await;
    store.complete(entry, &done(), at(6)).await.unwrap();
    let before = store.head().await.unwrap();
    store.complete(entry, &done(), at(7)).await.unwrap();
    store
        .complete(entry, &Completion::SettledUndone, at(8))
        .await
        .unwrap();
    assert_eq!(store.head().await.unwrap(), before);
    let history = store.history(account(1), None, 10).await.unwrap();
    assert_eq!(history.len(), 1);
    assert_eq!(history[0].completion, Some(done()));
}

pub(crate) async fn a_call_found_undone_that_was_done_after_all_is_recorded_as_done(place: &Place) {
    let (store, sweep) = begun(place, 1).await;
    let fence = lead(&store, "first").await;
    let entry = intend(&store, &sweep, 1, &create_role("/"), fence).await;
    store
        .complete(entry, &Completion::SettledUndone, at(6))
        .await
        .unwrap();
    assert_eq!(store.owned(account(1)).await.unwrap(), Vec::<String>::new());
    store.complete(entry, &done(), at(7)).await.unwrap();
    let history = store.history(account(1), None, 10).await.unwrap();
    assert_eq!(history.len(), 1);
    assert_eq!(history[0].completion, Some(done()));
    assert_eq!(store.owned(account(1)).await.unwrap(), ["role/Auditor"]);
}

pub(crate) async fn an_unknown_entry_cannot_end(place: &Place) {
    let store = place.open().await;
    let told = store.complete(EntryId(7), &done(), at(6)).await;
    assert!(matches!(told, Err(StoreError::Corrupt { .. })), "{told:?}");
}

pub(crate) async fn history_is_newest_first_and_a_sweep_oldest_first(place: &Place) {
    let (store, sweep) = begun(place, 1).await;
    let fence = lead(&store, "first").await;
    let mut entries = Vec::new();
    for number in [1, 2, 1, 1] {
        entries.push(intend(&store, &sweep, number, &retrust(), fence).await);
    }
    let other = sweep_id(2);
    let elsewhere = intend(&store, &other, 1, &retrust(), fence).await;
    let history = async |before, limit| {
        let history = store.history(account(1), before, limit).await.unwrap();
        history.iter().map(|entry| entry.id).collect::<Vec<_>>()
    };
    assert_eq!(history(None, 2).await, [elsewhere, entries[3]]);
    assert_eq!(history(Some(entries[3]), 9).await, [entries[2], entries[0]]);
    let of_sweep = async |after, limit| {
        let found = store.of_sweep(&sweep, after, limit).await.unwrap();
        found.iter().map(|entry| entry.id).collect::<Vec<_>>()
    };
    assert_eq!(of_sweep(None, 3).await, entries[..3]);
    assert_eq!(of_sweep(Some(entries[2]), 3).await, entries[3..]);
}

pub(crate) async fn what_was_created_or_adopted_is_owned_until_it_is_deleted(place: &Place) {
    let (store, sweep) = begun(place, 1).await;
    let fence = lead(&store, "first").await;
    let arn = Arn::of_policy(Partition::Aws, account(1), "/audit/", "Audit");
    let run = async |step: Step, completion: Completion| {
        let entry = intend(&store, &sweep, 1, &planned(step), fence).await;
        store.complete(entry, &completion, at(6)).await.unwrap();
    };
    let owned = async || store.owned(account(1)).await.unwrap();
    store
        .adopt(account(1), "policy/audit/Audit", &sweep, at(6), fence)
        .await
        .unwrap();
    run(create_role("/some/path/").step, Completion::SettledDone).await;
    assert_eq!(
        owned().await,
        ["policy/audit/Audit", "role/some/path/Auditor"]
    );
    // The deleting call names the role without its path.
    run(
        Step::DeleteRole {
            role: "AUDITOR".parse().unwrap(),
        },
        done(),
    )
    .await;
    assert_eq!(owned().await, ["policy/audit/Audit"]);
    run(
        Step::DeletePolicy { arn: arn.clone() },
        Completion::SettledUndone,
    )
    .await;
    assert_eq!(owned().await, ["policy/audit/Audit"]);
    run(Step::DeletePolicy { arn }, done()).await;
    assert_eq!(owned().await, Vec::<String>::new());
    assert_eq!(store.owned(account(2)).await.unwrap(), Vec::<String>::new());
}

pub(crate) async fn a_failed_creation_owns_nothing(place: &Place) {
    let (store, sweep) = begun(place, 1).await;
    let fence = lead(&store, "first").await;
    let entry = intend(&store, &sweep, 1, &create_role("/"), fence).await;
    let failed = Completion::Failed(Fault::new(Category::AccessDenied, "no"));
    store.complete(entry, &failed, at(6)).await.unwrap();
    assert_eq!(store.owned(account(1)).await.unwrap(), Vec::<String>::new());
}

pub(crate) async fn hostile_documents_are_kept_to_the_letter(place: &Place) {
    let (store, sweep) = begun(place, 1).await;
    let fence = lead(&store, "first").await;
    let sid = "x".repeat(100_000);
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"{sid}","Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::it's ? $1 -- \u4e2d"}}]}}"#
    );
    let before = format!("{}\0 '\" \\ $1 \u{4e2d}", "{".repeat(100_000));
    let step = PlannedStep {
        before: Some(before.clone()),
        ..planned(Step::PutRolePolicy {
            role: role(),
            policy: "Inline".parse().unwrap(),
            document: Document::parse(Kind::Identity, &text).unwrap(),
        })
    };
    intend(&store, &sweep, 1, &step, fence).await;
    let found = store.open().await.unwrap();
    assert_eq!(found[0].before, Some(before));
    assert_eq!(found[0].after.as_deref(), Some(text.as_str()));
    assert!(store.verify_journal(None).await.unwrap().is_ok());
}

pub(crate) async fn writers_at_once_get_numbers_without_gaps(place: &Place) {
    let (store, sweep) = begun(place, 1).await;
    let fence = lead(&store, "first").await;
    // Two processes' worth of connections, sixteen tasks each.
    let other = place.open().await;
    let mut tasks = JoinSet::new();
    for task in 0..32 {
        let store = if task % 2 == 0 {
            store.clone()
        } else {
            other.clone()
        };
        let sweep = sweep.clone();
        tasks.spawn(async move {
            for _ in 0..5 {
                let entry = intend(&store, &sweep, task, &retrust(), fence).await;
                store.complete(entry, &done(), at(6)).await.unwrap();
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    assert_eq!(open(&store).await, []);
    assert_eq!(
        store.of_sweep(&sweep, None, 1_000).await.unwrap().len(),
        160
    );
    let verified = store.verify_journal(None).await.unwrap().unwrap();
    assert_eq!((verified.records, verified.to.seq), (320, 320));
}

/// A journal of three intents and an end, as an export.
async fn exported(place: &Place) -> (Store, Vec<String>) {
    let (store, sweep) = begun(place, 1).await;
    let fence = lead(&store, "first").await;
    for number in 1..=3 {
        intend(&store, &sweep, number, &retrust(), fence).await;
    }
    store.complete(EntryId(2), &done(), at(6)).await.unwrap();
    let lines = store.export_journal(0, 100).await.unwrap();
    (store, lines.iter().map(ToString::to_string).collect())
}

pub(crate) async fn the_chain_holds_and_its_export_verifies(place: &Place) {
    let (store, lines) = exported(place).await;
    let head = store.head().await.unwrap();
    assert_eq!(lines.len(), 4);
    let mut verifier = Verifier::new(Some(head.clone()));
    for line in &lines {
        verifier.line(line).unwrap();
    }
    let verified = verifier.finish().unwrap();
    assert_eq!(
        (verified.records, verified.from.seq, &verified.to),
        (4, 0, &head)
    );
    assert_eq!(
        store.verify_journal(Some(head.clone())).await.unwrap(),
        Ok(verified)
    );
    assert_eq!(head.to_string().parse(), Ok(head.clone()));

    let kinds: Vec<String> = store
        .export_journal(0, 100)
        .await
        .unwrap()
        .into_iter()
        .map(|line| format!("{} {}", line.kind, line.body["action"].as_str().unwrap()))
        .collect();
    let intent = "intent iam:UpdateAssumeRolePolicy";
    let end = "completion iam:UpdateAssumeRolePolicy";
    assert_eq!(kinds, [intent, intent, intent, end]);

    // A place that this chain never led through.
    let other = rolekeeper_store::Head {
        seq: 2,
        hash: head.hash,
    };
    let told = store.verify_journal(Some(other.clone())).await.unwrap();
    assert_eq!(told, Err(Break::Cut { known: other }));
}

pub(crate) async fn an_export_that_was_changed_or_cut_is_found_out(place: &Place) {
    let (store, lines) = exported(place).await;
    let head = store.head().await.unwrap();
    let verify = |lines: &[String]| {
        let mut verifier = Verifier::new(Some(head.clone()));
        lines.iter().try_for_each(|line| verifier.line(line))?;
        verifier.finish()
    };
    assert!(verify(&lines).is_ok());
    // Another layout of the same content is the same content.
    let spread = |line: &String| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        serde_json::to_string_pretty(&value).unwrap()
    };
    let spaced: Vec<_> = lines.iter().map(spread).collect();
    assert!(verify(&spaced).is_ok());

    let mut edited = lines.clone();
    edited[1] = edited[1].replace("ann", "bob");
    assert_eq!(verify(&edited), Err(Break::Changed { seq: 2 }));
    let mut removed = lines.clone();
    removed.remove(1);
    assert_eq!(verify(&removed), Err(Break::Gap { after: 1, found: 3 }));
    let mut swapped = lines.clone();
    swapped.swap(1, 2);
    assert_eq!(verify(&swapped), Err(Break::Gap { after: 1, found: 3 }));
    let mut doubled = lines.clone();
    doubled.insert(1, lines[0].clone());
    assert_eq!(verify(&doubled), Err(Break::Gap { after: 1, found: 1 }));
    let mut unlinked = lines.clone();
    let first: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    unlinked[1] = unlinked[1].replace(first["hash"].as_str().unwrap(), &"0".repeat(64));
    assert_eq!(verify(&unlinked), Err(Break::Unlinked { seq: 2 }));
    assert_eq!(
        verify(&lines[..3]),
        Err(Break::Cut {
            known: head.clone()
        })
    );
    let mut garbage = lines.clone();
    garbage[3].truncate(20);
    assert!(matches!(
        verify(&garbage),
        Err(Break::Malformed { line: 4, .. })
    ));
}

pub(crate) async fn an_export_continues_where_the_last_one_ended(place: &Place) {
    let (store, lines) = exported(place).await;
    let mut read = Vec::new();
    for after in 0..=4 {
        let page = store.export_journal(after, 1).await.unwrap();
        read.extend(page.iter().map(ToString::to_string));
    }
    assert_eq!(read, lines);
    assert_eq!(store.export_journal(99, 1).await.unwrap(), []);
}
