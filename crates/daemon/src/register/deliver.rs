//! Making the calls that are due.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use jiff::{SignedDuration, Timestamp};
use rolekeeper_domain::registration::{Action, Ending, Registration, Task, begun, ended};
use rolekeeper_engine::port::registration::Registrations;
use rolekeeper_engine::port::store::{Control, StoreError};
use tokio_util::sync::CancellationToken;

use super::request::{Unaskable, vendor_id};
use super::{Ground, Register};
use crate::outgoing::{Answer, Backoff, CallError, Client};

/// Registrations taken from the store at a time.
const BATCH: u32 = 50;

/// The longest answer that is read: a vendor's record of one account is a few hundred bytes.
const ANSWER_LONGEST: usize = 64 << 10;

/// Twenty attempts are about half a day; a day after the last one the next sweep begins anew.
const AGAIN: Backoff = Backoff {
    first_seconds: 5,
    longest_seconds: 3_600,
    attempts: 20,
};

/// How much longer than a call may take its record is kept from others: the time to write the end down.
const MARGIN: SignedDuration = SignedDuration::from_secs(30);

/// How a call can end, for metrics.
pub(crate) const OUTCOMES: [&str; 4] = ["done", "retried", "given_up", "refused"];

/// Calls by action and outcome.
pub(crate) type Delivered = BTreeMap<(Action, &'static str), u64>;

/// Reaches the vendor.
pub(crate) trait Post: Send + Sync {
    /// One attempt.
    fn post(
        &self,
        request: Request<Full<Bytes>>,
        timeout: Duration,
    ) -> impl Future<Output = Result<Answer, CallError>> + Send;
}

impl Post for Client {
    async fn post(
        &self,
        request: Request<Full<Bytes>>,
        timeout: Duration,
    ) -> Result<Answer, CallError> {
        self.call(request, ANSWER_LONGEST, timeout).await
    }
}

/// Who delivers, and by which clock.
pub(crate) struct Courier<'a, S, P> {
    pub(crate) store: &'a S,
    pub(crate) post: &'a P,
    pub(crate) register: &'a Register,
    pub(crate) ground: &'a Ground,
    pub(crate) now: &'a (dyn Fn() -> Timestamp + Send + Sync),
    /// From 0 to 1, at random: spreads what is tried again.
    pub(crate) draw: &'a (dyn Fn() -> f64 + Send + Sync),
}

/// Makes every call that is due, one after the other, until none is, the vendor is silent, writes are halted
/// or `cancel`.
///
/// At least once: a process that dies between the vendor's answer and the store's record
/// calls again under the same key. Two processes at one store never make the same call at once.
pub(crate) async fn deliver<S, P>(
    courier: &Courier<'_, S, P>,
    cancel: &CancellationToken,
) -> Result<Delivered, StoreError>
where
    S: Registrations + Control,
    P: Post,
{
    let mut delivered = Delivered::new();
    let settings = courier.register.fingerprint();
    if courier.store.refused_settings().await?.as_ref() == Some(&settings) {
        return Ok(delivered);
    }
    loop {
        let now = (courier.now)();
        let role = &courier.register.role;
        let batch = courier.store.registrations_due(role, now, BATCH).await?;
        if batch.is_empty() {
            return Ok(delivered);
        }
        for known in batch {
            if cancel.is_cancelled() || courier.store.halted().await?.is_some() {
                return Ok(delivered);
            }
            let told = tokio::select! {
                biased;
                // The record says that a call may be under way; the next start makes it again.
                () = cancel.cancelled() => return Ok(delivered),
                told = courier.tell(&known) => told?,
            };
            let Some(told) = told else { continue };
            *delivered.entry((told.action, told.outcome)).or_default() += 1;
            if told.outcome == "refused" {
                courier.store.refuse_settings(&settings).await?;
            }
            if told.stop {
                return Ok(delivered);
            }
        }
    }
}

/// What came of one call.
struct ToldOne {
    action: Action,
    outcome: &'static str,
    /// Whether the others need not be tried now.
    stop: bool,
}

