//! A request as the world sees it, and what the world answers.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

/// The services the world speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// AWS Organizations, JSON 1.1.
    Organizations,
    /// The Security Token Service, Query.
    Sts,
    /// Identity and Access Management, Query.
    Iam,
    /// The Simple Queue Service, JSON 1.0.
    Sqs,
}

impl Service {
    /// Its name in ARNs, signatures and action names.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organizations => "organizations",
            Self::Sts => "sts",
            Self::Iam => "iam",
            Self::Sqs => "sqs",
        }
    }

    /// Whether it speaks JSON and not XML.
    pub(crate) const fn is_json(self) -> bool {
        matches!(self, Self::Organizations | Self::Sqs)
    }

    pub(crate) const fn namespace(self) -> &'static str {
        match self {
            Self::Organizations | Self::Sqs => "",
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
            Self::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
        }
    }
}

/// The parameters of a call.
#[derive(Clone, Debug)]
pub enum Input {
    /// Form fields of the Query protocol.
    Query(Params),
    /// The body of the JSON protocol.
    Json(Value),
}

/// Form fields, decoded, in the order they came.
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) const fn empty() -> Self {
        Self(Vec::new())
    }

    /// Decodes `application/x-www-form-urlencoded` text.
    pub fn parse(body: &str) -> Self {
        let decode = |text: &str| {
            let text = if text.contains('+') {
                Cow::Owned(text.replace('+', " "))
            } else {
                Cow::Borrowed(text)
            };
            percent_encoding::percent_decode_str(&text)
                .decode_utf8_lossy()
                .into_owned()
        };
        let pair = |field: &str| {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            (decode(name), decode(value))
        };
        Self(
            body.split('&')
                .filter(|field| !field.is_empty())
                .map(pair)
                .collect(),
        )
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    }

    /// `Prefix.member.1`, `Prefix.member.2`, … as they are numbered.
    pub fn list(&self, prefix: &str) -> Vec<&str> {
        let item = |n: usize| self.get(&format!("{prefix}.member.{n}"));
        (1..).map_while(item).collect()
    }

    /// `Prefix.member.N.First` with `Prefix.member.N.Second`.
    pub fn pairs(&self, prefix: &str, first: &str, second: &str) -> Vec<(&str, &str)> {
        let item = |n: usize| {
            let first = self.get(&format!("{prefix}.member.{n}.{first}"))?;
            Some((
                first,
                self.get(&format!("{prefix}.member.{n}.{second}"))
                    .unwrap_or_default(),
            ))
        };
        (1..).map_while(item).collect()
    }
}

/// One call, parsed.
#[derive(Clone, Debug)]
pub struct Request {
    /// The service it is addressed to.
    pub service: Service,
    /// The operation, as IAM actions spell it.
    pub operation: String,
    /// The access key it is signed with.
    pub access_key: Option<String>,
    /// The session token beside it.
    pub session_token: Option<String>,
    /// The region of the signature's scope.
    pub region: String,
    /// Its parameters.
    pub input: Input,
}

impl Request {
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        match &self.input {
            Input::Query(params) => params.get(name),
            Input::Json(body) => body.get(name).and_then(Value::as_str),
        }
    }
}

/// An error as the service names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// The code clients switch on.
    pub code: Cow<'static, str>,
    /// The text for people.
    pub message: String,
}

impl ApiError {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: Cow::Borrowed(code),
            message: message.into(),
        }
    }

    /// A 400: what the caller asked for is wrong.
    pub(crate) fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    pub(crate) fn no_such(message: impl Into<String>) -> Self {
        Self::new(404, "NoSuchEntity", message)
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new(400, "ValidationError", message)
    }

    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidInput", message)
    }

    pub(crate) fn exists(message: impl Into<String>) -> Self {
        Self::new(409, "EntityAlreadyExists", message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(409, "DeleteConflict", message)
    }

    pub(crate) fn quota(message: impl Into<String>) -> Self {
        Self::new(409, "LimitExceeded", message)
    }
}

/// How a call ended, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It was answered as asked.
    Ok,
    /// A rate was exceeded.
    Throttled,
    /// A policy, or the lack of one, refused it.
    Denied,
    /// Anything else.
    Error,
}

impl Verdict {
    /// Its name in `/_sim/summary`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::Error => "error",
        }
    }
}

/// What becomes of an answer on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It arrives.
    Whole,
    /// The connection is cut before the first byte.
    Cut,
    /// Nothing comes, and the connection stays open.
    Never,
}

/// What the world answers.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `content-type`.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
    /// The request id: in the header, and in the bodies that carry it.
    pub request_id: String,
    /// How long the service takes to answer.
    pub delay: Duration,
    /// Whether it arrives at all.
    pub delivery: Delivery,
    /// How the call ended.
    pub verdict: Verdict,
}
