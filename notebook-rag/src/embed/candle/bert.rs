//! The forward pass: several texts laid end to end without padding, attention within each.

use std::{mem, ops::Range, path::Path};

use notebook_core::{Error, ErrorKind, Result};

use super::{
    super::local::{Forward, config::Settings, pooling::pool},
    weights::{Layer, Linear, Weights},
};
use crate::kernels::{Matrix, MatrixMut, add_norm, bias_gelu, multiply, softmax};

/// The model: shared by all threads.
#[derive(Debug)]
pub struct Bert {
    settings: Settings,
    weights: Weights,
}

/// The buffers of one replica, kept between batches.
#[derive(Debug, Default)]
pub struct Scratch {
    /// `[tokens, hidden]`: what a block reads, and what it writes.
    x: Vec<f32>,
    y: Vec<f32>,
    /// `[tokens, 3 * hidden]`, later `[tokens, intermediate]`.
    wide: Vec<f32>,
    /// `[tokens, tokens]` of one head of one text.
    scores: Vec<f32>,
}

/// The shapes within the model disagree: a defect, since loading has checked them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the shapes of a matrix product disagree")]
struct ShapeError;

impl Bert {
    /// Takes the weights out of the bytes of a safetensors `file`.
    pub(crate) fn parse(settings: &Settings, file: &Path, bytes: &[u8]) -> Result<Self> {
        let weights = Weights::parse(file, bytes, &settings.bert)?;
        Ok(Self { settings: settings.clone(), weights })
    }
}

/// Token ids with special tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    pub(crate) ids: &'a [u32],
    /// From which place on they belong to the second text of a pair.
    pub(crate) second: usize,
}

impl<'a> Text<'a> {
    /// A text that is no pair.
    const fn single(ids: &'a [u32]) -> Self {
        Self { ids, second: usize::MAX }
    }
}

impl Bert {
    /// The last state of the first token of each text.
    pub(crate) fn first_tokens(
        &self,
        scratch: &mut Scratch,
        texts: &[Text<'_>],
    ) -> Result<Vec<Vec<f32>>> {
        let hidden = self.settings.bert.hidden_size;
        let states = forward(&self.settings, &self.weights, scratch, texts).and_then(|spans| {
            let first =
                |span: &Range<usize>| row(&scratch.x, span.start, hidden).map(<[f32]>::to_vec);
            spans.iter().map(first).collect()
        });
        states.map_err(|error| Error::new(ErrorKind::Internal, "run model").caused_by(error))
    }
}

impl Forward for Bert {
    type Scratch = Scratch;

    const PADDED: bool = false;

