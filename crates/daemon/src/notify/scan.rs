//! From what the store says to notices in the outbox.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use rolekeeper_domain::finding::Finding;
use rolekeeper_domain::outcome::{SweepOutcome, SweepRecord};
use rolekeeper_engine::port::store::{Notice, Outbox, Store, StoreError};

use super::body::News;
use super::groups::{Group, groups, identity};
use super::{NoticeKind, Webhook};

/// How many of the newest sweeps a scan looks at: who failed, and which of them saw what.
const SWEEPS_LOOKED_AT: u32 = 20;

/// News that is older than this is wanted by nobody. Longer than a long weekend.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How long a finding waits in the outbox for the notice that tells it with others. The scan that put it there writes
/// that notice a moment later, or the next one does; only what no scan knows any more is told by itself.
const ALONE_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// Rows of the outbox that are read to find what waits: ten webhooks, each with a critical finding in ten
/// thousand accounts. What is beyond is found by the next scan.
const WAITING_MOST: u32 = 100_000;

/// A scan could not read or write the store.
#[derive(Debug, thiserror::Error)]
#[error("notices could not be put into the outbox")]
pub(crate) struct ScanError(#[from] StoreError);

/// Finds what is to be told, round after round.
#[derive(Debug)]
pub(crate) struct Scan {
    look_back: SignedDuration,
    /// What this process knows to be in the outbox, so that it does not ask the store every few seconds: webhook and
    /// finding.
    noted: BTreeSet<(String, String)>,
    /// Whether findings may wait in the outbox whose notice was never written: this process just began, or failed.
    orphans: bool,
}

impl Scan {
    /// Begins. What was told is forgotten after `keep_days` ([`rolekeeper_store::Retention`]), so nothing older is told:
    /// it would be told again.
    pub(crate) fn new(keep_days: u32) -> Self {
        let kept = SignedDuration::from_hours(24 * i64::from(keep_days));
        Self {
            look_back: LOOK_BACK.min(kept),
            noted: BTreeSet::new(),
            orphans: true,
        }
    }

    /// Puts a notice for everything that should be told into the outbox; what is
    /// there already is not put there again. Answers how many were added.
    pub(crate) async fn round<S: Store>(
        &mut self,
        store: &S,
        webhooks: &[Webhook],
        now: Timestamp,
    ) -> Result<usize, ScanError> {
        if webhooks.is_empty() {
            return Ok(0);
        }
        let since = now.checked_sub(self.look_back).unwrap_or(Timestamp::MIN);
        let sweeps = store.sweeps(None, SWEEPS_LOOKED_AT).await?;
        let mut added = 0;
        for news in news(store, &sweeps, since, now).await? {
            for webhook in wanting(webhooks, news.kind) {
                let notice = notice(&news, webhook, now);
                added += usize::from(store.post(&notice).await?);
            }
        }
        if wanting(webhooks, NoticeKind::CriticalDrift)
            .next()
            .is_none()
        {
            return Ok(added);
        }
        let findings = store.critical_findings(since).await?;
        let groups = groups(store, &sweeps, &findings, now).await?;
        Ok(added + self.tell(store, webhooks, &groups, now).await?)
    }

    /// Each finding is a row of the outbox by itself, which is what makes it known for ever; then one notice tells all
    /// that are new, and the rows are settled. A process that dies in between leaves rows that wait: the next scan
    /// writes their notice.
    async fn tell<S: Store>(
        &mut self,
        store: &S,
        webhooks: &[Webhook],
        groups: &[Group<'_>],
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        // Until this round is over: whatever fails here is looked for again.
        let mut look = std::mem::replace(&mut self.orphans, true);
        let mut present = BTreeSet::new();
        for webhook in wanting(webhooks, NoticeKind::CriticalDrift) {
            for finding in groups.iter().flat_map(|group| &group.findings) {
                let key = (webhook.name.clone(), identity(finding));
                if !self.noted.contains(&key) {
                    look |= store.post(&waiting(finding, webhook, now)).await?;
                }
                present.insert(key);
            }
        }
        let mut added = 0;
        if look {
            added = together(store, webhooks, groups, now).await?;
        }
        self.noted = present;
        self.orphans = false;
        Ok(added)
    }
}

/// Writes the notices of findings that wait in the outbox, and settles these.
async fn together<O: Outbox>(
    outbox: &O,
    webhooks: &[Webhook],
    groups: &[Group<'_>],
    now: Timestamp,
) -> Result<usize, StoreError> {
    let rows = outbox.due(Timestamp::MAX, WAITING_MOST).await?;
    let rows: BTreeMap<(&str, &str), i64> = rows
        .iter()
        .map(|row| ((row.target.as_str(), row.dedup_key.as_str()), row.id))
        .collect();
    let mut added = 0;
    for webhook in wanting(webhooks, NoticeKind::CriticalDrift) {
        for group in groups {
            let (mut findings, mut ids) = (Vec::new(), Vec::new());
            for finding in &group.findings {
                if let Some(id) = rows.get(&(webhook.name.as_str(), identity(finding).as_str())) {
                    findings.push(*finding);
                    ids.push(*id);
                }
            }
            if findings.is_empty() {
                continue;
            }
            let news = News::critical_drift(group.sweep, &findings, now);
            added += usize::from(outbox.post(&notice(&news, webhook, now)).await?);
            let told = format!("told with others, as {}", news.dedup_key);
            for id in ids {
                outbox.postponed(id, &told, None).await?;
            }
        }
    }
    Ok(added)
}

fn wanting(webhooks: &[Webhook], kind: NoticeKind) -> impl Iterator<Item = &Webhook> {
    webhooks
        .iter()
        .filter(move |webhook| webhook.on.contains(&kind))
}

fn notice(news: &News, webhook: &Webhook, at: Timestamp) -> Notice {
    Notice {
        id: 0,
        kind: news.kind.as_str().to_owned(),
        dedup_key: news.dedup_key.clone(),
        target: webhook.name.clone(),
        body: news.body(webhook.format),
        at,
        attempts: 0,
    }
}

/// The row of one finding. It is never forgotten before the finding is too old to be told, also where the clock that
/// the finding was seen by went ahead of this one.
fn waiting(finding: &Finding, webhook: &Webhook, now: Timestamp) -> Notice {
    let from = now.max(finding.first_seen);
    let mut news = News::critical_drift(None, &[finding], now);
    news.dedup_key = identity(finding);
    notice(
        &news,
        webhook,
        from.checked_add(ALONE_AFTER).unwrap_or(from),
    )
}

/// What is told besides critical findings, if it is not older than `since`.
async fn news<S: Store>(
    store: &S,
    sweeps: &[SweepRecord],
    since: Timestamp,
    now: Timestamp,
) -> Result<Vec<News>, StoreError> {
    let mut news = Vec::new();
    if let Some(halt) = store.halted().await?.filter(|halt| since <= halt.at) {
        news.push(News::halted(&halt, now));
    }
    for (id, changes) in store.awaiting_approval().await? {
        let asked_at = store.approval_asked_at(&id).await?;
        if let Some(sweep) = store.sweep(&id).await?
            && since <= asked_at.unwrap_or(sweep.started_at)
        {
            news.push(News::approval_wanted(&sweep, changes, now));
        }
    }
    let failed = sweeps.iter().filter(|sweep| {
        sweep.outcome == Some(SweepOutcome::Failed)
            && since <= sweep.finished_at.unwrap_or(sweep.started_at)
    });
    news.extend(failed.map(|sweep| News::sweep_failed(sweep, now)));
    Ok(news)
}
