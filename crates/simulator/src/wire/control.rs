//! `/_sim/…`: what happened, and what is to happen.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use rolekeeper_domain::account::AccountId;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::{ApiError, Service};
use crate::faults::{Effect, Fault, Script, Trouble};
use crate::settings::Limits;
use crate::world::World;
use crate::world::drift::Drift;

/// Answers a control request.
pub(super) fn answer(world: &World, parts: &Parts, body: &[u8]) -> Response<Bytes> {
    let replied = match (&parts.method, parts.uri.path()) {
        (&Method::GET, "/_sim/summary") => Ok(world.summary()),
        (&Method::GET, "/_sim/requests") => {
            return plain("application/x-ndjson", world.log.ndjson());
        }
        (&Method::GET, "/_sim/accounts") => Ok(accounts(world)),
        (&Method::POST, "/_sim/drift") => drift(world, body),
        (&Method::POST, "/_sim/faults") => faults(world, body),
        (&Method::POST, "/_sim/limits") => limits(world, body),
        (&Method::POST, "/_sim/reset") => {
            world.reset();
            Ok(json!({}))
        }
        (_, path) => return unknown(path),
    };
    match replied {
        Ok(value) => plain("application/json", value.to_string()),
        Err(why) => {
            let mut response = plain("application/json", json!({ "error": why }).to_string());
            *response.status_mut() = StatusCode::BAD_REQUEST;
            response
        }
    }
}

/// What can be asked, where something else was.
fn unknown(path: &str) -> Response<Bytes> {
    const READ: [&str; 3] = ["summary", "requests", "accounts"];
    const WRITTEN: [&str; 4] = ["drift", "faults", "limits", "reset"];
    let name = path.trim_start_matches("/_sim/");
    let allow = match (READ.contains(&name), WRITTEN.contains(&name)) {
        (true, _) => Some("GET"),
        (_, true) => Some("POST"),
        _ => None,
    };
    let known = format!(
        "known are GET {} and POST {}",
        READ.join(", "),
        WRITTEN.join(", ")
    );
    let mut response = plain("application/json", json!({ "error": known }).to_string());
    *response.status_mut() = match allow {
        Some(method) => {
            let allow = HeaderValue::from_static(method);
            response.headers_mut().insert(header::ALLOW, allow);
            StatusCode::METHOD_NOT_ALLOWED
        }
        None => StatusCode::NOT_FOUND,
    };
    response
}

fn plain(content_type: &'static str, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Reads a body; `example` is one.
fn read<'a, T: Deserialize<'a>>(body: &'a [u8], example: &str) -> Result<T, String> {
    let is_object = body.trim_ascii_start().starts_with(b"{");
    if !is_object {
        return Err(format!("the body is a JSON object such as {example}"));
    }
    serde_json::from_slice(body).map_err(|error| format!("{error}; an example is {example}"))
}

fn account(text: &str) -> Result<AccountId, String> {
    text.parse()
        .map_err(|error: rolekeeper_domain::account::InvalidAccountId| error.to_string())
}

fn accounts(world: &World) -> Value {
    let show = |account: crate::AccountView| {
        json!({
            "id": account.id.to_string(), "name": account.name, "path": account.path,
            "management": account.is_management, "reachable": account.is_reachable,
        })
    };
    json!({ "accounts": world.accounts().into_iter().map(show).collect::<Vec<_>>() })
}

/// Or `"count": 3`, in place of the accounts.
const DRIFT: &str = r#"{"kind": "trust_open", "accounts": ["111122223333"]}"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DriftOrder {
    kind: String,
    #[serde(default)]
    accounts: Vec<String>,
    count: Option<usize>,
}

fn drift(world: &World, body: &[u8]) -> Result<Value, String> {
    let order: DriftOrder = read(body, DRIFT)?;
    let drift: Drift = order.kind.parse()?;
    let chosen = match order.count {
        Some(count) => world.reachable().into_iter().take(count).collect(),
        None => order
            .accounts
            .iter()
            .map(|id| account(id))
            .collect::<Result<Vec<_>, _>>()?,
    };
    for id in &chosen {
        if !world.plant(*id, drift) {
            return Err(format!("there is no account {id}"));
        }
    }
    Ok(json!({ "planted": chosen.iter().map(ToString::to_string).collect::<Vec<_>>() }))
}

