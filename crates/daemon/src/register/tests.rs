//! From what sweeps saw through the store to a vendor on loopback, with every way in which one can fail.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body as Reply;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use http_body_util::Full;
use jiff::SignedDuration;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::drift::{Drift, DriftKind, Severity};
use rolekeeper_domain::outcome::{
    AccountReport, Mode, Outcome, SkipReason, Summary, SweepId, SweepOutcome, SweepRecord, Trigger,
};
use rolekeeper_domain::registration::{Action, Registration, State as Standing};
use rolekeeper_engine::port::registration::Registrations as _;
use rolekeeper_engine::port::store::{Control as _, Halt, Memory as _, Sweeps as _};
use rolekeeper_store::Store;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::deliver::Post;
use super::*;
use crate::config::{Environment, load_text};
use crate::outgoing::{Answer, CallError, Client, signature};

const NOW: Timestamp = Timestamp::constant(1_760_000_000, 0);
const KEY: &str = "a-key-that-both-sides-know";
const TOKEN: &str = "a-token-for-the-vendor";
/// The specification in force.
const REVISION: &str = "r1";
const EXTERNAL_ID: &str = "agreed-in-secret";

fn after(seconds: i64) -> Timestamp {
    NOW + SignedDuration::from_secs(seconds)
}

/// How the vendor behaves towards one call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Well,
    Says(u16),
    /// Does it, and the connection breaks before the answer is whole.
    Cut,
    /// Does it, and answers something that is no record.
    Garbled,
    /// Does not do it, and never answers.
    Silent,
}

/// What the vendor was asked.
#[derive(Clone, Debug)]
struct Asked {
    call: String,
    key: String,
    token: Option<String>,
    signature: Option<String>,
    text: String,
}

