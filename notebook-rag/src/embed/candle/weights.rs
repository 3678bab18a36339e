//! The weights of a BERT model, read once from safetensors and shared by all replicas.

use std::path::Path;

use half::{bf16, f16};
use notebook_core::{Error, ErrorKind, Result};
use safetensors::{Dtype, SafeTensors};

use super::super::local::config::{BertConfig, OPERATION};
use crate::kernels::Norm;

/// `y = x W + b`, W as `[inputs, outputs]`.
#[derive(Debug)]
pub(super) struct Linear {
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

/// One transformer block.
#[derive(Debug)]
pub(super) struct Layer {
    /// Query, key and value side by side.
    pub(super) qkv: Linear,
    pub(super) attention: Linear,
    pub(super) attention_norm: Norm,
    pub(super) up: Linear,
    pub(super) down: Linear,
    pub(super) output_norm: Norm,
}

/// All weights.
#[derive(Debug)]
pub(super) struct Weights {
    /// `[vocab, hidden]`
    pub(super) words: Vec<f32>,
    /// `[positions, hidden]`
    pub(super) positions: Vec<f32>,
    /// The first row of the token types.
    pub(super) token_type: Vec<f32>,
    /// What the second row adds to the first: for the second text of a pair. Empty in models of one type.
    pub(super) second_type: Vec<f32>,
    pub(super) norm: Norm,
    pub(super) layers: Vec<Layer>,
}

/// Finds tensors by name and checks their shapes.
pub(super) struct Reader<'a> {
    file: &'a Path,
    tensors: SafeTensors<'a>,
    prefix: &'static str,
    config: &'a BertConfig,
}

impl Weights {
    /// Takes the weights out of the bytes of a safetensors `file`.
    pub(super) fn parse(file: &Path, bytes: &[u8], config: &BertConfig) -> Result<Self> {
        Reader::open(file, bytes, config)?.weights()
    }
}

impl<'a> Reader<'a> {
    /// Finds out how the tensors are named.
    pub(super) fn open(file: &'a Path, bytes: &'a [u8], config: &'a BertConfig) -> Result<Self> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| {
            Error::new(ErrorKind::Corrupt, OPERATION)
                .with("file", file.display().to_string())
                .with("reason", error.to_string())
                .with("fix", "fetch the file again")
                .caused_by(error)
        })?;
        let bare = tensors.names().iter().any(|name| name.starts_with("embeddings."));
        Ok(Self { file, tensors, prefix: if bare { "" } else { "bert." }, config })
    }

    /// For tensors beside the body.
    pub(super) fn without_prefix(self) -> Self {
        Self { prefix: "", ..self }
    }

    fn weights(&self) -> Result<Weights> {
        let (config, hidden) = (self.config, self.config.hidden_size);
        let mut token_type = self
            .tensor("embeddings.token_type_embeddings.weight", &[config.type_vocab_size, hidden])?;
        let second = token_type.get(hidden..2 * hidden).unwrap_or_default();
        let second_type = second.iter().zip(&token_type).map(|(two, one)| two - one).collect();
        token_type.truncate(hidden);
        Ok(Weights {
            words: self
                .tensor("embeddings.word_embeddings.weight", &[config.vocab_size, hidden])?,
            positions: self.tensor(
                "embeddings.position_embeddings.weight",
                &[config.max_position_embeddings, hidden],
            )?,
            token_type,
            second_type,
            norm: self.norm("embeddings.LayerNorm")?,
            layers: (0..config.num_hidden_layers).map(|i| self.layer(i)).collect::<Result<_>>()?,
        })
    }

    fn layer(&self, index: usize) -> Result<Layer> {
        let name = |rest: &str| format!("encoder.layer.{index}.{rest}");
        let (hidden, inner) = (self.config.hidden_size, self.config.intermediate_size);
        let parts = ["query", "key", "value"]
            .into_iter()
            .map(|part| self.parts(&name(&format!("attention.self.{part}")), hidden, hidden))
            .collect::<Result<Vec<_>>>()?;
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for part in parts {
            weight.extend(part.0);
            bias.extend(part.1);
        }
        Ok(Layer {
            qkv: Linear { weight: transpose(&weight, hidden), bias },
            attention: self.linear(&name("attention.output.dense"), hidden, hidden)?,
            attention_norm: self.norm(&name("attention.output.LayerNorm"))?,
            up: self.linear(&name("intermediate.dense"), hidden, inner)?,
            down: self.linear(&name("output.dense"), inner, hidden)?,
            output_norm: self.norm(&name("output.LayerNorm"))?,
        })
    }

    fn linear(&self, name: &str, inputs: usize, outputs: usize) -> Result<Linear> {
        let (weight, bias) = self.parts(name, inputs, outputs)?;
        Ok(Linear { weight: transpose(&weight, inputs), bias })
    }

    /// The weight `[outputs, inputs]` and the bias of a layer.
    pub(super) fn parts(
        &self,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<(Vec<f32>, Vec<f32>)> {
        let weight = self.tensor(&format!("{name}.weight"), &[outputs, inputs])?;
        Ok((weight, self.tensor(&format!("{name}.bias"), &[outputs])?))
    }

    fn norm(&self, name: &str) -> Result<Norm> {
        let hidden = self.config.hidden_size;
        #[expect(clippy::cast_possible_truncation)]
        let epsilon = self.config.layer_norm_eps as f32;
        let weight = self.tensor(&format!("{name}.weight"), &[hidden])?;
        Ok(Norm { weight, bias: self.tensor(&format!("{name}.bias"), &[hidden])?, epsilon })
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let name = format!("{}{name}", self.prefix);
        let wrong = |kind, reason: String| {
            Error::new(kind, OPERATION)
                .with("file", self.file.display().to_string())
                .with("field", name.clone())
                .with("reason", reason)
        };
        let tensor = self.tensors.tensor(&name).map_err(|error| {
            wrong(ErrorKind::Corrupt, "there is no such tensor".into()).caused_by(error)
        })?;
        if tensor.shape() != shape {
            let reason = format!("its shape is {:?}, not {shape:?}", tensor.shape());
            return Err(wrong(ErrorKind::Corrupt, reason));
        }
        let data = tensor.data();
        match tensor.dtype() {
            Dtype::F32 => Ok(data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
            Dtype::F16 => {
                Ok(data.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect())
            }
            Dtype::BF16 => {
                Ok(data.as_chunks().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect())
            }
            other => Err(wrong(
                ErrorKind::Unsupported,
                format!("its type is {other:?}, not F32, F16 or BF16"),
            )),
        }
    }
}

/// `[rows, columns]` to `[columns, rows]`.
fn transpose(matrix: &[f32], columns: usize) -> Vec<f32> {
    let rows = matrix.chunks_exact(columns);
    (0..columns)
        .flat_map(|column| rows.clone().filter_map(move |row| row.get(column).copied()))
        .collect()
}
