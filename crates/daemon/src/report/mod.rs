//! Drift reports in every form, written account by account as the store gives them.

pub(crate) mod changes;
mod csv;
mod html;
pub(crate) mod json;
mod markdown;
mod ocsf;
mod overview;
#[cfg(test)]
mod tests;
mod text;
mod words;

use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::finding::Finding;
use rolekeeper_domain::outcome::{AccountReport, Outcome, SweepRecord};
use rolekeeper_engine::port::store::{ReportFilter, StoreError, Sweeps};

pub(crate) use self::overview::Overview;
pub(crate) use self::text::{counts, headline, overview_text, repair_text};
pub(crate) use self::words::{accounts, grouped, seconds};
use crate::args::ReportFormat;

/// Accounts that are read from the store at a time: a page of a few hundred
/// kilobytes, whatever the size of the organization.
const PAGE: u32 = 500;

/// One form of a report.
trait Render: Send {
    /// What stands before the accounts.
    fn head(&mut self, sweep: &SweepRecord) -> String;
    /// One account.
    fn account(&mut self, report: &AccountReport) -> String;
    /// What is remembered of the accounts that come next, for the forms that want it.
    fn history(&mut self, _: Vec<Finding>) {}
    /// Whether [`Render::history`] is wanted.
    fn wants_history(&self) -> bool {
        false
    }
    /// What stands after them.
    fn tail(&mut self, sweep: &SweepRecord) -> String;
    /// In which order the accounts are wanted: one pass for each, all in one pass when empty.
    fn order(&self) -> &'static [Outcome] {
        &[]
    }
    /// The grouped view, for the forms that begin with it.
    fn overview(&mut self, _: Overview) {}
    /// Whether [`Render::overview`] is wanted.
    fn wants_overview(&self) -> bool {
        false
    }
}

/// Takes a piece of the report; false: the reader has seen enough.
pub(crate) trait Sink: Send {
    /// Takes the next piece.
    fn take(&mut self, piece: String) -> impl Future<Output = bool> + Send;
}

/// Writes the report of a sweep into `sink`, one page of accounts at a time.
pub(crate) async fn write<S: Sweeps>(
    store: &S,
    sweep: &SweepRecord,
    format: ReportFormat,
    sink: &mut impl Sink,
) -> Result<(), StoreError> {
    let mut render = renderer(format);
    if render.wants_overview() {
        render.overview(overview(store, sweep).await?);
    }
    if !sink.take(render.head(sweep)).await {
        return Ok(());
    }
    let all = [None];
    let some: Vec<Option<Outcome>> = render.order().iter().copied().map(Some).collect();
    for outcome in if some.is_empty() { &all[..] } else { &some[..] } {
        let mut pages = Pages::of(sweep, *outcome);
        while let Some(page) = pages.next(store).await? {
            if render.wants_history() {
                let accounts: Vec<AccountId> = page.iter().map(|report| report.account).collect();
                render.history(store.findings_of(&accounts).await?);
            }
            let piece: String = page.iter().map(|report| render.account(report)).collect();
            if !piece.is_empty() && !sink.take(piece).await {
                return Ok(());
            }
        }
    }
    sink.take(render.tail(sweep)).await;
    Ok(())
}

/// Groups the accounts of a sweep.
pub(crate) async fn overview<S: Sweeps>(
    store: &S,
    sweep: &SweepRecord,
) -> Result<Overview, StoreError> {
    let mut overview = Overview::default();
    let mut pages = Pages::of(sweep, None);
    while let Some(page) = pages.next(store).await? {
        page.iter().for_each(|report| overview.add(report));
    }
    Ok(overview)
}

/// The media type of a form.
pub(crate) const fn media_type(format: ReportFormat) -> &'static str {
    match format {
        ReportFormat::Json => "application/json",
        ReportFormat::Csv => "text/csv; charset=utf-8",
        ReportFormat::Markdown => "text/markdown; charset=utf-8",
        ReportFormat::Html => "text/html; charset=utf-8",
        ReportFormat::Ocsf => "application/x-ndjson",
    }
}

fn renderer(format: ReportFormat) -> Box<dyn Render> {
    match format {
        ReportFormat::Json => Box::new(json::Json::default()),
        ReportFormat::Csv => Box::new(csv::Csv::default()),
        ReportFormat::Markdown => Box::new(markdown::Markdown::default()),
        ReportFormat::Html => Box::new(html::Html::default()),
        ReportFormat::Ocsf => Box::new(ocsf::Ocsf::default()),
    }
}

/// The accounts of a sweep, page by page.
struct Pages<'a> {
    sweep: &'a SweepRecord,
    filter: ReportFilter,
    after: Option<AccountId>,
    done: bool,
}

impl<'a> Pages<'a> {
    fn of(sweep: &'a SweepRecord, outcome: Option<Outcome>) -> Self {
        Self {
            sweep,
            filter: ReportFilter {
                outcome,
                ..ReportFilter::default()
            },
            after: None,
            done: false,
        }
    }

    async fn next<S: Sweeps>(
        &mut self,
        store: &S,
    ) -> Result<Option<Vec<AccountReport>>, StoreError> {
        if self.done {
            return Ok(None);
        }
        let page = store
            .reports(&self.sweep.id, &self.filter, self.after, PAGE)
            .await?;
        self.done = page.len() < PAGE as usize;
        self.after = page.last().map(|report| report.account).or(self.after);
        Ok((!page.is_empty()).then_some(page))
    }
}
