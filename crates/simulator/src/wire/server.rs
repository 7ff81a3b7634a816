//! Connections: hyper, one task each, kept alive.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::call::{Answer, Delivery};
use crate::wire::{Parsed, control, parse};
use crate::world::World;

/// The longest body that is read: AWS's own documents are far below.
const BODY: usize = 1 << 20;
/// How long a connection that gets no answer is kept open. Longer than any
/// client waits, and short enough that a forgotten one goes away.
const NEVER: Duration = Duration::from_secs(600);

/// Takes connections until it is told to stop.
pub(super) async fn serve(
    listener: std::net::TcpListener,
    world: Arc<World>,
    stopped: oneshot::Receiver<()>,
) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    let mut connections = JoinSet::new();
    let mut stopped = pin!(stopped);
    loop {
        tokio::select! {
            biased;
            // Sent, or the handle is gone: either way it is over. Dropping the
            // set ends the connections.
            _ = &mut stopped => return,
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    drop(stream.set_nodelay(true));
                    connections.spawn(connection(stream, Arc::clone(&world)));
                }
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn connection(stream: tokio::net::TcpStream, world: Arc<World>) {
    let service = service_fn(move |request| handle(Arc::clone(&world), request));
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(true)
        .pipeline_flush(true)
        .serve_connection(TokioIo::new(stream), service);
    // A client that went away is nothing to report.
    drop(served.await);
}

/// The connection is to be cut.
#[derive(Debug)]
struct Severed;

impl std::fmt::Display for Severed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the simulator cuts this connection")
    }
}

impl std::error::Error for Severed {}

async fn handle(
    world: Arc<World>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Severed> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY).collect().await else {
        return Ok(text(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is too large or broke off",
        ));
    };
    let body = body.to_bytes();
    match parse(&parts.method, &parts.uri, &parts.headers, &body) {
        Parsed::Call(request) => {
            let answer = world.handle(&request, now());
            wait(answer.delay).await;
            match answer.delivery {
                Delivery::Whole => Ok(response(answer).map(Full::new)),
                Delivery::Cut => Err(Severed),
                Delivery::Never => {
                    wait(NEVER).await;
                    Err(Severed)
                }
            }
        }
        Parsed::Control => Ok(control::answer(&world, &parts, &body).map(Full::new)),
        Parsed::Unknown(why) => Ok(text(StatusCode::BAD_REQUEST, why)),
    }
}

/// An answer as HTTP has it.
pub(crate) fn response(answer: Answer) -> Response<Bytes> {
    let mut response = Response::new(answer.body);
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(answer.content_type),
    );
    if let Ok(id) = HeaderValue::from_str(&answer.request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

fn text(status: StatusCode, message: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(message.as_bytes())));
    *response.status_mut() = status;
    response
}

#[expect(
    clippy::disallowed_methods,
    reason = "the wall clock of the HTTP face; the world itself is told the time"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a client on the wire waits in real time"
)]
fn wait(delay: Duration) -> impl Future<Output = ()> {
    let sleep = (!delay.is_zero()).then(|| tokio::time::sleep(delay));
    async move {
        if let Some(sleep) = sleep {
            sleep.await;
        }
    }
}
