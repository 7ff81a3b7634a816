//! Ways into accounts: which role works where, and sessions while they live.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::fault::{Category, Fault};
use rolekeeper_domain::role::RoleSpec;
use rolekeeper_domain::user::UserStep;
use rolekeeper_domain::verdict::Permit;

use crate::event::EventSink;
use crate::gateway::{Behalf, Gateway};
use crate::port::clock::Clock;
use crate::port::session::{Entry, RoleReader, SessionProvider, SessionRequest};
use crate::port::user::UserRequest;

/// A session that ends within this time is not used again: a walk takes a few
/// seconds, and a call with an expired session is a call for nothing.
const EXPIRY_MARGIN: Duration = Duration::from_secs(120);

/// Who enters, and under what name.
#[derive(Clone, Copy)]
pub(crate) struct Visit<'a> {
    pub(crate) account: AccountId,
    /// The hub's own account is entered with the hub's own credentials.
    pub(crate) is_hub: bool,
    pub(crate) admin_roles: &'a [String],
    pub(crate) label: &'a str,
    pub(crate) roles: &'a [RoleSpec],
    /// See [`Sessions::generation`].
    pub(crate) generation: u64,
    pub(crate) behalf: Behalf<'a>,
}

/// How often the sessions that have ended are looked for once no more fit: looking at all of them
/// for each further account would cost more than a session saves.
const SORT_OUT_EVERY: SignedDuration = SignedDuration::from_secs(60);

struct Live<R> {
    readers: BTreeMap<AccountId, R>,
    sorted_out_at: Timestamp,
    generation: u64,
}

/// Live readers by account, and the admin role that last worked.
pub(crate) struct Sessions<R> {
    live: Mutex<Live<R>>,
    worked: Mutex<BTreeMap<AccountId, usize>>,
    capacity: usize,
}

