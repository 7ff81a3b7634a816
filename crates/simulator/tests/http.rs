//! Over the wire: what a client without an SDK sees.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::form;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rolekeeper_simulator::faults::{Effect, Fault, Script, Trouble};
use rolekeeper_simulator::{HUB_ACCESS_KEY, Simulator};
use serde_json::{Value, json};

struct Wire {
    simulator: Simulator,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Wire {
    fn new(simulator: Simulator) -> Self {
        Self {
            simulator,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Option<(StatusCode, String)> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.simulator.endpoint_url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self
            .client
            .request(request.body(Full::new(body.into())).unwrap())
            .await
            .ok()?;
        let status = response.status();
        let bytes = response.into_body().collect().await.ok()?.to_bytes();
        Some((status, String::from_utf8(bytes.to_vec()).unwrap()))
    }

    async fn sts(&self, fields: &[(&str, &str)]) -> Option<(StatusCode, String)> {
        let signed = format!(
            "AWS4-HMAC-SHA256 Credential={HUB_ACCESS_KEY}/20261124/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=0"
        );
        self.send(
            Method::POST,
            "/",
            &[("authorization", &signed)],
            form(fields),
        )
        .await
    }

    async fn control(&self, method: Method, path: &str, body: Value) -> (StatusCode, String) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.send(method, path, &[], body).await.unwrap()
    }
}

#[tokio::test]
async fn a_call_is_answered_counted_and_forgotten_on_request() {
    let wire = Wire::new(Simulator::builder().accounts(3).start().unwrap());
    let (status, body) = wire
        .sts(&[("Action", "GetCallerIdentity"), ("Version", "2011-06-15")])
        .await
        .unwrap();
    assert_eq!(status, StatusCode::OK);
    assert!(
        body.starts_with(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
        ),
        "{body}"
    );
    let target = [("x-amz-target", "AWSOrganizationsV20161128.ListRoots")];
    let (status, body) = wire
        .send(Method::POST, "/", &target, "{}".to_owned())
        .await
        .unwrap();
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(
        body.contains("MissingAuthenticationTokenException"),
        "{body}"
    );

    let (_, summary) = wire
        .control(Method::GET, "/_sim/summary", Value::Null)
        .await;
    let summary: Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(
        summary["requests"],
        json!([
            { "service": "organizations", "operation": "ListRoots", "verdict": "error", "count": 1 },
            { "service": "sts", "operation": "GetCallerIdentity", "verdict": "ok", "count": 1 },
        ])
    );
    assert!(
        summary["seconds"]
            .as_f64()
            .is_some_and(|seconds| seconds > 0.0)
    );
    let (_, requests) = wire
        .control(Method::GET, "/_sim/requests", Value::Null)
        .await;
    assert_eq!(requests.lines().count(), 2);
    wire.control(Method::POST, "/_sim/reset", Value::Null).await;
    let (_, summary) = wire
        .control(Method::GET, "/_sim/summary", Value::Null)
        .await;
    assert_eq!(
        serde_json::from_str::<Value>(&summary).unwrap()["requests"],
        json!([])
    );
}

#[tokio::test]
async fn drift_faults_and_limits_are_ordered_over_the_wire() {
    let wire = Wire::new(
        Simulator::builder()
            .accounts(4)
            .provisioned()
            .start()
            .unwrap(),
    );
    let account = wire.simulator.world().reachable()[0];
    let order = json!({ "kind": "attachment_unexpected", "accounts": [account.to_string()] });
    let (status, _) = wire.control(Method::POST, "/_sim/drift", order).await;
    assert_eq!(status, StatusCode::OK);
    let role = wire
        .simulator
        .world()
        .role(account, rolekeeper_simulator::DEMO_ROLE)
        .unwrap();
    assert!(
        role.attached
            .contains("arn:aws:iam::aws:policy/AdministratorAccess")
    );

    let order = json!({ "operation": "GetCallerIdentity", "nth": 1, "trouble": "error", "status": 400, "code": "Throttling" });
    assert_eq!(
        wire.control(Method::POST, "/_sim/faults", order).await.0,
        StatusCode::OK
    );
    let identity = [("Action", "GetCallerIdentity"), ("Version", "2011-06-15")];
    let (status, body) = wire.sts(&identity).await.unwrap();
    assert_eq!(
        (status, body.contains("<Code>Throttling</Code>")),
        (StatusCode::BAD_REQUEST, true)
    );
    assert_eq!(wire.sts(&identity).await.unwrap().0, StatusCode::OK);

    let (status, _) = wire
        .control(Method::POST, "/_sim/limits", json!({ "iam_rate": 50.0 }))
        .await;
    assert_eq!(
        (status, wire.simulator.world().limits().iam_rate),
        (StatusCode::OK, Some(50.0))
    );
    for (path, order) in [
        ("/_sim/drift", json!({ "kind": "nonsense", "count": 1 })),
        ("/_sim/faults", json!({ "troubel": "cut" })),
        ("/_sim/limits", json!({ "iam_rate": 0.0 })),
        ("/_sim/faults", json!({})),
        ("/_sim/drift", Value::Null),
    ] {
        assert_eq!(
            wire.control(Method::POST, path, order).await.0,
            StatusCode::BAD_REQUEST,
            "{path}"
        );
    }
    for (method, path, status) in [
        (Method::POST, "/_sim/nothing", StatusCode::NOT_FOUND),
        (
            Method::POST,
            "/_sim/summary",
            StatusCode::METHOD_NOT_ALLOWED,
        ),
        (Method::GET, "/_sim/drift", StatusCode::METHOD_NOT_ALLOWED),
    ] {
        assert_eq!(wire.control(method, path, Value::Null).await.0, status);
    }
}

#[tokio::test]
async fn a_cut_connection_breaks_and_a_latency_is_waited_for() {
    let latency = Duration::from_millis(30);
    let wire = Wire::new(
        Simulator::builder()
            .accounts(1)
            .latency(latency)
            .start()
            .unwrap(),
    );
    wire.simulator.world().script(
        Script::on(
            "GetCallerIdentity",
            Fault {
                effect: Effect::None,
                trouble: Trouble::Cut,
            },
        )
        .nth(2),
    );
    let identity = [("Action", "GetCallerIdentity"), ("Version", "2011-06-15")];
    assert!(wire.sts(&identity).await.is_some());
    assert!(wire.sts(&identity).await.is_none());
    assert!(wire.sts(&identity).await.is_some());
    let times: Vec<_> = wire
        .simulator
        .world()
        .requests()
        .iter()
        .map(|entry| entry.at)
        .collect();
    let apart = times[1].duration_since(times[0]);
    assert!(apart.as_millis() >= 30, "{apart:?}");
}

#[tokio::test]
async fn a_dropped_simulator_gives_its_port_back() {
    let wire = Wire::new(Simulator::builder().accounts(1).start().unwrap());
    let address = wire.simulator.endpoint_url();
    wire.sts(&[("Action", "GetCallerIdentity"), ("Version", "2011-06-15")])
        .await
        .unwrap();
    drop(wire);
    let listen = address.strip_prefix("http://").unwrap().parse().unwrap();
    assert!(
        Simulator::builder()
            .accounts(1)
            .listen(listen)
            .start()
            .is_ok()
    );
}
