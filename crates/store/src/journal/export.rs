//! The journal for others: JSON lines, each bound to the one before it.

use std::fmt;

use jiff::Timestamp;
use rolekeeper_engine::port::store::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chain::{GENESIS, Kind, link};
use crate::db::{corrupt, values};
use crate::open::Store;
use crate::rows::from_json;

/// Records read at a time.
const PAGE: u32 = 1_000;

/// A place in the chain: the number of a record and its hash. Kept elsewhere, it
/// shows later that nothing up to it was changed or cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The record's number; 0 for the empty chain.
    pub seq: i64,
    /// Its hash, in hexadecimal; for the empty chain the name of the format.
    pub hash: String,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

impl std::str::FromStr for Head {
    type Err = InvalidHead;

    fn from_str(text: &str) -> Result<Self, InvalidHead> {
        let (seq, hash) = text.split_once(':').ok_or(InvalidHead)?;
        Ok(Self {
            seq: seq.parse().map_err(|_| InvalidHead)?,
            hash: hash.to_owned(),
        })
    }
}

/// A text that is not a [`Head`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a place in the journal is written NUMBER:HASH, as `journal verify` prints it")]
pub struct InvalidHead;

/// One record of an export. Its display form is the line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExportLine {
    /// The record's number. They grow by one.
    pub seq: i64,
    /// What it tells: `intent`, `completion`, `adoption`, `halt`, `resume`, `cancel`,
    /// `approval`, `agreement` or `pruned`.
    pub kind: String,
    /// The hash of the record before it.
    pub prev: String,
    /// Its own hash: SHA-256 over `prev`, `seq`, `kind` and `body`, joined by line breaks.
    pub hash: String,
    /// What happened.
    pub body: Value,
}

impl fmt::Display for ExportLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every field is text, a number or JSON already: nothing here can fail to be written.
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// Where a chain does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Break {
    /// A line is no record.
    #[error("line {line} is not a record of the journal: {why}")]
    Malformed {
        /// The line's number, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// Records are missing, doubled or out of order.
    #[error("after record {after} comes record {found}: something was taken out, put in or moved")]
    Gap {
        /// The last good record.
        after: i64,
        /// What follows it.
        found: i64,
    },
    /// A record does not follow from the one before it.
    #[error("record {seq} does not continue the record before it: one of the two was changed")]
    Unlinked {
        /// The record.
        seq: i64,
    },
    /// A record's hash is not that of its content.
    #[error("record {seq} was changed: its content does not have its hash")]
    Changed {
        /// The record.
        seq: i64,
    },
    /// The chain ends before, or differs at, a place that was known.
    #[error("the journal does not lead to {known}: its end was cut, or it was written anew")]
    Cut {
        /// The place that should be in it.
        known: Head,
    },
    /// The chain begins after its first record, and no record tells that retention did that.
    #[error(
        "the journal begins after record {}, and no record of retention leads there: its old end was cut",
        from.seq
    )]
    OldEnd {
        /// Where it says that it begins.
        from: Head,
    },
    /// A known place lies before the first record, so that nothing can be said about it.
    #[error(
        "{known} cannot be checked: older than what {} kept, which begins after record {}",
        if *retained { "retention" } else { "this export" },
        from.seq
    )]
    TooOld {
        /// The place that should be in it.
        known: Head,
        /// Where the records begin.
        from: Head,
        /// Whether it is a store that was asked, and not an export.
        retained: bool,
    },
}

/// What was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many records.
    pub records: u64,
    /// The place before the first of them: the empty chain, or where retention cut.
    pub from: Head,
    /// The last of them. To be kept elsewhere.
    pub to: Head,
}

/// Follows a chain record by record.
#[derive(Debug)]
pub struct Verifier {
    lines: u64,
    records: u64,
    from: Option<Head>,
    at: Option<Head>,
    known: Option<Head>,
    met: bool,
    /// Of a store: whether a record tells why the chain begins where it does.
    told: Option<bool>,
}