impl<S: Registrations, P: Post> Courier<'_, S, P> {
    /// Makes one call; none when somebody else does.
    async fn tell(&self, known: &Registration) -> Result<Option<ToldOne>, StoreError> {
        let now = (self.now)();
        let longest = SignedDuration::try_from(self.register.timeout).unwrap_or(MARGIN);
        let until = now.checked_add(longest + MARGIN).unwrap_or(Timestamp::MAX);
        let Some(mut mine) = begun(known, now, until) else {
            return Ok(None);
        };
        if self
            .store
            .save_registrations(std::slice::from_ref(&mine))
            .await?
            != 1
        {
            return Ok(None);
        }
        mine.version += 1;
        let Some(task) = mine.task.clone() else {
            return Ok(None);
        };
        let request = self.register.request(&mine, &task, self.ground, now);
        let (ending, told) = match request {
            Err(Unaskable::Outdated) => (Ending::Outdated, None),
            Err(why) => {
                let ending = failed(why.to_string(), None);
                (ending, Some(self.note(&mine, &task, "given_up", false)))
            }
            Ok(request) => {
                let answer = self.post.post(request, self.register.timeout).await;
                let (ending, told) = self.judged(&mine, &task, answer);
                (ending, Some(told))
            }
        };
        if let Ending::Failed { why, again_at } = &ending {
            complain(&mine, task.action, why, again_at.is_some());
        }
        let after = ended(&mine, ending, (self.now)());
        self.store.save_registrations(&[after]).await?;
        Ok(told)
    }

    fn note(
        &self,
        known: &Registration,
        task: &Task,
        outcome: &'static str,
        stop: bool,
    ) -> ToldOne {
        if outcome == "done" {
            tracing::info!(account.id = %known.account, role = %known.role, action = task.action.as_str(), "the vendor was told");
        }
        ToldOne {
            action: task.action,
            outcome,
            stop,
        }
    }

    fn judged(
        &self,
        known: &Registration,
        task: &Task,
        answer: Result<Answer, CallError>,
    ) -> (Ending, ToldOne) {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return self.unheard(known, task, &error),
        };
        let id = self
            .register
            .vendor_id
            .as_deref()
            .and_then(|pointer| vendor_id(&answer.body, pointer));
        match (task.action, answer.status) {
            (Action::Register, 200..=299) => {
                let wanted = self.register.vendor_id.as_deref();
                let missing = wanted.filter(|_| id.is_none() && known.vendor_id().is_none());
                if let Some(pointer) = missing {
                    return self.again(
                        known,
                        task,
                        format!("the vendor's answer has no usable id at {pointer}"),
                    );
                }
                self.taken(known, task, id)
            }
            (Action::Register, 409) => {
                if known.told.is_some() {
                    tracing::warn!(account.id = %known.account, "the vendor answered 409 to a change: it may go on with the old name, ARN or external id");
                }
                self.taken(known, task, id)
            }
            (_, 200..=299) | (Action::Withdraw, 404 | 410) => self.taken(known, task, None),
            (_, status @ (401 | 403)) => {
                let why = format!(
                    "the vendor answered {status}: nothing more is asked of it with these settings"
                );
                let now = (self.now)();
                (
                    failed(why, Some(now)),
                    self.note(known, task, "refused", true),
                )
            }
            (_, status) => self.unheard(known, task, &CallError::Status(status)),
        }
    }

    fn taken(&self, known: &Registration, task: &Task, id: Option<String>) -> (Ending, ToldOne) {
        let id_known = id.is_some() || known.vendor_id().is_some();
        let ending = Ending::Done {
            vendor_id: id,
            then_revalidate: self.register.can_revalidate(id_known),
        };
        (ending, self.note(known, task, "done", false))
    }

    fn unheard(&self, known: &Registration, task: &Task, error: &CallError) -> (Ending, ToldOne) {
        let why = error.to_string().replace("receiver", "vendor");
        if error.is_final() {
            return (failed(why, None), self.note(known, task, "given_up", false));
        }
        let (ending, told) = self.again(known, task, why);
        let stop = error.is_silence();
        (ending, ToldOne { stop, ..told })
    }

    fn again(&self, known: &Registration, task: &Task, why: String) -> (Ending, ToldOne) {
        let again_at = AGAIN.next(task.attempts, (self.now)(), (self.draw)());
        let outcome = if again_at.is_some() {
            "retried"
        } else {
            "given_up"
        };
        (
            failed(why, again_at),
            self.note(known, task, outcome, false),
        )
    }
}

const fn failed(why: String, again_at: Option<Timestamp>) -> Ending {
    Ending::Failed { why, again_at }
}

fn complain(known: &Registration, action: Action, why: &str, again: bool) {
    let (account, action) = (known.account, action.as_str());
    if again {
        tracing::warn!(account.id = %account, action, why, "the vendor could not be told; it will be tried again");
    } else {
        tracing::error!(account.id = %account, action, why, "the vendor could not be told: given up for a day");
    }
}
