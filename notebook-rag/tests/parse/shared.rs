//! The shared documents: every honest one is read, every hostile one ends well.

use notebook_core::document::BlockKind;
use notebook_rag::parse::{FailureCode, Ocr};

use crate::support::{child_parser, file, here, in_child, shared, shared_file};

fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(shared(folder))
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

#[tokio::test]
async fn honest_documents_are_read() {
    for (name, bytes) in files("good") {
        let parser = child_parser("none").with_ocr(Ocr::default());
        let result = parser.parse_detected(file(&bytes), &name, None).await;
        if name == "img-example.jpg" {
            // Nothing is written on it.
            assert_eq!(result.unwrap_err().code, FailureCode::NoText);
            continue;
        }
        let document = result.unwrap_or_else(|failure| panic!("{name}: {failure:?}")).document;
        assert!(!document.blocks.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn hostile_documents_end_well() {
    for (name, bytes) in files("hostile") {
        if let Err(failure) = in_child(&bytes, &name).await {
            let expected = match name.as_str() {
                "empty.txt" => vec![FailureCode::Empty],
                "pdf-password.pdf" | "password_protected.xlsx" => {
                    vec![FailureCode::PasswordProtected]
                }
                _ => vec![FailureCode::NoText, FailureCode::Damaged],
            };
            assert!(expected.contains(&failure.code), "{name}: {failure:?}");
        }
    }
}

#[test]
fn tables_of_a_sheet_and_a_text_agree() {
    let text = here(&shared_file("stanley-cups.csv"), "a.csv").unwrap();
    assert!(text.blocks.iter().all(|block| block.kind == BlockKind::TableRow));
    let sheet = here(&shared_file("stanley-cups.xlsx"), "a.xlsx").unwrap();
    for row in text.text.lines().skip(1) {
        assert!(sheet.text.contains(row), "{row:?} is not in {:?}", sheet.text);
    }
}

/// A book as proofs, with a number beside each line: sentences are whole across lines and pages.
#[test]
fn lines_that_are_numbered_in_the_margin_are_prose() {
    let document = here(&shared_file("freeculture-352p.pdf"), "a.pdf").unwrap();
    for words in [
        "on at least three occasions, Armstrong invented profoundly important technologies that advanced our \
         understanding of radio.",
        "he radio fell totally silent, as if dead",
        "seventeen miles away. The radio",
        "This is how the law usually works. Not often this abruptly or impatiently, but eventually, this is how it works.",
    ] {
        assert!(document.text.contains(words), "{words}");
    }
    assert!(
        !document.text.contains("INTRODUCTION 3") && !document.text.contains("FREE CULTURE\n\nThe")
    );
    let rows = document.blocks.iter().filter(|block| block.kind == BlockKind::TableRow).count();
    assert!(rows * 4 < document.blocks.len(), "{rows} of {}", document.blocks.len());
}

#[test]
fn headings_of_a_handbook() {
    let document = here(&shared_file("handbook-872p.docx"), "a.docx").unwrap();
    let headings = document.blocks.iter().filter(|b| matches!(b.kind, BlockKind::Heading { .. }));
    assert!(headings.count() > 50);
}