impl Asked {
    fn body(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

/// A vendor that keeps accounts by idempotency key, as one should.
#[derive(Default)]
struct Vendor {
    moods: Mutex<VecDeque<Mood>>,
    asked: Mutex<Vec<Asked>>,
    accounts: Mutex<BTreeMap<String, usize>>,
}

impl Vendor {
    fn will(&self, moods: &[Mood]) {
        self.moods.lock().unwrap().extend(moods);
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn calls(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.call).collect()
    }

    fn accounts(&self) -> usize {
        self.accounts.lock().unwrap().len()
    }
}

async fn answer(
    State(vendor): State<Arc<Vendor>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    text: String,
) -> Response {
    let header = |name: &str| {
        let value = headers.get(name)?;
        Some(value.to_str().unwrap().to_owned())
    };
    let key = header("idempotency-key").unwrap();
    vendor.asked.lock().unwrap().push(Asked {
        call: format!("{method} {}", uri.path()),
        key: key.clone(),
        token: header("authorization"),
        signature: header("x-rolekeeper-signature"),
        text,
    });
    let mood = vendor.moods.lock().unwrap().pop_front();
    let did = || {
        let mut accounts = vendor.accounts.lock().unwrap();
        let next = accounts.len() + 1;
        *accounts.entry(key).or_insert(next)
    };
    match mood.unwrap_or(Mood::Well) {
        Mood::Says(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Mood::Silent => std::future::pending().await,
        Mood::Garbled => {
            did();
            "<html>welcome".into_response()
        }
        Mood::Cut => {
            did();
            let broken = futures_util::stream::once(async {
                Err::<axum::body::Bytes, _>(std::io::Error::other("cut"))
            });
            Response::new(Reply::from_stream(broken))
        }
        Mood::Well if method == Method::POST && uri.path().ends_with("accounts") => {
            axum::Json(json!({ "id": did(), "name": "whatever" })).into_response()
        }
        Mood::Well => StatusCode::NO_CONTENT.into_response(),
    }
}

/// A store, a vendor and what lies between.
struct Stage {
    folder: tempfile::TempDir,
    vendor: Arc<Vendor>,
    url: String,
    client: Client,
    _server: JoinSet<()>,
}

impl Stage {
    async fn new() -> Self {
        let vendor = Arc::new(Vendor::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/cloudaccounts", listener.local_addr().unwrap());
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&vendor));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            folder: tempfile::tempdir().unwrap(),
            vendor,
            url,
            client: Client::new().unwrap(),
            _server: server,
        }
    }

    /// The settings as a person writes them.
    fn register_with(&self, role: &str, extra: &str) -> Register {
        let text = format!(
            "[[roles]]\npreset = \"cloudcoreo\"\nvendor_account_id = \"999999999999\"\n\
             external_id = \"{EXTERNAL_ID}\"\n{role}\n[register]\npreset = \"cloudcoreo\"\n\
             url = \"{}\"\ntoken = \"{TOKEN}\"\nsecret = \"{KEY}\"\n{extra}",
            self.url
        );
        let config = load_text("rolekeeper.toml", &text, &Environment::default()).unwrap();
        config.register.unwrap()
    }

    fn register(&self) -> Register {
        self.register_with("", "")
    }

    fn withdrawing(&self) -> Register {
        let url = format!("withdraw_url = \"{}/${{vendor_id}}\"", self.url);
        self.register_with("", &url)
    }

    /// The same file each time: what a restart finds.
    async fn store(&self) -> Store {
        let url = format!("sqlite:{}", self.folder.path().join("test.db").display());
        rolekeeper_store::open(&url).await.unwrap()
    }

    /// A sweep that began at `at` and saw this a second later.
    async fn sweep(&self, store: &Store, at: Timestamp, reports: &[AccountReport]) {
        let id = SweepId::new(at, 7);
        let seen_at = at + SignedDuration::from_secs(1);
        let seen = |report: &AccountReport| AccountReport {
            observed_at: seen_at,
            ..report.clone()
        };
        let reports: Vec<AccountReport> = reports.iter().map(seen).collect();
        let sweep = SweepRecord {
            id: id.clone(),
            mode: Mode::Repair,
            trigger: Trigger::Schedule,
            requested_by: "schedule".to_owned(),
            started_at: at,
            finished_at: None,
            outcome: None,
            reason: None,
            widens: Vec::new(),
            summary: Summary::default(),
        };
        store.begin(&sweep).await.unwrap();
        store.mark_sweep(&id, REVISION).await.unwrap();
        store.record(&id, &reports).await.unwrap();
        let present: Vec<AccountId> = reports.iter().map(|report| report.account).collect();
        store.remember_census(&present, at).await.unwrap();
        store
            .finish(&id, SweepOutcome::Completed, None, at)
            .await
            .unwrap();
    }

    /// What a process does that has just begun.
    async fn round(&self, store: &Store, register: &Register, now: Timestamp) -> String {
        self.round_by(&self.client, store, register, now).await
    }

    async fn round_by(
        &self,
        post: &impl Post,
        store: &Store,
        register: &Register,
        now: Timestamp,
    ) -> String {
        scan_under(store, register, REVISION, now).await;
        let courier = Courier {
            store,
            post,
            register,
            ground: &ground(),
            now: &|| now,
            draw: &|| 1.0,
        };
        let cancel = CancellationToken::new();
        let delivered = deliver(&courier, &cancel).await.unwrap();
        let told: Vec<String> = delivered
            .iter()
            .map(|((action, outcome), count)| format!("{count} {} {outcome}", action.as_str()))
            .collect();
        told.join(", ")
    }

    async fn known(&self, store: &Store, number: u64) -> Registration {
        store
            .registrations_of(account(number))
            .await
            .unwrap()
            .remove(0)
    }
}

/// What a process reads that has just begun.
async fn scan_under(store: &Store, register: &Register, revision: &str, now: Timestamp) -> u64 {
    let look = Look {
        store,
        register,
        ground: &ground(),
        now,
    };
    scan(&look, revision, &mut Scanned::default())
        .await
        .unwrap()
}

fn ground() -> Ground {
    Ground {
        partition: rolekeeper_domain::arn::Partition::Aws,
        organization_id: "o-example".to_owned(),
    }
}

fn account(number: u64) -> AccountId {
    format!("{number:012}").parse().unwrap()
}

fn report(number: u64, outcome: Outcome, at: Timestamp) -> AccountReport {
    AccountReport {
        account: account(number),
        name: format!("account {number}"),
        ou_path: "prod".to_owned(),
        outcome,
        reason: None,
        failure: None,
        drifts: Vec::new(),
        steps: Vec::new(),
        mended: Vec::new(),
        observed_at: at,
        duration_ms: 12,
    }
}

fn right(number: u64) -> AccountReport {
    report(number, Outcome::InSync, after(2))
}

fn named(number: u64, name: &str) -> AccountReport {
    AccountReport {
        name: name.to_owned(),
        ..right(number)
    }
}

fn skipped(number: u64, reason: SkipReason) -> AccountReport {
    AccountReport {
        reason: Some(reason.as_str().to_owned()),
        ..report(number, Outcome::Skipped, after(2))
    }
}

fn retrusted(number: u64, at: Timestamp) -> AccountReport {
    AccountReport {
        drifts: vec![Drift {
            role: "CloudCoreoAssumedRolePolicy".parse().unwrap(),
            kind: DriftKind::TrustPolicy,
            subject: None,
            severity: Severity::High,
            explanation: "the vendor could not assume the role".to_owned(),
            before: None,
            after: None,
        }],
        ..report(number, Outcome::Repaired, at)
    }
}

#[tokio::test]
async fn an_account_is_registered_once_and_only_when_its_role_was_seen_right() {
    let stage = Stage::new().await;
    let (store, register) = (stage.store().await, stage.register());
    assert_eq!(stage.round(&store, &register, after(1)).await, "");
    let others = [Outcome::Drifted, Outcome::Failed, Outcome::Pending];
    let mut reports = vec![right(1), skipped(2, SkipReason::Suspended)];
    reports.extend(
        (3..)
            .zip(others)
            .map(|(n, outcome)| report(n, outcome, after(2))),
    );
    stage.sweep(&store, NOW, &reports).await;
    assert_eq!(
        stage.round(&store, &register, after(3)).await,
        "1 register done, 1 revalidate done"
    );
    stage.sweep(&store, after(60), &reports).await;
    assert_eq!(stage.round(&store, &register, after(62)).await, "");
    let asked = stage.vendor.asked();
    assert_eq!(
        stage.vendor.calls(),
        ["POST /cloudaccounts", "POST /cloudaccounts/1/re-validate"]
    );
    assert_eq!(
        asked[0].body(),
        json!({
            "name": "account 1", "arn": "arn:aws:iam::000000000001:role/CloudCoreoAssumedRolePolicy",
            "externalId": EXTERNAL_ID, "provider": "AWS", "scanEnabled": true, "isDraft": false,
        })
    );
    assert_eq!(
        asked[1].body()["account_id"],
        "000000000001",
        "a signature is worth nothing for another account"
    );
    for asked in &asked {
        assert_eq!(
            asked.token.as_deref(),
            Some("Bearer a-token-for-the-vendor")
        );
        let signed = signature(&SecretString::from(KEY), after(3), asked.text.as_bytes());
        assert_eq!(asked.signature.as_deref(), Some(signed.as_str()));
    }
    let known = stage.known(&store, 1).await;
    assert_eq!(
        (known.state(), known.vendor_id(), known.validated_at),
        (Standing::Registered, Some("1"), Some(after(3)))
    );
}

#[tokio::test]
async fn what_the_preset_can_say_it_says() {
    let stage = Stage::new().await;
    let extra = "[register.cloudcoreo]\nscan_enabled = false\nscan_region = \"us-east-1\"\nscan_interval = \"Daily\"\n\
         is_draft = true\nemail = \"cloud@example.com\"\nusername = \"cloud\"\nenvironment = \"production\"\ntags = [\"finance\"]";
    let (store, register) = (stage.store().await, stage.register_with("", extra));
    stage.sweep(&store, NOW, &[right(1)]).await;
    stage.round(&store, &register, after(3)).await;
    let body = stage.vendor.asked()[0].body();
    for (key, value) in [
        ("scanEnabled", json!(false)),
        ("scanRegion", json!("us-east-1")),
        ("scanInterval", json!("Daily")),
        ("isDraft", json!(true)),
        ("email", json!("cloud@example.com")),
        ("username", json!("cloud")),
        ("environment", json!("production")),
        ("tags", json!(["finance"])),
    ] {
        assert_eq!(body[key], value, "{key}");
    }
}

#[tokio::test]
async fn a_vendor_that_fails_and_recovers_is_told_under_the_same_key() {
    for mood in [
        Mood::Says(500),
        Mood::Says(503),
        Mood::Says(429),
        Mood::Cut,
        Mood::Garbled,
        Mood::Silent,
    ] {
        let stage = Stage::new().await;
        let mut register = stage.register_with("", "revalidate_url = \"\"");
        register.timeout = Duration::from_millis(200);
        let store = stage.store().await;
        stage.sweep(&store, NOW, &[right(1)]).await;
        stage.vendor.will(&[mood]);
        let told = stage.round(&store, &register, after(3)).await;
        assert_eq!(told, "1 register retried", "{mood:?}");
        let known = stage.known(&store, 1).await;
        assert_eq!(known.told, None, "{mood:?}");
        assert!(known.trouble.is_some(), "{mood:?}");
        assert_eq!(
            stage.round(&store, &register, after(7)).await,
            "",
            "too early"
        );
        // In between the program was started anew.
        store.close().await;
        let store = stage.store().await;
        let told = stage.round(&store, &register, after(8)).await;
        assert_eq!(told, "1 register done", "{mood:?}");
        let asked = stage.vendor.asked();
        assert_eq!((asked.len(), stage.vendor.accounts()), (2, 1), "{mood:?}");
        assert_eq!(asked[0].key, asked[1].key);
        assert_eq!(asked[0].text, asked[1].text);
        assert_eq!(stage.known(&store, 1).await.trouble, None);
    }
}

#[tokio::test]
async fn an_account_that_exists_already_is_registered() {
    let stage = Stage::new().await;
    let (store, register) = (stage.store().await, stage.register());
    stage.sweep(&store, NOW, &[right(1)]).await;
    stage.vendor.will(&[Mood::Says(409)]);
    // No id came with it, so that the vendor cannot be asked to look again.
    assert_eq!(
        stage.round(&store, &register, after(3)).await,
        "1 register done"
    );
    let known = stage.known(&store, 1).await;
    assert_eq!(
        (known.state(), known.vendor_id()),
        (Standing::Registered, None)
    );
    stage
        .sweep(&store, after(60), &[retrusted(1, after(62))])
        .await;
    assert_eq!(stage.round(&store, &register, after(63)).await, "");
}

#[tokio::test]
async fn a_vendor_that_lets_nobody_in_is_not_asked_again_with_the_same_settings() {
    for status in [401, 403] {
        let stage = Stage::new().await;
        let (store, register) = (stage.store().await, stage.register());
        stage
            .sweep(&store, NOW, &[right(1), right(2), right(3)])
            .await;
        stage.vendor.will(&[Mood::Says(status)]);
        assert_eq!(
            stage.round(&store, &register, after(3)).await,
            "1 register refused"
        );
        store.close().await;
        let store = stage.store().await;
        stage
            .sweep(&store, after(86_400), &[right(1), right(2), right(3)])
            .await;
        assert_eq!(stage.round(&store, &register, after(90_000)).await, "");
        assert_eq!(stage.vendor.asked().len(), 1, "{status}");
        let mut better = register.clone();
        better.token = Some(SecretString::from("another-token"));
        assert_eq!(
            stage.round(&store, &better, after(90_001)).await,
            "3 register done, 3 revalidate done"
        );
    }
}

#[tokio::test]
async fn an_account_that_is_refused_stops_no_other_and_is_tried_again_the_next_day() {
    let stage = Stage::new().await;
    let (store, register) = (stage.store().await, stage.register());
    stage.sweep(&store, NOW, &[right(1), right(2)]).await;
    stage.vendor.will(&[Mood::Says(422)]);
    assert_eq!(
        stage.round(&store, &register, after(3)).await,
        "1 register done, 1 register given_up, 1 revalidate done"
    );
    let known = stage.known(&store, 1).await;
    assert_eq!(known.state(), Standing::GivenUp);
    assert_eq!(known.trouble.unwrap().why, "the vendor answered 422");
    stage
        .sweep(&store, after(3_600), &[right(1), right(2)])
        .await;
    assert_eq!(stage.round(&store, &register, after(3_602)).await, "");
    stage
        .sweep(&store, after(90_000), &[right(1), right(2)])
        .await;
    assert_eq!(
        stage.round(&store, &register, after(90_002)).await,
        "1 register done, 1 revalidate done"
    );
}

#[tokio::test]
async fn a_vendor_that_is_not_there_is_tried_once_a_round_and_not_for_ever() {
    let stage = Stage::new().await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut register = stage.register();
    let url = format!("http://{}/", nobody.local_addr().unwrap());
    register.register.url = Text::parse(&url, Word::FIRST_URL).unwrap();
    drop(nobody);
    let store = stage.store().await;
    stage.sweep(&store, NOW, &[right(1), right(2)]).await;
    let mut tried = 0;
    for round in 0..50 {
        let now = after(10 + round * 3_700);
        match stage.round(&store, &register, now).await.as_str() {
            "1 register retried" | "1 register given_up" => tried += 1,
            "" => break,
            other => assert_eq!(other, "one attempt a round"),
        }
        if stage.known(&store, 2).await.state() == Standing::GivenUp {
            break;
        }
    }
    // Twenty attempts for each of the two.
    assert!((20..=40).contains(&tried), "{tried}");
    let known = stage.known(&store, 2).await;
    assert_eq!(known.state(), Standing::GivenUp);
    assert_eq!(known.trouble.unwrap().why, "the connection failed");
}

/// Makes the call; the process dies before it hears of the answer.
struct DiesBeforeHearing<'a>(&'a Client);

