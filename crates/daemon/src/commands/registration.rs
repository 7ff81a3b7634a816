//! What the vendor knows of an account, for `history`.

use std::fmt::Write as _;

use rolekeeper_domain::registration::{Registration, State};
use serde_json::{Value, json};

use super::report::moment;
use crate::output::{Style, Terminal, plain};

/// One registration as JSON.
pub(super) fn view(it: &Registration) -> Value {
    let text = |at: Option<jiff::Timestamp>| at.map(|at| at.to_string());
    json!({
        "role": it.role.as_str(),
        "state": it.state().as_str(),
        "registered_at": text(it.told.as_ref().map(|told| told.at)),
        "vendor_id": it.vendor_id(),
        "revalidated_at": text(it.validated_at),
        "withdrawn_at": text(it.withdrawn_at),
        "waiting_for": it.task.as_ref().map(|task| task.action.as_str()),
        "attempts": it.task.as_ref().map(|task| task.attempts),
        "failed_at": text(it.trouble.as_ref().map(|trouble| trouble.at)),
        "failure": it.trouble.as_ref().map(|trouble| trouble.why.as_str()),
    })
}

/// Registrations as a person reads them; empty where there is none.
pub(super) fn lines(registrations: &[Registration], terminal: &Terminal) -> String {
    let mut text = String::new();
    if registrations.is_empty() {
        return text;
    }
    let _infallible = writeln!(
        text,
        "{}",
        terminal.paint(Style::Strong, "What the vendor was told")
    );
    for it in registrations {
        let style = match it.state() {
            State::Registered => Style::Good,
            State::Waiting | State::Unregistered => Style::Warning,
            State::GivenUp => Style::Alarm,
        };
        let state = it.state().as_str().replace('_', " ");
        let _infallible = write!(text, "  {}: {}", it.role, terminal.paint(style, &state));
        if let Some(told) = &it.told {
            let _infallible = write!(text, ", registered {}", moment(told.at));
        }
        if let Some(id) = it.vendor_id() {
            let _infallible = write!(text, " as {}", plain(id));
        }
        let moments = [
            (it.validated_at, "looked at again"),
            (it.withdrawn_at, "withdrawn"),
        ];
        for (at, words) in moments {
            if let Some(at) = at {
                let _infallible = write!(text, ", {words} {}", moment(at));
            }
        }
        if let Some(task) = &it.task {
            let action = task.action.as_str();
            let _infallible = write!(text, ", to do: {action} ({} tried)", task.attempts);
        }
        text.push('\n');
        if let Some(trouble) = &it.trouble {
            let _infallible = writeln!(text, "    {}: {}", moment(trouble.at), plain(&trouble.why));
        }
    }
    text
}
