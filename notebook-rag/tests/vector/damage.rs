use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use notebook_core::{
    ErrorKind, SourceId,
    vector::{Hit, VectorIndex, conformance},
};
use notebook_rag::index::{EmbeddedIndex, EmbeddedIndexConfig};

use super::common::{contents, copy, record, scope};

const TENANT: u128 = 5;

fn open(folder: &Path) -> EmbeddedIndex {
    let usual = EmbeddedIndexConfig::new(folder, conformance::space("a"));
    let purge_after = Duration::from_secs(3_600);
    EmbeddedIndex::open(EmbeddedIndexConfig { log_rows: 10, purge_after, ..usual }).unwrap()
}

/// An index of two segments and a log of three changes; and what it holds after each of those.
async fn make(folder: &Path) -> Vec<Vec<Hit>> {
    let index = open(folder);
    let rows =
        |source, count| (0..count).map(move |i| record(source, i, 10 + u64::from(i))).collect();
    // A fifth of the first segment dies later: too little to have it written anew.
    let first: Vec<_> = [rows(1, 3), rows(5, 12)].concat();
    index.upsert(&scope(TENANT), first).await.unwrap();
    index.upsert(&scope(TENANT), rows(2, 11)).await.unwrap();
    let mut states = vec![contents(&index, &scope(TENANT)).await.unwrap()];
    index.upsert(&scope(TENANT), rows(3, 2)).await.unwrap();
    states.push(contents(&index, &scope(TENANT)).await.unwrap());
    index.delete_source(&scope(TENANT), SourceId::from_u128(1)).await.unwrap();
    states.push(contents(&index, &scope(TENANT)).await.unwrap());
    index.upsert(&scope(TENANT), rows(4, 3)).await.unwrap();
    states.push(contents(&index, &scope(TENANT)).await.unwrap());
    states
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let tenant = folder.join(scope(TENANT).tenant().to_string());
    let entries = fs::read_dir(tenant).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.collect();
    files.sort();
    files
}

/// What a damaged index may do: say which file is corrupt, or answer as it should. Only the log
/// may lose its end, for that is what a crash before the acknowledgement looks like.
fn judge(what: &str, file: &Path, found: notebook_core::Result<Vec<Hit>>, states: &[Vec<Hit>]) {
    let name = file.file_name().unwrap().to_str().unwrap();
    match found {
        Ok(hits) if states.last() == Some(&hits) => {}
        Ok(hits) => {
            assert!(name.starts_with("log-") && states.contains(&hits), "{what}: wrong data")
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error:?}");
            assert!(error.context("file").unwrap().ends_with(name), "{what}: {error}");
        }
    }
}

/// Every file, with a bit of every byte (of every few in the long ones) turned over, and cut off
/// at every length.
#[tokio::test]
async fn every_damage_is_found_or_harmless() {
    let (good, bad) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let states = make(good.path()).await;
    let names: Vec<_> = files(good.path());
    assert_eq!(names.len(), 4, "a manifest, two segments, a log: {names:?}");
    let mut refused = 0;
    for file in &names {
        let bytes = fs::read(file).unwrap();
        for at in (0..bytes.len()).filter(|at| *at < 160 || at % 101 == 0) {
            for cut in [false, true] {
                let mut changed = bytes.clone();
                if cut {
                    changed.truncate(at);
                } else {
                    changed[at] ^= 1 << (at % 8);
                }
                let folder = bad.path().join("index");
                copy(good.path(), &folder);
                fs::write(folder.join(file.strip_prefix(good.path()).unwrap()), changed).unwrap();
                let index = open(&folder);
                let found = contents(&index, &scope(TENANT)).await;
                refused += usize::from(found.is_err());
                judge(&format!("{} at {at}, cut: {cut}", file.display()), file, found, &states);
                // Another tenant is not touched by it.
                if at == 0 {
                    index.upsert(&scope(1), vec![record(1, 1, 1)]).await.unwrap();
                }
                drop(index);
                fs::remove_dir_all(&folder).unwrap();
            }
        }
    }
    assert!(refused > 300, "damage went unnoticed: {refused}");
}

/// The end of a log, cut by a crash, goes; what is stored after it stays.
#[tokio::test]
async fn a_torn_end_is_cut_and_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let states = make(folder.path()).await;
    let log =
        files(folder.path()).into_iter().find(|f| f.to_string_lossy().contains("log-")).unwrap();
    let bytes = fs::read(&log).unwrap();
    fs::write(&log, &bytes[..bytes.len() - 5]).unwrap();

    let index = open(folder.path());
    assert_eq!(contents(&index, &scope(TENANT)).await.unwrap(), states[2]);
    index.upsert(&scope(TENANT), vec![record(9, 0, 90)]).await.unwrap();
    let stored = contents(&index, &scope(TENANT)).await.unwrap();
    assert_eq!(stored.len(), states[2].len() + 1);
    drop(index);
    assert_eq!(contents(&open(folder.path()), &scope(TENANT)).await.unwrap(), stored);
}

#[tokio::test]
async fn files_of_another_tenant_or_a_missing_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path()).await;
    let tenant = |id: u128| folder.path().join(scope(id).tenant().to_string());
    copy(&tenant(TENANT), &tenant(6));
    for file in files(folder.path()) {
        let aside = folder.path().join("aside");
        fs::rename(&file, &aside).unwrap();
        let index = open(folder.path());
        let foreign = contents(&index, &scope(6)).await.unwrap_err();
        assert!(foreign.to_string().contains("another tenant"), "{foreign}");
        let missing = contents(&index, &scope(TENANT)).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::Corrupt);
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(missing.context("file").unwrap().ends_with(name), "{missing}");
        fs::rename(&aside, &file).unwrap();
    }
}

#[tokio::test]
async fn a_later_format_is_refused_by_its_version() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path()).await;
    for file in files(folder.path()) {
        let bytes = fs::read(&file).unwrap();
        let mut later = bytes.clone();
        later[8] = 9;
        fs::write(&file, later).unwrap();
        let error = contents(&open(folder.path()), &scope(TENANT)).await.unwrap_err();
        assert!(error.to_string().contains("format version 9"), "{error}");
        fs::write(&file, bytes).unwrap();
    }
}
