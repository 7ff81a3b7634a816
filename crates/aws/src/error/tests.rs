#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;

use super::*;

type Failure = SdkError<ErrorMetadata, HttpResponse>;

fn response(status: u16) -> HttpResponse {
    let response = http::Response::builder()
        .status(status)
        .header("x-amzn-requestid", "request-1");
    HttpResponse::try_from(response.body(SdkBody::empty()).unwrap()).unwrap()
}

fn answered(status: u16, code: Option<&str>, message: &str) -> Failure {
    let mut meta = ErrorMetadata::builder().message(message);
    if let Some(code) = code {
        meta = meta.code(code);
    }
    SdkError::service_error(meta.build(), response(status))
}

fn kept(error: &Failure) -> Fault {
    fault(Operation::GetRole, error)
}

#[test]
fn every_known_code_has_its_category_whatever_the_status() {
    for (category, listed) in codes::CODES {
        for code in *listed {
            for status in [400, 403, 404, 409, 500, 503] {
                let fault = kept(&answered(status, Some(code), "words"));
                assert_eq!(fault.category, *category, "{code} with HTTP {status}");
                assert_eq!(fault.code.as_deref(), Some(*code));
            }
        }
    }
}

#[test]
fn no_code_is_listed_twice() {
    let mut listed: Vec<&str> = codes::CODES
        .iter()
        .flat_map(|(_, codes)| codes.iter().copied())
        .collect();
    let all = listed.len();
    listed.sort_unstable();
    listed.dedup();
    assert_eq!(listed.len(), all);
}

#[test]
fn a_namespaced_code_is_known_by_its_name() {
    let code = Some("com.amazonaws.organizations#TooManyRequestsException");
    assert_eq!(kept(&answered(400, code, "")).category, Category::Throttled);
}

#[test]
fn without_a_known_code_the_status_decides() {
    for (status, category) in [
        (400, Category::Internal),
        (401, Category::AccessDenied),
        (403, Category::AccessDenied),
        (404, Category::NotFound),
        (408, Category::Timeout),
        (409, Category::Conflict),
        (418, Category::Internal),
        (429, Category::Throttled),
        (500, Category::Service),
        (502, Category::Service),
        (503, Category::Service),
        (504, Category::Timeout),
    ] {
        assert_eq!(
            kept(&answered(status, None, "")).category,
            category,
            "HTTP {status}"
        );
        assert_eq!(
            kept(&answered(status, Some("Unheard"), "")).category,
            category,
            "HTTP {status}"
        );
    }
}

#[test]
fn a_fault_keeps_the_call_the_words_and_the_request_id() {
    let fault = kept(&answered(
        404,
        Some("NoSuchEntity"),
        "The role with name Auditor cannot be found.",
    ));
    assert_eq!(
        fault.to_string(),
        "iam:GetRole: NoSuchEntity: The role with name Auditor cannot be found."
    );
    assert_eq!(fault.request_id.as_deref(), Some("request-1"));
    assert_eq!(fault.denial, None);
}

#[test]
fn an_answer_without_words_still_says_something() {
    assert_eq!(
        kept(&answered(502, None, "")).message,
        "HTTP 502 without an error code"
    );
    assert_eq!(
        kept(&answered(400, Some("ValidationError"), " ")).message,
        "HTTP 400 without an explanation"
    );
}

#[test]
fn a_reply_that_cannot_be_parsed_is_the_services_fault() {
    let error: Failure = SdkError::response_error("unexpected end of document", response(200));
    let fault = kept(&error);
    assert_eq!(fault.category, Category::Service);
    assert_eq!(
        fault.message,
        "malformed reply (HTTP 200): unexpected end of document"
    );
    assert_eq!(fault.request_id.as_deref(), Some("request-1"));

    let error: Failure = SdkError::response_error("not XML", response(429));
    assert_eq!(kept(&error).category, Category::Throttled);

    let error: Failure =
        SdkError::response_error("minimum throughput was specified at 1 B/s", response(200));
    assert_eq!(kept(&error).category, Category::Timeout);
}

