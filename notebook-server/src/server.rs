//! Listening, and going down in order.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use notebook_core::{Error, ErrorKind, Result};
use tokio::net::TcpListener;
use tokio_io_timeout::TimeoutWriter;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

/// How long open requests may take after the server was asked to end.
const DRAIN: Duration = Duration::from_secs(12);
/// How long a peer may read nothing of what it is sent.
const STALL: Duration = Duration::from_secs(30);
/// The most bytes that wait in a connection, each way.
const BUFFER: usize = 64 << 10;
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Takes an address.
///
/// # Errors
/// `Unavailable` with what to do when the port is taken.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let fix = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                "the port is taken: stop the other program, or set NOTEBOOK__SERVER__PORT"
            }
            std::io::ErrorKind::PermissionDenied => {
                "ports under 1024 need rights: set NOTEBOOK__SERVER__PORT to a higher one"
            }
            _ => "check server.bind and server.port",
        };
        Error::new(ErrorKind::Unavailable, "listen")
            .with("address", address.to_string())
            .with("fix", fix)
            .caused_by(error)
    })
}

/// Serves until `ending` is cancelled, then lets open requests finish for a while. `head`: how long the head of a request
/// may take, and a connection wait for its next one.
///
/// HTTP/1.1 only: a proxy in front speaks the newer ones. A connection keeps little memory while it waits, and one
/// whose peer reads nothing is closed.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    head: Duration,
    ending: CancellationToken,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head).max_buf_size(BUFFER);
    let connections = TaskTracker::new();
    while let Some(accepted) = ending.run_until_cancelled(listener.accept()).await {
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // A connection that broke at once, or too many open files: the next one may do better.
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        // Events are small and must leave at once: else each waits 40 ms for the reader's acknowledgement
        // of the one before.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its delay");
        }
        let mut socket = TimeoutWriter::new(socket);
        socket.set_timeout(Some(STALL));
        let router = router.clone().map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.map(Body::new)
        });
        let service = TowerToHyperService::new(router);
        // Boxed: moved into a task it would take its place twice.
        let connection = http.serve_connection(TokioIo::new(Box::pin(socket)), service);
        let mut connection = Box::pin(connection.with_upgrades());
        let ending = ending.clone();
        connections.spawn(async move {
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = ending.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection broke");
            }
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::warn!("some requests did not end in time and were cut");
    }
}

/// Cancels `ending` at the first SIGINT or SIGTERM; the second one exits at once.
pub(crate) fn end_on_signals(ending: CancellationToken) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        for round in 0..2 {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if round == 1 {
                std::process::exit(130);
            }
            tracing::info!("ending; a second signal exits at once");
            ending.cancel();
        }
    });
    Ok(())
}
