//! Messages that come at least once: late, twice, out of order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::seed::{mix, request_id, unit, word};
use crate::settings::Events;
use crate::sqs::news::News;

/// The most messages kept; the oldest go when there are more, as they do
/// everywhere after some days.
const KEPT: usize = 20_000;
/// The longest an empty answer is held back when nothing is on its way.
const EMPTY: SignedDuration = SignedDuration::from_secs(1);

/// A message on the queue.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(super) news: Arc<News>,
    pub(super) sent_at: Timestamp,
    pub(super) received: u32,
    visible_at: Timestamp,
    number: u64,
    /// The event it tells of: its copies have the same.
    event: u64,
    seed: u64,
}

impl Letter {
    pub(super) fn message_id(&self) -> String {
        request_id(self.seed, self.event)
    }

    /// Valid until the message is handed out again.
    pub(super) fn receipt(&self) -> String {
        format!("{:016x}{:08x}", self.number, self.received)
    }
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Queue {
    letters: Mutex<Letters>,
    events: Events,
    seed: u64,
}

#[derive(Debug, Default)]
struct Letters {
    /// By a number that is not the order of sending.
    all: BTreeMap<u64, Letter>,
    posted: u64,
}

impl Queue {
    pub(crate) fn new(events: Events, seed: u64) -> Self {
        Self {
            letters: Mutex::default(),
            events,
            seed: mix(seed, &[word("queue")]),
        }
    }

    fn letters(&self) -> std::sync::MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> u64 {
        let mut letters = self.letters();
        letters.posted += 1;
        letters.posted
    }

    /// Lets an event happen: it comes after a while, or twice, or not at all.
    pub(crate) fn tell(&self, news: News, now: Timestamp) {
        let number = self.next();
        let draw = |what: &str| unit(mix(self.seed, &[word(what), number]));
        if draw("lost") < self.events.lost {
            return;
        }
        let after = |share: f64| {
            let delay = self.events.delay.mul_f64(0.5 + share);
            now.checked_add(SignedDuration::try_from(delay).unwrap_or_default())
                .unwrap_or(now)
        };
        let news = Arc::new(news);
        self.put(Arc::clone(&news), number, now, after(draw("delay")));
        if draw("twice") < self.events.twice {
            self.put(news, number, now, after(1.0 + draw("again")));
        }
    }

    /// Puts a message on the queue, for sure and once; gives its id.
    pub(super) fn post(&self, news: News, now: Timestamp, visible_at: Timestamp) -> String {
        let number = self.next();
        self.put(Arc::new(news), number, now, visible_at);
        request_id(self.seed, number)
    }

    fn put(&self, news: Arc<News>, event: u64, sent_at: Timestamp, visible_at: Timestamp) {
        let number = mix(self.seed, &[self.next()]);
        let mut letters = self.letters();
        let letter = Letter {
            news,
            sent_at,
            received: 0,
            visible_at,
            number,
            event,
            seed: self.seed,
        };
        letters.all.insert(number, letter);
        if letters.all.len() > KEPT {
            let oldest = letters
                .all
                .values()
                .min_by_key(|letter| letter.sent_at)
                .map(|letter| letter.number);
            oldest.and_then(|number| letters.all.remove(&number));
        }
    }

    /// Hands messages out, waiting for some if there are none; and says until
    /// when the answer is held back.
    pub(super) fn hand_out(
        &self,
        most: usize,
        now: Timestamp,
        wait: SignedDuration,
        hidden: SignedDuration,
    ) -> (Timestamp, Vec<Letter>) {
        let mut letters = self.letters();
        let last = now.checked_add(wait).unwrap_or(now);
        let first = letters.all.values().map(|letter| letter.visible_at).min();
        let until = match first {
            Some(first) if first <= last => first.max(now),
            _ => now.checked_add(wait.min(EMPTY)).unwrap_or(now),
        };
        let visible = letters
            .all
            .values_mut()
            .filter(|letter| letter.visible_at <= until);
        let handed = visible.take(most).map(|letter| {
            letter.received += 1;
            letter.visible_at = until.checked_add(hidden).unwrap_or(until);
            letter.clone()
        });
        (until, handed.collect())
    }

    fn with<R>(
        &self,
        receipt: &str,
        work: impl FnOnce(&mut BTreeMap<u64, Letter>, u64) -> R,
    ) -> Option<R> {
        let number = u64::from_str_radix(receipt.get(..16)?, 16).ok()?;
        let mut letters = self.letters();
        let valid = letters
            .all
            .get(&number)
            .is_some_and(|letter| letter.receipt() == receipt);
        valid.then(|| work(&mut letters.all, number))
    }

    pub(super) fn delete(&self, receipt: &str) -> bool {
        self.with(receipt, |all, number| all.remove(&number))
            .is_some()
    }

    pub(super) fn hide_until(&self, receipt: &str, until: Timestamp) -> bool {
        let hide = |all: &mut BTreeMap<u64, Letter>, number: u64| {
            if let Some(letter) = all.get_mut(&number) {
                letter.visible_at = until;
            }
        };
        self.with(receipt, hide).is_some()
    }

    /// How many wait, and how many are handed out.
    pub(super) fn counts(&self, now: Timestamp) -> (usize, usize) {
        let letters = self.letters();
        let waiting = letters
            .all
            .values()
            .filter(|letter| letter.visible_at <= now)
            .count();
        let in_flight = letters
            .all
            .values()
            .filter(|letter| letter.received > 0 && letter.visible_at > now)
            .count();
        (waiting, in_flight)
    }
}
