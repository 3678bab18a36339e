//! The tokenizer, made from the settings of the file: byte-level BPE.

use std::collections::{HashMap, HashSet};

use notebook_core::{Error, ErrorKind, Result, chat::TokenCount};
use serde_json::{Value as Json, json};
use tokenizers::Tokenizer;

use super::file::{Gguf, OPERATION, Value};
use crate::chat::counts::count;

/// Names of tokens that end an answer, whatever `eos_token_id` says.
const ENDS: [&str; 5] =
    ["<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "<|eom_id|>"];

/// Token types of GGUF.
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;

/// Texts to token ids and back.
#[derive(Debug)]
pub(super) struct Tokens {
    tokenizer: Tokenizer,
    /// The bytes of each token; none for control tokens.
    bytes: Vec<Vec<u8>>,
    /// The texts of control tokens, longest first.
    controls: Vec<String>,
    ends: HashSet<u32>,
    /// The token before every prompt, and its text.
    pub(super) bos: Option<(u32, String)>,
    /// The text of the token that ends an answer.
    pub(super) eos: String,
    longest: usize,
}

impl Tokens {
    /// Makes the tokenizer that the file describes.
    pub(super) fn load(gguf: &Gguf) -> Result<Self> {
        let texts = texts(gguf, "tokenizer.ggml.tokens")?;
        let kinds: Vec<u64> = match gguf.get("tokenizer.ggml.token_type") {
            Some(Value::List(list)) if list.len() == texts.len() => list.iter().map(kind).collect(),
            Some(_) => {
                return Err(gguf.corrupt(
                    "tokenizer.ggml.token_type",
                    "it is not a list as long as the tokens",
                ));
            }
            None => vec![1; texts.len()],
        };
        let bytes: Vec<Vec<u8>> =
            texts.iter().zip(&kinds).map(|(text, kind)| to_bytes(text, *kind)).collect();
        let mut controls: Vec<String> = texts
            .iter()
            .zip(&kinds)
            .filter(|(text, kind)| **kind == CONTROL && !text.is_empty())
            .map(|(text, _)| (*text).to_owned())
            .collect();
        controls.sort_by_key(|text| std::cmp::Reverse(text.len()));
        let text_of = |id: usize| texts.get(id).map(|text| (*text).to_owned());
        let eos = gguf.number("tokenizer.ggml.eos_token_id")?;
        let eot = gguf.number("tokenizer.ggml.eot_token_id")?;
        let named = texts
            .iter()
            .zip(&kinds)
            .enumerate()
            .filter(|(_, (text, kind))| **kind == CONTROL && ENDS.contains(*text));
        let ends = named
            .map(|(id, _)| id)
            .chain(eos)
            .chain(eot)
            .filter_map(|id| u32::try_from(id).ok())
            .collect();
        let bos = match gguf.get("tokenizer.ggml.add_bos_token") {
            Some(Value::Bool(true)) => gguf.number("tokenizer.ggml.bos_token_id")?,
            _ => None,
        };
        Ok(Self {
            tokenizer: build(gguf, &texts, &kinds)?,
            longest: bytes
                .iter()
                .map(Vec::len)
                .chain(controls.iter().map(String::len))
                .max()
                .unwrap_or(1)
                .max(1),
            bos: bos.and_then(|id| Some((u32::try_from(id).ok()?, text_of(id)?))),
            eos: eos.and_then(text_of).unwrap_or_default(),
            bytes,
            controls,
            ends,
        })
    }

    /// The ids of `text`, in which the texts of control tokens stand for these tokens.
    pub(super) fn ids(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self.tokenizer.encode_fast(text, false).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, "tokenize prompt").with("reason", error.to_string())
        })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// How many tokens a text of a user is.
    pub(super) fn count(&self, text: &str) -> TokenCount {
        count(&self.tokenizer, &self.plain(text))
    }

    /// `text` without control tokens: a space is put after the first character of each, so that
    /// nobody ends his own message and speaks for another.
    pub(super) fn plain(&self, text: &str) -> String {
        let mut plain = text.to_owned();
        for control in &self.controls {
            if plain.contains(control.as_str()) {
                let second = control.chars().next().map_or(0, char::len_utf8);
                let (head, tail) = control.split_at(second);
                plain = plain.replace(control.as_str(), &format!("{head} {tail}"));
            }
        }
        plain
    }

    /// The bytes that a token stands for: perhaps part of a character, none for control tokens.
    pub(super) fn bytes(&self, token: u32) -> &[u8] {
        usize::try_from(token)
            .ok()
            .and_then(|token| self.bytes.get(token))
            .map_or(&[], Vec::as_slice)
    }

    /// Whether the token ends an answer.
    pub(super) fn ends(&self, token: u32) -> bool {
        self.ends.contains(&token)
    }

    /// A number of tokens that a text of `bytes` bytes has at least.
    pub(super) fn least(&self, bytes: usize) -> usize {
        bytes.div_ceil(self.longest)
    }
}

