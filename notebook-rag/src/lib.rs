//! Parsing, chunking, embedding, indexes, retrieval and exact citations for an AI notebook.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

#[cfg(feature = "ingest")]
pub mod archive;
#[cfg(any(feature = "candle", feature = "tokenizer"))]
pub mod chat;
pub mod chunk;
pub mod cite;
#[cfg(any(feature = "candle", feature = "ort"))]
pub mod embed;
#[cfg(feature = "keyword")]
pub mod eval;
pub mod extractive;
pub mod index;
#[cfg(feature = "ingest")]
pub mod ingest;
#[cfg(feature = "candle")]
mod kernels;
#[cfg(feature = "keyword")]
pub mod keyword;
pub mod models;
#[cfg(feature = "parse")]
pub mod parse;
#[cfg(feature = "candle")]
pub mod rerank;
pub mod retrieve;
#[cfg(any(feature = "ingest", feature = "candle"))]
pub mod transcribe;
pub mod words;
