//! Who makes scopes: what the lint refuses elsewhere. What the types refuse stands beside `TenantScope`, as examples that must
//! not compile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};

/// Where scopes may be made: authentication, the queue, which has the job's row, and what tests ports.
const MAKERS: [&str; 7] = [
    "notebook-core/src/scope.rs",
    "notebook-core/src/queue/mod.rs",
    "notebook-auth/src/lib.rs",
    // A collection that retrieval is measured on is a tenant of its own.
    "notebook-rag/src/eval/run.rs",
    // An answer that is done again is nobody's: it has no store, and everything that it asks for comes from its recording.
    "notebook-agent/src/chat/again.rs",
    "/conformance",
    "/tests",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
}

/// The maker is public, for hosts with a login of their own: clippy refuses it in this house, and whoever lets it pass
/// (`allow`) is listed here.
#[test]
fn only_authentication_and_the_queue_make_scopes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let rules = std::fs::read_to_string(root.join("clippy.toml")).unwrap();
    assert!(rules.contains("notebook_core::TenantScope::authenticated"), "the lint is on");
    let mut all = Vec::new();
    for part in ["core", "rag", "agent", "auth", "server"] {
        sources(&root.join(format!("notebook-{part}/src")), &mut all);
    }
    let mut makers = Vec::new();
    for path in all {
        let text = std::fs::read_to_string(&path).unwrap();
        // Examples in the documentation and what is behind this are tests.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let made = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        if made.into_iter().any(|line| line.contains("TenantScope::authenticated(")) {
            makers.push(path.to_str().unwrap().to_owned());
        }
    }
    assert!(makers.len() >= 3, "{makers:?}");
    makers.retain(|path| !MAKERS.iter().any(|maker| path.contains(maker)));
    assert!(makers.is_empty(), "these make scopes too: {makers:?}");
}
