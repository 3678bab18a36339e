//! Which models work, and why these.

mod chat;
mod embedding;
mod transcription;

pub(crate) use chat::{CHAT_PROVIDERS, Models, chat};
pub(crate) use embedding::{EMBEDDING_PROVIDERS, embedder, embedding_files, local_embedding_model};
pub(crate) use transcription::{TRANSCRIPTION_PROVIDERS, transcriber};

use notebook_core::{
    Result,
    http::{HttpClient, HttpConfig},
};

/// The client for all calls to models and hubs.
pub(crate) fn http() -> Result<HttpClient> {
    HttpClient::new(&HttpConfig::default())
}