impl Post for DiesBeforeHearing<'_> {
    async fn post(
        &self,
        request: http::Request<Full<bytes::Bytes>>,
        timeout: Duration,
    ) -> Result<Answer, CallError> {
        Post::post(self.0, request, timeout).await.unwrap();
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_process_that_dies_after_the_call_makes_it_again_under_the_same_key() {
    let stage = Stage::new().await;
    let (store, register) = (stage.store().await, stage.register());
    stage.sweep(&store, NOW, &[right(1)]).await;
    {
        let post = DiesBeforeHearing(&stage.client);
        let dying = stage.round_by(&post, &store, &register, after(3));
        let mut dying = std::pin::pin!(dying);
        // Killed as soon as the vendor has heard it.
        while stage.vendor.accounts() == 0 {
            tokio::select! {
                biased;
                _ = &mut dying => {}
                () = tokio::task::yield_now() => {}
            }
        }
    }
    store.close().await;
    let store = stage.store().await;
    assert_eq!(
        stage.round(&store, &register, after(4)).await,
        "",
        "nobody knows yet that it is dead"
    );
    assert_eq!(
        stage.round(&store, &register, after(60)).await,
        "1 register done, 1 revalidate done"
    );
    let asked = stage.vendor.asked();
    assert_eq!(stage.vendor.accounts(), 1);
    assert_eq!(
        (&asked[0].key, &asked[0].text),
        (&asked[1].key, &asked[1].text)
    );
}

#[tokio::test]
async fn two_processes_at_one_store_make_each_call_once() {
    let stage = Stage::new().await;
    let register = stage.register_with("", "revalidate_url = \"\"");
    let (one, two) = (stage.store().await, stage.store().await);
    let reports: Vec<AccountReport> = (1..=60).map(right).collect();
    stage.sweep(&one, NOW, &reports).await;
    tokio::join!(
        stage.round(&one, &register, after(3)),
        stage.round(&two, &register, after(3))
    );
    let mut bodies: Vec<String> = stage.vendor.asked().into_iter().map(|it| it.text).collect();
    assert_eq!(bodies.len(), 60);
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 60);
}

