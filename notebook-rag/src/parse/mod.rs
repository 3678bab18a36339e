//! Untrusted files to canonical text.
//!
//! A server hands every file to a child process through [`ChildParser`]: memory, time,
//! output and system calls of the child are limited, so that a hostile file costs one
//! process and a clear [`ParseFailure`]. The child runs [`child_main`], which reads the
//! file from standard input, finds out what it is ([`detect`]), and parses it
//! ([`parse_bytes`]).
//!
//! ```
//! use notebook_core::document::SourceKind;
//! use notebook_rag::parse::{Limits, parse_bytes};
//!
//! let html = b"<title>Bees</title><h1>Bees</h1><script>no()</script><p>They dance.";
//! let document = parse_bytes(html, SourceKind::Html, &Limits::default())?;
//! assert_eq!(document.text, "Bees\n\nThey dance.");
//! assert_eq!(document.title.as_deref(), Some("Bees"));
//! # Ok::<(), notebook_rag::parse::ParseFailure>(())
//! ```

mod child;
mod decode;
mod decoder;
mod docx;
mod epub;
mod failure;
mod fork_server;
#[cfg(feature = "test-hooks")]
mod hooks;
mod html;
mod image;
mod limits;
mod markdown;
mod ocr;
mod ooxml;
mod parent;
mod pdf;
mod places;
mod pptx;
mod program;
mod recording;
mod sandbox;
mod sniff;
mod table;
mod text;
mod wire;
mod xlsx;
mod xml;
pub(crate) mod zip;

use notebook_core::document::{Document, Flag, Medium, SourceKind};

pub use child::child_main;
pub use decoder::Decoder;
pub use failure::{FailureCode, ParseFailure};
pub use limits::Limits;
pub use ocr::Ocr;
pub use parent::{ChildParser, Opened, Parsed};
pub use recording::Recording;
pub use sniff::{Detected, detect, kind_from_name, medium_of};

use image::Picture;

/// Parses `bytes` as `kind` in this process: for the child, for tests and for fuzzing.
/// A server uses [`ChildParser`], because a parser may abort or loop on hostile input.
///
/// # Errors
/// Why the file could not be read. A document without text is [`FailureCode::NoText`]; an image, whose text another
/// program recognises, is [`FailureCode::OcrUnavailable`] here, and a recording
/// [`FailureCode::TranscriptionUnavailable`].
pub fn parse_bytes(
    bytes: &[u8],
    kind: SourceKind,
    limits: &Limits,
) -> Result<Document, ParseFailure> {
    match read(bytes, kind, limits)? {
        Content::Document(document) => Ok(document),
        Content::Picture(_) => Err(FailureCode::OcrUnavailable.into()),
    }
}

/// What is in a file.
enum Content {
    Document(Document),
    /// Its text is to be recognised.
    Picture(Picture),
}

fn read(bytes: &[u8], kind: SourceKind, limits: &Limits) -> Result<Content, ParseFailure> {
    if bytes.is_empty() {
        return Err(FailureCode::Empty.into());
    }
    if bytes.len() as u64 > limits.input_bytes {
        return Err(FailureCode::TooLarge.into());
    }
    match kind.medium() {
        Medium::Image => return image::read(bytes, kind, limits).map(Content::Picture),
        Medium::Audio => return Err(FailureCode::TranscriptionUnavailable.into()),
        Medium::Text => {}
    }
    let document = match kind {
        SourceKind::Pdf => pdf::parse_pdf(bytes, limits),
        SourceKind::Docx => docx::parse_docx(bytes, limits),
        SourceKind::Pptx => pptx::parse_pptx(bytes, limits),
        SourceKind::Xlsx => xlsx::parse_xlsx(bytes, limits),
        SourceKind::Csv => table::parse_csv(bytes, limits),
        SourceKind::Epub => epub::parse_epub(bytes, limits),
        SourceKind::Html => html::parse_html(bytes, limits),
        SourceKind::Markdown => markdown::parse_markdown(bytes, limits),
        SourceKind::Code => text::parse_code(bytes, limits),
        SourceKind::Text => text::parse_text(bytes, limits),
        other => Err(ParseFailure::new(FailureCode::UnsupportedType).with_detail(other)),
    }?;
    if document.text.is_empty() {
        return Err(FailureCode::NoText.into());
    }
    Ok(Content::Document(document))
}

/// Finds out what the bytes are, and parses them.
///
/// # Errors
/// As for [`detect`] and [`parse_bytes`].
pub fn detect_and_parse(
    bytes: &[u8],
    name: &str,
    declared: Option<&str>,
    limits: &Limits,
) -> Result<Parsed, ParseFailure> {
    if bytes.len() as u64 > limits.input_bytes {
        return Err(FailureCode::TooLarge.into());
    }
    let detected = detect(bytes, name, declared, limits)?;
    let document = parse_bytes(bytes, detected.kind, limits)?;
    Ok(detected.parsed(document))
}

/// A page of the web that came with a content type.
fn read_page(
    bytes: &[u8],
    content_type: Option<&str>,
    limits: &Limits,
) -> Result<Content, ParseFailure> {
    let charset = content_type.and_then(|declared| {
        let parameters = declared.split(';').skip(1).filter_map(|one| one.split_once('='));
        let charset = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
        charset.map(|(_, value)| value.trim().trim_matches('"')).next()
    });
    let document = html::parse_page(bytes, charset, limits)?;
    if document.text.is_empty() {
        return Err(ParseFailure::new(FailureCode::NoText).with_message(
            "The page holds no text. Pages that are made by scripts cannot be read: save it as PDF and upload that.",
        ));
    }
    Ok(Content::Document(document))
}

impl Detected {
    /// The document, with a flag if it is not what its name or type said.
    fn parsed(self, mut document: Document) -> Parsed {
        let kind = self.kind;
        if self.mismatch {
            document.flags.push(Flag::TypeMismatch { read_as: kind });
        }
        Parsed { kind, document }
    }
}
