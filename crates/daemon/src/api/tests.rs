//! The API over a real store: answers, errors, paging, the document.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

use std::time::Duration;

use axum::body::Body;
use axum::http::Request as HttpRequest;
use expect_test::{Expect, expect};
use http_body_util::BodyExt;
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::drift::{Drift, DriftKind, Severity};
use rolekeeper_domain::outcome::{
    AccountReport, Mode, Outcome, StepReport, StepResult, Summary, SweepId, SweepOutcome,
    SweepRecord, Trigger,
};
use rolekeeper_engine::event::{Event, EventSink};
use rolekeeper_engine::port::store::{Control, Lease, Memory, Sweeps};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;

const NOW: Timestamp = Timestamp::constant(1_760_000_000, 0);

struct Served {
    state: ApiState,
    _folder: tempfile::TempDir,
}

async fn served(token: Option<&str>) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("test.db").display());
    let state = ApiState {
        store: Arc::new(rolekeeper_store::open(&url).await.unwrap()),
        metrics: Arc::new(Metrics::new(vec!["Auditor".parse().unwrap()]).unwrap()),
        live: Arc::new(Live::new(NOW)),
        readiness: Arc::new(Readiness::default()),
        token: token.map(SecretString::from),
        reach: Reach::of::<rolekeeper_aws::Sessions>(),
        now: || NOW,
        account_series: false,
        stopping: CancellationToken::new(),
    };
    Served {
        state,
        _folder: folder,
    }
}

fn report(n: u64, name: &str, outcome: Outcome) -> AccountReport {
    let drifts = if outcome == Outcome::Drifted {
        vec![Drift {
            role: "Auditor".parse().unwrap(),
            kind: DriftKind::TrustPolicy,
            subject: None,
            severity: Severity::Critical,
            explanation: "anyone may assume the role".to_owned(),
            before: Some("{}".to_owned()),
            after: Some("{}".to_owned()),
        }]
    } else {
        Vec::new()
    };
    AccountReport {
        account: format!("{n:012}").parse().unwrap(),
        name: name.to_owned(),
        ou_path: if n.is_multiple_of(2) {
            "prod/web".to_owned()
        } else {
            "dev".to_owned()
        },
        outcome,
        reason: None,
        failure: None,
        drifts,
        steps: Vec::new(),
        mended: Vec::new(),
        observed_at: NOW,
        duration_ms: 12,
    }
}

fn record(id: &SweepId) -> SweepRecord {
    SweepRecord {
        id: id.clone(),
        mode: Mode::Audit,
        trigger: Trigger::CommandLine,
        requested_by: "test".to_owned(),
        started_at: NOW,
        finished_at: None,
        outcome: None,
        reason: None,
        summary: Summary::default(),
        widens: Vec::new(),
    }
}

impl Served {
    async fn with_accounts(self, count: u64) -> Self {
        let id = SweepId::new(NOW, 7);
        self.state.store.begin(&record(&id)).await.unwrap();
        let reports: Vec<_> = (1..=count)
            .map(|n| {
                let outcome = if n % 5 == 0 {
                    Outcome::Drifted
                } else {
                    Outcome::InSync
                };
                report(n, &format!("name-{:03}", count - n), outcome)
            })
            .collect();
        self.state.store.record(&id, &reports).await.unwrap();
        let present: Vec<_> = reports.iter().map(|report| report.account).collect();
        self.state
            .store
            .remember_census(&present, NOW)
            .await
            .unwrap();
        self.state
            .store
            .finish(&id, SweepOutcome::Completed, None, NOW)
            .await
            .unwrap();
        self
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&str>,
    ) -> (u16, String) {
        let mut request = HttpRequest::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let request = request
            .body(Body::from(body.unwrap_or_default().to_owned()))
            .unwrap();
        let answer = router(self.state.clone()).oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.ask(Method::GET, path, None, None).await;
        (status, serde_json::from_str(&body).unwrap())
    }
}

#[track_caller]
fn check(answer: &(u16, Value), expected: Expect) {
    expected.assert_eq(&format!("{} {}", answer.0, answer.1));
}

