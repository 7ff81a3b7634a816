//! From the store through the outbox to a receiver on loopback, with restarts in between.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use rolekeeper_domain::drift::{Drift, DriftKind, Severity};
use rolekeeper_domain::outcome::{
    AccountReport, Mode, Outcome, Summary, SweepId, SweepOutcome, SweepRecord, Trigger,
};
use rolekeeper_engine::port::store::{Control, Halt, Lease, Notice, Outbox, StoreError, Sweeps};
use rolekeeper_store::Store;
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::deliver::Delivered;
use super::*;

mod critical;

const NOW: Timestamp = Timestamp::constant(1_760_000_000, 0);
const KEY: &str = "a key that both sides know";
/// A receiver refuses what was signed longer ago than this.
const FRESH_SECONDS: i64 = 300;

/// What a receiver keeps: the notice's id, the signature, the body.
#[derive(Clone, Debug, PartialEq)]
struct Heard {
    id: String,
    signature: Option<String>,
    body: String,
}

#[derive(Default)]
struct Ear {
    answer: AtomicU16,
    heard: Mutex<Vec<Heard>>,
}

/// An HTTP server on loopback that remembers what it was told; it ends with the test.
struct Receiver {
    ear: Arc<Ear>,
    url: String,
    _server: JoinSet<()>,
}

impl Receiver {
    async fn start() -> Self {
        let ear = Arc::new(Ear {
            answer: AtomicU16::new(200),
            heard: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "http://{}/hook?key=in-the-url",
            listener.local_addr().unwrap()
        );
        let router = Router::new()
            .route("/hook", post(hear))
            .with_state(Arc::clone(&ear));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            ear,
            url,
            _server: server,
        }
    }

    fn answers(&self, status: u16) {
        self.ear.answer.store(status, Ordering::SeqCst);
    }

    fn heard(&self) -> Vec<Heard> {
        self.ear.heard.lock().unwrap().clone()
    }

    /// The notices' ids in order, without what tells two notices about one sweep apart.
    fn ids(&self) -> Vec<String> {
        let plain = |id: String| match id.rsplit_once(':') {
            Some((sweep, _)) if id.starts_with("critical_drift:") => sweep.to_owned(),
            _ => id,
        };
        let mut ids: Vec<_> = self.heard().into_iter().map(|it| plain(it.id)).collect();
        ids.sort();
        ids
    }

    fn webhook(&self, name: &str, format: Format, on: &[NoticeKind]) -> Webhook {
        Webhook {
            name: name.to_owned(),
            url: SecretString::from(self.url.as_str()),
            secret: Some(SecretString::from(KEY)),
            on: on.iter().copied().collect(),
            format,
        }
    }
}

async fn hear(State(ear): State<Arc<Ear>>, headers: HeaderMap, body: String) -> StatusCode {
    let status = StatusCode::from_u16(ear.answer.load(Ordering::SeqCst)).unwrap();
    if status.is_success() {
        let header = |name: &str| {
            headers
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        let id = header("x-rolekeeper-notice").unwrap();
        ear.heard.lock().unwrap().push(Heard {
            id,
            signature: header("x-rolekeeper-signature"),
            body,
        });
    }
    status
}

/// What a receiver does with a signature: the time is fresh, and the body is the one that was signed.
fn is_genuine(heard: &Heard, now: Timestamp) -> bool {
    let Some((time, digest)) = heard
        .signature
        .as_deref()
        .and_then(|signature| signature.strip_prefix("t="))
        .and_then(|rest| rest.split_once(",v1="))
    else {
        return false;
    };
    let fresh = time
        .parse::<i64>()
        .is_ok_and(|time| (now.as_second() - time).abs() <= FRESH_SECONDS);
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    mac.update(format!("{time}.{}", heard.body).as_bytes());
    let bytes: Vec<u8> = (0..digest.len() / 2)
        .map(|n| u8::from_str_radix(&digest[2 * n..2 * n + 2], 16).unwrap())
        .collect();
    fresh && mac.verify_slice(&bytes).is_ok()
}

/// A scan by a process that just began.
async fn scan(store: &Store, webhooks: &[Webhook], now: Timestamp) -> usize {
    Scan::new(400).round(store, webhooks, now).await.unwrap()
}

struct Stage {
    folder: tempfile::TempDir,
    post: HttpPost,
}

impl Stage {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            post: HttpPost::new().unwrap(),
        }
    }

    /// The same file each time: what a restart finds.
    async fn store(&self) -> Store {
        let url = format!("sqlite:{}", self.folder.path().join("test.db").display());
        rolekeeper_store::open(&url).await.unwrap()
    }

    async fn round(
        &self,
        store: &Store,
        webhooks: &[Webhook],
        now: Timestamp,
    ) -> (usize, Delivered) {
        let added = scan(store, webhooks, now).await;
        (
            added,
            deliver(store, &self.post, webhooks, now).await.unwrap(),
        )
    }
}

