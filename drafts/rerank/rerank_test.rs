//! B3: a cross-encoder in this process, against the same arithmetic written out plainly. The model is tiny and made here:
//! no weights of a real one are in reach of the tests.
#![cfg(feature = "candle")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::{collections::BTreeMap, path::Path};

use notebook_core::ErrorKind;
use notebook_rag::{
    embed::LocalOptions,
    rerank::{CrossEncoder, Reranker},
};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::json;

const HIDDEN: usize = 8;
const HEADS: usize = 2;
const INNER: usize = 12;
const LAYERS: usize = 2;
const POSITIONS: usize = 24;
const WORDS: [&str; 12] = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "bees", "dance", "ants", "follow", "trails", "where", "do", "paper",
];

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Weights that look like chance and are the same in every run.
fn tensors() -> Tensors {
    let mut state = 12_345_u64;
    let mut chance = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f32 / (1 << 24) as f32 - 0.5) * 0.8
    };
    let mut tensors = Tensors::new();
    let mut add = |name: String, shape: &[usize], one: f32| {
        let values = (0..shape.iter().product()).map(|_| one + chance()).collect();
        tensors.insert(name, (shape.to_vec(), values));
    };
    let norm = |add: &mut dyn FnMut(String, &[usize], f32), name: &str| {
        add(format!("{name}.weight"), &[HIDDEN], 1.0);
        add(format!("{name}.bias"), &[HIDDEN], 0.0);
    };
    for (name, rows) in [("word", WORDS.len()), ("position", POSITIONS), ("token_type", 2)] {
        add(format!("bert.embeddings.{name}_embeddings.weight"), &[rows, HIDDEN], 0.0);
    }
    norm(&mut add, "bert.embeddings.LayerNorm");
    for layer in 0..LAYERS {
        let name = |rest: &str| format!("bert.encoder.layer.{layer}.{rest}");
        for (rest, inputs, outputs) in [
            ("attention.self.query", HIDDEN, HIDDEN),
            ("attention.self.key", HIDDEN, HIDDEN),
            ("attention.self.value", HIDDEN, HIDDEN),
            ("attention.output.dense", HIDDEN, HIDDEN),
            ("intermediate.dense", HIDDEN, INNER),
            ("output.dense", INNER, HIDDEN),
        ] {
            add(name(&format!("{rest}.weight")), &[outputs, inputs], 0.0);
            add(name(&format!("{rest}.bias")), &[outputs], 0.0);
        }
        norm(&mut add, &name("attention.output.LayerNorm"));
        norm(&mut add, &name("output.LayerNorm"));
    }
    for (name, outputs) in [("bert.pooler.dense", HIDDEN), ("classifier", 1)] {
        add(format!("{name}.weight"), &[outputs, HIDDEN], 0.0);
        add(format!("{name}.bias"), &[outputs], 0.0);
    }
    tensors
}

fn write(folder: &Path, tensors: &Tensors) {
    let bytes: BTreeMap<&String, Vec<u8>> = tensors
        .iter()
        .map(|(name, (_, values))| (name, values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views = tensors.iter().map(|(name, (shape, _))| {
        (name.clone(), TensorView::new(Dtype::F32, shape.clone(), &bytes[name]).unwrap())
    });
    let file = safetensors::serialize(views, None).unwrap();
    std::fs::write(folder.join("model.safetensors"), file).unwrap();
    let config = json!({
        "architectures": ["BertForSequenceClassification"], "model_type": "bert", "hidden_act": "gelu",
        "hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "intermediate_size": INNER, "max_position_embeddings": POSITIONS, "vocab_size": WORDS.len(),
        "type_vocab_size": 2, "layer_norm_eps": 1e-12
    });
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let vocab: BTreeMap<&str, usize> = WORDS.iter().enumerate().map(|(id, word)| (*word, id)).collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": null, "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]"}
    });
    std::fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
}

/// The model of the paper, one number after the other, in 64 bits.
struct Plain<'t>(&'t Tensors);

