//! The llama architecture: its weights, and the forward pass with a key-value cache.

use memmap2::Mmap;
use notebook_core::Result;
use rayon::prelude::*;
use std::sync::Arc;

use super::{
    file::Gguf,
    sizes::{Sizes, turns},
    weights::{Source, Weight, products},
};
use crate::kernels::{Matrix, MatrixMut, multiply, quant::Rounded, silu_mul, softmax};

#[derive(Debug)]
struct Layer {
    attention_norm: Vec<f32>,
    query: Weight,
    key: Weight,
    value: Weight,
    output: Weight,
    inner_norm: Vec<f32>,
    gate: Weight,
    up: Weight,
    down: Weight,
}

/// A model, shared by all that generate.
#[derive(Debug)]
pub(super) struct Llama {
    pub(super) sizes: Sizes,
    /// Turns of each pair of a head's numbers from one position to the next, in radians.
    turns: Vec<f32>,
    words: Weight,
    layers: Vec<Layer>,
    norm: Vec<f32>,
    /// `None` when the words serve as output too.
    output: Option<Weight>,
}

/// What has been read so far, and the buffers of a forward pass.
#[derive(Debug, Default)]
pub(super) struct State {
    tokens: usize,
    /// For each layer: keys and values, `[tokens, kv_heads * head]`.
    cache: Vec<(Vec<f32>, Vec<f32>)>,
    x: Vec<f32>,
    normed: Vec<f32>,
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    scores: Vec<f32>,
    mixed: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    panel: Vec<f32>,
    rounded: Rounded,
}

impl State {
    /// How many tokens have been read.
    pub(super) fn tokens(&self) -> usize {
        self.tokens
    }
}

/// A token id or a shape that does not fit the model: a defect, since both are checked before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token or a shape does not fit the model")]
pub(super) struct ShapeError;

type Done = Result<(), ShapeError>;

fn ok(done: bool) -> Done {
    if done { Ok(()) } else { Err(ShapeError) }
}

impl Llama {
    /// Takes the model out of a mapped file.
    pub(super) fn load(gguf: &Gguf, map: &Arc<Mmap>) -> Result<Self> {
        let (sizes, source) = (Sizes::read(gguf)?, Source { gguf, map });
        let output = match gguf.tensor("output.weight") {
            Some(_) => Some(source.matrix("output.weight", sizes.vocab, sizes.hidden)?),
            None => None,
        };
        Ok(Self {
            turns: turns(&source, &sizes)?,
            words: source.matrix("token_embd.weight", sizes.vocab, sizes.hidden)?,
            layers: (0..sizes.layers).map(|i| layer(&source, &sizes, i)).collect::<Result<_>>()?,
            norm: source.vector("output_norm.weight", sizes.hidden)?,
            output,
            sizes,
        })
    }

    /// Reads `tokens` after those already read; `logits` gets one number for each word of the
    /// vocabulary, for the token after the last.
    pub(super) fn read(&self, state: &mut State, tokens: &[u32], logits: &mut Vec<f32>) -> Done {
        state.cache.resize_with(self.layers.len(), Default::default);
        state.x.clear();
        for token in tokens {
            let index = usize::try_from(*token).map_err(|_| ShapeError)?;
            ok(self.words.append_row(index, &mut state.x))?;
        }
        for (index, layer) in self.layers.iter().enumerate() {
            self.attention(layer, index, state, tokens.len())?;
            self.inner(layer, state)?;
        }
        state.tokens += tokens.len();
        let last = state.x.len().saturating_sub(self.sizes.hidden);
        rms_norm(
            state.x.get(last..).unwrap_or_default(),
            &self.norm,
            self.sizes.epsilon,
            &mut state.normed,
        );
        let output = self.output.as_ref().unwrap_or(&self.words);
        state.rounded.set(&state.normed);
        products(&state.rounded, &mut [(output, logits)]);
        // Rounding moves a logit by 0.1 or so, which changes answers: words are often that close.
        state.rounded.set_rest(&mut state.normed);
        products(&state.rounded, &mut [(output, &mut state.up)]);
        for (logit, rest) in logits.iter_mut().zip(&state.up) {
            *logit += rest;
        }
        Ok(())
    }

    fn attention(&self, layer: &Layer, index: usize, state: &mut State, count: usize) -> Done {
        let State {
            tokens,
            cache,
            x,
            normed,
            query,
            key,
            value,
            scores,
            mixed,
            up,
            panel,
            rounded,
            ..
        } = state;
        rms_norm(x, &layer.attention_norm, self.sizes.epsilon, normed);
        if count == 1 {
            rounded.set(normed);
            products(
                rounded,
                &mut [(&layer.query, query), (&layer.key, key), (&layer.value, value)],
            );
        } else {
            ok(layer.query.apply(normed, query, panel))?;
            ok(layer.key.apply(normed, key, panel))?;
            ok(layer.value.apply(normed, value, panel))?;
        }
        self.rotate(query, self.sizes.heads, *tokens);
        self.rotate(key, self.sizes.kv_heads, *tokens);
        let (keys, values) = cache.get_mut(index).ok_or(ShapeError)?;
        keys.extend_from_slice(key);
        values.extend_from_slice(value);
        self.mix(query, keys, values, *tokens, scores, up)?;
        gather(up, self.sizes.heads, self.sizes.head, mixed);
        self.add(&layer.output, mixed, rounded, panel, normed, x)
    }

