//! A recorder between rolekeeper and moto: passes every request on, and knows
//! afterwards what was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rolekeeper_domain::call::{Access, Operation};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// One request that went through: who signed it and what it asked.
#[derive(Clone, Debug)]
struct Asked {
    key: String,
    operation: String,
}

/// What went through.
#[derive(Default)]
struct Book {
    asked: Mutex<Vec<Asked>>,
    /// How often each operation was answered with a yes, since the recorder was started.
    done: Mutex<BTreeMap<String, usize>>,
    /// Requests that are passed on to their end, whether or not somebody still waits for the answer.
    under_way: Mutex<JoinSet<()>>,
}

type Log = Arc<Book>;

/// Listens on a port of its own until dropped.
pub struct Recorder {
    url: String,
    log: Log,
    _server: JoinSet<()>,
}

impl Recorder {
    /// Starts one in front of `upstream`.
    pub async fn before(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let log = Log::default();
        let mut server = JoinSet::new();
        server.spawn(serve(
            listener,
            upstream.trim_end_matches('/').to_owned(),
            Arc::clone(&log),
        ));
        Self {
            url,
            log,
            _server: server,
        }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How often each operation was asked for since the last look.
    pub fn take(&self) -> BTreeMap<String, usize> {
        let asked = std::mem::take(&mut *self.log.asked.lock().unwrap());
        let mut counts = BTreeMap::new();
        for asked in asked {
            *counts.entry(asked.operation).or_default() += 1;
        }
        counts
    }

    /// How often each operation was done, as upstream answered, since the recorder was started.
    pub fn done(&self) -> BTreeMap<String, usize> {
        self.log.done.lock().unwrap().clone()
    }

    /// Waits until nothing is under way: what a client that was killed had sent has arrived.
    #[expect(
        clippy::disallowed_methods,
        reason = "another process is waited for, in its own time"
    )]
    pub async fn settled(&self) {
        loop {
            // What is in the socket's buffer has to be read first.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            let mut under_way = self.log.under_way.lock().unwrap();
            while under_way.try_join_next().is_some() {}
            if under_way.is_empty() {
                return;
            }
        }
    }
}

/// Those operations of a count that change something.
pub fn mutating(counts: &BTreeMap<String, usize>) -> Vec<String> {
    let reads = |name: &str| {
        Operation::ALL
            .iter()
            .any(|operation| operation.name() == name && operation.access() == Access::Read)
    };
    counts.keys().filter(|name| !reads(name)).cloned().collect()
}

async fn serve(listener: TcpListener, upstream: String, log: Log) {
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build_http();
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (client, upstream, log) = (client.clone(), upstream.clone(), Arc::clone(&log));
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let (send, answer) = tokio::sync::oneshot::channel();
                let passed = pass_on(client.clone(), upstream.clone(), Arc::clone(&log), request);
                log.under_way.lock().unwrap().spawn(async move {
                    // Nobody may be there any more to take it.
                    drop(send.send(passed.await));
                });
                relay(answer)
            });
            // A client that goes away in mid-connection is its own affair.
            drop(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
    }
}

/// What upstream answered, or why nothing did.
type Passed = Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>>;

async fn relay(answer: tokio::sync::oneshot::Receiver<Passed>) -> Passed {
    answer.await.unwrap_or_else(|gone| Err(Box::new(gone)))
}

async fn pass_on(
    client: Client<HttpConnector, Full<Bytes>>,
    upstream: String,
    log: Log,
    request: Request<Incoming>,
) -> Passed {
    let (mut head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let header = |name: &str| {
        head.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let target = header("x-amz-target")
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .to_owned();
    let form = String::from_utf8_lossy(&body).into_owned();
    let action = form
        .split('&')
        .find_map(|field| field.strip_prefix("Action="));
    let key = header("authorization")
        .split("Credential=")
        .nth(1)
        .and_then(|rest| rest.split('/').next());
    let asked = Asked {
        key: key.unwrap_or_default().to_owned(),
        operation: if target.is_empty() {
            action.unwrap_or_default().to_owned()
        } else {
            target
        },
    };
    let operation = asked.operation.clone();
    log.asked.lock().unwrap().push(asked);
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = format!("{upstream}{path}").parse()?;
    // moto tells services apart by the signature and the host; hyper writes the host anew.
    let mut forwarded = Request::from_parts(head, Full::new(body));
    forwarded.headers_mut().remove("connection");
    let response = client.request(forwarded).await?;
    if response.status().is_success() {
        *log.done.lock().unwrap().entry(operation).or_default() += 1;
    }
    let (mut head, body) = response.into_parts();
    head.headers.remove("connection");
    head.headers.remove("transfer-encoding");
    Ok(Response::from_parts(
        head,
        Full::new(body.collect().await?.to_bytes()),
    ))
}
