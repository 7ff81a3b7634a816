//! `[register]`: how the vendor is told which accounts there are.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Uri, header};
use rolekeeper_domain::registration::Leaving;
use rolekeeper_domain::role::{Ensure, RoleName};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value as Json, json};

use super::error::ConfigError;
use super::kind::{
    Kind, boolean, duration, list, one_of, parsed, secret, text, text_or_empty, texts,
};
use super::node::Value;
use super::roles::Role;
use super::section::Section;
use super::settings::{Settings, settings};
use crate::register::{Body, Register, Shape, TemplateError, Text, Word};

/// The shapes that are ready-made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preset {
    /// CloudCoreo's cloud-accounts API.
    CloudCoreo,
}

settings! {
    /// Tells the vendor about each account whose role a sweep found right or put right: once, and again when its name, the role's ARN,
    /// the external id or anything else that is said changes. Off without this table. `body` may use `${account_id}`, `${account_name}`, `${role_arn}`,
    /// `${external_id}`, `${partition}` and `${organization_id}` in its text values, URLs `${account_id}`, `${partition}` and `${organization_id}`,
    /// and those of later calls also `${vendor_id}`.
    pub(crate) struct RegisterEntry {
        /// A ready-made shape, which the keys below can override. `cloudcoreo`: body, `vendor_id` and `revalidate_url` of CloudCoreo's cloud-accounts API, with what `[register.cloudcoreo]` says.
        preset: Option<Preset> = one_of(&[("cloudcoreo", Preset::CloudCoreo)]), optional;
        /// Where accounts are registered: https, or http on this machine.
        url: String = text(), required;
        /// How.
        method: Verb = one_of(&[("POST", Verb::Post), ("PUT", Verb::Put)]), default "\"POST\"";
        /// What is said: a JSON text that begins with `{`, or the name of a file. Has to be set without a preset.
        body: Option<String> = text(), document;
        /// The name of the `[[roles]]` entry that the vendor assumes. Has to be set where there are several.
        role: Option<RoleName> = parsed::<RoleName>("the name of one of the [[roles]]"), optional;
        /// The bearer token, best given as `token_file`.
        token: Option<SecretString> = secret(), secret;
        /// The key of the HMAC-SHA256 signature, as webhooks have it; unsigned when not set. `secret_file` reads it from a file.
        secret: Option<SecretString> = secret(), secret;
        /// Further headers. They are shown by `config show`: what is secret belongs into `token_file`.
        headers: BTreeMap<String, String> = texts(), default "{}";
        /// Where in the vendor's answer its own id for the account stands, as a JSON pointer such as `/id`. An answer without it counts as a failure. Empty: the vendor gives none.
        vendor_id: Option<String> = pointer_or_empty(), default "\"\"";
        /// Asked (POST) after an account was registered, and after a repair of what the vendor relies on; empty: never.
        revalidate_url: Option<String> = text_or_empty(), default "\"\"";
        /// Asked when an account leaves; empty: never.
        withdraw_url: Option<String> = text_or_empty(), default "\"\"";
        /// How.
        withdraw_method: Verb = one_of(&[("DELETE", Verb::Delete), ("POST", Verb::Post), ("PUT", Verb::Put)]), default "\"DELETE\"";
        /// When an account leaves: `absent`, its role is gone and is meant to be (`ensure = "absent"`); `closed`; `left`, it is no longer in the organization; `deselected`, it is no longer selected, although its role stays.
        withdraw_on: Vec<Leaving> = list(leaving()), default "[\"absent\", \"closed\", \"left\"]";
        /// The longest that one call may take.
        timeout: Duration = duration("1s", "60s"), default "\"10s\"";
    }
}

settings! {
    /// What the preset `cloudcoreo` says about every account, beside its name, the role's ARN and the external id. What is empty is left out.
    pub(crate) struct CloudCoreo {
        /// `scanEnabled`.
        scan_enabled: bool = boolean(), default "true";
        /// `scanRegion`.
        scan_region: Option<String> = text_or_empty(), default "\"\"";
        /// `scanInterval`, in the vendor's words.
        scan_interval: Option<String> = text_or_empty(), default "\"\"";
        /// `isDraft`: the account is written down and not yet looked at.
        is_draft: bool = boolean(), default "false";
        /// `email`: whom the vendor writes to.
        email: Option<String> = text_or_empty(), default "\"\"";
        /// `username`.
        username: Option<String> = text_or_empty(), default "\"\"";
        /// `environment`, such as `production`.
        environment: Option<String> = text_or_empty(), default "\"\"";
        /// `tags`.
        tags: Vec<String> = list(text()), default "[]";
    }
}

