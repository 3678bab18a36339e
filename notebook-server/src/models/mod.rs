//! Which models work, and why these.

mod by_hand;
mod chat;
mod embedding;
mod embedding_layers;
mod keys;
mod layers;
mod providers;
mod rerank;
mod state;
mod tokenizers;
mod transcription;

pub(crate) use by_hand::{ByHand, Decision, Wanted};
pub(crate) use chat::{Models, chat};
pub(crate) use embedding::{EMBEDDING_PROVIDERS, embedder, embedding_files, local_embedding_model};
pub(crate) use keys::{KeyState, key_states};
pub(crate) use layers::{Layers, layers};
pub(crate) use providers::{CHAT_PROVIDERS, price};
pub(crate) use rerank::{RERANK_PROVIDERS, rerank_place, reranking};
pub(crate) use state::{ModelState, ProviderState, Route};
pub(crate) use transcription::{TRANSCRIPTION_PROVIDERS, transcriber};

use notebook_core::{
    Result,
    http::{HttpClient, HttpConfig},
};

/// The client for all calls to models and hubs.
pub(crate) fn http() -> Result<HttpClient> {
    HttpClient::new(&HttpConfig::default())
}
