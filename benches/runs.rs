//! The events of runs on their way to readers in the process: how many a second, and how late with a thousand streams.
//!
//! `cargo bench --bench runs`. Fan-out is set against a broadcast channel of ready bytes, which stores nothing, numbers
//! nothing and loses what a slow reader has not taken; the delay of a stream against the same clock through a channel
//! of its own. Runs are logged in an SQLite file, in batches as in earnest.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use notebook_agent::runs::{Closing, Runs};
use notebook_core::{
    TenantScope,
    clock::SystemClock,
    model::{EventBody, Run},
    run_log::RunLog as _,
    sqlite::SqliteConfig,
    store::{ConversationStore as _, NotebookStore as _, conformance::samples, sql::SqlStore},
};
use tokio::sync::{broadcast, mpsc};

const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(3);
/// Runs that write as fast as they can, and the readers of each.
const WRITERS: usize = 4;
const READERS: usize = 16;
/// How many events a writer hands over before it gives way: a model's stream does so for each read.
const BURST: usize = 64;
/// Streams at once, and how often each has a word to show.
const STREAMS: usize = 1_000;
const WORD_EVERY: Duration = Duration::from_millis(50);

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let folder = tempfile::tempdir_in(".")?;
    for number in 0..ROUNDS {
        let store = SqliteConfig::new(folder.path().join(format!("runs-{number}.db")));
        let (ours, plain, late, bare) = runtime.block_on(async {
            let place = Place::new(store).await?;
            let ours = place.fan_out().await?;
            let plain = broadcasts().await?;
            let late = place.streams().await?;
            let bare = channels().await?;
            Result::Ok((ours, plain, late, bare))
        })?;
        println!(
            "round {number}: {WRITERS} runs to {READERS} readers each: {ours:.0} events/s (target 600,000), broadcast of \
             bytes {plain:.0}/s ({:.2}x); {STREAMS} streams of a word each {} ms: p50 {:.2} ms, p95 {:.2} ms late (target 5), \
             by channels p95 {:.2} ms",
            ours / plain,
            WORD_EVERY.as_millis(),
            millis(&late, 50),
            millis(&late, 95),
            millis(&bare, 95),
        );
    }
    Ok(())
}

fn millis(sorted: &[Duration], percent: usize) -> f64 {
    sorted[sorted.len() * percent / 100].as_secs_f64() * 1e3
}

fn delta() -> EventBody {
    EventBody::Delta { text: "some words of it ".to_owned() }
}

/// A notebook to run in.
struct Place {
    scope: TenantScope,
    store: Arc<SqlStore>,
    runs: Arc<Runs>,
}

impl Place {
    async fn new(config: SqliteConfig) -> Result<Self> {
        let store = Arc::new(SqlStore::sqlite(config).await?);
        let runs = Runs::new(store.clone(), Arc::new(SystemClock));
        Ok(Self { scope: samples::tenant(), store, runs })
    }

    async fn run(&self) -> Result<Run> {
        let notebook = self.store.create_notebook(&self.scope, samples::notebook()).await?;
        let new = samples::conversation(notebook.id);
        let conversation = self.store.create_conversation(&self.scope, new).await?;
        Ok(self.store.open(&self.scope, samples::new_run(&conversation)).await?.run().clone())
    }

    /// Events that reach readers in a second, encoded.
    async fn fan_out(&self) -> Result<f64> {
        let seen = Arc::new(AtomicU64::new(0));
        let started = Instant::now();
        let mut tasks = Vec::new();
        for _ in 0..WRITERS {
            let run = self.run().await?;
            let mut writer = self.runs.begin(&self.scope, &run, Closing::Log).await?;
            for _ in 0..READERS {
                let mut reader = self.runs.reader(&self.scope, run.id, 0).await?;
                let seen = Arc::clone(&seen);
                tasks.push(tokio::spawn(async move {
                    while started.elapsed() < ROUND {
                        let Some(events) = reader.next().await? else { break };
                        let bytes: usize = events.iter().map(|event| event.sse().len()).sum();
                        std::hint::black_box(bytes);
                        seen.fetch_add(events.len() as u64, Ordering::Relaxed);
                    }
                    Result::Ok(())
                }));
            }
            tasks.push(tokio::spawn(async move {
                while started.elapsed() < ROUND {
                    (0..BURST).for_each(|_| writer.emit(delta()));
                    tokio::task::yield_now().await;
                }
                // Readers that wait are let go.
                drop(writer);
                Ok(())
            }));
        }
        tokio::time::sleep(ROUND.saturating_sub(started.elapsed())).await;
        let rate = seen.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64();
        // Readers of a run without a writer wait for another worker: they are not waited for.
        tasks.iter().for_each(|task| task.abort());
        Ok(rate)
    }

