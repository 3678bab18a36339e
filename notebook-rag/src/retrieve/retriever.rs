use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use notebook_core::{
    Error, ErrorKind, NotebookId, Result, TenantScope,
    embed::{
        EmbedKind, Embedder,
        layers::{EmbedStack, Purpose},
    },
    keyword::KeywordIndex,
    model::{Chunk, ChunkKey, RetrievalMode, Source, StageTiming},
    store::Store,
    vector::{ChunkFilter, Hit, VectorIndex},
};

use parking_lot::Mutex;

use crate::words::without_stray;

use super::{
    Fused, LastAsked, Passage, Relevance, Reranking, RetrieveConfig, RetrieveRequest, Retrieved,
    StageName, StageWarning, assess, dedup, fuse, is_relevant,
    stage::{Staged, staged, warning},
};

const MAX_LIMIT: usize = 100;
/// How many passages tell whether anything relevant was found.
const JUDGED: usize = 5;

/// The vector half of retrieval.
#[derive(Clone)]
pub struct VectorSearch {
    /// The index.
    pub index: Arc<dyn VectorIndex>,
    /// The model that the index was built with, and what stands around it.
    pub embedder: EmbedStack,
}

/// Indexes that follow a store which other processes write to.
#[async_trait]
pub trait CatchUp: Send + Sync + 'static {
    /// Brings the indexes up to what the store says of a notebook now.
    ///
    /// # Errors
    /// Those of the store and the indexes.
    async fn catch_up(&self, scope: &TenantScope, notebook: NotebookId) -> Result<()>;
}

/// Finds passages. Cheap to clone; see the [module](super) for how.
#[derive(Clone)]
pub struct Retriever {
    keyword: Arc<dyn KeywordIndex>,
    vector: Option<VectorSearch>,
    store: Arc<dyn Store>,
    following: Option<Arc<dyn CatchUp>>,
    reranking: Option<Reranking>,
    last: Arc<Mutex<LastAsked>>,
    pub(super) config: RetrieveConfig,
}

