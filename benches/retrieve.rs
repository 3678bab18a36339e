//! Retrieval over 10,000 chunks, keywords and vectors, without the time to embed the question: the whole of
//! it, and each stage. The lower bound is the slower of the two searches alone, which run side by side.
//!
//! `cargo bench --bench retrieve`. Words are drawn by Zipf's law, vectors are those of
//! hashed words (256 numbers); chunks
//! have 120 words, questions 8, half of them rare.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use notebook_core::{
    NotebookId, SourceId, TenantScope,
    document::Span,
    embed::{EmbedKind, Embedder, HashingEmbedder, layers::EmbedStack},
    keyword::KeywordIndex,
    model::{Chunk, ChunkKey, Source, Stage},
    sqlite::SqliteConfig,
    store::{NotebookStore, SourceStore, conformance::samples, sql::SqlStore},
    vector::{ChunkFilter, VectorIndex},
};
use notebook_rag::{
    chunk::{keyword_record, vector_records},
    index::{EmbeddedIndex, EmbeddedIndexConfig},
    keyword::{KeywordConfig, TantivyIndex},
    retrieve::{RetrieveConfig, RetrieveRequest, Retriever, VectorSearch},
};

const SOURCES: u32 = 20;
const CHUNKS: u32 = 500;
const WORDS: usize = 120;
const QUESTIONS: usize = 500;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main(worker_threads = 2)]
async fn main() -> Outcome<()> {
    let folder = tempfile::tempdir_in(".")?;
    let house = House::build(folder.path()).await?;
    let mut draw = Draw(99);
    let questions: Vec<String> = (0..QUESTIONS).map(|_| draw.question()).collect();
    let [mut keyword, mut vector, mut all] = [const { Vec::new() }; 3];
    let mut stages: Vec<(String, Vec<Duration>)> = Vec::new();
    for question in &questions {
        let started = Instant::now();
        house.keyword.search(&house.scope, question, 300, &house.filter()).await?;
        keyword.push(started.elapsed());
        let asked = house.embedder.embed(EmbedKind::Query, std::slice::from_ref(question)).await?;
        let started = Instant::now();
        house.vector.search(&house.scope, &asked[0], 300, &house.filter()).await?;
        vector.push(started.elapsed());
        let request = RetrieveRequest {
            question: question.clone(),
            notebook: house.notebook,
            sources: None,
            limit: 12,
            deadline: None,
        };
        let started = Instant::now();
        let found = house.retriever.retrieve(&house.scope, &request).await?;
        let whole = started.elapsed();
        assert_eq!(found.passages.len(), 12);
        let mut embedding = Duration::ZERO;
        for timing in found.timings {
            let took = Duration::from_micros(timing.micros);
            if timing.stage == "embed_question" {
                embedding = took;
            }
            match stages.iter_mut().find(|(stage, _)| *stage == timing.stage) {
                Some((_, times)) => times.push(took),
                None => stages.push((timing.stage, vec![took])),
            }
        }
        all.push(whole.saturating_sub(embedding));
    }
    report("keyword search alone", &mut keyword);
    report("vector search alone", &mut vector);
    for (stage, times) in &mut stages {
        report(&format!("  stage {stage}"), times);
    }
    let bound: Vec<Duration> = keyword.iter().zip(&vector).map(|(a, b)| *a.max(b)).collect();
    let (whole, bound) =
        (report("retrieval", &mut all), report("slower search", &mut bound.clone()));
    println!("retrieval takes {:.2}x the slower search (p95)", whole / bound);
    Ok(())
}

/// Prints quantiles; returns p95 in milliseconds.
fn report(name: &str, times: &mut [Duration]) -> f64 {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{name:<28} p50 {:>7.3} ms  p95 {:>7.3} ms  p99 {:>7.3} ms",
        at(0.5),
        at(0.95),
        at(0.99)
    );
    at(0.95)
}

struct House {
    scope: TenantScope,
    notebook: NotebookId,
    embedder: Arc<dyn Embedder>,
    keyword: Arc<dyn KeywordIndex>,
    vector: Arc<dyn VectorIndex>,
    retriever: Retriever,
}

impl House {
    async fn build(folder: &Path) -> Outcome<Self> {
        let scope = samples::tenant();
        let store = SqlStore::sqlite(SqliteConfig::new(folder.join("notebook.db"))).await?;
        let notebook = store.create_notebook(&scope, samples::notebook()).await?.id;
        let embedder: Arc<dyn Embedder> = Arc::new(HashingEmbedder::new());
        let space = embedder.space().clone();
        let vector = EmbeddedIndex::open(EmbeddedIndexConfig::new(folder.join("vectors"), space))?;
        let keyword = TantivyIndex::new(KeywordConfig::in_folder(folder.join("keywords")))?;
        let mut draw = Draw(1);
        for _ in 0..SOURCES {
            let source = Source {
                stage: Stage::Ready,
                keywords_ready: true,
                vectors_ready: true,
                ..samples::source(notebook)
            };
            let id = source.id;
            store.create_source(&scope, source).await?;
            let chunks: Vec<Chunk> = (0..CHUNKS).map(|ordinal| draw.chunk(id, ordinal)).collect();
            keyword.add(&scope, notebook, id, chunks.iter().map(keyword_record).collect()).await?;
            vector.upsert(&scope, vector_records(&*embedder, notebook, &chunks).await?).await?;
            store.put_chunks(&scope, id, chunks).await?;
        }
        keyword.commit(&scope).await?;
        let (keyword, vector) = (Arc::new(keyword), Arc::new(vector));
        let search =
            VectorSearch { index: vector.clone(), embedder: EmbedStack::new(embedder.clone()) };
        let config = RetrieveConfig::default();
        let retriever = Retriever::new(keyword.clone(), Some(search), Arc::new(store), config)?;
        Ok(Self { scope, notebook, embedder, keyword, vector, retriever })
    }

    fn filter(&self) -> ChunkFilter {
        ChunkFilter { notebook: Some(self.notebook), sources: None }
    }
}

/// Draws words.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Of 50,000 words, the n-th as often as 1/n.
    fn word(&mut self) -> String {
        word((50_000_f64.powf(self.next())) as u32)
    }

    fn chunk(&mut self, source: SourceId, ordinal: u32) -> Chunk {
        let text = (0..WORDS).map(|_| self.word()).collect::<Vec<_>>().join(" ");
        let start = ordinal as usize * 2_000;
        Chunk {
            key: ChunkKey { source, ordinal },
            span: Span::new(start, start + text.len()),
            page: None,
            headings: Vec::new(),
            tokens: WORDS as u32,
            text,
        }
    }

    fn question(&mut self) -> String {
        let mut words: Vec<String> = (0..4).map(|_| self.word()).collect();
        words.extend((0..4).map(|_| word(200 + (self.next() * 5_000.0) as u32)));
        words.join(" ")
    }
}

/// The n-th word: letters that no stemmer takes for an ending.
fn word(mut n: u32) -> String {
    let mut word = String::from("k");
    while n > 0 {
        word.push_str(
            ["ba", "do", "ku", "mo", "na", "po", "ra", "tu", "va", "zo"][(n % 10) as usize],
        );
        n /= 10;
    }
    word
}
