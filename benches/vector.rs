//! Vector search, top 10 of 384 dimensions: the embedded index through its port, against an exact scan of
//! `f32` (the truth for recall), a scan of signs alone, and usearch (8-bit HNSW, 30 rescored;
//! also with a wider search, for the recall of 0.997 that we hold ourselves to).
//!
//! `cargo bench --bench vector [--texts FILE] [TENANTSxROWS ...]`, by default `100x1000 1x10000
//! 1x100000`. Each contestant answers all questions alone, in turn, for some rounds. The vectors are those of
//! the lines of FILE by all-MiniLM-L6-v2; else synthetic: clustered, of some 96 degrees of freedom, and
//! not centred on zero.

#[path = "vector/data.rs"]
mod data;
#[path = "vector/peers.rs"]
mod peers;

use std::time::{Duration, Instant};

use notebook_core::{
    NotebookId, SourceId, TenantId, TenantScope,
    model::ChunkKey,
    vector::{ChunkFilter, VectorIndex as _, VectorRecord, VectorSpace},
};
use notebook_rag::index::{EmbeddedIndex, EmbeddedIndexConfig};
use tokio::runtime::Runtime;

use data::{Data, Tenant};

pub(crate) const DIMENSIONS: usize = 384;
pub(crate) const LIMIT: usize = 10;
const QUESTIONS: usize = 300;
const ROUNDS: usize = 5;
/// Building the graph takes minutes beyond this.
const USEARCH_ROWS: usize = 100_000;

pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Answers one question of a tenant with row numbers.
type Search<'a> = Box<dyn Fn(usize, &[f32]) -> Outcome<Vec<u32>> + 'a>;

fn main() -> Outcome<()> {
    let mut given: Vec<_> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let mut real = None;
    if let Some(at) = given.iter().position(|argument| argument == "--texts") {
        let file =
            given.drain(at..(at + 2).min(given.len())).nth(1).ok_or("--texts needs a file")?;
        real = Some(data::real(file.as_ref())?);
    }
    let usual = ["100x1000", "1x10000", "1x100000"].map(String::from);
    for case in if given.is_empty() { &usual[..] } else { &given } {
        let (tenants, rows) = case.split_once('x').ok_or("write a case as TENANTSxROWS")?;
        compare(tenants.parse()?, rows.parse()?, real.as_deref())?;
    }
    Ok(())
}

fn compare(tenants: usize, rows: usize, real: Option<&[f32]>) -> Outcome<()> {
    println!("{tenants} tenants of {rows} vectors");
    let data = match real {
        Some(vectors) => Data::of(vectors, tenants, rows, QUESTIONS)?,
        None => Data::new(tenants, rows, QUESTIONS),
    };
    let folder = tempfile::tempdir_in(".")?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let index = load(&runtime, folder.path(), &data.tenants)?;
    let own = |tenant: usize, question: &[f32]| {
        let any = ChunkFilter::default();
        let hits = runtime.block_on(index.search(&scope(tenant), question, LIMIT, &any))?;
        Ok(hits
            .iter()
            .map(|hit| hit.key.source.as_u128() as u32 * 1_000 + hit.key.ordinal)
            .collect())
    };
    let signs: Vec<_> = data.tenants.iter().map(peers::Signs::new).collect();
    let graphs = if rows <= USEARCH_ROWS { peers::graphs(&data.tenants)? } else { Vec::new() };
    let mut contestants: Vec<(&str, Search<'_>)> = vec![
        (
            "exact f32 scan",
            Box::new(|tenant, question| Ok(peers::exact(&data.tenants[tenant], question))),
        ),
        ("embedded index", Box::new(own)),
        ("signs alone", Box::new(|tenant, question| Ok(signs[tenant].search(question)))),
    ];
    // As it comes, and searching as widely as the recall that we promise takes.
    for (name, width) in [("usearch", 64), ("usearch, 256", 256), ("usearch, 512", 512)] {
        if graphs.is_empty() {
            continue;
        }
        let (graphs, data) = (&graphs, &data);
        let search = move |tenant: usize, question: &[f32]| {
            peers::graph(&graphs[tenant], &data.tenants[tenant], question, width)
        };
        contestants.push((name, Box::new(search)));
    }
    report(&data, &contestants)
}