#[tokio::test]
async fn a_change_of_name_or_external_id_is_told_under_another_key() {
    let stage = Stage::new().await;
    let store = stage.store().await;
    let register = stage.register_with("", "revalidate_url = \"\"");
    stage.sweep(&store, NOW, &[right(1)]).await;
    stage.round(&store, &register, after(3)).await;
    stage.sweep(&store, after(60), &[named(1, "renamed")]).await;
    assert_eq!(
        stage.round(&store, &register, after(62)).await,
        "1 register done"
    );
    let mut rotated = register.clone();
    rotated.external_id = Some(SecretString::from("agreed-anew"));
    stage.sweep(&store, after(70), &[named(1, "renamed")]).await;
    assert_eq!(
        stage.round(&store, &rotated, after(72)).await,
        "1 register done"
    );
    assert_eq!(stage.round(&store, &rotated, after(73)).await, "");
    let asked = stage.vendor.asked();
    assert_eq!(asked[1].body()["name"], "renamed");
    assert_eq!(asked[2].body()["externalId"], "agreed-anew");
    let mut keys: Vec<&str> = asked.iter().map(|asked| asked.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 3);
}

#[tokio::test]
async fn while_an_external_id_is_on_its_way_the_vendor_is_told_the_next_one_and_once() {
    let stage = Stage::new().await;
    let store = stage.store().await;
    let before = stage.register_with("", "revalidate_url = \"\"");
    stage.sweep(&store, NOW, &[right(1)]).await;
    stage.round(&store, &before, after(3)).await;
    // Both are accepted there by now: the account was found right under both.
    let next = "next_external_id = \"agreed-anew\"";
    let both = stage.register_with(next, "revalidate_url = \"\"");
    stage.sweep(&store, after(60), &[right(1)]).await;
    assert_eq!(
        stage.round(&store, &both, after(62)).await,
        "1 register done"
    );
    let only = format!("{next}\nexternal_id_rotation = \"next_only\"");
    let only = stage.register_with(&only, "revalidate_url = \"\"");
    stage.sweep(&store, after(70), &[right(1)]).await;
    assert_eq!(stage.round(&store, &only, after(72)).await, "");
    let asked = stage.vendor.asked();
    let told: Vec<_> = asked
        .iter()
        .map(|asked| asked.body()["externalId"].clone())
        .collect();
    assert_eq!(told, [EXTERNAL_ID, "agreed-anew"]);
}

