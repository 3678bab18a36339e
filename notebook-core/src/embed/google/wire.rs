//! The JSON of the dialect, as far as it is used.

use serde::{Deserialize, Serialize};

#[derive(Serialize)]
pub(super) struct Request<'a> {
    pub(super) requests: Vec<Entry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry<'a> {
    pub(super) model: &'a str,
    pub(super) content: Content<'a>,
    pub(super) task_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output_dimensionality: Option<usize>,
}

#[derive(Serialize)]
pub(super) struct Content<'a> {
    pub(super) parts: [Text<'a>; 1],
}

#[derive(Serialize)]
pub(super) struct Text<'a> {
    pub(super) text: &'a str,
}

#[derive(Deserialize)]
pub(super) struct Response {
    pub(super) embeddings: Vec<Values>,
}

#[derive(Deserialize)]
pub(super) struct Values {
    pub(super) values: Vec<f32>,
}
