//! From an outcome to the answer that goes out, spoiled or not.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use crate::call::{Answer, ApiError, Delivery, Service, Verdict};
use crate::faults::{Effect, Fault, Trouble};
use crate::xml::Xml;

/// A body, or an error.
pub(super) type Outcome = Result<String, ApiError>;

fn verdict(error: &ApiError) -> Verdict {
    match &*error.code {
        "Throttling" | "TooManyRequestsException" | "ThrottlingException" => Verdict::Throttled,
        "AccessDenied" | "AccessDeniedException" => Verdict::Denied,
        _ => Verdict::Error,
    }
}

/// The answer as it should be.
pub(super) fn plain(service: Service, operation: &str, outcome: Outcome, id: String) -> Answer {
    let (status, body, verdict) = match outcome {
        Ok(body) if service.is_json() => (200, body, Verdict::Ok),
        Ok(body) => (200, envelope(service, operation, &body, &id), Verdict::Ok),
        Err(error) => (
            error.status,
            error_body(service, &error, &id),
            verdict(&error),
        ),
    };
    let content_type = match service {
        Service::Organizations => "application/x-amz-json-1.1",
        Service::Sqs => "application/x-amz-json-1.0",
        Service::Sts | Service::Iam => "text/xml",
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
    if service.is_json() {
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
pub(super) fn spoil(
    service: Service,
    operation: &str,
    outcome: Outcome,
    fault: Fault,
    id: String,
) -> Answer {
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
