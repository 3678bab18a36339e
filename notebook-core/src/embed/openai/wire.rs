//! The JSON of the dialect, as far as it is used.

use serde::{Deserialize, Serialize};

#[derive(Serialize)]
pub(super) struct Request<'a> {
    pub(super) model: &'a str,
    pub(super) input: &'a [String],
    pub(super) encoding_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dimensions: Option<usize>,
}

#[derive(Deserialize)]
pub(super) struct Response {
    pub(super) data: Vec<Entry>,
}

#[derive(Deserialize)]
pub(super) struct Entry {
    pub(super) index: usize,
    pub(super) embedding: Vec<f32>,
}
