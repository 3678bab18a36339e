//! Providers that speak the dialect, by name.

use super::Dialect;

/// What is known of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Its name in settings and labels.
    pub name: &'static str,
    /// Its address; of a server on this machine, that with its default port.
    pub base_url: &'static str,
    /// Whether it answers only with a key.
    pub needs_key: bool,
    /// Where it departs from what most servers take.
    pub dialect: Dialect,
}

const USUAL: Dialect =
    Dialect { no_stream_options: false, max_completion_tokens: false, random_seed: false };

const fn hosted(name: &'static str, base_url: &'static str) -> Preset {
    Preset { name, base_url, needs_key: true, dialect: USUAL }
}

const fn here(name: &'static str, base_url: &'static str) -> Preset {
    Preset { name, base_url, needs_key: false, dialect: USUAL }
}

/// All that are known, the hosted ones first.
pub const PRESETS: &[Preset] = &[
    Preset {
        dialect: Dialect { max_completion_tokens: true, ..USUAL },
        ..hosted("openai", "https://api.openai.com/v1")
    },
    hosted("nvidia", "https://integrate.api.nvidia.com/v1"),
    Preset {
        dialect: Dialect { max_completion_tokens: true, ..USUAL },
        ..hosted("groq", "https://api.groq.com/openai/v1")
    },
    hosted("openrouter", "https://openrouter.ai/api/v1"),
    hosted("deepseek", "https://api.deepseek.com/v1"),
    Preset {
        // It tells its counts without being asked.
        dialect: Dialect { no_stream_options: true, random_seed: true, ..USUAL },
        ..hosted("mistral", "https://api.mistral.ai/v1")
    },
    here("foundry-local", "http://127.0.0.1:5273/v1"),
    here("llamacpp", "http://127.0.0.1:8080/v1"),
    here("vllm", "http://127.0.0.1:8000/v1"),
    here("lmstudio", "http://127.0.0.1:1234/v1"),
];

impl Preset {
    /// The preset of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::http::BaseUrl;

    #[test]
    fn c1_presets_are_found_by_name_and_keys_never_leave_unencrypted() {
        let names: HashSet<_> = PRESETS.iter().map(|preset| preset.name).collect();
        assert_eq!(names.len(), PRESETS.len());
        for preset in PRESETS {
            assert_eq!(Preset::named(preset.name), Some(preset));
            let url = BaseUrl::parse(preset.base_url).unwrap();
            assert_eq!(url.is_loopback(), !preset.needs_key, "{}", preset.name);
            assert_eq!(preset.base_url.starts_with("https://"), preset.needs_key);
        }
        assert_eq!(Preset::named("skynet"), None);
    }
}
