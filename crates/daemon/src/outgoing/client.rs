//! One HTTP call, over TLS with the system's roots, without redirects.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Who calls.
const USER_AGENT: &str = concat!("rolekeeper/", env!("CARGO_PKG_VERSION"));

/// A call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The URL is none.
    #[error("the URL cannot be used")]
    Url,
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// No connection, or a broken one.
    #[error("the connection failed")]
    Connection(#[source] hyper_util::client::legacy::Error),
    /// The answer broke off, or was longer than any that is wanted.
    #[error("the answer could not be read")]
    Answer,
    /// The receiver refused.
    #[error("the receiver answered {0}")]
    Status(u16),
}

impl CallError {
    /// Whether another attempt cannot help: a receiver that says 400 or 404 will
    /// say so again.
    pub(crate) const fn is_final(&self) -> bool {
        match self {
            Self::Url => true,
            Self::Status(status) => {
                400 <= *status && *status < 500 && *status != 408 && *status != 429
            }
            Self::Timeout(_) | Self::Connection(_) | Self::Answer => false,
        }
    }

    /// Whether nobody was there: whoever else is to be told at the same place will not be heard either.
    pub(crate) const fn is_silence(&self) -> bool {
        matches!(self, Self::Timeout(_) | Self::Connection(_))
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The body, as far as it was asked for.
    pub(crate) body: Bytes,
}

/// Makes calls.
pub(crate) struct Client {
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Client {
    /// Reads the system's root certificates.
    pub(crate) fn new() -> std::io::Result<Self> {
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            pool: Pool::builder(TokioExecutor::new()).build(connector),
        })
    }

    /// One attempt, answer included. Of the body at most `keep` bytes are wanted: a longer one is an
    /// error; with 0 it is not read at all.
    pub(crate) async fn call(
        &self,
        mut request: Request<Full<Bytes>>,
        keep: usize,
        timeout: Duration,
    ) -> Result<Answer, CallError> {
        let headers = request.headers_mut();
        headers.insert(
            http::header::USER_AGENT,
            http::HeaderValue::from_static(USER_AGENT),
        );
        tokio::time::timeout(timeout, self.exchange(request, keep))
            .await
            .map_err(|_| CallError::Timeout(timeout))?
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        keep: usize,
    ) -> Result<Answer, CallError> {
        let answer = self
            .pool
            .request(request)
            .await
            .map_err(CallError::Connection)?;
        let status = answer.status().as_u16();
        let body = if keep == 0 {
            Bytes::new()
        } else {
            let body = Limited::new(answer.into_body(), keep).collect().await;
            body.map_err(|_| CallError::Answer)?.to_bytes()
        };
        Ok(Answer { status, body })
    }
}
