//! One request from door to door.

use std::cell::Cell;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rolekeeper_domain::account::AccountId;

use crate::ask::Ask;
use crate::buckets::{self, Bucket, Owner};
use crate::call::{Answer, ApiError, Delivery, Request, Service};
use crate::faults::{Effect, Fault, Trouble, by_chance};
use crate::log::Entry;
use crate::seed::{mix, request_id, unit, word};
use crate::settings::Limits;
use crate::world::caller::Caller;
use crate::world::render::{plain, spoil};
use crate::world::{World, read};
use crate::{iam, organizations, sqs, sts};

/// Who and what a request turned out to be about.
struct Subject {
    caller: Caller,
    account: AccountId,
    operation: &'static str,
    /// How often the account was called, with this call.
    nth: u64,
}

impl World {
    /// Answers a request that arrives at `now`.
    ///
    /// The answer carries how long the service takes and whether it arrives;
    /// both are for the caller to carry out.
    pub fn handle(&self, request: &Request, now: Timestamp) -> Answer {
        self.told(now);
        self.churn(now);
        let ordinal = self.next_ordinal();
        let operation = operation(request);
        let subject = self.subject(request, operation, now);
        let (account, hub, nth) = match &subject {
            Ok(subject) => (Some(subject.account), Some(subject.caller.hub), subject.nth),
            Err(_) => (None, None, ordinal),
        };
        let delay = self.delay(account, nth);
        let fault = self.fault(request.service, operation, account, nth);
        let mut outcome = Err(ApiError::new(500, "InternalFailure", "not run"));
        let runs = fault
            .as_ref()
            .is_none_or(|fault| fault.effect == Effect::Done || fault.trouble == Trouble::Pretend);
        let held = Cell::new(now);
        if runs {
            let pretend = fault.as_ref().is_some_and(|fault| {
                fault.effect == Effect::None && fault.trouble == Trouble::Pretend
            });
            outcome = subject.and_then(|subject| {
                self.admit(request, &subject, now)?;
                let ask = Ask {
                    world: self,
                    request,
                    caller: &subject.caller,
                    account: subject.account,
                    operation: subject.operation,
                    now,
                    ordinal,
                    nth: subject.nth,
                    delay,
                    held: &held,
                    pretend,
                };
                match request.service {
                    Service::Iam => iam::answer(&ask),
                    Service::Sts => sts::answer(&ask),
                    Service::Organizations => organizations::answer(&ask),
                    Service::Sqs => sqs::answer(&ask),
                }
            });
        }
        let id = request_id(self.settings.seed, ordinal);
        let mut answer = match fault {
            Some(fault) => spoil(request.service, operation, outcome, fault, id),
            None => plain(request.service, operation, outcome, id),
        };
        answer.delay =
            delay + Duration::try_from(held.get().duration_since(now)).unwrap_or_default();
        let status = if answer.delivery == Delivery::Whole {
            answer.status
        } else {
            0
        };
        let verdict = answer.verdict;
        self.log.record(Entry {
            at: now,
            ordinal,
            service: request.service,
            operation,
            account,
            hub,
            status,
            verdict,
        });
        answer
    }

    fn subject(
        &self,
        request: &Request,
        operation: &'static str,
        now: Timestamp,
    ) -> Result<Subject, ApiError> {
        let caller = self.authenticate(request, now)?;
        // AssumeRole concerns the account it leads into; all else the caller's.
        let led_into = request
            .param("RoleArn")
            .filter(|_| request.service == Service::Sts);
        let account = led_into
            .and_then(|arn| arn.split(':').nth(4)?.parse().ok())
            .filter(|_| operation == "AssumeRole")
            .unwrap_or(caller.account);
        let count = |cell: &mut super::cell::Cell| {
            cell.calls += 1;
            cell.calls
        };
        let nth = self.with_cell(account, count).unwrap_or(0);
        if operation == UNKNOWN {
            return Err(unknown(request));
        }
        Ok(Subject {
            caller,
            account,
            operation,
            nth,
        })
    }

