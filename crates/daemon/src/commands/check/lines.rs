//! The lines of `check`, each ok, a warning or an error, with the remedy.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::fit::broken;
use crate::output::{Style, Terminal, plain};

/// As wide as `warning` and two spaces.
const INDENT: usize = 9;

/// The lines, and the worst of them.
pub(super) struct Lines<'a> {
    terminal: &'a Terminal,
    errors: u32,
    accounts_failed: u32,
}

impl<'a> Lines<'a> {
    pub(super) const fn new(terminal: &'a Terminal) -> Self {
        Self {
            terminal,
            errors: 0,
            accounts_failed: 0,
        }
    }

    pub(super) fn ok(&self, what: &str, words: &str) -> Result<(), Failure> {
        self.line(Style::Good, "ok", what, words)
    }

    pub(super) fn warning(&self, what: &str, words: &str, remedy: &str) -> Result<(), Failure> {
        self.line(Style::Warning, "warning", what, words)?;
        self.remedy(remedy)
    }

    pub(super) fn error(&mut self, what: &str, words: &str, remedy: &str) -> Result<(), Failure> {
        self.errors += 1;
        self.line(Style::Alarm, "error", what, words)?;
        self.remedy(remedy)
    }

    /// One account that cannot be looked at: the others can.
    pub(super) fn account(&mut self, what: &str, words: &str, remedy: &str) -> Result<(), Failure> {
        self.accounts_failed += 1;
        self.line(Style::Alarm, "error", what, words)?;
        self.remedy(remedy)
    }

    fn line(&self, style: Style, word: &str, what: &str, words: &str) -> Result<(), Failure> {
        let padding = " ".repeat(INDENT.saturating_sub(word.len()));
        let word = self.terminal.paint(style, word);
        self.print(
            &format!("{word}{padding}"),
            &format!("{}: {}", plain(what), plain(words)),
        )
    }

    fn remedy(&self, remedy: &str) -> Result<(), Failure> {
        if remedy.is_empty() {
            Ok(())
        } else {
            self.print(&" ".repeat(INDENT), &format!("remedy: {}", plain(remedy)))
        }
    }

    /// Something to copy, as it is.
    pub(super) fn verbatim(&self, text: &str) -> Result<(), Failure> {
        Ok(self.terminal.result(text)?)
    }

    /// A paragraph beside its first word, no wider than the terminal.
    fn print(&self, first: &str, words: &str) -> Result<(), Failure> {
        let width = self
            .terminal
            .width
            .map_or(usize::MAX, |width| width.saturating_sub(INDENT).max(40));
        let mut before = first.to_owned();
        for line in broken(words, width) {
            self.terminal.show(&format!("{before}{line}\n"))?;
            before = " ".repeat(INDENT);
        }
        Ok(())
    }

    pub(super) const fn exit(&self) -> Exit {
        if self.errors > 0 {
            Exit::Error
        } else if self.accounts_failed > 0 {
            Exit::Incomplete
        } else {
            Exit::Clean
        }
    }
}
