use std::{collections::HashSet, path::Path, sync::Arc, time::Instant};

use notebook_core::{
    Error, ErrorKind, NotebookId, Result, SourceId, TenantId, TenantScope,
    embed::{EmbedKind, Embedder},
    keyword::KeywordIndex,
    model::{Chunk, ChunkKey, RetrievalMode},
    vector::{ChunkFilter, Hit, MemoryVectorIndex, VectorIndex},
};

use super::{Abstention, Collection, Quality, Report, ndcg, recall};
use crate::{
    chunk::{
        ChunkConfig, Chunker, WordCounts, estimate_tokens, keyword_record, search_text,
        vector_records,
    },
    keyword::{KeywordConfig, TantivyIndex},
    retrieve::{Reranking, RetrieveConfig, assess, best_first, fuse, is_relevant},
    words::Stemming,
};

/// Texts embedded at once.
const BATCH: usize = 64;
/// How many chunks a search returns: enough for 100 documents.
const HITS: usize = 500;
/// How many passages tell whether anything relevant was found.
const JUDGED: usize = 5;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct EvalConfig {
    /// Length of the chunks; that for the embedder if none.
    pub chunk: Option<ChunkConfig>,
    /// Stemming of the keyword index.
    pub stemming: Stemming,
    /// Fusion, and when passages count as relevant.
    pub retrieve: RetrieveConfig,
}

/// How far an evaluation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvalProgress {
    /// What is being done, such as `embed chunks`.
    pub stage: &'static str,
    /// Units done.
    pub done: usize,
    /// Units in all.
    pub total: usize,
}

/// Measures retrieval on the collection in `folder`, by keywords alone without `embedder`; with a reranker also the order
/// that it gives to what was fused.
///
/// Indexes are made in a temporary folder and removed.
///
/// # Errors
/// As [`Collection::load`]; those of the indexes, the embedder and the reranker.
pub async fn run(
    folder: &Path,
    embedder: Option<Arc<dyn Embedder>>,
    reranking: Option<Reranking>,
    config: EvalConfig,
    progress: &(dyn Fn(EvalProgress) + Send + Sync),
) -> Result<Report> {
    let start = Instant::now();
    let collection = Collection::load(folder)?;
    let temporary = tempfile::tempdir()
        .map_err(|e| Error::new(ErrorKind::Unavailable, "make temporary folder").caused_by(e))?;
    let bench =
        Bench::index(&collection, temporary.path(), embedder.as_ref(), config, progress).await?;
    let questions: Vec<&str> = collection.queries.iter().map(|query| query.text.as_str()).collect();
    let found = bench.find("search queries", &questions, progress).await?;
    let others: Vec<&str> = collection.unanswerable.iter().map(String::as_str).collect();
    let others = bench.find("search unanswerable questions", &others, progress).await?;
    let modes: &[RetrievalMode] = match embedder {
        Some(_) => &[RetrievalMode::Keyword, RetrievalMode::Vector, RetrievalMode::Hybrid],
        None => &[RetrievalMode::Keyword],
    };
    let orders = |mode: &RetrievalMode| -> Vec<_> {
        found.iter().map(|found| bench.ranking(*mode, found)).collect()
    };
    let row = |mode: &RetrievalMode| quality(*mode, &collection, &orders(mode));
    let mut rows: Vec<Quality> = modes.iter().map(row).collect();
    if let (Some(reranking), Some(mode)) = (&reranking, modes.last()) {
        let orders = bench.reranked(reranking, *mode, &found, progress).await?;
        rows.push(Quality { reranked: true, ..quality(*mode, &collection, &orders) });
    }
    let decided = modes.iter().filter(|mode| **mode != RetrievalMode::Vector);
    Ok(Report {
        collection: folder.file_name().map_or_else(String::new, |n| n.to_string_lossy().into()),
        documents: collection.documents.len(),
        chunks: bench.chunks.len(),
        queries: collection.queries.len(),
        model: embedder.as_ref().map(|embedder| embedder.space().model.clone()),
        reranker: reranking.map(|reranking| reranking.model.model().to_owned()),
        rows,
        abstention: decided.map(|mode| bench.abstention(*mode, &found, &others)).collect(),
        took: start.elapsed(),
    })
}