    /// How late words are, over all streams.
    async fn streams(&self) -> Result<Vec<Duration>> {
        let begin = Instant::now();
        let (late, all) = mpsc::unbounded_channel();
        let mut tasks = Vec::new();
        for number in 0..STREAMS {
            let run = self.run().await?;
            let mut writer = self.runs.begin(&self.scope, &run, Closing::Log).await?;
            let mut reader = self.runs.reader(&self.scope, run.id, 0).await?;
            let late = late.clone();
            tasks.push(tokio::spawn(async move {
                pace(number, || {
                    let sent = begin.elapsed().as_nanos().to_string();
                    writer.emit(EventBody::Delta { text: sent });
                })
                .await;
                drop(writer);
            }));
            tasks.push(tokio::spawn(async move {
                while let Ok(Some(events)) = reader.next().await {
                    for event in events {
                        std::hint::black_box(event.sse());
                        if let EventBody::Delta { text } = &event.body {
                            let sent = Duration::from_nanos(text.parse().unwrap_or_default());
                            let _ = late.send(begin.elapsed().saturating_sub(sent));
                        }
                    }
                }
            }));
        }
        collect(tasks, late, all).await
    }
}

/// Says a word now and then, for a round; streams are spread over the pause.
async fn pace(number: usize, mut word: impl FnMut()) {
    let ended = Instant::now() + ROUND;
    tokio::time::sleep(WORD_EVERY * (number as u32) / (STREAMS as u32)).await;
    let mut pause = tokio::time::interval(WORD_EVERY);
    while Instant::now() < ended {
        pause.tick().await;
        word();
    }
}

async fn collect(
    tasks: Vec<tokio::task::JoinHandle<()>>,
    late: mpsc::UnboundedSender<Duration>,
    mut all: mpsc::UnboundedReceiver<Duration>,
) -> Result<Vec<Duration>> {
    drop(late);
    tokio::time::sleep(ROUND + Duration::from_millis(500)).await;
    tasks.iter().for_each(|task| task.abort());
    let mut found = Vec::new();
    while let Some(one) = all.recv().await {
        found.push(one);
    }
    found.sort();
    if found.is_empty() { Err("no word arrived".into()) } else { Ok(found) }
}

/// The same fan-out of ready bytes by the runtime's own channel.
async fn broadcasts() -> Result<f64> {
    let seen = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..WRITERS {
        let (sender, _) = broadcast::channel(16_384);
        for _ in 0..READERS {
            let mut reader = sender.subscribe();
            let seen = Arc::clone(&seen);
            tasks.push(tokio::spawn(async move {
                loop {
                    match reader.recv().await {
                        Ok(bytes) => {
                            std::hint::black_box::<Bytes>(bytes);
                            seen.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(broadcast::error::RecvError::Lagged(_)) => {}
                        Err(broadcast::error::RecvError::Closed) => return,
                    }
                }
            }));
        }
        tasks.push(tokio::spawn(async move {
            let frame =
                Bytes::from_static(b"event: delta\ndata: {\"text\":\"some words of it \"}\n\n");
            while started.elapsed() < ROUND {
                for _ in 0..BURST {
                    let _ = sender.send(frame.clone());
                }
                tokio::task::yield_now().await;
            }
        }));
    }
    tokio::time::sleep(ROUND.saturating_sub(started.elapsed())).await;
    let rate = seen.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64();
    tasks.iter().for_each(|task| task.abort());
    Ok(rate)
}

/// The delay of the same words through a channel a stream.
async fn channels() -> Result<Vec<Duration>> {
    let begin = Instant::now();
    let (late, all) = mpsc::unbounded_channel();
    let mut tasks = Vec::new();
    for number in 0..STREAMS {
        let (sender, mut reader) = mpsc::unbounded_channel();
        let late = late.clone();
        tasks.push(tokio::spawn(async move {
            pace(number, || drop(sender.send(begin.elapsed()))).await;
        }));
        tasks.push(tokio::spawn(async move {
            while let Some(sent) = reader.recv().await {
                let _ = late.send(begin.elapsed().saturating_sub(sent));
            }
        }));
    }
    collect(tasks, late, all).await
}