#[tokio::test]
async fn what_was_verified_under_another_specification_does_not_count() {
    let stage = Stage::new().await;
    let (store, register) = (stage.store().await, stage.register());
    stage.sweep(&store, NOW, &[right(1)]).await;
    let now = after(90);
    assert_eq!(scan_under(&store, &register, "r2", now).await, 0);
    assert_eq!(scan_under(&store, &register, REVISION, now).await, 1);
}

#[tokio::test]
async fn a_task_that_would_say_something_else_than_was_decided_is_dropped() {
    let stage = Stage::new().await;
    let (store, register) = (stage.store().await, stage.register());
    stage.sweep(&store, NOW, &[right(1)]).await;
    scan_under(&store, &register, REVISION, after(3)).await;
    let mut rotated = register.clone();
    rotated.external_id = Some(SecretString::from("agreed-anew"));
    let courier = Courier {
        store: &store,
        post: &stage.client,
        register: &rotated,
        ground: &ground(),
        now: &|| after(4),
        draw: &|| 1.0,
    };
    deliver(&courier, &CancellationToken::new()).await.unwrap();
    assert_eq!(stage.vendor.calls(), [""; 0]);
    assert_eq!(stage.known(&store, 1).await.task, None);
}

#[tokio::test]
async fn nobody_is_told_anything_while_writes_are_halted() {
    let stage = Stage::new().await;
    let (store, register) = (stage.store().await, stage.register());
    stage.sweep(&store, NOW, &[right(1)]).await;
    let halt = Halt {
        why: "drill".to_owned(),
        by: "ops".to_owned(),
        at: NOW,
    };
    store.halt(&halt).await.unwrap();
    assert_eq!(stage.round(&store, &register, after(3)).await, "");
    assert_eq!(stage.known(&store, 1).await.state(), Standing::Waiting);
    store.resume("ops", after(4)).await.unwrap();
    assert_eq!(
        stage.round(&store, &register, after(5)).await,
        "1 register done, 1 revalidate done"
    );
}

