//! The two cuts every stream needs: bytes into lines, and a line into field and value.

use memchr::memchr2;

/// The longest field name that means anything: `event` and `retry`.
pub(super) const LONGEST_NAME: usize = 5;

/// The fields that mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Data,
    Event,
    Id,
    Retry,
}

impl Field {
    /// The field called `name`, in exactly this case.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"data" => Some(Self::Data),
            b"event" => Some(Self::Event),
            b"id" => Some(Self::Id),
            b"retry" => Some(Self::Retry),
            _ => None,
        }
    }
}

/// The end of a line within some bytes.
pub(super) struct LineEnd<'i> {
    /// The bytes before the end: all of them, if there is none.
    pub(super) line: &'i [u8],
    /// The end found, and the bytes after it.
    pub(super) after: Option<(Ending, &'i [u8])>,
}

/// What ended a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// LF, or CR with its LF.
    Whole,
    /// CR as the last byte at hand. It ends the line now; an LF still to come belongs to it.
    BareCr,
}

/// Cuts `bytes` at the first CR, LF or CRLF.
#[inline]
pub(super) fn cut_line(bytes: &[u8]) -> LineEnd<'_> {
    let Some(at) = memchr2(b'\n', b'\r', bytes) else {
        return LineEnd { line: bytes, after: None };
    };
    let (line, ending) = bytes.split_at(at);
    LineEnd { line, after: cut_ending(ending) }
}

/// Takes a line end off the front of `bytes`, if one is there.
#[inline]
pub(super) fn cut_ending(bytes: &[u8]) -> Option<(Ending, &[u8])> {
    match bytes {
        [b'\n', after @ ..] | [b'\r', b'\n', after @ ..] => Some((Ending::Whole, after)),
        [b'\r'] => Some((Ending::BareCr, &[])),
        [b'\r', after @ ..] => Some((Ending::Whole, after)),
        _ => None,
    }
}

/// What the bytes of a line mean, as far as they are known.
pub(super) enum Meaning<'i> {
    /// A value of a known field, or its beginning.
    Value(Field, &'i [u8]),
    /// A comment.
    Comment,
    /// A field without a meaning.
    Unknown,
    /// No colon yet: these may be the first bytes of a known field's name.
    Undecided,
}

/// Reads the beginning of a line.
#[inline]
pub(super) fn read_field(line: &[u8]) -> Meaning<'_> {
    // Nearly all lines of nearly all streams.
    if let Some(value) = line.strip_prefix(b"data:") {
        return Meaning::Value(Field::Data, value);
    }
    let colon = line.iter().take(LONGEST_NAME + 1).position(|&byte| byte == b':');
    match colon {
        Some(0) => Meaning::Comment,
        Some(colon) => {
            let (name, value) = line.split_at(colon);
            match Field::named(name) {
                Some(field) => Meaning::Value(field, value.get(1..).unwrap_or_default()),
                None => Meaning::Unknown,
            }
        }
        None if line.len() <= LONGEST_NAME => Meaning::Undecided,
        None => Meaning::Unknown,
    }
}

/// Drops the one space that may stand before a value.
#[inline]
pub(super) fn without_space(value: &[u8]) -> &[u8] {
    value.strip_prefix(b" ").unwrap_or(value)
}
