//! U1 to U10: archives.

use notebook_core::document::Flag;
use notebook_rag::parse::FailureCode;

use crate::support::{PACKAGE, docx, docx_parts, epub, here, in_child, refused, xlsx, zipped};

/// U1, U5, U6: archives in archives are not opened.
#[tokio::test]
async fn u1_u5_u6_nested_archives_stay_closed() {
    let mut nested = vec![0; 1 << 20];
    for _ in 0..6 {
        nested = zipped(&[("a.zip", &nested), ("b.zip", &nested)]);
    }
    assert_eq!(refused(&nested, "42.zip").await, FailureCode::UnsupportedType);
    let mut book = epub(PACKAGE, "<p>Text</p>");
    for _ in 0..4 {
        book = zipped(&[("mimetype", b"application/epub+zip"), ("inner.epub", &book)]);
    }
    assert_eq!(refused(&book, "book.epub").await, FailureCode::UnsupportedType);
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x1f\x8b\x08\0\0\0\0\0\0\x03";
    assert_eq!(refused(gzip, "words.gz").await, FailureCode::UnsupportedType);
    let carried = docx_parts(
        b"<w:document><w:body><w:p><w:r><w:t>Text</w:t></w:r></w:p></w:body></w:document>",
        &[("word/embeddings/a.docx", &nested)],
    );
    let document = here(&carried, "a.docx").unwrap();
    assert_eq!(document.text, "Text");
    assert_eq!(document.flags, [Flag::EmbeddedFile]);
}

/// U3: one part that inflates without end.
#[tokio::test]
async fn u3_a_part_that_inflates_too_far() {
    let bomb = vec![b' '; 200 << 20];
    let bytes = docx_parts(&bomb, &[]);
    assert!(bytes.len() < 1 << 20);
    assert_eq!(refused(&bytes, "bomb.docx").await, FailureCode::ArchiveBomb);
    // The other parts of a workbook are inflated by a library, after the same check.
    let types = b"<Types><Override ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml\"/></Types>";
    let book = zipped(&[("[Content_Types].xml", types), ("xl/sharedStrings.xml", &bomb)]);
    assert_eq!(refused(&book, "bomb.xlsx").await, FailureCode::ArchiveBomb);
}

/// U4: a sheet whose cells lie far apart, and one of empty cells only.
#[tokio::test]
async fn u4_wide_and_empty_sheets_cost_nothing() {
    let corners = "<row r=\"1\"><c r=\"A1\"><v>1</v></c></row><row r=\"1048576\"><c r=\"XFD1048576\"><v>2</v></c></row>";
    let parsed = in_child(&xlsx(corners), "wide.xlsx").await.unwrap();
    assert!(parsed.document.text.starts_with("Bees\n\n1\n"), "{:?}", parsed.document.text);
    let row: String =
        "<row>".chars().chain("<c/>".repeat(16_384).chars()).chain("</row>".chars()).collect();
    let failure = refused(&xlsx(&row.repeat(200)), "empty.xlsx").await;
    assert!(matches!(failure, FailureCode::NoText | FailureCode::ArchiveBomb), "{failure}");
}

/// The place of the `nth` signature in an archive.
fn place(bytes: &[u8], signature: &[u8], nth: usize) -> usize {
    bytes.windows(4).enumerate().filter(|(_, w)| *w == signature).nth(nth).unwrap().0
}

/// U2: two entries of the directory that share the same bytes.
#[tokio::test]
async fn u2_overlapping_entries() {
    let mut bytes = zipped(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("word/a.xml", b"<a>first</a>"),
        ("word/b.xml", b"<a>other</a>"),
    ]);
    let second = place(&bytes, b"PK\x01\x02", 1);
    let third = place(&bytes, b"PK\x01\x02", 2);
    let offset: [u8; 4] = bytes[second + 42..second + 46].try_into().unwrap();
    bytes[third + 42..third + 46].copy_from_slice(&offset);
    assert_eq!(refused(&bytes, "overlap.docx").await, FailureCode::BadArchive);
}

/// U7: sizes that lie do not matter, as bytes are counted.
#[tokio::test]
async fn u7_declared_sizes_are_not_believed() {
    let honest = docx("<w:p><w:r><w:t>Text</w:t></w:r></w:p>");
    for (at, size) in
        [(24, 1_u32), (24, u32::MAX - 1), (20, 0), (20, u32::MAX - 1), (42, u32::MAX - 1)]
    {
        let mut bytes = honest.clone();
        let entry = place(&bytes, b"PK\x01\x02", 2);
        bytes[entry + at..entry + at + 4].copy_from_slice(&size.to_le_bytes());
        match in_child(&bytes, "lies.docx").await {
            Ok(parsed) => assert_eq!(parsed.document.text, "Text"),
            Err(failure) => assert!(
                matches!(failure.code, FailureCode::BadArchive | FailureCode::Damaged),
                "field {at}: {failure:?}"
            ),
        }
    }
}

/// U8, U9: names and links lead nowhere.
#[test]
fn u8_u9_names_are_only_names() {
    let long = "x".repeat(4096);
    for name in ["../../etc/passwd", "/etc/passwd", "C:\\a.xml", "a\0b", "\u{202e}fdp.exe", &long] {
        let bytes = docx_parts(
            b"<w:document><w:body><w:p><w:r><w:t>Text</w:t></w:r></w:p></w:body></w:document>",
            &[(name, b"root:x")],
        );
        assert_eq!(here(&bytes, "a.docx").unwrap().text, "Text", "{name:?}");
    }
    let book = epub(&PACKAGE.replace("one.xhtml", "../../../../etc/passwd"), "<p>Text");
    assert_eq!(here(&book, "b.epub").unwrap_err().code, FailureCode::NoText);
    // The mode of a symbolic link on a chapter: its content stays a chapter's text.
    let mut linked = epub(PACKAGE, "/etc/passwd");
    let entry = place(&linked, b"PK\x01\x02", 3);
    linked[entry + 38..entry + 42].copy_from_slice(&(0o120_777_u32 << 16).to_le_bytes());
    assert_eq!(here(&linked, "b.epub").unwrap().text, "/etc/passwd");
}

/// U10: two entries of one name, of which two readers would read different ones.
#[tokio::test]
async fn u10_duplicate_names() {
    let mut bytes = zipped(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("word/a.xml", b"<a>first</a>"),
        ("word/b.xml", b"<a>other</a>"),
    ]);
    while let Some(at) = bytes.windows(10).position(|w| w == b"word/b.xml") {
        bytes[at + 5] = b'a';
    }
    assert_eq!(refused(&bytes, "double.docx").await, FailureCode::BadArchive);
}

/// Too many entries, each empty.
#[tokio::test]
async fn entries_are_counted() {
    let names: Vec<String> = (0..10_001).map(|n| format!("word/{n}")).collect();
    let parts: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert_eq!(refused(&zipped(&parts), "many.docx").await, FailureCode::BadArchive);
}
