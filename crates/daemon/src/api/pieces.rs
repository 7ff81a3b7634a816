//! Documents that are written while they are read.

use std::io;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt};
use rolekeeper_engine::port::store::StoreError;
use tokio::sync::mpsc;

use crate::args::ReportFormat;
use crate::report;

/// Pieces that wait for the client.
const WAITING_MAX: usize = 4;

/// Pieces of a report on their way to a client that may be slower than the store.
pub(super) struct Pieces(mpsc::Sender<Result<String, io::Error>>);

impl report::Sink for Pieces {
    async fn take(&mut self, piece: String) -> bool {
        self.0.send(Ok(piece)).await.is_ok()
    }
}

/// A document as the answer to a request, written while it is read: an organization of 50,000
/// accounts is never in memory as a whole. A store that fails on the way cuts the connection, so that
/// half a report is not taken for a whole one.
pub(super) fn answer<W>(format: ReportFormat, write: impl FnOnce(Pieces) -> W) -> Response
where
    W: Future<Output = Result<(), StoreError>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let body = Body::from_stream(both(write(Pieces(sender.clone())), sender, receiver));
    ([(header::CONTENT_TYPE, report::media_type(format))], body).into_response()
}

/// What is read, for as long as it takes to write and to read it.
fn both(
    writing: impl Future<Output = Result<(), StoreError>> + Send + 'static,
    sender: mpsc::Sender<Result<String, io::Error>>,
    receiver: mpsc::Receiver<Result<String, io::Error>>,
) -> impl Stream<Item = Result<String, io::Error>> + Send + 'static {
    let writer = async move {
        if let Err(error) = writing.await {
            tracing::error!(error = %error, "a report broke off");
            // A client that has gone does not hear of it, and need not.
            let _gone = sender.send(Err(io::Error::other("the store failed"))).await;
        }
    };
    let written = stream::once(writer).filter_map(async |()| None);
    let read = stream::unfold(receiver, async |mut receiver| {
        let piece = receiver.recv().await?;
        Some((piece, receiver))
    });
    stream::select(read, written)
}