impl<R: RoleReader> Sessions<R> {
    /// Keeps at most `capacity` live sessions.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            live: Mutex::new(Live {
                readers: BTreeMap::new(),
                sorted_out_at: Timestamp::UNIX_EPOCH,
                generation: 0,
            }),
            worked: Mutex::default(),
            capacity,
        }
    }

    /// A reader of the account: one that still lives, or a new one.
    pub(crate) async fn reader<P, C, E>(
        &self,
        provider: &P,
        gateway: &Gateway<C, E>,
        visit: Visit<'_>,
    ) -> Result<R, Fault>
    where
        P: SessionProvider<Reader = R>,
        C: Clock,
        E: EventSink,
    {
        let now = gateway.clock.now();
        if let Some(reader) = self.living(visit, now) {
            return Ok(reader);
        }
        let reader = self.reader_apart(provider, gateway, visit).await?;
        self.keep(visit, &reader, now);
        Ok(reader)
    }

    /// A new reader that is not kept: its session may look at other things than the
    /// configured roles.
    pub(crate) async fn reader_apart<P, C, E>(
        &self,
        provider: &P,
        gateway: &Gateway<C, E>,
        visit: Visit<'_>,
    ) -> Result<R, Fault>
    where
        P: SessionProvider<Reader = R>,
        C: Clock,
        E: EventSink,
    {
        self.enter(gateway, visit, |entry| async move {
            provider.reader(request(visit, &entry)).await
        })
        .await
    }

    /// A writer for exactly what the permit allows. Never kept.
    pub(crate) async fn writer<P, C, E>(
        &self,
        provider: &P,
        gateway: &Gateway<C, E>,
        visit: Visit<'_>,
        permit: &Permit,
    ) -> Result<P::Writer, Fault>
    where
        P: SessionProvider<Reader = R>,
        C: Clock,
        E: EventSink,
    {
        self.enter(gateway, visit, |entry| async move {
            provider.writer(request(visit, &entry), permit).await
        })
        .await
    }

    /// A reader of one user of the account. Never kept.
    pub(crate) async fn user_reader<P, C, E>(
        &self,
        provider: &P,
        gateway: &Gateway<C, E>,
        visit: Visit<'_>,
        user: &str,
    ) -> Result<P::UserReader, Fault>
    where
        P: SessionProvider<Reader = R>,
        C: Clock,
        E: EventSink,
    {
        self.enter(gateway, visit, |entry| async move {
            provider.user_reader(about(visit, &entry, user)).await
        })
        .await
    }

    /// A writer for exactly these steps on one user. Never kept.
    pub(crate) async fn user_writer<P, C, E>(
        &self,
        provider: &P,
        gateway: &Gateway<C, E>,
        visit: Visit<'_>,
        (user, steps): (&str, &[UserStep]),
    ) -> Result<P::UserWriter, Fault>
    where
        P: SessionProvider<Reader = R>,
        C: Clock,
        E: EventSink,
    {
        self.enter(gateway, visit, |entry| async move {
            let request = about(visit, &entry, user);
            provider.user_writer(request, steps).await
        })
        .await
    }

    /// Forgets the account's session: AWS no longer takes it.
    pub(crate) fn forget(&self, account: AccountId) {
        self.live
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .readers
            .remove(&account);
    }

    /// Forgets every session: what they may look at changed. A sweep that is under way keeps none any more, and
    /// uses none that is kept from now on.
    pub(crate) fn forget_all(&self) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.readers.clear();
        live.generation += 1;
    }

    /// Changes whenever other settings come into force.
    pub(crate) fn generation(&self) -> u64 {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.generation
    }

    /// Tries the ways in, the one that worked last time first.
    async fn enter<T, C, E, F, A>(
        &self,
        gateway: &Gateway<C, E>,
        visit: Visit<'_>,
        open: F,
    ) -> Result<T, Fault>
    where
        C: Clock,
        E: EventSink,
        F: Fn(Entry) -> A,
        A: Future<Output = Result<T, Fault>>,
    {
        if visit.is_hub {
            // No call is made: the credentials are there.
            return open(Entry::Hub).await;
        }
        let mut refusals: Vec<(&str, Fault)> = Vec::new();
        for index in self.order(visit) {
            let Some(name) = visit.admin_roles.get(index) else {
                continue;
            };
            let attempt = || open(Entry::AdminRole(name.clone()));
            match gateway
                .read(visit.behalf, Operation::AssumeRole, attempt)
                .await
            {
                Ok(session) => {
                    self.remember(visit.account, index);
                    return Ok(session);
                }
                Err(fault) if is_closed_door(&fault) => refusals.push((name, fault)),
                Err(fault) => return Err(fault),
            }
        }
        Err(no_way_in(refusals))
    }

    fn order(&self, visit: Visit<'_>) -> Vec<usize> {
        let worked = self.worked.lock().unwrap_or_else(PoisonError::into_inner);
        let first = worked.get(&visit.account).copied().unwrap_or(0);
        let rest = (0..visit.admin_roles.len()).filter(|index| *index != first);
        std::iter::once(first).chain(rest).collect()
    }

    fn remember(&self, account: AccountId, index: usize) {
        let mut worked = self.worked.lock().unwrap_or_else(PoisonError::into_inner);
        // The first is where everybody begins anyway.
        if index == 0 {
            worked.remove(&account);
        } else {
            worked.insert(account, index);
        }
    }

    fn living(&self, visit: Visit<'_>, now: Timestamp) -> Option<R> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.readers
            .get(&visit.account)
            .filter(|reader| live.generation == visit.generation && is_fresh(*reader, now))
            .cloned()
    }

    fn keep(&self, visit: Visit<'_>, reader: &R, now: Timestamp) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if live.generation != visit.generation {
            return;
        }
        if live.readers.len() >= self.capacity && live.sorted_out_at + SORT_OUT_EVERY <= now {
            live.readers.retain(|_, reader| is_fresh(reader, now));
            live.sorted_out_at = now;
        }
        if live.readers.len() < self.capacity {
            live.readers.insert(visit.account, reader.clone());
        }
    }
}

fn request<'a>(visit: Visit<'a>, entry: &'a Entry) -> SessionRequest<'a> {
    SessionRequest {
        account: visit.account,
        entry,
        label: visit.label,
        roles: visit.roles,
    }
}

fn about<'a>(visit: Visit<'a>, entry: &'a Entry, user: &'a str) -> UserRequest<'a> {
    UserRequest {
        account: visit.account,
        entry,
        label: visit.label,
        user,
    }
}

fn is_fresh(reader: &impl RoleReader, now: Timestamp) -> bool {
    reader
        .expires_at()
        .is_none_or(|end| end.duration_since(now).as_secs() > EXPIRY_MARGIN.as_secs().cast_signed())
}

/// STS denies both a role that is not there and one that does not trust us.
const fn is_closed_door(fault: &Fault) -> bool {
    matches!(fault.category, Category::AccessDenied | Category::NotFound)
}

/// The first refusal, with all the names that were tried.
fn no_way_in(refusals: Vec<(&str, Fault)>) -> Fault {
    let names: Vec<&str> = refusals.iter().map(|(name, _)| *name).collect();
    let tried = names.join(", ");
    let Some((_, first)) = refusals.into_iter().next() else {
        return Fault::new(Category::Internal, "no admin role is configured");
    };
    let message = format!(
        "no admin role could be assumed ({tried}): {}",
        first.message
    );
    Fault { message, ..first }
}