fn after(seconds: i64) -> Timestamp {
    NOW + SignedDuration::from_secs(seconds)
}

fn record(number: u32) -> SweepRecord {
    SweepRecord {
        id: SweepId::new(NOW, number),
        mode: Mode::Repair,
        trigger: Trigger::Schedule,
        requested_by: "schedule".to_owned(),
        started_at: after(10 * i64::from(number)),
        finished_at: None,
        outcome: None,
        reason: None,
        summary: Summary::default(),
        widens: Vec::new(),
    }
}

fn open_to_all(number: u64) -> AccountReport {
    AccountReport {
        account: format!("{number:012}").parse().unwrap(),
        name: "<!channel>".to_owned(),
        ou_path: "prod".to_owned(),
        outcome: Outcome::Drifted,
        reason: None,
        failure: None,
        drifts: vec![Drift {
            role: "Auditor".parse().unwrap(),
            kind: DriftKind::TrustPolicy,
            subject: None,
            severity: Severity::Critical,
            explanation: "more than agreed: <!channel> may assume the role".to_owned(),
            before: Some(r#"{"sts:ExternalId":"agreed-in-secret"}"#.to_owned()),
            after: Some(r#"{"sts:ExternalId":"agreed-in-secret"}"#.to_owned()),
        }],
        steps: Vec::new(),
        mended: Vec::new(),
        observed_at: after(10),
        duration_ms: 12,
    }
}

async fn halt(store: &Store) {
    let halt = Halt {
        why: "drill".to_owned(),
        by: "ops".to_owned(),
        at: NOW,
    };
    store.halt(&halt).await.unwrap();
}

/// One of each thing that is told.
async fn trouble(store: &Store) {
    let (found, failed, waiting) = (record(1), record(2), record(3));
    store.begin(&found).await.unwrap();
    store
        .record(&found.id, &[open_to_all(1), open_to_all(2)])
        .await
        .unwrap();
    store
        .finish(&found.id, SweepOutcome::Completed, None, after(11))
        .await
        .unwrap();
    store.begin(&failed).await.unwrap();
    store
        .finish(
            &failed.id,
            SweepOutcome::Failed,
            Some("the listing was empty"),
            after(21),
        )
        .await
        .unwrap();
    store.begin(&waiting).await.unwrap();
    store
        .await_approval(&waiting.id, 7, &[], NOW)
        .await
        .unwrap();
    halt(store).await;
}

#[tokio::test]
async fn each_thing_is_told_once_to_each_webhook_that_wants_it() {
    let stage = Stage::new();
    let (robots, people, pager) = (
        Receiver::start().await,
        Receiver::start().await,
        Receiver::start().await,
    );
    let webhooks = [
        robots.webhook("robots", Format::Generic, &NoticeKind::ALL),
        people.webhook("people", Format::Slack, &NoticeKind::ALL),
        pager.webhook("pager", Format::Generic, &[NoticeKind::Halted]),
    ];
    let store = stage.store().await;
    assert_eq!(
        stage.round(&store, &webhooks, NOW).await,
        (0, Delivered::default())
    );
    trouble(&store).await;
    for second in 0..3 {
        stage.round(&store, &webhooks, after(second * 60)).await;
    }
    let expected = [
        format!("approval_wanted:{}", record(3).id),
        format!("critical_drift:{}", record(1).id),
        format!("halted:{NOW}"),
        format!("sweep_failed:{}", record(2).id),
    ];
    assert_eq!(robots.ids(), expected);
    assert_eq!(people.ids(), expected);
    assert_eq!(pager.ids(), [format!("halted:{NOW}")]);

    let mut heard = robots.heard();
    heard.sort_by(|one, other| one.id.cmp(&other.id));
    let bodies: Vec<(String, Value)> = heard
        .into_iter()
        .map(|heard| (heard.id, serde_json::from_str(&heard.body).unwrap()))
        .collect();
    for (id, body) in &bodies {
        assert_eq!(
            (body["schema"].as_str(), body["id"].as_str()),
            (Some("rolekeeper.notice/v1"), Some(id.as_str()))
        );
    }
    assert_eq!(bodies[0].1["data"]["changes"], 7);
    assert_eq!(
        bodies[1].1["data"]["findings"][1]["account_id"],
        "000000000002"
    );
    assert_eq!(bodies[2].1["data"]["why"], "drill");
    assert_eq!(bodies[3].1["data"]["reason"], "the listing was empty");
    for heard in people.heard() {
        let body: Value = serde_json::from_str(&heard.body).unwrap();
        assert_eq!(
            body.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["text"]
        );
        assert!(
            body["text"].as_str().unwrap().starts_with("*rolekeeper*: "),
            "{body}"
        );
    }
}

#[tokio::test]
async fn what_two_sweeps_saw_at_once_is_told_once_and_not_before_its_sweep_ends() {
    let stage = Stage::new();
    let receiver = Receiver::start().await;
    let webhooks = [receiver.webhook("ops", Format::Generic, &NoticeKind::ALL)];
    let store = stage.store().await;
    let (long, short) = (
        SweepRecord {
            started_at: NOW,
            ..record(1)
        },
        SweepRecord {
            started_at: after(5),
            ..record(2)
        },
    );
    store.begin(&long).await.unwrap();
    store.begin(&short).await.unwrap();
    store.record(&long.id, &[open_to_all(1)]).await.unwrap();
    store.record(&short.id, &[open_to_all(1)]).await.unwrap();
    assert_eq!(stage.round(&store, &webhooks, after(10)).await.0, 0);
    store
        .finish(&short.id, SweepOutcome::Completed, None, after(11))
        .await
        .unwrap();
    stage.round(&store, &webhooks, after(12)).await;
    store
        .finish(&long.id, SweepOutcome::Completed, None, after(60))
        .await
        .unwrap();
    stage.round(&store, &webhooks, after(61)).await;
    assert_eq!(receiver.ids(), [format!("critical_drift:{}", short.id)]);
}

#[tokio::test]
async fn a_finding_that_grows_critical_is_told_and_so_is_one_that_is_repaired_at_once() {
    let stage = Stage::new();
    let receiver = Receiver::start().await;
    let webhooks = [receiver.webhook("ops", Format::Generic, &NoticeKind::ALL)];
    let store = stage.store().await;
    let seen = |number: u32, severity: Severity, outcome: Outcome| {
        let mut told = open_to_all(1);
        told.drifts[0].severity = severity;
        told.outcome = outcome;
        told.observed_at = after(10 * i64::from(number) + 1);
        told
    };
    let sweeps = [
        seen(1, Severity::Medium, Outcome::Drifted),
        seen(2, Severity::Critical, Outcome::Drifted),
        seen(3, Severity::Critical, Outcome::Repaired),
        seen(4, Severity::Critical, Outcome::Repaired),
    ];
    for (number, told) in (1..).zip(sweeps) {
        let sweep = record(number);
        let end = after(10 * i64::from(number) + 2);
        store.begin(&sweep).await.unwrap();
        store.record(&sweep.id, &[told]).await.unwrap();
        store
            .finish(&sweep.id, SweepOutcome::Completed, None, end)
            .await
            .unwrap();
        stage.round(&store, &webhooks, end).await;
    }
    // The first is not critical, the third is what the second told; the fourth came back after a repair.
    let expected = [2, 4].map(|number| format!("critical_drift:{}", record(number).id));
    assert_eq!(receiver.ids(), expected);
    let body: Value = serde_json::from_str(&receiver.heard()[1].body).unwrap();
    assert_eq!(
        body["data"]["findings"][0]["resolved_at"],
        after(41).to_string()
    );
}

#[tokio::test]
async fn a_sweep_that_waits_for_approval_tells_what_it_widens_and_what_it_has_seen() {
    let stage = Stage::new();
    let receiver = Receiver::start().await;
    let webhooks = [receiver.webhook("ops", Format::Generic, &NoticeKind::ALL)];
    let store = stage.store().await;
    let sweep = record(1);
    let widens = ["Auditor: may do s3:GetObject".to_owned()];
    let mut late = open_to_all(2);
    late.observed_at = after(90);
    store.begin(&sweep).await.unwrap();
    store.note_widens(&sweep.id, &widens).await.unwrap();
    store.record(&sweep.id, &[open_to_all(1)]).await.unwrap();
    let wait = store.await_approval(&sweep.id, 1, &widens, after(20));
    wait.await.unwrap();
    for second in [21, 81] {
        stage.round(&store, &webhooks, after(second)).await;
    }
    let waiting = [
        format!("approval_wanted:{}", sweep.id),
        format!("critical_drift:{}", sweep.id),
    ];
    assert_eq!(receiver.ids(), waiting);
    let wanted = receiver.heard();
    let wanted = wanted.iter().find(|heard| heard.id == waiting[0]).unwrap();
    let wanted: Value = serde_json::from_str(&wanted.body).unwrap();
    assert_eq!(wanted["data"]["widens"][0], widens[0].as_str());
    let lease = store.acquire("the one that waits", Duration::from_secs(60), after(80));
    assert!(lease.await.unwrap().is_some());
    assert!(store.approve(&sweep.id, "ops", after(85)).await.unwrap());
    store.record(&sweep.id, &[late]).await.unwrap();
    store
        .finish(&sweep.id, SweepOutcome::Completed, None, after(95))
        .await
        .unwrap();
    for second in [96, 156] {
        stage.round(&store, &webhooks, after(second)).await;
    }
    let expected = [&waiting[0], &waiting[1], &waiting[1]].map(Clone::clone);
    assert_eq!(receiver.ids(), expected);
    let ended = receiver.heard().pop().unwrap();
    let ended: Value = serde_json::from_str(&ended.body).unwrap();
    assert_eq!(ended["data"]["count"], 1);
    assert_eq!(ended["data"]["findings"][0]["account_id"], "000000000002");
}

#[tokio::test]
async fn the_receiver_can_tell_who_said_it_and_when() {
    let stage = Stage::new();
    let receiver = Receiver::start().await;
    let mut unsigned = receiver.webhook("unsigned", Format::Generic, &NoticeKind::ALL);
    unsigned.secret = None;
    let webhooks = [
        receiver.webhook("signed", Format::Generic, &NoticeKind::ALL),
        unsigned,
    ];
    let store = stage.store().await;
    halt(&store).await;
    stage.round(&store, &webhooks, NOW).await;
    let heard = receiver.heard();
    let (signed, unsigned): (Vec<_>, Vec<_>) =
        heard.iter().partition(|heard| heard.signature.is_some());
    assert_eq!((signed.len(), unsigned.len()), (1, 1));
    assert!(is_genuine(signed[0], NOW));
    assert!(
        !is_genuine(signed[0], after(FRESH_SECONDS + 1)),
        "a recorded request is worth nothing later"
    );
    let forged = Heard {
        body: signed[0].body.replace("drill", "peace"),
        ..signed[0].clone()
    };
    assert!(!is_genuine(&forged, NOW));
    assert!(!is_genuine(unsigned[0], NOW));
}

#[tokio::test]
async fn a_receiver_that_fails_and_recovers_hears_everything_once() {
    let stage = Stage::new();
    let (broken, well) = (Receiver::start().await, Receiver::start().await);
    let webhooks = [
        broken.webhook("broken", Format::Generic, &NoticeKind::ALL),
        well.webhook("well", Format::Generic, &NoticeKind::ALL),
    ];
    let store = stage.store().await;
    trouble(&store).await;
    broken.answers(503);
    let first = stage.round(&store, &webhooks, NOW).await;
    assert_eq!(
        first,
        (
            8,
            Delivered {
                delivered: 4,
                retried: 4,
                dropped: 0
            }
        )
    );
    assert_eq!(
        (broken.heard().len(), well.heard().len()),
        (0, 4),
        "one broken receiver keeps nobody waiting"
    );
    // Before the delay is over nobody is asked again.
    assert_eq!(
        stage.round(&store, &webhooks, after(4)).await,
        (0, Delivered::default())
    );
    broken.answers(204);
    assert_eq!(
        stage.round(&store, &webhooks, after(5)).await.1.delivered,
        4
    );
    assert_eq!(
        stage.round(&store, &webhooks, after(3_600)).await,
        (0, Delivered::default())
    );
    assert_eq!(broken.ids(), well.ids());
    assert!(
        broken
            .heard()
            .iter()
            .all(|heard| is_genuine(heard, after(5))),
        "signed anew, so that the time is fresh"
    );
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_tried_once_a_round() {
    let stage = Stage::new();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut webhook = Receiver::start()
        .await
        .webhook("nobody", Format::Generic, &NoticeKind::ALL);
    webhook.url = SecretString::from(format!("http://{}/", nobody.local_addr().unwrap()));
    drop(nobody);
    let store = stage.store().await;
    trouble(&store).await;
    let (added, delivered) = stage.round(&store, &[webhook], NOW).await;
    assert_eq!(
        (added, delivered),
        (
            4,
            Delivered {
                delivered: 0,
                retried: 4,
                dropped: 0
            }
        )
    );
    assert!(store.due(NOW, 9).await.unwrap().is_empty());
    assert_eq!(store.due(after(5), 9).await.unwrap().len(), 4);
}

#[tokio::test]
async fn a_receiver_that_refuses_for_good_is_given_up() {
    let stage = Stage::new();
    let receiver = Receiver::start().await;
    receiver.answers(404);
    let webhooks = [receiver.webhook("gone", Format::Generic, &NoticeKind::ALL)];
    let store = stage.store().await;
    halt(&store).await;
    assert_eq!(
        stage.round(&store, &webhooks, NOW).await.1,
        Delivered {
            delivered: 0,
            retried: 0,
            dropped: 1
        }
    );
    receiver.answers(200);
    assert_eq!(
        stage.round(&store, &webhooks, after(86_400)).await,
        (0, Delivered::default())
    );
}

#[tokio::test]
async fn a_restart_between_finding_and_telling_loses_nothing_and_doubles_nothing() {
    let stage = Stage::new();
    let receiver = Receiver::start().await;
    let webhooks = [receiver.webhook("ops", Format::Generic, &NoticeKind::ALL)];
    // Dies before it has even looked.
    let store = stage.store().await;
    trouble(&store).await;
    store.close().await;
    // Dies after it has looked.
    let store = stage.store().await;
    assert_eq!(scan(&store, &webhooks, NOW).await, 4);
    store.close().await;
    // Tells, and dies.
    let store = stage.store().await;
    assert_eq!(
        stage.round(&store, &webhooks, after(1)).await,
        (
            0,
            Delivered {
                delivered: 4,
                retried: 0,
                dropped: 0
            }
        )
    );
    store.close().await;
    let store = stage.store().await;
    assert_eq!(
        stage.round(&store, &webhooks, after(2)).await,
        (0, Delivered::default())
    );
    assert_eq!(receiver.heard().len(), 4);
}

/// An outbox of a process that dies after the receiver's yes and before it is written down.
struct DiesBeforeRecording(Arc<Store>);

impl Outbox for DiesBeforeRecording {
    async fn post(&self, notice: &Notice) -> Result<bool, StoreError> {
        self.0.post(notice).await
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Notice>, StoreError> {
        self.0.due(now, limit).await
    }

    async fn delivered(&self, _: i64, _: Timestamp) -> Result<(), StoreError> {
        Err(StoreError::Unavailable {
            message: "the process died".to_owned(),
        })
    }

    async fn postponed(
        &self,
        id: i64,
        why: &str,
        again_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.0.postponed(id, why, again_at).await
    }
}

#[tokio::test]
async fn what_was_told_but_not_written_down_comes_again_with_the_same_id() {
    let stage = Stage::new();
    let receiver = Receiver::start().await;
    let webhooks = [receiver.webhook("ops", Format::Generic, &NoticeKind::ALL)];
    let store = Arc::new(stage.store().await);
    halt(&store).await;
    scan(store.as_ref(), &webhooks, NOW).await;
    deliver(
        &DiesBeforeRecording(Arc::clone(&store)),
        &stage.post,
        &webhooks,
        NOW,
    )
    .await
    .unwrap_err();
    assert_eq!(
        stage.round(&store, &webhooks, after(1)).await.1.delivered,
        1
    );
    assert_eq!(
        receiver.ids(),
        [format!("halted:{NOW}"), format!("halted:{NOW}")]
    );
    let bodies: Vec<_> = receiver
        .heard()
        .into_iter()
        .map(|heard| heard.body)
        .collect();
    assert_eq!(bodies[0], bodies[1]);
}

#[tokio::test]
async fn nothing_secret_leaves_the_house() {
    let stage = Stage::new();
    let receiver = Receiver::start().await;
    let webhooks = [
        receiver.webhook("robots", Format::Generic, &NoticeKind::ALL),
        receiver.webhook("people", Format::Slack, &NoticeKind::ALL),
    ];
    let store = stage.store().await;
    trouble(&store).await;
    stage.round(&store, &webhooks, NOW).await;
    assert_eq!(receiver.heard().len(), 8);
    for heard in receiver.heard() {
        for secret in ["agreed-in-secret", "ExternalId", KEY, "in-the-url"] {
            assert!(!heard.body.contains(secret), "{secret} in {}", heard.body);
        }
    }
    let shown = format!("{:?}", webhooks);
    assert!(
        !shown.contains("in-the-url") && !shown.contains(KEY),
        "{shown}"
    );
}

#[test]
fn the_names_of_the_configuration_are_the_names_of_the_kinds() {
    let names: Vec<_> = NoticeKind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(
        names,
        [
            "critical_drift",
            "halted",
            "sweep_failed",
            "approval_wanted"
        ]
    );
    assert!(
        NoticeKind::ALL
            .iter()
            .all(|kind| NoticeKind::parse(kind.as_str()) == Some(*kind))
    );
    assert_eq!(NoticeKind::parse("everything"), None);
}