/// A way to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Post,
    Put,
    Delete,
}

impl Verb {
    const fn method(self) -> Method {
        match self {
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Delete => Method::DELETE,
        }
    }
}

/// Headers that rolekeeper sets itself.
const OURS: [HeaderName; 7] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::ACCEPT,
    header::HOST,
    header::USER_AGENT,
    header::TRANSFER_ENCODING,
];

/// Reads `[register]`; none when it is not there.
pub(crate) fn read_register(
    top: &Section<'_>,
    roles: &[Role],
) -> Result<Option<Register>, ConfigError> {
    let there = top.has("register");
    let section = top.section("register")?;
    if !there {
        return Ok(None);
    }
    let mut entry = RegisterEntry::read(&section)?;
    let (text, body) = match entry.preset {
        Some(Preset::CloudCoreo) => {
            let below = section.section("cloudcoreo")?;
            let said = CloudCoreo::read(&below)?;
            below.finish()?;
            like_cloudcoreo(&section, &mut entry);
            (entry.body.clone(), Some(cloudcoreo_body(&said)))
        }
        None => (entry.body.clone(), None),
    };
    section.finish()?;
    let body = match (text, body) {
        (Some(text), _) => Body::parse(&text),
        (None, Some(body)) => Body::of(body),
        (None, None) => {
            return Err(section.missing("body", "a JSON text, or the file that holds it"));
        }
    };
    let body = body.map_err(|problem| wrong(&section, "body", &problem))?;
    let role = role_of(&section, entry.role.as_ref(), roles)?;
    if body.uses(Word::ExternalId) && role.entry.external_id.is_none() {
        return Err(section.wrong(
            format!("a body with ${{external_id}}, and {} has none", role.key),
            "an external_id of that role, or a body without it",
        ));
    }
    if !body.uses(Word::AccountId)
        && !body.uses(Word::RoleArn)
        && !entry.url.contains("${account_id}")
    {
        return Err(section.wrong(
            "a body that is the same for every account",
            "${account_id} or ${role_arn} in the body or the url",
        ));
    }
    assemble(&section, entry, role, body).map(Some)
}

fn assemble(
    section: &Section<'_>,
    entry: RegisterEntry,
    role: &Role,
    body: Body,
) -> Result<Register, ConfigError> {
    let later = |key: &str, url: &Option<String>, method: Method| {
        url.as_ref()
            .map(|url| {
                let url = url_of(section, key, url, Word::LATER_URL)?;
                if url.uses(Word::VendorId) && entry.vendor_id.is_none() {
                    return Err(section.missing(
                        "vendor_id",
                        "where the vendor's id stands in its answer, such as \"/id\"",
                    ));
                }
                Ok(Shape { method, url })
            })
            .transpose()
    };
    let token_fits = |token: &SecretString| HeaderValue::try_from(token.expose_secret()).is_ok();
    if !entry.token.as_ref().is_none_or(token_fits) {
        return Err(section.wrong(
            "a token that cannot stand in a header",
            "a token of one line of printable characters",
        ));
    }
    Ok(Register {
        role: role.entry.name.clone(),
        path: role.entry.path.clone(),
        absent: role.entry.ensure == Ensure::Absent,
        // An account is told once its role is right: while an id is on its way, that is when it
        // accepts the next one as well.
        external_id: role
            .entry
            .next_external_id
            .clone()
            .or_else(|| role.entry.external_id.clone()),
        register: Shape {
            method: entry.method.method(),
            url: url_of(section, "url", &entry.url, Word::FIRST_URL)?,
        },
        revalidate: later("revalidate_url", &entry.revalidate_url, Method::POST)?,
        withdraw: later(
            "withdraw_url",
            &entry.withdraw_url,
            entry.withdraw_method.method(),
        )?,
        withdraw_on: entry.withdraw_on.iter().copied().collect(),
        headers: headers(section, &entry.headers)?,
        body,
        vendor_id: entry.vendor_id,
        token: entry.token,
        secret: entry.secret,
        timeout: entry.timeout,
    })
}

/// The role that the vendor assumes.
fn role_of<'r>(
    section: &Section<'_>,
    named: Option<&RoleName>,
    roles: &'r [Role],
) -> Result<&'r Role, ConfigError> {
    let names: Vec<&str> = roles.iter().map(|role| role.entry.name.as_str()).collect();
    let allowed = format!("one of {}", names.join(", "));
    match (named, roles) {
        (None, [only]) => Ok(only),
        (None, _) => Err(section.missing("role", &allowed)),
        (Some(name), _) => roles
            .iter()
            .find(|role| role.entry.name == *name)
            .ok_or_else(|| section.wrong(format!("role = \"{name}\""), allowed)),
    }
}

