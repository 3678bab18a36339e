/// The length of `text` in tokens as a typical subword tokenizer would count it, on the
/// high side, for when there is no embedding model: a letter of a script without spaces or
/// a mark counts as one, other words as one for every five bytes begun.
///
/// ```
/// use notebook_rag::chunk::estimate_tokens;
///
/// assert_eq!(estimate_tokens("Bees dance."), 3);
/// assert_eq!(estimate_tokens("蜂蜜"), 2);
/// ```
#[must_use]
pub fn estimate_tokens(text: &str) -> usize {
    let mut tokens = 0;
    let mut word = 0_usize;
    for c in text.chars() {
        if c.is_alphanumeric() && !is_ideographic(c) {
            word += c.len_utf8();
            continue;
        }
        tokens += word.div_ceil(BYTES_PER_TOKEN) + usize::from(!c.is_whitespace());
        word = 0;
    }
    tokens + word.div_ceil(BYTES_PER_TOKEN)
}

const BYTES_PER_TOKEN: usize = 5;

fn is_ideographic(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}
