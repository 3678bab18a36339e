//! Text as people must see it who decide by it (pure).

use std::fmt::Write as _;

/// The text with every character written out that is not seen, or that changes how others are seen: `⟨U+202E⟩` for one that turns the
/// direction around. Line breaks stay.
///
/// ```
/// use notebook_core::approval::visible;
///
/// assert_eq!(visible("to: \u{202e}moc.elpmaxe"), "to: ⟨U+202E⟩moc.elpmaxe");
/// assert_eq!(visible("grün\n日本"), "grün\n日本");
/// ```
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unseen(c) {
            let _ = write!(shown, "⟨U+{:04X}⟩", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    shown
}

fn is_unseen(c: char) -> bool {
    if c.is_control() {
        return c != '\n';
    }
    // Formats, fillers, variation selectors, tags, separators of lines, private characters; and spaces that are none or look like the usual one.
    matches!(
        u32::from(c),
        0xA0 | 0xAD
            | 0x034F
            | 0x061C
            | 0x115F..=0x1160
            | 0x1680
            | 0x17B4..=0x17B5
            | 0x180B..=0x180F
            | 0x2000..=0x200F
            | 0x2028..=0x202F
            | 0x205F..=0x206F
            | 0x2800
            | 0x3000
            | 0x3164
            | 0xE000..=0xF8FF
            | 0xFE00..=0xFE0F
            | 0xFEFF
            | 0xFFA0
            | 0xFFF0..=0xFFFB
            | 0x1_BCA0..=0x1_BCA3
            | 0x1_D173..=0x1_D17A
            | 0xE_0000..=0x10_FFFF
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P8: arguments that hide by direction, by nothing, or by looking like something else.
    #[test]
    fn p8_what_hides_is_written_out() {
        for (text, shown) in [
            ("a\u{200b}b", "a⟨U+200B⟩b"),
            ("\u{2066}x\u{2069}", "⟨U+2066⟩x⟨U+2069⟩"),
            ("a\u{0}b\rc\td", "a⟨U+0000⟩b⟨U+000D⟩c⟨U+0009⟩d"),
            ("\u{e0041}", "⟨U+E0041⟩"),
            ("x\u{fe0f}", "x⟨U+FE0F⟩"),
            ("a\u{a0}b", "a⟨U+00A0⟩b"),
            ("\u{feff}", "⟨U+FEFF⟩"),
            ("שלום", "שלום"),
            ("línea 🦀", "línea 🦀"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }
}
