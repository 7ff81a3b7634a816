//! `/api/v1/sweeps`.

use std::collections::BTreeSet;

use axum::Json as Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use clap::ValueEnum;
use rolekeeper_domain::outcome::{Mode, SweepId, SweepRecord, Trigger};
use rolekeeper_engine::port::store::{Control, SweepRequest, Sweeps};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ApiState;
use super::accounts::{account_id, bad_cursor, limit};
use super::control::REQUESTED_BY;
use super::extract::{Json, Path, Query, filled};
use super::pieces;
use super::problem::Problem;
use super::refusals::{BadBody, BadRequest, NoSuch, Usual, WrongMoment};
use super::views::{OneSweepView, PageView, SweepView};
use crate::args::ReportFormat;
use crate::report::{self, changes};

/// Which page of the sweeps.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SweepsQuery {
    /// `next_cursor` of the page before.
    #[serde(default, deserialize_with = "filled")]
    cursor: Option<String>,
    /// Rows of the page.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// The past sweeps and the running one, the newest first.
#[utoipa::path(
    get, path = "/api/v1/sweeps", tag = "sweeps", params(SweepsQuery), security((), ("token" = [])),
    responses(
        (status = 200, body = PageView<SweepView>),
        Usual,
        BadRequest,
    ),
)]
pub(super) async fn sweeps(
    State(state): State<ApiState>,
    Query(query): Query<SweepsQuery>,
) -> Result<Body<PageView<SweepView>>, Problem> {
    let before = query
        .cursor
        .as_deref()
        .map(|cursor| SweepId::parse(cursor).ok_or_else(|| bad_cursor(cursor)))
        .transpose()?;
    if let Some(before) = &before
        && state.store.sweep(before).await?.is_none()
    {
        return Err(bad_cursor(before.as_str()));
    }
    let limit = limit(query.limit)?;
    let mut sweeps = state.store.sweeps(before.as_ref(), limit + 1).await?;
    let more = usize::try_from(limit).is_ok_and(|limit| limit < sweeps.len());
    if more {
        sweeps.pop();
    }
    let next_cursor = sweeps
        .last()
        .filter(|_| more)
        .map(|sweep| sweep.id.to_string());
    Ok(Body(PageView {
        items: sweeps.into_iter().map(Into::into).collect(),
        next_cursor,
    }))
}

/// What to sweep.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StartBody {
    /// `audit` or `repair`.
    #[schema(pattern = "^(audit|repair)$")]
    mode: String,
    /// Only these accounts; all selected ones when left out.
    #[serde(default)]
    accounts: Option<Vec<String>>,
}

/// A sweep that was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RequestedView {
    /// The request's number; the replica that writes takes it up.
    request: i64,
    mode: &'static str,
    /// How many accounts were named; null when all selected ones are meant.
    accounts: Option<usize>,
}

/// Asks for a sweep.
///
/// What would not be begun is refused at once: a repair while writes are halted, or by a daemon
/// that was started to audit only.
#[utoipa::path(
    post, path = "/api/v1/sweeps", tag = "sweeps", request_body = StartBody, security(("token" = [])),
    responses(
        (status = 202, body = RequestedView),
        Usual,
        BadRequest,
        WrongMoment,
        BadBody,
    ),
)]
pub(super) async fn start(
    State(state): State<ApiState>,
    Json(body): Json<StartBody>,
) -> Result<(StatusCode, Body<RequestedView>), Problem> {
    let mode = Mode::parse(&body.mode).ok_or_else(|| {
        Problem::bad_request(format!(
            "mode is `{}`: audit or repair is allowed",
            body.mode
        ))
    })?;
    let accounts = match body.accounts {
        None => None,
        Some(ids) if ids.is_empty() => {
            return Err(Problem::bad_request(
                "accounts is empty: name accounts, or leave it out to mean all selected ones",
            ));
        }
        Some(ids) => Some(
            ids.iter()
                .map(|id| account_id(id))
                .collect::<Result<BTreeSet<_>, _>>()?,
        ),
    };
    state.reach.admits(mode, state.store.as_ref()).await?;
    let named = accounts.as_ref().map(BTreeSet::len);
    let request = SweepRequest {
        id: 0,
        mode,
        accounts: accounts.map(|accounts| accounts.into_iter().collect()),
        trigger: Trigger::Api,
        requested_by: REQUESTED_BY.to_owned(),
        at: (state.now)(),
    };
    let request = state.store.request(&request).await?;
    let view = RequestedView {
        request,
        mode: mode.as_str(),
        accounts: named,
    };
    Ok((StatusCode::ACCEPTED, Body(view)))
}

