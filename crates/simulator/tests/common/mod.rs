//! A caller of the world without a wire in between.

#![allow(dead_code, reason = "each test file uses its part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics on purpose"
)]

use std::cell::Cell;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rolekeeper_domain::account::AccountId;
use rolekeeper_simulator::{
    Answer, Delivery, HUB_ACCESS_KEY, Input, Params, Request, Service, Simulator, World,
};

/// The role that an organization gives its accounts.
pub(crate) const ADMIN: &str = "OrganizationAccountAccessRole";

/// A trust policy for the root of an account.
pub(crate) fn trusting(account: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{account}"}},"Action":"sts:AssumeRole"}}]}}"#
    )
}

/// A policy with one statement.
pub(crate) fn allowing(action: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"*"}}]}}"#
    )
}

/// Form fields, encoded.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encode(value)))
        .collect();
    pairs.join("&")
}

/// Somebody with keys, at a time.
#[derive(Clone)]
pub(crate) struct Hand {
    pub(crate) world: Arc<World>,
    pub(crate) key: String,
    pub(crate) token: Option<String>,
    now: Cell<Timestamp>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) answer: Answer,
    pub(crate) body: String,
}

impl Reply {
    /// The text of the first element of this name.
    pub(crate) fn text(&self, tag: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(&format!("<{tag}>"))?;
        rest.split_once(&format!("</{tag}>")).map(|(text, _)| text)
    }

    /// `ok`, or the error's code.
    pub(crate) fn code(&self) -> String {
        if self.answer.delivery != Delivery::Whole {
            return format!("{:?}", self.answer.delivery);
        }
        if self.answer.status == 200 {
            return "ok".to_owned();
        }
        let json = serde_json::from_str::<serde_json::Value>(&self.body).ok();
        let json = json.and_then(|body| body["__type"].as_str().map(str::to_owned));
        json.or_else(|| self.text("Code").map(str::to_owned))
            .unwrap_or_else(|| format!("HTTP {}", self.answer.status))
    }

    /// The error's text, its entities undone.
    pub(crate) fn message(&self) -> String {
        let json = serde_json::from_str::<serde_json::Value>(&self.body).ok();
        let json = json.and_then(|body| body["Message"].as_str().map(str::to_owned));
        let text = json
            .or_else(|| self.text("Message").map(str::to_owned))
            .unwrap_or_default();
        text.replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&amp;", "&")
    }

    /// The document in the first element of this name, decoded.
    pub(crate) fn document(&self, tag: &str) -> String {
        let text = self.text(tag).unwrap_or_default();
        percent_encoding::percent_decode_str(text)
            .decode_utf8()
            .unwrap()
            .into_owned()
    }
}

impl Hand {
    /// The hub, in a world of its own, at a fixed time.
    pub(crate) fn hub(world: World) -> Self {
        Self {
            world: Arc::new(world),
            key: HUB_ACCESS_KEY.to_owned(),
            token: None,
            now: Cell::new("2026-11-24T08:00:00Z".parse().unwrap()),
        }
    }

    /// The hub, in a tame world of some accounts.
    pub(crate) fn tame(accounts: u32) -> Self {
        Self::hub(Simulator::builder().accounts(accounts).history().world())
    }

    /// The time goes on.
    pub(crate) fn wait(&self, seconds: f64) {
        self.now
            .set(self.now.get() + SignedDuration::from_secs_f64(seconds));
    }

    pub(crate) fn call(&self, service: Service, operation: &str, input: Input) -> Reply {
        let request = Request {
            service,
            operation: operation.to_owned(),
            access_key: Some(self.key.clone()),
            session_token: self.token.clone(),
            region: "us-east-1".to_owned(),
            input,
        };
        let answer = self.world.handle(&request, self.now.get());
        let body = String::from_utf8(answer.body.to_vec()).unwrap();
        Reply { answer, body }
    }

    pub(crate) fn iam(&self, operation: &str, fields: &[(&str, &str)]) -> Reply {
        self.call(
            Service::Iam,
            operation,
            Input::Query(Params::parse(&form(fields))),
        )
    }

    pub(crate) fn sts(&self, operation: &str, fields: &[(&str, &str)]) -> Reply {
        self.call(
            Service::Sts,
            operation,
            Input::Query(Params::parse(&form(fields))),
        )
    }

    pub(crate) fn organizations(&self, operation: &str, body: serde_json::Value) -> Reply {
        self.call(Service::Organizations, operation, Input::Json(body))
    }

    pub(crate) fn sqs(&self, operation: &str, body: serde_json::Value) -> Reply {
        self.call(Service::Sqs, operation, Input::Json(body))
    }

    /// The same person with other keys.
    pub(crate) fn with_keys(&self, key: &str, token: Option<&str>) -> Self {
        let mut other = self.clone();
        key.clone_into(&mut other.key);
        other.token = token.map(str::to_owned);
        other
    }

    /// Tries to assume a role; more fields as `AssumeRole` takes them.
    pub(crate) fn try_assume(
        &self,
        account: AccountId,
        role: &str,
        more: &[(&str, &str)],
    ) -> Reply {
        let arn = format!("arn:aws:iam::{account}:role/{role}");
        let mut fields = vec![("RoleArn", arn.as_str()), ("RoleSessionName", "test")];
        fields.extend_from_slice(more);
        self.sts("AssumeRole", &fields)
    }

    /// Assumes a role and goes on as its session.
    #[track_caller]
    pub(crate) fn assume(&self, account: AccountId, role: &str, more: &[(&str, &str)]) -> Self {
        let reply = self.try_assume(account, role, more);
        assert_eq!(reply.code(), "ok", "{}", reply.body);
        self.with_keys(
            reply.text("AccessKeyId").unwrap(),
            reply.text("SessionToken"),
        )
    }

    /// The admin's session in the first account the hub can get into.
    #[track_caller]
    pub(crate) fn first_account(&self) -> (AccountId, Self) {
        let account = self.world.reachable()[0];
        (account, self.assume(account, ADMIN, &[]))
    }
}
