use std::{collections::BTreeSet, future::pending, sync::Arc, time::Duration};

use async_trait::async_trait;
use notebook_core::{
    Error, ErrorKind, NotebookId, Result, SourceId, TenantId, TenantScope, Timestamp,
    document::{SourceKind, Span},
    embed::{EmbedKind, Embedder, layers::EmbedStack},
    keyword::{KeywordIndex, KeywordRecord, MemoryKeywordIndex},
    model::{Chunk, ChunkKey, Notebook, NotebookSettings, Progress, RetrievalMode, Source, Stage},
    store::{NotebookStore, SourceStore, memory::MemoryStore},
    vector::{ChunkFilter, Hit, MemoryVectorIndex, VectorIndex, VectorRecord, VectorSpace},
};

use super::{RetrieveConfig, RetrieveRequest, Retriever, StageLimits, StageName, VectorSearch};

mod rerank;

const NOTEBOOK: NotebookId = NotebookId::from_u128(1);
const TEXTS: &[(u128, &str)] = &[
    (1, "Bees dance to show where flowers are."),
    (1, "The queen lays eggs all summer."),
    (2, "Ants follow trails of scent."),
    (2, "A wasp builds its nest from paper."),
];

fn scope() -> TenantScope {
    #[allow(clippy::disallowed_methods, reason = "a test")]
    TenantScope::authenticated(TenantId::from_u128(1))
}

/// What an adapter does in a test.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Well,
    Failing,
    Hanging,
}

impl Mood {
    async fn meet(self) -> Result<()> {
        match self {
            Self::Well => Ok(()),
            Self::Failing => Err(Error::new(ErrorKind::Unavailable, "be moody")),
            Self::Hanging => pending().await,
        }
    }
}

struct Moody<T>(T, Mood);

#[async_trait]
impl KeywordIndex for Moody<MemoryKeywordIndex> {
    async fn add(
        &self,
        scope: &TenantScope,
        notebook: NotebookId,
        source: SourceId,
        records: Vec<KeywordRecord>,
    ) -> Result<()> {
        self.0.add(scope, notebook, source, records).await
    }
    async fn commit(&self, scope: &TenantScope) -> Result<()> {
        self.0.commit(scope).await
    }
    async fn delete_source(&self, scope: &TenantScope, source: SourceId) -> Result<()> {
        self.0.delete_source(scope, source).await
    }
    async fn remove_tenant(&self, scope: &TenantScope) -> Result<()> {
        self.0.remove_tenant(scope).await
    }
    async fn search(
        &self,
        scope: &TenantScope,
        text: &str,
        limit: usize,
        filter: &ChunkFilter,
    ) -> Result<Vec<Hit>> {
        self.1.meet().await?;
        self.0.search(scope, text, limit, filter).await
    }
    async fn count(&self, scope: &TenantScope, filter: &ChunkFilter) -> Result<u64> {
        self.0.count(scope, filter).await
    }
}

/// Letters counted: enough to tell the texts apart.
struct Letters(VectorSpace, Mood);

fn space() -> VectorSpace {
    VectorSpace { model: "letters".to_owned(), dimensions: 26 }
}

fn letters(text: &str) -> Vec<f32> {
    let mut counts = [0.001_f32; 26];
    for b in text.to_ascii_lowercase().bytes().filter(u8::is_ascii_lowercase) {
        counts[usize::from(b - b'a')] += 1.0;
    }
    let length = counts.iter().map(|x| x * x).sum::<f32>().sqrt();
    counts.iter().map(|x| x / length).collect()
}

#[async_trait]
impl Embedder for Letters {
    fn space(&self) -> &VectorSpace {
        &self.0
    }
    fn max_tokens(&self) -> usize {
        256
    }
    async fn embed(&self, _: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        self.1.meet().await?;
        Ok(texts.iter().map(|text| letters(text)).collect())
    }
    fn count_tokens(&self, text: &str) -> usize {
        text.len()
    }
}

struct House {
    store: Arc<MemoryStore>,
    retriever: Retriever,
}

fn source(id: u128) -> Source {
    Source {
        id: SourceId::from_u128(id),
        notebook: NOTEBOOK,
        name: "a".to_owned(),
        kind: SourceKind::Text,
        bytes: 1,
        sha256: String::new(),
        blob: None,
        stage: Stage::Ready,
        progress: Progress::default(),
        keywords_ready: true,
        vectors_ready: true,
        failure: None,
        title: None,
        pages: None,
        text_bytes: 1,
        chunks: 1,
        notes: Vec::new(),
        origin: None,
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
        revision: 0,
    }
}

fn chunks() -> Vec<Chunk> {
    let ordinal = |i: usize| TEXTS[..i].iter().filter(|(s, _)| *s == TEXTS[i].0).count();
    let chunk = |(i, (source, text)): (usize, &(u128, &str))| Chunk {
        key: ChunkKey { source: SourceId::from_u128(*source), ordinal: ordinal(i) as u32 },
        span: Span::new(1000 * ordinal(i), 1000 * ordinal(i) + text.len()),
        page: None,
        headings: Vec::new(),
        tokens: 9,
        text: (*text).to_owned(),
    };
    TEXTS.iter().enumerate().map(chunk).collect()
}

