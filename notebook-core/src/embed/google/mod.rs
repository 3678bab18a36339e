//! Google's `batchEmbedContents`.
//!
//! Questions and passages are told apart by the API's own task types.

mod client;
mod config;
mod wire;

pub use client::GoogleEmbedder;
pub use config::GoogleEmbedConfig;
