//! What was asked, and how it ended.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use serde_json::{Value, json};

use crate::call::{Service, Verdict};
use crate::seed::request_id;

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// When it came in.
    pub at: Timestamp,
    /// Its number; its request id is spelled from it.
    pub ordinal: u64,
    /// To which service.
    pub service: Service,
    /// Which operation.
    pub operation: &'static str,
    /// The account it concerns; none when nobody knows.
    pub account: Option<AccountId>,
    /// The account whose limits it was charged to.
    pub hub: Option<AccountId>,
    /// HTTP status of the answer; 0 when there was none.
    pub status: u16,
    /// How it ended.
    pub verdict: Verdict,
}

#[derive(Debug, Default)]
struct Ledger {
    entries: VecDeque<Entry>,
    counts: Vec<(Service, &'static str, Verdict, u64)>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

/// The log: counts of everything, and the latest requests one by one.
#[derive(Debug)]
pub(crate) struct Log {
    ledger: Mutex<Ledger>,
    capacity: usize,
    seed: u64,
}

impl Log {
    pub(crate) fn new(capacity: usize, seed: u64) -> Self {
        Self {
            ledger: Mutex::default(),
            capacity,
            seed,
        }
    }

    pub(crate) fn record(&self, entry: Entry) {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let ledger = &mut *ledger;
        let key = |row: &&mut (Service, &'static str, Verdict, u64)| {
            row.0 == entry.service && std::ptr::eq(row.1, entry.operation) && row.2 == entry.verdict
        };
        match ledger.counts.iter_mut().find(key) {
            Some(row) => row.3 += 1,
            None => ledger
                .counts
                .push((entry.service, entry.operation, entry.verdict, 1)),
        }
        ledger.first = ledger.first.or(Some(entry.at));
        ledger.last = ledger.last.max(Some(entry.at));
        if ledger.entries.len() >= self.capacity {
            ledger.entries.pop_front();
        }
        if self.capacity > 0 {
            ledger.entries.push_back(entry);
        }
    }

    pub(crate) fn clear(&self) {
        *self.ledger.lock().unwrap_or_else(PoisonError::into_inner) = Ledger::default();
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.ledger
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entries
            .iter()
            .copied()
            .collect()
    }

    /// `{"requests": [{"service", "operation", "verdict", "count"}], "seconds": s}`.
    pub(crate) fn summary(&self) -> Value {
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts = ledger.counts.clone();
        // Equal names may come as different statics; they are one line.
        counts.sort_unstable_by_key(|&(service, operation, verdict, _)| {
            (service, operation, verdict)
        });
        counts.dedup_by(|later, kept| {
            let same = (later.0, later.1, later.2) == (kept.0, kept.1, kept.2);
            if same {
                kept.3 += later.3;
            }
            same
        });
        let rows: Vec<Value> = counts
            .into_iter()
            .map(|(service, operation, verdict, count)| {
                json!({
                    "service": service.as_str(), "operation": operation,
                    "verdict": verdict.as_str(), "count": count,
                })
            })
            .collect();
        let seconds = match (ledger.first, ledger.last) {
            (Some(first), Some(last)) => last.duration_since(first).as_secs_f64(),
            _ => 0.0,
        };
        json!({ "requests": rows, "seconds": seconds })
    }

    /// The latest requests, one JSON document a line.
    pub(crate) fn ndjson(&self) -> String {
        let mut lines = String::new();
        for entry in self.entries() {
            let id = |account: Option<AccountId>| account.map(|account| account.to_string());
            let line = json!({
                "at": entry.at.to_string(), "service": entry.service.as_str(), "operation": entry.operation,
                "account": id(entry.account), "hub": id(entry.hub), "status": entry.status,
                "verdict": entry.verdict.as_str(), "request_id": request_id(self.seed, entry.ordinal),
            });
            // Writing to a String cannot fail.
            writeln!(lines, "{line}").unwrap_or_default();
        }
        lines
    }
}
