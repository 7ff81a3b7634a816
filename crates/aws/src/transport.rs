//! Another way for requests to travel than a socket.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

/// What becomes of a request on its way.
pub type TransportFuture =
    Pin<Box<dyn Future<Output = Result<http::Response<Bytes>, TransportFailure>> + Send>>;

/// Carries signed requests to whoever answers them.
///
/// A simulation stands behind the SDK with one of these: no socket, no real time.
pub trait Transport: Send + Sync + 'static {
    /// Carries one request.
    fn carry(&self, request: http::Request<Bytes>) -> TransportFuture;
}

impl<F> Transport for F
where
    F: Fn(http::Request<Bytes>) -> TransportFuture + Send + Sync + 'static,
{
    fn carry(&self, request: http::Request<Bytes>) -> TransportFuture {
        self(request)
    }
}

/// Why no answer came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportFailure {
    /// The connection could not be made or was lost.
    #[error("{0}")]
    Connection(String),
    /// No answer in time.
    #[error("{0}")]
    Timeout(String),
}

/// A [`Transport`] as the SDK wants it.
#[derive(Clone)]
pub(crate) struct CarriedBy(pub(crate) Arc<dyn Transport>);

impl fmt::Debug for CarriedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CarriedBy")
    }
}

impl HttpClient for CarriedBy {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for CarriedBy {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let transport = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move {
            let user =
                |error: Box<dyn std::error::Error + Send + Sync>| ConnectorError::user(error);
            let request = request
                .try_into_http1x()
                .map_err(|error| user(error.into()))?;
            // Requests of the services used here are small and held in memory whole.
            let request =
                request.map(|body| Bytes::copy_from_slice(body.bytes().unwrap_or_default()));
            let response = transport
                .carry(request)
                .await
                .map_err(|failure| match failure {
                    TransportFailure::Connection(_) => ConnectorError::io(failure.into()),
                    TransportFailure::Timeout(_) => ConnectorError::timeout(failure.into()),
                })?;
            HttpResponse::try_from(response.map(SdkBody::from)).map_err(|error| user(error.into()))
        })
    }
}