#[tokio::test]
async fn a_repair_of_what_the_vendor_relies_on_makes_it_look_again() {
    let stage = Stage::new().await;
    let (store, register) = (stage.store().await, stage.register());
    stage.sweep(&store, NOW, &[right(1)]).await;
    stage.round(&store, &register, after(3)).await;
    for repair in [60, 120] {
        let reports = [retrusted(1, after(repair + 1))];
        stage.sweep(&store, after(repair), &reports).await;
        let told = stage.round(&store, &register, after(repair + 2)).await;
        assert_eq!(told, "1 revalidate done");
        assert_eq!(stage.round(&store, &register, after(repair + 3)).await, "");
    }
    let asked = stage.vendor.asked();
    assert_eq!(asked.len(), 4);
    assert_ne!(asked[2].key, asked[3].key, "two looks are two calls");
}

#[tokio::test]
async fn an_account_that_leaves_is_withdrawn_where_that_is_wanted() {
    let stage = Stage::new().await;
    let (store, register) = (stage.store().await, stage.withdrawing());
    let all = [right(1), right(2), right(3), right(4)];
    stage.sweep(&store, NOW, &all).await;
    stage.round(&store, &register, after(3)).await;
    // One is closed, one is gone, one is no longer selected.
    let reports = [
        skipped(1, SkipReason::Closed),
        skipped(3, SkipReason::Excluded),
        right(4),
    ];
    stage.sweep(&store, after(60), &reports).await;
    assert_eq!(
        stage.round(&store, &stage.register(), after(62)).await,
        "",
        "off by default"
    );
    assert_eq!(
        stage.round(&store, &register, after(63)).await,
        "2 withdraw done"
    );
    let mut calls = stage.vendor.calls().split_off(8);
    calls.sort();
    assert_eq!(
        calls,
        ["DELETE /cloudaccounts/1", "DELETE /cloudaccounts/2"]
    );
    assert_eq!(stage.known(&store, 3).await.state(), Standing::Registered);
    assert_eq!(stage.known(&store, 1).await.withdrawn_at, Some(after(63)));
    // It comes back: that is another registration, under another key.
    stage.sweep(&store, after(120), &all).await;
    assert_eq!(
        stage.round(&store, &register, after(122)).await,
        "2 register done, 2 revalidate done"
    );
    let mut keys: Vec<String> = stage.vendor.asked().into_iter().map(|it| it.key).collect();
    let all = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), all);
    let absent = stage.register_with(
        "ensure = \"absent\"",
        &format!("withdraw_url = \"{}/${{vendor_id}}\"", stage.url),
    );
    stage.sweep(&store, after(180), &[right(4)]).await;
    stage.vendor.will(&[Mood::Says(404)]);
    assert_eq!(
        stage.round(&store, &absent, after(182)).await,
        "4 withdraw done",
        "the role is gone from one, and the others are gone; what the vendor does not know it need not forget"
    );
}

