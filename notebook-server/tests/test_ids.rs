//! Every behaviour of the lists for jobs and streams has a test that carries its id, or a reason in `docs/test-ids.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use common::shared;

/// Quantised numbers are called so too.
const OTHER_NAMES: [&str; 3] = ["kernels", "gguf", "node_modules"];

/// `Q7` or `S31`.
fn is_id(word: &str) -> bool {
    let digits = word.strip_prefix(['Q', 'S']).unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The ids of the lines that say `- S31 what is promised`.
fn promised(list: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(shared().join("semantics").join(list)).unwrap();
    let words = text.lines().filter_map(|line| line.strip_prefix("- ")?.split(' ').next());
    words.filter(|word| is_id(word)).map(str::to_owned).collect()
}

/// The ids of the table's rows, each with a reason.
fn excused(table: &str) -> BTreeSet<String> {
    let rows = table.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        (cells.len() == 5 && is_id(cells[1])).then(|| (cells[1], cells[3]))
    });
    rows.map(|(id, reason)| {
        assert!(reason.len() > 20, "{id} has no reason");
        id.to_owned()
    })
    .collect()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if OTHER_NAMES.iter().any(|other| name.starts_with(other)) {
            continue;
        }
        if path.is_dir() {
            files(&path, found);
        } else if ["rs", "ts", "tsx"]
            .iter()
            .any(|kind| path.extension().is_some_and(|e| e == *kind))
        {
            found.push(path);
        }
    }
}

/// The ids in names of functions and in comments.
fn carried(text: &str, ids: &mut BTreeSet<String>) {
    for line in text.lines().map(str::trim_start) {
        let comment = line.starts_with("//") || line.starts_with('*');
        if comment || line.contains("fn ") || line.starts_with("test(") || line.starts_with("it(") {
            let words = line.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_uppercase);
            ids.extend(words.filter(|word| is_id(word)));
        }
    }
}

#[test]
fn every_behaviour_has_a_test_or_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let table = std::fs::read_to_string(root.join("docs/test-ids.md")).unwrap();
    let excused = excused(&table);
    let promised = &promised("jobs.md") | &promised("streaming.md");
    assert!(promised.len() > 90, "{promised:?}");
    let mut all = Vec::new();
    for part in ["core", "rag", "agent", "auth", "server"] {
        let part = root.join(format!("notebook-{part}"));
        for folder in ["src", "tests", "web/src", "web/e2e"] {
            if part.join(folder).is_dir() {
                files(&part.join(folder), &mut all);
            }
        }
    }
    let mut tested = BTreeSet::new();
    for file in all.iter().filter(|file| !file.ends_with("test_ids.rs")) {
        carried(&std::fs::read_to_string(file).unwrap(), &mut tested);
    }
    let without: Vec<_> =
        promised.iter().filter(|id| !tested.contains(*id) && !excused.contains(*id)).collect();
    assert!(without.is_empty(), "no test, and no reason in docs/test-ids.md: {without:?}");
    let stale: Vec<_> =
        excused.iter().filter(|id| tested.contains(*id) || !promised.contains(*id)).collect();
    assert!(stale.is_empty(), "in docs/test-ids.md, and tested, or not promised: {stale:?}");
}
