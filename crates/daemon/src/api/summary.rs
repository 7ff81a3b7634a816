//! `/api/v1/summary`.

use axum::Json;
use axum::extract::State;
use rolekeeper_domain::outcome::Mode;
use rolekeeper_engine::Reach;
use rolekeeper_engine::port::store::{Control, Sweeps};

use super::ApiState;
use super::problem::Problem;
use super::refusals::Usual;
use super::sentence::sentence;
use super::views::{self, ApprovalView, ProgressView, SummaryView};

/// How far back the newest sweep that ended is looked for.
const SWEEPS_LOOKED_AT: u32 = 10;

/// The whole organization at a glance.
#[utoipa::path(
    get, path = "/api/v1/summary", tag = "fleet", security((), ("token" = [])),
    responses(
        (status = 200, body = SummaryView),
        Usual,
    ),
)]
pub(super) async fn summary(State(state): State<ApiState>) -> Result<Json<SummaryView>, Problem> {
    let totals = state.store.fleet_totals().await?;
    let units = state.store.fleet_units().await?;
    let halt = state.store.halted().await?;
    let waiting = state.store.awaiting_approval().await?;
    let mut awaiting_approval = Vec::with_capacity(waiting.len());
    for (sweep, changes) in &waiting {
        let record = state.store.sweep(sweep).await?;
        awaiting_approval.push(ApprovalView {
            sweep: sweep.to_string(),
            changes: *changes,
            widens: record.map(|record| record.widens).unwrap_or_default(),
        });
    }
    let sweeps = state.store.sweeps(None, SWEEPS_LOOKED_AT).await?;
    let last_sweep = sweeps.into_iter().find(|sweep| sweep.outcome.is_some());
    Ok(Json(SummaryView {
        version: env!("CARGO_PKG_VERSION"),
        sentence: sentence(&totals, last_sweep.as_ref(), halt.as_ref(), waiting.len()),
        accounts: totals
            .accounts
            .iter()
            .map(|(outcome, count)| (outcome.as_str(), *count))
            .collect(),
        skipped: totals
            .skipped
            .iter()
            .map(|(reason, count)| (reason.as_str(), *count))
            .collect(),
        findings: views::finding_counts(&totals),
        units: units.into_iter().map(Into::into).collect(),
        halted: halt.map(Into::into),
        awaiting_approval,
        last_sweep: last_sweep.map(Into::into),
        running: state
            .live
            .running()
            .map(|running| ProgressView::new(running, (state.now)())),
        rates: views::rates(state.live.rates()),
        next_sweep_at: state.live.next_sweep_at().map(|at| at.to_string()),
        writable: state.token.is_some(),
        no_repair: no_repair(state.reach),
    }))
}

/// Why a repair cannot be asked for here, whatever the moment.
fn no_repair(reach: Reach) -> Option<String> {
    reach
        .covers(Mode::Repair)
        .err()
        .map(|refusal| Problem::from(refusal).detail)
}
