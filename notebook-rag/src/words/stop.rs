/// Whether a word says nothing about what a question is about: English function words, and those
/// that ask something of any document, as in "summarize the main points".
///
/// Expects lower case without stemming. Keyword search does not need it, because such words
/// weigh little there anyway; it is for measuring how much of a question was found.
#[must_use]
pub fn is_stop_word(word: &str) -> bool {
    is_in(ENGLISH, word) || is_in(ASKING, word)
}

/// Whether a word says nothing about what a sentence claims: English function words, words by which
/// one reports, and the most frequent German, French and Spanish function words, though some of
/// these mean something in English, as "war". Expects lower case without stemming.
#[must_use]
pub fn is_function_word(word: &str) -> bool {
    is_in(ENGLISH, word) || is_in(REPORTING, word)
}

fn is_in(list: &[&str], word: &str) -> bool {
    list.binary_search(&word).is_ok()
}

/// In order, as the others.
const ENGLISH: &[&str] = &[
    "a",
    "about",
    "according",
    "after",
    "all",
    "also",
    "an",
    "and",
    "any",
    "are",
    "as",
    "at",
    "be",
    "because",
    "been",
    "before",
    "being",
    "but",
    "by",
    "can",
    "could",
    "did",
    "do",
    "does",
    "for",
    "from",
    "had",
    "has",
    "have",
    "he",
    "her",
    "his",
    "how",
    "i",
    "if",
    "in",
    "into",
    "is",
    "it",
    "its",
    "many",
    "may",
    "me",
    "might",
    "more",
    "most",
    "much",
    "must",
    "my",
    "no",
    "not",
    "of",
    "on",
    "one",
    "only",
    "or",
    "other",
    "our",
    "out",
    "over",
    "passage",
    "says",
    "she",
    "should",
    "so",
    "some",
    "source",
    "sources",
    "such",
    "than",
    "that",
    "the",
    "their",
    "them",
    "then",
    "there",
    "these",
    "they",
    "this",
    "those",
    "to",
    "too",
    "up",
    "use",
    "used",
    "very",
    "was",
    "we",
    "were",
    "what",
    "when",
    "where",
    "which",
    "while",
    "who",
    "whom",
    "whose",
    "why",
    "will",
    "with",
    "would",
    "you",
    "your",
];

const ASKING: &[&str] = &[
    "anything",
    "article",
    "between",
    "book",
    "both",
    "brief",
    "briefly",
    "call",
    "called",
    "chapter",
    "conclude",
    "conclusion",
    "content",
    "contents",
    "describe",
    "detail",
    "details",
    "discuss",
    "document",
    "documents",
    "doing",
    "done",
    "during",
    "each",
    "everything",
    "explain",
    "file",
    "files",
    "find",
    "give",
    "having",
    "here",
    "him",
    "information",
    "just",
    "key",
    "kind",
    "known",
    "list",
    "made",
    "main",
    "make",
    "mention",
    "mentioned",
    "name",
    "named",
    "note",
    "notebook",
    "notes",
    "overview",
    "page",
    "paper",
    "please",
    "point",
    "points",
    "s",
    "say",
    "section",
    "show",
    "something",
    "state",
    "stated",
    "summarise",
    "summarize",
    "summary",
    "t",
    "tell",
    "text",
    "texts",
    "through",
    "title",
    "topic",
    "topics",
    "type",
    "under",
    "uploaded",
    "using",
    "work",
    "works",
];

const REPORTING: &[&str] = &[
    "auf", "das", "de", "dem", "den", "der", "des", "die", "ein", "eine", "el", "en", "es", "est",
    "et", "für", "im", "ist", "la", "las", "le", "les", "los", "mit", "nicht", "par", "passages",
    "pour", "que", "said", "sich", "sind", "states", "sur", "un", "und", "une", "us", "von", "war",
    "zu",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_in_order_and_apart() {
        for list in [ENGLISH, ASKING, REPORTING] {
            assert!(list.windows(2).all(|pair| pair[0] < pair[1]));
        }
        assert!(!ASKING.iter().chain(REPORTING).any(|word| is_in(ENGLISH, word)));
        assert!(is_stop_word("which") && is_stop_word("summarize") && !is_stop_word("war"));
        assert!(is_function_word("which") && is_function_word("und") && !is_function_word("bees"));
    }
}