    fn forward(&self, scratch: &mut Scratch, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let texts: Vec<Text<'_>> = texts.iter().map(|ids| Text::single(ids)).collect();
        let (settings, hidden) = (&self.settings, self.settings.bert.hidden_size);
        let vectors = forward(settings, &self.weights, scratch, &texts).and_then(|spans| {
            let vector = |span: &Range<usize>| {
                let rows = scratch.x.get(span.start * hidden..span.end * hidden)?;
                pool(settings.pooling, hidden, rows)
            };
            spans.iter().map(|span| vector(span).ok_or(ShapeError)).collect()
        });
        vectors.map_err(|error| {
            Error::new(ErrorKind::Internal, "run embedding model").caused_by(error)
        })
    }
}

/// Runs the blocks. The states of all tokens are then in `scratch.x`, and those of each text where the result says.
fn forward(
    settings: &Settings,
    weights: &Weights,
    scratch: &mut Scratch,
    texts: &[Text<'_>],
) -> Result<Vec<Range<usize>>, ShapeError> {
    look_up(settings.bert.hidden_size, weights, scratch, texts)?;
    let spans = spans(texts);
    for layer in &weights.layers {
        block(settings, layer, scratch, &spans)?;
    }
    Ok(spans)
}

/// Where each text's tokens lie.
fn spans(texts: &[Text<'_>]) -> Vec<Range<usize>> {
    let mut end = 0;
    texts
        .iter()
        .map(|text| {
            let start = end;
            end += text.ids.len();
            start..end
        })
        .collect()
}

/// Sum of word, position and type, normalised, into `x`.
fn look_up(
    hidden: usize,
    weights: &Weights,
    scratch: &mut Scratch,
    texts: &[Text<'_>],
) -> Result<(), ShapeError> {
    scratch.x.clear();
    scratch.y.clear();
    for text in texts {
        for (position, id) in text.ids.iter().enumerate() {
            let id = usize::try_from(*id).map_err(|_| ShapeError)?;
            scratch.x.extend_from_slice(row(&weights.words, id, hidden)?);
            let place = row(&weights.positions, position, hidden)?;
            if position < text.second {
                scratch.y.extend_from_slice(place);
            } else {
                let second = place.iter().zip(&weights.second_type);
                scratch.y.extend(second.map(|(place, second)| place + second));
            }
        }
    }
    add_norm(&mut scratch.x, &weights.token_type, &scratch.y, &weights.norm);
    Ok(())
}

fn row(matrix: &[f32], index: usize, width: usize) -> Result<&[f32], ShapeError> {
    matrix.get(index * width..(index + 1) * width).ok_or(ShapeError)
}

fn block(
    settings: &Settings,
    layer: &Layer,
    scratch: &mut Scratch,
    spans: &[Range<usize>],
) -> Result<(), ShapeError> {
    let (hidden, inner) = (settings.bert.hidden_size, settings.bert.intermediate_size);
    let Scratch { x, y, wide, scores } = scratch;
    linear(&layer.qkv, x, hidden, wide)?;
    for row in wide.chunks_exact_mut(3 * hidden) {
        for (value, bias) in row.iter_mut().zip(&layer.qkv.bias) {
            *value += bias;
        }
    }
    // The values that attention mixes go to `y`, and its output through `wide` and back.
    for span in spans {
        attend(settings, wide, y, scores, span)?;
    }
    linear(&layer.attention, y, hidden, wide)?;
    add_norm(wide, &layer.attention.bias, x, &layer.attention_norm);
    mem::swap(x, wide);
    linear(&layer.up, x, hidden, wide)?;
    bias_gelu(wide, &layer.up.bias);
    linear(&layer.down, wide, inner, y)?;
    add_norm(y, &layer.down.bias, x, &layer.output_norm);
    mem::swap(x, y);
    Ok(())
}

/// `out = x W`, with `out` resized to fit; the bias is left to the next kernel.
fn linear(linear: &Linear, x: &[f32], inputs: usize, out: &mut Vec<f32>) -> Result<(), ShapeError> {
    let (rows, outputs) = (x.len() / inputs, linear.bias.len());
    out.resize(rows * outputs, 0.0);
    let product = multiply(
        MatrixMut::new(out, rows, outputs, outputs),
        Matrix::new(x, rows, inputs, inputs),
        Matrix::new(&linear.weight, inputs, outputs, outputs),
        1,
    );
    if product { Ok(()) } else { Err(ShapeError) }
}

/// Attention within one text, for all heads: from `qkv` to `out` (both of all tokens).
fn attend(
    settings: &Settings,
    qkv: &[f32],
    out: &mut [f32],
    scores: &mut Vec<f32>,
    span: &Range<usize>,
) -> Result<(), ShapeError> {
    let (hidden, heads) = (settings.bert.hidden_size, settings.bert.num_attention_heads);
    let (size, tokens) = (hidden / heads, span.len());
    #[expect(clippy::cast_precision_loss)]
    let scale = 1.0 / (size as f32).sqrt();
    scores.resize(tokens * tokens, 0.0);
    for head in 0..heads {
        let part = |third: usize| {
            let start = span.start * 3 * hidden + third * hidden + head * size;
            let data = qkv.get(start..).ok_or(ShapeError)?;
            Ok(Matrix::new(data, tokens, size, 3 * hidden))
        };
        let (query, key, value) = (part(0)?, part(1)?, part(2)?);
        let done =
            multiply(MatrixMut::new(scores, tokens, tokens, tokens), query, key.transposed(), 1);
        softmax(scores, tokens, scale);
        let out = out.get_mut(span.start * hidden + head * size..).ok_or(ShapeError)?;
        let mixed = Matrix::new(scores, tokens, tokens, tokens);
        if !done || !multiply(MatrixMut::new(out, tokens, size, hidden), mixed, value, 1) {
            return Err(ShapeError);
        }
    }
    Ok(())
}
