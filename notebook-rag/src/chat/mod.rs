//! Chat models that run in this process, and tokenizers of those that do not.

mod counts;
#[cfg(feature = "candle")]
pub mod gguf;
#[cfg(feature = "tokenizer")]
pub mod tokenizer;
