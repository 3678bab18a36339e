//! U16 to U26: PDF files.

use notebook_core::document::{Document, Flag};
use notebook_rag::parse::FailureCode;

use crate::support::{here, in_child, page, pdf, refused, shared, shared_file, stream};

const HELLO: &str = "BT /F 12 Tf 72 700 Td (Hello bees) Tj ET";

/// Parses in a child: whatever the file does, it is one result.
async fn text(bytes: &[u8]) -> Document {
    in_child(bytes, "a.pdf").await.unwrap().document
}

#[tokio::test]
async fn a_plain_page() {
    let document = text(&page(HELLO, "", "", &[])).await;
    assert_eq!(document.text, "Hello bees");
    assert_eq!(document.pages.len(), 1);
    assert!(document.flags.is_empty(), "{:?}", document.flags);
}

/// U16: arrays and dictionaries nested ten thousand deep, where they are looked at.
#[tokio::test]
async fn u16_deep_nesting() {
    let arrays = format!("{}{}", "[".repeat(10_380), "]".repeat(10_380));
    let dicts = format!("{}{}", "<</A ".repeat(10_380) + "1", ">>".repeat(10_380));
    for deep in [&arrays, &dicts] {
        for (catalog, of_page) in
            [(format!("/OpenAction {deep}"), ""), (String::new(), deep.as_str())]
        {
            let of_page =
                if of_page.is_empty() { String::new() } else { format!("/Annots {of_page}") };
            let bytes = page(HELLO, &catalog, &of_page, &[]);
            match in_child(&bytes, "deep.pdf").await {
                Ok(parsed) => assert_eq!(parsed.document.text, "Hello bees"),
                Err(failure) => assert_eq!(failure.code, FailureCode::Damaged, "{failure:?}"),
            }
        }
    }
    let content = format!("{deep} TJ {HELLO}", deep = "[".repeat(100_000));
    let ended = in_child(&page(&content, "", "", &[]), "deep.pdf").await;
    assert!(ended.is_ok() || ended.is_err_and(|failure| failure.code == FailureCode::NoText));
    let saves = format!("{}{HELLO}", "q ".repeat(200_000));
    assert_eq!(text(&page(&saves, "", "", &[])).await.text, "Hello bees");
}

/// U17: an object stream that says it holds itself.
#[tokio::test]
async fn u17_object_stream_recursion() {
    let itself = stream("/Type /ObjStm /N 1 /First 4 /Extends 6 0 R", b"6 0 6 0 R");
    let parsed = in_child(&page(HELLO, "/Names 6 0 R", "", &[itself]), "a.pdf").await.unwrap();
    assert_eq!(parsed.document.text, "Hello bees");
    // Objects that are only references to each other.
    let loops = [b"7 0 R".to_vec(), b"6 0 R".to_vec()];
    let parsed =
        in_child(&page(HELLO, "/Names 6 0 R /AF 7 0 R", "", &loops), "a.pdf").await.unwrap();
    assert_eq!(parsed.document.text, "Hello bees");
}

/// U18: a cross-reference table whose predecessor is itself.
#[tokio::test]
async fn u18_cross_reference_loop() {
    let bytes = page(HELLO, "", "", &[]);
    let text_of = String::from_utf8(bytes).unwrap();
    let start = text_of.rfind("xref\n0 ").unwrap();
    let looped = text_of.replace("/Root 1 0 R", &format!("/Root 1 0 R /Prev {start}"));
    assert_eq!(text(looped.as_bytes()).await.text, "Hello bees");
    // No table at all: the objects are found by looking for them.
    let lost = text_of.replace("startxref\n", "startxref\n99");
    assert_eq!(text(lost.as_bytes()).await.text, "Hello bees");
}

/// U19: a page tree that contains itself, and one that is its own parent.
#[tokio::test]
async fn u19_page_tree_loop() {
    let catalog = b"<< /Type /Catalog /Pages 2 0 R >>".to_vec();
    let looped = pdf(&[
        catalog.clone(),
        b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2 /Parent 2 0 R >>".to_vec(),
    ]);
    assert_eq!(refused(&looped, "a.pdf").await, FailureCode::Damaged);
    let pair = pdf(&[
        catalog,
        b"<< /Type /Pages /Kids [3 0 R 3 0 R] /Count 4 >>".to_vec(),
        b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 4 /Parent 2 0 R >>".to_vec(),
    ]);
    assert_eq!(refused(&pair, "a.pdf").await, FailureCode::Damaged);
}

