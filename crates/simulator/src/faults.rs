//! What goes wrong, by script and by chance.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

use rolekeeper_domain::account::AccountId;

use crate::call::{ApiError, Service};
use crate::seed::{below, mix, unit, word};

/// Whether the call had its effect although, or although not, it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing happened: failed before.
    None,
    /// It happened all the same: failed after.
    Done,
}

/// The shape in which trouble reaches the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// An error of the service: any status, code and message.
    Error(ApiError),
    /// A 502 of something in between, without a body.
    EmptyBadGateway,
    /// A 503 of something in between, as a web page.
    HtmlUnavailable,
    /// A 200 whose body breaks off.
    Truncated,
    /// The connection is cut without an answer.
    Cut,
    /// No answer, ever.
    Timeout,
    /// The right answer, as if all were well. With [`Effect::None`] it is a
    /// write that was confirmed and lost.
    Pretend,
}

/// Trouble and what it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whether the call took effect.
    pub effect: Effect,
    /// What the client sees.
    pub trouble: Trouble,
}

impl Fault {
    /// The error every service gives when it broke down itself.
    pub fn internal(effect: Effect) -> Self {
        let error = ApiError::new(
            500,
            "InternalFailure",
            "The request processing has failed because of an unknown error, exception or failure.",
        );
        Self {
            effect,
            trouble: Trouble::Error(error),
        }
    }
}

/// A fault that waits for its call.
#[derive(Clone, Debug)]
pub struct Script {
    /// Only calls of this service.
    pub service: Option<Service>,
    /// Only this operation.
    pub operation: Option<String>,
    /// Only calls that concern this account.
    pub account: Option<AccountId>,
    /// How many matching calls pass first: 2 hits the third.
    pub skip: u32,
    /// How many are hit then.
    pub times: u32,
    /// What happens to them.
    pub fault: Fault,
}

impl Script {
    /// The fault on every call of an operation from now on; narrow it with the fields.
    pub fn on(operation: &str, fault: Fault) -> Self {
        Self {
            service: None,
            operation: Some(operation.to_owned()),
            account: None,
            skip: 0,
            times: u32::MAX,
            fault,
        }
    }

    /// Only in this account.
    #[must_use]
    pub fn account(mut self, account: AccountId) -> Self {
        self.account = Some(account);
        self
    }

    /// Only the `n`th matching call, counted from 1.
    #[must_use]
    pub fn nth(mut self, n: u32) -> Self {
        self.skip = n.saturating_sub(1);
        self.times = 1;
        self
    }

    fn matches(&self, service: Service, operation: &str, account: Option<AccountId>) -> bool {
        self.service.is_none_or(|wanted| wanted == service)
            && self
                .operation
                .as_deref()
                .is_none_or(|wanted| wanted == operation)
            && self.account.is_none_or(|wanted| Some(wanted) == account)
    }
}

/// The faults in force.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    scripts: Mutex<Vec<Script>>,
    any: AtomicBool,
}

impl Faults {
    pub(crate) fn add(&self, script: Script) {
        self.scripts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(script);
        self.any.store(true, Ordering::Release);
    }

    pub(crate) fn clear(&self) {
        self.scripts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.any.store(false, Ordering::Release);
    }

    /// The first script that hits this call. Every matching script counts it.
    pub(crate) fn scripted(
        &self,
        service: Service,
        operation: &str,
        account: Option<AccountId>,
    ) -> Option<Fault> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let mut scripts = self.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hit = None;
        for script in scripts
            .iter_mut()
            .filter(|script| script.matches(service, operation, account))
        {
            if script.skip > 0 {
                script.skip -= 1;
            } else if hit.is_none() && script.times > 0 {
                script.times = if script.times == u32::MAX {
                    u32::MAX
                } else {
                    script.times - 1
                };
                hit = Some(script.fault.clone());
            }
        }
        scripts.retain(|script| script.times > 0);
        self.any.store(!scripts.is_empty(), Ordering::Release);
        hit
    }
}

/// The fault that chance holds for the `nth` call of an operation on a subject.
pub(crate) fn by_chance(
    seed: u64,
    share: f64,
    operation: &str,
    subject: u64,
    nth: u64,
) -> Option<Fault> {
    if share <= 0.0 {
        return None;
    }
    let draw = mix(seed, &[word("fault"), word(operation), subject, nth]);
    if unit(draw) >= share {
        return None;
    }
    let effect = if mix(draw, &[1]).is_multiple_of(2) {
        Effect::None
    } else {
        Effect::Done
    };
    let unavailable = || {
        let message = "The request has failed due to a temporary failure of the server.";
        Trouble::Error(ApiError::new(503, "ServiceUnavailable", message))
    };
    // Errors are more frequent than silence, and silence than nonsense.
    let trouble = match below(mix(draw, &[2]), 20) {
        0..=7 => return Some(Fault::internal(effect)),
        8..=12 => unavailable(),
        13 | 14 => Trouble::EmptyBadGateway,
        15 => Trouble::HtmlUnavailable,
        16 | 17 => Trouble::Cut,
        18 => Trouble::Truncated,
        _ => Trouble::Timeout,
    };
    Some(Fault { effect, trouble })
}

#[cfg(test)]
mod tests {
    use super::{Effect, Fault, Faults, Script, by_chance};
    use crate::call::Service;

    fn hits(faults: &Faults, operation: &str, account: &str, calls: usize) -> Vec<usize> {
        let account = account.parse().ok();
        (1..=calls)
            .filter(|_| faults.scripted(Service::Iam, operation, account).is_some())
            .collect()
    }

    #[test]
    fn the_third_call_in_one_account_is_hit_and_no_other() {
        let faults = Faults::default();
        let account = "111122223333".parse().expect("an id");
        faults.add(
            Script::on("CreateRole", Fault::internal(Effect::Done))
                .account(account)
                .nth(3),
        );
        assert!(hits(&faults, "CreateRole", "444455556666", 5).is_empty());
        assert!(hits(&faults, "GetRole", "111122223333", 5).is_empty());
        assert_eq!(hits(&faults, "CreateRole", "111122223333", 5), [3]);
        assert!(hits(&faults, "CreateRole", "111122223333", 5).is_empty());
    }

    #[test]
    fn a_script_without_an_end_stays() {
        let faults = Faults::default();
        faults.add(Script::on("GetRole", Fault::internal(Effect::None)));
        assert_eq!(hits(&faults, "GetRole", "111122223333", 3), [1, 2, 3]);
        faults.clear();
        assert!(hits(&faults, "GetRole", "111122223333", 3).is_empty());
    }

    #[test]
    fn chance_is_the_same_for_the_same_seed_and_near_its_share() {
        let draw = |seed: u64| -> Vec<bool> {
            (0..20_000)
                .map(|nth| by_chance(seed, 0.05, "GetRole", 7, nth).is_some())
                .collect()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let hits = draw(1).iter().filter(|hit| **hit).count();
        assert!((900..1_100).contains(&hits), "{hits} of 20,000 at 5 %");
    }
}
