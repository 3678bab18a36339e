//! The embedder on onnxruntime. Needs the library, the model and its graph, which
//! scripts/fetch-models.py fetches and makes; without them these tests fail and say so.

use std::{fs, sync::LazyLock};

use notebook_core::{
    Error, ErrorKind,
    embed::{EmbedKind, Embedder},
};
use notebook_rag::embed::{
    LocalOptions,
    ort::{GRAPH_FILES, MODEL_FILES, OrtEmbedder, OrtOptions},
};

use crate::support::{self, dot, folder};

static MODEL: LazyLock<OrtEmbedder> = LazyLock::new(|| {
    OrtEmbedder::load("all-MiniLM-L6-v2", &folder(), &OrtOptions::default()).unwrap()
});

#[tokio::test]
async fn vectors_equal_the_reference() {
    support::vectors_equal_the_reference(&*MODEL).await;
}

#[tokio::test]
async fn order_and_batching_do_not_matter() {
    support::order_and_batching_do_not_matter(&*MODEL).await;
}

#[tokio::test]
async fn hundreds_of_texts_of_all_lengths() {
    let word = |i: usize| ["river", "contract", "x", "Überraschung", "42"][i % 5];
    let text = |n: usize| (0..n % 60).map(word).collect::<Vec<_>>().join(" ");
    let texts: Vec<String> = (0..700).map(|i| text(i * 37)).collect();
    let vectors = MODEL.embed(EmbedKind::Passage, &texts).await.unwrap();
    assert_eq!(vectors.len(), texts.len());
    for at in [0, 1, 350, 511, 512, 699] {
        let alone = MODEL.embed(EmbedKind::Passage, &texts[at..=at]).await.unwrap();
        assert!(dot(&alone[0], &vectors[at]) > 0.9999, "text {at}");
    }
}

#[test]
fn the_model_is_named_after_its_graph_and_settings() {
    let name = MODEL.space().model.clone();
    let local = LocalOptions { max_tokens: Some(128), ..LocalOptions::default() };
    let options = OrtOptions { local, ..OrtOptions::default() };
    let shorter = OrtEmbedder::load("all-MiniLM-L6-v2", &folder(), &options).unwrap();
    assert_eq!((MODEL.max_tokens(), shorter.max_tokens()), (256, 128));
    assert_ne!(shorter.space().model, name);
}

/// Loads a copy of the model whose graph is `graph`, in `place`.
fn load(place: &str, graph: Option<&[u8]>, options: &OrtOptions) -> Result<OrtEmbedder, Error> {
    let copy = tempfile::tempdir().unwrap();
    for name in MODEL_FILES {
        fs::copy(folder().join(name), copy.path().join(name)).unwrap();
    }
    if let Some(graph) = graph {
        let file = copy.path().join(place);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, graph).unwrap();
    }
    OrtEmbedder::load("m", copy.path(), options)
}

#[test]
fn errors_name_the_file_and_the_fix() {
    let whole = fs::read(folder().join("model.onnx")).unwrap();
    let usual = OrtOptions::default();
    for place in GRAPH_FILES {
        load(place, Some(&whole), &usual).unwrap();
        for damaged in [&whole[..whole.len() / 2], b"no graph", b""] {
            let error = load(place, Some(damaged), &usual).err().expect("it must not load");
            assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unavailable), "{error}");
            assert!(error.context("file").unwrap().ends_with(place), "{error}");
        }
    }
    let error = load("", None, &usual).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.context("file").unwrap().ends_with("model.onnx"), "{error}");
}
