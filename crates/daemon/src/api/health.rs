//! `/healthz`, `/readyz`, `/metrics`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::drift::Severity;
use rolekeeper_domain::finding::Finding;
use rolekeeper_engine::port::store::{Control, Lease, StoreError, Sweeps};
use serde_json::json;

use super::ApiState;
use super::problem::Problem;

/// How long a scrape waits for the store: Prometheus gives up after ten seconds.
const STORE_WAIT: Duration = Duration::from_secs(3);

/// What the process knows of its own fitness; set by whoever finds out.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    facts: Mutex<Facts>,
}

#[derive(Clone, Debug, Default)]
struct Facts {
    /// Why the hub's credentials cannot be used; none once they have been.
    credentials: Option<String>,
    credentials_known: bool,
}

impl Readiness {
    /// The hub's credentials worked, or did not.
    pub(crate) fn set_credentials(&self, valid: Result<(), String>) {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        facts.credentials_known = true;
        facts.credentials = valid.err();
    }

    /// Whether they work, as far as is known.
    pub(crate) fn credentials(&self) -> Result<(), String> {
        let facts = self
            .facts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match (facts.credentials_known, facts.credentials) {
            (false, _) => Err("the credentials have not been tried yet".to_owned()),
            (true, None) => Ok(()),
            (true, Some(why)) => Err(why),
        }
    }
}

/// The process is alive.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The process can do its work: store reachable, credentials valid, leader known.
pub(super) async fn readyz(State(state): State<ApiState>) -> Response {
    let leader = state.store.holder().await;
    let store = leader.as_ref().map(|_| ()).map_err(|error| {
        state.metrics.count_store_error(error);
        "cannot be read".to_owned()
    });
    let leader = match leader {
        Ok(Some((_, until))) if (state.now)() < until => Ok(()),
        Ok(_) => Err("no replica holds the lease".to_owned()),
        Err(_) => Err("unknown".to_owned()),
    };
    let checks = [
        ("store", store),
        ("credentials", state.readiness.credentials()),
        ("leader", leader),
    ];
    let ready = checks.iter().all(|(_, check)| check.is_ok());
    let body: serde_json::Map<_, _> = checks
        .into_iter()
        .map(|(name, check)| {
            (
                name.to_owned(),
                json!(check.err().unwrap_or_else(|| "ok".to_owned())),
            )
        })
        .collect();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(json!({"ready": ready, "checks": body}))).into_response()
}

/// Prometheus's text format. Fleet gauges are read from the store at this moment.
pub(super) async fn metrics(State(state): State<ApiState>) -> Result<Response, Problem> {
    // A scrape must answer while the store is down, or gone without a word: that is when it is needed most.
    let known = tokio::time::timeout(STORE_WAIT, fleet_gauges(&state)).await;
    if let Err(error) = known.unwrap_or_else(|_| Err(silent())) {
        state.metrics.count_store_error(&error);
    }
    let text = state.metrics.render().map_err(|error| {
        tracing::error!(error = %error, "metrics cannot be rendered");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "metrics cannot be rendered",
        )
    })?;
    Ok(([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response())
}

/// Sets the gauges that are read from the store.
async fn fleet_gauges(state: &ApiState) -> Result<(), StoreError> {
    state.metrics.set_fleet(&state.store.fleet_totals().await?);
    let halt = state.store.halted().await?;
    state.metrics.set_halted(halt.is_some());
    if state.account_series {
        let findings = state.store.findings(None).await?;
        state.metrics.set_accounts(&drifted(&findings));
    }
    Ok(())
}

fn silent() -> StoreError {
    StoreError::Unavailable {
        message: "no answer came in time for the scrape".to_owned(),
    }
}

/// Each account with the severities of what is open in it, the worst first.
fn drifted(findings: &[Finding]) -> Vec<(AccountId, Severity)> {
    let mut drifted: Vec<_> = findings
        .iter()
        .map(|finding| (finding.account, finding.drift.severity))
        .collect();
    drifted.sort_unstable_by(|left, right| right.1.cmp(&left.1).then(left.0.cmp(&right.0)));
    drifted.dedup();
    drifted
}
