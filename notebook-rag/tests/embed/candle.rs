//! The embedder on candle. Needs the model that scripts/fetch-models.py fetches; without it these
//! tests fail and say so.

use std::{fs, num::NonZeroUsize, sync::LazyLock};

use notebook_core::{
    ErrorKind,
    embed::{EmbedKind, Embedder},
};
use notebook_rag::embed::{
    LocalOptions,
    candle::{CandleEmbedder, MODEL_FILES},
};

use crate::support::{self, assert_close, dot, folder, reference, texts};

static MODEL: LazyLock<CandleEmbedder> = LazyLock::new(|| {
    CandleEmbedder::load("all-MiniLM-L6-v2", &folder(), &LocalOptions::default()).unwrap()
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
async fn no_text_gives_no_vector() {
    assert!(MODEL.embed(EmbedKind::Passage, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_follows_the_limit_is_ignored() {
    let long = "lorem ipsum dolor ".repeat(20_000);
    let longer = format!("{long} and something else entirely");
    let other = format!("and something else entirely {long}");
    let vectors = MODEL.embed(EmbedKind::Passage, &[long, longer, other]).await.unwrap();
    assert_close(&vectors[0], &vectors[1]);
    assert!(dot(&vectors[0], &vectors[2]) < 0.999);
}

#[tokio::test]
async fn odd_texts_give_unit_vectors() {
    let texts = [
        "\0",
        "\u{FEFF}\u{202E}\u{0301}",
        "🙂🙂🙂",
        &"x".repeat(100_000),
        &" ".repeat(100_000),
        "[SEP] [PAD] [MASK]",
        "\n\t\r",
    ];
    let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
    for vector in MODEL.embed(EmbedKind::Passage, &texts).await.unwrap() {
        assert!((dot(&vector, &vector) - 1.0).abs() < 1e-5);
    }
}

#[test]
fn tokens_are_counted_without_special_ones_and_without_a_limit() {
    assert_eq!(MODEL.max_tokens(), 256);
    assert_eq!(MODEL.count_tokens(""), 0);
    let reference = reference();
    for (text, want) in texts(&reference).iter().zip(&reference.texts) {
        let tokens = MODEL.count_tokens(text);
        if want.repeat.is_none() {
            assert_eq!(tokens + 2, want.tokens)
        } else {
            assert!(tokens > 254)
        }
    }
}

#[test]
fn the_model_is_named_after_its_weights_and_settings() {
    let name = MODEL.space().model.clone();
    let hash = name.strip_prefix("all-MiniLM-L6-v2@").unwrap();
    assert!(hash.len() == 8 && hash.chars().all(|c| c.is_ascii_hexdigit()), "{name}");
    let options = LocalOptions { max_tokens: Some(128), threads: NonZeroUsize::new(1) };
    let shorter = CandleEmbedder::load("all-MiniLM-L6-v2", &folder(), &options).unwrap();
    assert_eq!(shorter.max_tokens(), 128);
    assert_ne!(shorter.space().model, name);
}

/// A copy of the model's small files, with a change to one of them.
fn spoilt(file: &str, change: impl Fn(Vec<u8>) -> Option<Vec<u8>>) -> notebook_core::Error {
    let copy = tempfile::tempdir().unwrap();
    for name in MODEL_FILES {
        let bytes = fs::read(folder().join(name)).unwrap();
        let bytes = if name == file { change(bytes) } else { Some(bytes) };
        if let Some(bytes) = bytes {
            fs::write(copy.path().join(name), bytes).unwrap();
        }
    }
    CandleEmbedder::load("m", copy.path(), &LocalOptions::default())
        .err()
        .expect("it must not load")
}

#[test]
fn errors_name_the_file_and_the_field() {
    let replaced = |from: &'static str, to: &'static str| {
        move |bytes: Vec<u8>| {
            Some(String::from_utf8(bytes).unwrap().replacen(from, to, 1).into_bytes())
        }
    };
    for file in MODEL_FILES {
        let error = spoilt(file, |_| None);
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.context("file").unwrap().ends_with(file), "{error}");
        let error = spoilt(file, |bytes| Some(bytes[..bytes.len() / 2].to_vec()));
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.context("file").unwrap().ends_with(file), "{error}");
    }
    let error =
        spoilt("config.json", replaced("\"model_type\": \"bert\"", "\"model_type\": \"llama\""));
    assert_eq!(
        (error.kind(), error.context("field")),
        (ErrorKind::Unsupported, Some("model_type"))
    );
    let error = spoilt("config.json", replaced("\"hidden_size\": 384", "\"hidden_size\": \"big\""));
    assert!(error.context("reason").unwrap().contains("expected usize"), "{error}");
    let error = spoilt(
        "config.json",
        replaced("\"num_attention_heads\": 12", "\"num_attention_heads\": 11"),
    );
    assert_eq!(error.context("field"), Some("num_attention_heads"));
    let error = spoilt(
        "config.json",
        replaced("\"intermediate_size\": 1536", "\"intermediate_size\": 1537"),
    );
    assert_eq!(error.context("field"), Some("encoder.layer.0.intermediate.dense.weight"));
    assert!(error.context("reason").unwrap().contains("[1536, 384]"), "{error}");
    let error = spoilt("config.json", replaced("\"vocab_size\": 30522", "\"vocab_size\": 30521"));
    assert!(error.context("file").unwrap().ends_with("tokenizer.json"), "{error}");
    let options = LocalOptions { max_tokens: Some(513), threads: None };
    let error = CandleEmbedder::load("m", &folder(), &options).err().unwrap();
    assert_eq!(error.context("field"), Some("max_tokens"));
}
