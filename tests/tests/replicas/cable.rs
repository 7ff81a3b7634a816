//! A network between a replica and the server, which can be cut.

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What becomes of what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// It arrives.
    Whole,
    /// Every connection is closed at once, and so is each new one.
    Cut,
}

/// The network.
pub(crate) struct Cable {
    line: watch::Sender<Line>,
    pub(crate) port: u16,
    _relay: JoinSet<()>,
}

impl Cable {
    pub(crate) async fn lay(to: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (line, seen) = watch::channel(Line::Whole);
        let mut relay = JoinSet::new();
        relay.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((from, _)) = listener.accept().await {
                connections.spawn(connect(from, to.clone(), seen.clone()));
            }
        });
        Self {
            line,
            port,
            _relay: relay,
        }
    }

    /// From now on the line is so.
    pub(crate) fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

/// Carries bytes both ways until the cable is cut; then the connection is dead at once.
async fn connect(mut from: TcpStream, to: String, mut line: watch::Receiver<Line>) {
    let both = async {
        let mut to = TcpStream::connect(to).await?;
        tokio::io::copy_bidirectional(&mut from, &mut to).await
    };
    tokio::select! {
        _ = line.wait_for(|line| *line == Line::Cut) => {}
        _ = both => {}
    }
}
