use std::{collections::BTreeSet, time::Duration};

use notebook_core::{
    NotebookId, SourceId,
    model::{Chunk, RetrievalMode, StageTiming},
};

use super::{Relevance, StageWarning};

/// What to look for, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrieveRequest {
    /// The question: words, never a query language.
    pub question: String,
    /// The notebook to search.
    pub notebook: NotebookId,
    /// Only these of its sources; an empty set finds nothing. `None` for all.
    pub sources: Option<BTreeSet<SourceId>>,
    /// The most passages to return: 1 to 100.
    pub limit: usize,
    /// The time left for all stages together; each has its own limit too.
    pub deadline: Option<Duration>,
}

/// A chunk that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    /// The chunk, as stored.
    pub chunk: Chunk,
    /// The fused score: higher is better, comparable within one result only. A reranker may order differently.
    pub score: f64,
    /// Its place among the keyword hits, from 1.
    pub keyword_rank: Option<u32>,
    /// Its place among the vector hits, from 1.
    pub vector_rank: Option<u32>,
    /// Its cosine with the question, if the vector search found it.
    pub cosine: Option<f32>,
    /// What the reranker said of it, if there is one, was in time, and was given this passage.
    pub rerank_score: Option<f32>,
}

/// What was found, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Retrieved {
    /// The passages, best first; none when nothing matches.
    pub passages: Vec<Passage>,
    /// Which searches the passages come from.
    pub mode: RetrievalMode,
    /// How much the passages have to do with the question.
    pub relevance: Relevance,
    /// Whether that is enough to answer from; see [`is_relevant`](super::is_relevant).
    pub relevant: bool,
    /// Every stage that ran, in order of its start.
    pub timings: Vec<StageTiming>,
    /// Whether a stage is missing from the result; `warnings` says which and why.
    pub partial: bool,
    /// What was left out.
    pub warnings: Vec<StageWarning>,
}
