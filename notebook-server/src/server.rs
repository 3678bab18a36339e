//! Listening, and going down in order.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, serve::ListenerExt};
use notebook_core::{Error, ErrorKind, Result};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long open requests may take after the server was asked to end.
const DRAIN: Duration = Duration::from_secs(12);

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

/// Serves until `ending` is cancelled, then lets open requests finish for a while.
///
/// # Errors
/// Those of the listener.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    ending: CancellationToken,
) -> Result<()> {
    let graceful = ending.clone();
    // Events are small and must leave at once: else each waits 40 ms for the reader's acknowledgement
    // of the one before.
    let listener = listener.tap_io(|socket| {
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its delay");
        }
    });
    let serving = axum::serve(listener, router)
        .with_graceful_shutdown(async move { graceful.cancelled().await })
        .into_future();
    let late = async {
        ending.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        result = serving => result
            .map_err(|error| Error::new(ErrorKind::Unavailable, "serve").caused_by(error)),
        () = late => {
            tracing::warn!("some requests did not end in time and were cut");
            Ok(())
        }
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
