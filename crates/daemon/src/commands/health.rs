//! `rolekeeper health`: asks the daemon on this machine whether it is alive, for the
//! health check of a container that has no shell.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;

/// A daemon that answers later than this is not well.
const WITHIN: Duration = Duration::from_secs(4);

/// Asks `/healthz`, which needs no token.
pub(crate) async fn run(app: &App) -> Result<Exit, Failure> {
    let address = reachable(app.config()?.http.listen);
    let unwell = |why: String| Failure::new(format!("the daemon at {address} is not well: {why}"));
    match tokio::time::timeout(WITHIN, status(address)).await {
        Ok(Ok(line)) if line.contains(" 200 ") => Ok(Exit::Clean),
        Ok(Ok(line)) => Err(unwell(format!("it answers {line:?}"))),
        Ok(Err(problem)) => Err(unwell(problem.to_string())),
        Err(_) => Err(unwell(format!("no answer within {} s", WITHIN.as_secs()))),
    }
}

/// The first line of the answer.
async fn status(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // The whole answer is a few hundred bytes; more is not ours.
    stream.take(4096).read_to_end(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Listening on all addresses includes this machine's own.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::reachable;

    #[test]
    fn every_listener_is_reached_on_this_machine() {
        let cases = [
            ("127.0.0.1:9464", "127.0.0.1:9464"),
            ("0.0.0.0:9464", "127.0.0.1:9464"),
            ("[::]:80", "[::1]:80"),
            ("10.0.0.7:9464", "10.0.0.7:9464"),
        ];
        for (listen, expected) in cases {
            assert_eq!(
                reachable(listen.parse().expect("an address")).to_string(),
                expected
            );
        }
    }
}