/// An indexed collection.
struct Bench<'a> {
    config: EvalConfig,
    scope: TenantScope,
    chunks: Vec<Chunk>,
    keyword: TantivyIndex,
    vector: Option<(MemoryVectorIndex, &'a Arc<dyn Embedder>)>,
}

/// What both searches found for one question.
struct Found {
    question: String,
    keyword: Vec<Hit>,
    vector: Vec<Hit>,
}

impl<'a> Bench<'a> {
    async fn index(
        collection: &Collection,
        folder: &Path,
        embedder: Option<&'a Arc<dyn Embedder>>,
        config: EvalConfig,
        progress: &(dyn Fn(EvalProgress) + Send + Sync),
    ) -> Result<Self> {
        #[allow(clippy::disallowed_methods, reason = "nothing but the collection is in reach")]
        let scope = TenantScope::authenticated(TenantId::new());
        let chunks = chunks(collection, embedder, config)?;
        let keyword = TantivyIndex::new(KeywordConfig {
            stemming: config.stemming,
            ..KeywordConfig::in_folder(folder)
        })?;
        let vector =
            embedder.map(|embedder| (MemoryVectorIndex::new(embedder.space().clone()), embedder));
        let bench = Self { config, scope, chunks, keyword, vector };
        bench.add_words().await?;
        bench.add_vectors(progress).await?;
        Ok(bench)
    }

    async fn add_words(&self) -> Result<()> {
        for chunk in &self.chunks {
            let record = keyword_record(chunk);
            self.keyword.add(&self.scope, NOTEBOOK, chunk.key.source, vec![record]).await?;
        }
        self.keyword.commit(&self.scope).await
    }

    async fn add_vectors(&self, progress: &(dyn Fn(EvalProgress) + Send + Sync)) -> Result<()> {
        let Some((index, embedder)) = &self.vector else { return Ok(()) };
        let mut done = 0;
        for batch in self.chunks.chunks(BATCH) {
            let records = vector_records(&***embedder, NOTEBOOK, batch).await?;
            index.upsert(&self.scope, records).await?;
            done += batch.len();
            progress(EvalProgress { stage: "embed chunks", done, total: self.chunks.len() });
        }
        Ok(())
    }

    async fn find(
        &self,
        stage: &'static str,
        questions: &[&str],
        progress: &(dyn Fn(EvalProgress) + Send + Sync),
    ) -> Result<Vec<Found>> {
        let mut found = Vec::with_capacity(questions.len());
        let all = ChunkFilter::default();
        for batch in questions.chunks(BATCH) {
            let texts: Vec<String> = batch.iter().map(|text| (*text).to_owned()).collect();
            let mut vectors = match &self.vector {
                Some((_, embedder)) => embedder.embed(EmbedKind::Query, &texts).await?,
                None => Vec::new(),
            }
            .into_iter();
            for question in texts {
                let keyword = self.keyword.search(&self.scope, &question, HITS, &all).await?;
                let vector = match (&self.vector, vectors.next()) {
                    (Some((index, _)), Some(vector)) => {
                        index.search(&self.scope, &vector, HITS, &all).await?
                    }
                    _ => Vec::new(),
                };
                found.push(Found { question, keyword, vector });
            }
            progress(EvalProgress { stage, done: found.len(), total: questions.len() });
        }
        Ok(found)
    }

    /// The chunks in the order of one way of searching.
    fn ranking(&self, mode: RetrievalMode, found: &Found) -> Vec<ChunkKey> {
        let keys = |hits: &[Hit]| hits.iter().map(|hit| hit.key).collect::<Vec<_>>();
        match mode {
            RetrievalMode::Keyword => keys(&found.keyword),
            RetrievalMode::Vector => keys(&found.vector),
            RetrievalMode::Hybrid => {
                let depth = self.config.retrieve.depth;
                let first = |hits: &[Hit]| keys(hits.get(..depth).unwrap_or(hits));
                let (keyword, vector) = (first(&found.keyword), first(&found.vector));
                let fused = fuse(self.config.retrieve.fusion, &keyword, &vector);
                fused.into_iter().map(|item| item.key).collect()
            }
        }
    }

