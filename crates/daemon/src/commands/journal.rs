//! `rolekeeper journal`: the record of every write, for others to keep and to check.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use rolekeeper_store::{Break, Head, Verified, Verifier};

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::plain;
use crate::wire;

/// Records of one piece of an export.
const PAGE: u32 = 500;

/// Writes the records after number `after`, a line each.
pub(crate) async fn export(app: &App, after: i64) -> Result<Exit, Failure> {
    let config = app.config()?;
    let store = wire::store_to_read(&config).await?;
    let mut after = after;
    loop {
        let lines = store.export_journal(after, PAGE).await?;
        let Some(last) = lines.last() else { break };
        after = last.seq;
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        app.terminal.result(&text)?;
    }
    Ok(Exit::Clean)
}

/// Follows the chain in the store, or in an export, and says where it ends.
pub(crate) async fn verify(
    app: &App,
    file: Option<&Path>,
    known: Option<Head>,
) -> Result<Exit, Failure> {
    let told = match file {
        Some(path) => verify_file(path, known)?,
        None => {
            let config = app.config()?;
            wire::store_to_read(&config)
                .await?
                .verify_journal(known)
                .await?
        }
    };
    match told {
        Ok(verified) => {
            app.terminal.show(&words(&verified))?;
            Ok(Exit::Clean)
        }
        Err(broken) => {
            let help = match &broken {
                Break::TooOld { .. } => {
                    "check it against an export that reaches back so far; from now on keep a newer place: `rolekeeper journal verify` prints it"
                }
                _ => {
                    "somebody with access to the database or the file did that: see docs/SECURITY.md, and compare with an older copy"
                }
            };
            Err(Failure::new(plain(&broken.to_string())).with_help(help))
        }
    }
}

fn verify_file(path: &Path, known: Option<Head>) -> Result<Result<Verified, Break>, Failure> {
    let unreadable =
        |problem| Failure::new(format!("{} cannot be read: {problem}", path.display()));
    let file = BufReader::new(File::open(path).map_err(unreadable)?);
    let mut verifier = Verifier::new(known);
    for line in file.lines() {
        if let Err(broken) = verifier.line(&line.map_err(unreadable)?) {
            return Ok(Err(broken));
        }
    }
    Ok(verifier.finish())
}

fn words(verified: &Verified) -> String {
    let Verified { records, from, to } = verified;
    if *records == 0 {
        return "The journal has no records.\n".to_owned();
    }
    let beginning = match from.seq {
        0 => "from the first one on".to_owned(),
        seq => format!("from number {} on", seq + 1),
    };
    format!("{records} records {beginning}, each bound to the one before it.\nLast: {to}\n")
}