#[tokio::test]
async fn a_sweep_that_is_read_again_after_a_restart_registers_nobody_who_was_withdrawn() {
    let stage = Stage::new().await;
    let (store, register) = (stage.store().await, stage.withdrawing());
    stage.sweep(&store, NOW, &[right(1), right(2)]).await;
    stage.round(&store, &register, after(3)).await;
    // A one-off repair with another configuration takes the role away; this one never reads that sweep.
    let mut records = vec![stage.known(&store, 1).await];
    records[0].told = None;
    records[0].withdrawn_at = Some(after(60));
    assert_eq!(store.save_registrations(&records).await.unwrap(), 1);
    store.close().await;
    let store = stage.store().await;
    assert_eq!(stage.round(&store, &register, after(62)).await, "");
    assert_eq!(stage.known(&store, 1).await.state(), Standing::Unregistered);
    // Selected no more before it was ever told about: it is not told about.
    stage.sweep(&store, after(70), &[right(2), right(3)]).await;
    let seen = [right(2), skipped(3, SkipReason::Excluded)];
    stage.sweep(&store, after(80), &seen).await;
    assert_eq!(stage.round(&store, &register, after(82)).await, "");
}

#[tokio::test]
async fn hostile_names_reach_the_vendor_as_names() {
    let stage = Stage::new().await;
    let (store, register) = (stage.store().await, stage.register());
    let names = [
        r#"","admin":true,"x":""#,
        "${external_id}",
        "\u{1b}[31m\r\nX-Admin: 1",
        "</script>\u{202e}",
    ];
    let reports: Vec<AccountReport> = (1..).zip(names).map(|(n, name)| named(n, name)).collect();
    stage.sweep(&store, NOW, &reports).await;
    stage.round(&store, &register, after(3)).await;
    let sent: Vec<Value> = stage
        .vendor
        .asked()
        .iter()
        .filter(|asked| asked.call == "POST /cloudaccounts")
        .map(Asked::body)
        .collect();
    for (body, name) in sent.iter().zip(names) {
        assert_eq!(body["name"], name);
        assert_eq!(body.as_object().unwrap().len(), 6);
    }
    assert_eq!(sent.len(), names.len());
}

