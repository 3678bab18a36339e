//! A TCP proxy between a program and a test's PostgreSQL: it holds bytes back, loses connections without a word, or
//! cuts them.

use std::{path::PathBuf, sync::Arc};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// A running proxy. It ends with this value, and its connections with it.
pub(crate) struct Proxy {
    port: u16,
    lines: Arc<Lines>,
    _accepting: AbortOnDropHandle<()>,
}

/// What happens to the connections.
struct Lines {
    /// Whether bytes wait.
    held: watch::Sender<bool>,
    /// For the connections that are open.
    now: Mutex<Fate>,
}

#[derive(Clone, Default)]
struct Fate {
    lost: CancellationToken,
    cut: CancellationToken,
}

impl Proxy {
    /// Listens on a free port of this machine for the server at a socket.
    pub(crate) async fn start(upstream: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let lines = Arc::new(Lines { held: watch::Sender::new(false), now: Mutex::default() });
        let own = Arc::clone(&lines);
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { continue };
                let (upstream, lines) = (upstream.clone(), Arc::clone(&own));
                tokio::spawn(async move { lines.carry(client, upstream).await });
            }
        });
        Self { port, lines, _accepting: AbortOnDropHandle::new(accepting) }
    }

    /// The database's address by way of this proxy.
    pub(crate) fn url(&self) -> String {
        format!("postgres://test@127.0.0.1:{}/postgres", self.port)
    }

    /// Holds back what is sent, both ways, until [`pass`](Self::pass); nothing is lost.
    pub(crate) fn hold(&self) {
        self.lines.held.send_replace(true);
    }

    /// Lets bytes through again.
    pub(crate) fn pass(&self) {
        self.lines.held.send_replace(false);
    }

    /// From now on the connections that are open are dead, and neither side is told; new ones work.
    #[allow(dead_code, reason = "not every test does this")]
    pub(crate) fn lose(&self) {
        self.lines.now.lock().clone().lost.cancel();
        self.lines.now.lock().lost = CancellationToken::new();
    }

    /// Closes the connections that are open, lost ones too.
    #[allow(dead_code, reason = "not every test does this")]
    pub(crate) fn cut(&self) {
        std::mem::take(&mut *self.lines.now.lock()).cut.cancel();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.lines.now.lock().cut.cancel();
    }
}

impl Lines {
    async fn carry(&self, mut client: TcpStream, upstream: PathBuf) {
        let fate = self.now.lock().clone();
        let Ok(mut server) = UnixStream::connect(upstream).await else { return };
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let both = async {
            tokio::join!(
                pump(from_client, to_server, self.held.subscribe()),
                pump(from_server, to_client, self.held.subscribe()),
            )
        };
        tokio::select! {
            _ = both => return,
            () = fate.cut.cancelled() => return,
            () = fate.lost.cancelled() => {}
        }
        // Silence, until the client gives up: the server does not hear of that either before this ends.
        let mut nowhere = tokio::io::sink();
        let silence = tokio::io::copy(&mut client, &mut nowhere);
        let _ = fate.cut.run_until_cancelled(silence).await;
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut held: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut buffer).await?;
        // The sender lives as long as the connection.
        let _ = held.wait_for(|held| !held).await;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
    }
}
