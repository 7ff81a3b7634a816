//! `rolekeeper policy diff` and `policy explain`: meaning, not text.

use std::fmt::Write as _;
use std::path::Path;

use rolekeeper_domain::policy::{
    Context, Document, Kind, LintContext, LintSeverity, Verdict, compare, explain, lint,
};

use crate::app::App;
use crate::args::Format;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Style, plain};

/// Compares two documents.
pub(crate) fn diff(app: &App, a: &Path, b: &Path, format: Format) -> Result<Exit, Failure> {
    let (before, after) = (read(a)?, read(b)?);
    if before.kind() != after.kind() {
        return Err(Failure::new(format!(
            "{} is a document of kind {} and {} of kind {}: only two of one kind can be compared",
            a.display(),
            before.kind(),
            b.display(),
            after.kind()
        )));
    }
    let comparison = compare(&before, &after, &Context::default());
    if format == Format::Json {
        let document = serde_json::json!({
            "schema": "rolekeeper.policy-diff/v1",
            "verdict": comparison.verdict.to_string(),
            "gained": comparison.gained,
            "lost": comparison.lost,
        });
        app.terminal.result(&format!("{document}\n"))?;
        let same = comparison.verdict == Verdict::Equivalent;
        return Ok(if same { Exit::Clean } else { Exit::Drift });
    }
    if comparison.verdict == Verdict::Equivalent {
        app.terminal.show("The documents mean the same.\n")?;
        return Ok(Exit::Clean);
    }
    let summary = match comparison.verdict {
        Verdict::Equivalent | Verdict::Different => "The documents mean different things.",
        Verdict::Narrower => "The second document allows less than the first.",
        Verdict::Wider => "The second document allows more than the first.",
        Verdict::Unproven => "The documents could not be proven to mean the same.",
    };
    let mut text = format!("{summary}\n");
    for (style, sign, sentences) in [
        (Style::Alarm, '+', &comparison.gained),
        (Style::Warning, '-', &comparison.lost),
    ] {
        for sentence in sentences {
            let _infallible = writeln!(
                text,
                "{} {}",
                app.terminal.paint(style, &sign.to_string()),
                plain(sentence)
            );
        }
    }
    app.terminal.show(&text)?;
    Ok(Exit::Drift)
}

/// Says in words what a document allows and denies.
pub(crate) fn explain_file(app: &App, file: &Path) -> Result<Exit, Failure> {
    let document = read(file)?;
    let mut text = format!(
        "Kind: {}, {} characters\n",
        document.kind(),
        document.size()
    );
    for sentence in explain(&document) {
        let _infallible = writeln!(text, "- {}", plain(&sentence));
    }
    let remarks = lint(&document, &LintContext::default());
    if !remarks.is_empty() {
        text.push_str("Worth a second look:\n");
    }
    for remark in remarks {
        let style = match remark.severity {
            LintSeverity::Error => Style::Alarm,
            LintSeverity::Warning => Style::Warning,
            LintSeverity::Note => Style::Faint,
        };
        let word = app.terminal.paint(style, &remark.severity.to_string());
        let _infallible = writeln!(text, "- {word}: {}", plain(&remark.to_string()));
    }
    app.terminal.show(&text)?;
    Ok(Exit::Clean)
}

/// Reads a document: a trust policy if its statements have principals and no resources, else what its elements say.
fn read(path: &Path) -> Result<Document, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|problem| Failure::new(format!("{}: {problem}", path.display())))?;
    let kind = kind_of(&text);
    Document::parse(kind, &text).map_err(|problem| {
        Failure::new(format!("{} is no valid {kind}: {problem}", path.display()))
    })
}

fn kind_of(text: &str) -> Kind {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else {
        return Kind::Identity;
    };
    let statements: Vec<&serde_json::Value> = match value.get("Statement") {
        Some(serde_json::Value::Array(items)) => items.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let has = |key: &str| {
        statements
            .iter()
            .any(|statement| statement.get(key).is_some())
    };
    match (
        has("Principal") || has("NotPrincipal"),
        has("Resource") || has("NotResource"),
    ) {
        (true, false) => Kind::Trust,
        (true, true) => Kind::Resource,
        (false, _) => Kind::Identity,
    }
}