async fn house(words: Mood, embedder: Option<Mood>) -> House {
    let (scope, store) = (scope(), MemoryStore::new());
    let (keyword, vector) = (MemoryKeywordIndex::new(), MemoryVectorIndex::new(space()));
    let notebook = Notebook {
        id: NOTEBOOK,
        name: "n".to_owned(),
        named_by_user: true,
        archived: false,
        settings: NotebookSettings::default(),
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    };
    store.create_notebook(&scope, notebook).await.unwrap();
    for id in [1, 2] {
        store.create_source(&scope, source(id)).await.unwrap();
    }
    for chunk in chunks() {
        let id = chunk.key.source;
        let record = KeywordRecord {
            ordinal: chunk.key.ordinal,
            headings: String::new(),
            text: chunk.text.clone(),
        };
        keyword.add(&scope, NOTEBOOK, id, vec![record]).await.unwrap();
        let vector_record =
            VectorRecord { key: chunk.key, notebook: NOTEBOOK, vector: letters(&chunk.text) };
        vector.upsert(&scope, vec![vector_record]).await.unwrap();
        store.put_chunks(&scope, id, vec![chunk]).await.unwrap();
    }
    keyword.commit(&scope).await.unwrap();
    let vector = embedder.map(|mood| VectorSearch {
        index: Arc::new(vector),
        embedder: EmbedStack::new(Arc::new(Letters(space(), mood))),
    });
    let store = Arc::new(store);
    let limit = Duration::from_millis(50);
    let limits = StageLimits { keyword: limit, embed: limit, ..StageLimits::default() };
    let config = RetrieveConfig { limits, ..RetrieveConfig::default() };
    let retriever =
        Retriever::new(Arc::new(Moody(keyword, words)), vector, store.clone(), config).unwrap();
    House { store, retriever }
}

fn request(question: &str) -> RetrieveRequest {
    RetrieveRequest {
        question: question.to_owned(),
        notebook: NOTEBOOK,
        sources: None,
        limit: 3,
        deadline: None,
    }
}

#[tokio::test]
async fn both_searches_are_fused() {
    let house = house(Mood::Well, Some(Mood::Well)).await;
    let found = house.retriever.retrieve(&scope(), &request("Where do bees dance?")).await.unwrap();
    assert_eq!(found.mode, RetrievalMode::Hybrid);
    assert_eq!(found.passages.len(), 3);
    let best = &found.passages[0];
    assert_eq!(best.chunk.text, TEXTS[0].1);
    assert_eq!((best.keyword_rank, best.vector_rank), (Some(1), Some(1)));
    assert!(best.cosine.unwrap() > 0.5 && best.score > found.passages[1].score);
    assert!(!found.partial && found.warnings.is_empty() && found.relevant);
    let stages: Vec<_> = found.timings.iter().map(|t| (t.stage.as_str(), t.finished)).collect();
    assert_eq!(
        stages,
        [
            ("keyword_search", true),
            ("embed_question", true),
            ("vector_search", true),
            ("load_passages", true)
        ]
    );
}

#[tokio::test]
async fn without_a_model_keywords_alone_are_a_whole_result() {
    let house = house(Mood::Well, None).await;
    let found = house.retriever.retrieve(&scope(), &request("bees dance")).await.unwrap();
    assert_eq!(found.mode, RetrievalMode::Keyword);
    assert!(!found.partial);
    assert_eq!(found.passages.len(), 1);
    assert_eq!(found.relevance.best_cosine, None);
}

