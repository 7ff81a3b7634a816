//! Who holds which access key.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;

use crate::iam::paper::Paper;
use crate::iam::state::Text;
use crate::seed::{below, mix, unique_id, word};

/// A session of a role.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) account: AccountId,
    /// The role's ARN, with its path.
    pub(crate) role_arn: Text,
    pub(crate) role_name: Text,
    /// The role this was a session of: a new one of the same name is another.
    pub(crate) role_id: u64,
    pub(crate) name: Text,
    pub(crate) source_identity: Option<Text>,
    pub(crate) expires: Timestamp,
    /// The account whose limits its IAM calls are charged to.
    pub(crate) hub: AccountId,
    /// The session policy and the managed ones passed by ARN; none: no limit.
    pub(crate) policies: Option<Vec<Arc<Paper>>>,
}

/// What an access key stands for.
#[derive(Clone, Debug)]
pub(crate) enum Holder {
    /// A user's long-term key.
    User { account: AccountId, name: Text },
    /// A role session.
    Session(Arc<Session>),
    /// A user of an account outside the organization, with all powers there.
    Outsider { account: AccountId },
}

/// So many locks that callers rarely meet at one.
const SHARDS: usize = 64;
/// How many sessions a shard takes in before it throws out the expired ones.
const SWEEP_EVERY: usize = 512;

#[derive(Debug, Default)]
struct Shard {
    holders: BTreeMap<Text, Holder>,
    since_sweep: usize,
}

/// All access keys of the world.
#[derive(Debug)]
pub(crate) struct Credentials {
    shards: Vec<Mutex<Shard>>,
    uses: Mutex<BTreeMap<String, LastUse>>,
    seed: u64,
}

/// Seconds since the epoch, service, Region.
type LastUse = (i64, &'static str, String);

impl Credentials {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            uses: Mutex::default(),
            seed,
        }
    }

    fn with<R>(&self, key: &str, work: impl FnOnce(&mut Shard) -> R) -> Option<R> {
        let shard = self.shards.get(below(word(key), SHARDS))?;
        Some(work(
            &mut shard.lock().unwrap_or_else(PoisonError::into_inner),
        ))
    }

    pub(crate) fn holder(&self, key: &str) -> Option<Holder> {
        self.with(key, |shard| shard.holders.get(key).cloned())
            .flatten()
    }

    pub(crate) fn add_user_key(&self, key: Text, account: AccountId, name: Text) {
        let id = Arc::clone(&key);
        self.with(&id, |shard| {
            shard.holders.insert(key, Holder::User { account, name })
        });
    }

    pub(crate) fn add_outsider(&self, key: &str, account: AccountId) {
        self.with(key, |shard| {
            shard
                .holders
                .insert(key.into(), Holder::Outsider { account })
        });
    }

    /// Opens a session and gives its access key.
    pub(crate) fn open(&self, session: Session, ordinal: u64, now: Timestamp) -> Text {
        let key: Text = unique_id("ASIA", 16, mix(self.seed, &[word("session"), ordinal])).into();
        let id = Arc::clone(&key);
        self.with(&id, |shard| {
            shard.since_sweep += 1;
            if shard.since_sweep >= SWEEP_EVERY {
                shard.since_sweep = 0;
                shard.holders.retain(|_, holder| match holder {
                    Holder::User { .. } | Holder::Outsider { .. } => true,
                    // Kept a while longer, so that late calls hear "expired".
                    Holder::Session(session) => {
                        now.duration_since(session.expires).as_secs() < 3_600
                    }
                });
            }
            shard
                .holders
                .insert(key, Holder::Session(Arc::new(session)));
        });
        id
    }

    /// All sessions are over.
    pub(crate) fn drop_sessions(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for holder in shard.holders.values_mut() {
                if let Holder::Session(session) = holder {
                    *session = Arc::new(Session {
                        expires: Timestamp::MIN,
                        ..Session::clone(session)
                    });
                }
            }
        }
    }

    /// Notes the use of a long-term key.
    pub(crate) fn used(&self, key: &str, at: i64, service: &'static str, region: &str) {
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        match uses.get_mut(key) {
            Some(slot) => {
                slot.0 = at;
                slot.1 = service;
                if slot.2 != region {
                    region.clone_into(&mut slot.2);
                }
            }
            None => drop(uses.insert(key.to_owned(), (at, service, region.to_owned()))),
        }
    }

    pub(crate) fn last_used(&self, key: &str) -> Option<(i64, &'static str, String)> {
        self.uses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned()
    }

    /// The session token that belongs to an access key.
    pub(crate) fn token(&self, key: &str) -> String {
        let key = word(key);
        let mut token = String::with_capacity(160);
        token.push_str("IQoJb3JpZ2luX2VjE");
        for part in 0..8 {
            // Writing to a String cannot fail.
            write!(
                token,
                "{:016x}",
                mix(self.seed, &[word("token"), key, part])
            )
            .unwrap_or_default();
        }
        token.push_str("==");
        token
    }

    /// The secret that belongs to an access key.
    pub(crate) fn secret(&self, key: &str) -> String {
        unique_id("", 40, mix(self.seed, &[word("secret"), word(key)]))
    }
}
