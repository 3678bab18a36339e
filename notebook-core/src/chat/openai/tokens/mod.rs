//! Which tokenizer an OpenAI model uses. The vocabularies add 47 MB to a program, so they are
//! behind the feature `openai-tokens`; without it token counts are estimates.
//!
//! The vocabularies are those of the crate `bpe-openai`. Texts are cut and merged here ([`split`], [`ranks`]), because it is asked
//! for every passage of every question: this is four times as fast, and keeps to that whatever the text is.

#[cfg(test)]
mod exact;
mod ranks;
mod split;

use std::sync::LazyLock;

use super::OpenAiConfig;
use ranks::Ranks;
use split::{Pattern, Pieces};

// Made when they are first asked for, in some 20 and 40 ms; 4 MB, and 9.
static CL100K: LazyLock<Ranks> = LazyLock::new(|| Ranks::new(&bpe_openai::cl100k_base().bpe));
static O200K: LazyLock<Ranks> = LazyLock::new(|| Ranks::new(&bpe_openai::o200k_base().bpe));

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
    ("gpt-oss", Encoding::O200k),
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
        let theirs = host == "openrouter.ai" && model.starts_with("openai/");
        // The open models are known by their name.
        let open = model.strip_prefix("openai/").unwrap_or(model).starts_with("gpt-oss");
        Self::of_name(model).filter(|_| official || theirs || open)
    }

    /// The tokenizer of a configured model: the one that is named, else that of the model.
    pub(crate) fn of_config(host: &str, config: &OpenAiConfig) -> Option<Self> {
        match &config.tokenizer {
            Some(model) => Self::of_name(model),
            None => Self::of(host, &config.model),
        }
    }

    /// The tokenizer of a model that is OpenAI's own, wherever it runs.
    fn of_name(model: &str) -> Option<Self> {
        let model = model.strip_prefix("openai/").unwrap_or(model);
        NAMES.iter().find(|(prefix, _)| model.starts_with(prefix)).map(|(_, encoding)| *encoding)
    }

    /// The number of tokens of a text.
    pub(crate) fn count(self, text: &str) -> usize {
        let (pattern, ranks) = match self {
            Self::Cl100k => (Pattern::Cl100k, &*CL100K),
            Self::O200k => (Pattern::O200k, &*O200K),
        };
        let pieces = Pieces::new(text, pattern);
        pieces.map(|piece| ranks.count(text.as_bytes(), piece)).sum()
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
        assert_eq!(Encoding::of("127.0.0.1", "gpt-oss-20b"), Some(Encoding::O200k));
        assert_eq!(Encoding::of("openrouter.ai", "openai/gpt-4o"), Some(Encoding::O200k));
        assert_eq!(Encoding::of("openrouter.ai", "gpt-4o-lookalike"), None);
    }

    /// C4: a deployment has a name of its own, and is counted by what is deployed.
    #[test]
    fn c4_a_named_tokenizer_counts() {
        let config = OpenAiConfig::new("https://a.openai.azure.com/openai/v1", "our-own");
        assert_eq!(Encoding::of_config("a.openai.azure.com", &config), None);
        let named = OpenAiConfig { tokenizer: Some("gpt-4.1".into()), ..config };
        assert_eq!(Encoding::of_config("a.openai.azure.com", &named), Some(Encoding::O200k));
    }

    /// Counts published with the tokenizers.
    #[test]
    fn known_counts() {
        assert_eq!(Encoding::Cl100k.count("tiktoken is great!"), 6);
        assert_eq!(Encoding::O200k.count("hello world"), 2);
        assert_eq!(Encoding::O200k.count(""), 0);
    }
}
