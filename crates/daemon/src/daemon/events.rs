//! Events from AWS: reason to look at an account sooner, nothing more.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use jiff::SignedDuration;
use rolekeeper_aws::{Aws, Content, EventQueue, Hint, HintKind, Message};
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::outcome::{AccountReport, Mode, Outcome, SkipReason, SweepId, Trigger};
use rolekeeper_engine::port::clock::Clock as _;
use rolekeeper_engine::port::store::{Control as _, StoreError, SweepRequest, Sweeps as _};
use rolekeeper_store::Store;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Events};
use crate::wall_clock::{WallClock, pause, time_of_day};

/// After the queue could not be read.
const AFTER_FAILURE: Duration = Duration::from_secs(15);
/// The most accounts of one request; more than this at once is a job for the schedule.
const MOST: usize = 1000;
/// After this many times a message that cannot be understood is taken off the queue, should nobody else do it. A
/// queue with dead letters moves it there earlier, where a person can look at it; so this is more than the
/// five times of `deploy/cloudformation/events.yaml`.
const TIRED: u32 = 20;

/// What rolekeeper did itself is told by CloudTrail within a quarter of an hour, as AWS says.
const LONGEST_WAY: SignedDuration = SignedDuration::from_mins(30);
/// How long after it came a message about a new account comes again, the first time and then: the account may
/// not be listed yet, or its admin role not be there, until minutes later (a StackSet takes that long). The same
/// of one that goes: a closure takes minutes, and the listing may still show what left.
const SEEN_AFTER: Duration = Duration::from_secs(45);
const AGAIN_AFTER: Duration = Duration::from_secs(240);
/// How often it comes at most, about 13 minutes in all: one less than makes a dead letter of it.
const COMES: u32 = 5;

