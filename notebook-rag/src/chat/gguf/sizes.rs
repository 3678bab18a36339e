//! The settings of the llama architecture.

use notebook_core::Result;

use super::{
    file::{Gguf, Value},
    weights::Source,
};

/// The sizes of a model.
#[derive(Debug, Clone)]
pub(super) struct Sizes {
    pub(super) context: usize,
    pub(super) vocab: usize,
    pub(super) layers: usize,
    pub(super) hidden: usize,
    pub(super) inner: usize,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head: usize,
    pub(super) rotated: usize,
    pub(super) epsilon: f32,
}

impl Sizes {
    /// Reads the settings of the file and checks that they fit each other.
    pub(super) fn read(gguf: &Gguf) -> Result<Self> {
        let architecture = gguf.text("general.architecture")?;
        if architecture != "llama" {
            return Err(gguf
                .unsupported("general.architecture", format!("it is {architecture}, not llama")));
        }
        if gguf.number("llama.expert_count")?.unwrap_or(0) > 0 {
            return Err(
                gguf.unsupported("llama.expert_count", "mixtures of experts are not supported")
            );
        }
        let hidden = gguf.size("llama.embedding_length", 1 << 16)?;
        let heads = gguf.size("llama.attention.head_count", 1 << 10)?;
        let kv_heads = gguf.number("llama.attention.head_count_kv")?.unwrap_or(heads);
        if kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
            return Err(
                gguf.corrupt("llama.attention.head_count_kv", "it is not a divisor of head_count")
            );
        }
        let head = gguf.number("llama.attention.key_length")?.unwrap_or(hidden / heads);
        let rotated = gguf.number("llama.rope.dimension_count")?.unwrap_or(head);
        if head == 0 || head > 1 << 12 || rotated > head || !rotated.is_multiple_of(2) {
            return Err(
                gguf.corrupt("llama.rope.dimension_count", "it is odd, or larger than a head")
            );
        }
        let epsilon = gguf.float("llama.attention.layer_norm_rms_epsilon")?.unwrap_or(1e-5);
        Ok(Self {
            context: gguf.size("llama.context_length", 1 << 24)?,
            vocab: gguf.list("tokenizer.ggml.tokens")?.len(),
            layers: gguf.size("llama.block_count", 1 << 10)?,
            inner: gguf.size("llama.feed_forward_length", 1 << 18)?,
            hidden,
            heads,
            kv_heads,
            head,
            rotated,
            epsilon,
        })
    }
}

/// The turns of rotary embedding, with the scalings that files of this family carry.
pub(super) fn turns(source: &Source<'_>, sizes: &Sizes) -> Result<Vec<f32>> {
    let gguf = source.gguf;
    let base = gguf.float("llama.rope.freq_base")?.unwrap_or(10_000.0);
    let linear = match gguf.get("llama.rope.scaling.type") {
        None => 1.0,
        Some(Value::Text(kind)) if kind == "none" => 1.0,
        Some(Value::Text(kind)) if kind == "linear" => {
            gguf.float("llama.rope.scaling.factor")?.unwrap_or(1.0)
        }
        Some(other) => {
            return Err(gguf.unsupported(
                "llama.rope.scaling.type",
                format!("it is {other:?}, not none or linear"),
            ));
        }
    };
    let half = sizes.rotated / 2;
    let factors = match gguf.tensor("rope_freqs.weight") {
        Some(_) => source.vector("rope_freqs.weight", half)?,
        None => vec![1.0; half],
    };
    #[expect(clippy::cast_precision_loss)]
    let turn = |(index, factor): (usize, f32)| {
        base.powf(-2.0 * index as f32 / sizes.rotated as f32) / (factor * linear)
    };
    Ok(factors.into_iter().enumerate().map(turn).collect())
}
