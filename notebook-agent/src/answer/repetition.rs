//! Small models fall into saying the same thing again and again.

/// How often the end of a text says the same before it counts as stuck.
const TIMES: usize = 4;
/// The shortest and the longest piece that is looked for, in bytes: shorter ones are rulers, table cells and digits.
const PIECE: std::ops::RangeInclusive<usize> = 12..=600;
/// How much of the end must be repetition: a refrain of four short lines is none.
const LEAST: usize = 240;

/// Whether a text ends in the same piece over and over.
///
/// Looks at the last few thousand bytes only, and at few of them unless they repeat: it may be asked after every piece.
pub(crate) fn is_stuck(text: &str) -> bool {
    let text = text.as_bytes();
    PIECE.clone().any(|length| {
        let times = TIMES.max(LEAST.div_ceil(length));
        let Some(start) = text.len().checked_sub(length * times) else { return false };
        let tail = text.get(start..).unwrap_or_default();
        // The text equals itself, moved by the piece's length.
        let (moved, kept) = (tail.get(length..), tail.get(..tail.len() - length));
        moved == kept && says_something(tail.get(..length).unwrap_or_default())
    })
}

/// Lines and blanks repeat in tables and code, and say nothing.
fn says_something(piece: &[u8]) -> bool {
    piece.iter().filter(|byte| byte.is_ascii_alphanumeric() || **byte >= 0x80).count() >= 6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_says_the_same_again_and_again_is_stuck() {
        let sentence = "The other creatures that can create FM radio are the owls. ";
        let text = |times: usize| format!("FM radio was invented. {}", sentence.repeat(times));
        assert!(!is_stuck(&text(1)) && !is_stuck(&text(3)));
        assert!(is_stuck(&text(5)) && is_stuck(&text(50)));
        // In the middle of the next time, too.
        assert!(is_stuck(&(text(6) + "The other crea")));
        assert!(is_stuck(&"Die Eule ruft nach Süden. ".repeat(12)));
    }

    #[test]
    fn texts_that_repeat_for_a_reason_are_not() {
        for fine in [
            "-".repeat(2_000),
            "| | | |\n".repeat(200),
            "| a | b |\n|---|---|\n".to_owned() + &"| 1 | 2 |\n".repeat(20),
            (0..400).map(|n| format!("Step {n}: wait. ")).collect(),
            "Row, row, row your boat. ".repeat(3),
            String::new(),
        ] {
            assert!(!is_stuck(&fine), "{fine:.60}");
        }
    }

    #[test]
    fn asking_is_cheap_however_long_the_text_is() {
        let long: String = (0..20_000).map(|n| format!("Sentence number {n} is new. ")).collect();
        // Linear looks would be ten billion steps: this ends at once or never.
        for end in (long.len() - 2_000)..long.len() {
            assert!(!is_stuck(&long[..end]));
        }
    }
}
