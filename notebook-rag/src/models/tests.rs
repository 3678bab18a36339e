use std::fs;

use super::*;

const NAME: &str = "sentence-transformers/all-MiniLM-L6-v2";
const FILES: [&str; 2] = ["config.json", "model.safetensors"];

fn put(folder: &Path, files: &[&str]) {
    fs::create_dir_all(folder).unwrap();
    for file in files {
        fs::write(folder.join(file), "x").unwrap();
    }
}

fn places(root: &Path) -> ModelPlaces {
    let root = root.to_path_buf();
    ModelPlaces::from_variables(move |name| match name {
        "NOTEBOOK_CACHE" => Some(root.join("own").into()),
        "HF_HUB_CACHE" => Some(root.join("hub").into()),
        _ => None,
    })
}

fn snapshot(root: &Path, commit: &str) -> PathBuf {
    root.join("hub/models--sentence-transformers--all-MiniLM-L6-v2/snapshots").join(commit)
}

#[test]
fn the_configured_folder_is_the_only_one_looked_at() {
    let root = tempfile::tempdir().unwrap();
    let own = root.path().join("own/models/all-MiniLM-L6-v2");
    put(&own, &FILES);
    let mine = root.path().join("mine");
    put(&mine, &["config.json"]);
    let error = places(root.path()).folder(NAME, Some(&mine), &FILES).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.context("looked in").unwrap().contains("without model.safetensors"));
    assert!(!error.to_string().contains("own"), "{error}");
    put(&mine, &FILES);
    assert_eq!(places(root.path()).folder(NAME, Some(&mine), &FILES).unwrap(), mine);
}

#[test]
fn a_configured_folder_may_hold_the_model_under_its_name() {
    let root = tempfile::tempdir().unwrap();
    put(&root.path().join("models/all-MiniLM-L6-v2"), &FILES);
    let found =
        places(root.path()).folder(NAME, Some(&root.path().join("models")), &FILES).unwrap();
    assert!(found.ends_with("models/all-MiniLM-L6-v2"));
}

#[test]
fn the_own_cache_goes_before_the_hub_and_an_incomplete_one_is_passed_over() {
    let root = tempfile::tempdir().unwrap();
    let (own, hub) =
        (root.path().join("own/models/all-MiniLM-L6-v2"), snapshot(root.path(), "c0ffee"));
    put(&hub, &FILES);
    put(&own, &["config.json"]);
    assert_eq!(places(root.path()).folder(NAME, None, &FILES).unwrap(), hub);
    put(&own, &FILES);
    assert_eq!(places(root.path()).folder(NAME, None, &FILES).unwrap(), own);
}

#[test]
fn the_main_snapshot_goes_before_others() {
    let root = tempfile::tempdir().unwrap();
    for commit in ["aaa", "bbb", "ccc"] {
        put(&snapshot(root.path(), commit), &FILES);
    }
    put(&root.path().join("hub/models--sentence-transformers--all-MiniLM-L6-v2/refs"), &[]);
    fs::write(
        root.path().join("hub/models--sentence-transformers--all-MiniLM-L6-v2/refs/main"),
        "bbb\n",
    )
    .unwrap();
    for name in [NAME, "all-MiniLM-L6-v2"] {
        assert_eq!(
            places(root.path()).folder(name, None, &FILES).unwrap(),
            snapshot(root.path(), "bbb")
        );
    }
}

#[test]
fn the_error_says_where_it_looked_and_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    put(&snapshot(root.path(), "aaa"), &["config.json"]);
    let error = places(root.path()).folder(NAME, None, &FILES).unwrap_err();
    let looked = error.context("looked in").unwrap();
    assert!(looked.contains("own/models/all-MiniLM-L6-v2 (no such folder)"), "{looked}");
    assert!(looked.contains("snapshots/aaa (without model.safetensors)"), "{looked}");
    assert!(error.context("fix").unwrap().contains("notebook models fetch"));
}

#[test]
fn variables_have_the_usual_defaults() {
    let from = |set: &'static [(&str, &str)]| {
        ModelPlaces::from_variables(move |name| {
            set.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v))
        })
    };
    let home = from(&[("HOME", "/h"), ("HF_HOME", "")]);
    assert_eq!(home.cache.unwrap(), Path::new("/h/.cache/notebook"));
    assert_eq!(home.hub.unwrap(), Path::new("/h/.cache/huggingface/hub"));
    assert_eq!(from(&[("HOME", "/h"), ("HF_HOME", "/f")]).hub.unwrap(), Path::new("/f/hub"));
    assert_eq!(from(&[("HF_HOME", "/f"), ("HF_HUB_CACHE", "/c")]).hub.unwrap(), Path::new("/c"));
    assert!(from(&[]).cache.is_none());
}

#[test]
fn names_cannot_leave_the_folder() {
    for name in ["", "/", "..", "../x", "a/../b", "a/b/c", "a b", ".hidden", "a/.."] {
        let error = ModelPlaces::default().folder(name, None, &FILES).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}");
    }
}

#[test]
fn a_file_is_found_by_path_by_folder_and_in_the_caches() {
    let root = tempfile::tempdir().unwrap();
    let places = places(root.path());
    let error = places.file("m.gguf", Some(NAME), None).unwrap_err();
    assert!(error.to_string().contains("own/models/m.gguf (no such file)"), "{error}");
    put(&snapshot(root.path(), "aaa"), &["m.gguf"]);
    assert_eq!(
        places.file("m.gguf", Some(NAME), None).unwrap(),
        snapshot(root.path(), "aaa").join("m.gguf")
    );
    put(&root.path().join("own/models"), &["m.gguf"]);
    let own = root.path().join("own/models/m.gguf");
    assert_eq!(places.file("m.gguf", Some(NAME), None).unwrap(), own);
    assert_eq!(places.file("m.gguf", None, Some(&own)).unwrap(), own);
    assert_eq!(places.file("m.gguf", None, Some(&root.path().join("own/models"))).unwrap(), own);
    let absent = root.path().join("absent.gguf");
    assert!(
        places.file("m.gguf", None, Some(&absent)).unwrap_err().to_string().contains("absent.gguf")
    );
}

#[test]
fn onnxruntime_is_the_named_one_else_the_cache_s_else_the_system_s() {
    let root = tempfile::tempdir().unwrap();
    let named = |name: &str| match name {
        "ORT_DYLIB_PATH" => Some("/opt/ort.so".into()),
        _ => None,
    };
    let cache = root.path().to_path_buf();
    let cached = |name: &str| (name == "NOTEBOOK_CACHE").then(|| cache.clone().into());
    let explicit = Path::new("/own/ort.so");
    assert_eq!(ModelPlaces::from_variables(named).onnxruntime(Some(explicit)), explicit);
    assert_eq!(ModelPlaces::from_variables(named).onnxruntime(None), Path::new("/opt/ort.so"));
    let bare = ModelPlaces::from_variables(cached).onnxruntime(None);
    assert!(bare.parent() == Some(Path::new("")), "{}", bare.display());
    let own = root.path().join("bin/onnxruntime").join(&bare);
    fs::create_dir_all(own.parent().unwrap()).unwrap();
    fs::write(&own, "").unwrap();
    assert_eq!(ModelPlaces::from_variables(cached).onnxruntime(None), own);
}
