//! Emptying the outbox.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rolekeeper_engine::port::store::{Notice, Outbox, StoreError};

use super::Webhook;
use super::post::Post;
use crate::outgoing::{Backoff, CallError};

/// Notices taken from the outbox at a time.
const BATCH: u32 = 50;
/// Thirty attempts are about a day, then a notice is dropped, loudly; an hour at most in between: a
/// receiver that was down overnight hears in the morning.
const AGAIN: Backoff = Backoff {
    first_seconds: 5,
    longest_seconds: 3_600,
    attempts: 30,
};

/// What became of the notices that were due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// Taken by their receiver.
    pub(crate) delivered: u64,
    /// To be tried again.
    pub(crate) retried: u64,
    /// Given up.
    pub(crate) dropped: u64,
}

/// Tries to deliver every notice that is due.
///
/// At least once: a process that dies between the receiver's answer and the
/// store's record delivers again, with the same `x-rolekeeper-notice` id.
pub(crate) async fn deliver<O: Outbox, P: Post>(
    outbox: &O,
    post: &P,
    webhooks: &[Webhook],
    now: Timestamp,
) -> Result<Delivered, StoreError> {
    let mut delivered = Delivered::default();
    // A receiver that does not answer is asked once a round: its other notices wait as long as that one,
    // and the other receivers do not wait for it.
    let mut silent: BTreeSet<&str> = BTreeSet::new();
    for notice in outbox.due(now, BATCH).await? {
        let Some(webhook) = webhooks
            .iter()
            .find(|webhook| webhook.name == notice.target)
        else {
            outbox
                .postponed(notice.id, "the webhook is no longer configured", None)
                .await?;
            delivered.dropped += 1;
            continue;
        };
        if silent.contains(webhook.name.as_str()) {
            outbox
                .postponed(
                    notice.id,
                    "its receiver did not answer a moment ago",
                    AGAIN.next(notice.attempts + 1, now, 1.0),
                )
                .await?;
            delivered.retried += 1;
            continue;
        }
        match post
            .post(webhook, &notice.dedup_key, notice.body.clone(), now)
            .await
        {
            Ok(()) => {
                outbox.delivered(notice.id, now).await?;
                delivered.delivered += 1;
            }
            Err(error) => {
                let again_at = next_attempt(&notice, &error, now);
                if error.is_silence() {
                    silent.insert(&webhook.name);
                }
                if again_at.is_some() {
                    tracing::warn!(webhook.name = %webhook.name, error = %error, "notification will be tried again");
                    delivered.retried += 1;
                } else {
                    tracing::error!(webhook.name = %webhook.name, notice.kind = %notice.kind, error = %error, "notification given up");
                    delivered.dropped += 1;
                }
                outbox
                    .postponed(notice.id, &error.to_string(), again_at)
                    .await?;
            }
        }
    }
    Ok(delivered)
}

fn next_attempt(notice: &Notice, error: &CallError, now: Timestamp) -> Option<Timestamp> {
    if error.is_final() {
        return None;
    }
    AGAIN.next(notice.attempts + 1, now, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(attempts: u32) -> Notice {
        Notice {
            id: 1,
            kind: "halted".to_owned(),
            dedup_key: "halted:1".to_owned(),
            target: "ops".to_owned(),
            body: "{}".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            attempts,
        }
    }

    #[test]
    fn a_notice_is_tried_for_about_a_day() {
        let after = |attempts| {
            next_attempt(&notice(attempts), &CallError::Answer, Timestamp::UNIX_EPOCH)
                .map(|at| at.as_second())
        };
        assert_eq!(after(0), Some(5));
        assert_eq!(after(28), Some(3_600));
        assert_eq!(after(29), None);
    }

    #[test]
    fn a_receiver_that_refuses_for_good_is_not_asked_again() {
        let after = |status| {
            next_attempt(
                &notice(0),
                &CallError::Status(status),
                Timestamp::UNIX_EPOCH,
            )
            .is_some()
        };
        assert!(!after(404));
        assert!(!after(410));
        assert!(after(429));
        assert!(after(503));
    }
}
