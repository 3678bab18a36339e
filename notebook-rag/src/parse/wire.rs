//! What parent and child say to each other.
//!
//! Request: JSON, passed to the fork server. Reply, on standard output: four bytes
//! that name the version, the length of a JSON head, the head, the length of a body,
//! the body: text, or the pixels of a picture. Lengths are 8 bytes, little endian.
//! Of a recording the body is empty: another child becomes the program that decodes it.
//! A child that became another program says what that says.

use notebook_core::document::{Document, SourceKind};
use serde::{Deserialize, Serialize};

use super::{Decoder, Limits, Ocr, ParseFailure};

/// The variable by which the parent says that standard input is the fork server's socket.
pub(super) const SERVE: &str = "NOTEBOOK_PARSE_SERVE";
pub(super) const MAGIC: &[u8; 4] = b"NBP1";
/// Longest name or declared type that is handed over.
pub(super) const MAX_NAME: usize = 1024;

/// What to parse. The file itself is standard input.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    pub(super) content: Content,
    pub(super) limits: Limits,
}

/// What is known of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Content {
    /// It was found out before.
    Known(SourceKind),
    /// The child is to find out.
    Unknown {
        name: String,
        declared: Option<String>,
        /// Whether it is a page of the web, of which only the text is wanted.
        page: bool,
    },
    /// A picture that another child decoded, for the program that recognises text.
    Picture(Ocr),
    /// A recording that another child found to be of this kind, for the program that decodes it.
    Sound(Decoder, SourceKind),
}

/// The head of a reply.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Head {
    /// The document, its text left out.
    Parsed {
        kind: SourceKind,
        document: Document,
    },
    /// A picture, its pixels left out.
    Picture {
        kind: SourceKind,
        mismatch: bool,
        width: u32,
        height: u32,
        /// Width and height before it was scaled.
        shown: (u32, u32),
    },
    /// A recording.
    Sound {
        kind: SourceKind,
        mismatch: bool,
    },
    Failed(ParseFailure),
}

/// The largest head for a text of at most `text` bytes: blocks are the bulk of it, and
/// hardly any is shorter than a few bytes.
pub(super) fn max_head(text: usize) -> u64 {
    (1 << 20) + 32 * text as u64
}