/// `{"clear": true}` forgets all.
const FAULT: &str = r#"{"operation": "CreateRole", "account": "111122223333", "nth": 3, "effect": "done", "trouble": "internal"}"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultOrder {
    #[serde(default)]
    clear: bool,
    service: Option<String>,
    operation: Option<String>,
    account: Option<String>,
    /// Only the nth matching call.
    nth: Option<u32>,
    /// How many calls, when not only one.
    times: Option<u32>,
    /// `none` (failed before) or `done` (failed after).
    effect: Option<String>,
    trouble: Option<String>,
    /// For `trouble` = `error`.
    status: Option<u16>,
    code: Option<String>,
    message: Option<String>,
}

fn faults(world: &World, body: &[u8]) -> Result<Value, String> {
    let order: FaultOrder = read(body, FAULT)?;
    if order.clear {
        world.clear_scripts();
        return Ok(json!({ "cleared": true }));
    }
    if order.service.is_none() && order.operation.is_none() && order.account.is_none() {
        return Err(format!(
            "a fault names a `service`, an `operation` or an `account`: every call would fail; an example is {FAULT}"
        ));
    }
    let effect = match order.effect.as_deref() {
        None | Some("none") => Effect::None,
        Some("done") => Effect::Done,
        Some(other) => return Err(format!("`effect` is `none` or `done`, not `{other}`")),
    };
    let trouble = trouble(&order, effect)?;
    let service = match order.service.as_deref() {
        None => None,
        Some("iam") => Some(Service::Iam),
        Some("sts") => Some(Service::Sts),
        Some("organizations") => Some(Service::Organizations),
        Some("sqs") => Some(Service::Sqs),
        Some(other) => {
            return Err(format!(
                "`service` is iam, sts, organizations or sqs, not `{other}`"
            ));
        }
    };
    let account = order.account.as_deref().map(account).transpose()?;
    let skip = order.nth.map_or(0, |nth| nth.saturating_sub(1));
    let times = order
        .times
        .unwrap_or(if order.nth.is_some() { 1 } else { u32::MAX });
    let fault = Fault { effect, trouble };
    world.script(Script {
        service,
        operation: order.operation,
        account,
        skip,
        times,
        fault,
    });
    Ok(json!({ "scripted": true }))
}

fn trouble(order: &FaultOrder, effect: Effect) -> Result<Trouble, String> {
    Ok(match order.trouble.as_deref() {
        None | Some("internal") => Fault::internal(effect).trouble,
        Some("error") => Trouble::Error(ApiError {
            status: order.status.unwrap_or(400),
            code: order
                .code
                .clone()
                .unwrap_or_else(|| "ValidationError".to_owned())
                .into(),
            message: order.message.clone().unwrap_or_default(),
        }),
        Some("throttle") => Trouble::Error(ApiError::bad("Throttling", "Rate exceeded")),
        Some("bad_gateway") => Trouble::EmptyBadGateway,
        Some("html") => Trouble::HtmlUnavailable,
        Some("truncated") => Trouble::Truncated,
        Some("cut") => Trouble::Cut,
        Some("timeout") => Trouble::Timeout,
        Some("pretend") => Trouble::Pretend,
        Some(other) => {
            return Err(format!(
                "`trouble` is internal, error, throttle, bad_gateway, html, truncated, cut, timeout or pretend, not `{other}`"
            ));
        }
    })
}

/// Or `{"iam_rate": 200}`.
const LIMIT: &str = r#"{"target_rate": 5, "account": "111122223333"}"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitOrder {
    iam_rate: Option<f64>,
    target_rate: Option<f64>,
    /// The one target that `target_rate` is for.
    account: Option<String>,
    published: Option<bool>,
}

fn limits(world: &World, body: &[u8]) -> Result<Value, String> {
    let order: LimitOrder = read(body, LIMIT)?;
    if [order.iam_rate, order.target_rate]
        .into_iter()
        .flatten()
        .any(|rate| !rate.is_finite() || rate <= 0.0)
    {
        return Err("a rate is a number above 0".to_owned());
    }
    let now = world.limits();
    let one = order.account.as_deref().map(account).transpose()?;
    if let Some(one) = one
        && !world.set_target_rate(one, order.target_rate)
    {
        return Err(format!("there is no account {one}"));
    }
    let target_rate = if one.is_some() {
        now.target_rate
    } else {
        order.target_rate.or(now.target_rate)
    };
    let iam_rate = order.iam_rate.or(now.iam_rate);
    let published = order.published.unwrap_or(now.published);
    world.set_limits(Limits {
        published,
        iam_rate,
        target_rate,
    });
    Ok(json!({ "published": published, "iam_rate": iam_rate, "target_rate": target_rate }))
}
