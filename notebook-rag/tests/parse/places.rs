//! B4: where the words of a picture stand in it. These tests need tesseract: see `scripts/need-test.sh`.

use image::{DynamicImage, ImageFormat, imageops::FilterType};
use notebook_core::document::{Area, Document, PictureMap, Span};
use notebook_rag::parse::{ChildParser, Ocr};

use crate::support::{child_parser, file};

/// Words as they were drawn in `places.png` (Pillow 13, DejaVu Serif Bold at 34 pixels), as its `textbbox` says:
/// left, top, right, bottom.
const DRAWN: [(&str, [u32; 4]); 4] = [
    ("418,000", [170, 257, 324, 288]),
    ("Captain", [80, 376, 228, 409]),
    ("quay,", [493, 444, 592, 469]),
    ("consent", [472, 499, 622, 522]),
];
/// How far off an edge may be, in pixels of that picture.
const NEAR: u32 = 4;

fn drawn() -> DynamicImage {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parse/images/places.png");
    image::load_from_memory(&std::fs::read(path).unwrap()).unwrap()
}

fn parser() -> ChildParser {
    child_parser("none").with_ocr(Ocr::default())
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

async fn read(bytes: &[u8], name: &str) -> (Document, PictureMap) {
    let document = parser().parse_detected(file(bytes), name, None).await.unwrap().document;
    document.validate().unwrap();
    let map = document.picture.clone().unwrap();
    (document, map)
}

/// The rectangle around all words of a quote.
fn around(document: &Document, map: &PictureMap, quote: &str) -> [u32; 4] {
    let start = document.text.find(quote).unwrap_or_else(|| panic!("{}", document.text));
    let words = map.words_in(Span::new(start, start + quote.len()));
    assert!(!words.is_empty(), "{quote}");
    words.iter().map(|word| word.area).fold([u32::MAX, u32::MAX, 0, 0], |all, area| {
        let Area { left, top, width, height } = area;
        [all[0].min(left), all[1].min(top), all[2].max(left + width), all[3].max(top + height)]
    })
}

/// Each word lies where it was drawn, in a picture in which a pixel of the drawn one is `scale` pixels.
fn assert_drawn(document: &Document, map: &PictureMap, scale: f64) {
    for (word, drawn) in DRAWN {
        let found = around(document, map, word);
        for (found, drawn) in found.iter().zip(drawn) {
            let off = (f64::from(*found) - f64::from(drawn) * scale).abs() / scale;
            assert!(off <= f64::from(NEAR), "{word}: {found} is {off} off {drawn}");
        }
    }
}

/// B4: the words of a picture stand where they were drawn; so do those of one that is scaled before it is read, be it
/// larger than 1,920 pixels or small.
#[tokio::test]
async fn b4_words_stand_where_they_were_drawn() {
    for (width, height) in [(1_200, 700), (3_600, 2_100), (2_000, 1_167), (800, 467)] {
        let image = drawn().resize_exact(width, height, FilterType::CatmullRom);
        let (document, map) = read(&encoded(&image, ImageFormat::Png), "a.png").await;
        assert_eq!((map.width, map.height, map.quarters), (width, height, 0));
        assert_drawn(&document, &map, f64::from(width) / 1_200.0);
        // Several words of a line are one after the other.
        let [left, top, right, bottom] = around(&document, &map, "Captain Aalto proposed");
        let scaled = |pixels: u32| f64::from(pixels) * 1_200.0 / f64::from(width);
        assert!(scaled(left) < 90.0 && scaled(right) > 480.0, "{left} to {right}");
        assert!(scaled(bottom - top) < 50.0, "{top} to {bottom}");
    }
}

/// A JPEG with the EXIF entry that says how it is to be turned.
fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut tiff = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    tiff.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let length = u16::try_from(tiff.len() + 2).unwrap().to_be_bytes();
    let mut bytes = jpeg[..2].to_vec();
    bytes.extend([0xff, 0xe1]);
    bytes.extend(length);
    bytes.extend(&tiff);
    bytes.extend(&jpeg[2..]);
    bytes
}

/// B4: what a camera that was held otherwise took: places are those of the picture as it is shown.
#[tokio::test]
async fn b4_places_follow_the_turn_that_the_file_says() {
    let page = drawn();
    for (orientation, taken) in [(3, page.rotate180()), (6, page.rotate270()), (8, page.rotate90())]
    {
        let jpeg = with_orientation(&encoded(&taken, ImageFormat::Jpeg), orientation);
        let (document, map) = read(&jpeg, "a.jpg").await;
        assert_eq!((map.width, map.height, map.quarters), (1_200, 700, 0), "{orientation}");
        assert_drawn(&document, &map, 1.0);
    }
}

/// B4: a picture that says nothing of its turn is shown as it is: the words lie on their side in it, and how it is to
/// be turned is known.
#[tokio::test]
async fn b4_places_in_a_picture_that_lies_on_its_side() {
    let page = drawn();
    let (width, height) = (1_200, 700);
    for (taken, quarters) in [(page.rotate90(), 3), (page.rotate180(), 2), (page.rotate270(), 1)] {
        let (document, map) = read(&encoded(&taken, ImageFormat::Png), "a.png").await;
        assert_eq!(map.quarters, quarters);
        assert_eq!((map.width, map.height), (taken.width(), taken.height()));
        for (word, [left, top, right, bottom]) in DRAWN {
            let expected = match quarters {
                3 => [height - bottom, left, height - top, right],
                2 => [width - right, height - bottom, width - left, height - top],
                _ => [top, width - right, bottom, width - left],
            };
            let found = around(&document, &map, word);
            let near = found.iter().zip(expected).all(|(one, other)| one.abs_diff(other) <= NEAR);
            assert!(near, "{word}, {quarters} quarters: {found:?}, drawn at {expected:?}");
        }
    }
}

/// B4: the two parts of a word that is divided at the end of its line are both its place.
#[tokio::test]
async fn b4_a_divided_word_has_two_places() {
    let (document, map) = read(&encoded(&drawn(), ImageFormat::Png), "a.png").await;
    let [left, top, right, bottom] = around(&document, &map, "commission");
    assert!(left < 90 && right > 600, "{left} {right}");
    assert!(top < 395 && bottom > 455, "{top} {bottom}");
}
