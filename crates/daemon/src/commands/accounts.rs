//! `rolekeeper accounts`: everybody who is in the organization, and why some are left out.

use std::fmt::Write as _;

use rolekeeper_domain::account::{Account, AccountState};
use rolekeeper_domain::outcome::SkipReason;
use rolekeeper_domain::selector::Selection;
use serde_json::{Value, json};

use crate::app::App;
use crate::args::Format;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::fit::{broken, columns, cut, padded};
use crate::log::LogSink;
use crate::output::{Style, Terminal, plain};
use crate::report::accounts as count_of;
use crate::wire::{self, Sinks};

/// Lists the accounts.
pub(crate) async fn run(app: &App, format: Format) -> Result<Exit, Failure> {
    let config = app.config()?;
    let store = wire::store(&config).await?;
    let engine = wire::audit(&config, store, Sinks::default().and(LogSink)).await?;
    let found = engine.discover().await?;
    let undecided = found
        .iter()
        .any(|(_, selection)| matches!(selection, Selection::Undecided(_)));
    let text = match format {
        Format::Text => table(&found, &app.terminal),
        Format::Json => document(&found),
    };
    app.terminal.give(format, &text)?;
    Ok(if undecided {
        Exit::Incomplete
    } else {
        Exit::Clean
    })
}

fn document(found: &[(Account, Selection)]) -> String {
    let accounts: Vec<Value> = found
        .iter()
        .map(|(account, selection)| {
            json!({
                "account_id": account.id.to_string(),
                "name": account.name,
                "state": state(&account.state),
                "ou_path": account.path.to_string(),
                "selected": selection.is_included(),
                "reason": selection.skip_reason().map(SkipReason::as_str),
                "explanation": selection.to_string(),
            })
        })
        .collect();
    let lines: Vec<String> = accounts.iter().map(Value::to_string).collect();
    format!(
        "{{\"schema\":\"rolekeeper.accounts/v1\",\"accounts\":[\n{}\n]}}\n",
        lines.join(",\n")
    )
}

fn table(found: &[(Account, Selection)], terminal: &Terminal) -> String {
    // Longer names are cut, so that the columns stay columns.
    const LEAST: usize = 16; // for the words on a narrow terminal
    // A narrow terminal has room for names or for reasons; both get what they can.
    let (name_most, place_most) = match terminal.width {
        Some(width) if width < 100 => (18, 14),
        _ => (32, 28),
    };
    let widest = |of: fn(&Account) -> String, most: usize| {
        found
            .iter()
            .map(|(account, _)| columns(&plain(&of(account))))
            .max()
            .unwrap_or(0)
            .min(most)
    };
    let names = widest(|account| account.name.clone(), name_most);
    let places = widest(|account| account.path.to_string(), place_most);
    let mut text = String::new();
    for (account, selection) in found {
        let name = padded(&cut(&plain(&account.name), name_most), names);
        let place = padded(&cut(&plain(&account.path.to_string()), place_most), places);
        let style = match selection {
            Selection::Included { .. } => None,
            Selection::Undecided(_) => Some(Style::Alarm),
            _ => Some(Style::Faint),
        };
        let mut before = format!("{}  {name}  {place}  ", account.id);
        let left = terminal.width.map_or(usize::MAX, |width| {
            width.saturating_sub(columns(&before)).max(LEAST)
        });
        for words in broken(&plain(&selection.to_string()), left) {
            let line = format!("{before}{words}");
            let line = style.map_or_else(|| line.clone(), |style| terminal.paint(style, &line));
            let _infallible = writeln!(text, "{}", line.trim_end());
            before = " ".repeat(columns(&before));
        }
    }
    let selected = found
        .iter()
        .filter(|(_, selection)| selection.is_included())
        .count();
    let _infallible = writeln!(
        text,
        "\n{}, {selected} selected",
        count_of(found.len() as u64)
    );
    text
}

fn state(state: &AccountState) -> String {
    match state {
        AccountState::Active => "active".to_owned(),
        AccountState::Suspended => "suspended".to_owned(),
        AccountState::PendingClosure => "pending_closure".to_owned(),
        AccountState::Closed => "closed".to_owned(),
        AccountState::PendingActivation => "pending_activation".to_owned(),
        AccountState::Unknown(_) => "unknown".to_owned(),
    }
}