#[tokio::test]
async fn an_empty_store_is_a_state_of_its_own() {
    let served = served(None).await;
    let (status, summary) = served.get("/api/v1/summary").await;
    assert_eq!(status, 200);
    assert_eq!(summary["sentence"], "No account has been looked at yet.");
    assert_eq!(summary["last_sweep"], Value::Null);
    let (status, page) = served.get("/api/v1/accounts").await;
    assert_eq!((status, page["items"].as_array().unwrap().len()), (200, 0));
}

#[tokio::test]
async fn the_summary_counts_the_fleet_and_its_units() {
    let served = served(None).await.with_accounts(20).await;
    let (_, summary) = served.get("/api/v1/summary").await;
    assert_eq!(summary["accounts"]["drifted"], 4);
    assert_eq!(summary["findings"][0]["severity"], "critical");
    assert_eq!(summary["findings"][0]["since"], NOW.to_string());
    assert_eq!(summary["units"].as_array().unwrap().len(), 2);
    assert_eq!(
        summary["sentence"],
        "4 of 20 accounts have drift (4 critical: someone can do more than agreed)."
    );
}

#[tokio::test]
async fn pages_neither_repeat_nor_leave_out_an_account_while_data_changes() {
    let served = served(None).await.with_accounts(50).await;
    for sort in ["id", "-id", "worst", "-worst", "name", "ou", "-observed"] {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let (status, page) = served
                .get(&format!("/api/v1/accounts?limit=7&sort={sort}{cursor}"))
                .await;
            assert_eq!(status, 200, "{page}");
            for item in page["items"].as_array().unwrap() {
                seen.push(item["account_id"].as_str().unwrap().to_owned());
            }
            // A newer sweep finds one account changed in everything that can be sorted by.
            let newer = SweepId::new(NOW, 900 + u32::try_from(seen.len()).unwrap());
            served.state.store.begin(&record(&newer)).await.unwrap();
            let round = seen.len() / 7;
            let outcome = [Outcome::InSync, Outcome::Drifted][round % 2];
            let mut moving = report(1, &format!("name-{:03}", round * 13 % 50), outcome);
            moving.ou_path = ["prod/web", "alpha", "zeta"][round % 3].to_owned();
            moving.observed_at = NOW + jiff::SignedDuration::from_secs(60 - 17 * round as i64);
            served.state.store.record(&newer, &[moving]).await.unwrap();
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        seen.retain(|account| account != "000000000001");
        seen.sort();
        let others: Vec<String> = (2..=50).map(|number| format!("{number:012}")).collect();
        assert_eq!(seen, others, "sorted by {sort}");
    }
}

