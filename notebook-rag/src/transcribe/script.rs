//! Segments to a document: pure.

use std::time::Duration;

use notebook_core::{
    document::{Document, DocumentBuilder, DocumentLimit, Flag},
    transcribe::Segment,
};

/// A pause of so long begins a paragraph.
const PAUSE: Duration = Duration::from_secs(2);
/// A paragraph that lasts so long ends with its sentence.
const LONG: Duration = Duration::from_secs(30);
/// One that lasts so long ends anyhow.
const TOO_LONG: Duration = Duration::from_secs(90);

/// What was said so far.
pub(super) struct Script {
    builder: DocumentBuilder,
    /// Of the paragraph at the end.
    began: Duration,
    ended: Duration,
    part: u32,
}

impl Script {
    pub(super) fn new(max_text: usize) -> Self {
        let (began, ended) = (Duration::ZERO, Duration::ZERO);
        Self { builder: DocumentBuilder::new(max_text), began, ended, part: 0 }
    }

    /// Adds words that are said from `start` to `end` of the recording.
    pub(super) fn add(&mut self, segment: &Segment) -> Result<(), DocumentLimit> {
        if segment.text.trim().is_empty() {
            return Ok(());
        }
        // The first second is number 1. Words that begin in the same second are one part.
        let number = u32::try_from(segment.start.as_secs()).unwrap_or(u32::MAX - 1) + 1;
        if number > self.part {
            self.builder.start_page(number)?;
            self.part = number;
        }
        if self.is_new(segment) {
            self.began = segment.start;
            self.builder.paragraph(&segment.text)?;
        } else {
            self.builder.continue_block(&segment.text, " ")?;
        }
        self.ended = segment.end;
        Ok(())
    }

    fn is_new(&self, segment: &Segment) -> bool {
        let lasted = segment.start.saturating_sub(self.began);
        let ends =
            self.builder.last_char().is_some_and(|c| matches!(c, '.' | '?' | '!' | '。' | '…'));
        self.builder.is_empty()
            || segment.start.saturating_sub(self.ended) >= PAUSE
            || lasted >= TOO_LONG
            || (lasted >= LONG && ends)
    }

    /// The document; none when nothing was said.
    pub(super) fn finish(mut self, model: &str) -> Option<Document> {
        if self.builder.is_empty() {
            return None;
        }
        self.builder.flag(Flag::Transcribed { model: model.to_owned() });
        Some(self.builder.finish())
    }
}

#[cfg(test)]
mod tests {
    use notebook_core::document::SourceKind;

    use super::*;

    fn segment(start: f64, end: f64, text: &str) -> Segment {
        let (start, end) = (Duration::from_secs_f64(start), Duration::from_secs_f64(end));
        Segment { start, end, text: text.to_owned() }
    }

    fn script(segments: &[Segment]) -> Document {
        let mut script = Script::new(10_000);
        segments.iter().for_each(|segment| script.add(segment).unwrap());
        let document = script.finish("tiny").unwrap();
        document.validate().unwrap();
        document
    }

    #[test]
    fn a2_words_know_the_second_in_which_they_begin() {
        let document = script(&[
            segment(0.3, 2.0, "We begin"),
            segment(2.0, 2.4, "with"),
            segment(2.6, 4.0, "bees."),
            segment(63.2, 64.0, "Then wasps."),
        ]);
        assert_eq!(document.text, "We begin with bees.\n\nThen wasps.");
        let at = |word: &str| {
            let number = document.page_at(document.text.find(word).unwrap()).unwrap();
            SourceKind::Wav.part(number)
        };
        assert_eq!(["We", "with", "bees", "wasps"].map(at), ["0:00", "0:02", "0:02", "1:03"]);
    }

    #[test]
    fn paragraphs_end_with_a_pause_or_a_sentence() {
        let said: Vec<Segment> = (0..40)
            .map(|n| {
                let text = if n % 5 == 4 { "end." } else { "on" };
                segment(f64::from(n) * 4.0, f64::from(n) * 4.0 + 4.0, text)
            })
            .collect();
        let document = script(&said);
        let lines: Vec<&str> = document.text.lines().filter(|line| !line.is_empty()).collect();
        assert!(lines.len() > 3, "{lines:?}");
        assert!(lines.iter().all(|line| line.ends_with("end.")), "{lines:?}");
        let endless: Vec<Segment> =
            (0..40).map(|n| segment(f64::from(n) * 4.0, f64::from(n) * 4.0 + 4.0, "on")).collect();
        assert_eq!(script(&endless).blocks.len(), 2);
    }

    #[test]
    fn nothing_said_is_no_document() {
        let mut script = Script::new(100);
        script.add(&segment(0.0, 1.0, " ")).unwrap();
        assert!(script.finish("tiny").is_none());
    }
}