fn report(data: &Data, contestants: &[(&str, Search<'_>)]) -> Outcome<()> {
    let mut times = vec![Vec::new(); contestants.len()];
    let mut found = vec![Vec::new(); contestants.len()];
    for round in 0..=ROUNDS {
        for (at, (_, search)) in contestants.iter().enumerate() {
            let mut answers = Vec::with_capacity(QUESTIONS);
            for (tenant, question) in &data.questions {
                let started = Instant::now();
                answers.push(search(*tenant, question)?);
                // The first round brings everything into memory.
                if round > 0 {
                    times[at].push(started.elapsed());
                }
            }
            found[at] = answers;
        }
    }
    let truth = found[0].clone();
    let base = quantile(&mut times[0], 0.5);
    for (((name, _), times), found) in contestants.iter().zip(&mut times).zip(&found) {
        let right = |(wanted, found): (&Vec<u32>, &Vec<u32>)| {
            found.iter().filter(|row| wanted.contains(row)).count()
        };
        let right: usize = truth.iter().zip(found).map(right).sum();
        let (p50, p99) = (quantile(times, 0.5), quantile(times, 0.99));
        println!(
            "  {name:<15} p50 {p50:>8.3} ms  p99 {p99:>8.3} ms  recall@10 {:.4}  {:>6.1}x the exact scan",
            right as f64 / (QUESTIONS * LIMIT) as f64,
            base / p50,
        );
    }
    Ok(())
}

/// In milliseconds.
fn quantile(times: &mut [Duration], share: f64) -> f64 {
    times.sort();
    times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3
}

fn scope(tenant: usize) -> TenantScope {
    #[allow(clippy::disallowed_methods, reason = "the bench makes its own tenants")]
    TenantScope::authenticated(TenantId::from_u128(tenant as u128 + 1))
}

/// Loads all vectors and waits until the background work is done.
fn load(runtime: &Runtime, folder: &std::path::Path, tenants: &[Tenant]) -> Outcome<EmbeddedIndex> {
    let space = VectorSpace { model: "synthetic".into(), dimensions: DIMENSIONS };
    let index = EmbeddedIndex::open(EmbeddedIndexConfig::new(folder, space))?;
    let started = Instant::now();
    for (number, tenant) in tenants.iter().enumerate() {
        for (source, vectors) in tenant.rows.chunks(1_000 * DIMENSIONS).enumerate() {
            let record = |(ordinal, vector): (usize, &[f32])| VectorRecord {
                key: ChunkKey {
                    source: SourceId::from_u128(source as u128),
                    ordinal: ordinal as u32,
                },
                notebook: NotebookId::from_u128(1),
                vector: vector.to_vec(),
            };
            let records = vectors.chunks(DIMENSIONS).enumerate().map(record).collect();
            runtime.block_on(index.upsert(&scope(number), records))?;
        }
    }
    let loaded = started.elapsed();
    let mut before = Vec::new();
    loop {
        let now = files(folder)?;
        if now == before {
            break;
        }
        before = now;
        std::thread::sleep(Duration::from_secs(2));
    }
    println!("  loaded in {:.1} s, durable; {} files", loaded.as_secs_f64(), before.len());
    Ok(index)
}

/// Names and sizes of all files below a folder.
fn files(folder: &std::path::Path) -> Outcome<Vec<(std::path::PathBuf, u64)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else if let Ok(metadata) = entry.metadata() {
            found.push((entry.path(), metadata.len()));
        }
    }
    found.sort();
    Ok(found)
}
