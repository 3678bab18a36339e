//! A tiny cross-encoder: its weights, its files, and its tokens.

use std::{collections::BTreeMap, fs, path::Path};

use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};

pub(crate) const HIDDEN: usize = 8;
pub(crate) const HEADS: usize = 2;
pub(crate) const LAYERS: usize = 2;
pub(crate) const POSITIONS: usize = 24;
const INNER: usize = 12;
const WORDS: [&str; 14] = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "bees", "dance", "ants", "follow", "trails", "where", "do",
    "paper", "[", "]",
];
const UNKNOWN: usize = 1;
const FIRST: usize = 2;
const SEPARATOR: usize = 3;

/// Name, shape, numbers.
pub(crate) type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Weights that look like chance and are the same in every run.
pub(crate) fn tensors() -> Tensors {
    let mut state = 12_345_u64;
    let mut chance = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f32 / (1 << 24) as f32 - 0.5) * 0.8
    };
    let mut tensors = Tensors::new();
    let mut add = |name: String, shape: &[usize], middle: f32| {
        let values = (0..shape.iter().product()).map(|_| middle + chance()).collect();
        tensors.insert(name, (shape.to_vec(), values));
    };
    for (name, rows) in [("word", WORDS.len()), ("position", POSITIONS), ("token_type", 2)] {
        add(format!("bert.embeddings.{name}_embeddings.weight"), &[rows, HIDDEN], 0.0);
    }
    let mut norms = vec!["bert.embeddings.LayerNorm".to_owned()];
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
        norms.extend([name("attention.output.LayerNorm"), name("output.LayerNorm")]);
    }
    for norm in norms {
        add(format!("{norm}.weight"), &[HIDDEN], 1.0);
        add(format!("{norm}.bias"), &[HIDDEN], 0.0);
    }
    for (name, outputs) in [("bert.pooler.dense", HIDDEN), ("classifier", 1)] {
        add(format!("{name}.weight"), &[outputs, HIDDEN], 0.0);
        add(format!("{name}.bias"), &[outputs], 0.0);
    }
    tensors
}

pub(crate) fn config() -> Value {
    json!({
        "architectures": ["BertForSequenceClassification"], "model_type": "bert", "hidden_act": "gelu",
        "id2label": {"0": "LABEL_0"}, "hidden_size": HIDDEN, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "intermediate_size": INNER, "max_position_embeddings": POSITIONS,
        "vocab_size": WORDS.len(), "type_vocab_size": 2, "layer_norm_eps": 1e-12
    })
}

pub(crate) fn tokenizer() -> Value {
    let vocab: BTreeMap<&str, usize> =
        WORDS.iter().enumerate().map(|(id, word)| (*word, id)).collect();
    let special = |id: usize| {
        json!({"id": id, "content": WORDS[id], "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false, "special": true})
    };
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": (0..4).map(special).collect::<Vec<_>>(),
        "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", SEPARATOR], "cls": ["[CLS]", FIRST]},
        "decoder": null, "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]"}
    })
}

/// The model's folder.
pub(crate) fn write(folder: &Path, tensors: &Tensors) {
    let bytes: BTreeMap<&String, Vec<u8>> = tensors
        .iter()
        .map(|(name, (_, values))| {
            (name, values.iter().flat_map(|value| value.to_le_bytes()).collect())
        })
        .collect();
    let views = tensors.iter().map(|(name, (shape, _))| {
        (name.clone(), TensorView::new(Dtype::F32, shape.clone(), &bytes[name]).unwrap())
    });
    fs::write(folder.join("model.safetensors"), safetensors::serialize(views, None).unwrap())
        .unwrap();
    fs::write(folder.join("config.json"), config().to_string()).unwrap();
    fs::write(folder.join("tokenizer.json"), tokenizer().to_string()).unwrap();
}

/// The tokens of a text: words, and brackets by themselves. What looks special is text.
fn words(text: &str) -> Vec<usize> {
    let spaced = text.to_lowercase().replace('[', " [ ").replace(']', " ] ");
    let id = |word: &str| WORDS.iter().position(|known| *known == word).unwrap_or(UNKNOWN);
    spaced.split_whitespace().map(id).collect()
}

/// The ids of a pair of at most so many tokens, and where its second text begins.
pub(crate) fn ids(question: &str, passage: &str, most: usize) -> (Vec<usize>, usize) {
    let room = most - 3;
    let (mut question, mut passage) = (words(question), words(passage));
    question.truncate(room / 2);
    passage.truncate(room - question.len());
    let second = question.len() + 2;
    let ids = [&[FIRST], &*question, &[SEPARATOR], &passage, &[SEPARATOR]].concat();
    (ids, second)
}
