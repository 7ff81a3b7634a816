//! One HTTP POST, over TLS with the system's roots, without redirects.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::Webhook;
use super::sign;

/// A receiver that needs longer than this is not listening.
const POST_TIMEOUT: Duration = Duration::from_secs(10);

/// A delivery failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    /// The URL is none.
    #[error("the webhook's URL cannot be used")]
    Url,
    /// No answer in time.
    #[error("no answer within {} s", POST_TIMEOUT.as_secs())]
    Timeout,
    /// No connection, or a broken one.
    #[error("the connection failed")]
    Connection(#[source] hyper_util::client::legacy::Error),
    /// The receiver refused.
    #[error("the receiver answered {0}")]
    Status(u16),
}

impl PostError {
    /// Whether another attempt can help: a receiver that says 400 or 404 will
    /// say so again.
    pub(crate) const fn is_final(&self) -> bool {
        match self {
            Self::Url => true,
            Self::Status(status) => {
                400 <= *status && *status < 500 && *status != 408 && *status != 429
            }
            Self::Timeout | Self::Connection(_) => false,
        }
    }
}

/// Delivers bodies.
pub(crate) trait Post: Send + Sync {
    /// One attempt.
    fn post(
        &self,
        webhook: &Webhook,
        id: &str,
        body: String,
        at: Timestamp,
    ) -> impl Future<Output = Result<(), PostError>> + Send;
}

/// [`Post`] over the network.
pub(crate) struct HttpPost {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl HttpPost {
    /// Reads the system's root certificates.
    pub(crate) fn new() -> std::io::Result<Self> {
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
        })
    }
}

impl Post for HttpPost {
    async fn post(
        &self,
        webhook: &Webhook,
        id: &str,
        body: String,
        at: Timestamp,
    ) -> Result<(), PostError> {
        let mut request = Request::post(webhook.url.expose_secret())
            .header(header::CONTENT_TYPE, "application/json")
            .header(
                header::USER_AGENT,
                concat!("rolekeeper/", env!("CARGO_PKG_VERSION")),
            )
            .header("x-rolekeeper-notice", id);
        if let Some(secret) = &webhook.secret {
            request = request.header(sign::HEADER, sign::signature(secret, at, body.as_bytes()));
        }
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| PostError::Url)?;
        let answer = tokio::time::timeout(POST_TIMEOUT, self.client.request(request))
            .await
            .map_err(|_| PostError::Timeout)?
            .map_err(PostError::Connection)?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(PostError::Status(answer.status().as_u16()))
        }
    }
}
