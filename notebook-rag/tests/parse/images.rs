//! A2, A3: images, whose text is recognised by tesseract. These tests need it: see `scripts/need-test.sh`.

use std::{os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use image::{DynamicImage, GrayImage, ImageFormat};
use notebook_core::document::{Flag, SourceKind};
use notebook_rag::parse::{ChildParser, FailureCode, Limits, Ocr, ParseFailure, Parsed, detect};

use crate::support::{child_parser, file, refused};

fn sample(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parse/images"));
    std::fs::read(folder.join(name)).unwrap()
}

fn parser() -> ChildParser {
    child_parser("none").with_ocr(Ocr::default())
}

async fn recognised(bytes: &[u8], name: &str) -> Result<Parsed, ParseFailure> {
    parser().parse_detected(file(bytes), name, None).await
}

fn confidence(parsed: &Parsed) -> u8 {
    let found = parsed.document.flags.iter().find_map(|flag| match flag {
        Flag::Recognised { confidence } => Some(*confidence),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{:?}", parsed.document.flags))
}

/// A2: a clean page is read to the letter, with its paragraphs.
#[tokio::test]
async fn a2_a_clean_page_is_read_exactly() {
    let parsed = recognised(&sample("page.png"), "page.png").await.unwrap();
    assert_eq!(parsed.kind, SourceKind::Png);
    assert_eq!(
        parsed.document.text,
        "The Harbour Office\n\nThe lighthouse at Ostrava Point was built in 1874 and is forty-two metres tall. Its lamp burned rape-seed oil until 1911, when it was converted to electricity.\n\nThe keeper in those years was Marta Lindqvist, who rowed to the mainland every Thursday to collect the mail and a sack of flour.\n\nFog delayed the supply boat nineteen times in 1903, more often than in any other year on record."
    );
    assert_eq!(parsed.document.blocks.len(), 4);
    assert!(confidence(&parsed) > 80);
}

/// A2: taken sideways (as its EXIF says) and tilted, with noise and uneven light; upside down; small as on a screen.
#[tokio::test]
async fn a2_photographs_and_screens_are_read() {
    for (name, kind) in [
        ("photo.jpg", SourceKind::Jpeg),
        ("upside-down.webp", SourceKind::Webp),
        ("screen.gif", SourceKind::Gif),
    ] {
        let parsed = recognised(&sample(name), name).await.unwrap();
        assert_eq!(parsed.kind, kind);
        for words in
            ["Ostrava Point was built in 1874", "Marta Lindqvist", "nineteen times in 1903"]
        {
            assert!(parsed.document.text.contains(words), "{name}: {:?}", parsed.document.text);
        }
    }
}

/// A2: every format by its bytes; under another image's ending it is read, and the source says so.
#[tokio::test]
async fn a2_u31_formats_are_told_by_their_bytes() {
    let page = image::load_from_memory(&sample("page.png")).unwrap();
    let page = page.crop_imm(100, 90, 700, 250);
    for (format, kind, name) in [
        (ImageFormat::Tiff, SourceKind::Tiff, "a.png"),
        (ImageFormat::Bmp, SourceKind::Bmp, "a.jpg"),
        (ImageFormat::Jpeg, SourceKind::Jpeg, "a.webp"),
    ] {
        let mut bytes = std::io::Cursor::new(Vec::new());
        DynamicImage::ImageLuma8(page.to_luma8()).write_to(&mut bytes, format).unwrap();
        let parsed = recognised(bytes.get_ref(), name).await.unwrap();
        assert_eq!(parsed.kind, kind);
        assert!(parsed.document.text.contains("The Harbour Office"), "{:?}", parsed.document.text);
        assert!(parsed.document.flags.contains(&Flag::TypeMismatch { read_as: kind }));
        let failure = detect(bytes.get_ref(), "a.pdf", None, &Limits::default()).unwrap_err();
        assert_eq!(failure.code, FailureCode::TypeMismatch);
    }
}

/// U27, U28: sides and frames without end cost nothing.
#[tokio::test]
async fn u27_u28_huge_images_are_refused_or_cut() {
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xff\xff\0\0\xff\xff\x08\x06\0\0\0";
    let code = refused(png, "a.png").await;
    assert!(matches!(code, FailureCode::TooLarge | FailureCode::Damaged), "{code}");
    let mut gif = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff".to_vec();
    gif.extend(b",\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0".repeat(100_000));
    assert_eq!(refused(&gif, "a.gif").await, FailureCode::NoText);
    let mut frames = sample("screen.gif");
    frames.pop();
    frames.extend(b",\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0".repeat(1_000_000));
    let parsed = recognised(&frames, "a.gif").await.unwrap();
    assert!(parsed.document.text.contains("Harbour"));
}

/// Pictures of nothing have no text; what is missing is named, and concerns images alone.
#[tokio::test]
async fn a2_what_cannot_be_recognised_is_told() {
    let mut blank = std::io::Cursor::new(Vec::new());
    let white = GrayImage::from_pixel(400, 300, image::Luma([255]));
    DynamicImage::ImageLuma8(white).write_to(&mut blank, ImageFormat::Png).unwrap();
    let failure = recognised(blank.get_ref(), "blank.png").await.unwrap_err();
    assert_eq!(failure.code, FailureCode::NoText);

    let with = |ocr| child_parser("none").with_ocr(ocr);
    let missing = Ocr { program: "no-such-program".into(), ..Ocr::default() };
    let parser = with(missing);
    let failure =
        parser.parse_detected(file(&sample("page.png")), "a.png", None).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::OcrUnavailable);
    assert!(failure.message.contains("apt install tesseract-ocr"), "{failure}");
    assert!(parser.parse_detected(file(b"# Text"), "a.md", None).await.is_ok());

    let other = Ocr { languages: vec!["eng".into(), "xxx".into()], ..Ocr::default() };
    let failure =
        with(other).parse_detected(file(&sample("page.png")), "a.png", None).await.unwrap_err();
    assert!(failure.message.contains("tesseract-ocr-xxx"), "{failure:?}");
    let none = child_parser("none").parse_detected(file(&sample("page.png")), "a.png", None).await;
    assert_eq!(none.unwrap_err().code, FailureCode::OcrUnavailable);
}

/// A script that stands where tesseract should: it says as words of a table what it could do.
fn impostor(folder: &tempfile::TempDir, script: &str) -> ChildParser {
    let program = folder.path().join("tesseract");
    let word = "word() { printf '5\\t1\\t1\\t1\\t1\\t1\\t0\\t0\\t9\\t9\\t99\\t%s\\n' \"$1\"; }\n";
    std::fs::write(&program, format!("#!/bin/sh\n{word}{script}")).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    child_parser("none").with_ocr(Ocr { program, ..Ocr::default() })
}

/// U53: a program that was taken over reads no file of ours, writes none, starts nothing, and ends in time.
#[tokio::test]
async fn u53_a_recogniser_that_was_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    std::fs::write(&secret, "secret\n").unwrap();
    let parser = impostor(
        &folder,
        &format!(
            "word start\n(read line < {secret}) 2>/dev/null && word read\n\
             read line 2>/dev/null < {secret} && word read\n\
             : 2>/dev/null > {}/new && word wrote\n/bin/true 2>/dev/null && word ran\nword end\n",
            outside.path().display(),
            secret = secret.display(),
        ),
    );
    let parsed = parser.parse_detected(file(&sample("page.png")), "a.png", None).await;
    // A shell that cannot fork gives up; whatever it said before is not believed either.
    if let Ok(parsed) = parsed {
        assert!(!["read", "wrote", "ran"].iter().any(|word| parsed.document.text.contains(word)));
    }
    assert!(!outside.path().join("new").exists());
    let builtins = impostor(
        &folder,
        &format!("word start\nexec 3< {} && word read\nword end\n", secret.display()),
    );
    let said = builtins.parse_detected(file(&sample("page.png")), "a.png", None).await;
    assert!(said.is_err_and(|failure| failure.code == FailureCode::Crashed));

    let mut slow = impostor(&folder, "while :; do :; done\n");
    slow.limits.wall = Duration::from_millis(600);
    let failure = slow.parse_detected(file(&sample("page.png")), "a.png", None).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::TimeLimit);
    let mut busy = impostor(&folder, "while :; do :; done\n");
    busy.limits.cpu_seconds = 1;
    let failure = busy.parse_detected(file(&sample("page.png")), "a.png", None).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::TimeLimit);
    let mut loud = impostor(&folder, "while :; do word loud; done\n");
    loud.limits.text_bytes = 1 << 16;
    let _ = loud.parse_detected(file(&sample("page.png")), "a.png", None).await.unwrap_err();
}
