//! The JSON of the dialect, as far as it is used.

use serde::{Deserialize, Serialize};

#[derive(Serialize)]
pub(super) struct Request<'a> {
    pub(super) model: &'a str,
    pub(super) input: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) keep_alive: Option<&'a str>,
}

#[derive(Deserialize)]
pub(super) struct Response {
    pub(super) embeddings: Vec<Vec<f32>>,
}
