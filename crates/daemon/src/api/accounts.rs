//! `/api/v1/accounts`.

use axum::Json;
use axum::extract::State;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::Outcome;
use rolekeeper_engine::port::registration::Registrations as _;
use rolekeeper_engine::port::store::{
    EntryId, FleetKey, FleetOrder, FleetPosition, Journal, ReportFilter, Sweeps,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::ApiState;
use super::extract::{Path, Query, filled};
use super::problem::Problem;
use super::refusals::{BadRequest, NoSuch, Usual};
use super::views::PageView;
use super::views::account::{AccountRowView, AccountView, JournalView};

/// Rows of a page when nobody says how many.
const PAGE_DEFAULT: u32 = 100;
/// Rows of a page at most.
pub(super) const PAGE_MAX: u32 = 1_000;

/// Which accounts, and which page of them.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AccountsQuery {
    /// Only this outcome: `in_sync`, `drifted`, `repaired`, `failed`, `skipped` or `pending`.
    #[serde(default, deserialize_with = "filled")]
    outcome: Option<String>,
    /// Only this organizational unit and those below it, as a path of names.
    #[serde(default, deserialize_with = "filled")]
    ou: Option<String>,
    /// Only accounts whose id or name contains this text.
    #[serde(default, deserialize_with = "filled")]
    q: Option<String>,
    /// `id`, `worst`, `name`, `ou` or `observed`; with `-` before it: turned round.
    #[serde(default, deserialize_with = "filled")]
    sort: Option<String>,
    /// `next_cursor` of the page before, with the same sort.
    #[serde(default, deserialize_with = "filled")]
    cursor: Option<String>,
    /// Rows of the page.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// The accounts as they were last seen.
///
/// A cursor holds while sweeps change the data: no account is shown twice or
/// left out because another one moved.
#[utoipa::path(
    get, path = "/api/v1/accounts", tag = "fleet", params(AccountsQuery), security((), ("token" = [])),
    responses(
        (status = 200, body = PageView<AccountRowView>),
        Usual,
        BadRequest,
    ),
)]
pub(super) async fn accounts(
    State(state): State<ApiState>,
    Query(query): Query<AccountsQuery>,
) -> Result<Json<PageView<AccountRowView>>, Problem> {
    let filter = ReportFilter {
        outcome: query.outcome.as_deref().map(outcome).transpose()?,
        ou: query.ou.filter(|ou| !ou.is_empty()),
        text: query.q.filter(|text| !text.is_empty()),
        ..ReportFilter::default()
    };
    let order = query
        .sort
        .as_deref()
        .map_or(Ok(FleetOrder::default()), order)?;
    let after = query.cursor.as_deref().map(position).transpose()?;
    let limit = limit(query.limit)?;
    let mut reports = state
        .store
        .fleet(&filter, order, after.as_ref(), limit + 1)
        .await?;
    let more = usize::try_from(limit).is_ok_and(|limit| limit < reports.len());
    if more {
        reports.pop();
    }
    let next_cursor = reports.last().filter(|_| more).map(|report| {
        let position = order.position(report);
        format!("{}:{}", position.account, position.key)
    });
    Ok(Json(PageView {
        items: reports.into_iter().map(Into::into).collect(),
        next_cursor,
    }))
}

/// One account with everything known about it.
#[utoipa::path(
    get, path = "/api/v1/accounts/{id}", tag = "fleet", security((), ("token" = [])),
    params(("id" = String, Path, description = "The account's id", pattern = "^[0-9]{12}$")),
    responses(
        (status = 200, body = AccountView),
        Usual,
        BadRequest,
        NoSuch,
    ),
)]
pub(super) async fn account(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<AccountView>, Problem> {
    let account = account_id(&id)?;
    let report = state
        .store
        .fleet_account(account)
        .await?
        .ok_or_else(|| Problem::not_found(format!("no account {account} has been seen")))?;
    let findings = state.store.findings(Some(account)).await?;
    let registrations = state.store.registrations_of(account).await?;
    Ok(Json(AccountView::new(report, findings, registrations)))
}

/// Which page of a history.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryQuery {
    /// `next_cursor` of the page before.
    #[serde(default, deserialize_with = "filled")]
    cursor: Option<String>,
    /// Rows of the page.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// What was done to one account, the newest first.
#[utoipa::path(
    get, path = "/api/v1/accounts/{id}/history", tag = "fleet", security((), ("token" = [])),
    params(("id" = String, Path, description = "The account's id", pattern = "^[0-9]{12}$"), HistoryQuery),
    responses(
        (status = 200, body = PageView<JournalView>),
        Usual,
        BadRequest,
    ),
)]
pub(super) async fn history(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<PageView<JournalView>>, Problem> {
    let account = account_id(&id)?;
    let before = query
        .cursor
        .as_deref()
        .map(|cursor| cursor.parse().map(EntryId).map_err(|_| bad_cursor(cursor)))
        .transpose()?;
    let limit = limit(query.limit)?;
    let mut entries = state.store.history(account, before, limit + 1).await?;
    let more = usize::try_from(limit).is_ok_and(|limit| limit < entries.len());
    if more {
        entries.pop();
    }
    let next_cursor = entries
        .last()
        .filter(|_| more)
        .map(|entry| entry.id.0.to_string());
    Ok(Json(PageView {
        items: entries.into_iter().map(Into::into).collect(),
        next_cursor,
    }))
}

pub(super) fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    match asked {
        None => Ok(PAGE_DEFAULT),
        Some(rows) if (1..=PAGE_MAX).contains(&rows) => Ok(rows),
        Some(rows) => Err(Problem::bad_request(format!(
            "limit is {rows}: 1 to {PAGE_MAX} is allowed"
        ))),
    }
}

pub(super) fn outcome(name: &str) -> Result<Outcome, Problem> {
    Outcome::parse(name).ok_or_else(|| {
        let allowed: Vec<_> = Outcome::ALL
            .iter()
            .map(|outcome| outcome.as_str())
            .collect();
        Problem::bad_request(format!(
            "outcome is `{name}`: one of {} is allowed",
            allowed.join(", ")
        ))
    })
}

pub(super) fn account_id(text: &str) -> Result<AccountId, Problem> {
    text.parse()
        .map_err(|error| Problem::bad_request(format!("{error}")))
}

fn order(name: &str) -> Result<FleetOrder, Problem> {
    let (descending, name) = name
        .strip_prefix('-')
        .map_or((false, name), |rest| (true, rest));
    let key = match name {
        "id" => FleetKey::Account,
        "worst" => FleetKey::Worst,
        "name" => FleetKey::Name,
        "ou" => FleetKey::Unit,
        "observed" => FleetKey::Observed,
        _ => {
            return Err(Problem::bad_request(format!(
                "sort is `{name}`: id, worst, name, ou or observed is allowed, with `-` before it to turn it round"
            )));
        }
    };
    Ok(FleetOrder { key, descending })
}

fn position(cursor: &str) -> Result<FleetPosition, Problem> {
    let (account, key) = cursor.split_once(':').ok_or_else(|| bad_cursor(cursor))?;
    let account = account.parse().map_err(|_| bad_cursor(cursor))?;
    Ok(FleetPosition {
        key: key.to_owned(),
        account,
    })
}

pub(super) fn bad_cursor(cursor: &str) -> Problem {
    Problem::bad_request(format!("`{cursor}` is not a cursor that this API gave"))
}
