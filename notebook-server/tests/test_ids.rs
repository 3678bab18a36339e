//! Every behaviour of the lists (jobs, streams, refresh tokens, isolation, passwords and tokens, resilience, guard) has a test that carries
//! its id, or a reason in `docs/test-ids.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use common::shared;

/// Quantised numbers are called so too.
const OTHER_NAMES: [&str; 3] = ["kernels", "gguf", "node_modules"];

/// The lists, and the letter of their ids.
const LISTS: [(&str, &[char]); 7] = [
    ("jobs.md", &['Q']),
    ("streaming.md", &['S']),
    ("refresh.md", &['R', 'X']),
    ("isolation.md", &['T']),
    ("passwords-jwt.md", &['J']),
    ("resilience.md", &['Z']),
    ("guard.md", &['P']),
];
/// What the product promises has a `J` too, for hosts. Where passwords and tokens are, it is this list's.
const OF_PASSWORDS: [&str; 3] =
    ["notebook-auth", "notebook-core/src/identity", "notebook-server/src/access"];

/// `Q7` or `S31`; rules may have a letter behind (`X5b`).
fn is_id(word: &str) -> bool {
    let letters: Vec<char> = LISTS.iter().flat_map(|(_, letters)| *letters).copied().collect();
    let digits = word.strip_prefix(letters.as_slice()).unwrap_or_default();
    let rule = digits.strip_suffix(['b', 'B']).filter(|_| word.starts_with('X'));
    let digits = rule.unwrap_or(digits);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The ids of the lines that say `- S31 what is promised`, and of rules, `| X5 | when | what |`.
fn promised((list, letters): (&str, &[char])) -> BTreeSet<String> {
    let text = std::fs::read_to_string(shared().join("semantics").join(list)).unwrap();
    let lines = text.lines().filter_map(|line| {
        let rest = line.strip_prefix("- ").or_else(|| line.strip_prefix("| "))?;
        rest.split(' ').next()
    });
    let ids = lines.filter(|word| word.starts_with(letters) && is_id(word));
    ids.map(str::to_uppercase).collect()
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
        } else if ["rs", "ts", "tsx", "mjs"]
            .iter()
            .any(|kind| path.extension().is_some_and(|e| e == *kind))
        {
            found.push(path);
        }
    }
}

/// What of a file is tests: all of some, what stands behind `#[cfg(test)]` of others, and nothing of the rest.
fn tests<'t>(path: &str, text: &'t str) -> &'t str {
    let whole = ["/tests/", "/tests.rs", "/conformance", "/e2e/", ".test.ts"];
    if whole.iter().any(|part| path.contains(part)) {
        return text;
    }
    let from = ["#[cfg(test)]", "#[cfg(all(test"].iter().filter_map(|mark| text.find(mark)).min();
    from.map_or("", |from| &text[from..])
}

/// The ids in names of functions and in comments.
fn carried(path: &str, text: &str, ids: &mut BTreeSet<String>) {
    let of_passwords = OF_PASSWORDS.iter().any(|part| path.contains(part));
    for line in tests(path, text).lines().map(str::trim_start) {
        let comment = line.starts_with("//") || line.starts_with('*');
        if comment || line.contains("fn ") || line.starts_with("test(") || line.starts_with("it(") {
            let words = line.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_uppercase);
            let own = |word: &String| is_id(word) && (of_passwords || !word.starts_with('J'));
            ids.extend(words.filter(own));
        }
    }
}

#[test]
fn every_behaviour_has_a_test_or_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let table = std::fs::read_to_string(root.join("docs/test-ids.md")).unwrap();
    let excused = excused(&table);
    let mut promises = BTreeSet::new();
    for list in LISTS {
        let ids = promised(list);
        assert!(ids.len() > 15, "{list:?}: {ids:?}");
        promises.extend(ids);
    }
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
        let text = std::fs::read_to_string(file).unwrap();
        carried(file.to_str().unwrap(), &text, &mut tested);
    }
    let without: Vec<_> =
        promises.iter().filter(|id| !tested.contains(*id) && !excused.contains(*id)).collect();
    assert!(without.is_empty(), "no test, and no reason in docs/test-ids.md: {without:?}");
    let stale: Vec<_> =
        excused.iter().filter(|id| tested.contains(*id) || !promises.contains(*id)).collect();
    assert!(stale.is_empty(), "in docs/test-ids.md, and tested, or not promised: {stale:?}");
}

/// What is no test does not count, nor what another list calls the same.
#[test]
fn only_tests_of_the_right_place_count() {
    let of = |path, text| {
        let mut ids = BTreeSet::new();
        carried(path, text, &mut ids);
        ids.into_iter().collect::<Vec<_>>().join(" ")
    };
    let text =
        "/// X5: a rule.\nstruct Rule;\n#[cfg(test)]\nmod tests {\n/// J1, X5b\nfn r7_it() {}\n}";
    assert_eq!(of("notebook-auth/src/a.rs", text), "J1 R7 X5B");
    assert_eq!(of("notebook-server/src/a.rs", text), "R7 X5B");
    assert_eq!(of("notebook-auth/src/a/tests.rs", text), "J1 R7 X5 X5B");
    assert_eq!(of("notebook-auth/src/a.rs", "/// X5: a rule."), "");
}
