//! C4: counts are exact. Every cut and every count is held against the crate of the vocabularies, which does both with a regular
//! expression and an automaton, and is itself tested against OpenAI's.

use std::{fs, path::Path};

use bpe_openai::Tokenizer;
use proptest::{collection::vec, prelude::*, sample::select};

use super::{Encoding, Pattern, split::Pieces};

const ALL: [Encoding; 2] = [Encoding::Cl100k, Encoding::O200k];

/// What the expressions treat in a way of its own, or nearly.
const PARTS: &[&str] = &[
    "'s",
    "'S",
    "'ſ",
    "'t",
    "'RE",
    "'rE",
    "'ve",
    "'m",
    "'ll",
    "'lL",
    "'l",
    "'d",
    "'",
    "''",
    "’s",
    "K",
    "'K",
    " ",
    "  ",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "\u{b}",
    "\u{c}",
    "\u{85}",
    "\u{a0}",
    "\u{2028}",
    "\u{3000}",
    "\u{200b}",
    "\u{feff}",
    "/",
    "//",
    "/\n",
    "\n/",
    "!",
    "!!!",
    "...",
    "(",
    ")",
    "{}",
    "=>",
    "_",
    "-",
    "\0",
    "\u{7f}",
    "0",
    "12",
    "123",
    "1234",
    "٣",
    "Ⅷ",
    "½",
    "²",
    "一",
    "〇",
    "a",
    "A",
    "aB",
    "Ab",
    "AB",
    "word",
    "Word",
    "WORD",
    "camelCase",
    "HTTPServer",
    "ß",
    "ſ",
    "ﬀ",
    "ǅ",
    "Ǆ",
    "ª",
    "ʰ",
    "日本",
    "ー",
    "แม่",
    "한국",
    "Ж",
    "ж",
    "Éa",
    "e\u{301}",
    "E\u{301}",
    "\u{301}",
    "\u{20dd}",
    "ा",
    "ि",
    "🏽",
    "👩‍👩‍👧",
    "🇩🇪",
    "\u{fe0f}",
    "internationalisation",
    "antidisestablishmentarianism",
    "                    ",
    "====================",
    "aaaaaaaaaaaaaaaaaaaa",
];

fn reference(encoding: Encoding) -> (&'static Tokenizer, Pattern) {
    match encoding {
        Encoding::Cl100k => (bpe_openai::cl100k_base(), Pattern::Cl100k),
        Encoding::O200k => (bpe_openai::o200k_base(), Pattern::O200k),
    }
}

#[track_caller]
fn cut_the_same(text: &str) {
    for encoding in ALL {
        let (reference, pattern) = reference(encoding);
        let cut: Vec<&str> = Pieces::new(text, pattern).map(|piece| &text[piece]).collect();
        let expected: Vec<&str> = reference.split(text).collect();
        assert_eq!(cut, expected, "{encoding:?} of {text:?}");
    }
}

#[track_caller]
fn same(text: &str) {
    cut_the_same(text);
    for encoding in ALL {
        let expected = reference(encoding).0.count(text);
        assert_eq!(encoding.count(text), expected, "{encoding:?} of {text:?}");
    }
}

/// Any text, made of what is near the expressions' edges, of any characters, of bytes as programs write them, and of tokens.
fn texts() -> impl Strategy<Value = String> {
    let tokens = select(ALL.to_vec()).prop_flat_map(|encoding| {
        let bpe = &reference(encoding).0.bpe;
        let token = 0..u32::try_from(bpe.num_tokens()).unwrap();
        token.prop_map(|token| String::from_utf8_lossy(bpe.token_bytes(token)).into_owned())
    });
    let part = prop_oneof![
        6 => select(PARTS).prop_map(str::to_owned),
        2 => any::<char>().prop_map(String::from),
        2 => proptest::char::range('\0', '\u{24f}').prop_map(String::from),
        2 => tokens,
        1 => vec(proptest::char::range('a', 'f'), 1..40).prop_map(String::from_iter),
        1 => vec(proptest::char::range(' ', '~'), 1..40).prop_map(String::from_iter),
    ];
    vec(part, 0..30).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]
    #[test]
    fn c4_counts_are_those_of_the_tokenizer(text in texts()) {
        same(&text);
    }
}

/// Every character, where each class of what may stand around it is.
#[test]
fn c4_every_character_is_cut_as_the_expressions_say() {
    // Beyond them nearly all are ideographs, syllables, or not assigned.
    let chars = ('\0'..'\u{3400}').chain(('\u{3400}'..=char::MAX).step_by(61));
    for c in chars.chain('\u{a000}'..'\u{ac00}').chain('\u{fb00}'..='\u{ffff}') {
        cut_the_same(&format!("{c}A{c}a{c}{c}B1{c}, {c}\n{c}/ 's{c}  {c}日{c}'\u{301}{c}"));
    }
}

/// Every token is itself, with a letter that may join it, and cut in two.
#[test]
fn c4_every_token_of_the_vocabularies() {
    for encoding in ALL {
        let (reference, _) = reference(encoding);
        for token in (0..u32::try_from(reference.bpe.num_tokens()).unwrap()).step_by(7) {
            let Ok(token) = std::str::from_utf8(reference.bpe.token_bytes(token)) else { continue };
            same(&format!("{token}s{token}"));
        }
    }
}

/// This repository: documents and code.
#[test]
fn c4_the_texts_of_this_repository() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut bytes = 0;
    for folder in
        [root.join("../docs"), root.join("src/chat"), root.join("../notebook-server/web/src/i18n")]
    {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let text = fs::read_to_string(path).unwrap();
                same(&text);
                same(&text.replace('\n', "\r\n"));
                bytes += text.len();
            }
        }
    }
    assert!(bytes > 100_000, "{bytes} bytes");
}

/// Texts without an end to a word, a space or a line: by what a text holds nobody makes counting slow, or wrong.
#[test]
fn c4_hostile_texts() {
    let long = |part: &str| part.repeat((32 << 10) / part.len());
    for part in [
        "a", "A", " ", "\n", "!", "1", "\r\n ", "日", "\u{301}", "aB", "日A", "'", "\n x", "ab",
        "/",
    ] {
        same(&long(part));
        same(&format!("x{}日{}y", long(part), long(part)));
    }
    let mut state = 1_u64;
    let noise = |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
                [(state >> 58) as usize],
        )
    };
    same(&(0..32 << 10).map(noise).collect::<String>());
}
