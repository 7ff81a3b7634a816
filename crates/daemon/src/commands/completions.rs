//! `rolekeeper completions SHELL`.

use clap::CommandFactory;

use crate::app::App;
use crate::args::Cli;
use crate::exit::Exit;
use crate::failure::Failure;

/// Prints the completions of a shell.
pub(crate) fn run(app: &App, shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "rolekeeper", &mut script);
    app.terminal.result(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Clean)
}