/// A URL. What is sent holds an external id, so that it goes over TLS or stays on this machine.
fn url_of(
    section: &Section<'_>,
    key: &str,
    text: &str,
    words: &[Word],
) -> Result<Text, ConfigError> {
    let url = Text::parse(text, words).map_err(|problem| wrong(section, key, &problem))?;
    let allowed = "an https:// URL, or http:// on this machine (127.0.0.1, [::1], localhost), with placeholders in its path alone";
    let sample = text.replace("${", "").replace('}', "");
    let parts = sample.parse::<Uri>().ok();
    let authority = text
        .split_once("://")
        .map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let host = parts.as_ref().and_then(Uri::host).unwrap_or_default();
    let here = matches!(host, "127.0.0.1" | "[::1]" | "localhost");
    let safe = match parts.as_ref().and_then(Uri::scheme_str) {
        Some("https") => !host.is_empty(),
        Some("http") => here,
        _ => false,
    };
    let plain = authority.is_some_and(|authority| !authority.contains(['$', '@']));
    if safe && plain {
        Ok(url)
    } else {
        Err(section.wrong(format!("{key} = \"{text}\""), allowed))
    }
}

fn headers(
    section: &Section<'_>,
    texts: &BTreeMap<String, String>,
) -> Result<Vec<(HeaderName, HeaderValue)>, ConfigError> {
    let mut headers = Vec::new();
    for (name, value) in texts {
        let parsed = HeaderName::try_from(name.as_str())
            .ok()
            .zip(HeaderValue::try_from(value.as_str()).ok());
        let Some((header, value)) = parsed else {
            return Err(section.wrong(
                format!("the header `{name}`"),
                "a header's name and a value of one line",
            ));
        };
        let ours = header.as_str().starts_with("x-rolekeeper-") || header == "idempotency-key";
        if ours || OURS.contains(&header) {
            return Err(section.wrong(
                format!("the header `{name}`"),
                "headers that rolekeeper does not set itself; for a bearer token there is token_file",
            ));
        }
        headers.push((header, value));
    }
    Ok(headers)
}

fn wrong(section: &Section<'_>, key: &str, problem: &TemplateError) -> ConfigError {
    section.wrong(
        format!("{key}: {problem}"),
        "a text whose placeholders are known",
    )
}

/// What the preset says where the entry says nothing.
fn like_cloudcoreo(section: &Section<'_>, entry: &mut RegisterEntry) {
    // What is set to nothing is set.
    if !section.has("vendor_id") {
        entry.vendor_id = Some("/id".to_owned());
    }
    if !section.has("revalidate_url") && entry.vendor_id.is_some() {
        let base = entry.url.trim_end_matches('/');
        entry.revalidate_url = Some(format!("{base}/${{vendor_id}}/re-validate"));
    }
}

fn cloudcoreo_body(said: &CloudCoreo) -> Json {
    let mut body = Map::new();
    let mut put = |key: &str, value: Json| body.insert(key.to_owned(), value);
    put("name", json!("${account_name}"));
    put("arn", json!("${role_arn}"));
    put("externalId", json!("${external_id}"));
    put("provider", json!("AWS"));
    put("scanEnabled", json!(said.scan_enabled));
    put("isDraft", json!(said.is_draft));
    let texts = [
        ("scanRegion", &said.scan_region),
        ("scanInterval", &said.scan_interval),
        ("email", &said.email),
        ("username", &said.username),
        ("environment", &said.environment),
    ];
    for (key, value) in texts {
        if let Some(value) = value {
            put(key, json!(value));
        }
    }
    if !said.tags.is_empty() {
        put("tags", json!(said.tags));
    }
    Json::Object(body)
}

fn pointer_or_empty() -> Kind<Option<String>> {
    const ALLOWED: &str = "a JSON pointer such as \"/id\" or \"/data/id\"; empty for none";
    Kind::from_fn(ALLOWED, |node| match &node.value {
        Value::Text(text) if text.is_empty() => Ok(None),
        Value::Text(text) if text.starts_with('/') && text.len() > 1 => Ok(Some(text.clone())),
        _ => Err(node.wrong(ALLOWED)),
    })
}

fn leaving() -> Kind<Leaving> {
    let names: Vec<&str> = Leaving::ALL.into_iter().map(Leaving::as_str).collect();
    let allowed = format!("one of {}", names.join(", "));
    Kind::from_fn(allowed.clone(), move |node| match &node.value {
        Value::Text(text) => Leaving::parse(text).ok_or_else(|| node.wrong(allowed.clone())),
        _ => Err(node.wrong(allowed.clone())),
    })
}
