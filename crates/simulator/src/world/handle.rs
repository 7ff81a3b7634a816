//! One request from door to door.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use rolekeeper_domain::account::AccountId;
use serde_json::json;

use crate::ask::Ask;
use crate::buckets::{self, Bucket, Owner};
use crate::call::{Answer, ApiError, Delivery, Request, Service, Verdict};
use crate::faults::{Effect, Fault, Trouble, by_chance};
use crate::log::Entry;
use crate::seed::{mix, request_id, unit, word};
use crate::settings::Limits;
use crate::world::caller::Caller;
use crate::world::{World, read};
use crate::xml::Xml;
use crate::{iam, organizations, sts};

/// Who and what a request turned out to be about.
struct Subject {
    caller: Caller,
    account: AccountId,
    operation: &'static str,
    /// How often the account was called, with this call.
    nth: u64,
}

/// A body, or an error.
type Outcome = Result<String, ApiError>;

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
                    pretend,
                };
                match request.service {
                    Service::Iam => iam::answer(&ask),
                    Service::Sts => sts::answer(&ask),
                    Service::Organizations => organizations::answer(&ask),
                }
            });
        }
        let id = request_id(self.settings.seed, ordinal);
        let mut answer = match fault {
            Some(fault) => spoil(request.service, operation, outcome, fault, id),
            None => plain(request.service, operation, outcome, id),
        };
        answer.delay = delay;
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
            Service::Organizations | Service::Sts => {}
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
    };
    known.unwrap_or(UNKNOWN)
}

fn unknown(request: &Request) -> ApiError {
    match request.service {
        Service::Organizations => ApiError::bad("UnknownOperationException", String::new()),
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

fn verdict(error: &ApiError) -> Verdict {
    match &*error.code {
        "Throttling" | "TooManyRequestsException" | "ThrottlingException" => Verdict::Throttled,
        "AccessDenied" | "AccessDeniedException" => Verdict::Denied,
        _ => Verdict::Error,
    }
}

fn plain(service: Service, operation: &str, outcome: Outcome, id: String) -> Answer {
    let (status, body, verdict) = match outcome {
        Ok(body) if service == Service::Organizations => (200, body, Verdict::Ok),
        Ok(body) => (200, envelope(service, operation, &body, &id), Verdict::Ok),
        Err(error) => (
            error.status,
            error_body(service, &error, &id),
            verdict(&error),
        ),
    };
    let content_type = if service == Service::Organizations {
        "application/x-amz-json-1.1"
    } else {
        "text/xml"
    };
    Answer {
        status,
        content_type,
        body: Bytes::from(body),
        request_id: id,
        delay: Duration::ZERO,
        delivery: Delivery::Whole,
        verdict,
    }
}

fn envelope(service: Service, operation: &str, body: &str, id: &str) -> String {
    let mut xml = Xml::with_capacity(body.len() + 320);
    xml.raw("<");
    xml.raw(operation);
    xml.raw("Response xmlns=\"");
    xml.raw(service.namespace());
    xml.raw("\">");
    // UpdateRole alone has a result with nothing in it.
    if !body.is_empty() || operation == "UpdateRole" {
        xml.raw("<");
        xml.raw(operation);
        xml.raw("Result>");
        xml.raw(body);
        xml.raw("</");
        xml.raw(operation);
        xml.raw("Result>");
    }
    xml.raw("<ResponseMetadata><RequestId>");
    xml.raw(id);
    xml.raw("</RequestId></ResponseMetadata></");
    xml.raw(operation);
    xml.raw("Response>");
    xml.into_string()
}

fn error_body(service: Service, error: &ApiError, id: &str) -> String {
    if service == Service::Organizations {
        // What comes after `#` or `:` in AWS's own bodies is left out: clients cut it off.
        return json!({ "__type": error.code, "Message": error.message, "message": error.message })
            .to_string();
    }
    let mut xml = Xml::with_capacity(400);
    xml.raw("<ErrorResponse xmlns=\"");
    xml.raw(service.namespace());
    xml.raw("\"><Error>");
    xml.leaf(
        "Type",
        if error.status < 500 {
            "Sender"
        } else {
            "Receiver"
        },
    );
    xml.leaf("Code", &error.code);
    xml.leaf("Message", &error.message);
    xml.raw("</Error>");
    xml.leaf("RequestId", id);
    xml.raw("</ErrorResponse>");
    xml.into_string()
}

/// Turns an outcome into what a fault makes of it.
fn spoil(service: Service, operation: &str, outcome: Outcome, fault: Fault, id: String) -> Answer {
    // A caller who would have been refused hears that: the fault hits only
    // what would have gone well, when it was to have its effect.
    if matches!(&outcome, Err(error) if fault.effect == Effect::Done && error.status < 500) {
        return plain(service, operation, outcome, id);
    }
    let bare = |status, content_type, body: &'static str, id| Answer {
        status,
        content_type,
        body: Bytes::from_static(body.as_bytes()),
        request_id: id,
        delay: Duration::ZERO,
        delivery: Delivery::Whole,
        verdict: Verdict::Error,
    };
    match fault.trouble {
        Trouble::Error(error) => {
            let mut error = error;
            if service == Service::Iam && error.code == "InternalFailure" {
                error.code = Cow::Borrowed("ServiceFailure");
            }
            plain(service, operation, Err(error), id)
        }
        Trouble::EmptyBadGateway => bare(502, "text/plain", "", id),
        Trouble::HtmlUnavailable => bare(
            503,
            "text/html",
            "<html><body><h1>503 Service Unavailable</h1>No server is available to handle this request.</body></html>",
            id,
        ),
        Trouble::Truncated => {
            let mut answer = plain(service, operation, outcome, id);
            answer.status = 200;
            answer.body = answer.body.slice(..answer.body.len() / 2);
            answer.verdict = Verdict::Error;
            answer
        }
        Trouble::Cut => Answer {
            delivery: Delivery::Cut,
            ..bare(0, "text/plain", "", id)
        },
        Trouble::Timeout => Answer {
            delivery: Delivery::Never,
            ..bare(0, "text/plain", "", id)
        },
        Trouble::Pretend => plain(service, operation, outcome, id),
    }
}
