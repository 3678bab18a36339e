//! Why a file could not be read, for programs and for people.

use std::fmt;

use notebook_core::document::DocumentLimit;
use serde::{Deserialize, Serialize};

/// A stable code for each reason. Stored and sent in snake case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureCode {
    /// The file has no bytes.
    Empty,
    /// The file holds no text: white space only, or scanned pages.
    NoText,
    /// A password is needed to open the file.
    PasswordProtected,
    /// The file does not follow its format.
    Damaged,
    /// The format is not supported.
    UnsupportedType,
    /// Content, name and declared type contradict each other.
    TypeMismatch,
    /// The file, or the text in it, is larger than allowed.
    TooLarge,
    /// The file has more pages than allowed.
    TooManyPages,
    /// The file is nested deeper than allowed, or has too many attributes.
    TooComplex,
    /// An archive inflates to far more than its size.
    ArchiveBomb,
    /// An archive has overlapping, duplicate or too many entries.
    BadArchive,
    /// The parser ran out of memory.
    MemoryLimit,
    /// The parser ran out of time.
    TimeLimit,
    /// The parser tried something that it may not do, such as opening a file.
    Forbidden,
    /// The parser died.
    Crashed,
    /// What recognises text in images is not installed here.
    OcrUnavailable,
    /// Nothing here writes down what is said in recordings.
    TranscriptionUnavailable,
    /// The parser could not be started, or the file not handed over.
    Internal,
}

impl FailureCode {
    /// The code as stored and sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NoText => "no_text",
            Self::PasswordProtected => "password_protected",
            Self::Damaged => "damaged",
            Self::UnsupportedType => "unsupported_type",
            Self::TypeMismatch => "type_mismatch",
            Self::TooLarge => "too_large",
            Self::TooManyPages => "too_many_pages",
            Self::TooComplex => "too_complex",
            Self::ArchiveBomb => "archive_bomb",
            Self::BadArchive => "bad_archive",
            Self::MemoryLimit => "memory_limit",
            Self::TimeLimit => "time_limit",
            Self::Forbidden => "forbidden",
            Self::Crashed => "crashed",
            Self::OcrUnavailable => "ocr_unavailable",
            Self::TranscriptionUnavailable => "transcription_unavailable",
            Self::Internal => "internal",
        }
    }

    /// What to tell a person, with the way out.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Empty => "The file is empty. Check that the upload or the export is complete.",
            Self::NoText => {
                "No text was found in the file. If it holds scanned pages, run text recognition on it first."
            }
            Self::PasswordProtected => {
                "The file is protected by a password. Save a copy without the password and upload that."
            }
            Self::Damaged => {
                "The file is damaged or incomplete. Open it in its program, save it again and upload the new copy."
            }
            Self::UnsupportedType => {
                "Files of this type cannot be read. Use PDF, DOCX, PPTX, XLSX, CSV, EPUB, HTML, Markdown, plain text, an image or a recording."
            }
            Self::TypeMismatch => {
                "The content of the file is not what its name or type says. Give the file its right ending and upload it again."
            }
            Self::TooLarge => {
                "The file holds more than may be read at once. Split it and upload the parts."
            }
            Self::TooManyPages => "The file has too many pages. Split it and upload the parts.",
            Self::TooComplex => {
                "The file is built too intricately to be read safely. Save it again with its own program, or export it as PDF or text."
            }
            Self::ArchiveBomb => {
                "The file unpacks to far more data than its size allows. It was not read."
            }
            Self::BadArchive => {
                "The file's archive is inconsistent. Save it again with its own program and upload the new copy."
            }
            Self::MemoryLimit => {
                "Reading the file takes more memory than allowed. Split it, or export it as PDF or text."
            }
            Self::TimeLimit => {
                "Reading the file takes longer than allowed. Split it, or export it as PDF or text."
            }
            Self::Forbidden => {
                "Reading the file was stopped, because it made the reader try something forbidden. Do not trust this file."
            }
            Self::Crashed => {
                "The reader broke down on this file. Save it again with its own program, or export it as PDF or text."
            }
            Self::OcrUnavailable => {
                "Text in images is not recognised here. Ask the operator to install tesseract-ocr, then choose retry."
            }
            Self::TranscriptionUnavailable => {
                "Recordings are not transcribed here. Ask the operator to set transcription.provider, then choose retry; or upload a transcript as text."
            }
            Self::Internal => {
                "The file could not be handed to the reader. Try again; if it stays so, tell the operator."
            }
        }
    }

    /// Whether the same file may be read when tried once more.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Crashed | Self::Internal | Self::TimeLimit)
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A file that could not be read. Concerns that file alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ParseFailure {
    /// For programs.
    pub code: FailureCode,
    /// One or two sentences for a person, with the way out.
    pub message: String,
    /// What the parser met, for the log; never sent to a browser.
    pub detail: Option<String>,
}

impl ParseFailure {
    /// A failure with the code's own message.
    #[must_use]
    pub fn new(code: FailureCode) -> Self {
        Self { code, message: code.advice().to_owned(), detail: None }
    }

    /// The same with a detail for the log, cut to 500 characters.
    #[must_use]
    pub fn with_detail(mut self, detail: impl fmt::Display) -> Self {
        self.detail = Some(detail.to_string().chars().take(500).collect());
        self
    }

    /// The same with a message that fits the case better.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    pub(super) fn damaged(detail: impl fmt::Display) -> Self {
        Self::new(FailureCode::Damaged).with_detail(detail)
    }
}

impl From<FailureCode> for ParseFailure {
    fn from(code: FailureCode) -> Self {
        Self::new(code)
    }
}

impl From<DocumentLimit> for ParseFailure {
    fn from(limit: DocumentLimit) -> Self {
        let code = match limit {
            DocumentLimit::Text { .. } => FailureCode::TooLarge,
            _ => FailureCode::Damaged,
        };
        Self::new(code).with_detail(limit)
    }
}
