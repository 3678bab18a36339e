//! Settings of the HTTP client and of single calls.

use std::{path::PathBuf, time::Duration};

/// How calls leave the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// How long resolving, connecting and the TLS handshake may take together.
    pub connect_timeout: Duration,
    /// The URL of a proxy for all calls. Environment variables are not read.
    pub proxy: Option<String>,
    /// Files with more certificate authorities to trust, as PEM.
    pub extra_roots: Vec<PathBuf>,
}

impl Default for HttpConfig {
    /// 10 seconds to connect, no proxy, no more authorities.
    fn default() -> Self {
        Self { connect_timeout: Duration::from_secs(10), proxy: None, extra_roots: Vec::new() }
    }
}

/// How long to wait within one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From sending to the head of the answer, and from there to its first byte. A local model
    /// reads the whole prompt before that.
    pub first_byte: Duration,
    /// Between two pieces of the answer.
    pub idle: Duration,
}

impl Default for Timeouts {
    /// Five minutes to the first byte, one minute between two.
    fn default() -> Self {
        Self { first_byte: Duration::from_secs(300), idle: Duration::from_secs(60) }
    }
}
