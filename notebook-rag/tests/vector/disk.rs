use std::{io::Write, path::Path, process::Command, time::Duration};

use notebook_core::{
    ErrorKind,
    vector::{VectorIndex, conformance},
};
use notebook_rag::index::{EmbeddedIndex, EmbeddedIndexConfig};

use super::common::{contents, record, scope};

const FOLDER: &str = "VECTOR_DISK_FOLDER";

fn open(folder: &Path) -> EmbeddedIndex {
    let usual = EmbeddedIndexConfig::new(folder, conformance::space("a"));
    let purge_after = Duration::from_secs(3_600);
    EmbeddedIndex::open(EmbeddedIndexConfig { log_rows: 80, purge_after, ..usual }).unwrap()
}

/// Z15: no file may grow past 30 KiB in the child. A log of 80 rows fits, its segment does not,
/// and at last the log does not either: writes are refused, searches go on, and with room again
/// everything acknowledged is there and writes work.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_and_loses_nothing() {
    if let Ok(folder) = std::env::var(FOLDER) {
        return fill(Path::new(&folder)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let command = "trap '' XFSZ; ulimit -f 60; exec \"$0\" --exact \"$1\" --nocapture";
    let child = Command::new("sh")
        .args(["-c", command, std::env::current_exe().unwrap().to_str().unwrap()])
        .arg("disk::a_full_disk_refuses_writes_and_loses_nothing")
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{said}{}", String::from_utf8_lossy(&child.stderr));
    let stored: usize =
        said.lines().find_map(|line| line.strip_prefix("stored ")).unwrap().parse().unwrap();
    assert!(stored >= 80, "{stored}");

    let index = open(folder.path());
    assert_eq!(contents(&index, &scope(1)).await.unwrap().len(), stored);
    index.upsert(&scope(1), vec![record(99, 0, 1)]).await.unwrap();
    assert_eq!(contents(&index, &scope(1)).await.unwrap().len(), stored + 1);
}

async fn fill(folder: &Path) {
    let index = open(folder);
    let mut stored = Vec::new();
    let error = loop {
        let number = stored.len() as u32;
        match index.upsert(&scope(1), vec![record(1, number, u64::from(number))]).await {
            Ok(()) => stored = contents(&index, &scope(1)).await.unwrap(),
            Err(error) => break error,
        }
        assert!(stored.len() < 1_000, "the limit does not work");
    };
    for _ in 0..3 {
        let again = index.upsert(&scope(1), vec![record(1, 5_000, 1)]).await.unwrap_err();
        assert_eq!((error.kind(), again.kind()), (ErrorKind::StorageFull, ErrorKind::StorageFull));
        assert!(again.is_retryable());
        assert_eq!(contents(&index, &scope(1)).await.unwrap(), stored);
    }
    // Another tenant has a log of its own, with room.
    index.upsert(&scope(2), vec![record(1, 0, 1)]).await.unwrap();
    let mut out = std::io::stdout().lock();
    writeln!(out, "stored {}", stored.len()).unwrap();
}
