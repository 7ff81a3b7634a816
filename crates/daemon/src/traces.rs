//! Traces as an option: spans go to an OpenTelemetry collector, as OTLP in JSON over HTTP.
//!
//! Asked for with the variable that OpenTelemetry itself names, `OTEL_EXPORTER_OTLP_ENDPOINT`. The
//! format is small and settled, so it is written here; the usual libraries would bring a second
//! HTTP client and protobuf along. A collector that is away costs traces and nothing else.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::failure::Failure;
use crate::wall_clock::{pause, time_of_day};

/// The variable that names the collector.
pub(crate) const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// Spans that wait for the collector; more than these are dropped: 20 accounts a second make about 200.
const WAITING_MAX: usize = 8_192;
/// Spans of one request.
const BATCH_MAX: usize = 512;
/// How long spans are gathered.
const GATHER: Duration = Duration::from_secs(2);
/// A collector that needs longer does not get them.
const POST_TIMEOUT: Duration = Duration::from_secs(5);

/// A span that ended.
#[derive(Debug)]
struct Ended {
    name: &'static str,
    place: Place,
    began: Timestamp,
    ended: Timestamp,
    fields: Fields,
}

/// Where a span stands in its trace.
#[derive(Clone, Copy, Debug)]
struct Place {
    trace: u128,
    span: u64,
    parent: Option<u64>,
}

/// A span under way.
struct Begun {
    place: Place,
    at: Timestamp,
    fields: Fields,
}

#[derive(Debug, Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn set(&mut self, field: &Field, value: Value) {
        self.0.retain(|(name, _)| *name != field.name());
        self.0.push((field.name(), value));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, json!({ "stringValue": format!("{value:?}") }));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, json!({ "stringValue": value }));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        // Sixty-four bits are text in OTLP's JSON.
        self.set(field, json!({ "intValue": value.to_string() }));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, json!({ "intValue": value.to_string() }));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, json!({ "boolValue": value }));
    }
}

/// Listens to spans.
pub(crate) struct Traces {
    ended: mpsc::Sender<Ended>,
    seed: u64,
    made: AtomicU64,
}

impl Traces {
    fn id(&self) -> u64 {
        let mut mixed = self.seed
            ^ self
                .made
                .fetch_add(1, Ordering::Relaxed)
                .wrapping_add(1)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // Nought means "none" in OTLP.
        (mixed ^ (mixed >> 31)).max(1)
    }
}

