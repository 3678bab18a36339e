use std::{fs, path::Path, sync::Arc, time::Duration};

use notebook_core::{
    SourceId,
    vector::{ChunkFilter, VectorIndex, conformance},
};

use super::common::{contents, copy, open_small, record, scope};

fn files_hold(folder: &Path, needle: &[u8]) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let path = entry.path();
        // A file may be gone between the listing and the reading.
        path.is_dir() && files_hold(&path, needle)
            || fs::read(&path).is_ok_and(|bytes| bytes.windows(needle.len()).any(|w| w == needle))
    })
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never: {what}");
}

/// T25: deleted vectors are gone from the files too, from the log and from segments.
#[tokio::test(flavor = "multi_thread")]
async fn t25_deleted_vectors_leave_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let index = open_small(folder.path());
    // One source in a segment, one in the log, one that stays.
    index.upsert(&scope(1), (0..20).map(|i| record(1, i, 100)).collect()).await.unwrap();
    index.upsert(&scope(1), vec![record(2, 0, 101), record(3, 0, 102)]).await.unwrap();
    let bytes = |seed| -> Vec<u8> {
        conformance::vector(seed).iter().flat_map(|x| x.to_le_bytes()).collect()
    };
    assert!(files_hold(folder.path(), &bytes(100)) && files_hold(folder.path(), &bytes(101)));
    for source in [1, 2] {
        index.delete_source(&scope(1), SourceId::from_u128(source)).await.unwrap();
    }
    until("the deleted vectors leave the disk", || {
        !files_hold(folder.path(), &bytes(100)) && !files_hold(folder.path(), &bytes(101))
    })
    .await;
    assert!(files_hold(folder.path(), &bytes(102)));
    assert_eq!(contents(&index, &scope(1)).await.unwrap().len(), 1);
}

/// T27: a removed tenant leaves nothing; T28: a restored one does not touch the others.
#[tokio::test(flavor = "multi_thread")]
async fn t27_t28_a_tenant_is_removed_and_restored_alone() {
    let (folder, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let index = open_small(folder.path());
    for tenant in [1, 2] {
        let rows = (0..30).map(|i| record(tenant, i, 200 + u64::from(i))).collect();
        index.upsert(&scope(tenant), rows).await.unwrap();
    }
    let before = contents(&index, &scope(1)).await.unwrap();
    drop(index);
    let own = scope(1).tenant().to_string();
    copy(&folder.path().join(&own), &backup.path().join(&own));

    let index = open_small(folder.path());
    index.remove_tenant(&scope(1)).await.unwrap();
    index.remove_tenant(&scope(1)).await.unwrap();
    assert_eq!(contents(&index, &scope(1)).await.unwrap(), []);
    assert!(!folder.path().join(&own).exists());
    index.upsert(&scope(1), vec![record(7, 0, 1)]).await.unwrap();
    assert_eq!(contents(&index, &scope(1)).await.unwrap().len(), 1);
    index.remove_tenant(&scope(1)).await.unwrap();
    let other = contents(&index, &scope(2)).await.unwrap();
    drop(index);

    copy(&backup.path().join(&own), &folder.path().join(&own));
    let index = open_small(folder.path());
    assert_eq!(contents(&index, &scope(1)).await.unwrap(), before);
    assert_eq!(contents(&index, &scope(2)).await.unwrap(), other);
}

/// Many small writes make few files, and searches during the upkeep see every acknowledged row.
#[tokio::test(flavor = "multi_thread")]
async fn searches_and_writes_go_on_during_compaction() {
    let folder = tempfile::tempdir().unwrap();
    let index = Arc::new(open_small(folder.path()));
    let (reader, any) = (Arc::clone(&index), ChunkFilter::default());
    let reading = tokio::spawn(async move {
        let mut last = 0;
        while last < 600 {
            let count = reader.count(&scope(1), &ChunkFilter::default()).await.unwrap();
            let hits = contents(&*reader, &scope(1)).await.unwrap();
            assert!(last <= count && count <= hits.len() as u64, "rows came and went");
            last = count;
        }
    });
    for number in 0..600 {
        index.upsert(&scope(1), vec![record(u128::from(number % 7), number, 1)]).await.unwrap();
    }
    reading.await.unwrap();
    assert_eq!(index.count(&scope(1), &any).await.unwrap(), 600);
    let tenant = folder.path().join(scope(1).tenant().to_string());
    until("the files are few", || fs::read_dir(&tenant).unwrap().count() < 20).await;
}
