//! Errors as `application/problem+json` (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rolekeeper_engine::SweepError;
use rolekeeper_engine::port::store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::failure::{remedy, whole};

/// What went wrong with a request.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Always `about:blank`: the title says what the status means.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// The status in words.
    pub(crate) title: &'static str,
    /// The HTTP status.
    pub(crate) status: u16,
    /// What was wrong, and what would be right.
    pub(crate) detail: String,
    /// Whether it was the store.
    #[serde(skip)]
    is_of_the_store: bool,
}

/// Marks an answer that could not be given because of the store, for whoever counts these.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoreFailed;

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            is_of_the_store: false,
        }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }
}

impl From<StoreError> for Problem {
    /// The database's words go to the log, not to the caller.
    fn from(error: StoreError) -> Self {
        tracing::error!(error = %error, "a request could not be answered");
        let detail = "the store cannot be read at the moment; the log says why";
        Self {
            is_of_the_store: true,
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        }
    }
}

impl From<SweepError> for Problem {
    /// An order that the engine would not take.
    fn from(error: SweepError) -> Self {
        if let SweepError::Store(error) = error {
            return error.into();
        }
        let mut detail = whole(&error);
        if let Some(remedy) = remedy(&error) {
            detail.push_str(": ");
            detail.push_str(remedy);
        }
        Self::new(StatusCode::CONFLICT, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let is_of_the_store = self.is_of_the_store;
        let mut response = (status, axum::Json(self)).into_response();
        if is_of_the_store {
            response.extensions_mut().insert(StoreFailed);
        }
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
