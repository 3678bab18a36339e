//! What one stream is held against.

use std::collections::HashSet;

use aho_corasick::AhoCorasick;
use notebook_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{super::words::Words, path};

/// A shorter canary would be found by chance.
const SHORTEST_CANARY: usize = 8;

/// What is taken out beside what everybody must not see.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RedactConfig {
    canaries: Vec<String>,
    folders: Vec<String>,
}

impl RedactConfig {
    /// With words that must not be seen in an answer: one that is planted in a system prompt tells that it leaked.
    ///
    /// # Errors
    /// `InvalidInput` when one is shorter than 8 bytes or has white space in it.
    pub fn canaries(mut self, canaries: impl IntoIterator<Item = String>) -> Result<Self> {
        for canary in canaries {
            if canary.len() < SHORTEST_CANARY || canary.chars().any(char::is_whitespace) {
                let fix = format!("use at least {SHORTEST_CANARY} bytes without white space");
                return Err(Error::invalid("make redactor", "canaries", fix));
            }
            self.canaries.push(canary);
        }
        Ok(self)
    }

    /// With folders of the server whose paths are taken out. Those that are not absolute, or the root, are left alone.
    #[must_use]
    pub fn folders(mut self, folders: impl IntoIterator<Item = String>) -> Self {
        let folders = folders.into_iter().map(|folder| folder.trim_end_matches('/').to_owned());
        self.folders.extend(folders.filter(|folder| folder.starts_with('/') && folder.len() > 1));
        self
    }
}

/// What one stream is held against.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) canaries: Option<AhoCorasick>,
    /// Canaries and folders, in any case.
    pub(super) watched: Option<Words>,
    /// The canaries in lower case.
    pub(super) canary_words: Vec<String>,
    pub(super) folders: Vec<String>,
    /// Paths that the passages say.
    pub(super) said: HashSet<String>,
}

impl Rules {
    pub(super) fn new<'a>(
        config: &RedactConfig,
        marker: Option<&str>,
        passages: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let words = config.canaries.iter().map(String::as_str);
        let words = words.chain(marker.filter(|marker| marker.len() >= SHORTEST_CANARY));
        let words: Vec<&str> = words.collect();
        let canaries = AhoCorasick::builder().ascii_case_insensitive(true).build(&words).ok();
        let canaries = canaries.filter(|_| !words.is_empty());
        let canary_words = words.iter().map(|word| word.to_ascii_lowercase()).collect();
        let folders = config.folders.clone();
        let watched = words.iter().copied().chain(folders.iter().map(String::as_str));
        let watched =
            Words::new(watched, true).filter(|_| !(words.is_empty() && folders.is_empty()));
        let said = passages.into_iter().flat_map(|passage| path::all(passage, &folders)).collect();
        Self { canaries, watched, canary_words, folders, said }
    }
}
