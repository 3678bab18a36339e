//! A name from the first question.

use notebook_core::{
    Result, TenantScope,
    model::{Conversation, Notebook},
    store::Store,
};

/// The longest generated name, in characters.
const LONGEST: usize = 60;

/// The first line of a question, cut at a word.
pub(super) fn from_question(question: &str) -> String {
    let line = question.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    if line.chars().count() <= LONGEST {
        return line.to_owned();
    }
    let cut: String = line.chars().take(LONGEST).collect();
    let words = cut.rsplit_once(char::is_whitespace).map_or(cut.as_str(), |(words, _)| words);
    format!("{}…", words.trim_end_matches([',', ';', ':', '.', ' ']))
}

/// Names a conversation, and its notebook when the user has not, after the first question.
pub(super) async fn name(
    store: &dyn Store,
    scope: &TenantScope,
    conversation: Conversation,
    notebook: Notebook,
    question: &str,
) -> Result<()> {
    let title = from_question(question);
    if !notebook.named_by_user && notebook.name == Notebook::UNNAMED {
        store.update_notebook(scope, Notebook { name: title.clone(), ..notebook }).await?;
    }
    if conversation.title.is_empty() {
        store.update_conversation(scope, Conversation { title, ..conversation }).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::from_question;

    #[test]
    fn a1_names_are_short_and_end_at_a_word() {
        assert_eq!(from_question("\n  What is it?\nmore"), "What is it?");
        let long = from_question(&"seven words ".repeat(20));
        assert!(long.chars().count() <= 61 && long.ends_with("words…"), "{long}");
        assert_eq!(from_question(&"x".repeat(100)).chars().count(), 61);
    }
}
