//! The only place that prints. Results go to stdout, everything else to stderr.

use std::io::{self, IsTerminal, Write};

use crate::args::Format;
use crate::config::Environment;
use crate::failure::Failure;
use crate::fit::fitted;
use crate::signals::Signals;

/// What the terminal can do, and where to write.
#[derive(Clone, Debug)]
pub(crate) struct Terminal {
    /// Whether stderr is one: progress is shown there.
    pub(crate) shows_progress: bool,
    /// Whether questions can be asked.
    pub(crate) can_ask: bool,
    /// Columns of stdout; none when it is not a terminal: then nothing is cut.
    pub(crate) width: Option<usize>,
    /// The same of stderr.
    width_errors: Option<usize>,
    color: bool,
    color_errors: bool,
}

/// What a color means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Someone can do more than agreed; an error.
    Alarm,
    /// Something must be looked at.
    Warning,
    /// All is well.
    Good,
    /// A heading.
    Strong,
    /// Less important.
    Faint,
}

impl Style {
    const fn code(self) -> &'static str {
        match self {
            Self::Alarm => "1;31",
            Self::Warning => "33",
            Self::Good => "32",
            Self::Strong => "1",
            Self::Faint => "2",
        }
    }
}

impl Terminal {
    /// The terminal of this process.
    pub(crate) fn of_process(environment: &Environment) -> Self {
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let colors = environment.get("NO_COLOR").is_none_or(str::is_empty)
            && environment.get("TERM") != Some("dumb");
        Self {
            shows_progress: err && environment.get("TERM") != Some("dumb"),
            can_ask: io::stdin().is_terminal() && err,
            width: out.then(|| width(&console::Term::stdout())).flatten(),
            width_errors: err.then(|| width(&console::Term::stderr())).flatten(),
            color: out && colors,
            color_errors: err && colors,
        }
    }

    /// No terminal at all: no colors, nothing cut.
    #[cfg(test)]
    pub(crate) const fn plain() -> Self {
        Self {
            shows_progress: false,
            can_ask: false,
            width: None,
            width_errors: None,
            color: false,
            color_errors: false,
        }
    }

    /// Writes a result. A reader who has seen enough (`| head`) is no error.
    pub(crate) fn result(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let wrote = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        match wrote {
            Err(problem) if problem.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Writes a result that people read: no line is wider than the terminal.
    pub(crate) fn show(&self, text: &str) -> io::Result<()> {
        match self.width {
            Some(width) => self.result(&fitted(text, width)),
            None => self.result(text),
        }
    }

    /// Writes a result in the form that was asked for.
    pub(crate) fn give(&self, format: Format, text: &str) -> io::Result<()> {
        match format {
            Format::Text => self.show(text),
            Format::Json => self.result(text),
        }
    }

    /// Tells a person something beside the result.
    pub(crate) fn tell(&self, text: &str) {
        let fit = self.width_errors.map(|width| fitted(text, width));
        let text = fit.as_deref().unwrap_or(text);
        // Nowhere is left to complain to when stderr is closed.
        let _closed = writeln!(io::stderr().lock(), "{text}");
    }

    /// Tells what is wrong with the command line, in the words and colors of its parser.
    pub(crate) fn tell_styled(&self, text: &clap::builder::StyledStr) {
        let text = if self.color_errors {
            text.ansi().to_string()
        } else {
            text.to_string()
        };
        self.tell(text.trim_end());
    }

    /// Tells what went wrong.
    pub(crate) fn error(&self, text: &str) {
        self.tell(&format!(
            "{} {text}",
            self.paint_error(Style::Alarm, "error:")
        ));
    }

    /// Tells what should be looked at.
    pub(crate) fn warn(&self, text: &str) {
        self.tell(&format!(
            "{} {text}",
            self.paint_error(Style::Warning, "warning:")
        ));
    }

    /// Whether a person agreed: with `--yes`, or asked. Nobody's silence is a yes.
    pub(crate) async fn agreed(&self, yes: bool, question: &str) -> Result<bool, Failure> {
        if yes {
            return Ok(true);
        }
        if !self.can_ask {
            return Err(Failure::new(
                "this needs --yes where nobody can be asked; nothing was written to AWS",
            )
            .with_help("--plan shows what would be done"));
        }
        self.ask(question).await
    }

    /// Asks a question; only yes is yes. Ctrl-C and SIGTERM are no answer: they end the command.
    pub(crate) async fn ask(&self, question: &str) -> Result<bool, Failure> {
        self.put(question)?;
        let mut signals = Signals::heard()?;
        let (tell, told) = tokio::sync::oneshot::channel();
        // A thread of its own, which nobody waits for: a read of the terminal cannot be called off, and the
        // runtime would wait for one of its threads at the end.
        std::thread::Builder::new().spawn(move || {
            let mut answer = String::new();
            let read = io::stdin().read_line(&mut answer).map(|_| answer);
            // Whoever asked may have been interrupted.
            drop(tell.send(read));
        })?;
        tokio::select! {
            answer = told => {
                let answer = answer.unwrap_or_else(|_| Ok(String::new()))?;
                Ok(answer.trim().eq_ignore_ascii_case("yes"))
            }
            _ = signals.told() => {
                self.tell("");
                Err(Failure::interrupted())
            }
        }
    }

    fn put(&self, question: &str) -> io::Result<()> {
        let mut err = io::stderr().lock();
        let question = format!("{question} Type yes to go on: ");
        match self.width_errors {
            // The answer stands after the question, so its last space stays.
            Some(width) => write!(err, "{} ", fitted(&question, width))?,
            None => write!(err, "{question}")?,
        }
        err.flush()
    }

    /// Colors a text for stdout, if it takes colors.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        painted(self.color, style, text)
    }

    /// Colors a text for stderr, if it takes colors.
    pub(crate) fn paint_error(&self, style: Style, text: &str) -> String {
        painted(self.color_errors, style, text)
    }

    /// Whether log lines on stderr may have colors.
    pub(crate) const fn colors_logs(&self) -> bool {
        self.color_errors
    }
}

fn width(terminal: &console::Term) -> Option<usize> {
    terminal.size_checked().map(|(_, columns)| columns.into())
}

fn painted(color: bool, style: Style, text: &str) -> String {
    if color && !text.is_empty() {
        format!("\u{1b}[{}m{text}\u{1b}[0m", style.code())
    } else {
        text.to_owned()
    }
}

/// Text from AWS without what could steer a terminal: control characters and
/// the invisible ones that change the direction of writing.
pub(crate) fn plain(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars()
        .map(|c| if steers(c) { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn names_cannot_steer_the_terminal() {
        assert_eq!(plain("Payments"), "Payments");
        assert_eq!(
            plain("\u{1b}[2Jgone\r\n"),
            "\u{fffd}[2Jgone\u{fffd}\u{fffd}"
        );
        assert_eq!(plain("abc\u{202e}dcba"), "abc\u{fffd}dcba");
        assert_eq!(plain("Zürich 支店"), "Zürich 支店");
    }
}
