//! What a file is: its first bytes, its name and the type it was declared as.
//!
//! The bytes decide. A name or declared type that contradicts them is refused when the
//! content is a container (PDF, Office, EPUB), because such files are made to be opened
//! by the wrong program; content that is plain text is read as the weaker text type.

use notebook_core::document::{Medium, SourceKind};

use super::decode::looks_like_text;
use super::zip::Archive;
use super::{FailureCode, Limits, ParseFailure};

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detected {
    /// What to read the file as.
    pub kind: SourceKind,
    /// Whether name or declared type said something else.
    pub mismatch: bool,
}

/// Decides what a file is from its bytes, its name (used for the ending only) and the
/// media type that it was declared as.
///
/// # Errors
/// [`FailureCode::Empty`], [`FailureCode::UnsupportedType`], [`FailureCode::TypeMismatch`],
/// [`FailureCode::PasswordProtected`] (encrypted Office files), or what is wrong with an
/// archive.
///
/// ```
/// use notebook_core::document::SourceKind;
/// use notebook_rag::parse::{Limits, detect};
///
/// let found = detect(b"# Title", "notes.md", None, &Limits::default())?;
/// assert_eq!(found.kind, SourceKind::Markdown);
/// let failure = detect(b"%PDF-1.7", "notes.docx", None, &Limits::default()).unwrap_err();
/// assert_eq!(failure.code.as_str(), "type_mismatch");
/// # Ok::<(), notebook_rag::parse::ParseFailure>(())
/// ```
pub fn detect(
    bytes: &[u8],
    name: &str,
    declared: Option<&str>,
    limits: &Limits,
) -> Result<Detected, ParseFailure> {
    if bytes.is_empty() {
        return Err(FailureCode::Empty.into());
    }
    let named = Expected::from_name(name);
    let declared = declared.map_or(Expected::Nothing, Expected::from_media_type);
    match content(bytes, limits)? {
        Content::Container(kind) => container(kind, named, declared),
        Content::Text => Ok(text(bytes, named, declared)),
    }
}

/// What a name or a declared type leads one to expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Nothing,
    Kind(SourceKind),
    /// Something that is read by no parser here.
    Other,
}

enum Content {
    Container(SourceKind),
    Text,
}

fn content(bytes: &[u8], limits: &Limits) -> Result<Content, ParseFailure> {
    if is_pdf(bytes) {
        return Ok(Content::Container(SourceKind::Pdf));
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return archive(bytes, limits).map(Content::Container);
    }
    if bytes.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return Err(compound_file(bytes));
    }
    if let Some(kind) = media(bytes) {
        return Ok(Content::Container(kind));
    }
    if let Some(found) = infer::get(bytes)
        && !matches!(found.mime_type(), "text/html" | "text/xml" | "text/x-shellscript")
    {
        return Err(unsupported(found.mime_type()));
    }
    if looks_like_text(bytes) {
        return Ok(Content::Text);
    }
    Err(unsupported("application/octet-stream"))
}

/// Whether a file is text, an image or a recording, as its first bytes say: some hundred are enough.
#[must_use]
pub fn medium_of(head: &[u8]) -> Medium {
    media(head).map_or(Medium::Text, SourceKind::medium)
}

/// The kind of an image or a recording.
fn media(bytes: &[u8]) -> Option<SourceKind> {
    // Frames of MPEG audio, layer III, that begin without a tag, of which the library knows one form.
    if let [0xff, 0xe2 | 0xe3 | 0xf2 | 0xf3 | 0xfa | 0xfb, ..] = bytes {
        return Some(SourceKind::Mp3);
    }
    Some(match infer::get(bytes)?.mime_type() {
        "image/png" => SourceKind::Png,
        "image/jpeg" => SourceKind::Jpeg,
        "image/webp" => SourceKind::Webp,
        "image/tiff" => SourceKind::Tiff,
        "image/bmp" => SourceKind::Bmp,
        "image/gif" => SourceKind::Gif,
        "audio/x-wav" => SourceKind::Wav,
        "audio/mpeg" => SourceKind::Mp3,
        "audio/x-flac" => SourceKind::Flac,
        "audio/ogg" | "audio/opus" => SourceKind::Ogg,
        "audio/m4a" => SourceKind::M4a,
        _ => return None,
    })
}

