//! `rolekeeper approve`: a person's word for a repair that waits for it.

use rolekeeper_domain::outcome::SweepId;
use rolekeeper_engine::port::store::{Control, Sweeps};

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::plain;
use crate::report::accounts;
use crate::wall_clock::time_of_day;
use crate::wire;

/// Approves a sweep; without one, shows what waits.
pub(crate) async fn run(app: &App, sweep: Option<SweepId>) -> Result<Exit, Failure> {
    let store = wire::store(&app.config()?).await?;
    let Some(sweep) = sweep else {
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
            app.terminal.result(&text)?;
        }
        store.close().await;
        return Ok(Exit::Clean);
    };
    let approved = store.approve(&sweep, &app.person(), time_of_day()).await?;
    store.close().await;
    if !approved {
        return Err(
            Failure::new(format!("sweep {sweep} does not wait for approval"))
                .with_help("`rolekeeper approve` shows what waits"),
        );
    }
    app.terminal
        .tell(&format!("Sweep {sweep} is approved and goes on."));
    Ok(Exit::Clean)
}
