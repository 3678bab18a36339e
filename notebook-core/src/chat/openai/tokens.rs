//! Which tokenizer an OpenAI model uses. The vocabularies add 47 MB to a program, so they are
//! behind the feature `openai-tokens`; without it token counts are estimates.

/// A public tokenizer of OpenAI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Cl100k,
    O200k,
}

/// Prefixes of model names, the more special ones first.
const NAMES: &[(&str, Encoding)] = &[
    ("gpt-4o", Encoding::O200k),
    ("chatgpt-4o", Encoding::O200k),
    ("gpt-4.1", Encoding::O200k),
    ("gpt-4.5", Encoding::O200k),
    ("gpt-5", Encoding::O200k),
    ("o1", Encoding::O200k),
    ("o3", Encoding::O200k),
    ("o4-mini", Encoding::O200k),
    ("gpt-4", Encoding::Cl100k),
    ("gpt-3.5-turbo", Encoding::Cl100k),
    ("text-embedding-3-", Encoding::Cl100k),
    ("text-embedding-ada-002", Encoding::Cl100k),
];

impl Encoding {
    /// The tokenizer of a model, if `host` is OpenAI's own: elsewhere the same name may stand for
    /// any model.
    pub(crate) fn of(host: &str, model: &str) -> Option<Self> {
        let official = host == "api.openai.com"
            || host.ends_with(".api.openai.com")
            || host.ends_with(".openai.azure.com");
        let (_, encoding) = NAMES.iter().find(|(prefix, _)| model.starts_with(prefix))?;
        official.then_some(*encoding)
    }

    /// The number of tokens of a text.
    pub(crate) fn count(self, text: &str) -> usize {
        match self {
            Self::Cl100k => bpe_openai::cl100k_base().count(text),
            Self::O200k => bpe_openai::o200k_base().count(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_openai_itself_is_counted() {
        let of = |model| Encoding::of("api.openai.com", model);
        assert_eq!(of("gpt-4o-mini"), Some(Encoding::O200k));
        assert_eq!(of("gpt-4-turbo"), Some(Encoding::Cl100k));
        assert_eq!(of("text-embedding-3-small"), Some(Encoding::Cl100k));
        assert_eq!(of("davinci"), None);
        assert_eq!(Encoding::of("127.0.0.1", "gpt-4o"), None);
    }

    /// Counts published with the tokenizers.
    #[test]
    fn known_counts() {
        assert_eq!(Encoding::Cl100k.count("tiktoken is great!"), 6);
        assert_eq!(Encoding::O200k.count("hello world"), 2);
        assert_eq!(Encoding::O200k.count(""), 0);
    }
}
