//! Filtered search in one tenant, alone and among thousands of others: keywords and vectors, in one notebook of the tenant's two.
//!
//! `cargo bench --bench tenants [tenants]`. Each tenant has 200 chunks in two notebooks. Asked are, in the same run and in turn:
//! one tenant of a house that has no other; one of a house with many, again and again; fifty of them in turn, as busy ones
//! are; and all in turn, most of whom have to be opened first, for an index keeps no more than some open.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use notebook_core::{
    NotebookId, SourceId, TenantScope,
    embed::{EmbedKind, Embedder, HashingEmbedder},
    keyword::{KeywordIndex, KeywordRecord},
    model::ChunkKey,
    store::conformance::samples,
    vector::{ChunkFilter, VectorIndex, VectorRecord},
};
use notebook_rag::{
    index::{EmbeddedIndex, EmbeddedIndexConfig},
    keyword::{KeywordConfig, TantivyIndex},
};

const CHUNKS: u32 = 100;
/// Fewer than stay open.
const BUSY: usize = 50;
const ROUNDS: usize = 2_000;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main(worker_threads = 2)]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let tenants: usize = arguments.next().map_or(Ok(10_000), |text| text.parse())?;
    let folder = tempfile::tempdir_in(".")?;
    let began = Instant::now();
    let alone = House::build(&folder.path().join("one"), 1).await?;
    let many = House::build(&folder.path().join("many"), tenants).await?;
    // Writers that are still open would hold the places of tenants that are asked.
    tokio::time::sleep(Duration::from_secs(12)).await;
    println!("{tenants} tenants with {} chunks each, made in {:.0?}", 2 * CHUNKS, began.elapsed());

    let mut times = [const { (Vec::new(), Vec::new()) }; 3];
    for round in 0..ROUNDS {
        // In turn, so that what the machine does meanwhile is the same for all.
        for (which, (house, tenant)) in
            [(&alone, 0), (&many, tenants / 2), (&many, round % tenants.min(BUSY))]
                .into_iter()
                .enumerate()
        {
            let (keyword, vector) = house.ask(tenant, round).await?;
            times[which].0.push(keyword);
            times[which].1.push(vector);
        }
    }
    let [alone, same, busy] = &mut times;
    for (what, one, others) in [
        ("keywords", &mut alone.0, [&mut same.0, &mut busy.0]),
        ("vectors", &mut alone.1, [&mut same.1, &mut busy.1]),
    ] {
        let bound = report(&format!("{what}: the only tenant"), one);
        for (name, times) in ["one of many", "50 in turn"].into_iter().zip(others) {
            let found = report(&format!("{what}: {name}"), times);
            println!("  {:.2}x p50, {:.2}x p95", found.0 / bound.0, found.1 / bound.1);
        }
    }
    let (mut keyword, mut vector) = (Vec::new(), Vec::new());
    for tenant in 0..tenants {
        let (words, vectors) = many.ask(tenant, tenant).await?;
        keyword.push(words);
        vector.push(vectors);
    }
    report("keywords: all in turn", &mut keyword);
    report("vectors: all in turn", &mut vector);
    Ok(())
}

/// Prints quantiles; returns p50 and p95 in milliseconds.
fn report(name: &str, times: &mut [Duration]) -> (f64, f64) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{name:<28} p50 {:>7.3} ms  p95 {:>7.3} ms  p99 {:>7.3} ms",
        at(0.5),
        at(0.95),
        at(0.99)
    );
    (at(0.5), at(0.95))
}

struct House {
    scopes: Vec<TenantScope>,
    notebook: NotebookId,
    embedder: HashingEmbedder,
    keyword: TantivyIndex,
    vector: EmbeddedIndex,
}

impl House {
    async fn build(folder: &Path, tenants: usize) -> Outcome<Self> {
        let embedder = HashingEmbedder::new();
        let config = EmbeddedIndexConfig::new(folder.join("vectors"), embedder.space().clone());
        let vector = EmbeddedIndex::open(config)?;
        let keyword = TantivyIndex::new(KeywordConfig::in_folder(folder.join("keywords")))?;
        let notebooks = [NotebookId::new(), NotebookId::new()];
        let texts: Vec<String> = (0..CHUNKS).map(text).collect();
        let vectors = embedder.embed(EmbedKind::Passage, &texts).await?;
        let scopes: Vec<_> = (0..tenants).map(|_| samples::tenant()).collect();
        for scope in &scopes {
            for notebook in notebooks {
                let source = SourceId::new();
                let records = texts.iter().zip(0..).map(|(text, ordinal)| KeywordRecord {
                    ordinal,
                    headings: String::new(),
                    text: text.clone(),
                });
                keyword.add(scope, notebook, source, records.collect()).await?;
                let records = vectors.iter().zip(0..).map(|(vector, ordinal)| VectorRecord {
                    key: ChunkKey { source, ordinal },
                    notebook,
                    vector: vector.clone(),
                });
                vector.upsert(scope, records.collect()).await?;
            }
            keyword.commit(scope).await?;
        }
        Ok(Self { scopes, notebook: notebooks[1], embedder, keyword, vector })
    }

    /// How long a search took by keywords, and by vectors.
    async fn ask(&self, tenant: usize, round: usize) -> Outcome<(Duration, Duration)> {
        let scope = &self.scopes[tenant];
        let question = text((round % 977) as u32).split(' ').take(6).collect::<Vec<_>>().join(" ");
        let filter = ChunkFilter { notebook: Some(self.notebook), sources: None };
        let asked = self.embedder.embed(EmbedKind::Query, std::slice::from_ref(&question)).await?;
        let started = Instant::now();
        let words = self.keyword.search(scope, &question, 50, &filter).await?;
        let keyword = started.elapsed();
        let started = Instant::now();
        let vectors = self.vector.search(scope, &asked[0], 50, &filter).await?;
        assert!(!words.is_empty() && vectors.len() == 50);
        Ok((keyword, started.elapsed()))
    }
}

/// 60 words, of 2,000, drawn by a number.
fn text(seed: u32) -> String {
    let mut state = u64::from(seed) + 1;
    let word = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let share = (state >> 11) as f64 / (1_u64 << 53) as f64;
        format!("w{}", 2_000_f64.powf(share) as u32)
    };
    std::iter::repeat_with(word).take(60).collect::<Vec<_>>().join(" ")
}
