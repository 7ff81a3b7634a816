//! The HTTP listener: how many clients at once, and how long one of them may keep the others, or the end of the
//! process, waiting.

use std::io::ErrorKind;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::wall_clock::pause;

/// Connections at a time. A page that is open has one or two, a scraper one; a thousand file descriptors are what
/// a process commonly has, and AWS and the store want theirs.
const CONNECTIONS_MAX: usize = 512;
/// How long a client may take to say what it wants; also how long a connection may stay open without a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// How long answers under way may still take when the process ends; a client that does not read is not waited for.
const END_TIMEOUT: Duration = Duration::from_secs(5);
/// Before the next attempt when the system gives no more connections.
const EXHAUSTED: Duration = Duration::from_secs(1);

/// Serves until `cancel`, then ends what is under way.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    cancel: CancellationToken,
) -> Result<(), String> {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = cancel.cancelled() => break,
            Some(_ended) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, router.clone(), cancel.clone()));
                }
                // The client thought better of it.
                Err(problem) if matches!(
                    problem.kind(),
                    ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
                ) => {}
                Err(problem) => {
                    tracing::warn!(problem = %problem, "no connection can be accepted at the moment");
                    tokio::select! {
                        () = cancel.cancelled() => break,
                        () = pause(EXHAUSTED) => {}
                    }
                }
            },
        }
    }
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(END_TIMEOUT, ended).await.is_err() {
        tracing::debug!(
            connections = connections.len(),
            "clients that do not finish are left"
        );
    }
    Ok(())
}

/// Serves one client.
async fn connection(stream: TcpStream, router: Router, cancel: CancellationToken) {
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
    );
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = cancel.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(problem) = ended {
        tracing::debug!(problem = %problem, "a connection broke off");
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

    use axum::body::Body;
    use axum::routing::get;
    use futures_util::stream;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A router with an answer that never ends, a listener for it, and what stops it.
    async fn serving() -> (
        std::net::SocketAddr,
        CancellationToken,
        JoinSet<Result<(), String>>,
    ) {
        let endless = || async {
            let piece = "x".repeat(1 << 16);
            Body::from_stream(stream::repeat_with(move || {
                Ok::<_, std::convert::Infallible>(piece.clone())
            }))
        };
        let router = Router::new()
            .route("/", get(async || "hello"))
            .route("/endless", get(endless));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cancel = CancellationToken::new();
        let mut server = JoinSet::new();
        server.spawn(serve(listener, router, cancel.clone()));
        (address, cancel, server)
    }

    async fn says(address: std::net::SocketAddr, text: &str) -> TcpStream {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(text.as_bytes()).await.unwrap();
        client
    }

    const WHOLE: &str = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

    #[tokio::test]
    async fn clients_that_never_finish_hold_up_nobody_and_not_the_end() {
        let (address, cancel, mut server) = serving().await;
        let silent = says(address, "").await;
        let half = says(address, "GET / HTTP/1.1\r\nhost: loc").await;
        let mut deaf = says(address, "GET /endless HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        // Its answer has begun; from here on it does not read.
        deaf.read_u8().await.unwrap();
        let mut answer = String::new();
        says(address, WHOLE)
            .await
            .read_to_string(&mut answer)
            .await
            .unwrap();
        assert!(answer.ends_with("hello"), "{answer}");
        cancel.cancel();
        let ended = tokio::time::timeout(2 * END_TIMEOUT, server.join_next()).await;
        assert_eq!(ended.unwrap().unwrap().unwrap(), Ok(()));
        drop((silent, half, deaf));
    }

    #[tokio::test]
    async fn more_clients_than_there_is_room_for_wait_for_their_turn() {
        let (address, _cancel, _server) = serving().await;
        let mut crowd = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            let mut client =
                says(address, "GET /endless HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
            client.read_u8().await.unwrap();
            crowd.push(client);
        }
        let mut late = says(address, WHOLE).await;
        let early = tokio::time::timeout(Duration::from_millis(200), late.read_u8()).await;
        assert!(early.is_err(), "there is no room yet");
        crowd.pop();
        let mut answer = String::new();
        late.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("hello"), "{answer}");
    }
}