/// The header may stand a little into the file, after other programs' bytes; a page that
/// only mentions it is text.
fn is_pdf(bytes: &[u8]) -> bool {
    let head = bytes.get(..1024).unwrap_or(bytes);
    let Some(at) = head.windows(5).position(|window| window == b"%PDF-") else {
        return false;
    };
    let before = head.get(..at).unwrap_or_default();
    at == 0 || !before.contains(&b'<') && !before.starts_with(b"PK")
}

fn archive(bytes: &[u8], limits: &Limits) -> Result<SourceKind, ParseFailure> {
    let mut archive = Archive::open(bytes, limits)?;
    if archive.contains("META-INF/container.xml") {
        return Ok(SourceKind::Epub);
    }
    if !archive.contains("[Content_Types].xml") {
        return Err(unsupported("application/zip"));
    }
    let types = archive.read_small("[Content_Types].xml")?;
    let types = String::from_utf8_lossy(&types);
    for (part, kind) in [
        ("wordprocessingml.document.main", SourceKind::Docx),
        ("wordprocessingml.template.main", SourceKind::Docx),
        ("ms-word.document.macroEnabled.main", SourceKind::Docx),
        ("presentationml.presentation.main", SourceKind::Pptx),
        ("presentationml.slideshow.main", SourceKind::Pptx),
        ("presentationml.template.main", SourceKind::Pptx),
        ("ms-powerpoint.presentation.macroEnabled.main", SourceKind::Pptx),
        ("spreadsheetml.sheet.main", SourceKind::Xlsx),
        ("spreadsheetml.template.main", SourceKind::Xlsx),
        ("ms-excel.sheet.macroEnabled.main", SourceKind::Xlsx),
    ] {
        if types.contains(part) {
            return Ok(kind);
        }
    }
    Err(unsupported("application/zip"))
}

/// The old binary Office formats, or a new one in an encrypted envelope.
fn compound_file(bytes: &[u8]) -> ParseFailure {
    let utf16: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
    if bytes.windows(utf16.len()).any(|window| window == utf16) {
        return FailureCode::PasswordProtected.into();
    }
    ParseFailure::new(FailureCode::UnsupportedType).with_message(
        "Files of the old binary Office formats (.doc, .xls, .ppt) cannot be read. Save the file as .docx, .xlsx, .pptx or PDF.",
    )
}

fn unsupported(media_type: &str) -> ParseFailure {
    let failure = ParseFailure::new(FailureCode::UnsupportedType).with_detail(media_type);
    let message = match media_type.split('/').next() {
        Some("image") => {
            "Images of this format cannot be read. Save it as PNG, JPEG, WebP or TIFF."
        }
        Some("audio") => {
            "Recordings of this format cannot be read. Save it as WAV, MP3, FLAC, Ogg or M4A."
        }
        Some("video") => "Videos cannot be read. Upload their sound as MP3 or M4A.",
        _ if matches!(
            media_type,
            "application/zip"
                | "application/gzip"
                | "application/x-tar"
                | "application/x-7z-compressed"
        ) =>
        {
            "Archives are not opened. Unpack the archive and upload the files in it."
        }
        _ => return failure,
    };
    failure.with_message(message)
}

fn container(
    kind: SourceKind,
    named: Expected,
    declared: Expected,
) -> Result<Detected, ParseFailure> {
    let mut mismatch = false;
    for expected in [named, declared] {
        let contradicts = match expected {
            Expected::Nothing => false,
            // Pictures are saved under each other's endings every day, and programs open them all the same.
            Expected::Kind(other) if is_alike(kind, other) => {
                mismatch |= other != kind;
                false
            }
            Expected::Kind(other) => other != kind,
            Expected::Other => true,
        };
        if contradicts {
            return Err(ParseFailure::new(FailureCode::TypeMismatch).with_message(format!(
                "The file's content is {}, but its name or type says otherwise. Give the file its right ending and upload it again.",
                kind.as_str().to_uppercase()
            )));
        }
    }
    Ok(Detected { kind, mismatch })
}