impl fmt::Debug for Retriever {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retriever")
            .field("has_vectors", &self.vector.is_some())
            .field("reranking", &self.reranking)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Retriever {
    /// A retriever; without `vector` it searches by keywords alone and says so.
    ///
    /// # Errors
    /// `Conflict` when index and embedder are of different vector spaces; `InvalidInput` when
    /// the depth is not 1 to 1,000.
    pub fn new(
        keyword: Arc<dyn KeywordIndex>,
        vector: Option<VectorSearch>,
        store: Arc<dyn Store>,
        config: RetrieveConfig,
    ) -> Result<Self> {
        if !(1..=1000).contains(&config.depth) {
            return Err(Error::invalid("configure retrieval", "depth", "set it to 1 to 1000"));
        }
        if let Some(VectorSearch { index, embedder }) = &vector
            && index.space() != embedder.space()
        {
            return Err(Error::new(ErrorKind::Conflict, "configure retrieval")
                .with("index", index.space().model.clone())
                .with("embedder", embedder.space().model.clone())
                .with("fix", "index the sources again with this embedder, or choose the other"));
        }
        Ok(Self {
            keyword,
            vector,
            store,
            following: None,
            reranking: None,
            last: Arc::default(),
            config,
        })
    }

    /// Asks no question before the indexes hold what the store says: what one process has added, another must not miss.
    #[must_use]
    pub fn following(mut self, indexes: Arc<dyn CatchUp>) -> Self {
        self.following = Some(indexes);
        self
    }

    /// Lets a model that reads question and passages together order them.
    ///
    /// # Errors
    /// `InvalidInput` when it is to judge fewer than 1 or more than 100.
    pub fn reranking(mut self, reranking: Reranking) -> Result<Self> {
        reranking.check()?;
        self.reranking = Some(reranking);
        Ok(self)
    }

    /// What the reranker did when it was asked last, by whoever that was.
    #[must_use]
    pub fn reranker(&self) -> LastAsked {
        *self.last.lock()
    }

    /// The passages for a question, best first.
    ///
    /// - A search that fails or is late is left out with a warning if the other delivered.
    /// - A reranker that fails or is late is left out with a warning: the passages are in fused order.
    /// - Chunks of deleted sources are left out.
    /// - Cancelled: searches under way are dropped.
    ///
    /// # Errors
    /// `InvalidInput` when the limit is not 1 to 100; the keyword search's error when no search
    /// delivered; the store's when the chunks cannot be read.
    pub async fn retrieve(
        &self,
        scope: &TenantScope,
        request: &RetrieveRequest,
    ) -> Result<Retrieved> {
        if !(1..=MAX_LIMIT).contains(&request.limit) {
            return Err(Error::invalid("retrieve passages", "limit", "set it to 1 to 100"));
        }
        let clock = Budget { start: Instant::now(), total: request.deadline };
        let behind = self.catch_up(scope, request, clock).await;
        let mut found = self.search(scope, request, clock).await?;
        if let Some(Staged { result, timing }) = behind {
            found.timings.insert(0, timing);
            let late = result.err().map(|error| warning(StageName::CatchUp, &error));
            found.warnings.extend(late);
        }
        let (keyword, vector) = (keys(&found.keyword), keys(&found.vector));
        let fused = fuse(self.config.fusion, &keyword, &vector);
        let wanted = self.reranking.as_ref().map_or(0, |last| last.candidates).max(request.limit);
        let load = self.load(scope, &fused, wanted);
        let limit = clock.limit(self.config.limits.load);
        let Staged { result, timing } = staged(StageName::LoadPassages, limit, load).await;
        found.timings.push(timing);
        let mut passages = passages(result?, &fused, &found.vector, wanted);
        self.rerank(request, &mut passages, &mut found, clock).await;
        passages.truncate(request.limit);
        let cosine = found.vector.first().map_or(0.0, |hit| hit.score);
        let mut relevance = assess(
            &request.question,
            found.ran_vector.then_some(cosine),
            passages.iter().take(JUDGED).map(|passage| passage.chunk.text.as_str()),
        );
        let fits = |relevance: &Relevance| {
            !passages.is_empty() && is_relevant(relevance, &self.config.relevance)
        };
        let mut relevant = fits(&relevance);
        if !relevant
            && !passages.is_empty()
            && found.ran_vector
            && self.lacks_vectors(scope, request).await?
        {
            // What answers may be without a vector yet: a low cosine says nothing.
            relevance.best_cosine = None;
            relevant = fits(&relevance);
        }
        Ok(Retrieved {
            mode: found.mode,
            passages,
            relevance,
            relevant,
            timings: found.timings,
            partial: !found.warnings.is_empty(),
            warnings: found.warnings,
        })
    }

    /// Asks the reranker, where there is one and something to order.
    async fn rerank(
        &self,
        request: &RetrieveRequest,
        passages: &mut [Passage],
        found: &mut Found,
        clock: Budget,
    ) {
        let Some(last) = self.reranking.as_ref().filter(|_| passages.len() > 1) else { return };
        let limit = clock.limit(self.config.limits.rerank);
        let Staged { result, timing } = last.stage(&request.question, passages, limit).await;
        *self.last.lock() = LastAsked::of(&result);
        found.timings.push(timing);
        found.warnings.extend(result.err().map(|error| warning(StageName::Rerank, &error)));
    }

    /// Brings the indexes up to the store, where they follow it.
    async fn catch_up(
        &self,
        scope: &TenantScope,
        request: &RetrieveRequest,
        clock: Budget,
    ) -> Option<Staged<()>> {
        let following = self.following.as_ref()?;
        let limit = clock.limit(self.config.limits.catch_up);
        let work = following.catch_up(scope, request.notebook);
        Some(staged(StageName::CatchUp, limit, work).await)
    }

    /// Whether a source that is asked is found by its words only, for now or for good.
    async fn lacks_vectors(&self, scope: &TenantScope, request: &RetrieveRequest) -> Result<bool> {
        let sources = self.store.sources(scope, request.notebook).await?;
        let asked = |source: &&Source| {
            request.sources.as_ref().is_none_or(|sources| sources.contains(&source.id))
        };
        Ok(sources
            .iter()
            .filter(asked)
            .any(|source| source.keywords_ready && !source.vectors_ready))
    }

    /// The first chunks in fused order, as many as it takes for `limit` distinct passages.
    async fn load(
        &self,
        scope: &TenantScope,
        fused: &[Fused<ChunkKey>],
        limit: usize,
    ) -> Result<Vec<Chunk>> {
        let mut chunks = Vec::new();
        // One page is enough unless sources were deleted or repeat each other.
        for page in fused.chunks(2 * limit) {
            let keys: Vec<ChunkKey> = page.iter().map(|item| item.key).collect();
            chunks.extend(self.store.chunks_by_key(scope, &keys).await?);
            if dedup::distinct(&chunks).into_iter().filter(|keep| *keep).count() >= limit {
                break;
            }
        }
        Ok(chunks)
    }

    /// Both searches, side by side.
    async fn search(
        &self,
        scope: &TenantScope,
        request: &RetrieveRequest,
        clock: Budget,
    ) -> Result<Found> {
        let filter =
            ChunkFilter { notebook: Some(request.notebook), sources: request.sources.clone() };
        // A number after its end would weigh as much as a word, and turn the vector.
        let asked = without_stray(&request.question);
        let words = staged(
            StageName::KeywordSearch,
            clock.limit(self.config.limits.keyword),
            self.keyword.search(scope, &asked, self.config.depth, &filter),
        );
        let (words, vectors) =
            tokio::join!(words, self.search_vectors(scope, &asked, &filter, clock));
        Found::of(words, vectors)
    }

    async fn search_vectors(
        &self,
        scope: &TenantScope,
        asked: &str,
        filter: &ChunkFilter,
        clock: Budget,
    ) -> VectorHalf {
        let Some(VectorSearch { index, embedder }) = &self.vector else {
            return VectorHalf::default();
        };
        let question = [asked.to_owned()];
        let limit = clock.limit(self.config.limits.embed);
        let embedder = embedder
            .for_scope(Some(scope), Purpose::Waiting)
            .until(std::time::Instant::now().checked_add(limit));
        let embed = async {
            let vectors = embedder.embed(EmbedKind::Query, &question).await?;
            vectors.into_iter().next().ok_or_else(|| {
                Error::new(ErrorKind::Protocol, "embed question").with("vectors", "none")
            })
        };
        let Staged { result, timing } = staged(StageName::EmbedQuestion, limit, embed).await;
        let vector = match result {
            Ok(vector) => vector,
            Err(error) => return VectorHalf::failed(StageName::EmbedQuestion, error, vec![timing]),
        };
        let search = index.search(scope, &vector, self.config.depth, filter);
        let limit = clock.limit(self.config.limits.vector);
        let staged = staged(StageName::VectorSearch, limit, search).await;
        let timings = vec![timing, staged.timing];
        match staged.result {
            Ok(hits) => VectorHalf { hits: Some(hits), failure: None, timings },
            Err(error) => VectorHalf::failed(StageName::VectorSearch, error, timings),
        }
    }
}

/// The time of one request.
#[derive(Debug, Clone, Copy)]
struct Budget {
    start: Instant,
    total: Option<Duration>,
}

impl Budget {
    /// What a stage may take: its own limit, or what is left.
    fn limit(&self, own: Duration) -> Duration {
        self.total.map_or(own, |total| own.min(total.saturating_sub(self.start.elapsed())))
    }
}

#[derive(Default)]
struct VectorHalf {
    /// None when it did not run or failed.
    hits: Option<Vec<Hit>>,
    failure: Option<(StageName, Error)>,
    timings: Vec<StageTiming>,
}

impl VectorHalf {
    fn failed(stage: StageName, error: Error, timings: Vec<StageTiming>) -> Self {
        Self { hits: None, failure: Some((stage, error)), timings }
    }
}

/// What both searches gave.
struct Found {
    keyword: Vec<Hit>,
    vector: Vec<Hit>,
    ran_vector: bool,
    mode: RetrievalMode,
    timings: Vec<StageTiming>,
    warnings: Vec<StageWarning>,
}

impl Found {
    fn of(words: Staged<Vec<Hit>>, vectors: VectorHalf) -> Result<Self> {
        let mut timings = vec![words.timing];
        timings.extend(vectors.timings);
        let mut warnings = Vec::new();
        let ran_vector = vectors.hits.is_some();
        let ran_keyword = words.result.is_ok();
        let keyword = match words.result {
            Ok(hits) => hits,
            Err(error) if !ran_vector => return Err(error),
            Err(error) => {
                warnings.push(warning(StageName::KeywordSearch, &error));
                Vec::new()
            }
        };
        if let Some((stage, error)) = vectors.failure {
            warnings.push(warning(stage, &error));
        }
        let mode = match (ran_keyword, ran_vector) {
            (true, true) => RetrievalMode::Hybrid,
            (true, false) => RetrievalMode::Keyword,
            (false, _) => RetrievalMode::Vector,
        };
        let vector = vectors.hits.unwrap_or_default();
        Ok(Self { keyword, vector, ran_vector, mode, timings, warnings })
    }
}

fn keys(hits: &[Hit]) -> Vec<ChunkKey> {
    hits.iter().map(|hit| hit.key).collect()
}

/// The stored chunks with their scores, without repeats.
fn passages(
    chunks: Vec<Chunk>,
    fused: &[Fused<ChunkKey>],
    vector: &[Hit],
    limit: usize,
) -> Vec<Passage> {
    let fused: HashMap<ChunkKey, &Fused<ChunkKey>> = fused.iter().map(|f| (f.key, f)).collect();
    let cosines: HashMap<ChunkKey, f32> = vector.iter().map(|hit| (hit.key, hit.score)).collect();
    let keep = dedup::distinct(&chunks);
    let kept = chunks.into_iter().zip(keep).filter(|(_, keep)| *keep).map(|(chunk, _)| chunk);
    kept.filter_map(|chunk| {
        let item = fused.get(&chunk.key)?;
        Some(Passage {
            score: item.score,
            keyword_rank: item.keyword_rank,
            vector_rank: item.vector_rank,
            cosine: cosines.get(&chunk.key).copied(),
            rerank_score: None,
            chunk,
        })
    })
    .take(limit)
    .collect()
}
