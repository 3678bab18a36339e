//! `ARCHITECTURE.md` against the tree: a map that lacks a room, or shows one that is gone, is worse than none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// By folder, what the lines below its name list: names, and two spaces before what they are.
fn listed(text: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut rooms = BTreeMap::new();
    let block = text.split("```").find(|block| block.contains("notebook-core/src/\n")).unwrap();
    let mut folder = "";
    for line in block.lines().skip(1) {
        match line.strip_prefix("  ") {
            None => folder = line.trim_end_matches('/'),
            Some(line) => {
                let names = line.split("  ").next().unwrap_or_default().split(' ');
                let rooms: &mut BTreeSet<&str> = rooms.entry(folder).or_default();
                rooms.extend(names.map(|name| name.trim_end_matches('/')));
            }
        }
    }
    rooms
}

/// The modules of a crate, but for its root.
fn modules(folder: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        path.file_stem().unwrap().to_str().unwrap().to_owned()
    });
    names.filter(|name| name != "lib" && name != "main").collect()
}

fn files(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        }
        found.push(path.to_str().unwrap().to_owned());
    }
}

#[test]
fn every_room_is_on_the_map_and_every_room_of_the_map_is_there() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let crates = listed(&text);
    assert_eq!(crates.len(), 5, "{crates:?}");
    for (folder, rooms) in crates {
        let place = root().join(folder);
        for room in &rooms {
            let there = place.join(room).is_dir() || place.join(format!("{room}.rs")).is_file();
            assert!(there, "{folder}/{room} is on the map, and not there");
        }
        for module in modules(&place) {
            assert!(rooms.contains(module.as_str()), "{folder}/{module} is not on the map");
        }
    }
}

/// Files and folders that the text names lie somewhere in the crates; `core/…` is short for `notebook-core/src/…`.
#[test]
fn every_file_that_the_text_names_is_there() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut all = Vec::new();
    for name in ["core", "rag", "agent", "auth", "server"] {
        files(&root().join(format!("notebook-{name}/src")), &mut all);
    }
    let prose: String = text.split("```").step_by(2).collect();
    let named = prose.split('`').skip(1).step_by(2);
    let mut seen = 0;
    for name in named.filter(|name| name.contains('/') || name.ends_with(".rs")) {
        let short =
            name.split_once('/').map(|(first, rest)| format!("notebook-{first}/src/{rest}"));
        let there = root().join(name).exists()
            || all.iter().any(|path| path.ends_with(&format!("/{name}")))
            || short.is_some_and(|path| root().join(path).exists());
        assert!(there, "`{name}` is named, and not there");
        seen += 1;
    }
    assert!(seen > 10, "{seen}");
}
