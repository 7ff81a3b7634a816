//! The chain: append-only records, each hash over the one before it.
//!
//! A record's hash is the SHA-256 of the hash before it, its number, its kind and its body,
//! a line each. A record that is changed, taken out or put in breaks every hash
//! after it. The old end is cut by retention alone, which leaves a record of it. Only the new
//! end can be cut without a trace in what remains, which is why `verify` names the last record: an
//! export that was carried away earlier knows it.

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::SweepId;
use rolekeeper_engine::port::store::StoreError;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::db::{Tx, corrupt, values};
use crate::rows::to_json;

/// The hash before the first record: the name of the format.
pub(crate) const GENESIS: &str = "rolekeeper.journal/v1";

/// What a record tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A step is about to be taken.
    Intent,
    /// A step ended.
    Completion,
    /// A resource of another hand became ours.
    Adoption,
    /// Somebody stopped all writes.
    Halt,
    /// Somebody lifted the stop.
    Resume,
    /// Somebody ended a sweep.
    Cancel,
    /// Somebody approved a sweep's changes.
    Approval,
    /// A specification became the one that was agreed to.
    Agreement,
    /// Retention removed the oldest records.
    Pruned,
}

impl Kind {
    /// Its name in the table and in exports.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Completion => "completion",
            Self::Adoption => "adoption",
            Self::Halt => "halt",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
            Self::Approval => "approval",
            Self::Agreement => "agreement",
            Self::Pruned => "pruned",
        }
    }
}

/// What a record is found by, beside its number.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Links<'a> {
    pub(crate) sweep: Option<&'a SweepId>,
    pub(crate) account: Option<AccountId>,
    /// Of a completion: the intent it ends.
    pub(crate) entry: Option<i64>,
}

/// Appends a record and returns its number. Holds the head until the
/// transaction ends: numbers have no gaps, and two writers cannot fork the chain.
pub(crate) async fn append<T: Serialize>(
    tx: &mut Tx,
    kind: Kind,
    links: Links<'_>,
    at: Timestamp,
    body: &T,
) -> Result<i64, StoreError> {
    let head = tx
        .locked_row("SELECT seq, hash FROM journal_head WHERE id = 1", values![])
        .await?
        .ok_or_else(|| corrupt("a journal without a head"))?;
    let seq = head.int(0)? + 1;
    let body = to_json(body)?;
    let hash = link(&head.text(1)?, seq, kind.as_str(), &body);
    tx.run(
        "INSERT INTO journal (seq, kind, at, sweep, account, entry, body, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        values![
            seq,
            kind.as_str(),
            at,
            links.sweep.map(SweepId::as_str),
            links.account.map(|account| account.to_string()).as_deref(),
            links.entry,
            body,
            hash.as_str(),
        ],
    )
    .await?;
    tx.run(
        "UPDATE journal_head SET seq = $1, hash = $2 WHERE id = 1",
        values![seq, hash],
    )
    .await?;
    Ok(seq)
}

/// The hash of a record, in hexadecimal.
pub(crate) fn link(before: &str, seq: i64, kind: &str, body: &str) -> String {
    digest(&[before, &seq.to_string(), kind, body])
}

/// The SHA-256 of lines, in hexadecimal. None of the lines but the last may hold
/// a line break, or two lists could have one digest.
pub(crate) fn digest(lines: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            hasher.update(b"\n");
        }
        hasher.update(line.as_bytes());
    }
    hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{GENESIS, link};

    #[test]
    fn a_link_is_what_sha256sum_says() {
        // printf '%s\n1\nintent\n{}' rolekeeper.journal/v1 | sha256sum
        let expected = "9f9699a3b034272a3c209ea0c597acd2778bda9b1486262e772b5181ebe9b82d";
        let hash = link(GENESIS, 1, "intent", "{}");
        assert_eq!(hash, expected);
        assert_ne!(link(GENESIS, 2, "intent", "{}"), hash);
        assert_ne!(link(GENESIS, 1, "halt", "{}"), hash);
        assert_ne!(link(GENESIS, 1, "intent", "{ }"), hash);
        assert_ne!(link(&hash, 1, "intent", "{}"), hash);
    }
}