impl Plain<'_> {
    fn get(&self, name: &str) -> Vec<f64> {
        self.0[name].1.iter().map(|value| f64::from(*value)).collect()
    }

    fn linear(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let (weight, bias) = (self.get(&format!("{name}.weight")), self.get(&format!("{name}.bias")));
        weight.chunks(x.len()).zip(bias).map(|(row, bias)| dot(row, x) + bias).collect()
    }

    fn norm(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let (weight, bias) = (self.get(&format!("{name}.weight")), self.get(&format!("{name}.bias")));
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / x.len() as f64;
        let scaled = x.iter().map(|v| (v - mean) / (variance + 1e-12).sqrt());
        scaled.zip(weight).zip(bias).map(|((v, w), b)| v * w + b).collect()
    }

    fn score(&self, ids: &[usize], second: usize) -> f64 {
        let row = |name: &str, at: usize| {
            self.get(&format!("bert.embeddings.{name}_embeddings.weight"))[at * HIDDEN..(at + 1) * HIDDEN].to_vec()
        };
        let mut x: Vec<Vec<f64>> = ids
            .iter()
            .enumerate()
            .map(|(at, id)| {
                let of_type = row("token_type", usize::from(at >= second));
                let sum = add(&add(&row("word", *id), &row("position", at)), &of_type);
                self.norm("bert.embeddings.LayerNorm", &sum)
            })
            .collect();
        for layer in 0..LAYERS {
            let name = |rest: &str| format!("bert.encoder.layer.{layer}.{rest}");
            let part = |which: &str| -> Vec<Vec<f64>> {
                x.iter().map(|x| self.linear(&name(&format!("attention.self.{which}")), x)).collect()
            };
            let (queries, keys, values) = (part("query"), part("key"), part("value"));
            let size = HIDDEN / HEADS;
            let mixed = |at: usize| -> Vec<f64> {
                let head = |head: usize| -> Vec<f64> {
                    let range = head * size..(head + 1) * size;
                    let scores: Vec<f64> = keys
                        .iter()
                        .map(|key| (dot(&queries[at][range.clone()], &key[range.clone()]) / (size as f64).sqrt()).exp())
                        .collect();
                    let all: f64 = scores.iter().sum();
                    range.map(|i| scores.iter().zip(&values).map(|(s, v)| s / all * v[i]).sum()).collect()
                };
                (0..HEADS).flat_map(head).collect()
            };
            let attended: Vec<Vec<f64>> = (0..x.len()).map(mixed).collect();
            for (x, attended) in x.iter_mut().zip(attended) {
                let out = add(&self.linear(&name("attention.output.dense"), &attended), x);
                let middle = self.norm(&name("attention.output.LayerNorm"), &out);
                let wide: Vec<f64> =
                    self.linear(&name("intermediate.dense"), &middle).into_iter().map(gelu).collect();
                let out = add(&self.linear(&name("output.dense"), &wide), &middle);
                *x = self.norm(&name("output.LayerNorm"), &out);
            }
        }
        let pooled: Vec<f64> =
            self.linear("bert.pooler.dense", &x[0]).into_iter().map(f64::tanh).collect();
        self.linear("classifier", &pooled)[0]
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn gelu(x: f64) -> f64 {
    // The series of the error function: x stays small here.
    let z = x / std::f64::consts::SQRT_2;
    let (mut term, mut sum) = (z, z);
    for n in 1..60 {
        term *= -z * z / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    x * 0.5 * (1.0 + sum * 2.0 / std::f64::consts::PI.sqrt())
}

/// `[CLS] question [SEP] passage [SEP]`, and where the passage begins.
fn ids(question: &str, passage: &str) -> (Vec<usize>, usize) {
    let words = |text: &str| -> Vec<usize> {
        let id = |word: &str| WORDS.iter().position(|known| *known == word).unwrap_or(1);
        text.to_lowercase().split_whitespace().map(id).collect()
    };
    let mut ids = vec![2];
    ids.extend(words(question));
    ids.push(3);
    let second = ids.len();
    ids.extend(words(passage));
    ids.push(3);
    (ids, second)
}

fn load(folder: &Path) -> notebook_core::Result<CrossEncoder> {
    CrossEncoder::load("tiny", folder, &LocalOptions::default())
}

/// B3: scores are those of the plain arithmetic, in the passages' order, however they are batched.
#[tokio::test]
async fn b3_scores_are_the_models() {
    let (folder, tensors) = (tempfile::tempdir().unwrap(), tensors());
    write(folder.path(), &tensors);
    let encoder = load(folder.path()).unwrap();
    assert_eq!(encoder.model(), "tiny");
    let passages = ["bees dance", "Ants follow trails", "paper", "wasps follow paper trails", "", "bees"];
    let passages: Vec<String> = passages.map(str::to_owned).into();
    let question = "where do bees dance";
    let scores = encoder.scores(question, &passages).await.unwrap();
    assert_eq!(scores.len(), passages.len());
    for (score, passage) in scores.iter().zip(&passages) {
        let (ids, second) = ids(question, passage);
        let wanted = Plain(&tensors).score(&ids, second);
        assert!((f64::from(*score) - wanted).abs() < 1e-4, "{passage}: {score} {wanted}");
    }
    let (most, least) = (scores.iter().copied().fold(f32::MIN, f32::max), scores.iter().copied().fold(f32::MAX, f32::min));
    assert!(most - least > 1e-3, "passages are told apart: {scores:?}");
    assert!(encoder.scores(question, &[]).await.unwrap().is_empty());
    let alone = encoder.scores(question, &passages[1..2]).await.unwrap();
    assert!((alone[0] - scores[1]).abs() < 1e-5);
    // More words than the model has places for.
    let long = vec!["bees dance ".repeat(1_000)];
    assert!(encoder.scores(&"where ".repeat(100), &long).await.unwrap()[0].is_finite());
}

/// What is missing or does not fit is named.
#[test]
fn b3_models_that_are_none() {
    let (folder, mut tensors) = (tempfile::tempdir().unwrap(), tensors());
    assert_eq!(load(folder.path()).err().unwrap().kind(), ErrorKind::NotFound);
    tensors.remove("classifier.weight");
    write(folder.path(), &tensors);
    let error = load(folder.path()).err().unwrap();
    assert!(error.to_string().contains("classifier.weight"), "{error}");
    // Three labels say what a passage is about, not how well it answers.
    tensors.insert("classifier.weight".into(), (vec![3, HIDDEN], vec![0.1; 3 * HIDDEN]));
    write(folder.path(), &tensors);
    assert!(load(folder.path()).is_err());
}