#[test]
fn what_went_wrong_on_the_way_is_told_apart() {
    let dispatch = |error: ConnectorError| kept(&Failure::dispatch_failure(error)).category;
    assert_eq!(
        dispatch(ConnectorError::io("connection reset".into())),
        Category::Network
    );
    assert_eq!(
        dispatch(ConnectorError::timeout("connect".into())),
        Category::Timeout
    );
    assert_eq!(
        dispatch(ConnectorError::other("TLS".into(), None)),
        Category::Network
    );
    assert_eq!(
        dispatch(ConnectorError::user("bad URI".into())),
        Category::Internal
    );
    let no_keys = CredentialsError::not_loaded("nothing in the chain");
    assert_eq!(
        dispatch(ConnectorError::other(no_keys.into(), None)),
        Category::Credentials
    );
    assert_eq!(
        kept(&Failure::timeout_error("operation")).category,
        Category::Timeout
    );
    assert_eq!(
        kept(&Failure::construction_failure("missing field")).category,
        Category::Internal
    );
    let no_keys = CredentialsError::not_loaded("nothing in the chain");
    assert_eq!(
        kept(&Failure::construction_failure(no_keys)).category,
        Category::Credentials
    );
}

#[test]
fn the_cause_comes_first() {
    let error = Failure::dispatch_failure(ConnectorError::io("connection refused".into()));
    assert!(
        kept(&error).message.starts_with("connection refused"),
        "{}",
        kept(&error).message
    );
}

#[test]
fn credentials_that_are_slow_are_a_timeout_and_others_are_missing() {
    let slow = CredentialsError::provider_timed_out(std::time::Duration::from_secs(5));
    assert_eq!(credentials_fault(&slow).category, Category::Timeout);
    let none = credentials_fault(&CredentialsError::not_loaded("nothing in the chain"));
    assert_eq!(none.category, Category::Credentials);
    assert!(
        none.message.contains("nothing in the chain"),
        "{}",
        none.message
    );
}

#[test]
fn a_denial_says_which_kind_of_policy_denied() {
    let who = "User: arn:aws:sts::111122223333:assumed-role/Admin/x is not authorized to perform: iam:CreateRole on resource: role Auditor";
    for (words, denial) in [
        (
            "with an explicit deny in a service control policy",
            Denial::ServiceControlPolicy,
        ),
        (
            "because no service control policy allows the iam:CreateRole action",
            Denial::ServiceControlPolicy,
        ),
        (
            "with an explicit deny in a resource control policy",
            Denial::ResourceControlPolicy,
        ),
        (
            "with an explicit deny in a permissions boundary",
            Denial::PermissionsBoundary,
        ),
        (
            "because no permissions boundary allows the iam:CreateRole action",
            Denial::PermissionsBoundary,
        ),
        (
            "with an explicit deny in a session policy",
            Denial::SessionPolicy,
        ),
        (
            "because no session policy allows the iam:CreateRole action",
            Denial::SessionPolicy,
        ),
        (
            "with an explicit deny in a resource-based policy",
            Denial::ResourcePolicy,
        ),
        (
            "because no resource-based policy allows the sts:AssumeRole action",
            Denial::ResourcePolicy,
        ),
        (
            "because the role trust policy does not allow it",
            Denial::ResourcePolicy,
        ),
        (
            "with an explicit deny in an identity-based policy",
            Denial::IdentityPolicy,
        ),
        (
            "because no identity-based policy allows the iam:CreateRole action",
            Denial::NotAllowedByIdentityPolicy,
        ),
        ("", Denial::Unknown),
    ] {
        let fault = kept(&answered(
            403,
            Some("AccessDenied"),
            &format!("{who} {words}"),
        ));
        assert_eq!(fault.denial, Some(denial), "{words}");
    }
}

#[test]
fn only_amazons_own_code_says_that_something_is_not_there() {
    assert!(is_no_such_entity(&answered(404, Some("NoSuchEntity"), "")));
    assert!(!is_no_such_entity(&answered(404, None, "")));
    assert!(!is_no_such_entity(&answered(403, Some("AccessDenied"), "")));
    assert!(!is_no_such_entity(&Failure::timeout_error("late")));
}

#[test]
fn a_message_carries_no_keys_no_tokens_and_no_second_line() {
    let token = "x".repeat(400);
    let message =
        format!("key AKIAIOSFODNN7EXAMPLE, (ASIAIOSFODNN7EXAMPLE) token\n{token}\u{1b}[31m end");
    assert_eq!(
        presentable(&message),
        "key [access key id], ([access key id]) token […] [31m end"
    );
    let signature = "The request signature does not match. The Canonical String for this request should have been 'POST /'";
    assert_eq!(
        presentable(signature),
        "The request signature does not match."
    );
    assert!(presentable(&"word ".repeat(1_000)).chars().count() <= MAX_MESSAGE + 2);
}
