//! The shared documents: every honest one is read, every hostile one ends well.

use notebook_core::document::BlockKind;
use notebook_rag::parse::FailureCode;

use crate::support::{here, in_child, shared, shared_file};

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
        let result = in_child(&bytes, &name).await;
        if name.ends_with(".png") || name.ends_with(".jpg") {
            assert_eq!(result.unwrap_err().code, FailureCode::UnsupportedType, "{name}");
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

#[test]
fn headings_of_a_handbook() {
    let document = here(&shared_file("handbook-872p.docx"), "a.docx").unwrap();
    let headings = document.blocks.iter().filter(|b| matches!(b.kind, BlockKind::Heading { .. }));
    assert!(headings.count() > 50);
}
