//! XML as events, within limits, without document types or external entities.

use std::io::BufRead;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::zip::Bomb;
use super::{FailureCode, Limits, ParseFailure};

/// Longest single tag or text, in bytes.
const MAX_EVENT: usize = 32 << 20;

/// What the parsers here need to know of a part.
#[derive(Debug)]
pub(super) enum Node<'e> {
    /// A start tag; `empty` when it is an end tag too.
    Start { tag: Tag<'e>, empty: bool },
    /// The local name of an end tag.
    End(&'e str),
    /// Characters, references resolved.
    Text(&'e str),
}

/// A start tag.
#[derive(Debug)]
pub(super) struct Tag<'e>(&'e BytesStart<'e>);

impl Tag<'_> {
    /// The name without its prefix.
    pub(super) fn name(&self) -> &str {
        local(self.0.name().into_inner())
    }

    /// The value of an attribute, by its name without prefix.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.find(|key| local(key) == name)
    }

    /// The value of an attribute, by its name as written.
    pub(super) fn get_full(&self, name: &str) -> Option<String> {
        self.find(|key| key == name)
    }

    fn find(&self, matches: impl Fn(&str) -> bool) -> Option<String> {
        let mut attributes = self.0.attributes();
        attributes
            .with_checks(false)
            .flatten()
            .find(|attribute| matches(attribute.key.into_inner()))
            .map(|attribute| match attribute.normalized_value(XmlVersion::Implicit1_0) {
                Ok(value) => value.into_owned(),
                Err(_) => String::new(),
            })
    }

    /// Whether an on-off property is on: present, and not set to false.
    pub(super) fn is_on(&self) -> bool {
        !matches!(self.get("val").as_deref(), Some("0" | "false" | "off"))
    }
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// Reads a part to its end, handing each node to `visit`.
///
/// # Errors
/// What `visit` returns; damaged XML; nesting, attributes or inflated bytes beyond the
/// limits; a document type, which no honest part of these formats has.
pub(super) fn read<R: BufRead>(
    input: R,
    limits: &Limits,
    mut visit: impl FnMut(Node<'_>) -> Result<(), ParseFailure>,
) -> Result<(), ParseFailure> {
    let mut reader = Reader::from_reader(Bounded { inner: input, since_event: 0 });
    reader.config_mut().check_end_names = false;
    reader.config_mut().allow_unmatched_ends = true;
    reader.config_mut().allow_dangling_amp = true;
    let mut buf = Vec::new();
    let mut depth = 0_usize;
    loop {
        buf.clear();
        reader.get_mut().since_event = 0;
        match reader.read_event_into(&mut buf).map_err(xml_failure)? {
            Event::Start(tag) => {
                depth += 1;
                if depth > limits.depth.saturating_mul(4) {
                    return Err(too_complex("nesting"));
                }
                check_attributes(&tag, limits)?;
                visit(Node::Start { tag: Tag(&tag), empty: false })?;
            }
            Event::Empty(tag) => {
                check_attributes(&tag, limits)?;
                visit(Node::Start { tag: Tag(&tag), empty: true })?;
            }
            Event::End(tag) => {
                depth = depth.saturating_sub(1);
                visit(Node::End(local(tag.name().into_inner())))?;
            }
            Event::Text(text) => visit(Node::Text(&text))?,
            Event::CData(text) => visit(Node::Text(&text))?,
            Event::GeneralRef(name) => {
                if let Some(text) = resolve(&name)? {
                    visit(Node::Text(&text))?;
                }
            }
            Event::DocType(text) => check_doctype(&text)?,
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

/// The characters of a reference. Names outside XML's own five are dropped: their
/// declarations are not read.
fn resolve(name: &quick_xml::events::BytesRef<'_>) -> Result<Option<String>, ParseFailure> {
    if let Some(c) = name.resolve_char_ref().map_err(ParseFailure::damaged)? {
        return Ok(Some(c.to_string()));
    }
    Ok(quick_xml::escape::resolve_xml_entity(name).map(str::to_owned))
}

/// A plain document type, as old electronic books have, does nothing; one that declares
/// entities is refused.
fn check_doctype(text: &str) -> Result<(), ParseFailure> {
    if text.contains('[') || text.contains("<!ENTITY") {
        return Err(ParseFailure::new(FailureCode::TooComplex)
            .with_detail("a document type with declarations"));
    }
    Ok(())
}

fn check_attributes(tag: &BytesStart<'_>, limits: &Limits) -> Result<(), ParseFailure> {
    // Each attribute has one "=" at least, so few tags need the real count.
    let signs = tag.attributes_raw().bytes().filter(|byte| *byte == b'=').count();
    if signs <= limits.attributes {
        return Ok(());
    }
    let mut attributes = tag.attributes();
    if attributes.with_checks(false).count() > limits.attributes {
        return Err(too_complex("attributes"));
    }
    Ok(())
}

fn too_complex(what: &str) -> ParseFailure {
    ParseFailure::new(FailureCode::TooComplex).with_detail(what)
}

fn xml_failure(error: quick_xml::Error) -> ParseFailure {
    match error {
        quick_xml::Error::Io(io) => match io.get_ref() {
            Some(inner) if inner.is::<LongEvent>() => too_complex("one tag or text is too long"),
            Some(inner) if inner.is::<Bomb>() => FailureCode::ArchiveBomb.into(),
            _ => ParseFailure::damaged(io),
        },
        other => ParseFailure::damaged(other),
    }
}

/// A single tag or text that is too long to hold.
#[derive(Debug, thiserror::Error)]
#[error("a tag or text is too long")]
struct LongEvent;

/// Bounds what the XML reader gathers for one event.
struct Bounded<R> {
    inner: R,
    since_event: usize,
}

impl<R: BufRead> std::io::Read for Bounded<R> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.inner.read(buf)
    }
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.since_event > MAX_EVENT {
            return Err(std::io::Error::other(LongEvent));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.since_event += amount;
        self.inner.consume(amount);
    }
}

/// Reads a small part that is held in memory.
pub(super) fn read_bytes(
    bytes: &[u8],
    limits: &Limits,
    visit: impl FnMut(Node<'_>) -> Result<(), ParseFailure>,
) -> Result<(), ParseFailure> {
    read(bytes, limits, visit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(xml: &str) -> Result<String, ParseFailure> {
        let mut out = String::new();
        read_bytes(xml.as_bytes(), &Limits::default(), |node| {
            if let Node::Text(text) = node {
                out.push_str(text);
            }
            Ok(())
        })?;
        Ok(out)
    }

    fn code(xml: &str) -> FailureCode {
        text_of(xml).unwrap_err().code
    }

    #[test]
    fn resolves_characters() {
        assert_eq!(
            text_of("<a>x &amp; &#65;&#x42;<![CDATA[<c>]]>&nbsp;y</a>").unwrap(),
            "x & AB<c>y"
        );
    }

    /// U11, U12, U13: no entity is expanded, none is fetched.
    #[test]
    fn u11_u13_declared_entities_are_refused() {
        let lol = "<!DOCTYPE l [<!ENTITY a \"lol\"><!ENTITY b \"&a;&a;\">]><l>&b;</l>";
        assert_eq!(code(lol), FailureCode::TooComplex);
        let file = "<!DOCTYPE l [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><l>&x;</l>";
        assert_eq!(code(file), FailureCode::TooComplex);
        assert_eq!(text_of("<!DOCTYPE html><l>ok</l>").unwrap(), "ok");
    }

    /// U14, U15: attributes and namespaces without end.
    #[test]
    fn u14_u15_attributes_are_bounded() {
        let attributes: String = (0..100_000).map(|i| format!(" a{i}=\"x\"")).collect();
        assert_eq!(code(&format!("<a{attributes}/>")), FailureCode::TooComplex);
        let namespaces: String = (0..100_000).map(|i| format!(" xmlns:n{i}=\"u\"")).collect();
        assert_eq!(code(&format!("<a{namespaces}></a>")), FailureCode::TooComplex);
    }

    #[test]
    fn nesting_and_long_texts_are_bounded() {
        assert_eq!(code(&"<a>".repeat(100_000)), FailureCode::TooComplex);
        assert_eq!(
            code(&format!("<a>{}", "x".repeat(MAX_EVENT + 100_000))),
            FailureCode::TooComplex
        );
    }
}
