//! C4: counts with tokenizers that the makers of models published. Needs the files that scripts/fetch-models.py fetches; without
//! them these tests fail and say so.
#![cfg(feature = "tokenizer")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    fs::{self, File},
    path::PathBuf,
    sync::Arc,
};

use futures::StreamExt as _;
use notebook_core::{
    ErrorKind,
    chat::{
        ChatEvent, ChatMessage, ChatModel, ChatRequest, ChatRole, TokenCount,
        scripted::{Script, ScriptedChat},
    },
};
use notebook_rag::{
    chat::tokenizer::{Counted, PublicTokenizer},
    models::ModelPlaces,
};
use serde_json::json;

const FILE: &str = "tokenizer.json";

fn file(model: &str) -> PathBuf {
    ModelPlaces::from_env().folder(model, None, &[FILE]).unwrap().join(FILE)
}

fn load(model: &str) -> PublicTokenizer {
    PublicTokenizer::load(&file(model)).unwrap()
}

fn words(word: &str, count: usize) -> String {
    word.repeat(count)
}

/// C4: as the library in Python counts (`tokenizers` 0.23.3, without special tokens, truncation and padding). One is of the
/// WordPiece kind and cuts at 128 tokens as published, the other is byte-level BPE.
#[test]
fn c4_counts_are_those_of_the_reference() {
    let (pieces, bytes) = (load("all-MiniLM-L6-v2"), load("faster-whisper-tiny.en"));
    for (text, in_pieces, in_bytes) in [
        (String::new(), 0, 0),
        ("a word".into(), 2, 2),
        ("The quick brown fox jumps over the lazy dog.".into(), 10, 10),
        ("naïve café — “quoted” … 12345.678e-9".into(), 15, 18),
        ("日本語のテキスト、漢字とかな。".into(), 15, 20),
        ("Привет, мир! Ελληνικά עברית العربية".into(), 31, 36),
        ("🐝👩‍👩‍👧‍👦🇩🇪".into(), 1, 23),
        ("def f(x):\n\treturn x**2  # square\n\n\n".into(), 13, 16),
        ("   leading and trailing   \r\n".into(), 3, 10),
        ("<|endoftext|>[CLS][MASK]".into(), 10, 8),
        (words("a", 140), 1, 35),
        ("e\u{301} \u{0}\u{200b}\u{feff}".into(), 1, 9),
        (words("word ", 400), 400, 401),
    ] {
        let exact = |tokens| TokenCount { tokens, exact: true };
        assert_eq!(pieces.count(&text), exact(in_pieces), "{text:?}");
        assert_eq!(bytes.count(&text), exact(in_bytes), "{text:?}");
    }
}

/// C4: what takes too long to count is estimated on the high side, and says so.
#[test]
fn c4_a_text_that_is_too_long_is_estimated() {
    let tokenizer = load("faster-whisper-tiny.en");
    let longest = words("a", 256 << 10);
    assert!(tokenizer.count(&longest).exact);
    let longer = words("a", 1 + (256 << 10));
    let counted = tokenizer.count(&longer);
    assert_eq!(counted, TokenCount::estimate(&longer));
    assert!(!counted.exact && counted.tokens > tokenizer.count(&longest).tokens);
}

/// C4: a character for which a tokenizer has no token is no error of the question.
#[test]
fn c4_what_a_tokenizer_refuses_is_estimated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let model = json!({"type": "WordLevel", "vocab": {"a": 0, "word": 1}, "unk_token": "[UNK]"});
    let split = json!({"type": "Whitespace"});
    let described = json!({"version": "1.0", "pre_tokenizer": split, "model": model});
    fs::write(&path, described.to_string()).unwrap();
    let tokenizer = PublicTokenizer::load(&path).unwrap();
    assert_eq!(tokenizer.count("a word a"), TokenCount { tokens: 3, exact: true });
    assert_eq!(tokenizer.count("a bee"), TokenCount::estimate("a bee"));
}

/// C4: what is asked and answered passes as it is.
#[tokio::test]
async fn c4_the_layer_changes_counts_and_nothing_else() {
    let tokenizer = Arc::new(load("faster-whisper-tiny.en"));
    let inner = Arc::new(ScriptedChat::new(Script::answer("It is a word.")));
    let counted = Counted::new(inner.clone(), tokenizer);
    assert_eq!(counted.info(), inner.info());
    assert!(counted.check().await.is_ok());
    assert!(!inner.count_tokens("a word").exact);
    assert_eq!(counted.count_tokens("a word"), TokenCount { tokens: 2, exact: true });
    let messages = vec![ChatMessage::new(ChatRole::User, "What is it?")];
    let request = ChatRequest { messages, ..ChatRequest::default() };
    let events: Vec<_> = counted.stream(request).await.unwrap().collect().await;
    let said = events.into_iter().filter_map(|event| match event.unwrap() {
        ChatEvent::Delta(text) => Some(text),
        _ => None,
    });
    assert_eq!(said.collect::<String>(), "It is a word.");
}

/// C4: a file that is no tokenizer is named, with what to do.
#[test]
fn c4_errors_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(file("all-MiniLM-L6-v2")).unwrap();
    let huge = folder.path().join("huge");
    File::create(&huge).unwrap().set_len((64 << 20) + 1).unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("cut", &whole[..whole.len() / 2]);
    write("empty", b"");
    write("object", b"{}");
    let mute = json!({"version": "1.0", "model": {"type": "BPE", "vocab": {}, "merges": []}});
    write("mute", mute.to_string().as_bytes());
    for (name, kind) in [
        ("none", ErrorKind::NotFound),
        ("folder", ErrorKind::InvalidInput),
        ("huge", ErrorKind::TooLarge),
        ("cut", ErrorKind::Corrupt),
        ("empty", ErrorKind::Corrupt),
        ("object", ErrorKind::Corrupt),
        ("mute", ErrorKind::Corrupt),
    ] {
        let path = folder.path().join(name);
        let error = PublicTokenizer::load(&path).unwrap_err();
        assert_eq!(error.kind(), kind, "{name}: {error}");
        assert_eq!(error.context("file"), path.to_str());
        assert!(error.context("fix").is_some_and(|fix| fix.contains(FILE)), "{error}");
    }
}
