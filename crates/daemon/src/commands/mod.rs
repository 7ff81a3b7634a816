//! One file for each command.

mod accounts;
mod apply;
mod approve;
mod bootstrap;
mod check;
mod completions;
mod config_show;
mod demo;
mod halt;
mod health;
mod iam_policy;
mod journal;
mod man;
mod plan;
mod policy;
mod registration;
mod report;
mod retire_user;
mod rollback;
mod rotate_external_id;
mod run;
pub(crate) mod sweep;

use crate::app::App;
use crate::args::{Cli, Command, ConfigCommand, JournalCommand, PolicyCommand};
use crate::config::{self, Environment};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::log;
use crate::output::Terminal;
use crate::traces::{self, Exporter};
use crate::wire;

/// Does what the command line asks for.
pub(crate) fn dispatch(cli: Cli) -> Exit {
    let environment = Environment::of_process();
    let terminal = Terminal::of_process(&environment);
    let app = App {
        global: cli.global,
        environment,
        terminal,
    };
    match start(&app, cli.command) {
        Ok(exit) => exit,
        Err(failure) => failure.tell(&app.terminal),
    }
}

/// Threads of the daemon. A sweep at AWS's pace needs a fraction of one; the other keeps the page and the
/// probes quick beside it. A command that only sweeps has one thread: nothing is handed between threads then.
const WORKERS: usize = 2;

fn start(app: &App, command: Command) -> Result<Exit, Failure> {
    let exporter = init_log(app, &command)?;
    let runtime = match command {
        Command::Run | Command::Demo(_) => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .enable_all()
            .build()?,
        _ => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?,
    };
    runtime.block_on(async {
        match exporter {
            None => carry_out(app, command).await,
            Some(exporter) => exporter.beside(carry_out(app, command)).await,
        }
    })
}

async fn carry_out(app: &App, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Plan(args) => plan::run(app, args).await,
        Command::Apply(args) => apply::run(app, args).await,
        Command::Accounts { format } => accounts::run(app, format).await,
        Command::Report(args) => report::report(app, args).await,
        Command::Sweeps { limit, format } => report::sweeps(app, limit, format).await,
        Command::History { account, format } => report::history(app, account, format).await,
        Command::Journal(JournalCommand::Export { after }) => journal::export(app, after).await,
        Command::Journal(JournalCommand::Verify { file, known }) => {
            journal::verify(app, file.as_deref(), known).await
        }
        Command::RetireUser(args) => retire_user::run(app, args).await,
        Command::Bootstrap(args) => bootstrap::run(app, args).await,
        Command::RotateExternalId(args) => rotate_external_id::run(app, args).await,
        Command::Rollback(args) => rollback::run(app, args).await,
        Command::IamPolicy(args) => iam_policy::run(app, &args),
        Command::Halt { why } => halt::halt(app, why).await,
        Command::Resume => halt::resume(app).await,
        Command::Approve { sweep } => approve::run(app, sweep).await,
        Command::Health => health::run(app).await,
        Command::Policy(PolicyCommand::Diff { a, b, format }) => policy::diff(app, &a, &b, format),
        Command::Policy(PolicyCommand::Explain { file }) => policy::explain_file(app, &file),
        Command::Config(ConfigCommand::Show) => config_show::run(app),
        Command::Config(ConfigCommand::Reference) => {
            app.terminal.result(&config::docs::page())?;
            Ok(Exit::Clean)
        }
        Command::Man { folder } => man::run(app, &folder),
        Command::Completions { shell } => completions::run(app, shell),
        Command::Run => run::run(app).await,
        Command::Demo(args) => demo::run(app, args).await,
        Command::Check { offline } => check::run(app, offline).await,
    }
}

/// A command says itself how it ended; only the daemon logs without being asked to.
///
/// Answers who sends traces, where they are asked for.
fn init_log(app: &App, command: &Command) -> Result<Option<Exporter>, Failure> {
    let usual = match (command, app.global.verbose) {
        (Command::Run, verbose) => log::default_filter(verbose),
        (_, 0) => "off".to_owned(),
        (_, verbose) => log::default_filter(verbose - 1),
    };
    let filter = app.environment.get("ROLEKEEPER_LOG").unwrap_or(&usual);
    let endpoint = app
        .environment
        .get(traces::ENDPOINT)
        .filter(|endpoint| !endpoint.is_empty());
    let (traces, exporter) = endpoint
        .map(|endpoint| traces::to(endpoint, wire::seed()))
        .transpose()?
        .unzip();
    log::init(
        app.global.log_format,
        filter,
        app.terminal.colors_logs(),
        traces,
    )
    .map_err(|problem| {
        Failure::new(format!(
            "ROLEKEEPER_LOG is no list of target=level: {problem}"
        ))
    })?;
    Ok(exporter)
}
