//! `/api/v1/sweeps/{id}/changes`.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use clap::ValueEnum;
use rolekeeper_domain::outcome::SweepId;
use rolekeeper_engine::port::store::Sweeps;
use serde::Deserialize;
use utoipa::IntoParams;

use super::ApiState;
use super::extract::{Path, Query};
use super::problem::Problem;
use super::sweeps::known;
use crate::args::ReportFormat;
use crate::report::{self, changes};

/// Since when, and in which form.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ChangesQuery {
    /// The earlier sweep; when left out, the last completed one before it that looked at comparably many accounts.
    since: Option<String>,
    /// `json`, `csv`, `markdown` or `html`; json when left out.
    format: Option<String>,
}

/// What is new, what is gone and what stayed since an earlier sweep.
#[utoipa::path(
    get, path = "/api/v1/sweeps/{id}/changes", tag = "sweeps", params(
        ("id" = String, Path, description = "The later sweep's id"), ChangesQuery,
    ), security((), ("token" = [])),
    responses(
        (status = 200, content(
            (serde_json::Value = "application/json"), (String = "text/csv"), (String = "text/markdown"), (String = "text/html"),
        )),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn changes(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Query(query): Query<ChangesQuery>,
) -> Result<Response, Problem> {
    let name = query.format.as_deref().unwrap_or("json");
    let format = ReportFormat::from_str(name, false)
        .ok()
        .filter(|format| changes::has(*format))
        .ok_or_else(|| {
            Problem::bad_request(format!(
                "format is `{name}`: json, csv, markdown or html is allowed"
            ))
        })?;
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
    let changed = changes::compare(state.store.as_ref(), &since, &sweep).await?;
    Ok((
        [(header::CONTENT_TYPE, report::media_type(format))],
        changes::render(&changed, format),
    )
        .into_response())
}
