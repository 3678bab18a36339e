//! The model's tokens: words, and marks of its own.

use std::path::Path;

use notebook_core::Result;
use tokenizers::Tokenizer;

use super::file::corrupt;

/// Fiftieths of a second up to the end of the window.
const TIMES: u32 = 1_501;
/// What stands in speech only as a mark of music, speakers and the like: the model is kept from writing it, as its
/// makers do.
const MARKS: &[&str] = &[
    "\"",
    "#",
    "(",
    ")",
    "*",
    "+",
    "/",
    ":",
    ";",
    "<",
    "=",
    ">",
    "@",
    "[",
    "\\",
    "]",
    "^",
    "_",
    "`",
    "{",
    "|",
    "}",
    "~",
    "「",
    "」",
    "『",
    "』",
    "<<",
    ">>",
    "<<<",
    ">>>",
    "--",
    "---",
    "-(",
    "-[",
    "('",
    "(\"",
    "((",
    "))",
    "(((",
    ")))",
    "[[",
    "]]",
    "{{",
    "}}",
    "♪♪",
    "♪♪♪",
];
/// These are always kept from it, whatever stands before.
const MUSIC: &[&str] = &["♩", "♪", "♫", "♬", "♭", "♮", "♯"];

pub(super) struct Tokens {
    tokenizer: Tokenizer,
    /// Ends a window.
    pub(super) end: u32,
    /// What the model is given before the first token.
    pub(super) prompt: Vec<u32>,
    /// Says that nobody speaks.
    pub(super) silence: Option<u32>,
    /// The mark of 0 seconds; others follow.
    pub(super) first_time: u32,
    /// Never written.
    pub(super) never: Vec<u32>,
    /// Never written first: a space alone.
    pub(super) never_first: Vec<u32>,
}

impl Tokens {
    pub(super) fn load(path: &Path, vocabulary: usize) -> Result<Self> {
        let file = path.display().to_string();
        let tokenizer =
            Tokenizer::from_file(path).map_err(|error| corrupt(&file, &error.to_string()))?;
        let find = |name: &str| tokenizer.token_to_id(name);
        let need =
            |name: &str| find(name).ok_or_else(|| corrupt(&file, &format!("it lacks {name}")));
        let end = need("<|endoftext|>")?;
        let begin = need("<|startoftranscript|>")?;
        let no_times = need("<|notimestamps|>")?;
        let first_time = no_times + 1;
        if (first_time + TIMES) as usize != vocabulary {
            return Err(corrupt(&file, "it has other tokens than the model"));
        }
        // A model of one language has one token fewer, for it knows English only, and is told neither language nor task.
        let is_multilingual = begin > end + 1 || vocabulary > 51_864;
        let mut prompt = vec![begin];
        if is_multilingual {
            prompt.push(need("<|transcribe|>")?);
        }
        let silence = find("<|nospeech|>").or_else(|| find("<|nocaptions|>"));
        let single = |text: &str| match tokenizer.encode_fast(text, false) {
            Ok(encoded) => match encoded.get_ids() {
                [id] => Some(*id),
                _ => None,
            },
            Err(_) => None,
        };
        let marks =
            MARKS.iter().chain(MUSIC).flat_map(|mark| [single(mark), single(&format!(" {mark}"))]);
        let mut never: Vec<u32> = marks.flatten().collect();
        never.extend(single(" -").into_iter().chain(single(" '")));
        never.extend((begin..first_time).filter(|id| *id != end));
        let never_first = single(" ").into_iter().chain([end]).collect();
        Ok(Self { tokenizer, end, prompt, silence, first_time, never, never_first })
    }

    /// The tokens of languages, for a model of several.
    pub(super) fn languages(&self) -> Option<std::ops::Range<u32>> {
        let begin = *self.prompt.first()?;
        let task = *self.prompt.get(1)?;
        // The task before this one is translation.
        Some(begin + 1..task.saturating_sub(1))
    }

    pub(super) fn is_time(&self, token: u32) -> bool {
        token >= self.first_time
    }

    pub(super) fn text(&self, tokens: &[u32]) -> String {
        let words: Vec<u32> = tokens.iter().copied().filter(|token| *token < self.end).collect();
        self.tokenizer.decode(&words, true).unwrap_or_default()
    }
}
