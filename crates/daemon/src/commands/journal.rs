//! `rolekeeper journal`: the record of every write, for others to keep and to check.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use rolekeeper_engine::port::store::StoreError;
use rolekeeper_store::{Break, ExportLine, Head, Store, Verified, Verifier};

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::plain;
use crate::wire;

/// Records of one piece of an export.
const PAGE: u32 = 500;

/// How often a page is read until it holds together: each time retention cut the old end meanwhile, which it does
/// once a day.
const READS: usize = 5;

/// Where an export comes from.
trait Chain {
    /// The records after that number, and the last number that there is.
    async fn page(&self, after: i64) -> Result<(Vec<ExportLine>, i64), StoreError>;
}

impl Chain for Store {
    async fn page(&self, after: i64) -> Result<(Vec<ExportLine>, i64), StoreError> {
        // The end first: what is appended later is no record that is missing.
        let end = self.head().await?.seq;
        Ok((self.export_journal(after, PAGE).await?, end))
    }
}

/// Writes the records after number `after`, a line each.
pub(crate) async fn export(app: &App, after: i64) -> Result<Exit, Failure> {
    let config = app.config()?;
    let store = wire::store_to_read(&config).await?;
    let (mut after, mut last) = (after, None);
    loop {
        let lines = next_page(store.as_ref(), after, last.as_ref()).await?;
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        app.terminal.result(&text)?;
        last = lines.into_iter().next_back();
        match &last {
            Some(last) => after = last.seq,
            None => return Ok(Exit::Clean),
        }
    }
}

/// The records after the last one that was written. Retention may cut the old end between two reads of one page, so
/// that its records seem to be bound to something else, or none seems to be there: then it is read again. What reads the
/// same twice is what stands there, also where somebody tampered with it: that is for `verify` to say.
async fn next_page(
    chain: &impl Chain,
    after: i64,
    last: Option<&ExportLine>,
) -> Result<Vec<ExportLine>, Failure> {
    let mut before: Option<Vec<ExportLine>> = None;
    for _ in 0..READS {
        let (lines, end) = chain.page(after).await?;
        let holds = match lines.first() {
            Some(first) => follows(first, last) && is_bound(&lines),
            None => end <= after,
        };
        if holds {
            return Ok(lines);
        }
        if before.as_ref() == Some(&lines) {
            gap(after, lines.first(), last, end)?;
            return Ok(lines);
        }
        before = Some(lines);
    }
    Err(
        Failure::new("the journal changes faster than it can be read")
            .with_help(format!("go on with --after {after}")),
    )
}

/// Whether a record comes right after the last one. The first of all may come after any: older ones are cut.
fn follows(first: &ExportLine, last: Option<&ExportLine>) -> bool {
    last.is_none_or(|last| last.seq.checked_add(1) == Some(first.seq))
}

fn is_bound(lines: &[ExportLine]) -> bool {
    let mut verifier = Verifier::new(None);
    lines
        .iter()
        .all(|line| verifier.line(&line.to_string()).is_ok())
}

/// Fails where records are gone between the last one and the next: an export with a gap is none.
fn gap(
    after: i64,
    first: Option<&ExportLine>,
    last: Option<&ExportLine>,
    end: i64,
) -> Result<(), Failure> {
    let next = match first {
        Some(first) if follows(first, last) => return Ok(()),
        Some(first) => first.seq - 1,
        None => end,
    };
    Err(Failure::new(format!(
        "after record {after} of the journal, records up to {next} are gone: retention cut them, or somebody else did"
    ))
    .with_help(format!(
        "`rolekeeper journal verify` says which; go on with --after {next}, into another file"
    )))
}

/// Follows the chain in the store, or in an export, and says where it ends.
pub(crate) async fn verify(
    app: &App,
    file: Option<&Path>,
    known: Option<Head>,
) -> Result<Exit, Failure> {
    let told = match file {
        Some(path) => verify_file(path, known)?,
        None => {
            let config = app.config()?;
            wire::store_to_read(&config)
                .await?
                .verify_journal(known)
                .await?
        }
    };
    match told {
        Ok(verified) => {
            app.terminal.show(&words(&verified))?;
            Ok(Exit::Clean)
        }
        Err(broken) => {
            let help = match &broken {
                Break::TooOld { .. } => {
                    "check it against an export that reaches back so far; from now on keep a newer place: `rolekeeper journal verify` prints it"
                }
                _ => {
                    "somebody with access to the database or the file did that: see docs/SECURITY.md, and compare with an older copy"
                }
            };
            Err(Failure::new(plain(&broken.to_string())).with_help(help))
        }
    }
}

