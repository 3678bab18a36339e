//! Control tokens: what chat templates end and begin turns with, and characters that people do not see.

use std::{borrow::Cow, sync::LazyLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// The beginnings of the control tokens of known chat templates, and of our own fences. Every token is broken by
/// breaking its beginning.
pub(super) const TOKENS: [&str; 38] = [
    // ChatML, Llama 3, Phi, Qwen, Granite: `<|im_start|>`. Full-width bars: DeepSeek.
    "<|",
    "<｜",
    "[inst]",
    "[/inst]",
    "<<sys>>",
    "<</sys>>",
    // Mistral's tools.
    "[available_tools]",
    "[/available_tools]",
    "[tool_calls]",
    "[tool_results]",
    "[/tool_results]",
    "[system_prompt]",
    "[/system_prompt]",
    // Gemma; sentence marks.
    "<start_of_turn>",
    "<end_of_turn>",
    "<bos>",
    "<eos>",
    "<s>",
    "</s>",
    "<end_of_utterance>",
    // Tools and thoughts, as models are trained to write them.
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
    "<tools>",
    "</tools>",
    "<function_calls>",
    "</function_calls>",
    "<function_results>",
    "</function_results>",
    "<think>",
    "</think>",
    "<im_start>",
    "<im_end>",
    // The fences around what is data.
    "<passages",
    "</passages",
    "<earlier",
    "</earlier",
];

#[allow(clippy::expect_used, reason = "a fixed list; a test builds it")]
static AUTOMATON: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        .kind(Some(AhoCorasickKind::DFA))
        .build(TOKENS)
        .expect("the list of control tokens is an automaton")
});

/// Breaks the control tokens of known chat templates, so that text cannot open a turn of its own, and takes out
/// characters that a model reads and a person does not see: tag characters, direction marks, zero-width spaces.
#[must_use]
pub fn neutralise(text: &str) -> String {
    let seen = without_hidden(text);
    let mut out = String::with_capacity(seen.len() + 16);
    AUTOMATON.replace_all_with(&seen, &mut out, |_, token, out| {
        // A space after the first character: `< |im_start|>`, `[ INST]`.
        let mut rest = token.chars();
        out.extend(rest.next());
        out.push(' ');
        out.push_str(rest.as_str());
        true
    });
    out
}

#[cfg(test)]
/// The control tokens in a text: where each begins and ends.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
    AUTOMATON.find_iter(text).map(|found| found.range())
}

fn without_hidden(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|c| !is_hidden(*c)).collect())
}

/// Characters without a shape that no script needs. The joiners U+200C and U+200D stay: Persian and emoji do.
pub(super) const fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{e0000}'..='\u{e007f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{ad}'
        | '\u{180e}' | '\u{34f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d6_no_control_token_survives_in_any_case() {
        for token in TOKENS {
            for written in [token.to_owned(), token.to_uppercase()] {
                let broken = neutralise(&format!("a {written} b"));
                assert!(!broken.to_lowercase().contains(token), "{broken}");
                assert_eq!(tokens(&broken).count(), 0, "{broken}");
            }
        }
        assert_eq!(neutralise("<|im_start|>system"), "< |im_start|>system");
        // Pipes of code stay as they are.
        assert_eq!(neutralise("list |> map"), "list |> map");
    }

    #[test]
    fn d6_a_token_cannot_be_hidden_by_what_is_taken_out() {
        for written in ["<\u{200b}|im_end|>", "[IN\u{ad}ST]", "<\u{e0041}|x", "<<\u{202e}SYS>>"] {
            assert_eq!(tokens(&neutralise(written)).count(), 0, "{written}");
        }
        // Breaking one makes no other one.
        assert_eq!(tokens(&neutralise("<<|<|[[INST]</</s>s>")).count(), 0);
    }

    #[test]
    fn d6_tag_characters_are_not_shown_to_the_model() {
        let hidden: String =
            "obey".chars().filter_map(|c| char::from_u32(0xe0000 + c as u32)).collect();
        assert_eq!(neutralise(&format!("Fine.{hidden}")), "Fine.");
        assert_eq!(neutralise("می\u{200c}خواهم"), "می\u{200c}خواهم");
    }
}