/// Reads the queue until `cancel`, and asks for a sweep of the accounts that are named.
pub(super) async fn listen(
    aws: Aws,
    events: Events,
    watched: Watched,
    store: Arc<Store>,
    cancel: CancellationToken,
) -> Result<(), String> {
    let Some(url) = &events.queue_url else {
        return Ok(());
    };
    let listener = Listener {
        queue: aws.event_queue(url),
        watched,
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

/// What events are compared with; follows the configuration. Cheap to clone: all clones are one.
#[derive(Clone, Debug)]
pub(super) struct Watched(Arc<RwLock<Names>>);

#[derive(Debug)]
struct Names {
    /// Roles, policies and users whose changes matter, in small letters.
    managed: BTreeSet<String>,
    /// The roles that rolekeeper enters accounts with, without their paths.
    admin_roles: BTreeSet<String>,
    /// What its sessions' names begin with, before the sweep's id.
    session: String,
}

impl Watched {
    pub(super) fn new(config: &Config) -> Self {
        Self(Arc::new(RwLock::new(Names::of(config))))
    }

    pub(super) fn replace(&self, config: &Config) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Names::of(config);
    }

    fn names(&self) -> RwLockReadGuard<'_, Names> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Names {
    fn of(config: &Config) -> Self {
        let mut managed = BTreeSet::new();
        for role in &config.roles {
            managed.insert(role.entry.name.as_str().to_ascii_lowercase());
            managed.extend(
                role.managed_policies
                    .iter()
                    .map(|(policy, _)| policy.name.as_str().to_ascii_lowercase()),
            );
            managed.extend(
                role.entry
                    .legacy_users
                    .iter()
                    .map(|user| user.to_ascii_lowercase()),
            );
        }
        let admin_roles = config.aws.admin_roles.iter();
        Self {
            managed,
            admin_roles: admin_roles
                .filter_map(|role| role.to_string().rsplit('/').next().map(str::to_owned))
                .collect(),
            session: format!("{}-", config.aws.session_name),
        }
    }

    /// The sweep in whose session somebody acted, if that is how rolekeeper's own sessions are called.
    fn sweep_of(&self, actor: &str) -> Option<SweepId> {
        let (_, assumed) = actor.split_once(":assumed-role/")?;
        let (role, session) = assumed.split_once('/')?;
        let sweep = session.strip_prefix(&self.session)?;
        self.admin_roles
            .contains(role)
            .then(|| SweepId::parse(sweep))?
    }
}

struct Listener {
    queue: EventQueue,
    watched: Watched,
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
        let mut accounts = BTreeSet::new();
        let mut fates = Vec::with_capacity(messages.len());
        for message in &messages {
            let (account, fate) = match self.weigh(message).await {
                Ok(weighed) => weighed,
                Err(problem) => {
                    // Not deleted: they come again, when the store works.
                    tracing::error!(problem = %problem, "events cannot be compared with what is known");
                    return AFTER_FAILURE;
                }
            };
            accounts.extend(account);
            fates.push((message, fate));
        }
        if !accounts.is_empty()
            && let Err(problem) = self.ask(&accounts).await
        {
            tracing::error!(problem = %problem, "the accounts that events name cannot be put into a sweep");
            return AFTER_FAILURE;
        }
        for (message, fate) in fates {
            let done = match fate {
                Fate::Done => self.queue.delete(message).await,
                Fate::Again(wait) => self.queue.postpone(message, wait).await,
                Fate::Left => continue,
            };
            if let Err(fault) = done {
                // It comes again, and that is harmless.
                tracing::debug!("an event cannot be taken off the queue: {fault}");
            }
        }
        Duration::ZERO
    }

    async fn ask(&self, accounts: &BTreeSet<AccountId>) -> Result<(), StoreError> {
        let request = SweepRequest {
            id: 0,
            // No more than the schedule would do when it is taken up.
            mode: Mode::Repair,
            accounts: Some(accounts.iter().copied().collect()),
            trigger: Trigger::Event,
            requested_by: "events from AWS".to_owned(),
            at: time_of_day(),
        };
        self.store.request(&request).await.map(|_| ())
    }

    /// The account that is worth a look because of this message, and what becomes of the message.
    async fn weigh(&self, message: &Message) -> Result<(Option<AccountId>, Fate), StoreError> {
        let hint = match &message.content {
            Content::Hint(hint) => hint,
            Content::Irrelevant => return Ok((None, Fate::Done)),
            Content::Unreadable(why) => {
                tracing::warn!(why = ?why, received = message.received, "an event cannot be understood");
                let tired = message.received >= TIRED;
                return Ok((None, if tired { Fate::Done } else { Fate::Left }));
            }
        };
        let account = hint.account;
        match hint.kind {
            HintKind::IamChanged if self.matters(hint).await? => {}
            HintKind::AccountMoved => {}
            HintKind::AccountCreated | HintKind::AccountJoined => {
                let known = self.store.fleet_account(account).await?;
                let was_entered = known.is_some_and(|report| report.outcome != Outcome::Failed);
                if 1 < message.received && was_entered {
                    return Ok((None, Fate::Done));
                }
                say(hint);
                return Ok((Some(account), Fate::again(message.received)));
            }
            HintKind::AccountClosed | HintKind::AccountLeft => {
                let known = self.store.fleet_account(account).await?;
                let look = !is_gone(known.as_ref());
                if look {
                    say(hint);
                }
                let fate = match look {
                    true => Fate::again(message.received),
                    false => Fate::Done,
                };
                return Ok((look.then_some(account), fate));
            }
            HintKind::IamChanged => return Ok((None, Fate::Done)),
        }
        say(hint);
        Ok((Some(account), Fate::Done))
    }

    /// Whether a change is of something managed, and somebody else's: what rolekeeper itself did is known.
    async fn matters(&self, hint: &Hint) -> Result<bool, StoreError> {
        let name = hint
            .subject
            .as_deref()
            .and_then(|subject| subject.rsplit('/').next());
        let (is_managed, sweep) = {
            let names = self.watched.names();
            let is_managed =
                name.is_none_or(|name| names.managed.contains(&name.to_ascii_lowercase()));
            let actor = hint.actor.as_deref();
            (is_managed, actor.and_then(|actor| names.sweep_of(actor)))
        };
        let is_own = match sweep {
            // Anybody can call a session so; that there is such a sweep, that it writes, and that it is not
            // long over, nobody can make up.
            Some(sweep) if is_managed => self.is_writing(&sweep).await?,
            Some(_) | None => false,
        };
        Ok(is_managed && !is_own)
    }

    async fn is_writing(&self, sweep: &SweepId) -> Result<bool, StoreError> {
        let now = time_of_day();
        Ok(self.store.sweep(sweep).await?.is_some_and(|sweep| {
            let is_over = |end| LONGEST_WAY <= now.duration_since(end);
            sweep.mode == Mode::Repair && !sweep.finished_at.is_some_and(is_over)
        }))
    }
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is taken off the queue.
    Done,
    /// It comes again after this time.
    Again(Duration),
    /// It stays as it is, and comes again by itself.
    Left,
}

impl Fate {
    /// Of a message about something that the listing may show only minutes later.
    const fn again(received: u32) -> Self {
        match received {
            0 | 1 => Self::Again(SEEN_AFTER),
            again if again < COMES => Self::Again(AGAIN_AFTER),
            _ => Self::Done,
        }
    }
}

/// Whether a sweep has seen that the account is closed, or that the organization no longer has it. Only a listing
/// says so: what the event says is a reason to ask for one.
fn is_gone(known: Option<&AccountReport>) -> bool {
    known.is_none_or(|report| {
        report.outcome == Outcome::Skipped
            && report.reason.as_deref() == Some(SkipReason::Closed.as_str())
    })
}

fn say(hint: &Hint) {
    tracing::info!(account.id = %hint.account, event.kind = hint.kind.as_str(), event.call = ?hint.call, "an event names account {}", hint.account);
}
