//! `rolekeeper run`: the daemon.

use rolekeeper_engine::port::session::SessionProvider;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::config::Config;
use crate::daemon::{self, Daemon, Face, Reload};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::signals::Signals;
use crate::wire;

/// Runs until a signal.
pub(crate) async fn run(app: &App) -> Result<Exit, Failure> {
    let config = app.config()?;
    let aws = wire::aws(&config).await?;
    if wire::may_write(&config) {
        let sessions = aws.sessions();
        serve(app, config, aws, sessions).await
    } else {
        let sessions = aws.audit_only();
        serve(app, config, aws, sessions).await
    }
}

async fn serve<P: SessionProvider>(
    app: &App,
    config: Config,
    aws: rolekeeper_aws::Aws,
    sessions: P,
) -> Result<Exit, Failure> {
    // Heard before it says that it is up: whoever ends it right then ends it in order.
    let signals = Signals::heard()?;
    let listener = daemon::listen(config.http.listen).await?;
    let store = wire::store(&config).await?;
    let face = Face::new(&config)?;
    let engine = wire::engine(&config, &aws, sessions, store.clone(), face.sinks()).await?;
    // The address that was really taken: the configuration may leave the port to the system.
    let listen = listener.local_addr().unwrap_or(config.http.listen);
    tracing::info!(
        http.listen = %listen, schedule.mode = %config.schedule.mode, store = store.place(),
        "rolekeeper {} is up: page at http://{}/", env!("CARGO_PKG_VERSION"), listen,
    );
    let reload = Some(Reload {
        path: app.config_path()?,
    });
    let daemon = Daemon {
        config,
        environment: app.environment.clone(),
        aws,
        engine,
        store,
        face,
        listener,
        reload,
    };
    until_told(daemon, signals).await
}

/// Runs a daemon until SIGTERM or SIGINT; a second one ends it at once.
pub(crate) async fn until_told<P: SessionProvider>(
    daemon: Daemon<P>,
    mut signals: Signals,
) -> Result<Exit, Failure> {
    let cancel = CancellationToken::new();
    let mut running = std::pin::pin!(daemon.run(cancel.clone()));
    tokio::select! {
        ended = &mut running => return ended.map(|()| Exit::Clean),
        signal = signals.told() => tracing::info!("{signal}: the steps under way are finished, then the daemon ends"),
    }
    cancel.cancel();
    tokio::select! {
        ended = &mut running => ended.map(|()| Exit::Clean),
        _ = signals.told() => Err(Failure::interrupted()),
    }
}
