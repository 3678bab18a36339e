//! Which models work, and why these.

mod chat;
mod embedding;

pub(crate) use chat::{CHAT_PROVIDERS, Models, chat};
pub(crate) use embedding::{EMBEDDING_PROVIDERS, embedder};

use notebook_core::{
    Result,
    http::{HttpClient, HttpConfig},
};

fn http() -> Result<HttpClient> {
    HttpClient::new(&HttpConfig::default())
}
