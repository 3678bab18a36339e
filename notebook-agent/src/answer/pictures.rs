//! Keeps pictures out of an answer (pure).
//!
//! Where a picture is shown, its address is called without anybody's doing, and an address can hold what the model has read. The page loads
//! none, but answers are also read by other programs, and leave as Markdown. So what Markdown would take for a picture, or for the address of
//! one that is named elsewhere, is set apart by a space: it stays legible, and is nothing but text.

/// How far back it is looked, in characters.
const FAR: usize = 4_000;

/// What comes next in an answer, without pictures. It depends on the whole text alone, not on where the stream is cut.
pub(super) fn without_pictures(before: &str, more: String) -> String {
    if !more.contains(['(', ':']) {
        return more;
    }
    let mut out = String::with_capacity(more.len() + 1);
    for c in more.chars() {
        let back = || before.chars().chain(out.chars()).rev();
        let apart = match c {
            '(' => closes_picture(back()),
            ':' => closes_definition(back()),
            _ => false,
        };
        if apart {
            out.push(' ');
        }
        out.push(c);
    }
    out
}

/// Whether the text, read backwards, ends with a bracket in whose paragraph a picture has begun.
fn closes_picture(mut back: impl Iterator<Item = char>) -> bool {
    if back.next() != Some(']') {
        return false;
    }
    let mut after = ']';
    for c in back.by_ref().take(FAR) {
        match (c, after) {
            ('!', '[') => return true,
            ('\n', '\n') => return false,
            _ => after = c,
        }
    }
    // Nobody writes paragraphs that long, but to hide something.
    back.next().is_some()
}

/// Whether the text, read backwards, ends with a name in brackets at the beginning of a line.
fn closes_definition(back: impl Iterator<Item = char>) -> bool {
    let mut back = back.take(FAR).peekable();
    if back.next() != Some(']') {
        return false;
    }
    while let Some(c) = back.next() {
        match c {
            '[' | ']' if back.peek() == Some(&'\\') => {}
            ']' => return false,
            '[' => {
                // Quotes and items of lists may hold it, too.
                let begins = |c: &char| {
                    !matches!(c, ' ' | '\t' | '>' | '-' | '*' | '+' | '.' | ')' | '0'..='9')
                };
                return back.find(begins).is_none_or(|c| c == '\n');
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::without_pictures;

    fn whole(text: &str) -> String {
        without_pictures("", text.to_owned())
    }

    #[test]
    fn p3_what_would_be_a_picture_is_text() {
        for (text, shown) in [
            ("a ![x](https://e.org/?d=1) b", "a ![x] (https://e.org/?d=1) b"),
            ("![](u)", "![] (u)"),
            ("![a [b] c](u)", "![a [b] c] (u)"),
            ("![a\\]](u)", "![a\\]] (u)"),
            ("![a\nb](u)", "![a\nb] (u)"),
            ("![a][r]\n\n[r]: https://e.org", "![a][r]\n\n[r] : https://e.org"),
            ("> 1. [r\\]s]: u", "> 1. [r\\]s] : u"),
            ("[r\ns]: u", "[r\ns] : u"),
            ("[![a](u)](v)", "[![a] (u)] (v)"),
        ] {
            assert_eq!(whole(text), shown);
        }
        let long = format!("![{}](u)", "x".repeat(10_000));
        assert!(whole(&long).ends_with("] (u)"));
    }

    #[test]
    fn p3_other_text_stays_as_it_is() {
        for text in [
            "See [the page](https://e.org/a).",
            "It is 78 km long! (See below.)",
            "`let a = vec![1, 2];` and f(x)",
            "a[0]: 5, see [x]: y",
            "Wow!\n\nSee [the page](https://e.org/a).",
            "He said: [sic] (twice)",
        ] {
            assert_eq!(whole(text), text);
        }
    }

    #[test]
    fn p3_it_does_not_matter_where_the_stream_is_cut() {
        let text = "a ![x](u) [y](v)\n\n[r]: w\n\nvec![1](z) [k](m)";
        let shown = whole(text);
        for at in 0..text.len() {
            let first = whole(&text[..at]);
            let second = without_pictures(&first, text[at..].to_owned());
            assert_eq!(format!("{first}{second}"), shown);
        }
    }
}
