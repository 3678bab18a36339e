//! Where the server listens, and what clients may send to it.

use std::{net::IpAddr, time::Duration};

use serde::Deserialize;

use super::Cors;

/// Where the server listens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address. Without accounts there is no login, so only loopback addresses are accepted.
    pub bind: IpAddr,
    /// Port; 0 for any free one.
    pub port: u16,
    /// Networks of proxies in front, such as `10.0.0.0/8`: what they say of a client's address is believed.
    pub trusted_proxies: Vec<String>,
    /// Where they say it: `x-forwarded-for` or `forwarded`. The other one is not read, for a proxy that does not know it
    /// passes on what the client has put there.
    pub client_address_header: String,
    /// Pages of other origins that may call the interface.
    pub cors: Cors,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            bind: IpAddr::from([127, 0, 0, 1]),
            port: 8080,
            trusted_proxies: Vec::new(),
            client_address_header: "x-forwarded-for".to_owned(),
            cors: Cors::default(),
        }
    }
}

/// Limits of what clients may send.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The most bytes of an uploaded document.
    pub document_bytes: u64,
    /// The most bytes of an uploaded image.
    pub image_bytes: u64,
    /// The most bytes of an uploaded recording.
    pub audio_bytes: u64,
    /// The most bytes of what is fetched from an address on the web.
    pub page_bytes: usize,
    /// How many seconds that may take, redirects included.
    pub page_seconds: u32,
    /// The most bytes of an uploaded archive of a notebook.
    pub archive_bytes: u64,
    /// The most bytes of a question.
    pub question_bytes: usize,
    /// The most bytes of a JSON body, pasted text included.
    pub body_bytes: usize,
    /// How many seconds the head of a request may take, and a connection wait for its next request.
    pub head_seconds: u32,
    /// For how many seconds a client may send nothing of a body that it has begun.
    pub body_stall_seconds: u32,
    /// How often a WebSocket is pinged, in seconds; one that says nothing for twice as long is closed.
    pub ping_seconds: u32,
    /// The most WebSockets of a user.
    pub sockets_per_user: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes: 100 << 20,
            image_bytes: 10 << 20,
            audio_bytes: 25 << 20,
            page_bytes: 20 << 20,
            page_seconds: 30,
            archive_bytes: 4 << 30,
            question_bytes: 32 << 10,
            body_bytes: 4 << 20,
            // Longer than proxies keep a connection.
            head_seconds: 75,
            body_stall_seconds: 60,
            ping_seconds: 30,
            sockets_per_user: 5,
        }
    }
}

impl Limits {
    pub(crate) fn head(&self) -> Duration {
        Duration::from_secs(self.head_seconds.into())
    }

    pub(crate) fn ping(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.ping_seconds.max(1).into())
    }
}
