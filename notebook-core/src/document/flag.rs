//! What parsing noticed.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::SourceKind;

/// Something about the source that a reader or a policy may want to know.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "flag", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Flag {
    /// The file carries other files, which were not opened.
    EmbeddedFile,
    /// The file carries scripts or macros, which were neither run nor read.
    Script,
    /// Some of the text is not visible to a person who looks at the source.
    InvisibleText,
    /// The file is encrypted but opens without a password.
    Encrypted,
    /// Only a part of the source was read.
    Truncated {
        /// What was left out, for a person.
        what: String,
    },
    /// The text was not in Unicode; its encoding was guessed.
    LegacyEncoding {
        /// The encoding's name in the WHATWG Encoding Standard.
        name: String,
    },
    /// The file was damaged and could be read only in part.
    Damaged,
    /// Cells that a spreadsheet program would take for formulas; kept here as text.
    FormulaCells,
    /// The file's content is not what its name or declared type says; it was read as `read_as`.
    TypeMismatch {
        /// The kind that it was read as.
        read_as: SourceKind,
    },
    /// Characters that the source does not map to Unicode were left out.
    UnmappedGlyphs {
        /// How many.
        count: u64,
    },
    /// The text was recognised in an image.
    Recognised {
        /// How sure the recognition is of the words, in percent on average.
        confidence: u8,
    },
    /// The text is what was heard in a recording.
    Transcribed {
        /// The model that listened.
        model: String,
    },
    /// Pages without any text, such as scans.
    PagesWithoutText {
        /// How many.
        count: u32,
    },
}

impl fmt::Display for Flag {
    /// A sentence for a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmbeddedFile => f.write_str("Embedded files were not read."),
            Self::Script => f.write_str("Scripts or macros in the file were ignored."),
            Self::InvisibleText => f.write_str("Some of the text is invisible in the original."),
            Self::Encrypted => f.write_str("The file is encrypted, but opens without a password."),
            Self::Truncated { what } => write!(f, "Only a part was read: {what}."),
            Self::LegacyEncoding { name } => write!(f, "The text was read as {name}."),
            Self::Damaged => f.write_str("The file is damaged; some of it may be missing."),
            Self::FormulaCells => f.write_str("Cells that look like formulas were kept as text."),
            Self::TypeMismatch { read_as } => {
                write!(
                    f,
                    "The content does not match the file's name or type; it was read as {read_as}."
                )
            }
            Self::UnmappedGlyphs { count } => {
                write!(
                    f,
                    "{count} characters could not be read, because the file does not say which they are."
                )
            }
            Self::Recognised { confidence } => {
                write!(f, "The text was recognised in an image, {confidence} % sure.")
            }
            Self::Transcribed { model } => {
                write!(f, "The text was heard in a recording by {model}.")
            }
            Self::PagesWithoutText { count } => {
                write!(f, "{count} pages hold no text; they may be scanned images.")
            }
        }
    }
}
