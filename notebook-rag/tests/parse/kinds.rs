//! U27 to U34: what a file is, and what it is read as.

use notebook_core::document::{Flag, SourceKind};
use notebook_rag::parse::{FailureCode, Limits, detect};

use crate::support::{PACKAGE, docx, epub, here, name_of, page, xlsx, zipped};

fn code(bytes: &[u8], name: &str, declared: Option<&str>) -> FailureCode {
    detect(bytes, name, declared, &Limits::default()).unwrap_err().code
}

fn samples() -> Vec<(SourceKind, Vec<u8>)> {
    vec![
        (SourceKind::Pdf, page("BT /F 12 Tf 9 9 Td (Text) Tj ET", "", "", &[])),
        (SourceKind::Docx, docx("<w:p><w:r><w:t>Text</w:t></w:r></w:p>")),
        (SourceKind::Xlsx, xlsx("<row r=\"1\"><c r=\"A1\"><v>1</v></c></row>")),
        (SourceKind::Epub, epub(PACKAGE, "<p>Text")),
        (SourceKind::Html, b"<!DOCTYPE html><p>Text".to_vec()),
        (SourceKind::Markdown, b"# Text".to_vec()),
        (SourceKind::Csv, b"a,b\n1,2\n".to_vec()),
        (SourceKind::Code, b"fn main() {}".to_vec()),
        (SourceKind::Text, b"Text".to_vec()),
    ]
}

/// U30: files that are two things at once are one thing or refused.
#[test]
fn u30_polyglots() {
    let pdf = page("BT /F 12 Tf 9 9 Td (Text) Tj ET", "", "", &[]);
    let page_first = [b"<html><script>alert(1)</script>".as_slice(), &pdf].concat();
    assert_eq!(code(&page_first, "a.pdf", None), FailureCode::UnsupportedType);
    let script = b"GIF89a/*\0\0\0\0\0\0*/=1;alert(1)";
    assert_eq!(code(script, "a.js", None), FailureCode::TypeMismatch);
    let archive = zipped(&[("a.txt", b"text")]);
    let after = [pdf.as_slice(), &archive].concat();
    assert_eq!(detect(&after, "a.pdf", None, &Limits::default()).unwrap().kind, SourceKind::Pdf);
    assert_eq!(code(&after, "a.docx", None), FailureCode::TypeMismatch);
    let before = [archive.as_slice(), &pdf].concat();
    assert!(detect(&before, "a.pdf", None, &Limits::default()).is_err());
}

/// U31: every content under every name. A container under another name is refused; text
/// under another name is the weaker text, with a flag.
#[test]
fn u31_every_content_under_every_name() {
    let all = samples();
    for (content, bytes) in &all {
        for (named, _) in &all {
            let name = name_of(*named);
            let found = detect(bytes, &name, None, &Limits::default());
            if content == named {
                let found = found.unwrap();
                assert_eq!((found.kind, found.mismatch), (*content, false));
            } else if !content.is_text() {
                assert_eq!(
                    found.unwrap_err().code,
                    FailureCode::TypeMismatch,
                    "{content} as {name}"
                );
            } else if !named.is_text() {
                let found = found.unwrap();
                assert_eq!(
                    (found.kind, found.mismatch),
                    (SourceKind::Text, true),
                    "{content} as {name}"
                );
            } else {
                assert_eq!(found.unwrap().kind, *named, "{content} as {name}");
            }
        }
    }
}

/// U31: a page named `.txt` is shown, not interpreted.
#[test]
fn u31_html_as_text() {
    let document = here(b"<html><script>alert(1)</script><p>x", "a.txt").unwrap();
    assert_eq!(document.text, "<html><script>alert(1)</script><p>x");
    let document = here(b"just words", "a.pdf").unwrap();
    assert_eq!(document.flags, [Flag::TypeMismatch { read_as: SourceKind::Text }]);
}

/// U31, U50: the declared type against the content.
#[test]
fn u31_declared_types() {
    for (kind, bytes) in samples() {
        let media_type = kind.media_type();
        let found = detect(&bytes, &name_of(kind), Some(media_type), &Limits::default()).unwrap();
        assert_eq!((found.kind, found.mismatch), (kind, false), "{media_type}");
        let any =
            detect(&bytes, &name_of(kind), Some("application/octet-stream"), &Limits::default());
        assert_eq!(any.unwrap().kind, kind);
        if !kind.is_text() {
            assert_eq!(code(&bytes, "file", Some("image/png")), FailureCode::TypeMismatch);
            assert_eq!(code(&bytes, "file", Some("text/html")), FailureCode::TypeMismatch);
        }
    }
    let found = detect(b"x", "a.txt", Some("text/html"), &Limits::default()).unwrap();
    assert_eq!((found.kind, found.mismatch), (SourceKind::Text, true));
}

/// U32: the last ending counts, without what some systems drop.
#[test]
fn u32_odd_names() {
    let pdf = page("BT /F 12 Tf 9 9 Td (Text) Tj ET", "", "", &[]);
    for name in
        ["a.docx.pdf", "a.pdf.", "a.pdf . ", "a.pdf\0", "A.PDF", ".pdf", "pdf", "", "a.\u{202e}fdp"]
    {
        let found = detect(&pdf, name, None, &Limits::default());
        assert_eq!(found.unwrap().kind, SourceKind::Pdf, "{name:?}");
    }
    for name in ["a.pdf.exe", "a.pdf.docx", "a.pdf\0.docx"] {
        assert_eq!(code(&pdf, name, None), FailureCode::TypeMismatch, "{name:?}");
    }
}

/// U33: cells that a spreadsheet would compute stay text.
#[test]
fn u33_formula_cells() {
    let document = here(b"name,sum\nx,=1+1\n", "a.csv").unwrap();
    assert_eq!(document.text, "name | sum\nx | =1+1");
    assert_eq!(document.flags, [Flag::FormulaCells]);
    let book =
        xlsx("<row r=\"1\"><c r=\"A1\" t=\"str\"><f>1+1</f><v>=cmd|' /C calc'!A0</v></c></row>");
    let document = here(&book, "a.xlsx").unwrap();
    assert_eq!(document.text, "Bees\n\n=cmd|' /C calc'!A0");
    assert_eq!(document.flags, [Flag::FormulaCells]);
}

/// U34: byte order marks and older encodings, through the whole of a parser.
#[test]
fn u34_encodings() {
    assert_eq!(here(b"\xff\xfeh\0\xe9\0", "a.txt").unwrap().text, "h\u{e9}");
    let document = here(b"Gr\xfc\xdfe aus M\xfcnchen an alle", "a.md").unwrap();
    assert_eq!(document.text, "Gr\u{fc}\u{df}e aus M\u{fc}nchen an alle");
    assert_eq!(document.flags, [Flag::LegacyEncoding { name: "windows-1252".into() }]);
}

/// Old Office files and videos are refused with advice that fits.
#[test]
fn refusals_say_what_to_do() {
    let limits = Limits::default();
    let old = [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".as_slice(), &[0; 600]].concat();
    let failure = detect(&old, "a.doc", None, &limits).unwrap_err();
    assert_eq!(failure.code, FailureCode::UnsupportedType);
    assert!(failure.message.contains(".docx"), "{}", failure.message);
    let failure =
        detect(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "a.mp4", None, &limits).unwrap_err();
    assert!(failure.message.contains("sound as MP3"), "{}", failure.message);
    assert_eq!(code(b"", "a.txt", None), FailureCode::Empty);
}
