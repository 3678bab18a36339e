//! The kinds of source that can be read.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The format of a source, decided from its bytes, name and declared type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SourceKind {
    /// Portable Document Format.
    Pdf,
    /// Word processing, Office Open XML.
    Docx,
    /// Presentation, Office Open XML.
    Pptx,
    /// Spreadsheet, Office Open XML.
    Xlsx,
    /// Rows of text cells, separated by commas, semicolons or tabs.
    Csv,
    /// Electronic book.
    Epub,
    /// Web page.
    Html,
    /// Markdown.
    Markdown,
    /// Plain text.
    Text,
    /// Source code or configuration, kept line by line.
    Code,
    /// Image, Portable Network Graphics.
    Png,
    /// Image, JPEG.
    Jpeg,
    /// Image, WebP.
    Webp,
    /// Image, Tagged Image File Format.
    Tiff,
    /// Image, Windows bitmap.
    Bmp,
    /// Image, GIF; of a moving one the first frame.
    Gif,
    /// Recording, RIFF WAVE.
    Wav,
    /// Recording, MPEG layer III.
    Mp3,
    /// Recording, FLAC.
    Flac,
    /// Recording, Ogg with Vorbis or Opus.
    Ogg,
    /// Recording, MPEG-4 with AAC.
    M4a,
}

/// What there is to read in a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Medium {
    /// Characters.
    Text,
    /// A picture, whose text is recognised.
    Image,
    /// A recording, whose speech is written down.
    Audio,
}

impl SourceKind {
    /// Every kind.
    pub const ALL: [Self; 21] = [
        Self::Pdf,
        Self::Docx,
        Self::Pptx,
        Self::Xlsx,
        Self::Csv,
        Self::Epub,
        Self::Html,
        Self::Markdown,
        Self::Text,
        Self::Code,
        Self::Png,
        Self::Jpeg,
        Self::Webp,
        Self::Tiff,
        Self::Bmp,
        Self::Gif,
        Self::Wav,
        Self::Mp3,
        Self::Flac,
        Self::Ogg,
        Self::M4a,
    ];

    /// The stable name, as stored and sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Docx => "docx",
            Self::Pptx => "pptx",
            Self::Xlsx => "xlsx",
            Self::Csv => "csv",
            Self::Epub => "epub",
            Self::Html => "html",
            Self::Markdown => "markdown",
            Self::Text => "text",
            Self::Code => "code",
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Webp => "webp",
            Self::Tiff => "tiff",
            Self::Bmp => "bmp",
            Self::Gif => "gif",
            Self::Wav => "wav",
            Self::Mp3 => "mp3",
            Self::Flac => "flac",
            Self::Ogg => "ogg",
            Self::M4a => "m4a",
        }
    }

    /// The media type of files of this kind.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Pptx => {
                "application/vnd.openxmlformats-officedocument.presentationml.presentation"
            }
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Csv => "text/csv",
            Self::Epub => "application/epub+zip",
            Self::Html => "text/html",
            Self::Markdown => "text/markdown",
            Self::Text | Self::Code => "text/plain",
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
            Self::Tiff => "image/tiff",
            Self::Bmp => "image/bmp",
            Self::Gif => "image/gif",
            Self::Wav => "audio/wav",
            Self::Mp3 => "audio/mpeg",
            Self::Flac => "audio/flac",
            Self::Ogg => "audio/ogg",
            Self::M4a => "audio/mp4",
        }
    }

    /// What there is to read in it.
    #[must_use]
    pub const fn medium(self) -> Medium {
        match self {
            Self::Png | Self::Jpeg | Self::Webp | Self::Tiff | Self::Bmp | Self::Gif => {
                Medium::Image
            }
            Self::Wav | Self::Mp3 | Self::Flac | Self::Ogg | Self::M4a => Medium::Audio,
            _ => Medium::Text,
        }
    }

    /// How a numbered part is called for a person: `page 3`, or for a recording, whose parts are its seconds counted
    /// from 1, the time that has passed before it: `0:42`, `1:02:03`.
    ///
    /// ```
    /// use notebook_core::document::SourceKind;
    ///
    /// assert_eq!(SourceKind::Pdf.part(3), "page 3");
    /// assert_eq!(SourceKind::Mp3.part(43), "0:42");
    /// ```
    #[must_use]
    pub fn part(self, number: u32) -> String {
        if self.medium() != Medium::Audio {
            return format!("page {number}");
        }
        let all = number.saturating_sub(1);
        let (hours, minutes, seconds) = (all / 3_600, all / 60 % 60, all % 60);
        if hours == 0 {
            format!("{minutes}:{seconds:02}")
        } else {
            format!("{hours}:{minutes:02}:{seconds:02}")
        }
    }

    /// Whether the kind is plain text, so that any text file may be read as it.
    #[must_use]
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Csv | Self::Html | Self::Markdown | Self::Text | Self::Code)
    }
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is no [`SourceKind`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown source kind {0:?}; known kinds: pdf, docx, pptx, xlsx, csv, epub, html, markdown, text, code, png, jpeg, webp, tiff, bmp, gif, wav, mp3, flac, ogg, m4a"
)]
pub struct UnknownSourceKind(pub String);

impl FromStr for SourceKind {
    type Err = UnknownSourceKind;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .ok_or_else(|| UnknownSourceKind(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for kind in SourceKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(json, format!("\"{kind}\""));
        }
        assert!("exe".parse::<SourceKind>().is_err());
    }

    #[test]
    fn parts_of_recordings_are_times() {
        assert_eq!(SourceKind::Wav.part(1), "0:00");
        assert_eq!(SourceKind::Wav.part(60), "0:59");
        assert_eq!(SourceKind::M4a.part(61), "1:00");
        assert_eq!(SourceKind::Ogg.part(3_724), "1:02:03");
        assert_eq!(SourceKind::Png.part(1), "page 1");
    }
}
