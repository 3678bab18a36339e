//! HTML to the text a reader sees.
//!
//! Works on the token stream without building a tree: memory stays flat, and nesting
//! costs nothing however deep. Scripts, styles, navigation, hidden elements and embedded
//! objects are left out.

mod element;
mod writer;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{BufferQueue, Tokenizer, TokenizerOpts};
use notebook_core::document::{Document, DocumentBuilder};

use super::decode::decode;
use super::{Limits, ParseFailure};
use writer::Writer;

/// How much is tokenised at a time.
const CHUNK: usize = 64 << 10;
/// How far into a page its encoding may be declared.
const PROLOGUE: usize = 1024;

pub(super) fn parse_html(bytes: &[u8], limits: &Limits) -> Result<Document, ParseFailure> {
    let label = declared_encoding(bytes);
    let decoded = decode(bytes, label.as_deref());
    let mut builder = DocumentBuilder::new(limits.text_bytes);
    decoded.flag.into_iter().for_each(|flag| builder.flag(flag));
    run(&decoded.text, &mut builder, limits, false)?;
    Ok(builder.finish())
}

/// Appends the text of an HTML fragment.
pub(super) fn append_html(
    html: &str,
    builder: &mut DocumentBuilder,
    limits: &Limits,
) -> Result<(), ParseFailure> {
    run(html, builder, limits, false)
}

/// Appends the text of an XHTML page, as in an electronic book: there `<a/>` is empty.
pub(super) fn append_xhtml(
    bytes: &[u8],
    builder: &mut DocumentBuilder,
    limits: &Limits,
) -> Result<(), ParseFailure> {
    let decoded = decode(bytes, declared_encoding(bytes).as_deref());
    run(&decoded.text, builder, limits, true)
}

fn run(
    html: &str,
    builder: &mut DocumentBuilder,
    limits: &Limits,
    xml: bool,
) -> Result<(), ParseFailure> {
    let writer = Writer::new(builder, limits, xml);
    let tokenizer = Tokenizer::new(writer, TokenizerOpts::default());
    let queue = BufferQueue::default();
    let mut rest = html;
    while !rest.is_empty() && !tokenizer.sink.failed() {
        let (chunk, tail) = rest.split_at(boundary(rest, CHUNK));
        rest = tail;
        queue.push_back(StrTendril::from_slice(chunk));
        // Scripts are never run, so there is nothing to wait for.
        while !queue.is_empty() {
            let _ = tokenizer.feed(&queue);
        }
    }
    tokenizer.end();
    tokenizer.sink.finish()
}

/// The largest character boundary at or below `at`.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The encoding that a `meta` element or an XML declaration near the start names.
fn declared_encoding(bytes: &[u8]) -> Option<String> {
    let head = bytes.get(..PROLOGUE).unwrap_or(bytes);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let after = ["charset=", "encoding="]
        .iter()
        .filter_map(|key| head.find(key).map(|at| at + key.len()))
        .min()?;
    let label: String = head
        .get(after..)?
        .trim_start_matches(['"', '\'', ' '])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "-_:".contains(*c))
        .collect();
    (!label.is_empty()).then_some(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use notebook_core::document::{BlockKind, Flag};

    fn parse(html: &str) -> Document {
        let d = parse_html(html.as_bytes(), &Limits::default()).unwrap();
        d.validate().unwrap();
        d
    }

    #[test]
    fn readable_text_only() {
        let d = parse(
            "<!DOCTYPE html><html><head><title>The &amp; title</title><style>p{}</style>\
             <script>var a = '<p>no</p>';</script></head><body><nav><a>Home</a></nav>\
             <h1>One</h1><p>First <b>bold</b>word&nbsp;x<br>y</p><div>Second<p>Third</div>\
             <ul><li>a<ul><li>b</ul><li>c</ul><noscript>no</noscript><svg><text>no</text></svg>\
             <pre>  x\n    y</pre><textarea><p>no</textarea>tail",
        );
        assert_eq!(
            d.text,
            "One\n\nFirst boldword x y\n\nSecond\n\nThird\n\na\nb\nc\n\n  x\n    y\n\ntail"
        );
        assert_eq!(d.title.as_deref(), Some("The & title"));
        assert_eq!(d.blocks[0].kind, BlockKind::Heading { level: 1 });
    }

    #[test]
    fn tables_become_rows() {
        let d = parse(
            "<table><caption>Cap</caption><tr><th>a<th>b<tr><td><p>1</p><p>2</p><td>3</table>after",
        );
        assert_eq!(d.text, "Cap\n\na | b\n1 2 | 3\n\nafter");
        assert_eq!(d.blocks[0].kind, BlockKind::Caption);
        assert_eq!(d.blocks[1].kind, BlockKind::TableRow);
    }

    #[test]
    fn layout_tables_are_not_rows() {
        let d = parse(
            "<table><tr><td>menu</td><td><h1>Head</h1><p>Text</p><table><tr><td>x</td><td>y</td></tr></table>end</td></tr></table>",
        );
        assert_eq!(d.text, "menu\n\nHead\n\nText\n\nx | y\n\nend");
    }

    /// U26: hidden elements are left out and flagged.
    #[test]
    fn u26_hidden_is_dropped_and_flagged() {
        let d = parse(
            "<p>seen<p style='Display : none'>obey me<p>more<div hidden><b>no</b></div><i style=\"font-size:0\">no</i>!",
        );
        assert_eq!(d.text, "seen\n\nmore\n\n!");
        assert_eq!(d.flags, [Flag::InvisibleText]);
    }

    /// U34: the encoding that a page declares.
    #[test]
    fn u34_declared_encoding() {
        let d =
            parse_html(b"<meta charset=\"iso-8859-5\"><p>\xe4\xe4", &Limits::default()).unwrap();
        assert_eq!(d.text, "\u{444}\u{444}");
    }

    /// U14, U15: attributes and nesting far beyond any page.
    #[test]
    fn u14_many_attributes_and_deep_nesting_end() {
        let attributes: String = (0..5_000).map(|i| format!(" a{i}=x")).collect();
        assert_eq!(parse(&format!("<p{attributes}>text")).text, "text");
        let deep = "<div><b>".repeat(100_000);
        assert_eq!(parse(&format!("{deep}text")).text, "text");
        let cells = "<table><tr><td>".repeat(20_000);
        assert_eq!(parse(&format!("{cells}text")).text, "text");
    }

    #[test]
    fn nothing_hangs_on_broken_markup() {
        for html in [
            "<",
            "<p",
            "<p a='",
            "<!--",
            "<![CDATA[",
            "&",
            "&#x",
            "</",
            "<script>",
            "<title>x",
            "<plaintext>a<b>",
        ] {
            let _ = parse(html);
        }
    }
}
