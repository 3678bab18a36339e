//! Zipped formats, with every byte counted as it is inflated.
//!
//! Declared sizes are never believed. Entries that overlap, repeat a name or point
//! outside make the archive bad; names are only compared, never used as paths.

use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek};

use zip::ZipArchive;
use zip::result::ZipError;

use super::{FailureCode, Limits, ParseFailure};

/// Largest part that is read whole.
const SMALL: u64 = 8 << 20;
const CENTRAL_HEADER: &[u8] = b"PK\x01\x02";
const CENTRAL_HEADER_LEN: usize = 46;

pub(super) struct Archive<'b> {
    zip: ZipArchive<Cursor<&'b [u8]>>,
    names: HashSet<String>,
    limits: Limits,
    inflated: u64,
}

impl<'b> Archive<'b> {
    pub(super) fn open(bytes: &'b [u8], limits: &Limits) -> Result<Self, ParseFailure> {
        let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(zip_failure)?;
        if zip.len() > limits.archive_entries {
            return Err(bad(format!("{} entries", zip.len())));
        }
        let start = usize::try_from(zip.central_directory_start()).unwrap_or(usize::MAX);
        let directory = bytes.get(start..).unwrap_or_default();
        let names = check_directory(directory, zip.len(), limits.archive_entries)?;
        check_ranges(&mut zip, bytes.len() as u64)?;
        Ok(Self { zip, names, limits: limits.clone(), inflated: 0 })
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// A part as a stream; its bytes count against the archive's budget.
    pub(super) fn stream(
        &mut self,
        name: &str,
    ) -> Result<impl BufRead + use<'_, 'b>, ParseFailure> {
        let index = self
            .zip
            .index_for_name(name)
            .ok_or_else(|| ParseFailure::damaged(format!("no part {name:?}")))?;
        let entry = self.zip.by_index(index).map_err(zip_failure)?;
        let by_ratio = entry.compressed_size().saturating_mul(self.limits.inflate_ratio);
        let left = self.limits.inflated_bytes.saturating_sub(self.inflated);
        Ok(BufReader::with_capacity(
            64 << 10,
            Counted {
                inner: entry,
                used: &mut self.inflated,
                left: by_ratio.max(self.limits.inflate_floor).min(left),
            },
        ))
    }

    /// A part as a whole, for parts that are small in any honest file.
    pub(super) fn read_small(&mut self, name: &str) -> Result<Vec<u8>, ParseFailure> {
        let mut bytes = Vec::new();
        let mut stream = self.stream(name)?.take(SMALL + 1);
        stream.read_to_end(&mut bytes).map_err(read_failure)?;
        if bytes.len() as u64 > SMALL {
            return Err(ParseFailure::new(FailureCode::TooLarge).with_detail(name));
        }
        Ok(bytes)
    }

    /// Inflates every entry once, keeping nothing, for readers that do not count.
    pub(super) fn check_all(&mut self) -> Result<(), ParseFailure> {
        let names: Vec<String> = self.names().map(str::to_owned).collect();
        for name in names.iter().filter(|name| !name.ends_with('/')) {
            let mut stream = self.stream(name)?;
            io::copy(&mut stream, &mut io::sink()).map_err(read_failure)?;
        }
        Ok(())
    }
}

/// Stops with [`Bomb`] when more is inflated than allowed.
struct Counted<'u, R> {
    inner: R,
    used: &'u mut u64,
    left: u64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        *self.used += n as u64;
        self.left = self.left.checked_sub(n as u64).ok_or_else(|| io::Error::other(Bomb))?;
        Ok(n)
    }
}

/// An entry that inflates to more than allowed.
#[derive(Debug, thiserror::Error)]
#[error("inflates to more than allowed")]
pub(super) struct Bomb;

pub(super) fn read_failure(error: io::Error) -> ParseFailure {
    if error.get_ref().is_some_and(|inner| inner.is::<Bomb>()) {
        return FailureCode::ArchiveBomb.into();
    }
    ParseFailure::damaged(error)
}

pub(super) fn zip_failure(error: ZipError) -> ParseFailure {
    match error {
        ZipError::Io(error) => read_failure(error),
        ZipError::UnsupportedArchive(why) if why == ZipError::PASSWORD_REQUIRED => {
            FailureCode::PasswordProtected.into()
        }
        other => ParseFailure::damaged(other),
    }
}

fn bad(detail: impl std::fmt::Display) -> ParseFailure {
    ParseFailure::new(FailureCode::BadArchive).with_detail(detail)
}

/// Walks the central directory itself: the reader keeps only one entry of a name.
pub(crate) fn check_directory(
    directory: &[u8],
    entries: usize,
    most: usize,
) -> Result<HashSet<String>, ParseFailure> {
    let mut names = HashSet::new();
    let mut rest = directory;
    while rest.starts_with(CENTRAL_HEADER) && rest.len() >= CENTRAL_HEADER_LEN {
        let field = |at: usize| {
            let low = rest.get(at).copied().unwrap_or(0);
            let high = rest.get(at + 1).copied().unwrap_or(0);
            usize::from(u16::from_le_bytes([low, high]))
        };
        let (name_len, more) = (field(28), field(30) + field(32));
        let name = rest
            .get(CENTRAL_HEADER_LEN..CENTRAL_HEADER_LEN + name_len)
            .ok_or_else(|| bad("directory cut off"))?;
        let name = String::from_utf8_lossy(name).into_owned();
        if names.len() >= most {
            return Err(bad("too many entries"));
        }
        if !names.insert(name.clone()) {
            return Err(bad(format!("two entries named {name:?}")));
        }
        rest = rest.get(CENTRAL_HEADER_LEN + name_len + more..).unwrap_or_default();
    }
    if names.len() != entries {
        return Err(bad(format!("{} entries listed, {entries} read", names.len())));
    }
    Ok(names)
}

/// Entries must lie one after the other inside the file.
pub(crate) fn check_ranges<R: Read + Seek>(
    zip: &mut ZipArchive<R>,
    len: u64,
) -> Result<(), ParseFailure> {
    let mut ranges = Vec::with_capacity(zip.len());
    for index in 0..zip.len() {
        let entry = zip.by_index_raw(index).map_err(zip_failure)?;
        let start = entry.header_start();
        let data = entry.data_start().unwrap_or(start);
        let end = data.checked_add(entry.compressed_size()).filter(|end| *end <= len);
        ranges.push((start, end.ok_or_else(|| bad("an entry reaches past the end"))?));
    }
    ranges.sort_unstable();
    let overlap = ranges.windows(2).any(|pair| matches!(pair, [a, b] if b.0 < a.1));
    if overlap {
        return Err(bad("entries overlap"));
    }
    Ok(())
}
