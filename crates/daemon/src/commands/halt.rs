//! `rolekeeper halt` and `resume`: the stop that holds across restarts and replicas.

use rolekeeper_engine::port::store::{Control, Halt};

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wall_clock::time_of_day;
use crate::wire;

/// Stops all writes.
pub(crate) async fn halt(app: &App, why: String) -> Result<Exit, Failure> {
    if why.trim().is_empty() {
        return Err(Failure::new(
            "a halt needs a reason: somebody will read it at night",
        ));
    }
    let store = wire::store_of_others(&app.config()?).await?;
    store
        .halt(&Halt {
            why,
            by: app.person(),
            at: time_of_day(),
        })
        .await?;
    app.terminal
        .tell("All writes to AWS are halted. `rolekeeper resume` lifts the halt.");
    store.close().await;
    Ok(Exit::Clean)
}

/// Lifts the halt.
pub(crate) async fn resume(app: &App) -> Result<Exit, Failure> {
    let store = wire::store_of_others(&app.config()?).await?;
    match store.halted().await? {
        None => app.terminal.tell("Writes are not halted."),
        Some(halt) => {
            store.resume(&app.person(), time_of_day()).await?;
            app.terminal.tell(&format!(
                "Writes may go on. They were halted by {} on {}: {}",
                halt.by,
                halt.at.strftime("%Y-%m-%d %H:%M UTC"),
                halt.why
            ));
        }
    }
    store.close().await;
    Ok(Exit::Clean)
}
