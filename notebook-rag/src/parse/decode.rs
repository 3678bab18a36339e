//! Bytes to text: byte order marks, UTF-16 and the encodings of older files.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use notebook_core::document::Flag;

/// Text with the flag that says how it was encoded, when that was a guess.
#[derive(Debug)]
pub(super) struct Decoded<'b> {
    pub(super) text: Cow<'b, str>,
    pub(super) flag: Option<Flag>,
}

/// How far into a file the encoding is guessed from.
const GUESS_BYTES: usize = 256 << 10;

/// Decodes `bytes`. A byte order mark decides; then valid UTF-8; then UTF-16 without a
/// mark; then `label` (a declared encoding); then a guess from the bytes.
pub(super) fn decode<'b>(bytes: &'b [u8], label: Option<&str>) -> Decoded<'b> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        let body = bytes.get(mark..).unwrap_or_default();
        let (text, _) = encoding.decode_without_bom_handling(body);
        return Decoded { text, flag: None };
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && utf16_without_mark(bytes).is_none()
    {
        let text = Cow::Borrowed(text);
        return Decoded { text, flag: None };
    }
    let encoding =
        utf16_without_mark(bytes).or_else(|| declared(label)).unwrap_or_else(|| guess(bytes));
    let (text, _) = encoding.decode_without_bom_handling(bytes);
    let name = encoding.name().to_owned();
    let flag = Some(Flag::LegacyEncoding { name });
    Decoded { text, flag }
}

fn declared(label: Option<&str>) -> Option<&'static Encoding> {
    // A wrong "utf-8" label is common: the bytes are known not to be UTF-8 here.
    Encoding::for_label(label?.as_bytes()).filter(|encoding| *encoding != UTF_8)
}

fn guess(bytes: &[u8]) -> &'static Encoding {
    let head = bytes.get(..GUESS_BYTES).unwrap_or(bytes);
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(head, head.len() == bytes.len());
    detector.guess(None, Utf8Detection::Deny)
}

/// UTF-16 is told by its zero bytes: most characters of any text are below U+0100, or
/// at least its spaces and line ends are.
fn utf16_without_mark(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = bytes.get(..4096).unwrap_or(bytes);
    if !bytes.len().is_multiple_of(2) || head.len() < 4 {
        return None;
    }
    let pairs = head.len() / 2;
    let zeros = |odd: usize| head.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    if odd * 4 > pairs && even * 20 < pairs {
        return Some(UTF_16LE);
    }
    (even * 4 > pairs && odd * 20 < pairs).then_some(UTF_16BE)
}

/// Whether the bytes look like text at all: no zero bytes outside UTF-16, few controls.
pub(super) fn looks_like_text(bytes: &[u8]) -> bool {
    if Encoding::for_bom(bytes).is_some() || utf16_without_mark(bytes).is_some() {
        return true;
    }
    let head = bytes.get(..GUESS_BYTES).unwrap_or(bytes);
    if head.contains(&0) {
        return false;
    }
    let controls =
        head.iter().filter(|b| matches!(b, 0x01..=0x08 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f)).count();
    controls * 100 <= head.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        decode(bytes, None).text.into_owned()
    }

    /// U34: byte order marks.
    #[test]
    fn u34_marks_decide() {
        assert_eq!(text(b"\xef\xbb\xbfna\xc3\xafve"), "na\u{ef}ve");
        assert_eq!(text(b"\xff\xfeh\0\xe9\0"), "h\u{e9}");
        assert_eq!(text(b"\xfe\xff\0h\0\xe9"), "h\u{e9}");
        assert!(decode(b"\xff\xfeh\0", None).flag.is_none());
    }

    /// U34: UTF-16 without a mark, both orders.
    #[test]
    fn u34_utf16_without_mark() {
        let le: Vec<u8> = "plain words".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = "plain words".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(text(&le), "plain words");
        assert_eq!(text(&be), "plain words");
        assert!(looks_like_text(&le));
    }

    /// U34: older encodings are guessed and flagged.
    #[test]
    fn u34_legacy_encodings() {
        for (encoding, sample) in [
            (encoding_rs::WINDOWS_1252, "Die Größe der Übung für Möbel und Äpfel"),
            (encoding_rs::SHIFT_JIS, "日本語の文章を正しく読み取ることができます。"),
            (encoding_rs::EUC_KR, "한국어 문장을 올바르게 읽을 수 있습니다."),
            (encoding_rs::WINDOWS_1251, "Русский текст читается правильно, без ошибок."),
            (encoding_rs::GBK, "中文文本可以被正确地读取出来，没有错误。"),
        ] {
            let (bytes, _, _) = encoding.encode(sample);
            let decoded = decode(&bytes, None);
            assert_eq!(decoded.text, sample);
            assert!(matches!(decoded.flag, Some(Flag::LegacyEncoding { .. })));
        }
    }

    #[test]
    fn a_declared_encoding_goes_before_a_guess() {
        let decoded = decode(b"\xe4", Some("iso-8859-5"));
        assert_eq!(decoded.text, "\u{444}");
        assert_eq!(decode(b"a\xffb", Some("utf-8")).text.chars().count(), 3);
    }

    #[test]
    fn binary_is_not_text() {
        assert!(!looks_like_text(b"\x7fELF\x02\x01\x01\0\0\0\0"));
        assert!(!looks_like_text(b"ab\x01\x02\x03\x04"));
        assert!(looks_like_text(b"line\tone\r\ntwo\x0c"));
    }
}