#[tokio::test]
async fn nothing_secret_is_kept_or_shown() {
    let stage = Stage::new().await;
    let (store, register) = (stage.store().await, stage.register());
    stage.sweep(&store, NOW, &[right(1), right(2)]).await;
    stage
        .vendor
        .will(&[Mood::Garbled, Mood::Says(500), Mood::Says(401)]);
    for seconds in [3, 10, 30] {
        stage.round(&store, &register, after(seconds)).await;
    }
    let shown = format!("{register:?}{:?}", stage.known(&store, 1).await);
    store.close().await;
    let kept = std::fs::read(stage.folder.path().join("test.db")).unwrap();
    for secret in [EXTERNAL_ID, TOKEN, KEY] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
        let found = kept
            .windows(secret.len())
            .any(|part| part == secret.as_bytes());
        assert!(!found, "{secret} in the store");
    }
}

#[test]
fn an_id_that_could_not_stand_in_a_path_is_none() {
    let id = |answer: &str| request::vendor_id(answer.as_bytes(), "/data/id");
    assert_eq!(
        id(r#"{"data":{"id":"5f-A_9.1"}}"#).as_deref(),
        Some("5f-A_9.1")
    );
    assert_eq!(id(r#"{"data":{"id":42}}"#).as_deref(), Some("42"));
    for answer in [
        "",
        "[]",
        r#"{"id":"1"}"#,
        r#"{"data":{"id":null}}"#,
        r#"{"data":{"id":""}}"#,
        r#"{"data":{"id":".."}}"#,
        r#"{"data":{"id":"a/b"}}"#,
        r#"{"data":{"id":"a\nb"}}"#,
    ] {
        assert_eq!(id(answer), None, "{answer}");
    }
    let long = format!(r#"{{"data":{{"id":"{}"}}}}"#, "a".repeat(129));
    assert_eq!(id(&long), None);
}

#[test]
fn the_key_is_made_of_account_role_and_what_is_said() {
    use rolekeeper_domain::registration::Task;
    let known = Registration::new(account(1), "Vendor".parse().unwrap());
    let task = Task {
        action: Action::Register,
        digest: "a".to_owned(),
        wanted_at: NOW,
        attempts: 0,
        due_at: Some(NOW),
    };
    let key = |known: &Registration, task: &Task| request::key(known, task);
    let first = key(&known, &task);
    let tried = Task {
        attempts: 3,
        wanted_at: after(9),
        due_at: Some(after(99)),
        ..task.clone()
    };
    assert_eq!(key(&known, &tried), first);
    let others = [
        (
            Registration {
                account: account(2),
                ..known.clone()
            },
            task.clone(),
        ),
        (
            Registration {
                role: "Other".parse().unwrap(),
                ..known.clone()
            },
            task.clone(),
        ),
        (
            known.clone(),
            Task {
                digest: "b".to_owned(),
                ..task.clone()
            },
        ),
        (
            known,
            Task {
                action: Action::Withdraw,
                ..task
            },
        ),
    ];
    for (known, task) in others {
        assert_ne!(key(&known, &task), first);
    }
}