    /// Lets a request through the buckets it is charged to.
    fn admit(&self, request: &Request, subject: &Subject, now: Timestamp) -> Result<(), ApiError> {
        let limits = *read(&self.limits);
        let caller = subject.caller.account;
        match request.service {
            Service::Organizations if limits.published => {
                let owner = Owner::Organizations(caller, subject.operation);
                if !self
                    .buckets
                    .take(owner, buckets::organizations(subject.operation), now)
                {
                    let message = "You have sent too many requests in too short a period of time. The quota helps protect against denial-of-service attacks. Try again later.";
                    return Err(ApiError::bad("TooManyRequestsException", message));
                }
            }
            Service::Sts if limits.published => {
                if !self.buckets.take(
                    Owner::Sts(caller, request.region.clone()),
                    buckets::STS,
                    now,
                ) {
                    return Err(too_fast());
                }
            }
            Service::Iam => self.admit_iam(&limits, subject, now)?,
            Service::Organizations | Service::Sts | Service::Sqs => {}
        }
        Ok(())
    }

    fn admit_iam(
        &self,
        limits: &Limits,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let hub = Owner::Hub(subject.caller.hub);
        if let Some(rate) = limits.iam_rate
            && !self.buckets.take(hub.clone(), (rate, rate / 2.0), now)
        {
            return Err(too_fast());
        }
        let admitted = self.with_cell(subject.account, |cell| {
            let Some(rate) = cell.own_rate.or(limits.target_rate) else {
                return true;
            };
            let bucket = cell
                .bucket
                .get_or_insert_with(|| Bucket::new(rate, rate * 2.0));
            if (bucket.rate() - rate).abs() > f64::EPSILON {
                bucket.set(rate, rate * 2.0, now);
            }
            bucket.take(now)
        });
        if admitted == Some(false) {
            if limits.iam_rate.is_some() {
                self.buckets.give_back(&hub);
            }
            return Err(too_fast());
        }
        Ok(())
    }

    /// How long this call takes: the latency, and a long tail.
    fn delay(&self, account: Option<AccountId>, nth: u64) -> Duration {
        let latency = self.settings.latency;
        if latency.is_zero() || !self.settings.tail {
            return latency;
        }
        let subject = account.map_or(0, |account| account.number());
        let draw = unit(mix(self.settings.seed, &[word("delay"), subject, nth]));
        match draw {
            draw if draw < 0.001 => latency * 10,
            draw if draw < 0.011 => latency * 3,
            _ => latency,
        }
    }

    fn fault(
        &self,
        service: Service,
        operation: &str,
        account: Option<AccountId>,
        nth: u64,
    ) -> Option<Fault> {
        self.faults
            .scripted(service, operation, account)
            .or_else(|| {
                let subject = account?.number();
                by_chance(
                    self.settings.seed,
                    self.settings.errors,
                    operation,
                    subject,
                    nth,
                )
            })
    }

    /// Until when a write that begins now is under way.
    pub(crate) fn until(now: Timestamp, delay: Duration) -> Timestamp {
        now.checked_add(SignedDuration::try_from(delay).unwrap_or_default())
            .unwrap_or(now)
    }
}

/// The name of operations that the world does not have.
const UNKNOWN: &str = "unknown";

/// The operation as the world's own text.
fn operation(request: &Request) -> &'static str {
    let known = match request.service {
        Service::Iam => iam::operation(&request.operation).map(|operation| operation.name),
        Service::Sts => sts::operation(&request.operation),
        Service::Organizations => organizations::operation(&request.operation),
        Service::Sqs => sqs::operation(&request.operation),
    };
    known.unwrap_or(UNKNOWN)
}

fn unknown(request: &Request) -> ApiError {
    match request.service {
        Service::Organizations | Service::Sqs => {
            ApiError::bad("UnknownOperationException", String::new())
        }
        Service::Sts | Service::Iam => {
            let message = format!(
                "Could not find operation {} for this version",
                request.operation
            );
            ApiError::bad("InvalidAction", message)
        }
    }
}

fn too_fast() -> ApiError {
    ApiError::bad("Throttling", "Rate exceeded")
}
