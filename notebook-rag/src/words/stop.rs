/// Whether an English word says nothing about what a question is about.
///
/// Expects lower case without stemming. Keyword search does not need it, because such words
/// weigh little there anyway; it is for measuring how much of a question was found.
#[must_use]
pub fn is_stop_word(word: &str) -> bool {
    STOP.binary_search(&word).is_ok()
}

/// In order.
const STOP: &[&str] = &[
    "a", "about", "after", "all", "also", "an", "and", "any", "are", "as", "at", "be", "because",
    "been", "before", "being", "between", "both", "but", "by", "call", "called", "can", "could",
    "did", "do", "does", "doing", "done", "during", "each", "explain", "for", "from", "give",
    "had", "has", "have", "having", "he", "her", "here", "him", "his", "how", "i", "if", "in",
    "into", "is", "it", "its", "just", "kind", "known", "made", "make", "many", "may", "me",
    "might", "more", "most", "much", "must", "my", "name", "named", "no", "not", "of", "on", "one",
    "only", "or", "other", "our", "out", "over", "s", "she", "should", "so", "some", "such", "t",
    "tell", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this",
    "those", "through", "to", "too", "type", "under", "up", "use", "used", "using", "very", "was",
    "we", "were", "what", "when", "where", "which", "while", "who", "whom", "whose", "why", "will",
    "with", "would", "you", "your",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order() {
        assert!(STOP.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(is_stop_word("which") && !is_stop_word("bees"));
    }
}
