//! Parsing, chunking, embedding, indexes, retrieval and exact citations for an AI notebook.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod chunk;
pub mod cite;
#[cfg(feature = "keyword")]
pub mod eval;
pub mod extractive;
#[cfg(feature = "keyword")]
pub mod keyword;
#[cfg(feature = "parse")]
pub mod parse;
pub mod retrieve;
pub mod words;
