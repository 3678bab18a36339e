//! Which models answer, and which make vectors.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;

use super::{
    Anthropic, Azure, EmbeddingResilience, Google, Ollama, OpenAi, PresetServer, Price, Resilience,
    TokenizerFile,
};

/// Which model answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Chat {
    /// `auto`, or one of the providers compiled in.
    pub provider: String,
    /// The most tokens of a prompt.
    pub context_tokens: usize,
    /// Whether the messages that the prompt has no room for are summed up by the model, which costs a call more.
    pub summaries: bool,
    /// The most tokens of an answer.
    pub answer_tokens: u32,
    /// 0 to 2.
    pub temperature: Option<f32>,
    /// After how many seconds without anybody who watches it an answer is ended; 0: as soon as nobody does.
    pub unwatched_seconds: u32,
    /// Whether what came into an answer is kept with it, so that `notebook replay` can do it again.
    pub record_runs: bool,
    /// Any server that speaks OpenAI's Chat Completions.
    pub openai: OpenAi,
    /// Ollama.
    pub ollama: Ollama,
    /// Google Gemini.
    pub google: Google,
    /// Anthropic.
    pub anthropic: Anthropic,
    /// Azure OpenAI.
    pub azure: Azure,
    /// Known providers that speak OpenAI's dialect, by name.
    pub presets: BTreeMap<String, PresetServer>,
    /// A model file on this machine.
    pub gguf: Gguf,
    /// What models cost, by patterns of `provider/model`.
    pub prices: BTreeMap<String, Price>,
    /// The public tokenizers of models, by patterns of `provider/model`.
    pub tokenizers: BTreeMap<String, TokenizerFile>,
    /// The models that answer when the one that is asked cannot, in this order: `provider/model`, or a provider.
    pub fallback: Vec<String>,
    /// What stands around models of other machines.
    pub resilience: Resilience,
}

impl Default for Chat {
    fn default() -> Self {
        Self {
            provider: "auto".to_owned(),
            context_tokens: 8_000,
            summaries: false,
            answer_tokens: 1_024,
            temperature: None,
            unwatched_seconds: 60,
            record_runs: false,
            openai: OpenAi::default(),
            ollama: Ollama::default(),
            google: Google::default(),
            anthropic: Anthropic::default(),
            azure: Azure::default(),
            presets: BTreeMap::new(),
            gguf: Gguf::default(),
            prices: BTreeMap::new(),
            tokenizers: BTreeMap::new(),
            fallback: Vec::new(),
            resilience: Resilience::default(),
        }
    }
}

/// Which model makes vectors.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Embedding {
    /// `auto`, `none`, or one of the providers compiled in.
    pub provider: String,
    /// Model name for remote providers, or the name of a folder of model files for `candle` and `ort`.
    pub model: Option<String>,
    /// Folder with `tokenizer.json`, `config.json`, and `model.safetensors` for `candle` or `model.onnx`
    /// for `ort`.
    pub folder: Option<PathBuf>,
    /// onnxruntime's library, for `ort`; the usual places when absent.
    pub onnxruntime: Option<PathBuf>,
    /// Length of the vectors, for remote providers; asked from the provider when absent.
    pub dimensions: Option<usize>,
    /// The most bytes of vectors that are kept by the hash of their texts; 0 for none.
    pub cache_bytes: usize,
    /// What stands around models of other machines.
    pub resilience: EmbeddingResilience,
}

impl Default for Embedding {
    fn default() -> Self {
        Self {
            provider: "auto".to_owned(),
            model: None,
            folder: None,
            dimensions: None,
            cache_bytes: 256 << 20,
            onnxruntime: None,
            resilience: EmbeddingResilience::default(),
        }
    }
}

/// A model file on this machine.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gguf {
    /// The file; the model cache is searched when absent.
    pub path: Option<PathBuf>,
    /// The most tokens of prompt and answer: a small machine reads long prompts slowly.
    pub context_tokens: u32,
}

impl Default for Gguf {
    fn default() -> Self {
        Self { path: None, context_tokens: 2_048 }
    }
}
