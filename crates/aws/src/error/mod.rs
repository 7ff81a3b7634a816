//! What the SDK reports, as the domain's [`Fault`].

mod codes;

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::fault::{Category, Denial, Fault};

/// The most characters of a message that are kept. AWS's longest denials have
/// about 600; a proxy's error page can have any number.
const MAX_MESSAGE: usize = 1_000;

/// A word longer than this is a token, a signature or an encoded blob: nothing to read.
const MAX_WORD: usize = 256;

/// The fault of a failed call.
pub(crate) fn fault<E>(operation: Operation, error: &SdkError<E, HttpResponse>) -> Fault
where
    E: Error + ProvideErrorMetadata + 'static,
{
    let mut fault = match error {
        SdkError::ServiceError(context) => {
            service_error(context.err(), context.raw().status().as_u16())
        }
        SdkError::ResponseError(context) => {
            response_error(context.raw().status().as_u16(), &innermost_first(error))
        }
        SdkError::TimeoutError(_) => Fault::new(Category::Timeout, "no answer in time"),
        SdkError::DispatchFailure(failure) => {
            let words = innermost_first(error);
            let category = if carries_credentials_error(error) {
                Category::Credentials
            } else if failure.is_timeout() {
                Category::Timeout
            } else if failure.is_user() {
                Category::Internal
            } else {
                Category::Network
            };
            Fault::new(category, words)
        }
        SdkError::ConstructionFailure(_) => {
            let credentials = carries_credentials_error(error);
            let category = if credentials {
                Category::Credentials
            } else {
                Category::Internal
            };
            Fault::new(category, innermost_first(error))
        }
        // The enum may grow; what it grows by is nothing we know how to wait out.
        _ => Fault::new(Category::Internal, innermost_first(error)),
    };
    fault.operation = Some(operation);
    fault.request_id = error.request_id().map(str::to_owned);
    fault
}

/// The fault of a call that AWS answered without what the answer must hold.
pub(crate) fn malformed(operation: Operation, what: &str) -> Fault {
    Fault::new(Category::Service, format!("malformed reply: {what}")).during(operation)
}

/// The fault of credentials that could not be had.
pub(crate) fn credentials_fault(error: &CredentialsError) -> Fault {
    let category = match error {
        CredentialsError::ProviderTimedOut(_) => Category::Timeout,
        _ => Category::Credentials,
    };
    Fault::new(
        category,
        format!(
            "no credentials for the hub: {}",
            presentable(&chain(error).join(": "))
        ),
    )
}

/// Whether AWS says that what was asked for is not there. A 404 without AWS's
/// code is some proxy's, and says nothing about the account.
pub(crate) fn is_no_such_entity<E: ProvideErrorMetadata>(
    error: &SdkError<E, HttpResponse>,
) -> bool {
    match error {
        SdkError::ServiceError(context) => {
            matches!(
                context.err().meta().code(),
                Some("NoSuchEntity" | "NoSuchEntityException")
            )
        }
        _ => false,
    }
}

fn service_error<E: Error + ProvideErrorMetadata + 'static>(error: &E, status: u16) -> Fault {
    let meta = error.meta();
    let code = meta.code().filter(|code| !code.is_empty());
    // The SDK calls a success that it cannot parse an unhandled service error.
    if code.is_none() && (200..300).contains(&status) {
        let mut words = chain(error);
        words.reverse();
        return response_error(status, &presentable(&words.join(": ")));
    }
    let category = codes::category(code, status);
    let message = match meta.message().filter(|message| !message.trim().is_empty()) {
        Some(message) => presentable(message),
        None if code.is_some() => format!("HTTP {status} without an explanation"),
        None => format!("HTTP {status} without an error code"),
    };
    let denial = (category == Category::AccessDenied).then(|| denial(&message));
    Fault {
        code: code.map(str::to_owned),
        denial,
        ..Fault::new(category, message)
    }
}

fn response_error(status: u16, words: &str) -> Fault {
    // The SDK gives up on a body that trickles; that is a timeout by another name.
    if words.contains("minimum throughput") {
        return Fault::new(Category::Timeout, words);
    }
    let category = if (200..300).contains(&status) {
        Category::Service
    } else {
        codes::category(None, status)
    };
    Fault::new(
        category,
        format!("malformed reply (HTTP {status}): {words}"),
    )
}

/// Which kind of policy denied, by the words AWS uses.
fn denial(message: &str) -> Denial {
    let message = message.to_ascii_lowercase();
    let says = |words: &str| message.contains(words);
    // Each of these words appears as "explicit deny in a …" and as "no … allows".
    if says("service control polic") {
        Denial::ServiceControlPolicy
    } else if says("resource control polic") {
        Denial::ResourceControlPolicy
    } else if says("permissions boundary") {
        Denial::PermissionsBoundary
    } else if says("session polic") {
        Denial::SessionPolicy
    } else if says("resource-based polic") || says("trust polic") {
        Denial::ResourcePolicy
    } else if says("explicit deny in an identity-based polic") {
        Denial::IdentityPolicy
    } else if says("no identity-based polic") {
        Denial::NotAllowedByIdentityPolicy
    } else {
        Denial::Unknown
    }
}

fn carries_credentials_error(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<CredentialsError>() {
            return true;
        }
        next = error.source();
    }
    false
}

/// What each error of the chain says, the outermost first, without repetition.
fn chain(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let said = error.to_string();
        if words.last() != Some(&said) {
            words.push(said);
        }
        next = error.source();
    }
    words
}

/// The chain from the cause outwards: the cause is what a person looks for.
fn innermost_first<E: Error + 'static>(error: &SdkError<E, HttpResponse>) -> String {
    let mut words = chain(error);
    // The outermost only names the variant, which the category says already.
    if words.len() > 1 {
        words.remove(0);
    }
    words.reverse();
    presentable(&words.join(": "))
}

/// A message fit to be stored and shown: one line, bounded, without keys,
/// tokens and the canonical requests that signature errors echo.
fn presentable(message: &str) -> String {
    let message = message
        .split("The Canonical String for this request")
        .next()
        .unwrap_or_default();
    let message = message
        .split("The String-to-Sign should have been")
        .next()
        .unwrap_or_default();
    let mut line = String::new();
    for word in message
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
    {
        let word = if word.len() > MAX_WORD {
            "[…]".to_owned()
        } else {
            without_key_ids(word)
        };
        if !line.is_empty() {
            line.push(' ');
        }
        if line.chars().count() + word.chars().count() > MAX_MESSAGE {
            line.push('…');
            break;
        }
        line.push_str(&word);
    }
    line
}

fn without_key_ids(word: &str) -> String {
    let alone = |part: &str| {
        part.len() >= 16
            && (part.starts_with("AKIA") || part.starts_with("ASIA"))
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    word.split_inclusive(|c: char| !c.is_ascii_alphanumeric())
        .map(|part| {
            let bare = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            if alone(bare) {
                part.replace(bare, "[access key id]")
            } else {
                part.to_owned()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
