//! Measures retrieval on a public test collection: nDCG@10 and recall@100 of keyword search,
//! vector search and both fused, through the real indexes.
//!
//! A folder in the common layout is read: `corpus.jsonl` with `_id`, `title` and `text`,
//! `queries.jsonl` with `_id` and `text`, `qrels/test.tsv`. Documents are chunked as sources
//! are; a document's place is that of its best chunk.

mod collection;
mod metrics;
mod report;
mod run;

pub use collection::{Collection, Query};
pub use metrics::{ndcg, recall};
pub use report::{Abstention, Quality, Report};
pub use run::{EvalConfig, EvalProgress, run};
