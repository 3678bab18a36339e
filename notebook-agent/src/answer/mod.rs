//! Turns a model's stream into the answer's text and the claims to cite (pure: no I/O, no clock).

mod abstain;
mod pictures;
mod repetition;

use notebook_rag::cite::{Claim, MarkFilter, Piece, claim, sentences};

use abstain::AbstainFilter;
pub(crate) use repetition::is_stuck;

use crate::guard::redact::Redactor;

/// What the answer consists of, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The next piece of text; never empty.
    Text(String),
    /// A sentence that the model says is supported by a passage.
    Cite(CiteRequest),
}

/// A mark of the model, with the sentence that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CiteRequest {
    /// Number of the passage in the prompt, from 1, as the model wrote it.
    pub passage: u32,
    /// Where the mark stands in the answer, in bytes.
    pub at: usize,
    /// The sentence.
    pub claim: String,
}

/// The answer so far.
///
/// The concatenated [`Part::Text`]s are [`text`](Self::text), whatever the pieces of the stream were.
#[derive(Debug, Default)]
pub struct AnswerBuilder {
    redactor: Redactor,
    abstain: AbstainFilter,
    marks: MarkFilter,
    text: String,
    /// Marks that open a line and wait for the sentence after them.
    waiting: Vec<(u32, usize)>,
}

impl AnswerBuilder {
    /// An answer out of which this filter takes secrets, before anything else sees them.
    #[must_use]
    pub fn new(redactor: Redactor) -> Self {
        Self { redactor, ..Self::default() }
    }

    /// How many secrets were taken out so far.
    #[must_use]
    pub const fn redacted(&self) -> usize {
        self.redactor.count()
    }

    /// Takes the model's next piece.
    pub fn push(&mut self, delta: &str) -> Vec<Part> {
        let shown = self.redactor.push(delta);
        self.read(&shown)
    }

    fn read(&mut self, delta: &str) -> Vec<Part> {
        // As in sources, control characters are no text: a terminal would obey them, and not every store keeps them.
        let clean: String =
            delta.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
        let decided = self.abstain.push(&clean);
        let pieces = self.marks.push(&decided);
        let mut parts = self.place(pieces);
        self.resolve_waiting(false, &mut parts);
        parts
    }

    /// Ends the stream.
    pub fn finish(&mut self) -> Vec<Part> {
        let rest = self.redactor.finish();
        let mut parts = self.read(&rest);
        let decided = self.abstain.finish();
        let mut pieces = self.marks.push(&decided);
        pieces.extend(self.marks.finish());
        parts.extend(self.place(pieces));
        self.resolve_waiting(true, &mut parts);
        parts
    }

    /// The text so far.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the model said that the passages do not answer; there is no text of its own then.
    #[must_use]
    pub const fn abstained(&self) -> bool {
        self.abstain.abstained()
    }

