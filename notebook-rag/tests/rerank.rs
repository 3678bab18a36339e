//! B3: the cross-encoder of this process against the same arithmetic, written out plainly in 64 bits. The model is tiny and
//! made here: no weights of a real one are in reach of the tests.
#![cfg(feature = "candle")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "rerank/model.rs"]
mod model;
#[path = "rerank/plain.rs"]
mod plain;

use std::{fs, num::NonZeroUsize, path::Path};

use model::{HIDDEN, POSITIONS, Tensors, config, tensors, tokenizer, write};
use notebook_core::{
    Error, ErrorKind, Result,
    rerank::{Reranker, conformance},
};
use notebook_rag::{
    embed::LocalOptions,
    rerank::{CrossEncoder, MODEL_FILES},
};
use plain::Plain;
use serde_json::{Value, json};

/// How far 32 bits with other orders of sums may be from 64.
const NEAR: f64 = 2e-5;
const QUESTION: &str = "Where do bees dance";
const PASSAGES: [&str; 9] = [
    "bees dance",
    "Ants follow trails",
    "paper",
    "wasps follow paper trails",
    "",
    "bees",
    "[SEP] bees [CLS]",
    "where where where do do do bees bees bees dance dance dance ants",
    "bees dance",
];

fn load(folder: &Path) -> Result<CrossEncoder> {
    CrossEncoder::load("tiny", folder, &LocalOptions::default())
}

fn refused(folder: &Path) -> Error {
    load(folder).err().expect("it is refused")
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn made(tensors: &Tensors) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), tensors);
    folder
}

/// What the plain model says of these pairs, cut to so many tokens as the crate says it does.
fn wanted(tensors: &Tensors, question: &str, passages: &[&str], most: usize) -> Vec<f64> {
    let score = |passage: &&str| {
        let (ids, second) = model::ids(question, passage, most);
        Plain(tensors).score(&ids, second)
    };
    passages.iter().map(score).collect()
}

fn assert_near(scores: &[f32], wanted: &[f64]) {
    assert_eq!(scores.len(), wanted.len());
    for (score, wanted) in scores.iter().zip(wanted) {
        assert!((f64::from(*score) - wanted).abs() < NEAR, "{scores:?} {wanted:?}");
    }
}

#[tokio::test]
async fn b3_scores_equal_the_reference() {
    let tensors = tensors();
    let folder = made(&tensors);
    assert!(MODEL_FILES.iter().all(|file| folder.path().join(file).is_file()));
    let encoder = load(folder.path()).unwrap();
    assert_eq!(encoder.model(), "tiny");
    let scores = encoder.scores(QUESTION, &texts(&PASSAGES)).await.unwrap();
    let wanted = wanted(&tensors, QUESTION, &PASSAGES, POSITIONS);
    assert_near(&scores, &wanted);
    let least = wanted.iter().copied().fold(f64::MAX, f64::min);
    let most = wanted.iter().copied().fold(f64::MIN, f64::max);
    assert!(most - least > 100.0 * NEAR, "passages are told apart: {wanted:?}");
}

/// The passage is cut, not the question; a question of more than half of the tokens is cut to half of them.
#[tokio::test]
async fn b3_the_passage_is_cut() {
    let tensors = tensors();
    let folder = made(&tensors);
    let long = "bees dance ants follow trails paper where do ".repeat(9);
    for (question, most) in [(QUESTION, 24), (QUESTION, 12), (&*long, 24), (&*long, 9)] {
        let options = LocalOptions { max_tokens: Some(most), threads: NonZeroUsize::new(2) };
        let encoder = CrossEncoder::load("tiny", folder.path(), &options).unwrap();
        let passages = [long.as_str(), "ants", "", "bees dance"];
        let scores = encoder.scores(question, &texts(&passages)).await.unwrap();
        assert_near(&scores, &wanted(&tensors, question, &passages, most));
    }
    for most in [0, 7, POSITIONS + 1] {
        let options = LocalOptions { max_tokens: Some(most), threads: None };
        let error = CrossEncoder::load("tiny", folder.path(), &options).err().unwrap();
        assert_eq!(
            (error.kind(), error.context("field")),
            (ErrorKind::InvalidInput, Some("max_tokens"))
        );
    }
}

/// More than are held at once, of many lengths: each has the number that it has alone.
#[tokio::test]
async fn b3_many_passages_are_judged_in_batches() {
    let tensors = tensors();
    let folder = made(&tensors);
    let encoder = load(folder.path()).unwrap();
    let words = ["bees", "dance", "ants", "follow", "trails", "paper", "unheard"];
    let many: Vec<String> = (0..300)
        .map(|n| (0..n % 23).map(|i| words[(n + i * 3) % 7]).collect::<Vec<_>>().join(" "))
        .collect();
    let scores = encoder.scores(QUESTION, &many).await.unwrap();
    let borrowed: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_near(&scores, &wanted(&tensors, QUESTION, &borrowed, POSITIONS));
}

