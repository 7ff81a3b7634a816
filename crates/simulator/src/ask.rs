//! A request on its way to the operation that answers it.

use std::cell::Cell;
use std::time::Duration;

use jiff::Timestamp;
use rolekeeper_domain::account::AccountId;
use serde_json::Value;

use crate::call::{ApiError, Input, Params, Request};
use crate::iam::date;
use crate::seed::{mix, word};
use crate::world::World;
use crate::world::authorize::Wish;
use crate::world::caller::Caller;

/// What an operation is given.
pub(crate) struct Ask<'a> {
    pub(crate) world: &'a World,
    pub(crate) request: &'a Request,
    pub(crate) caller: &'a Caller,
    /// The account it is about.
    pub(crate) account: AccountId,
    pub(crate) operation: &'static str,
    pub(crate) now: Timestamp,
    pub(crate) ordinal: u64,
    /// How often the account was called, with this call.
    pub(crate) nth: u64,
    /// How long it takes: a write is under way until then.
    pub(crate) delay: Duration,
    /// Until when the answer is held back beyond that.
    pub(crate) held: &'a Cell<Timestamp>,
    /// Whether it is only to look as if it were done.
    pub(crate) pretend: bool,
}

static NO_PARAMS: Params = Params::empty();
static NULL: Value = Value::Null;

impl<'a> Ask<'a> {
    pub(crate) fn params(&self) -> &'a Params {
        match &self.request.input {
            Input::Query(params) => params,
            Input::Json(_) => &NO_PARAMS,
        }
    }

    pub(crate) fn json(&self) -> &'a Value {
        match &self.request.input {
            Input::Query(_) => &NULL,
            Input::Json(body) => body,
        }
    }

    /// A parameter of either protocol.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        match &self.request.input {
            Input::Query(params) => params.get(name),
            Input::Json(body) => body.get(name).and_then(Value::as_str),
        }
    }

    /// A parameter that must be there.
    pub(crate) fn need(&self, name: &str) -> Result<&'a str, ApiError> {
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            let mut field = name.to_owned();
            if let Some(first) = field.get_mut(..1) {
                first.make_ascii_lowercase();
            }
            ApiError::validation(format!(
                "1 validation error detected: Value null at '{field}' failed to satisfy constraint: Member must not be null"
            ))
        })
    }

    /// Holds the answer back.
    pub(crate) fn hold(&self, until: Timestamp) {
        self.held.set(until);
    }

    /// Seconds since the epoch.
    pub(crate) fn seconds(&self) -> i64 {
        self.now.as_second()
    }

    /// Puts what is around every request into its context.
    pub(crate) fn surround(&self, wish: &mut Wish<'_>) {
        let around = [
            ("aws:RequestedRegion", self.request.region.clone()),
            ("aws:CurrentTime", date(self.seconds()).to_string()),
            ("aws:EpochTime", self.seconds().to_string()),
        ];
        wish.context
            .extend(around.map(|(key, value)| (key.to_owned(), vec![value])));
    }

    /// A new unique id, drawn from the seed, the account and the call.
    pub(crate) fn fresh(&self, salt: &str) -> u64 {
        mix(
            self.world.settings.seed,
            &[word("fresh"), self.account.number(), word(salt), self.nth],
        )
    }
}