/// Whether two kinds are both images, or both recordings.
fn is_alike(kind: SourceKind, other: SourceKind) -> bool {
    kind.medium() != Medium::Text && kind.medium() == other.medium()
}

/// Text: the name may say which kind of text, unless the declared type disagrees. HTML
/// named `.txt` stays text: its markup is shown, not interpreted.
fn text(bytes: &[u8], named: Expected, declared: Expected) -> Detected {
    use Expected::{Kind, Nothing, Other};
    let text_kind = |expected| match expected {
        Kind(kind) if kind.is_text() => Some(kind),
        _ => None,
    };
    let contradicts =
        |expected| matches!(expected, Kind(kind) if !kind.is_text()) || expected == Other;
    let mismatch = contradicts(named) || contradicts(declared);
    if mismatch {
        return Detected { kind: SourceKind::Text, mismatch };
    }
    let kind = match (text_kind(named), text_kind(declared)) {
        (Some(named), None | Some(SourceKind::Text)) => named,
        (Some(named), Some(declared)) if named == declared => named,
        (Some(SourceKind::Code), Some(_)) => SourceKind::Code,
        (Some(SourceKind::Csv), Some(_)) => SourceKind::Csv,
        (Some(_), Some(_)) => return Detected { kind: SourceKind::Text, mismatch: true },
        (None, Some(declared)) => declared,
        (None, None) if declared == Nothing && starts_as_html(bytes) => SourceKind::Html,
        (None, None) => SourceKind::Text,
    };
    Detected { kind, mismatch }
}

fn starts_as_html(bytes: &[u8]) -> bool {
    let head = bytes.get(..256).unwrap_or(bytes);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let head = head.trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t']);
    head.starts_with("<!doctype html") || head.starts_with("<html")
}

impl Expected {
    fn from_name(name: &str) -> Self {
        let name = name.trim_end_matches(['.', ' ', '\0']);
        let Some((stem, ending)) = name.rsplit_once('.') else {
            return Self::Nothing;
        };
        if stem.is_empty() || ending.len() > 12 || ending.contains(['/', '\\', ' ']) {
            return Self::Nothing;
        }
        Self::from_ending(&ending.to_ascii_lowercase())
    }

    fn from_ending(ending: &str) -> Self {
        Self::Kind(match ending {
            "pdf" => SourceKind::Pdf,
            "docx" | "docm" | "dotx" => SourceKind::Docx,
            "pptx" | "pptm" | "ppsx" | "potx" => SourceKind::Pptx,
            "xlsx" | "xlsm" | "xltx" => SourceKind::Xlsx,
            "csv" | "tsv" | "tab" => SourceKind::Csv,
            "epub" => SourceKind::Epub,
            "html" | "htm" | "xhtml" | "xht" => SourceKind::Html,
            "md" | "markdown" | "mdown" | "mkd" => SourceKind::Markdown,
            "txt" | "text" | "log" | "rst" | "org" | "adoc" | "srt" | "vtt" => SourceKind::Text,
            "rs" | "py" | "js" | "mjs" | "cjs" | "ts" | "tsx" | "jsx" | "c" | "h" | "cc"
            | "cpp" | "cxx" | "hpp" | "cs" | "java" | "kt" | "kts" | "scala" | "go" | "rb"
            | "php" | "pl" | "pm" | "lua" | "r" | "jl" | "swift" | "m" | "mm" | "dart" | "ex"
            | "exs" | "erl" | "hs" | "ml" | "mli" | "clj" | "sh" | "bash" | "zsh" | "fish"
            | "ps1" | "bat" | "sql" | "css" | "scss" | "less" | "vue" | "svelte" | "json"
            | "jsonl" | "yaml" | "yml" | "toml" | "ini" | "cfg" | "conf" | "xml" | "tex"
            | "bib" | "proto" | "graphql" | "tf" | "cmake" | "mk" | "gradle" | "diff" | "patch"
            | "zig" | "nim" | "v" | "asm" | "s" => SourceKind::Code,
            "png" => SourceKind::Png,
            "jpg" | "jpeg" | "jpe" | "jfif" => SourceKind::Jpeg,
            "webp" => SourceKind::Webp,
            "tif" | "tiff" => SourceKind::Tiff,
            "bmp" | "dib" => SourceKind::Bmp,
            "gif" => SourceKind::Gif,
            "wav" | "wave" => SourceKind::Wav,
            "mp3" => SourceKind::Mp3,
            "flac" => SourceKind::Flac,
            "ogg" | "oga" | "opus" => SourceKind::Ogg,
            "m4a" | "m4b" => SourceKind::M4a,
            "svg" | "ico" | "avif" | "heic" | "jxl" | "psd" | "wma" | "aac" | "aiff" | "amr"
            | "mp4" | "mov" | "avi" | "mkv" | "webm" | "zip" | "gz" | "tgz" | "bz2" | "xz"
            | "7z" | "rar" | "tar" | "exe" | "dll" | "so" | "bin" | "iso" | "jar" | "apk"
            | "class" | "doc" | "xls" | "ppt" | "odt" | "ods" | "odp" | "rtf" | "wasm" | "ttf"
            | "otf" | "woff" | "woff2" => return Self::Other,
            // Any other ending says nothing about the content.
            _ => return Self::Nothing,
        })
    }

