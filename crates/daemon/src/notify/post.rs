//! One notice to one webhook.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::Webhook;
use crate::outgoing::{CallError, Client, SIGNATURE, signature};

/// A receiver that needs longer than this is not listening.
const POST_TIMEOUT: Duration = Duration::from_secs(10);

/// Delivers bodies.
pub(crate) trait Post: Send + Sync {
    /// One attempt.
    fn post(
        &self,
        webhook: &Webhook,
        id: &str,
        body: String,
        at: Timestamp,
    ) -> impl Future<Output = Result<(), CallError>> + Send;
}

/// [`Post`] over the network.
pub(crate) struct HttpPost(Client);

impl HttpPost {
    /// Reads the system's root certificates.
    pub(crate) fn new() -> std::io::Result<Self> {
        Client::new().map(Self)
    }
}

impl Post for HttpPost {
    async fn post(
        &self,
        webhook: &Webhook,
        id: &str,
        body: String,
        at: Timestamp,
    ) -> Result<(), CallError> {
        let mut request = Request::post(webhook.url.expose_secret())
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-rolekeeper-notice", id);
        if let Some(secret) = &webhook.secret {
            request = request.header(SIGNATURE, signature(secret, at, body.as_bytes()));
        }
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| CallError::Url)?;
        let answer = self.0.call(request, 0, POST_TIMEOUT).await?;
        match answer.status {
            200..=299 => Ok(()),
            status => Err(CallError::Status(status)),
        }
    }
}
