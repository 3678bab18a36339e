//! What is configured for models by patterns of their names.

use super::ChatModelInfo;

/// Models by pattern, and what is known of them.
///
/// ```
/// use notebook_core::chat::{ChatModelInfo, ModelTable};
///
/// let table = ModelTable::new([("*".to_owned(), 1), ("groq/llama-3*".to_owned(), 2)]);
/// let model = |name: &str| ChatModelInfo {
///     provider: "groq".into(),
///     model: name.into(),
///     context_tokens: None,
///     local: false,
///     tools: true,
/// };
/// assert_eq!(table.get(&model("llama-3.3-70b")), Some(&2));
/// assert_eq!(table.get(&model("qwen3-32b")), Some(&1));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ModelTable<T>(Vec<(String, T)>);

impl<T> Default for ModelTable<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> ModelTable<T> {
    /// Patterns are `provider/model`, in which `*` stands for any text: `openai/gpt-4.1*`.
    #[must_use]
    pub fn new(rows: impl IntoIterator<Item = (String, T)>) -> Self {
        let mut rows: Vec<_> = rows.into_iter().collect();
        // The one that says most of a name first; by name where two say as much, so that the order is always the same.
        rows.sort_by(|(one, _), (other, _)| {
            let said = |pattern: &str| pattern.chars().filter(|c| *c != '*').count();
            said(other).cmp(&said(one)).then_with(|| one.cmp(other))
        });
        Self(rows)
    }

    /// What is known of a model: by the pattern that says most of its name. None where none matches.
    #[must_use]
    pub fn get(&self, info: &ChatModelInfo) -> Option<&T> {
        let label = info.label();
        self.0.iter().find(|(pattern, _)| matches(pattern, &label)).map(|(_, row)| row)
    }
}

/// Whether a text is as the pattern says.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    let mut rest = rest;
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}
