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
use writer::{Extract, Writer};

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

/// A page may say less than this in its article, and is then read as a whole.
const LEAST_ARTICLE: usize = 400;
/// So many times longer than its article may a page be, before the article is not what it is about.
const MOST_AROUND: usize = 6;

/// A page of the web, without what stands around its text on every page: what it marks as its main part or as an
/// article, if that is most of it; else all but asides, heads and feet; else everything.
pub(super) fn parse_page(
    bytes: &[u8],
    charset: Option<&str>,
    limits: &Limits,
) -> Result<Document, ParseFailure> {
    let label = charset.map(str::to_owned).or_else(|| declared_encoding(bytes));
    let decoded = decode(bytes, label.as_deref());
    let read = |extract| {
        let mut builder = DocumentBuilder::new(limits.text_bytes);
        decoded.flag.iter().cloned().for_each(|flag| builder.flag(flag));
        extracted(&decoded.text, &mut builder, limits, false, extract)?;
        Ok::<_, ParseFailure>(builder.finish())
    };
    let page = read(Extract::Page)?;
    if page.text.is_empty() {
        return read(Extract::All);
    }
    let article = read(Extract::Article)?;
    let length = article.text.len();
    if length < LEAST_ARTICLE || length.saturating_mul(MOST_AROUND) < page.text.len() {
        return Ok(page);
    }
    Ok(Document { title: page.title, flags: page.flags, ..article })
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
    extracted(html, builder, limits, xml, Extract::All)
}

fn extracted(
    html: &str,
    builder: &mut DocumentBuilder,
    limits: &Limits,
    xml: bool,
    extract: Extract,
) -> Result<(), ParseFailure> {
    let writer = Writer::new(builder, limits, xml, extract);
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
    fn a2_pages_are_read_without_what_stands_around() {
        let body = "The heron stands still for an hour before it strikes. ".repeat(12);
        let html = format!(
            "<title>Herons</title><header><a>Home</a> Subscribe</header><div class=x>Cookies?</div>\
             <main><header><h1>Herons</h1></header><p>{body}</p><aside>Related</aside></main>\
             <div>Trending now</div><footer>Imprint</footer>"
        );
        let page = parse_page(html.as_bytes(), None, &Limits::default()).unwrap();
        page.validate().unwrap();
        assert_eq!(page.title.as_deref(), Some("Herons"));
        assert!(page.text.starts_with("Herons\n\nThe heron"), "{:?}", page.text);
        for around in ["Subscribe", "Cookies", "Related", "Trending", "Imprint"] {
            assert!(!page.text.contains(around), "{around}");
        }
        // A main part that says next to nothing, and a page without one.
        let thin = "<main>x</main><p>All of it is here.</p><footer>Imprint</footer>";
        let page = parse_page(thin.as_bytes(), None, &Limits::default()).unwrap();
        assert_eq!(page.text, "x\n\nAll of it is here.");
        let foot = parse_page(b"<footer>Only this</footer>", None, &Limits::default()).unwrap();
        assert_eq!(foot.text, "Only this");
    }

    #[test]
    fn u34_the_charset_that_came_with_a_page_counts() {
        let page = parse_page(b"<p>\xe4\xe4", Some("iso-8859-5"), &Limits::default()).unwrap();
        assert_eq!(page.text, "\u{444}\u{444}");
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