#[tokio::test]
async fn filters_narrow() {
    let served = served(None).await.with_accounts(20).await;
    let count = async |query: &str| {
        served.get(&format!("/api/v1/accounts?{query}")).await.1["items"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(count("outcome=drifted").await, 4);
    assert_eq!(count("ou=prod").await, 10);
    assert_eq!(count("ou=prod/web").await, 10);
    assert_eq!(count("ou=pro").await, 0);
    assert_eq!(count("q=NAME-01").await, 10);
    assert_eq!(count("q=000000000020").await, 1);
    assert_eq!(count("q=%25").await, 0);
}

#[tokio::test]
async fn an_account_says_what_the_vendor_was_told() {
    use rolekeeper_domain::registration::{Registration, Told, Trouble};
    use rolekeeper_engine::port::registration::Registrations as _;
    let served = served(None).await.with_accounts(1).await;
    let (_, account) = served.get("/api/v1/accounts/000000000001").await;
    assert_eq!(account["registrations"], json!([]));
    let registration = Registration {
        told: Some(Told {
            digest: "never shown".to_owned(),
            vendor_id: Some("42".to_owned()),
            at: NOW,
        }),
        trouble: Some(Trouble {
            at: NOW,
            why: "the vendor answered 503".to_owned(),
        }),
        ..Registration::new("000000000001".parse().unwrap(), "Vendor".parse().unwrap())
    };
    let registrations = [registration];
    let saved = served.state.store.save_registrations(&registrations);
    assert_eq!(saved.await.unwrap(), 1);
    let (_, account) = served.get("/api/v1/accounts/000000000001").await;
    let now = NOW.to_string();
    assert_eq!(
        account["registrations"],
        json!([{
            "role": "Vendor", "state": "registered", "registered_at": now, "vendor_id": "42",
            "revalidated_at": null, "withdrawn_at": null, "waiting_for": null,
            "failed_at": now, "failure": "the vendor answered 503",
        }])
    );
}

#[tokio::test]
async fn one_account_has_its_findings_and_its_history() {
    let served = served(None).await.with_accounts(5).await;
    let (status, account) = served.get("/api/v1/accounts/000000000005").await;
    assert_eq!(status, 200);
    assert_eq!(
        account["drift"][0]["explanation"],
        "anyone may assume the role"
    );
    assert_eq!(account["findings"][0]["first_seen"], NOW.to_string());
    let (status, history) = served.get("/api/v1/accounts/000000000005/history").await;
    assert_eq!(
        (status, history["items"].as_array().unwrap().len()),
        (200, 0)
    );
}

#[tokio::test]
async fn mistakes_are_explained() {
    let served = served(None).await;
    check(
        &served.get("/api/v1/accounts/12345").await,
        expect![[
            r#"400 {"type":"about:blank","title":"Bad Request","status":400,"detail":"`12345` is not an AWS account id: twelve digits are wanted"}"#
        ]],
    );
    check(
        &served.get("/api/v1/accounts?outcome=broken").await,
        expect![[
            r#"400 {"type":"about:blank","title":"Bad Request","status":400,"detail":"outcome is `broken`: one of in_sync, drifted, repaired, failed, skipped, pending is allowed"}"#
        ]],
    );
    check(
        &served.get("/api/v1/accounts?limit=0").await,
        expect![[
            r#"400 {"type":"about:blank","title":"Bad Request","status":400,"detail":"limit is 0: 1 to 1000 is allowed"}"#
        ]],
    );
    check(
        &served.get("/api/v1/sweeps/nope").await,
        expect![[
            r#"404 {"type":"about:blank","title":"Not Found","status":404,"detail":"there is no sweep nope"}"#
        ]],
    );
    check(
        &served.get("/api/v2/anything").await,
        expect![[
            r#"404 {"type":"about:blank","title":"Not Found","status":404,"detail":"there is nothing at /api/v2/anything"}"#
        ]],
    );
}

#[tokio::test]
async fn a_body_without_end_is_refused_before_it_is_read() {
    let served = served(Some("s3cret")).await;
    let long = format!(r#"{{"why":"{}"}}"#, "x".repeat(BODY_BYTES_MAX));
    let (status, body) = served
        .ask(Method::POST, "/api/v1/halt", Some("s3cret"), Some(&long))
        .await;
    let problem: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, problem["status"].as_u64()), (413, Some(413)));
    assert_eq!(served.state.store.halted().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_a_problem_too() {
    let router: Router = Router::new()
        .route("/", get(std::future::pending::<()>))
        .layer(middleware::from_fn(in_time));
    let request = HttpRequest::builder().body(Body::empty()).unwrap();
    let answer = router.oneshot(request).await.unwrap();
    assert_eq!(answer.status().as_u16(), 503);
    assert_eq!(
        answer.headers()["content-type"].to_str().unwrap(),
        "application/problem+json"
    );
}

#[tokio::test]
async fn nothing_can_be_changed_without_a_token() {
    let served = served(None).await;
    let (status, _) = served
        .ask(
            Method::POST,
            "/api/v1/halt",
            None,
            Some(r#"{"why":"drill"}"#),
        )
        .await;
    assert_eq!(status, 403);
    assert_eq!(served.state.store.halted().await.unwrap(), None);
}

#[tokio::test]
async fn halt_and_resume_reach_the_store() {
    let served = served(Some("s3cret")).await;
    let first = served.state.live.next_id();
    let told = || -> Vec<&'static str> {
        let events = served.state.live.since(first).unwrap();
        events.iter().map(|event| event.kind).collect()
    };
    let halt = Some(r#"{"why":"drill"}"#);
    assert_eq!(
        served.ask(Method::POST, "/api/v1/halt", None, halt).await.0,
        401
    );
    assert_eq!(
        served
            .ask(Method::POST, "/api/v1/halt", Some("s3cret"), halt)
            .await
            .0,
        200
    );
    assert_eq!(
        served.state.store.halted().await.unwrap().unwrap().why,
        "drill"
    );
    let empty = Some(r#"{"why":"  "}"#);
    assert_eq!(
        served
            .ask(Method::POST, "/api/v1/halt", Some("s3cret"), empty)
            .await
            .0,
        400
    );
    assert_eq!(
        served
            .ask(Method::POST, "/api/v1/resume", Some("s3cret"), None)
            .await
            .0,
        200
    );
    // Every open page hears of it.
    assert_eq!(told(), ["halted", "resumed"]);
    assert_eq!(served.state.store.halted().await.unwrap(), None);
}

#[tokio::test]
async fn a_sweep_is_asked_for_through_the_store() {
    let served = served(Some("s3cret")).await;
    let body = Some(r#"{"mode":"repair","accounts":["000000000002","000000000001"]}"#);
    let (status, _) = served
        .ask(Method::POST, "/api/v1/sweeps", Some("s3cret"), body)
        .await;
    assert_eq!(status, 202);
    let request = served
        .state
        .store
        .next_request(None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (request.mode, request.accounts.unwrap().len()),
        (Mode::Repair, 2)
    );
    served.state.store.forget_request(request.id).await.unwrap();
    for wrong in [r#"{"mode":"destroy"}"#, r#"{"mode":"audit","accounts":[]}"#] {
        let (status, _) = served
            .ask(Method::POST, "/api/v1/sweeps", Some("s3cret"), Some(wrong))
            .await;
        assert_eq!(status, 400, "{wrong}");
    }
    let typo = Some(r#"{"mode":"audit","acounts":["000000000001"]}"#);
    assert_eq!(
        served
            .ask(Method::POST, "/api/v1/sweeps", Some("s3cret"), typo)
            .await
            .0,
        422
    );
    assert_eq!(served.state.store.next_request(None).await.unwrap(), None);
}

#[tokio::test]
async fn a_repair_that_would_not_be_begun_is_refused_at_once_and_says_what_to_do() {
    let mut served = served(Some("s3cret")).await;
    let ask = async |served: &Served, mode: &str| {
        let body = format!(r#"{{"mode":"{mode}"}}"#);
        let (status, body) = served
            .ask(Method::POST, "/api/v1/sweeps", Some("s3cret"), Some(&body))
            .await;
        (status, serde_json::from_str(&body).unwrap())
    };
    let summary = async |served: &Served| {
        let (_, body) = served
            .ask(Method::GET, "/api/v1/summary", Some("s3cret"), None)
            .await;
        serde_json::from_str::<Value>(&body).unwrap()
    };
    assert_eq!(summary(&served).await["no_repair"], Value::Null);
    let halt = Some(r#"{"why":"drill"}"#);
    served
        .ask(Method::POST, "/api/v1/halt", Some("s3cret"), halt)
        .await;
    check(
        &ask(&served, "repair").await,
        expect![[
            r#"409 {"type":"about:blank","title":"Conflict","status":409,"detail":"writes are halted by api: drill: `rolekeeper resume` lifts the halt"}"#
        ]],
    );
    assert_eq!(ask(&served, "audit").await.0, 202, "looking goes on");
    served
        .ask(Method::POST, "/api/v1/resume", Some("s3cret"), None)
        .await;

    served.state.reach = Reach::of::<rolekeeper_aws::AuditOnly>();
    let refused = ask(&served, "repair").await;
    check(
        &refused,
        expect![[
            r#"409 {"type":"about:blank","title":"Conflict","status":409,"detail":"this process was started to audit only and has no way to write: set schedule.repair_on_request = true, or schedule.mode = \"repair\", and start it again; or repair from a command line: `rolekeeper apply`"}"#
        ]],
    );
    assert_eq!(
        summary(&served).await["no_repair"],
        refused.1["detail"],
        "the page says the same before anybody asks"
    );
    assert_eq!(ask(&served, "audit").await.0, 202);
    let taken = served
        .state
        .store
        .next_request(None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(taken.mode, Mode::Audit);
}

#[tokio::test]
async fn approval_is_for_sweeps_that_wait() {
    let served = served(Some("s3cret")).await.with_accounts(5).await;
    let id = SweepId::new(NOW, 7);
    let path = format!("/api/v1/sweeps/{id}/approve");
    assert_eq!(
        served
            .ask(Method::POST, &path, Some("s3cret"), None)
            .await
            .0,
        409
    );
    let id = SweepId::new(NOW, 8);
    served.state.store.begin(&record(&id)).await.unwrap();
    served
        .state
        .store
        .await_approval(&id, 3, &[], NOW)
        .await
        .unwrap();
    let path = format!("/api/v1/sweeps/{id}/approve");
    // Whoever asked has died since.
    let (status, told) = served.ask(Method::POST, &path, Some("s3cret"), None).await;
    assert_eq!(status, 409);
    assert!(told.contains("no process holds the lease"), "{told}");
    assert!(!served.state.store.approved(&id).await.unwrap());
    let lease = served
        .state
        .store
        .acquire("the one that waits", Duration::from_secs(60), NOW);
    assert!(lease.await.unwrap().is_some());
    assert_eq!(
        served
            .ask(Method::POST, &path, Some("s3cret"), None)
            .await
            .0,
        200
    );
    assert!(served.state.store.approved(&id).await.unwrap());
}

#[tokio::test]
async fn every_report_format_is_served() {
    let served = served(None).await.with_accounts(5).await;
    let id = SweepId::new(NOW, 7);
    for format in ["json", "csv", "markdown", "html", "ocsf"] {
        let path = format!("/api/v1/sweeps/{id}/report?format={format}");
        let (status, body) = served.ask(Method::GET, &path, None, None).await;
        assert_eq!(status, 200, "{format}");
        assert!(
            body.contains("anyone may assume the role"),
            "{format}: {body}"
        );
    }
    let path = format!("/api/v1/sweeps/{id}/report?format=pdf");
    assert_eq!(served.ask(Method::GET, &path, None, None).await.0, 400);
}

#[tokio::test]
async fn what_changed_since_the_sweep_before_is_served_in_each_form() {
    let served = served(None).await.with_accounts(10).await;
    let (first, second) = (SweepId::new(NOW, 7), SweepId::new(NOW, 8));
    let path = format!("/api/v1/sweeps/{first}/changes");
    assert_eq!(
        served.ask(Method::GET, &path, None, None).await.0,
        404,
        "there is none before the first"
    );

    served.state.store.begin(&record(&second)).await.unwrap();
    let hostile = "=1+1 <script>alert(1)</script> | @here";
    let mut reports: Vec<_> = (1..=10)
        .map(|n| report(n, hostile, Outcome::InSync))
        .collect();
    reports[0] = report(1, hostile, Outcome::Drifted);
    reports[9] = report(10, hostile, Outcome::Drifted);
    reports[2].steps.push(StepReport {
        operation: Operation::UpdateAssumeRolePolicy,
        resource: "role/Auditor".to_owned(),
        result: StepResult::Done,
        reason: None,
    });
    served.state.store.record(&second, &reports).await.unwrap();
    served
        .state
        .store
        .finish(&second, SweepOutcome::Completed, None, NOW)
        .await
        .unwrap();

    let path = format!("/api/v1/sweeps/{second}/changes");
    let (status, changes) = served.get(&path).await;
    assert_eq!(status, 200);
    assert_eq!(changes["since"]["id"], first.as_str());
    assert_eq!(
        changes["counts"],
        serde_json::json!({"new": 1, "worse": 0, "gone": 1, "as_before": 1, "steps": 1})
    );
    assert_eq!(changes["new"][0]["account_id"], "000000000001");
    let schema: Value =
        serde_json::from_str(include_str!("../../schema/changes.v1.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let problems: Vec<String> = validator
        .iter_errors(&changes)
        .map(|problem| format!("{}: {problem}", problem.instance_path()))
        .collect();
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(changes["gone"][0]["account_id"], "000000000005");
    let form = async |format: &str| {
        served
            .ask(
                Method::GET,
                &format!("{path}?since={first}&format={format}"),
                None,
                None,
            )
            .await
    };
    let (status, csv) = form("csv").await;
    assert!(
        status == 200 && csv.contains("new,000000000001,'=1+1 <script>"),
        "{csv}"
    );
    let (status, markdown) = form("markdown").await;
    assert!(
        status == 200 && markdown.contains("| 000000000001 | =1+1 &lt;script&gt;"),
        "{markdown}"
    );
    assert!(markdown.contains(r"\| &#64;here"), "{markdown}");
    let (status, html) = form("html").await;
    assert!(
        status == 200 && html.contains("&lt;script&gt;") && !html.contains("<script"),
        "{html}"
    );
    let (status, events) = form("ocsf").await;
    let events: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event["type_name"].as_str().unwrap(),
                event["cloud"]["account"]["uid"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(status, 200);
    assert_eq!(
        told,
        [
            ("Compliance Finding: Create", "000000000001"),
            ("Entity Management: Update", "000000000003"),
            ("Compliance Finding: Close", "000000000005"),
        ]
    );
    assert_eq!(form("pdf").await.0, 400);
    let (_, one) = served.get(&format!("/api/v1/sweeps/{second}")).await;
    assert_eq!(one["compared_with"], first.as_str());
    assert_eq!(
        served
            .ask(Method::GET, &format!("{path}?since=nope"), None, None)
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn events_begin_where_the_browser_left_off() {
    let served = served(None).await;
    let from = served.state.live.next_id();
    for _ in 0..3 {
        served.state.live.emit(&Event::Halted {
            sweep: None,
            why: "drill".to_owned(),
        });
    }
    let request = HttpRequest::builder()
        .uri("/api/v1/events")
        .header("host", "localhost")
        .header("last-event-id", from.to_string())
        .body(Body::empty())
        .unwrap();
    let mut body = router(served.state.clone())
        .oneshot(request)
        .await
        .unwrap()
        .into_body();
    let mut text = String::new();
    for _ in 0..2 {
        let frame = body.frame().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    assert!(text.contains(&format!("id: {}", from + 1)), "{text}");
    assert!(text.contains(&format!("id: {}", from + 2)), "{text}");
    assert!(!text.contains(&format!("id: {from}\n")), "{text}");
}

#[tokio::test]
async fn a_stream_of_events_does_not_hold_up_the_end_of_the_process() {
    let served = served(None).await;
    let request = HttpRequest::builder()
        .uri("/api/v1/events")
        .header("host", "localhost");
    let request = request.body(Body::empty()).unwrap();
    let body = router(served.state.clone())
        .oneshot(request)
        .await
        .unwrap()
        .into_body();
    served.state.stopping.cancel();
    assert!(body.collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn readiness_names_what_is_missing() {
    let served = served(None).await;
    let (status, ready) = served.get("/readyz").await;
    assert_eq!(status, 503);
    assert_eq!(ready["checks"]["store"], "ok");
    assert_eq!(ready["checks"]["leader"], "no replica holds the lease");
    assert_eq!(
        ready["checks"]["credentials"],
        "the credentials have not been tried yet"
    );
}

#[tokio::test]
async fn health_needs_no_token_and_metrics_do() {
    let served = served(Some("s3cret")).await;
    assert_eq!(served.ask(Method::GET, "/healthz", None, None).await.0, 200);
    assert_eq!(served.ask(Method::GET, "/", None, None).await.0, 200);
    assert_eq!(served.ask(Method::GET, "/metrics", None, None).await.0, 401);
    let (status, text) = served
        .ask(Method::GET, "/metrics", Some("s3cret"), None)
        .await;
    assert_eq!(status, 200);
    assert!(text.contains("rolekeeper_accounts{outcome=\"in_sync\"} 0"));
}

#[test]
fn the_document_describes_every_path_of_the_contract() {
    let document = serde_json::to_value(openapi()).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut paths: Vec<_> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods
                .as_object()
                .unwrap()
                .keys()
                .map(move |method| format!("{method} {path}"))
        })
        .collect();
    paths.sort();
    expect![[r#"
        get /api/v1/accounts
        get /api/v1/accounts/{id}
        get /api/v1/accounts/{id}/history
        get /api/v1/events
        get /api/v1/summary
        get /api/v1/sweeps
        get /api/v1/sweeps/{id}
        get /api/v1/sweeps/{id}/changes
        get /api/v1/sweeps/{id}/report
        post /api/v1/halt
        post /api/v1/resume
        post /api/v1/sweeps
        post /api/v1/sweeps/{id}/approve
        post /api/v1/sweeps/{id}/cancel
    "#]]
    .assert_eq(&format!("{}\n", paths.join("\n")));
}