/// One sweep.
#[utoipa::path(
    get, path = "/api/v1/sweeps/{id}", tag = "sweeps", security((), ("token" = [])),
    params(("id" = String, Path, description = "The sweep's id")),
    responses(
        (status = 200, body = OneSweepView),
        Usual,
        BadRequest,
        NoSuch,
    ),
)]
pub(super) async fn sweep(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Body<OneSweepView>, Problem> {
    let sweep = known(&state, &id).await?;
    let earlier = match sweep.outcome {
        Some(_) => changes::before(state.store.as_ref(), &sweep).await?,
        None => None,
    };
    Ok(Body(OneSweepView {
        sweep: sweep.into(),
        compared_with: earlier.map(|earlier| earlier.id.to_string()),
    }))
}

/// In which format.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ReportQuery {
    /// `json`, `csv`, `markdown`, `html` or `ocsf`; json when left out.
    #[serde(default, deserialize_with = "filled")]
    format: Option<String>,
}

/// The drift report of one sweep.
#[utoipa::path(
    get, path = "/api/v1/sweeps/{id}/report", tag = "sweeps", params(
        ("id" = String, Path, description = "The sweep's id"), ReportQuery,
    ), security((), ("token" = [])),
    responses(
        (status = 200, content(
            (serde_json::Value = "application/json"), (String = "text/csv"), (String = "text/markdown"),
            (String = "text/html"), (String = "application/x-ndjson"),
        )),
        Usual,
        BadRequest,
        NoSuch,
    ),
)]
pub(super) async fn report(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Query(query): Query<ReportQuery>,
) -> Result<Response, Problem> {
    let format = format(query.format.as_deref())?;
    let sweep = known(&state, &id).await?;
    Ok(pieces::answer(format, async move |mut pieces| {
        report::write(state.store.as_ref(), &sweep, format, &mut pieces).await
    }))
}

/// The form of a report of that name; JSON when there is none.
pub(super) fn format(name: Option<&str>) -> Result<ReportFormat, Problem> {
    name.map_or(Ok(ReportFormat::Json), |name| {
        ReportFormat::from_str(name, false).map_err(|_| {
            Problem::bad_request(format!(
                "format is `{name}`: json, csv, markdown, html or ocsf is allowed"
            ))
        })
    })
}

/// What a request about a sweep did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DoneView {
    sweep: String,
    /// What was done, in words.
    done: &'static str,
}

/// Asks that a running sweep end after the steps under way.
#[utoipa::path(
    post, path = "/api/v1/sweeps/{id}/cancel", tag = "sweeps", security(("token" = [])),
    params(("id" = String, Path, description = "The sweep's id")),
    responses(
        (status = 202, body = DoneView),
        Usual,
        BadRequest,
        NoSuch,
        WrongMoment,
    ),
)]
pub(super) async fn cancel(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Body<DoneView>), Problem> {
    let sweep = known(&state, &id).await?;
    if let Some(outcome) = sweep.outcome {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            format!("sweep {} has ended already ({outcome})", sweep.id),
        ));
    }
    state
        .store
        .cancel(&sweep.id, REQUESTED_BY, (state.now)())
        .await?;
    Ok((
        StatusCode::ACCEPTED,
        Body(DoneView {
            sweep: sweep.id.to_string(),
            done: "it will end after the steps under way",
        }),
    ))
}

/// Approves the changes a sweep waits with.
#[utoipa::path(
    post, path = "/api/v1/sweeps/{id}/approve", tag = "sweeps", security(("token" = [])),
    params(("id" = String, Path, description = "The sweep's id")),
    responses(
        (status = 200, body = DoneView),
        Usual,
        BadRequest,
        NoSuch,
        WrongMoment,
    ),
)]
pub(super) async fn approve(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Body<DoneView>, Problem> {
    let sweep = known(&state, &id).await?;
    if state
        .store
        .approve(&sweep.id, REQUESTED_BY, (state.now)())
        .await?
    {
        Ok(Body(DoneView {
            sweep: sweep.id.to_string(),
            done: "approved",
        }))
    } else {
        let waiting = state.store.awaiting_approval().await?;
        let detail = if waiting.iter().any(|(waits, _)| *waits == sweep.id) {
            format!(
                "sweep {} was not approved: no process holds the lease, so none waits for it",
                sweep.id
            )
        } else {
            format!("sweep {} does not wait for approval", sweep.id)
        };
        Err(Problem::new(StatusCode::CONFLICT, detail))
    }
}

pub(super) async fn known(state: &ApiState, id: &str) -> Result<SweepRecord, Problem> {
    let id = SweepId::parse(id)
        .ok_or_else(|| Problem::bad_request(format!("`{id}` is not a sweep's id")))?;
    state
        .store
        .sweep(&id)
        .await?
        .ok_or_else(|| Problem::not_found(format!("there is no sweep {id}")))
}
