//! What a model that judges texts has beside its body: one label's.

use std::path::Path;

use notebook_core::Result;

use super::{super::local::config::BertConfig, weights::Reader};

/// The pooler and the classifier of `BertForSequenceClassification` with one label.
#[derive(Debug)]
pub(crate) struct Head {
    /// `[hidden, hidden]`, by outputs.
    pooler: Vec<f32>,
    pooler_bias: Vec<f32>,
    /// `[hidden]`
    label: Vec<f32>,
    label_bias: f32,
}

impl Head {
    /// Takes it out of the bytes of a safetensors `file`.
    pub(crate) fn parse(file: &Path, bytes: &[u8], config: &BertConfig) -> Result<Self> {
        let (body, hidden) = (Reader::open(file, bytes, config)?, config.hidden_size);
        let (pooler, pooler_bias) = body.parts("pooler.dense", hidden, hidden)?;
        let (label, label_bias) = body.without_prefix().parts("classifier", hidden, 1)?;
        let label_bias = label_bias.first().copied().unwrap_or_default();
        Ok(Self { pooler, pooler_bias, label, label_bias })
    }

    /// What it says of a text whose first token is in this state.
    pub(crate) fn score(&self, first: &[f32]) -> f32 {
        let rows = self.pooler.chunks_exact(first.len().max(1)).zip(&self.pooler_bias);
        let pooled = rows.map(|(row, bias)| (dot(row, first) + bias).tanh());
        let label = self.label.iter().zip(pooled).map(|(weight, value)| weight * value);
        label.sum::<f32>() + self.label_bias
    }
}

fn dot(row: &[f32], values: &[f32]) -> f32 {
    row.iter().zip(values).map(|(weight, value)| weight * value).sum()
}
