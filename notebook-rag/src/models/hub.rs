//! The folder layout of the hub's own cache.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// The snapshots of the model `name` in the cache `hub`: the one that `refs/main` names first, then
/// the others, newest first. A name without an organisation matches any.
pub(super) fn snapshots(hub: &Path, name: &str) -> Vec<PathBuf> {
    repositories(hub, name).into_iter().flat_map(|folder| of_repository(&folder)).collect()
}

fn repositories(hub: &Path, name: &str) -> Vec<PathBuf> {
    if name.contains('/') {
        return vec![hub.join(format!("models--{}", name.replace('/', "--")))];
    }
    let ending = format!("--{name}");
    let fits = |path: &PathBuf| {
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        file.strip_prefix("models").is_some_and(|rest| rest.ends_with(&ending))
    };
    let mut found: Vec<PathBuf> = entries(hub).into_iter().filter(fits).collect();
    found.sort();
    found
}

fn of_repository(folder: &Path) -> Vec<PathBuf> {
    let main = fs::read_to_string(folder.join("refs").join("main")).unwrap_or_default();
    let mut found: Vec<(bool, SystemTime, PathBuf)> = entries(&folder.join("snapshots"))
        .into_iter()
        .filter(|path| path.is_dir())
        .map(|path| {
            let named = path.file_name().is_some_and(|name| name == main.trim());
            let changed = fs::metadata(&path)
                .and_then(|data| data.modified())
                .unwrap_or(SystemTime::UNIX_EPOCH);
            (named, changed, path)
        })
        .collect();
    found.sort_by(|a, b| (b.0, b.1, &b.2).cmp(&(a.0, a.1, &a.2)));
    found.into_iter().map(|(_, _, path)| path).collect()
}

/// The paths in a folder; none when it cannot be read, since a cache need not exist.
fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .map_or_else(|_| Vec::new(), |list| list.flatten().map(|entry| entry.path()).collect())
}
