//! The HTTP face: page, API, metrics, health.
//!
//! Handlers never talk to AWS: they read the store, or put a request into it.

#[allow(
    unused_qualifications,
    reason = "utoipa's macro writes a query's type out once more"
)]
mod accounts;
mod auth;
#[allow(
    unused_qualifications,
    reason = "utoipa's macro writes a query's type out once more"
)]
mod changes;
mod control;
mod events;
mod extract;
mod health;
mod live;
mod pieces;
mod problem;
mod refusals;
mod registration;
mod sentence;
mod summary;
#[allow(
    unused_qualifications,
    reason = "utoipa's macro writes a query's type out once more"
)]
mod sweeps;
mod views;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use rolekeeper_engine::Reach;
use rolekeeper_store::Store;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::health::Readiness;
pub(crate) use self::live::Live;
use self::problem::Problem;
use crate::metrics::Metrics;

/// Bodies are a mode, a list of account ids or a sentence: 50,000 ids are 750 kB.
const BODY_BYTES_MAX: usize = 1 << 20;
/// A store that needs longer than this to answer is as good as down.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// What handlers need.
#[derive(Clone)]
pub(crate) struct ApiState {
    pub(crate) store: Arc<Store>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) live: Arc<Live>,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) token: Option<SecretString>,
    /// What this process can carry out.
    pub(crate) reach: Reach,
    /// The time of day.
    pub(crate) now: fn() -> Timestamp,
    /// Whether single accounts get series in /metrics.
    pub(crate) account_series: bool,
    /// Ends the streams that would otherwise hold up the end of the process.
    pub(crate) stopping: CancellationToken,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "rolekeeper",
        description = "Keeps one cross-account IAM role right in every account of an AWS organization.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "fleet", description = "The accounts as they were last seen."),
        (name = "sweeps", description = "Passes over the accounts."),
        (name = "control", description = "Stopping and resuming writes."),
        (name = "process", description = "The process itself."),
    ),
    components(schemas(Problem)),
    modifiers(&BearerToken),
)]
struct Document;

/// Names the bearer token in the document.
struct BearerToken;

impl utoipa::Modify for BearerToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(
            "token",
            SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
        );
    }
}

/// The API's part of the router, with the document that describes it.
fn described() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(summary::summary))
        .routes(routes!(accounts::accounts))
        .routes(routes!(accounts::account))
        .routes(routes!(accounts::history))
        .routes(routes!(sweeps::sweeps, sweeps::start))
        .routes(routes!(sweeps::sweep))
        .routes(routes!(sweeps::report))
        .routes(routes!(changes::changes))
        .routes(routes!(sweeps::cancel))
        .routes(routes!(sweeps::approve))
        .routes(routes!(control::halt))
        .routes(routes!(control::resume))
        .routes(routes!(events::events))
}

/// The OpenAPI document.
#[cfg(test)]
fn openapi() -> utoipa::openapi::OpenApi {
    described().split_for_parts().1
}

/// Everything that is served.
pub(crate) fn router(state: ApiState) -> Router {
    let (api, document) = described().split_for_parts();
    let guarded = api
        .route(
            "/api/v1/openapi.json",
            get(async move || Json(document.clone())),
        )
        .route("/metrics", get(health::metrics))
        .layer(middleware::from_fn_with_state(state.clone(), auth::guard));
    Router::new()
        .merge(guarded)
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .merge(crate::web::router())
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            count_store_failures,
        ))
        .layer(middleware::from_fn(in_time))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
        .with_state(state)
}

/// What could not be answered because of the store is counted with what the sweeps met of it.
async fn count_store_failures(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    let answer = next.run(request).await;
    if answer.extensions().get::<problem::StoreFailed>().is_some() {
        state.metrics.count_store_failure();
    }
    answer
}

/// No request waits longer than [`ANSWER_TIMEOUT`] for its answer to begin.
async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER_TIMEOUT, next.run(request)).await {
        Ok(answer) => answer,
        Err(_) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()),
        )
        .into_response(),
    }
}

async fn nothing_here(uri: Uri) -> Problem {
    Problem::not_found(format!("there is nothing at {}", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{} does not take {method}", uri.path()),
    )
}

#[cfg(test)]
mod tests;