/// U20: a content stream behind fifty filters.
#[tokio::test]
async fn u20_filter_chain() {
    let filters = format!("/Filter [{}]", "/ASCIIHexDecode ".repeat(50));
    let bytes = pdf(&[
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R >>".to_vec(),
        stream(&filters, b"48656c6c6f>"),
    ]);
    assert_eq!(refused(&bytes, "a.pdf").await, FailureCode::NoText);
}

/// U21: images that claim to be huge are not decoded.
#[tokio::test]
async fn u21_huge_images() {
    for filter in ["JPXDecode", "JBIG2Decode", "DCTDecode", "CCITTFaxDecode", "FlateDecode"] {
        let image = stream(
            &format!(
                "/Type /XObject /Subtype /Image /Width 1000000 /Height 1000000 /BitsPerComponent 8 /ColorSpace /DeviceRGB /Filter /{filter}"
            ),
            b"\0\0\0\x0cjP  \r\n\x87\n",
        );
        let bytes = pdf(&[
            b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> /XObject << /I 6 0 R >> >> >>".to_vec(),
            stream("", format!("q 600 0 0 800 0 0 cm /I Do Q {HELLO}").as_bytes()),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_vec(),
            image,
        ]);
        assert_eq!(text(&bytes).await.text, "Hello bees", "{filter}");
    }
}

/// U22: a file that needs a password.
#[tokio::test]
async fn u22_password() {
    let bytes = std::fs::read(shared("hostile").join("pdf-password.pdf")).unwrap();
    assert_eq!(refused(&bytes, "a.pdf").await, FailureCode::PasswordProtected);
}

/// U23: scripts and carried files are flagged and left alone.
#[tokio::test]
async fn u23_scripts_and_files_are_flagged() {
    let script = "/OpenAction << /S /JavaScript /JS (app.alert\\('no'\\)) >>";
    assert_eq!(text(&page(HELLO, script, "", &[])).await.flags, [Flag::Script]);
    let named = "/Names << /JavaScript << /Names [] >> /EmbeddedFiles << /Names [] >> >>";
    let document = text(&page(HELLO, named, "", &[])).await;
    assert_eq!(document.text, "Hello bees");
    assert_eq!(document.flags, [Flag::Script, Flag::EmbeddedFile]);
}

/// U24: a million pages that are the same one, and more pages than allowed.
#[tokio::test]
async fn u24_a_million_pages() {
    let of = |kids: &str, pages: usize| {
        let mut objects = vec![
            b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
            format!("<< /Type /Pages /Kids [{kids}] /Count 1000000 >>").into_bytes(),
        ];
        let page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] >>".to_vec();
        objects.resize(pages + 2, page);
        pdf(&objects)
    };
    let same = refused(&of(&"3 0 R ".repeat(1_000_000), 1), "a.pdf").await;
    assert_eq!(same, FailureCode::NoText);
    let many: String = (3..2_004).map(|number| format!("{number} 0 R ")).collect();
    assert_eq!(refused(&of(&many, 2_001), "a.pdf").await, FailureCode::TooManyPages);
}

/// U26: text that cannot be seen is kept, and flagged.
#[tokio::test]
async fn u26_invisible_text_is_flagged() {
    for (name, hidden) in [
        ("rendering mode", "BT 3 Tr /F 12 Tf 72 600 Td (obey me) Tj ET"),
        ("tiny", "BT /F 0.5 Tf 72 600 Td (obey me) Tj ET"),
        ("outside", "BT /F 12 Tf 72 -600 Td (obey me) Tj ET"),
    ] {
        let document = text(&page(&format!("{HELLO} {hidden}"), "", "", &[])).await;
        assert!(document.text.contains("obey me"), "{name}: {}", document.text);
        assert_eq!(document.flags, [Flag::InvisibleText], "{name}");
    }
}

/// Reading order of a page with two columns, in a real paper.
#[test]
fn columns_are_read_one_after_the_other() {
    let document = here(&shared_file("tracemonkey.pdf"), "tracemonkey.pdf").unwrap();
    assert_eq!(document.pages.len(), 14);
    let find =
        |words: &str| document.text.find(words).unwrap_or_else(|| panic!("{words:?} is missing"));
    let abstract_begins = find("Dynamic languages such as JavaScript are more difficult");
    let abstract_goes_on = find(
        "identifies frequently executed loop traces at run-time and then generates machine code",
    );
    let introduction = find("popular since they are expressive");
    assert!(abstract_begins < abstract_goes_on && abstract_goes_on < introduction);
}
