//! What systemd wants to hear from a unit of `Type=notify`. Without systemd nothing is said.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config::Environment;
use crate::wall_clock::pause;

/// Says that the daemon is up, keeps the watchdog quiet, and says when it ends.
pub(super) async fn notify(
    environment: Environment,
    cancel: CancellationToken,
) -> Result<(), String> {
    tell(&environment, "READY=1\nSTATUS=watching over the roles");
    let watchdog = environment
        .get("WATCHDOG_USEC")
        .and_then(|text| text.parse().ok())
        .map(Duration::from_micros);
    loop {
        // Half of what systemd waits, as it advises.
        let wait = watchdog.map_or(Duration::from_secs(3600), |time| time / 2);
        tokio::select! {
            biased;
            () = cancel.cancelled() => break,
            () = pause(wait) => {}
        }
        if watchdog.is_some() {
            tell(&environment, "WATCHDOG=1");
        }
    }
    tell(
        &environment,
        "STOPPING=1\nSTATUS=finishing the steps under way",
    );
    Ok(())
}

/// Sends one message, if anybody listens.
pub(super) fn tell(environment: &Environment, message: &str) {
    let Some(place) = environment.get("NOTIFY_SOCKET") else {
        return;
    };
    let sent = UnixDatagram::unbound().and_then(|socket| match place.strip_prefix('@') {
        Some(name) => {
            socket.send_to_addr(message.as_bytes(), &SocketAddr::from_abstract_name(name)?)
        }
        None => socket.send_to(message.as_bytes(), place),
    });
    if let Err(problem) = sent {
        tracing::warn!(problem = %problem, "systemd cannot be told");
    }
}
