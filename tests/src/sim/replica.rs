//! A replica of IAM that is behind: one read, and only that one, is answered as it would have been before
//! the last change.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::Response;
use rolekeeper_simulator::World;

/// What was answered to a question, and after how many changes.
type Answers = BTreeMap<String, Vec<(u64, Response<Bytes>)>>;

/// Remembers every answer; for a world with one account, in which a question means the same whoever asks.
#[derive(Debug, Default)]
pub struct Replica {
    answers: Mutex<Answers>,
    /// Changes that nobody made through the API.
    planted: AtomicU64,
    /// Which read is stale, counted from 0.
    nth: Mutex<Option<u64>>,
    reads: AtomicU64,
    stale: AtomicU64,
    hid_another: AtomicBool,
}

impl Replica {
    /// Somebody changed the world behind everybody's back.
    pub fn planted(&self) {
        self.planted.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts reads from now on; the `nth` is stale.
    pub fn fall_behind(&self, nth: Option<u64>) {
        *self.nth.lock().unwrap_or_else(PoisonError::into_inner) = nth;
        self.reads.store(0, Ordering::Relaxed);
    }

    /// Reads since then.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Whether one was answered otherwise than the world would have.
    pub fn was_stale(&self) -> bool {
        self.stale.load(Ordering::Relaxed) > 0
    }

    /// Whether what it did not show was another hand's change, and not one of our own.
    pub fn hid_another_hand(&self) -> bool {
        self.hid_another.load(Ordering::Relaxed)
    }

    /// How many changes there were.
    pub(super) fn epoch(&self, world: &World) -> u64 {
        self.planted.load(Ordering::Relaxed) + world.history().len() as u64
    }

    /// The answer that a read is given, which was asked at `epoch` and truly answered so.
    pub(super) fn answer(
        &self,
        epoch: u64,
        question: &str,
        truth: Response<Bytes>,
    ) -> Response<Bytes> {
        let number = self.reads.fetch_add(1, Ordering::Relaxed);
        let nth = *self.nth.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = answers.entry(question.to_owned()).or_default();
        let before = known.iter().rev().find(|(asked, _)| *asked < epoch);
        let before = before.map(|(asked, answer)| (*asked, answer.clone()));
        known.push((epoch, truth.clone()));
        match before.or_else(|| unborn(question, epoch)) {
            Some((asked, before)) if nth == Some(number) && is_other(&before, &truth) => {
                self.stale.fetch_add(1, Ordering::Relaxed);
                let another = asked < self.planted.load(Ordering::Relaxed);
                self.hid_another.store(another, Ordering::Relaxed);
                before
            }
            _ => truth,
        }
    }
}

/// Whether the answers say different things, apart from their numbers.
fn is_other(one: &Response<Bytes>, other: &Response<Bytes>) -> bool {
    let said = |answer: &Response<Bytes>| {
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        let end = text
            .find("<ResponseMetadata>")
            .or_else(|| text.find("<RequestId>"));
        text.get(..end.unwrap_or(text.len())).map(str::to_owned)
    };
    said(one) != said(other)
}

/// What is said of a policy's version that is not there yet: only what rolekeeper made is asked for first
/// after it was made.
fn unborn(question: &str, epoch: u64) -> Option<(u64, Response<Bytes>)> {
    const NO_SUCH_ENTITY: &str = "<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>not yet</Message></Error><RequestId>stale</RequestId></ErrorResponse>";
    let made = question.contains("Action=GetPolicyVersion&") && epoch > 0;
    let mut answer = Response::new(Bytes::from_static(NO_SUCH_ENTITY.as_bytes()));
    *answer.status_mut() = http::StatusCode::NOT_FOUND;
    made.then_some((epoch, answer))
}
