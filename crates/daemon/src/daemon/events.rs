//! Events from AWS: reason to look at an account sooner, nothing more.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rolekeeper_aws::{Aws, Content, EventQueue, Hint, HintKind, Message};
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::{Mode, Trigger};
use rolekeeper_engine::port::clock::Clock as _;
use rolekeeper_engine::port::store::{Control, SweepRequest};
use rolekeeper_store::Store;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Events};
use crate::wall_clock::{WallClock, pause, time_of_day};
use crate::wire;

/// After the queue could not be read.
const AFTER_FAILURE: Duration = Duration::from_secs(15);
/// The most accounts of one request; more than this at once is a job for the schedule.
const MOST: usize = 1000;
/// After this many times a message that cannot be understood is taken off the queue, should nobody else do it. A
/// queue with dead letters moves it there earlier, where a person can look at it; so this is more than the
/// five times of `deploy/cloudformation/events.yaml`.
const TIRED: u32 = 20;

/// Reads the queue until `cancel`, and asks for a sweep of the accounts that are named.
pub(super) async fn listen(
    aws: Aws,
    events: Events,
    config: Config,
    store: Arc<Store>,
    cancel: CancellationToken,
) -> Result<(), String> {
    let Some(url) = &events.queue_url else {
        return Ok(());
    };
    let listener = Listener {
        queue: aws.event_queue(url),
        names: names(&config),
        // What the schedule may do, an event may ask for.
        mode: if wire::may_write(&config) {
            config.schedule.mode
        } else {
            Mode::Audit
        },
        own_sessions: format!("/{}-", config.aws.session_name),
        store,
    };
    loop {
        let received = tokio::select! {
            biased;
            () = cancel.cancelled() => return Ok(()),
            received = listener.queue.receive() => received,
        };
        let wait = match received {
            Ok(messages) if messages.is_empty() => continue,
            Ok(first) => listener.gather(first, events.gather, &cancel).await,
            Err(fault) => {
                tracing::warn!(fault.category = %fault.category, "the event queue cannot be read: {fault}");
                AFTER_FAILURE
            }
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Ok(()),
            () = pause(wait) => {}
        }
    }
}

/// The names whose changes matter.
fn names(config: &Config) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for role in &config.roles {
        names.insert(role.entry.name.as_str().to_ascii_lowercase());
        names.extend(
            role.managed_policies
                .iter()
                .map(|(policy, _)| policy.name.as_str().to_ascii_lowercase()),
        );
        names.extend(
            role.entry
                .legacy_users
                .iter()
                .map(|user| user.to_ascii_lowercase()),
        );
    }
    names
}

struct Listener {
    queue: EventQueue,
    names: BTreeSet<String>,
    mode: Mode,
    own_sessions: String,
    store: Arc<Store>,
}

impl Listener {
    /// Gathers what comes within a moment, so that a burst is one sweep. Answers how long to wait.
    async fn gather(
        &self,
        first: Vec<Message>,
        moment: Duration,
        cancel: &CancellationToken,
    ) -> Duration {
        let mut messages = first;
        let clock = WallClock::start();
        while clock.elapsed() < moment && messages.len() < MOST && !cancel.is_cancelled() {
            let left = moment.saturating_sub(clock.elapsed());
            match self.queue.receive_within(left).await {
                Ok(more) => messages.extend(more),
                Err(_) => break,
            }
        }
        let accounts: BTreeSet<AccountId> = messages
            .iter()
            .filter_map(|message| self.account_of(message))
            .collect();
        if !accounts.is_empty()
            && let Err(problem) = self.ask(&accounts).await
        {
            // Not deleted: they come again, when the store works.
            tracing::error!(problem = %problem, "the accounts that events name cannot be put into a sweep");
            return AFTER_FAILURE;
        }
        for message in &messages {
            if self.is_done_with(message)
                && let Err(fault) = self.queue.delete(message).await
            {
                // It comes again, and that is harmless.
                tracing::debug!("an event cannot be taken off the queue: {fault}");
            }
        }
        Duration::ZERO
    }

    async fn ask(
        &self,
        accounts: &BTreeSet<AccountId>,
    ) -> Result<(), rolekeeper_engine::port::store::StoreError> {
        let request = SweepRequest {
            id: 0,
            mode: self.mode,
            accounts: Some(accounts.iter().copied().collect()),
            trigger: Trigger::Event,
            requested_by: "events from AWS".to_owned(),
            at: time_of_day(),
        };
        self.store.request(&request).await.map(|_| ())
    }

    /// The account that is worth a look because of this message.
    fn account_of(&self, message: &Message) -> Option<AccountId> {
        match &message.content {
            Content::Hint(hint) if self.matters(hint) => {
                tracing::info!(account.id = %hint.account, event.kind = hint.kind.as_str(), event.call = ?hint.call, "an event names account {}", hint.account);
                Some(hint.account)
            }
            Content::Hint(_) | Content::Irrelevant => None,
            Content::Unreadable(why) => {
                tracing::warn!(why = ?why, received = message.received, "an event cannot be understood");
                None
            }
        }
    }

    fn matters(&self, hint: &Hint) -> bool {
        if hint.kind != HintKind::IamChanged {
            return matches!(
                hint.kind,
                HintKind::AccountCreated | HintKind::AccountJoined | HintKind::AccountMoved
            );
        }
        // What rolekeeper itself did is known.
        let is_own = hint
            .actor
            .as_ref()
            .is_some_and(|actor| actor.contains(&self.own_sessions));
        let name = hint
            .subject
            .as_deref()
            .and_then(|subject| subject.rsplit('/').next());
        !is_own && name.is_none_or(|name| self.names.contains(&name.to_ascii_lowercase()))
    }

    fn is_done_with(&self, message: &Message) -> bool {
        !matches!(message.content, Content::Unreadable(_)) || message.received >= TIRED
    }
}
