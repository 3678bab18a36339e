//! Bytes of tokens to text that may be sent: whole characters, and nothing of a stop text.

/// Takes bytes in, gives text out. What could be the beginning of a character or of a stop text is
/// held back until it is clear.
#[derive(Debug, Default)]
pub(super) struct TextOut {
    stops: Vec<String>,
    /// The beginning of a character.
    bytes: Vec<u8>,
    /// Text that ends in what may be the beginning of a stop text.
    held: String,
    stopped: bool,
}

impl TextOut {
    /// `stops` end the text and are not part of it; empty ones are left out.
    pub(super) fn new(stops: &[String]) -> Self {
        Self {
            stops: stops.iter().filter(|stop| !stop.is_empty()).cloned().collect(),
            ..Self::default()
        }
    }

    /// Whether a stop text has come.
    pub(super) fn stopped(&self) -> bool {
        self.stopped
    }

    /// Adds bytes and returns the text that is clear, perhaps none.
    pub(super) fn push(&mut self, bytes: &[u8]) -> String {
        if self.stopped {
            return String::new();
        }
        self.bytes.extend_from_slice(bytes);
        self.decode();
        if let Some(at) = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min() {
            self.stopped = true;
            self.held.truncate(at);
            return std::mem::take(&mut self.held);
        }
        let keep = self.stops.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        std::mem::replace(&mut self.held, rest)
    }

    /// Everything that was held back: the text is at its end. Half a character becomes U+FFFD.
    pub(super) fn finish(&mut self) -> String {
        if self.stopped {
            return String::new();
        }
        let tail = String::from_utf8_lossy(&self.bytes).into_owned();
        self.bytes.clear();
        self.held.push_str(&tail);
        std::mem::take(&mut self.held)
    }

    /// Moves whole characters from `bytes` to `held`; bytes that are none become U+FFFD.
    fn decode(&mut self) {
        loop {
            match std::str::from_utf8(&self.bytes) {
                Ok(text) => {
                    self.held.push_str(text);
                    self.bytes.clear();
                    return;
                }
                Err(error) => {
                    let valid: Vec<u8> = self.bytes.drain(..error.valid_up_to()).collect();
                    self.held.push_str(&String::from_utf8_lossy(&valid));
                    let Some(wrong) = error.error_len() else { return };
                    self.bytes.drain(..wrong);
                    self.held.push(char::REPLACEMENT_CHARACTER);
                }
            }
        }
    }
}

/// The length of the longest end of `text` that `stop` begins with.
fn overlap(text: &str, stop: &str) -> usize {
    let most = text.len().min(stop.len());
    let starts = |n: &usize| stop.get(..*n).is_some_and(|head| text.ends_with(head));
    (1..=most).rev().find(starts).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(stops: &[&str], parts: &[&[u8]]) -> (Vec<String>, bool) {
        let mut out = TextOut::new(&stops.iter().map(ToString::to_string).collect::<Vec<_>>());
        let mut texts: Vec<String> = parts.iter().map(|part| out.push(part)).collect();
        texts.push(out.finish());
        (texts, out.stopped())
    }

    #[test]
    fn characters_are_whole() {
        let smile = "🙂".as_bytes();
        let (texts, _) = run(&[], &[&smile[..1], &smile[1..3], &smile[3..], b"x"]);
        assert_eq!(texts, ["", "", "🙂", "x", ""]);
    }

    #[test]
    fn bytes_that_are_no_character_are_replaced() {
        assert_eq!(run(&[], &[b"a\xFF", b"b\xE2\x82"]).0, ["a\u{FFFD}", "b", "\u{FFFD}"]);
        assert_eq!(run(&[], &[b"\xE2\x82", b"x"]).0, ["", "\u{FFFD}x", ""]);
    }

    #[test]
    fn a_stop_text_over_several_tokens_is_never_sent() {
        let (texts, stopped) =
            run(&["\n\nUser:"], &[b"yes\n", b"\nUs", b"er: and more", b"even more"]);
        assert_eq!((texts.concat().as_str(), stopped), ("yes", true));
    }

    #[test]
    fn what_only_looked_like_a_stop_text_is_sent_later() {
        let (texts, stopped) = run(&["\n\nUser:"], &[b"a\n", b"\nUse", b" it"]);
        assert_eq!(
            (texts, stopped),
            (vec!["a".into(), String::new(), "\n\nUse it".into(), String::new()], false)
        );
        assert_eq!(run(&["stop"], &[b"do not st"]).0, ["do not ", "st"]);
    }

    #[test]
    fn the_first_of_several_stop_texts_counts() {
        assert_eq!(run(&["ccc", "b", ""], &[b"aabccc"]), (vec!["aa".into(), String::new()], true));
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_text(text in "[abé🙂]{0,24}", stop in "[abé]{1,3}", cuts in proptest::collection::vec(0_usize..80, 0..8)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let parts: Vec<&[u8]> = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
            let (texts, stopped) = run(&[&stop], &parts);
            prop_assert_eq!(texts.concat(), text.split(stop.as_str()).next().unwrap());
            prop_assert_eq!(stopped, text.contains(&stop));
        }
    }
}
