use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use notebook_core::{
    SourceId,
    vector::{MemoryVectorIndex, VectorIndex, conformance},
};

use super::common::{Random, contents, open_small, record, scope};

const FOLDER: &str = "VECTOR_CRASH_FOLDER";
const FIRST: &str = "VECTOR_CRASH_FIRST";
const ROUNDS: usize = 25;

/// Z-case "killed in a write": a child stores and deletes and is killed at any moment; all that it
/// said was done is there afterwards, the one in flight wholly or not at all.
#[test]
fn kill_9_loses_nothing_acknowledged() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    if let Ok(folder) = std::env::var(FOLDER) {
        let first = std::env::var(FIRST).unwrap().parse().unwrap();
        return runtime.block_on(work(Path::new(&folder), first));
    }
    let folder = tempfile::tempdir().unwrap();
    let model = MemoryVectorIndex::new(conformance::space("a"));
    let (mut done, mut random) = (0, Random(0x5eed));
    for round in 0..ROUNDS {
        let acknowledged = run_and_kill(folder.path(), done, &mut random);
        runtime.block_on(async {
            for number in done..acknowledged {
                apply(&model, number).await;
            }
            let index = open_small(folder.path());
            let found = contents(&index, &scope(1)).await.unwrap();
            let before = contents(&model, &scope(1)).await.unwrap();
            if found == before {
                done = acknowledged;
                return;
            }
            // The operation in flight may have been made durable before the kill.
            apply(&model, acknowledged).await;
            let after = contents(&model, &scope(1)).await.unwrap();
            assert_eq!(found, after, "round {round}, {acknowledged} acknowledged");
            done = acknowledged + 1;
        });
    }
    assert!(done > ROUNDS as u64, "the child did no work: {done}");
}

/// Starts a child that begins with operation `first`, kills it after a while, and returns the
/// number of operations that are known to be done.
fn run_and_kill(folder: &Path, first: u64, random: &mut Random) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::kill_9_loses_nothing_acknowledged", "--nocapture"])
        .env(FOLDER, folder)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut done = first;
    let mut take = |line: String| {
        if let Some(number) = line.strip_prefix("done ") {
            assert_eq!(number.parse(), Ok(done));
            done += 1;
        }
    };
    let wanted = 1 + random.below(60);
    let mut seen = 0;
    while seen < wanted {
        let line = lines.next().expect("the child ended by itself");
        seen += u64::from(line.starts_with("done "));
        take(line);
    }
    std::thread::sleep(Duration::from_micros(random.below(3_000)));
    child.kill().unwrap();
    child.wait().unwrap();
    // What it wrote before it died counts as said.
    lines.for_each(take);
    done
}

async fn work(folder: &Path, first: u64) {
    let index = open_small(folder);
    for number in first.. {
        apply(&index, number).await;
        let mut out = std::io::stdout().lock();
        writeln!(out, "done {number}").unwrap();
        out.flush().unwrap();
    }
}

/// The same operation for the same number, whoever does it.
async fn apply(index: &dyn VectorIndex, number: u64) {
    let mut random = Random(number.wrapping_mul(0x9e37_79b9) + 1);
    random.next();
    let source = u128::from(random.below(6));
    if random.below(5) == 0 {
        index.delete_source(&scope(1), SourceId::from_u128(source)).await.unwrap();
        return;
    }
    let (first, count) = (random.below(20) as u32, 1 + random.below(12) as u32);
    let records = (first..first + count).map(|i| record(source, i, random.below(500))).collect();
    index.upsert(&scope(1), records).await.unwrap();
}