impl Verifier {
    /// Begins; with a place that the chain must lead through.
    pub fn new(known: Option<Head>) -> Self {
        let met = known.is_none();
        Self {
            lines: 0,
            records: 0,
            from: None,
            at: None,
            known,
            met,
            told: None,
        }
    }

    /// Begins with the place before the first record of a store, which has to be the empty chain
    /// or what a record of retention names.
    fn anchored(anchor: Head, known: Option<Head>) -> Self {
        let mut verifier = Self::new(known);
        let empty = anchor.seq == 0 && anchor.hash == GENESIS;
        verifier.told = Some(empty);
        verifier.begin(anchor);
        verifier
    }

    /// Takes the next line of an export; an empty one is passed over.
    ///
    /// # Errors
    ///
    /// When the line does not continue the chain.
    pub fn line(&mut self, text: &str) -> Result<(), Break> {
        self.lines += 1;
        if text.trim().is_empty() {
            return Ok(());
        }
        let record: ExportLine = serde_json::from_str(text).map_err(|error| Break::Malformed {
            line: self.lines,
            why: error.to_string(),
        })?;
        self.record(
            record.seq,
            &record.kind,
            &record.prev,
            &record.hash,
            &record.body.to_string(),
        )
    }

    /// Ends.
    ///
    /// # Errors
    ///
    /// When the chain did not lead through the known place.
    pub fn finish(self) -> Result<Verified, Break> {
        let empty = Head {
            seq: 0,
            hash: String::new(),
        };
        let to = self.at.unwrap_or_else(|| empty.clone());
        let from = self.from.unwrap_or(empty);
        if self.told == Some(false) {
            return Err(Break::OldEnd { from });
        }
        match self.known {
            Some(known) if !self.met && known.seq < from.seq => Err(Break::TooOld {
                known,
                from,
                retained: self.told.is_some(),
            }),
            Some(known) if !self.met => Err(Break::Cut { known }),
            _ => Ok(Verified {
                records: self.records,
                from,
                to,
            }),
        }
    }

