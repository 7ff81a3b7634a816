//! `/api/v1/sweeps/{id}/changes`.

use axum::extract::State;
use axum::response::Response;
use rolekeeper_domain::outcome::SweepId;
use rolekeeper_engine::port::store::Sweeps;
use serde::Deserialize;
use utoipa::IntoParams;

use super::ApiState;
use super::extract::{Path, Query, filled};
use super::pieces;
use super::problem::Problem;
use super::refusals::{BadRequest, NoSuch, Usual};
use super::sweeps::{format, known};
use crate::report::changes;

/// Since when, and in which form.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ChangesQuery {
    /// The earlier sweep; when left out, the last completed one before it that looked at comparably many accounts.
    #[serde(default, deserialize_with = "filled")]
    since: Option<String>,
    /// `json`, `csv`, `markdown`, `html` or `ocsf`; json when left out.
    #[serde(default, deserialize_with = "filled")]
    format: Option<String>,
}

/// What is new, what is gone, what stayed since an earlier sweep, and which steps this one took.
#[utoipa::path(
    get, path = "/api/v1/sweeps/{id}/changes", tag = "sweeps", params(
        ("id" = String, Path, description = "The later sweep's id"), ChangesQuery,
    ), security((), ("token" = [])),
    responses(
        (status = 200, content(
            (serde_json::Value = "application/json"), (String = "text/csv"), (String = "text/markdown"), (String = "text/html"),
            (String = "application/x-ndjson"),
        )),
        Usual,
        BadRequest,
        NoSuch,
    ),
)]
pub(super) async fn changes(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Query(query): Query<ChangesQuery>,
) -> Result<Response, Problem> {
    let format = format(query.format.as_deref())?;
    let sweep = known(&state, &id).await?;
    let since = match &query.since {
        Some(since) => {
            let id = SweepId::parse(since)
                .ok_or_else(|| Problem::bad_request(format!("`{since}` is not a sweep's id")))?;
            state
                .store
                .sweep(&id)
                .await?
                .ok_or_else(|| Problem::not_found(format!("there is no sweep {id}")))?
        }
        None => changes::before(state.store.as_ref(), &sweep)
            .await?
            .ok_or_else(|| {
                Problem::not_found("no earlier sweep looked at comparably many accounts")
            })?,
    };
    Ok(pieces::answer(format, async move |mut pieces| {
        changes::write(state.store.as_ref(), &since, &sweep, format, &mut pieces).await
    }))
}
