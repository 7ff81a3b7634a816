//! From what the store says to notices in the outbox.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rolekeeper_domain::finding::Finding;
use rolekeeper_domain::outcome::{SweepId, SweepOutcome, SweepRecord};
use rolekeeper_engine::port::store::{Notice, Store, StoreError};

use super::Webhook;
use super::body::{News, Stage};

/// How many of the newest sweeps a scan looks at. A process that was down for
/// longer than this many sweeps has older news than anybody wants.
const SWEEPS_LOOKED_AT: u32 = 20;

/// A scan could not read or write the store.
#[derive(Debug, thiserror::Error)]
#[error("notices could not be put into the outbox")]
pub(crate) struct ScanError(#[from] StoreError);

/// Puts a notice for everything that should be told into the outbox; what is
/// there already is not put there again. Answers how many were added.
pub(crate) async fn scan<S: Store>(
    store: &S,
    webhooks: &[Webhook],
    now: Timestamp,
) -> Result<usize, ScanError> {
    if webhooks.is_empty() {
        return Ok(0);
    }
    let mut added = 0;
    for news in news(store, now).await? {
        for webhook in webhooks
            .iter()
            .filter(|webhook| webhook.on.contains(&news.kind))
        {
            let notice = Notice {
                id: 0,
                kind: news.kind.as_str().to_owned(),
                dedup_key: news.dedup_key.clone(),
                target: webhook.name.clone(),
                body: news.body(webhook.format),
                at: now,
                attempts: 0,
            };
            added += usize::from(store.post(&notice).await?);
        }
    }
    Ok(added)
}

async fn news<S: Store>(store: &S, now: Timestamp) -> Result<Vec<News>, StoreError> {
    let mut news = Vec::new();
    if let Some(halt) = store.halted().await? {
        news.push(News::halted(&halt, now));
    }
    for (id, changes) in store.awaiting_approval().await? {
        if let Some(sweep) = store.sweep(&id).await? {
            news.push(News::approval_wanted(&sweep, changes, now));
        }
    }
    let sweeps = store.sweeps(None, SWEEPS_LOOKED_AT).await?;
    for sweep in &sweeps {
        if sweep.outcome == Some(SweepOutcome::Failed) {
            news.push(News::sweep_failed(sweep, now));
        }
    }
    let Some(since) = sweeps.iter().map(|sweep| sweep.started_at).min() else {
        return Ok(news);
    };
    let findings = store.critical_findings(since).await?;
    let mut fresh: BTreeMap<&SweepId, Vec<&Finding>> = BTreeMap::new();
    for finding in &findings {
        // Each belongs to one sweep for ever, also where two ran at once: told twice would be as bad as not told.
        if let Some(sweep) = sweeps
            .iter()
            .find(|sweep| was_under_way(sweep, finding.first_seen))
        {
            fresh.entry(&sweep.id).or_default().push(finding);
        }
    }
    for sweep in &sweeps {
        if let Some(findings) = fresh.remove(&sweep.id) {
            let asked_at = store.approval_asked_at(&sweep.id).await?;
            news.extend(critical(sweep, findings, asked_at, now));
        }
    }
    Ok(news)
}

/// A sweep tells when it ends; one that asks for approval, and may wait for a day, tells what it
/// has seen when it asks, and the rest when it ends.
fn critical(
    sweep: &SweepRecord,
    findings: Vec<&Finding>,
    asked_at: Option<Timestamp>,
    now: Timestamp,
) -> Vec<News> {
    let (early, late): (Vec<_>, Vec<_>) = findings
        .into_iter()
        .partition(|finding| asked_at.is_some_and(|asked| finding.first_seen <= asked));
    let mut news = Vec::new();
    if !early.is_empty() {
        news.push(News::critical_drift(sweep, Stage::Asks, &early, now));
    }
    if !late.is_empty() && sweep.finished_at.is_some() {
        news.push(News::critical_drift(sweep, Stage::Ended, &late, now));
    }
    news
}

fn was_under_way(sweep: &SweepRecord, at: Timestamp) -> bool {
    sweep.started_at <= at && sweep.finished_at.is_none_or(|end| at <= end)
}
