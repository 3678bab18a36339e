//! WebSockets with limits: what a peer sends, how long it may be silent, how long it may not read.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use notebook_core::UserId;
use parking_lot::Mutex;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tungstenite::{Error as WsError, error::CapacityError};

/// The most bytes of a message, and of a frame.
pub const MESSAGE: usize = 1 << 20;
/// How long a peer may read nothing of what it is sent.
const STALL: Duration = Duration::from_secs(30);
/// How long a peer may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// A handshake whose connection takes messages of at most [`MESSAGE`] bytes and keeps small buffers.
pub fn limited<F>(handshake: WebSocketUpgrade<F>) -> WebSocketUpgrade<F> {
    handshake
        .max_message_size(MESSAGE)
        .max_frame_size(MESSAGE)
        .read_buffer_size(1 << 10)
        .write_buffer_size(0)
        .max_write_buffer_size(MESSAGE + (64 << 10))
}

/// An open connection.
pub struct Socket {
    socket: WebSocket,
    pings: Interval,
    /// How long the peer may be silent: twice the time between pings.
    silence: Duration,
    heard: Instant,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A text.
    Text(Utf8Bytes),
    /// Bytes.
    Binary(bytes::Bytes),
    /// The end.
    Closed,
}

impl Socket {
    /// A connection that is pinged as often as `ping` says, and closed when nothing comes for twice as long.
    #[must_use]
    pub fn new(socket: WebSocket, ping: Duration) -> Self {
        let mut pings = tokio::time::interval_at(Instant::now() + ping, ping);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { socket, pings, silence: ping * 2, heard: Instant::now() }
    }

    /// The next message. Pings are answered, silence and bad frames end the connection. Dropping the future loses
    /// nothing.
    pub async fn next(&mut self) -> Incoming {
        loop {
            let message = tokio::select! {
                message = self.socket.recv() => message,
                _ = self.pings.tick() => {
                    if self.heard.elapsed() >= self.silence {
                        Box::pin(self.close(close_code::POLICY, "no answer to pings")).await;
                        return Incoming::Closed;
                    }
                    if !Box::pin(self.put(Message::Ping(bytes::Bytes::new()))).await {
                        return Incoming::Closed;
                    }
                    continue;
                }
            };
            self.heard = Instant::now();
            match message {
                Some(Ok(Message::Text(text))) => return Incoming::Text(text),
                Some(Ok(Message::Binary(bytes))) => return Incoming::Binary(bytes),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                // The peer's close is answered by the library; reading on lets the answer out.
                Some(Ok(Message::Close(_))) => {
                    let _ = tokio::time::timeout(GOODBYE, self.socket.recv()).await;
                    return Incoming::Closed;
                }
                Some(Err(error)) => {
                    if let Some((code, reason)) = fault(error) {
                        Box::pin(self.close(code, reason)).await;
                    }
                    return Incoming::Closed;
                }
                None => return Incoming::Closed,
            }
        }
    }

    /// Sends a text; whether it left. A peer that does not read for half a minute is given up.
    pub async fn send(&mut self, text: impl Into<Utf8Bytes>) -> bool {
        self.put(Message::Text(text.into())).await
    }

    /// The same for bytes.
    pub async fn send_bytes(&mut self, bytes: bytes::Bytes) -> bool {
        self.put(Message::Binary(bytes)).await
    }

    async fn put(&mut self, message: Message) -> bool {
        matches!(tokio::time::timeout(STALL, self.socket.send(message)).await, Ok(Ok(())))
    }

    /// Says why it ends, and waits a moment for the peer's answer.
    pub async fn close(&mut self, code: u16, reason: &'static str) {
        let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
        let goodbye = async {
            if self.socket.send(close).await.is_ok() {
                while let Some(Ok(_)) = self.socket.recv().await {}
            }
        };
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
    }
}

/// What a peer is told that broke the protocol; none when the connection is gone.
fn fault(error: axum::Error) -> Option<(u16, &'static str)> {
    match error.into_inner().downcast_ref::<WsError>()? {
        WsError::Capacity(CapacityError::MessageTooLong { .. }) => {
            Some((close_code::SIZE, "a message may have 1 MiB"))
        }
        WsError::Utf8(_) => Some((close_code::INVALID, "a text must be UTF-8")),
        WsError::Protocol(_) | WsError::Capacity(_) => {
            Some((close_code::PROTOCOL, "that is not the protocol"))
        }
        _ => None,
    }
}

/// How many connections each user has.
#[derive(Debug, Clone)]
pub struct Sockets {
    most: usize,
    open: Arc<Mutex<HashMap<UserId, usize>>>,
}

/// A place among a user's connections, until it is dropped.
#[derive(Debug)]
pub struct Place {
    user: UserId,
    all: Sockets,
}

impl Sockets {
    /// None yet, and at most so many for each.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, open: Arc::default() }
    }

    /// Takes a place; none when the user has as many as there may be.
    #[must_use]
    pub fn take(&self, user: UserId) -> Option<Place> {
        let mut all = self.open.lock();
        let count = all.entry(user).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { user, all: self.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.all.open.lock();
        if let Some(count) = all.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.user);
            }
        }
    }
}
