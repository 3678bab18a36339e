//! The headings in force at a place of the text.

use notebook_core::document::Span;

/// Longer headings are cut in the path: it is repeated in every chunk below.
const MAX_CHARS: usize = 160;

/// The open headings, outermost first.
#[derive(Debug, Default)]
pub(super) struct HeadingPath(Vec<(u8, String)>);

impl HeadingPath {
    /// Opens a heading: those of its level and deeper end.
    pub(super) fn open(&mut self, level: u8, text: &str, whole: Span) {
        // Levels are 1 to 6, so the path is never longer than that.
        let level = level.clamp(1, 6);
        self.0.retain(|(open, _)| *open < level);
        let heading = whole.of(text).unwrap_or_default().trim();
        self.0.push((level, heading.chars().take(MAX_CHARS).collect()));
    }

    /// The texts of those above a place that starts with a heading of `level`, or with
    /// other text.
    pub(super) fn above(&self, level: Option<u8>) -> Vec<String> {
        let is_above = |open: u8| level.is_none_or(|level| open < level);
        self.0.iter().filter(|(open, _)| is_above(*open)).map(|(_, text)| text.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_ends_those_of_its_level_and_below() {
        let mut path = HeadingPath::default();
        for (level, text) in [(1, "A"), (3, "B"), (2, "C"), (2, "D")] {
            path.open(level, text, Span::new(0, 1));
        }
        assert_eq!(path.above(None), ["A", "D"]);
        path.open(1, "E", Span::new(0, 1));
        assert_eq!(path.above(None), ["E"]);
        assert!(path.above(Some(1)).is_empty());
    }
}
