//! A network between a replica and the server, which can be cut.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
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
    /// Nothing arrives any more, and nobody is told: a firewall that forgot, a host that lost its power.
    Silent,
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

    /// From now on the line is so. A connection that was silent for a while stays so: what was lost on it is lost.
    pub(crate) fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

/// Carries bytes both ways until the cable is cut; then the connection is dead at once.
async fn connect(mut from: TcpStream, to: String, mut line: watch::Receiver<Line>) {
    let silent = line.clone();
    let both = async {
        still(&silent).await;
        let mut to = TcpStream::connect(to).await?;
        let (mut here, mut out) = from.split();
        let (mut there, mut back) = to.split();
        tokio::try_join!(
            carry(&mut here, &mut back, &silent),
            carry(&mut there, &mut out, &silent),
        )?;
        Ok::<(), std::io::Error>(())
    };
    tokio::select! {
        _ = line.wait_for(|line| *line == Line::Cut) => {}
        _ = both => {}
    }
}

async fn carry(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    to: &mut (impl tokio::io::AsyncWrite + Unpin),
    line: &watch::Receiver<Line>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 * 1_024];
    loop {
        let length = from.read(&mut buffer).await?;
        still(line).await;
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(buffer.get(..length).unwrap_or_default())
            .await?;
    }
}

/// Goes on where the line is whole, and never where it is silent.
async fn still(line: &watch::Receiver<Line>) {
    if *line.borrow() == Line::Silent {
        std::future::pending::<()>().await;
    }
}