fn kind(value: &Value) -> u64 {
    match value {
        Value::Unsigned(kind) => *kind,
        Value::Signed(kind) => u64::try_from(*kind).unwrap_or(0),
        _ => 0,
    }
}

fn texts<'a>(gguf: &'a Gguf, name: &str) -> Result<Vec<&'a str>> {
    let text = |value: &'a Value| match value {
        Value::Text(text) => Ok(text.as_str()),
        _ => Err(gguf.corrupt(name, "it holds something that is not a text")),
    };
    gguf.list(name)?.iter().map(text).collect()
}

/// How text is cut before merging, by the file's name for it.
fn pre_tokenizer(gguf: &Gguf) -> Result<Json> {
    let model = gguf.text("tokenizer.ggml.model")?;
    if model != "gpt2" {
        return Err(gguf.unsupported(
            "tokenizer.ggml.model",
            format!("it is {model}, not gpt2 (byte-level BPE)"),
        ));
    }
    let level = |regex| json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": regex});
    let split = |pattern| json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
    match gguf.text("tokenizer.ggml.pre")? {
        "smollm" => Ok(
            json!({"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true}, level(true)]}),
        ),
        "gpt-2" => Ok(level(true)),
        "llama-bpe" => {
            let pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
            Ok(json!({"type": "Sequence", "pretokenizers": [split(pattern), level(false)]}))
        }
        other => Err(gguf.unsupported(
            "tokenizer.ggml.pre",
            format!("it is {other}, not smollm, gpt-2 or llama-bpe"),
        )),
    }
}

fn build(gguf: &Gguf, texts_: &[&str], kinds: &[u64]) -> Result<Tokenizer> {
    let pre_tokenizer = pre_tokenizer(gguf)?;
    let vocab: HashMap<&str, usize> =
        texts_.iter().enumerate().map(|(id, text)| (*text, id)).collect();
    let special = texts_
        .iter()
        .zip(kinds)
        .enumerate()
        .filter(|(_, (_, kind))| matches!(**kind, CONTROL | USER_DEFINED));
    let added: Vec<Json> = special
        .map(|(id, (text, kind))| {
            json!({"id": id, "content": text, "special": *kind == CONTROL, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false})
        })
        .collect();
    let ignore = gguf.text("tokenizer.ggml.pre")? == "llama-bpe";
    let description = json!({
        "version": "1.0",
        "added_tokens": added,
        "pre_tokenizer": pre_tokenizer,
        "model": {"type": "BPE", "vocab": vocab, "merges": texts(gguf, "tokenizer.ggml.merges")?, "ignore_merges": ignore},
    });
    let wrong = |reason: String| {
        Error::new(ErrorKind::Corrupt, OPERATION)
            .with("file", gguf.file.clone())
            .with("field", "tokenizer.ggml.merges")
            .with("reason", reason)
    };
    let bytes = serde_json::to_vec(&description).map_err(|error| wrong(error.to_string()))?;
    Tokenizer::from_bytes(bytes).map_err(|error| wrong(error.to_string()))
}

/// The bytes that a token's text stands for. Ordinary tokens write each byte as one printable
/// character: itself where it is one in Latin-1, else the next free one from U+0100.
fn to_bytes(text: &str, kind: u64) -> Vec<u8> {
    match kind {
        CONTROL => Vec::new(),
        USER_DEFINED => text.as_bytes().to_vec(),
        _ => text.chars().filter_map(to_byte).collect(),
    }
}

fn printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

fn to_byte(c: char) -> Option<u8> {
    match u8::try_from(u32::from(c)) {
        Ok(byte) => printable(byte).then_some(byte),
        Err(_) => {
            let index = u32::from(c).checked_sub(256)?;
            (0..=u8::MAX).filter(|byte| !printable(*byte)).nth(usize::try_from(index).ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_character() {
        let mut seen = HashSet::new();
        for c in (0..400).filter_map(char::from_u32) {
            if let Some(byte) = to_byte(c) {
                assert!(seen.insert(byte), "{c:?} stands for {byte} again");
            }
        }
        assert_eq!(seen.len(), 256);
        assert_eq!(
            (to_byte('Ġ'), to_byte('Ċ'), to_byte('a')),
            (Some(b' '), Some(b'\n'), Some(b'a'))
        );
        assert_eq!((to_byte(' '), to_byte('漢')), (None, None));
    }
}
