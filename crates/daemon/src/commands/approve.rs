//! `rolekeeper approve`: a person's word for a repair that waits for it.

use rolekeeper_domain::outcome::SweepId;
use rolekeeper_engine::port::store::{Control, Sweeps};
use rolekeeper_store::Store;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::plain;
use crate::report::accounts;
use crate::wall_clock::time_of_day;
use crate::wire;

/// Approves a sweep; without one, shows what waits.
pub(crate) async fn run(app: &App, sweep: Option<SweepId>) -> Result<Exit, Failure> {
    let store = wire::store_of_others(&app.config()?).await?;
    let done = match sweep {
        None => show(app, &store).await,
        Some(sweep) => approve(app, &store, &sweep).await,
    };
    store.close().await;
    done.map(|()| Exit::Clean)
}

async fn show(app: &App, store: &Store) -> Result<(), Failure> {
    let waiting = store.awaiting_approval().await?;
    if waiting.is_empty() {
        app.terminal.result("Nothing waits for approval.\n")?;
    }
    for (sweep, changes) in waiting {
        let record = store.sweep(&sweep).await?;
        let widens = record.map(|record| record.widens).unwrap_or_default();
        let mut text = format!("{sweep}  would change {}\n", accounts(changes));
        for sentence in &widens {
            text.push_str(&format!("    {}\n", plain(sentence)));
        }
        app.terminal.show(&text)?;
    }
    Ok(())
}

async fn approve(app: &App, store: &Store, sweep: &SweepId) -> Result<(), Failure> {
    if store.approve(sweep, &app.person(), time_of_day()).await? {
        app.terminal
            .tell(&format!("Sweep {sweep} is approved and goes on."));
        return Ok(());
    }
    let waiting = store.awaiting_approval().await?;
    Err(if waiting.iter().any(|(waits, _)| waits == sweep) {
        Failure::new(format!(
            "sweep {sweep} was not approved: no process is there that waits for it"
        ))
        .with_help("start the daemon, or repair again: the next sweep asks anew")
    } else {
        Failure::new(format!("sweep {sweep} does not wait for approval"))
            .with_help("`rolekeeper approve` shows what waits")
    })
}
