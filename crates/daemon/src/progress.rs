//! A progress bar, only ever on a person's terminal.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use rolekeeper_domain::outcome::{Mode, Outcome};
use rolekeeper_engine::event::{Event, EventSink};

use crate::output::Terminal;
use crate::report::{accounts as accounts_in_words, grouped};

// The message is the wide part: it is cut where the terminal ends, while a bar would push it over the edge.

/// How often the bar is drawn while nothing happens: its clock goes on.
const TICK: Duration = Duration::from_millis(100);

/// Shows how far a sweep is.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    drifted: AtomicU64,
    failed: AtomicU64,
    repaired: AtomicU64,
}

impl Progress {
    /// A bar on stderr; one that is never seen when stderr is no terminal.
    pub(crate) fn on(terminal: &Terminal) -> Self {
        let target = if terminal.shows_progress {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            bar: ProgressBar::with_draw_target(None, target),
            drifted: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            repaired: AtomicU64::new(0),
        }
    }

    fn begin(&self, mode: Mode) {
        for counter in [&self.drifted, &self.failed, &self.repaired] {
            counter.store(0, Ordering::Relaxed);
        }
        self.bar.reset();
        self.bar.unset_length();
        self.bar.set_style(style(
            "{spinner} {prefix}: reading the organization, {pos} accounts {wide_msg}",
        ));
        self.bar.set_prefix(match mode {
            Mode::Audit => "audit",
            Mode::Repair => "repair",
        });
        self.bar.enable_steady_tick(TICK);
    }

    fn counts(&self) -> String {
        let parts = [
            (&self.repaired, "repaired"),
            (&self.drifted, "drifted"),
            (&self.failed, "failed"),
        ];
        parts
            .into_iter()
            .map(|(counter, word)| (counter.load(Ordering::Relaxed), word))
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("  {} {word}", grouped(count)))
            .collect()
    }
}

impl EventSink for Progress {
    fn emit(&self, event: &Event) {
        match event {
            Event::SweepStarted { sweep } => self.begin(sweep.mode),
            Event::Discovered {
                listed,
                whole: true,
                ..
            } => {
                self.bar.set_length(*listed);
                self.bar.set_style(style(
                    "{spinner} {prefix} {bar:16} {pos}/{len} accounts {pace} {wide_msg}",
                ));
            }
            Event::AccountFinished { report, .. } => {
                match report.outcome {
                    Outcome::Drifted => Some(&self.drifted),
                    Outcome::Failed => Some(&self.failed),
                    Outcome::Repaired => Some(&self.repaired),
                    Outcome::InSync | Outcome::Skipped | Outcome::Pending => None,
                }
                .map(|counter| counter.fetch_add(1, Ordering::Relaxed));
                self.bar.inc(1);
                self.bar.set_message(self.counts());
            }
            Event::WaveStarted {
                wave, of, accounts, ..
            } => {
                // The changes are counted anew: every account was counted once when it was looked at.
                self.bar.set_position(0);
                self.bar.set_length(*accounts);
                if *wave == 1 {
                    self.drifted.store(0, Ordering::Relaxed);
                }
                self.bar.set_message(format!(
                    "  wave {wave} of {of}: {}{}",
                    accounts_in_words(*accounts),
                    self.counts()
                ));
            }
            Event::SweepFinished { .. } => self.bar.finish_and_clear(),
            _ => {}
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    // A template that does not parse would be our mistake; a plain bar is better than none.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("pace", |state: &ProgressState, to: &mut dyn fmt::Write| {
            // The bar is drawn without it, then.
            let _unwritten = write!(to, "{:.0}/s", state.per_sec());
        })
        .progress_chars("█▓░")
}

#[cfg(test)]
mod tests {
    use rolekeeper_domain::outcome::SweepId;

    use super::*;

    #[test]
    fn a_wave_begins_at_nothing_and_ends_with_its_accounts() {
        let progress = Progress {
            bar: ProgressBar::hidden(),
            drifted: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            repaired: AtomicU64::new(0),
        };
        let sweep = SweepId::new(jiff::Timestamp::UNIX_EPOCH, 1);
        progress.emit(&Event::Discovered {
            sweep: sweep.clone(),
            listed: 60,
            selected: 50,
            whole: true,
        });
        progress.bar.inc(60);
        progress.drifted.store(18, Ordering::Relaxed);
        let wave = |wave, accounts| Event::WaveStarted {
            sweep: sweep.clone(),
            wave,
            of: 2,
            accounts,
        };
        progress.emit(&wave(1, 3));
        let place = || (progress.bar.position(), progress.bar.length());
        assert_eq!(place(), (0, Some(3)));
        assert_eq!(progress.counts(), "");
        progress.bar.inc(3);
        progress.emit(&wave(2, 15));
        assert_eq!(place(), (0, Some(15)));
    }
}
