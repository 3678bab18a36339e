//! The one outgoing HTTP client.
//!
//! Everything that leaves this program by HTTP goes through [`HttpClient`]; `clippy.toml`
//! refuses other clients. It follows no redirects, reads no proxy from the environment, trusts
//! the certificates of the machine and Mozilla's, and bounds what it waits for and reads.
//!
//! Providers are called where the operator says. Addresses that people give go through [`egress`], which lets
//! nobody into the private network.

// Some of this is used by one adapter only, so a build without that one does not use it.
#![cfg_attr(
    not(all(feature = "anthropic", feature = "google", feature = "ollama", feature = "openai")),
    allow(dead_code, unused_imports)
)]

mod body;
mod client;
mod config;
pub mod egress;
mod error;
#[cfg(feature = "ollama")]
mod lines;
mod tls;
mod url;

pub use body::HttpResponse;
pub use client::{HttpClient, HttpRequest};
pub use config::{HttpConfig, Timeouts};
pub use url::BaseUrl;

pub(crate) use error::{Redactor, Refusal, failure, kind_of, protocol, refused, success};
#[cfg(feature = "ollama")]
pub(crate) use lines::{LineTooLong, Lines};

/// The longest event, line or error body that is read from a provider.
pub(crate) const MAX_MESSAGE_BYTES: usize = 1024 * 1024;