#[tokio::test(start_paused = true)]
async fn a_search_that_fails_or_hangs_is_left_out_with_a_warning() {
    for (words, model, mode, stage, kind) in [
        (
            Mood::Failing,
            Mood::Well,
            RetrievalMode::Vector,
            StageName::KeywordSearch,
            ErrorKind::Unavailable,
        ),
        (
            Mood::Hanging,
            Mood::Well,
            RetrievalMode::Vector,
            StageName::KeywordSearch,
            ErrorKind::Timeout,
        ),
        (
            Mood::Well,
            Mood::Failing,
            RetrievalMode::Keyword,
            StageName::EmbedQuestion,
            ErrorKind::Unavailable,
        ),
        (
            Mood::Well,
            Mood::Hanging,
            RetrievalMode::Keyword,
            StageName::EmbedQuestion,
            ErrorKind::Timeout,
        ),
    ] {
        let house = house(words, Some(model)).await;
        let found = house.retriever.retrieve(&scope(), &request("bees dance")).await.unwrap();
        assert_eq!(found.mode, mode);
        assert!(found.partial);
        assert_eq!(found.passages[0].chunk.text, TEXTS[0].1);
        let [warning] = found.warnings.as_slice() else { panic!("{:?}", found.warnings) };
        assert_eq!((warning.stage, warning.kind), (stage, kind));
        let timing = found.timings.iter().find(|t| t.stage == stage.name()).unwrap();
        assert_eq!(timing.finished, kind != ErrorKind::Timeout);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_delivered_is_an_error() {
    for (words, model, kind) in [
        (Mood::Failing, Some(Mood::Hanging), ErrorKind::Unavailable),
        (Mood::Hanging, None, ErrorKind::Timeout),
    ] {
        let house = house(words, model).await;
        let error = house.retriever.retrieve(&scope(), &request("bees")).await.unwrap_err();
        assert_eq!(error.kind(), kind);
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_the_request_bounds_each_stage() {
    let house = house(Mood::Well, Some(Mood::Hanging)).await;
    let start = tokio::time::Instant::now();
    let deadline = Some(Duration::from_millis(7));
    let request = RetrieveRequest { deadline, ..request("bees") };
    let found = house.retriever.retrieve(&scope(), &request).await.unwrap();
    assert!(found.partial);
    assert!(start.elapsed() < Duration::from_millis(20), "{:?}", start.elapsed());
}

/// T25: what was deleted is not shown, though the indexes still know it.
#[tokio::test]
async fn deleted_and_deleting_sources_are_left_out() {
    let house = house(Mood::Well, Some(Mood::Well)).await;
    house.store.delete_source(&scope(), SourceId::from_u128(1)).await.unwrap();
    let found = house.retriever.retrieve(&scope(), &request("bees dance")).await.unwrap();
    assert!(found.passages.iter().all(|p| p.chunk.key.source == SourceId::from_u128(2)));
    let mut going = source(2);
    going.stage = Stage::Deleting;
    house.store.update_source(&scope(), going).await.unwrap();
    let found = house.retriever.retrieve(&scope(), &request("bees dance")).await.unwrap();
    assert!(found.passages.is_empty() && !found.relevant);
}

#[tokio::test]
async fn only_the_chosen_sources_are_searched() {
    let house = house(Mood::Well, Some(Mood::Well)).await;
    for (sources, count) in [(vec![2], 2), (vec![], 0), (vec![9], 0), (vec![1, 2], 3)] {
        let sources: BTreeSet<_> = sources.into_iter().map(SourceId::from_u128).collect();
        let request = RetrieveRequest { sources: Some(sources.clone()), ..request("bees dance") };
        let found = house.retriever.retrieve(&scope(), &request).await.unwrap();
        assert_eq!(found.passages.len(), count);
        assert!(found.passages.iter().all(|p| sources.contains(&p.chunk.key.source)));
    }
    let elsewhere = RetrieveRequest { notebook: NotebookId::from_u128(2), ..request("bees dance") };
    let found = house.retriever.retrieve(&scope(), &elsewhere).await.unwrap();
    assert!(found.passages.is_empty() && !found.relevant);
}

/// While a source is embedded, the best cosine is that of other chunks than those that answer.
#[tokio::test]
async fn a_low_cosine_does_not_count_before_all_vectors_are_there() {
    let mut house = house(Mood::Well, Some(Mood::Well)).await;
    house.retriever.config.relevance.cosine = 2.0;
    house.retriever.config.relevance.least_cosine = 2.0;
    let ask = async |words: &str, only: u128| {
        let sources = Some(BTreeSet::from([SourceId::from_u128(only)]));
        let request = RetrieveRequest { sources, ..request(words) };
        house.retriever.retrieve(&scope(), &request).await.unwrap()
    };
    assert!(!ask("bees dance", 1).await.relevant);
    let half = Source { vectors_ready: false, stage: Stage::Embed, ..source(1) };
    house.store.update_source(&scope(), half).await.unwrap();
    let found = ask("bees dance", 1).await;
    assert!(found.relevant && found.relevance.best_cosine.is_none());
    assert!(!ask("quantum chromodynamics", 1).await.relevant);
    assert!(!ask("ants follow", 2).await.relevant);
}

#[tokio::test]
async fn wrong_limits_and_mixed_models_are_refused() {
    let house = house(Mood::Well, None).await;
    for limit in [0, 101] {
        let request = RetrieveRequest { limit, ..request("bees") };
        let error = house.retriever.retrieve(&scope(), &request).await.unwrap_err();
        assert_eq!(error.context("field"), Some("limit"));
    }
    let other = VectorSpace { model: "other".to_owned(), dimensions: 26 };
    let vector = VectorSearch {
        index: Arc::new(MemoryVectorIndex::new(other)),
        embedder: EmbedStack::new(Arc::new(Letters(space(), Mood::Well))),
    };
    let keyword = Arc::new(MemoryKeywordIndex::new());
    let made = Retriever::new(
        keyword,
        Some(vector),
        Arc::new(MemoryStore::new()),
        RetrieveConfig::default(),
    );
    assert_eq!(made.unwrap_err().kind(), ErrorKind::Conflict);
}