    fn place(&mut self, pieces: Vec<Piece>) -> Vec<Part> {
        let mut parts = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => self.add_text(text, &mut parts),
                Piece::Mark(numbers) => self.add_mark(&numbers, &mut parts),
            }
        }
        parts
    }

    fn add_text(&mut self, text: String, parts: &mut Vec<Part>) {
        // An answer does not begin with white space, whatever the model's template leaves there.
        let text = if self.text.is_empty() { text.trim_start().to_owned() } else { text };
        let text = pictures::without_pictures(&self.text, text);
        if !text.is_empty() {
            self.text.push_str(&text);
            parts.push(Part::Text(text));
        }
    }

    fn add_mark(&mut self, numbers: &[u32], parts: &mut Vec<Part>) {
        let at = self.text.len();
        for &passage in numbers {
            match claim(&self.text, at) {
                Claim::Before(range) => {
                    let claim = self.text.get(range).unwrap_or_default().to_owned();
                    parts.push(Part::Cite(CiteRequest { passage, at, claim }));
                }
                Claim::Following => self.waiting.push((passage, at)),
            }
        }
    }

    /// Gives waiting marks their sentence once it is whole: something follows it, or the answer is over.
    fn resolve_waiting(&mut self, over: bool, parts: &mut Vec<Part>) {
        let text = &self.text;
        self.waiting.retain(|&(passage, at)| {
            let rest = text.get(at..).unwrap_or_default();
            let found = sentences(rest);
            let whole = found.len() > 1 || rest.trim_start().contains('\n') || over;
            let Some(first) = found.into_iter().next().filter(|_| whole) else { return !over };
            let claim = rest.get(first).unwrap_or_default().to_owned();
            parts.push(Part::Cite(CiteRequest { passage, at, claim }));
            false
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn build(chunks: &[&str]) -> (AnswerBuilder, Vec<Part>) {
        let mut builder = AnswerBuilder::default();
        let mut parts: Vec<_> = chunks.iter().flat_map(|chunk| builder.push(chunk)).collect();
        parts.extend(builder.finish());
        (builder, parts)
    }

    fn cites(parts: &[Part]) -> Vec<(u32, usize, &str)> {
        parts
            .iter()
            .filter_map(|part| match part {
                Part::Cite(cite) => Some((cite.passage, cite.at, cite.claim.as_str())),
                Part::Text(_) => None,
            })
            .collect()
    }

    #[test]
    fn control_characters_are_no_text() {
        let (builder, parts) = build(&["It\u{0} ra", "ins.\u{1b}[31m\r\nAnd\tmore\u{85}."]);
        assert_eq!(builder.text(), "It rains.[31m\nAnd\tmore.");
        let shown: String = parts
            .iter()
            .filter_map(|part| match part {
                Part::Text(text) => Some(text.as_str()),
                Part::Cite(_) => None,
            })
            .collect();
        assert_eq!(shown, builder.text());
    }

    #[test]
    fn a_mark_carries_the_sentence_before_it() {
        let (builder, parts) = build(&["  It rains. It is w", "et [2", "][3]. Fine."]);
        assert_eq!(builder.text(), "It rains. It is wet. Fine.");
        assert_eq!(cites(&parts), [(2, 19, "It is wet"), (3, 19, "It is wet")]);
    }

    #[test]
    fn a_mark_at_the_start_of_a_line_waits_for_its_sentence() {
        let (builder, parts) = build(&["[1] The sky", " is blue. And", " so on.\n- [2] last"]);
        assert_eq!(builder.text(), "The sky is blue. And so on.\n- last");
        assert_eq!(cites(&parts), [(1, 0, "The sky is blue."), (2, 29, "last")]);
    }

    #[test]
    fn b5_the_sentinel_is_not_text() {
        for chunks in [&["NOT_IN", "_SOURCES"][..], &["\nNOT_IN_SOURCES.\n"], &["`NOT_IN_SOURCES`"]]
        {
            let (builder, parts) = build(chunks);
            assert!(builder.abstained(), "{chunks:?}");
            assert_eq!((builder.text(), parts), ("", vec![]));
        }
        let (builder, _) = build(&["NOT_INCLUDED in it"]);
        assert!(!builder.abstained());
        assert_eq!(builder.text(), "NOT_INCLUDED in it");
    }

    proptest! {
        #[test]
        fn text_parts_are_the_text_and_cuts_do_not_matter(
            whole in "(?s)([a-c. \n]|\\[[12]\\]|NOT_IN_SOURCES|é){0,30}",
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(whole.len() + 1))
                .filter(|at| whole.is_char_boundary(*at)).collect();
            at.extend([0, whole.len()]);
            at.sort_unstable();
            let chunks: Vec<_> = at.windows(2).map(|pair| &whole[pair[0]..pair[1]]).collect();
            let (builder, parts) = build(&chunks);
            let joined: String = parts.iter().filter_map(|part| match part {
                Part::Text(text) => Some(text.as_str()),
                Part::Cite(_) => None,
            }).collect();
            prop_assert_eq!(&joined, builder.text());
            let (other, other_parts) = build(&[&whole]);
            prop_assert_eq!(builder.text(), other.text());
            let mut left = cites(&parts);
            let mut right = cites(&other_parts);
            left.sort_unstable();
            right.sort_unstable();
            prop_assert_eq!(left, right);
        }
    }
}