    fn from_media_type(declared: &str) -> Self {
        let bare = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if let Some(kind) = SourceKind::ALL.into_iter().find(|kind| kind.media_type() == bare) {
            return Self::Kind(kind);
        }
        match bare.as_str() {
            "" | "application/octet-stream" | "binary/octet-stream" | "application/x-unknown" => {
                Self::Nothing
            }
            "image/jpg" | "image/pjpeg" => Self::Kind(SourceKind::Jpeg),
            "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => Self::Kind(SourceKind::Wav),
            "audio/mp3" | "audio/x-mp3" | "audio/x-mpeg" => Self::Kind(SourceKind::Mp3),
            "audio/x-flac" => Self::Kind(SourceKind::Flac),
            "application/ogg" | "audio/vorbis" | "audio/opus" => Self::Kind(SourceKind::Ogg),
            "audio/x-m4a" | "audio/m4a" | "audio/aac" => Self::Kind(SourceKind::M4a),
            "image/x-png" => Self::Kind(SourceKind::Png),
            "image/x-ms-bmp" | "image/x-bmp" => Self::Kind(SourceKind::Bmp),
            "application/xhtml+xml" => Self::Kind(SourceKind::Html),
            "text/x-markdown" => Self::Kind(SourceKind::Markdown),
            "application/csv" | "text/tab-separated-values" => Self::Kind(SourceKind::Csv),
            // Browsers on Windows call CSV files this.
            "application/vnd.ms-excel" => Self::Nothing,
            "application/x-pdf" => Self::Kind(SourceKind::Pdf),
            "application/json"
            | "application/xml"
            | "text/xml"
            | "text/javascript"
            | "application/javascript"
            | "application/x-sh"
            | "application/toml"
            | "application/yaml"
            | "application/sql" => Self::Kind(SourceKind::Code),
            // Macro-enabled and template forms, and "zip" for any of the zipped formats.
            office
                if office.starts_with("application/vnd.openxmlformats")
                    || office.starts_with("application/vnd.ms-") =>
            {
                Self::Nothing
            }
            "application/zip" | "application/x-zip-compressed" => Self::Nothing,
            text if text.starts_with("text/x-") => Self::Kind(SourceKind::Code),
            text if text.starts_with("text/") => Self::Kind(SourceKind::Text),
            _ => Self::Other,
        }
    }
}

/// The kind that a file's name suggests, before anyone looked inside.
#[must_use]
pub fn kind_from_name(name: &str) -> Option<SourceKind> {
    match Expected::from_name(name) {
        Expected::Kind(kind) => Some(kind),
        _ => None,
    }
}