fn verify_file(path: &Path, known: Option<Head>) -> Result<Result<Verified, Break>, Failure> {
    let unreadable =
        |problem| Failure::new(format!("{} cannot be read: {problem}", path.display()));
    let file = BufReader::new(File::open(path).map_err(unreadable)?);
    let mut verifier = Verifier::new(known);
    for line in file.lines() {
        if let Err(broken) = verifier.line(&line.map_err(unreadable)?) {
            return Ok(Err(broken));
        }
    }
    Ok(verifier.finish())
}

fn words(verified: &Verified) -> String {
    let Verified { records, from, to } = verified;
    if *records == 0 {
        return "The journal has no records.\n".to_owned();
    }
    let beginning = match from.seq {
        0 => "from the first one on".to_owned(),
        seq => format!("from number {} on", seq + 1),
    };
    format!("{records} records {beginning}, each bound to the one before it.\nLast: {to}\n")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

    use std::cell::RefCell;
    use std::collections::VecDeque;

    use sha2::{Digest as _, Sha256};

    use super::*;

    /// A chain that answers with these pages in turn, and with the last one ever after.
    struct Scripted(RefCell<VecDeque<(Vec<ExportLine>, i64)>>);

    impl Chain for Scripted {
        async fn page(&self, _: i64) -> Result<(Vec<ExportLine>, i64), StoreError> {
            let mut pages = self.0.borrow_mut();
            let page = pages.front().cloned().unwrap();
            if 1 < pages.len() {
                pages.pop_front();
            }
            Ok(page)
        }
    }

    /// Records with these numbers, each bound to the one before.
    fn records(upto: i64) -> Vec<ExportLine> {
        let mut prev = "the beginning".to_owned();
        let record = |seq| {
            let body = serde_json::json!({ "number": seq });
            let text = format!("{prev}\n{seq}\nintent\n{body}");
            let hash: String = Sha256::digest(text)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            ExportLine {
                seq,
                kind: "intent".to_owned(),
                prev: std::mem::replace(&mut prev, hash.clone()),
                hash,
                body,
            }
        };
        (1..=upto).map(record).collect()
    }

    async fn read(
        pages: impl IntoIterator<Item = Vec<ExportLine>>,
        after: i64,
        last: Option<&ExportLine>,
    ) -> Result<Vec<i64>, String> {
        let pages = pages.into_iter().map(|page| (page, 9)).collect();
        let chain = Scripted(RefCell::new(pages));
        let lines = next_page(&chain, after, last).await;
        lines
            .map(|lines| lines.iter().map(|line| line.seq).collect())
            .map_err(|failure| failure.message().to_owned())
    }

    #[tokio::test]
    async fn a_page_that_retention_cut_into_is_read_again() {
        let all = records(9);
        assert_eq!(read([all.clone()], 0, None).await.unwrap().len(), 9);
        // The place before the page was read, then the old end was cut, then the page was read.
        let mut torn = all.get(5..).unwrap().to_vec();
        torn.first_mut().unwrap().prev = all.first().unwrap().prev.clone();
        let whole = all.get(5..).unwrap().to_vec();
        assert_eq!(
            read([torn, whole.clone()], 0, None).await.unwrap(),
            [6, 7, 8, 9]
        );
        // The record that the page goes on from was cut before it was looked up.
        let last = all.get(4);
        assert_eq!(read([vec![], whole], 5, last).await.unwrap(), [6, 7, 8, 9]);
    }

    #[tokio::test]
    async fn an_export_ends_where_the_journal_does_and_not_before() {
        let all = records(9);
        assert_eq!(read([vec![]], 9, all.last()).await.unwrap(), [] as [i64; 0]);
        let cut = read([vec![]], 5, all.get(4)).await.unwrap_err();
        assert!(cut.contains("records up to 9 are gone"), "{cut}");
        let later = all.get(7..).unwrap().to_vec();
        let cut = read([later.clone()], 5, all.get(4)).await.unwrap_err();
        assert!(cut.contains("records up to 7 are gone"), "{cut}");
        // The first page of all begins where retention lets it.
        assert_eq!(read([later], 5, None).await.unwrap(), [8, 9]);
    }

    #[tokio::test]
    async fn what_somebody_changed_is_exported_as_it_stands() {
        let mut all = records(3);
        all.get_mut(1).unwrap().body = serde_json::json!({ "number": "another" });
        assert_eq!(read([all], 0, None).await.unwrap(), [1, 2, 3]);
    }
}
