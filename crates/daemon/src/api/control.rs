//! `/api/v1/halt` and `/api/v1/resume`.

use axum::Json as Body;
use axum::extract::State;
use rolekeeper_engine::port::store::{Control, Halt};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::ApiState;
use super::extract::Json;
use super::problem::Problem;
use super::refusals::{BadBody, BadRequest, Usual};
use super::views::HaltView;

/// The name under which the API's requests are recorded.
pub(super) const REQUESTED_BY: &str = "api";
/// Reasons are read on a page and in a chat.
const WHY_CHARACTERS_MAX: usize = 500;

/// Why to stop.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HaltBody {
    /// For whoever finds it stopped.
    #[schema(min_length = 1, max_length = 500)]
    why: String,
}

/// Whether writes are halted.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HaltedView {
    halted: Option<HaltView>,
}

/// Stops all writes, wherever a replica runs.
#[utoipa::path(
    post, path = "/api/v1/halt", tag = "control", request_body = HaltBody, security(("token" = [])),
    responses(
        (status = 200, body = HaltedView),
        Usual,
        BadRequest,
        BadBody,
    ),
)]
pub(super) async fn halt(
    State(state): State<ApiState>,
    Json(body): Json<HaltBody>,
) -> Result<Body<HaltedView>, Problem> {
    let why = body.why.trim();
    if why.is_empty() || WHY_CHARACTERS_MAX < why.chars().count() {
        return Err(Problem::bad_request(format!(
            "`why` says in 1 to {WHY_CHARACTERS_MAX} characters why writes are stopped"
        )));
    }
    let halt = Halt {
        why: why.to_owned(),
        by: REQUESTED_BY.to_owned(),
        at: (state.now)(),
    };
    state.store.halt(&halt).await?;
    state.metrics.set_halted(true);
    state.live.tell("halted", &json!({ "why": why }));
    Ok(Body(HaltedView {
        halted: state.store.halted().await?.map(Into::into),
    }))
}

/// Lifts the stop.
#[utoipa::path(
    post, path = "/api/v1/resume", tag = "control", security(("token" = [])),
    responses(
        (status = 200, body = HaltedView),
        Usual,
    ),
)]
pub(super) async fn resume(State(state): State<ApiState>) -> Result<Body<HaltedView>, Problem> {
    state.store.resume(REQUESTED_BY, (state.now)()).await?;
    state.metrics.set_halted(false);
    state.live.tell("resumed", &json!({}));
    Ok(Body(HaltedView { halted: None }))
}