    /// Takes what a record says about a place: that the chain led there when it was written.
    fn testimony(&mut self, place: &Head) -> Result<(), Break> {
        if let Some(told) = &mut self.told {
            *told |= self.from.as_ref() == Some(place);
        }
        match &self.known {
            Some(known) if known == place => self.met = true,
            Some(known) if known.seq == place.seq => {
                return Err(Break::Cut {
                    known: known.clone(),
                });
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, from: Head) {
        self.met |= self.known.as_ref() == Some(&from);
        self.from = Some(from.clone());
        self.at = Some(from);
    }

    fn record(
        &mut self,
        seq: i64,
        kind: &str,
        prev: &str,
        hash: &str,
        body: &str,
    ) -> Result<(), Break> {
        match &self.at {
            // Where an export begins is taken from it; where the store's chain begins is not.
            None => self.begin(Head {
                seq: seq.saturating_sub(1),
                hash: prev.to_owned(),
            }),
            Some(at) if at.seq.checked_add(1) != Some(seq) => {
                return Err(Break::Gap {
                    after: at.seq,
                    found: seq,
                });
            }
            Some(at) if at.hash != prev => return Err(Break::Unlinked { seq }),
            Some(_) => {}
        }
        if link(prev, seq, kind, body) != hash {
            return Err(Break::Changed { seq });
        }
        let head = Head {
            seq,
            hash: hash.to_owned(),
        };
        if let Some(known) = self.known.as_ref().filter(|known| known.seq == seq) {
            if *known != head {
                return Err(Break::Cut {
                    known: known.clone(),
                });
            }
            self.met = true;
        }
        if kind == Kind::Pruned.as_str()
            && let Ok(pruned) = serde_json::from_str::<Pruned>(body)
        {
            self.testimony(&Head {
                seq: pruned.upto,
                hash: pruned.hash,
            })?;
        }
        self.records += 1;
        self.at = Some(head);
        Ok(())
    }
}

/// What a record of retention says: the last record that was removed.
#[derive(Deserialize)]
pub(super) struct Pruned {
    /// When it was.
    pub(super) at: Timestamp,
    upto: i64,
    /// The time of that record; the first version did not say it.
    pub(super) until: Option<Timestamp>,
    hash: String,
}

impl Store {
    /// Records after the one of that number, oldest first: a page of an export.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn export_journal(
        &self,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ExportLine>, StoreError> {
        let anchor = self.anchor().await?;
        let after = after.max(anchor.seq);
        let mut prev = if after == anchor.seq {
            anchor.hash
        } else {
            let sql = "SELECT hash FROM journal WHERE seq = $1";
            match self.db.row(sql, values![after]).await? {
                Some(row) => row.text(0)?,
                // Beyond the end: there is nothing to export yet.
                None => return Ok(Vec::new()),
            }
        };
        let sql = "SELECT seq, kind, hash, body FROM journal WHERE seq > $1 ORDER BY seq LIMIT $2";
        let mut lines = Vec::new();
        for row in self.db.rows(sql, values![after, limit]).await? {
            let hash = row.text(2)?;
            lines.push(ExportLine {
                seq: row.int(0)?,
                kind: row.text(1)?,
                prev: std::mem::replace(&mut prev, hash.clone()),
                hash,
                body: from_json(&row.text(3)?)?,
            });
        }
        Ok(lines)
    }

    /// Follows the whole chain in the store; with a place that it must lead through.
    /// The outer error is the store's, the inner one the finding.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn verify_journal(
        &self,
        known: Option<Head>,
    ) -> Result<Result<Verified, Break>, StoreError> {
        loop {
            let anchor = self.anchor().await?;
            let told = self.verify_from(anchor.clone(), known.clone()).await?;
            // Retention may have cut beneath a walk under way; one that stands still breaks nothing.
            if told.is_ok() || self.anchor().await? == anchor {
                return Ok(told);
            }
        }
    }

    async fn verify_from(
        &self,
        anchor: Head,
        known: Option<Head>,
    ) -> Result<Result<Verified, Break>, StoreError> {
        let mut verifier = Verifier::anchored(anchor.clone(), known);
        let mut prev = anchor;
        loop {
            let sql =
                "SELECT seq, kind, hash, body FROM journal WHERE seq > $1 ORDER BY seq LIMIT $2";
            let rows = self.db.rows(sql, values![prev.seq, PAGE]).await?;
            for row in &rows {
                let (seq, hash) = (row.int(0)?, row.text(2)?);
                let told = verifier.record(seq, &row.text(1)?, &prev.hash, &hash, &row.text(3)?);
                if let Err(broken) = told {
                    return Ok(Err(broken));
                }
                prev = Head { seq, hash };
            }
            if rows.is_empty() {
                break;
            }
        }
        let head = self.head().await?;
        // Records were appended since the last page, or the end was cut.
        if head.seq < prev.seq || (head.seq == prev.seq && head.hash != prev.hash) {
            return Ok(Err(Break::Cut { known: head }));
        }
        if head.seq > prev.seq && !self.has_record(&head).await? {
            return Ok(Err(Break::Cut { known: head }));
        }
        Ok(verifier.finish())
    }

    /// The last record of the chain.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn head(&self) -> Result<Head, StoreError> {
        self.place_in_chain("SELECT seq, hash FROM journal_head WHERE id = 1")
            .await
    }

    async fn anchor(&self) -> Result<Head, StoreError> {
        self.place_in_chain("SELECT anchor_seq, anchor_hash FROM journal_head WHERE id = 1")
            .await
    }

    async fn place_in_chain(&self, sql: &'static str) -> Result<Head, StoreError> {
        let row = self.db.row(sql, values![]).await?;
        let row = row.ok_or_else(|| corrupt("a journal without a head"))?;
        Ok(Head {
            seq: row.int(0)?,
            hash: row.text(1)?,
        })
    }

    async fn has_record(&self, head: &Head) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM journal WHERE seq = $1 AND hash = $2";
        Ok(self
            .db
            .row(sql, values![head.seq, head.hash.as_str()])
            .await?
            .is_some())
    }
}
