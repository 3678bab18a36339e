//! Vectors computed elsewhere, and what every embedder of that model must do.

use std::path::PathBuf;

use notebook_core::embed::{EmbedKind, Embedder};
use notebook_rag::models::ModelPlaces;
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Reference {
    pub(crate) texts: Vec<ReferenceText>,
    pub(crate) cosines: Vec<Vec<f32>>,
}

/// `text` when it is short; the long one is made from its number of repeats.
#[derive(Deserialize)]
pub(crate) struct ReferenceText {
    pub(crate) text: Option<String>,
    pub(crate) repeat: Option<usize>,
    pub(crate) tokens: usize,
    pub(crate) vector: Vec<f32>,
}

pub(crate) fn folder() -> PathBuf {
    ModelPlaces::from_env()
        .folder(
            "sentence-transformers/all-MiniLM-L6-v2",
            None,
            &["config.json", "tokenizer.json", "model.safetensors"],
        )
        .unwrap()
}

pub(crate) fn reference() -> Reference {
    serde_json::from_str(include_str!("all-minilm-l6-v2.json")).unwrap()
}

pub(crate) fn texts(reference: &Reference) -> Vec<String> {
    let long =
        |n| (0..n).map(|i| format!("word{i} of a very long text")).collect::<Vec<_>>().join(" ");
    reference
        .texts
        .iter()
        .map(|t| t.text.clone().unwrap_or_else(|| long(t.repeat.unwrap())))
        .collect()
}

pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(crate) fn assert_close(a: &[f32], b: &[f32]) {
    let most = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(a.len() == b.len() && most <= 1e-4, "differs by {most}");
}

pub(crate) async fn vectors_equal_the_reference(model: &dyn Embedder) {
    let reference = reference();
    let texts = texts(&reference);
    let vectors = model.embed(EmbedKind::Passage, &texts).await.unwrap();
    assert_eq!(vectors.len(), texts.len());
    for (i, vector) in vectors.iter().enumerate() {
        assert_eq!(vector.len(), model.space().dimensions);
        assert!((dot(vector, vector) - 1.0).abs() < 1e-5);
        let cosine = dot(vector, &reference.texts[i].vector);
        assert!(cosine >= 0.9999, "text {i}: cosine {cosine}");
        assert_close(vector, &reference.texts[i].vector);
        for (j, other) in vectors.iter().enumerate() {
            assert!(
                (dot(vector, other) - reference.cosines[i][j]).abs() < 1e-4,
                "texts {i} and {j}"
            );
        }
    }
}

pub(crate) async fn order_and_batching_do_not_matter(model: &dyn Embedder) {
    let texts = texts(&reference());
    let together = model.embed(EmbedKind::Passage, &texts).await.unwrap();
    let reversed: Vec<String> = texts.iter().rev().cloned().collect();
    let mut back = model.embed(EmbedKind::Query, &reversed).await.unwrap();
    back.reverse();
    for (i, text) in texts.iter().enumerate() {
        let alone = model.embed(EmbedKind::Query, std::slice::from_ref(text)).await.unwrap();
        assert_close(&together[i], &alone[0]);
        assert_close(&together[i], &back[i]);
    }
}