    /// Attention of all heads, into `out` as `[heads, tokens, head]`.
    fn mix(
        &self,
        query: &[f32],
        keys: &[f32],
        values: &[f32],
        before: usize,
        scores: &mut Vec<f32>,
        out: &mut Vec<f32>,
    ) -> Done {
        let Sizes { heads, kv_heads, head, .. } = self.sizes;
        let count = query.len() / (heads * head);
        let total = before + count;
        scores.resize(heads * count * total, 0.0);
        out.resize(query.len(), 0.0);
        #[expect(clippy::cast_precision_loss)]
        let scale = 1.0 / (head as f32).sqrt();
        scores
            .par_chunks_mut(count * total)
            .zip(out.par_chunks_mut(count * head))
            .enumerate()
            .map(|(index, (scores, out))| {
                let shared = index / (heads / kv_heads) * head;
                let query = Matrix::new(
                    query.get(index * head..).unwrap_or_default(),
                    count,
                    head,
                    heads * head,
                );
                let keys = Matrix::new(
                    keys.get(shared..).unwrap_or_default(),
                    total,
                    head,
                    kv_heads * head,
                );
                let values = Matrix::new(
                    values.get(shared..).unwrap_or_default(),
                    total,
                    head,
                    kv_heads * head,
                );
                ok(multiply(
                    MatrixMut::new(scores, count, total, total),
                    query,
                    keys.transposed(),
                    1,
                ))?;
                // A token sees itself and what came before it.
                for (row, scores) in scores.chunks_exact_mut(total).enumerate() {
                    scores.get_mut(before + row + 1..).unwrap_or_default().fill(f32::NEG_INFINITY);
                }
                softmax(scores, total, scale);
                ok(multiply(
                    MatrixMut::new(out, count, head, head),
                    Matrix::new(scores, count, total, total),
                    values,
                    1,
                ))
            })
            .collect()
    }

    /// Turns the pairs (0, 1), (2, 3), ... of every head by the token's position.
    fn rotate(&self, rows: &mut [f32], heads: usize, first: usize) {
        for (row, numbers) in rows.chunks_exact_mut(heads * self.sizes.head).enumerate() {
            #[expect(clippy::cast_precision_loss)]
            let position = (first + row) as f32;
            let turns: Vec<(f32, f32)> =
                self.turns.iter().map(|turn| (position * turn).sin_cos()).collect();
            for head in numbers.chunks_exact_mut(self.sizes.head) {
                for ([a, b], (sin, cos)) in head.as_chunks_mut::<2>().0.iter_mut().zip(&turns) {
                    (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
                }
            }
        }
    }

    fn inner(&self, layer: &Layer, state: &mut State) -> Done {
        let State { x, normed, gate, up, panel, rounded, .. } = state;
        rms_norm(x, &layer.inner_norm, self.sizes.epsilon, normed);
        if x.len() == self.sizes.hidden {
            rounded.set(normed);
            products(rounded, &mut [(&layer.gate, gate), (&layer.up, up)]);
        } else {
            ok(layer.gate.apply(normed, gate, panel))?;
            ok(layer.up.apply(normed, up, panel))?;
        }
        silu_mul(gate, up);
        self.add(&layer.down, gate, rounded, panel, normed, x)
    }

    /// `x += input W^T`
    fn add(
        &self,
        weight: &Weight,
        input: &[f32],
        rounded: &mut Rounded,
        panel: &mut Vec<f32>,
        out: &mut Vec<f32>,
        x: &mut [f32],
    ) -> Done {
        if x.len() == self.sizes.hidden {
            rounded.set(input);
            products(rounded, &mut [(weight, out)]);
        } else {
            ok(weight.apply(input, out, panel))?;
        }
        for (x, out) in x.iter_mut().zip(out) {
            *x += *out;
        }
        Ok(())
    }
}

fn layer(source: &Source<'_>, sizes: &Sizes, index: usize) -> Result<Layer> {
    let name = |part: &str| format!("blk.{index}.{part}.weight");
    let matrix = |part, rows, columns| source.matrix(&name(part), rows, columns);
    let (all, shared) = (sizes.heads * sizes.head, sizes.kv_heads * sizes.head);
    Ok(Layer {
        attention_norm: source.vector(&name("attn_norm"), sizes.hidden)?,
        query: matrix("attn_q", all, sizes.hidden)?,
        key: matrix("attn_k", shared, sizes.hidden)?,
        value: matrix("attn_v", shared, sizes.hidden)?,
        output: matrix("attn_output", sizes.hidden, all)?,
        inner_norm: source.vector(&name("ffn_norm"), sizes.hidden)?,
        gate: matrix("ffn_gate", sizes.inner, sizes.hidden)?,
        up: matrix("ffn_up", sizes.inner, sizes.hidden)?,
        down: matrix("ffn_down", sizes.hidden, sizes.inner)?,
    })
}

/// Root-mean-square normalisation of every row, into `out`.
fn rms_norm(rows: &[f32], weight: &[f32], epsilon: f32, out: &mut Vec<f32>) {
    out.clear();
    for row in rows.chunks_exact(weight.len().max(1)) {
        #[expect(clippy::cast_precision_loss)]
        let mean = row.iter().map(|v| v * v).sum::<f32>() / row.len() as f32;
        let factor = 1.0 / (mean + epsilon).sqrt();
        out.extend(row.iter().zip(weight).map(|(value, weight)| value * factor * weight));
    }
}

/// `[heads, tokens, head]` to `[tokens, heads * head]`.
fn gather(from: &[f32], heads: usize, head: usize, to: &mut Vec<f32>) {
    to.clear();
    let count = from.len() / (heads * head);
    for token in 0..count {
        for index in 0..heads {
            let start = (index * count + token) * head;
            to.extend_from_slice(from.get(start..start + head).unwrap_or_default());
        }
    }
}