/// Only rolekeeper's own spans: those of libraries may carry what must not leave.
pub(crate) fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target().starts_with("rolekeeper")
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Traces {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let above = span
            .parent()
            .and_then(|parent| parent.extensions().get::<Begun>().map(|begun| begun.place));
        let place = Place {
            trace: above.map_or_else(
                || u128::from(self.id()) << 64 | u128::from(self.id()),
                |above| above.trace,
            ),
            span: self.id(),
            parent: above.map(|above| above.span),
        };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(Begun {
            place,
            at: time_of_day(),
            fields,
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(begun) = span.extensions_mut().get_mut::<Begun>()
        {
            values.record(&mut begun.fields);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else {
            return;
        };
        let Some(Begun { place, at, fields }) = span.extensions_mut().remove() else {
            return;
        };
        let ended = Ended {
            name: span.name(),
            place,
            began: at,
            ended: time_of_day(),
            fields,
        };
        // Full: the collector is away or slow. Work does not wait for it.
        drop(self.ended.try_send(ended));
    }
}

/// Sends what [`Traces`] hears.
pub(crate) struct Exporter {
    ended: mpsc::Receiver<Ended>,
    waiting: Vec<Ended>,
    url: String,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    reached: bool,
}

/// The two halves, for a collector at `endpoint`; `seed` makes the ids of two processes differ.
pub(crate) fn to(endpoint: &str, seed: u64) -> Result<(Traces, Exporter), Failure> {
    if !["http://", "https://"]
        .iter()
        .any(|scheme| endpoint.starts_with(scheme))
    {
        return Err(Failure::new(format!(
            "{ENDPOINT} is no http:// or https:// address"
        )));
    }
    let connector = HttpsConnectorBuilder::new()
        .with_native_roots()
        .map_err(|problem| {
            Failure::new(format!(
                "the system's root certificates cannot be read: {problem}"
            ))
        })?
        .https_or_http()
        .enable_http1()
        .build();
    let (sender, ended) = mpsc::channel(WAITING_MAX);
    let exporter = Exporter {
        ended,
        waiting: Vec::new(),
        url: format!("{}/v1/traces", endpoint.trim_end_matches('/')),
        client: Client::builder(TokioExecutor::new()).build(connector),
        reached: true,
    };
    Ok((
        Traces {
            ended: sender,
            seed,
            made: AtomicU64::new(0),
        },
        exporter,
    ))
}

impl Exporter {
    /// Sends spans for as long as `work` takes, and the last ones after it.
    pub(crate) async fn beside<T>(mut self, work: impl Future<Output = T>) -> T {
        let result = tokio::select! {
            biased;
            result = work => result,
            never = self.go_on() => match never {},
        };
        while let Ok(span) = self.ended.try_recv() {
            self.waiting.push(span);
        }
        while !self.waiting.is_empty() && self.send().await {}
        result
    }

    async fn go_on(&mut self) -> std::convert::Infallible {
        loop {
            pause(GATHER).await;
            while self.waiting.len() < WAITING_MAX
                && let Ok(span) = self.ended.try_recv()
            {
                self.waiting.push(span);
            }
            while !self.waiting.is_empty() && self.send().await {}
        }
    }

    /// Sends one batch; answers whether the collector took it. What it does not take is kept until there
    /// is no room.
    async fn send(&mut self) -> bool {
        let size = self.waiting.len().min(BATCH_MAX);
        let body = document(self.waiting.get(..size).unwrap_or_default());
        let taken = self.post(body).await;
        if taken {
            self.waiting.drain(..size);
        } else if self.waiting.len() >= WAITING_MAX {
            self.waiting.clear();
        }
        if taken != self.reached {
            self.reached = taken;
            if taken {
                tracing::info!("traces reach the collector again");
            } else {
                tracing::warn!("traces do not reach the collector at {ENDPOINT}");
            }
        }
        taken
    }

    async fn post(&self, body: Value) -> bool {
        let request = Request::post(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(
                header::USER_AGENT,
                concat!("rolekeeper/", env!("CARGO_PKG_VERSION")),
            )
            .body(Full::new(Bytes::from(body.to_string())));
        let Ok(request) = request else { return false };
        let answer = tokio::time::timeout(POST_TIMEOUT, self.client.request(request)).await;
        matches!(answer, Ok(Ok(answer)) if answer.status().is_success())
    }
}

fn document(spans: &[Ended]) -> Value {
    let spans: Vec<Value> = spans.iter().map(span).collect();
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    json!({ "resourceSpans": [{
        "resource": { "attributes": [
            text("service.name", "rolekeeper"), text("service.version", env!("CARGO_PKG_VERSION")),
        ] },
        "scopeSpans": [{ "scope": { "name": "rolekeeper" }, "spans": spans }],
    }] })
}

fn span(ended: &Ended) -> Value {
    let attributes: Vec<Value> = ended
        .fields
        .0
        .iter()
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect();
    json!({
        "traceId": format!("{:032x}", ended.place.trace),
        "spanId": format!("{:016x}", ended.place.span),
        "parentSpanId": ended.place.parent.map(|parent| format!("{parent:016x}")).unwrap_or_default(),
        "name": ended.name,
        // Internal.
        "kind": 1,
        "startTimeUnixNano": ended.began.as_nanosecond().to_string(),
        "endTimeUnixNano": ended.ended.as_nanosecond().to_string(),
        "attributes": attributes,
    })
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test panics on purpose"
    )]

    use std::sync::{Arc, Mutex};

    use axum::Json;
    use axum::Router;
    use axum::extract::State;
    use axum::routing::post;
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;
    use tracing_subscriber::filter::filter_fn;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    type Heard = Arc<Mutex<Vec<Value>>>;

    async fn collector() -> (String, Heard, JoinSet<()>) {
        let heard = Heard::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route(
                "/v1/traces",
                post(
                    async |State(heard): State<Heard>, Json(body): Json<Value>| {
                        heard.lock().unwrap().push(body)
                    },
                ),
            )
            .with_state(Arc::clone(&heard));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        (url, heard, server)
    }

    fn work(traces: Traces) {
        let subscriber =
            tracing_subscriber::registry().with(traces.with_filter(filter_fn(is_ours)));
        tracing::subscriber::with_default(subscriber, || {
            let sweep = tracing::info_span!("sweep", sweep.id = "s-1");
            let _entered = sweep.enter();
            let account = tracing::info_span!("account", account.id = "000000000001", n = 7);
            drop(account.entered());
            drop(tracing::info_span!(target: "hyper", "foreign", token = "secret").entered());
        });
    }

    #[tokio::test]
    async fn spans_reach_the_collector_with_their_places_and_fields() {
        let (url, heard, _server) = collector().await;
        let (traces, exporter) = to(&url, 1).unwrap();
        assert_eq!(
            exporter
                .beside(async {
                    work(traces);
                    7
                })
                .await,
            7
        );
        let heard = heard.lock().unwrap();
        let spans = heard[0]
            .pointer("/resourceSpans/0/scopeSpans/0/spans")
            .unwrap()
            .as_array()
            .unwrap()
            .clone();
        assert_eq!(
            heard[0]
                .pointer("/resourceSpans/0/resource/attributes/0/value/stringValue")
                .unwrap(),
            "rolekeeper"
        );
        let names: Vec<_> = spans
            .iter()
            .map(|span| span["name"].as_str().unwrap())
            .collect();
        assert_eq!(
            names,
            ["account", "sweep"],
            "what a library calls a span stays here"
        );
        assert_eq!(spans[0]["traceId"], spans[1]["traceId"]);
        assert_eq!(spans[0]["parentSpanId"], spans[1]["spanId"]);
        assert_eq!(spans[1]["parentSpanId"], "");
        assert_eq!(spans[0]["traceId"].as_str().unwrap().len(), 32);
        assert_eq!(
            spans[0]["attributes"],
            json!([
                { "key": "account.id", "value": { "stringValue": "000000000001" } },
                { "key": "n", "value": { "intValue": "7" } },
            ])
        );
        let at = |key: &str| spans[1][key].as_str().unwrap().parse::<i128>().unwrap();
        assert!(at("startTimeUnixNano") <= at("endTimeUnixNano"));
    }

    #[tokio::test]
    async fn a_collector_that_is_away_costs_traces_and_nothing_else() {
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (traces, exporter) =
            to(&format!("http://{}", nobody.local_addr().unwrap()), 1).unwrap();
        drop(nobody);
        assert_eq!(
            exporter
                .beside(async {
                    work(traces);
                    7
                })
                .await,
            7
        );
    }

    #[test]
    fn an_address_of_another_kind_is_refused() {
        assert!(to("grpc://collector:4317", 1).is_err());
    }
}