#[tokio::test]
async fn b3_the_cross_encoder_keeps_the_port() {
    let folder = made(&tensors());
    conformance::run_all(&load(folder.path()).unwrap()).await;
}

/// What is missing or does not fit is named: the file, and in it the field or the tensor.
#[test]
fn b3_damaged_models_are_named() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(refused(folder.path()).kind(), ErrorKind::NotFound);
    for file in MODEL_FILES {
        let folder = made(&tensors());
        fs::remove_file(folder.path().join(file)).unwrap();
        let error = refused(folder.path());
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.context("file").unwrap().ends_with(file), "{error}");
        fs::write(folder.path().join(file), "no such thing").unwrap();
        let error = refused(folder.path());
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.context("file").unwrap().ends_with(file), "{error}");
    }
    let whole = tensors();
    for name in whole.keys() {
        let mut some = whole.clone();
        some.remove(name);
        let error = refused(made(&some).path());
        assert_eq!(
            (error.kind(), error.context("field")),
            (ErrorKind::Corrupt, Some(name.as_str()))
        );
        let mut other = whole.clone();
        let (shape, values) = other.get_mut(name).unwrap();
        shape[0] += 1;
        values.resize(shape.iter().product(), 0.5);
        let error = refused(made(&other).path());
        assert_eq!(
            (error.kind(), error.context("field")),
            (ErrorKind::Corrupt, Some(name.as_str()))
        );
    }
}

/// Models of another kind are refused with what is supported.
#[test]
fn b3_other_models_are_refused() {
    let folder = made(&tensors());
    let with = |changes: &[(&str, Value)]| {
        let mut config = config();
        for (field, value) in changes {
            config[*field] = value.clone();
        }
        fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    };
    let labels = |count: usize| -> Value {
        (0..count)
            .map(|at| (at.to_string(), json!("LABEL")))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    for (field, changes) in [
        (
            "architectures",
            vec![
                ("architectures", json!(["XLMRobertaForSequenceClassification"])),
                ("model_type", json!("xlm-roberta")),
            ],
        ),
        ("architectures", vec![("architectures", json!(["BertModel"]))]),
        ("architectures", vec![("architectures", json!([]))]),
        ("id2label", vec![("id2label", labels(3))]),
        ("id2label", vec![("id2label", Value::Null), ("num_labels", json!(2))]),
        ("type_vocab_size", vec![("type_vocab_size", json!(1))]),
        ("model_type", vec![("model_type", json!("deberta"))]),
        ("hidden_act", vec![("hidden_act", json!("relu"))]),
    ] {
        with(&changes);
        let error = refused(folder.path());
        assert_eq!((error.kind(), error.context("field")), (ErrorKind::Unsupported, Some(field)));
        if field == "architectures" {
            assert!(error.to_string().contains("ms-marco-MiniLM"), "{error}");
        }
    }
    with(&[]);
    load(folder.path()).unwrap();
    with(&[("id2label", Value::Null), ("num_labels", json!(1))]);
    load(folder.path()).unwrap();
}

/// Without it a passage would be read as more of the question.
#[test]
fn b3_tokenizers_that_cannot_tell_pairs_are_refused() {
    let folder = made(&tensors());
    let mut other = tokenizer();
    // As those of RoBERTa: both texts are of the first type.
    let piece = |id: &str| json!({"Sequence": {"id": id, "type_id": 0}});
    let special = |id: &str| json!({"SpecialToken": {"id": id, "type_id": 0}});
    other["post_processor"] = json!({
        "type": "TemplateProcessing",
        "single": [special("[CLS]"), piece("A"), special("[SEP]")],
        "pair": [special("[CLS]"), piece("A"), special("[SEP]"), piece("B"), special("[SEP]")],
        "special_tokens": {
            "[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
            "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}
        }
    });
    fs::write(folder.path().join("tokenizer.json"), other.to_string()).unwrap();
    let error = refused(folder.path());
    assert_eq!(
        (error.kind(), error.context("field")),
        (ErrorKind::Corrupt, Some("post_processor"))
    );
}

/// Weights that are no numbers are an error, not an order.
#[tokio::test]
async fn b3_weights_that_are_not_finite_are_an_error() {
    let mut tensors = tensors();
    tensors.get_mut("classifier.bias").unwrap().1[0] = f32::NAN;
    assert_eq!(tensors["classifier.weight"].0, [1, HIDDEN]);
    let folder = made(&tensors);
    let error = load(folder.path()).unwrap().scores(QUESTION, &texts(&PASSAGES)).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Corrupt);
}