    /// The chunks of each question with the first of them in the reranker's order.
    async fn reranked(
        &self,
        reranking: &Reranking,
        mode: RetrievalMode,
        found: &[Found],
        progress: &(dyn Fn(EvalProgress) + Send + Sync),
    ) -> Result<Vec<Vec<ChunkKey>>> {
        let mut orders = Vec::with_capacity(found.len());
        for one in found {
            let mut order = self.ranking(mode, one);
            let most = reranking.candidates.min(order.len());
            let (judged, _) = order.split_at_mut(most);
            let texts: Vec<String> =
                judged.iter().filter_map(|key| self.chunk(*key)).map(search_text).collect();
            let scores = reranking.scores(&one.question, &texts).await?;
            let mut scored: Vec<(ChunkKey, f32)> = judged.iter().copied().zip(scores).collect();
            scored.sort_by(|(_, one), (_, other)| best_first(*one, *other));
            judged.iter_mut().zip(scored).for_each(|(place, (key, _))| *place = key);
            orders.push(order);
            progress(EvalProgress { stage: "rerank", done: orders.len(), total: found.len() });
        }
        Ok(orders)
    }

    fn abstention(&self, mode: RetrievalMode, found: &[Found], others: &[Found]) -> Abstention {
        let refused = |found: &[Found]| found.iter().filter(|f| !self.is_relevant(mode, f)).count();
        Abstention {
            mode,
            answerable: found.len(),
            answerable_refused: refused(found),
            unanswerable: others.len(),
            unanswerable_refused: refused(others),
        }
    }

    fn is_relevant(&self, mode: RetrievalMode, found: &Found) -> bool {
        let ranking = self.ranking(mode, found);
        let best = ranking.iter().take(JUDGED).filter_map(|key| self.chunk(*key));
        let cosine = match mode {
            RetrievalMode::Keyword => None,
            _ => Some(found.vector.first().map_or(0.0, |hit| hit.score)),
        };
        let relevance = assess(&found.question, cosine, best.map(|chunk| chunk.text.as_str()));
        !ranking.is_empty() && is_relevant(&relevance, &self.config.retrieve.relevance)
    }

    fn chunk(&self, key: ChunkKey) -> Option<&Chunk> {
        let place = self.chunks.binary_search_by_key(&key, |chunk| chunk.key).ok()?;
        self.chunks.get(place)
    }
}

/// The means over the queries, each with its chunks in order.
fn quality(mode: RetrievalMode, collection: &Collection, orders: &[Vec<ChunkKey>]) -> Quality {
    let (mut ndcg_10, mut recall_100) = (0.0, 0.0);
    for (query, order) in collection.queries.iter().zip(orders) {
        let ranking = documents(order);
        ndcg_10 += ndcg(&ranking, &query.relevant, 10);
        recall_100 += recall(&ranking, &query.relevant, 100);
    }
    let queries = collection.queries.len() as f64;
    let (ndcg_10, recall_100) = (ndcg_10 / queries, recall_100 / queries);
    Quality { mode, reranked: false, ndcg_10, recall_100 }
}

const NOTEBOOK: NotebookId = NotebookId::from_u128(1);

/// The chunks of all documents, in the order of their keys. A document's source has its place
/// as id.
fn chunks(
    collection: &Collection,
    embedder: Option<&Arc<dyn Embedder>>,
    config: EvalConfig,
) -> Result<Vec<Chunk>> {
    let fitting = embedder.map_or_else(ChunkConfig::default, |embedder| {
        ChunkConfig::for_embedder(embedder.max_tokens())
    });
    let chunker = Chunker::new(config.chunk.unwrap_or(fitting))?;
    let count = |text: &str| match embedder {
        Some(embedder) => embedder.count_tokens(text),
        None => estimate_tokens(text),
    };
    let counts = WordCounts::new(&count);
    let count = |text: &str| counts.count(text);
    let mut chunks = Vec::new();
    for (document, id) in collection.documents.iter().zip(0_u128..) {
        chunks.extend(chunker.chunks(document, SourceId::from_u128(id), &count));
    }
    Ok(chunks)
}

/// The documents of a ranking of chunks, each at the place of its best.
fn documents(ranking: &[ChunkKey]) -> Vec<usize> {
    let mut seen = HashSet::new();
    let places = ranking.iter().filter_map(|key| usize::try_from(key.source.as_u128()).ok());
    places.filter(|place| seen.insert(*place)).collect()
}
