//! What a notice says.

use jiff::Timestamp;
use rolekeeper_domain::finding::Finding;
use rolekeeper_domain::outcome::SweepRecord;
use rolekeeper_engine::port::store::Halt;
use serde_json::{Value, json};

use super::groups::{digest, identity};
use super::{Format, NoticeKind};
use crate::report::accounts;

/// At most this many findings or widenings are named in one notice; the rest are counted.
/// Chat services cut long messages, and the report has them all.
const LINES_MAX: usize = 20;

/// One thing to tell, before it takes a webhook's shape.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct News {
    pub(super) kind: NoticeKind,
    /// The same thing has the same key for ever.
    pub(super) dedup_key: String,
    /// One sentence.
    pub(super) summary: String,
    /// Lines below it.
    pub(super) lines: Vec<String>,
    /// The facts, for programs.
    pub(super) data: Value,
    pub(super) at: Timestamp,
}

impl News {
    /// Critical findings that nobody was told of, and the sweep that saw them, as far as that is known.
    pub(super) fn critical_drift(
        sweep: Option<&SweepRecord>,
        findings: &[&Finding],
        at: Timestamp,
    ) -> Self {
        let id = sweep.map(|sweep| sweep.id.as_str());
        let lines: Vec<String> = findings
            .iter()
            .take(LINES_MAX)
            .map(|finding| {
                let repaired = finding.resolved_at.map_or("", |_| " (gone by now)");
                format!(
                    "{} {} {}: {}{repaired}",
                    finding.account,
                    finding.drift.role,
                    finding.drift.kind,
                    finding.drift.explanation
                )
            })
            .collect();
        let more = findings.len().saturating_sub(lines.len());
        let facts: Vec<Value> = findings
            .iter()
            .take(LINES_MAX)
            .map(|finding| {
                json!({
                    "account_id": finding.account.to_string(),
                    "role": finding.drift.role.as_str(),
                    "kind": finding.drift.kind.as_str(),
                    "explanation": finding.drift.explanation,
                    "first_seen": finding.first_seen.to_string(),
                    "resolved_at": finding.resolved_at.map(|at| at.to_string()),
                })
            })
            .collect();
        Self {
            kind: NoticeKind::CriticalDrift,
            dedup_key: format!(
                "critical_drift:{}:{}",
                id.unwrap_or("no-sweep"),
                digest(findings.iter().map(|finding| identity(finding)))
            ),
            summary: format!(
                "{} new critical {}{}",
                findings.len(),
                if findings.len() == 1 {
                    "finding"
                } else {
                    "findings"
                },
                id.map(|id| format!(" in sweep {id}")).unwrap_or_default()
            ),
            lines: lines
                .into_iter()
                .chain((0 < more).then(|| format!("and {more} more")))
                .collect(),
            data: json!({"sweep": id, "count": findings.len(), "findings": facts}),
            at,
        }
    }

    /// Writes are halted.
    pub(super) fn halted(halt: &Halt, at: Timestamp) -> Self {
        Self {
            kind: NoticeKind::Halted,
            dedup_key: format!("halted:{}", halt.at),
            summary: format!("all writes are halted by {}", halt.by),
            lines: vec![halt.why.clone()],
            data: json!({"why": halt.why, "by": halt.by, "since": halt.at.to_string()}),
            at,
        }
    }

    /// A sweep failed.
    pub(super) fn sweep_failed(sweep: &SweepRecord, at: Timestamp) -> Self {
        let reason = sweep
            .reason
            .clone()
            .unwrap_or_else(|| "no reason was recorded".to_owned());
        Self {
            kind: NoticeKind::SweepFailed,
            dedup_key: format!("sweep_failed:{}", sweep.id),
            summary: format!("the {} sweep {} failed", sweep.mode, sweep.id),
            lines: vec![reason.clone()],
            data: json!({"sweep": sweep.id.as_str(), "mode": sweep.mode.as_str(), "reason": reason}),
            at,
        }
    }

    /// A repair waits.
    pub(super) fn approval_wanted(sweep: &SweepRecord, changes: u64, at: Timestamp) -> Self {
        let id = &sweep.id;
        let mut summary = format!("sweep {id} waits for approval: it would change ");
        summary.push_str(&match changes {
            0 => "nothing now".to_owned(),
            some => accounts(some),
        });
        if !sweep.widens.is_empty() {
            summary.push_str(", and its specifications give more than was agreed to");
        }
        let mut lines: Vec<String> = sweep
            .widens
            .iter()
            .take(LINES_MAX)
            .map(|sentence| format!("widens: {sentence}"))
            .collect();
        let more = sweep.widens.len() - lines.len();
        lines.extend((0 < more).then(|| format!("and {more} more")));
        lines.push(format!(
            "`rolekeeper approve {id}` lets it go on, `rolekeeper sweeps` shows it"
        ));
        Self {
            kind: NoticeKind::ApprovalWanted,
            dedup_key: format!("approval_wanted:{id}"),
            summary,
            lines,
            data: json!({"sweep": id.as_str(), "changes": changes, "widens": sweep.widens}),
            at,
        }
    }

    /// The body in a webhook's shape.
    pub(super) fn body(&self, format: Format) -> String {
        match format {
            Format::Generic => json!({
                "schema": "rolekeeper.notice/v1",
                "kind": self.kind.as_str(),
                "id": self.dedup_key,
                "at": self.at.to_string(),
                "summary": self.summary,
                "data": self.data,
            })
            .to_string(),
            Format::Slack => json!({"text": self.slack_text()}).to_string(),
        }
    }

    fn slack_text(&self) -> String {
        let mut text = format!("*rolekeeper*: {}", slack_escaped(&self.summary));
        for line in &self.lines {
            text.push_str("\n• ");
            text.push_str(&slack_escaped(line));
        }
        text
    }
}

/// Slack reads `&`, `<` and `>` as markup: `<!channel>` in an account's name
/// would call everybody.
fn slack_escaped(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .fold(
            String::with_capacity(text.len()),
            |mut escaped, character| {
                match character {
                    '&' => escaped.push_str("&amp;"),
                    '<' => escaped.push_str("&lt;"),
                    '>' => escaped.push_str("&gt;"),
                    other => escaped.push(other),
                }
                escaped
            },
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_calls_nobody_on_slack() {
        let at = Timestamp::UNIX_EPOCH;
        let halt = Halt {
            why: "<!channel> & \u{7}bell".to_owned(),
            by: "ops".to_owned(),
            at,
        };
        let body = News::halted(&halt, at).body(Format::Slack);
        assert_eq!(
            body,
            r#"{"text":"*rolekeeper*: all writes are halted by ops\n• &lt;!channel&gt; &amp; bell"}"#
        );
    }

    #[test]
    fn the_generic_body_carries_an_id_that_stays_the_same() {
        let at = Timestamp::UNIX_EPOCH;
        let halt = Halt {
            why: "drill".to_owned(),
            by: "ops".to_owned(),
            at,
        };
        let first = News::halted(&halt, at);
        let later = News::halted(&halt, Timestamp::constant(60, 0));
        assert_eq!(first.dedup_key, later.dedup_key);
        assert!(
            first
                .body(Format::Generic)
                .contains(r#""kind":"halted","id":"halted:"#)
        );
    }
}
