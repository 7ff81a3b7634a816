//! `rolekeeper config show`.

use std::fmt::Write as _;

use crate::app::App;
use crate::config::Shown;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Style, Terminal, plain};

/// Prints every value in force, with where it came from.
pub(crate) fn run(app: &App) -> Result<Exit, Failure> {
    let config = app.config()?;
    app.terminal.show(&listing(&config.shown, &app.terminal))?;
    Ok(Exit::Clean)
}

/// One line a value; the origins stand below each other.
fn listing(shown: &[Shown], terminal: &Terminal) -> String {
    const WIDEST: usize = 72; // a policy document would push the origins out of sight
    let lines: Vec<String> = shown
        .iter()
        .map(|shown| plain(&format!("{} = {}", shown.key, shown.value)))
        .collect();
    let column = lines
        .iter()
        .map(|line| line.chars().count())
        .filter(|width| *width <= WIDEST)
        .max()
        .unwrap_or(0);
    let mut listing = String::new();
    for (line, shown) in lines.iter().zip(shown) {
        let origin = terminal.paint(Style::Faint, &format!("# {}", shown.origin));
        let _infallible = writeln!(listing, "{line:<column$}  {origin}");
    }
    listing
}
