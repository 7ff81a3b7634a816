//! `[notify]` and `[events]`: what leaves for people, and what comes in from AWS.

use std::collections::BTreeSet;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::error::ConfigError;
use super::kind::{Kind, duration, list, one_of, secret, text, url_or_empty};
use super::node::Value;
use super::section::Section;
use super::settings::{Settings, settings};
use crate::notify::{Format, NoticeKind, Webhook};

settings! {
    /// A webhook: told once of each thing, at least once.
    pub(crate) struct WebhookEntry {
        /// Its name in logs; `webhook-1` and so on when not set.
        name: Option<String> = text(), optional;
        /// Where to. Kept secret, since such URLs often hold a key; `url_file` reads it from a file.
        url: Option<SecretString> = secret(), secret;
        /// The key of the HMAC-SHA256 signature; unsigned when not set. `secret_file` reads it from a file.
        secret: Option<SecretString> = secret(), secret;
        /// What it wants to hear of.
        on: Vec<NoticeKind> = list(notice_kind()), default "[\"critical_drift\", \"halted\", \"sweep_failed\", \"approval_wanted\"]";
        /// The shape of the body: rolekeeper's own JSON, or what Slack takes.
        format: Format = one_of(&[("generic", Format::Generic), ("slack", Format::Slack)]), default "\"generic\"";
    }
}

settings! {
    /// New accounts and IAM changes, told by EventBridge through SQS.
    pub(crate) struct Events {
        /// The queue; empty for none.
        queue_url: Option<String> = url_or_empty(), default "\"\"";
        /// How long events are gathered before the accounts they name are looked at.
        gather: Duration = duration("1s", "5m"), default "\"5s\"";
    }
}

/// Reads `[notify]`.
pub(crate) fn read_notify(section: &Section<'_>) -> Result<Vec<Webhook>, ConfigError> {
    let mut webhooks: Vec<Webhook> = Vec::new();
    for (index, below) in section.sections("webhooks")?.iter().enumerate() {
        let entry = WebhookEntry::read(below)?;
        below.finish()?;
        let allowed = "an http:// or https:// URL";
        let url = entry.url.ok_or_else(|| below.missing("url", allowed))?;
        if !["http://", "https://"]
            .iter()
            .any(|scheme| url.expose_secret().starts_with(scheme))
        {
            return Err(below.wrong("a url of another kind", allowed));
        }
        let name = entry
            .name
            .unwrap_or_else(|| format!("webhook-{}", index + 1));
        if webhooks.iter().any(|other| other.name == name) {
            return Err(below.wrong(
                format!("the name {name} a second time"),
                "a name of its own for each webhook",
            ));
        }
        let on: BTreeSet<NoticeKind> = entry.on.into_iter().collect();
        webhooks.push(Webhook {
            name,
            url,
            secret: entry.secret,
            on,
            format: entry.format,
        });
    }
    section.finish()?;
    Ok(webhooks)
}

/// Reads `[events]`; none without a queue.
pub(crate) fn read_events(section: &Section<'_>) -> Result<Option<Events>, ConfigError> {
    let events = Events::read(section)?;
    section.finish()?;
    Ok(events.queue_url.is_some().then_some(events))
}

fn notice_kind() -> Kind<NoticeKind> {
    let names: Vec<&str> = NoticeKind::ALL
        .into_iter()
        .map(NoticeKind::as_str)
        .collect();
    let allowed = format!("one of {}", names.join(", "));
    Kind::from_fn(allowed.clone(), move |node| match &node.value {
        Value::Text(text) => NoticeKind::parse(text).ok_or_else(|| node.wrong(allowed.clone())),
        _ => Err(node.wrong(allowed.clone())),
    })
}
