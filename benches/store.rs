//! Durable small transactions a second on SQLite: 64 callers of the store's group commit, against
//! rusqlite with one commit a statement, in the same run.
//!
//! `cargo bench --bench store [seconds a round] [folder]`. The folder must be on the disk to be measured,
//! not on a memory file system.

use std::{
    fs::File,
    io::Write,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use notebook_core::{
    TenantScope,
    model::Run,
    run_log::RunLog,
    sqlite::SqliteConfig,
    store::{ConversationStore, NotebookStore, conformance::samples, sql::SqlStore},
};
use rusqlite::{Connection, params};

const CALLERS: usize = 64;
const ROUNDS: usize = 5;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let seconds = arguments.next().map_or(Ok(3.0), |text| text.parse())?;
    let round = Duration::from_secs_f64(seconds);
    let folder = match arguments.next() {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir_in(".")?,
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut results = vec![Vec::new(); 5];
    for number in 0..ROUNDS {
        let path = |name: &str| folder.path().join(format!("{name}-{number}"));
        let sync = sync_time(&path("sync"))?;
        let single = single(&path("single"), round)?;
        let alone = runtime.block_on(append(&path("alone"), 1, round))?;
        let appended = runtime.block_on(append(&path("append"), CALLERS, round))?;
        let created = runtime.block_on(create(&path("create"), CALLERS, round))?;
        let row = [single, alone, appended, created, sync.as_secs_f64() * 1e6];
        for (all, one) in results.iter_mut().zip(row) {
            all.push(one);
        }
        println!(
            "round {number}: rusqlite singly {single:.0}/s; store: 1 caller {alone:.0}/s, {CALLERS} callers \
             append {appended:.0}/s, create notebook {created:.0}/s; write+fsync {:.0} us",
            row[4]
        );
    }
    let medians: Vec<_> = results.into_iter().map(median).collect();
    let [single, alone, appended, created, sync] = medians[..] else { return Err("rounds".into()) };
    println!(
        "median: rusqlite singly {single:.0}/s; store with 1 caller {alone:.0}/s ({:.2}x); {CALLERS} callers append \
         {appended:.0}/s ({:.1}x), create notebook {created:.0}/s ({:.1}x); write+fsync {sync:.0} us",
        alone / single,
        appended / single,
        created / single
    );
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How long this disk takes to write and sync 4 KiB.
fn sync_time(path: &Path) -> Outcome<Duration> {
    let mut file = File::create(path)?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let started = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_all()?;
        times.push(started.elapsed());
    }
    times.sort();
    Ok(times[times.len() / 2])
}

/// One connection, one commit a statement, the same pragmas and a row of the same size.
fn single(path: &Path, round: Duration) -> Outcome<f64> {
    let connection = Connection::open(path)?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4096;
         CREATE TABLE events (run BLOB, seq INTEGER, at INTEGER, body TEXT, PRIMARY KEY (run, seq)) WITHOUT ROWID;",
    )?;
    let mut insert = connection.prepare("INSERT INTO events VALUES (?1, ?2, ?3, ?4)")?;
    let started = Instant::now();
    let mut done = 0_i64;
    while started.elapsed() < round {
        insert.execute(params![[7_u8; 16], done, done, r#"{"type":"delta","text":"wört 1 "}"#])?;
        done += 1;
    }
    Ok(done as f64 / started.elapsed().as_secs_f64())
}

/// Callers that each append one event after another to a run of their own.
async fn append(path: &Path, callers: usize, round: Duration) -> Outcome<f64> {
    let (store, scope) = open(path).await?;
    let notebook = store.create_notebook(&scope, samples::notebook()).await?;
    let conversation = samples::conversation(notebook.id);
    let conversation = store.create_conversation(&scope, conversation).await?;
    let mut runs = Vec::new();
    for _ in 0..callers {
        runs.push(store.open(&scope, samples::new_run(&conversation)).await?.run().clone());
    }
    let shared = Arc::clone(&store);
    let rate = measure(runs, round, move |run: Run, seq| {
        let (store, scope) = (Arc::clone(&shared), scope.clone());
        async move { Ok(store.append(&scope, run.id, &samples::deltas(seq, 1)).await?) }
    })
    .await?;
    SqlStore::close(&store).await?;
    Ok(rate)
}

/// Callers that each create one notebook after another.
async fn create(path: &Path, callers: usize, round: Duration) -> Outcome<f64> {
    let (store, scope) = open(path).await?;
    let shared = Arc::clone(&store);
    let rate = measure(vec![(); callers], round, move |(), _| {
        let (store, scope) = (Arc::clone(&shared), scope.clone());
        async move { Ok(store.create_notebook(&scope, samples::notebook()).await.map(drop)?) }
    })
    .await?;
    SqlStore::close(&store).await?;
    Ok(rate)
}

async fn open(path: &Path) -> Outcome<(Arc<SqlStore>, TenantScope)> {
    Ok((Arc::new(SqlStore::sqlite(SqliteConfig::new(path)).await?), samples::tenant()))
}

/// Calls a second over all callers.
async fn measure<C, F>(
    callers: Vec<C>,
    round: Duration,
    call: impl Fn(C, u64) -> F + Clone + Send + 'static,
) -> Outcome<f64>
where
    C: Clone + Send + 'static,
    F: Future<Output = Outcome<()>> + Send,
{
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let tasks: Vec<_> = callers
        .into_iter()
        .map(|caller| {
            let (stop, done, call) = (Arc::clone(&stop), Arc::clone(&done), call.clone());
            tokio::spawn(async move {
                let mut seq = 0;
                while !stop.load(Ordering::Relaxed) {
                    seq += 1;
                    call(caller.clone(), seq).await?;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Outcome::Ok(())
            })
        })
        .collect();
    tokio::time::sleep(round).await;
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await??;
    }
    Ok(done.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64())
}
