//! The segment file, version 1.
//!
//! All numbers are little-endian; sections start at multiples of 64 bytes, in this order.
//!
//! | part | contents |
//! |---|---|
//! | header, 128 bytes | magic, version, dimensions, rows, owners, tenant, id, a CRC-32 of each section but the last, CRC-32 of the header |
//! | owners | source (16 bytes), notebook (16 bytes), end row (4 bytes) |
//! | ordinals | 4 bytes a row |
//! | checks | CRC-32 of each row's vector |
//! | scales | f32 a row |
//! | centre | f32 a dimension: the mean of the vectors |
//! | signs | the bits of `vector - centre`, in blocks of 8 rows; rows rounded up to 64 |
//! | codes | one signed byte a number |
//! | vectors | f32 |
//!
//! Everything but the vectors is checked when the file is opened; a vector when it is first read,
//! because the vectors are most of the file and few of them are ever read.
// Mapping is the point of this file: vectors are read a few dozen at a time out of gigabytes.
#![allow(unsafe_code)]

use std::{
    fs::File,
    ops::Range,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use memmap2::Mmap;
use notebook_core::{NotebookId, Result, SourceId, TenantId};

use super::{
    cast,
    files::{Bytes, corrupt, io_error},
    kernels::MAX_DIMENSIONS,
    quantize::sign_words,
    segment::{Columns, Owner, Segment, Signs},
};

#[cfg(target_endian = "big")]
compile_error!("segment files are mapped as little-endian numbers");

pub(crate) const MAGIC: &[u8; 8] = b"NBVECSEG";
pub(crate) const VERSION: u32 = 1;
pub(crate) const HEADER: usize = 128;
/// The sections with a checksum in the header: all but the vectors.
pub(crate) const CHECKED: usize = 7;
const OWNER: usize = 36;

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) tenant: TenantId,
    pub(crate) id: u64,
    pub(crate) dimensions: usize,
    pub(crate) rows: usize,
    pub(crate) owners: usize,
    pub(crate) checks: [u32; CHECKED],
}

impl Header {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend_from_slice(MAGIC);
        for number in [VERSION, self.dimensions as u32, self.rows as u32, self.owners as u32] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.tenant.as_u128().to_le_bytes());
        bytes.extend_from_slice(&self.id.to_le_bytes());
        for check in self.checks {
            bytes.extend_from_slice(&check.to_le_bytes());
        }
        bytes.resize(HEADER - 4, 0);
        let check = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&check.to_le_bytes());
        bytes
    }

    fn decode(path: &Path, bytes: &[u8]) -> Result<Self> {
        let short = || corrupt(path, "shorter than its header");
        let header = bytes.get(..HEADER).ok_or_else(short)?;
        let (body, mut check) = (header.get(..HEADER - 4).unwrap_or_default(), header);
        check = check.get(HEADER - 4..).unwrap_or_default();
        let mut body_bytes = Bytes(body);
        check_kind(path, &mut body_bytes, MAGIC, VERSION)?;
        if Bytes(check).u32() != Some(crc32fast::hash(body)) {
            return Err(corrupt(path, "the header fails its checksum"));
        }
        Self::fields(&mut body_bytes)
            .filter(|header| (1..=MAX_DIMENSIONS).contains(&header.dimensions))
            .ok_or_else(|| corrupt(path, "the header is not one of this program"))
    }

    fn fields(bytes: &mut Bytes<'_>) -> Option<Self> {
        let (dimensions, rows, owners) = (bytes.u32()?, bytes.u32()?, bytes.u32()?);
        let (tenant, id) = (TenantId::from_u128(bytes.u128()?), bytes.u64()?);
        let mut checks = [0; CHECKED];
        for check in &mut checks {
            *check = bytes.u32()?;
        }
        let (dimensions, rows, owners) = (dimensions as usize, rows as usize, owners as usize);
        Some(Self { tenant, id, dimensions, rows, owners, checks })
    }

    /// The lengths of the sections in bytes, in order.
    fn lengths(&self) -> [usize; CHECKED + 1] {
        let &Self { dimensions, rows, owners, .. } = self;
        let signs = rows.next_multiple_of(64) * sign_words(dimensions) * 8;
        let codes = rows * dimensions;
        [owners * OWNER, rows * 4, rows * 4, rows * 4, dimensions * 4, signs, codes, codes * 4]
    }

    /// The sections in order, and the length of the file.
    pub(crate) fn layout(&self) -> ([Range<usize>; CHECKED + 1], usize) {
        let mut end = HEADER;
        let sections = self.lengths().map(|length| {
            let start = end.next_multiple_of(64);
            end = start + length;
            start..end
        });
        (sections, end)
    }
}

/// Checks magic and version at the front of any file of the index.
pub(crate) fn check_kind(
    path: &Path,
    bytes: &mut Bytes<'_>,
    magic: &[u8; 8],
    version: u32,
) -> Result<()> {
    if bytes.take(8) != Some(magic) {
        return Err(corrupt(path, "not a file of this kind"));
    }
    match bytes.u32() {
        Some(found) if found == version => Ok(()),
        Some(found) => {
            Err(corrupt(path, format!("format version {found}, this program reads {version}")))
        }
        None => Err(corrupt(path, "shorter than its header")),
    }
}

pub(crate) fn encode_owners(owners: &[Owner]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(owners.len() * OWNER);
    for owner in owners {
        bytes.extend_from_slice(&owner.source.as_u128().to_le_bytes());
        bytes.extend_from_slice(&owner.notebook.as_u128().to_le_bytes());
        bytes.extend_from_slice(&owner.end.to_le_bytes());
    }
    bytes
}

fn decode_owners(bytes: &[u8], rows: usize) -> Option<Vec<Owner>> {
    let mut owners: Vec<Owner> = Vec::with_capacity(bytes.len() / OWNER);
    let mut bytes = Bytes(bytes);
    while !bytes.0.is_empty() {
        let source = SourceId::from_u128(bytes.u128()?);
        let notebook = NotebookId::from_u128(bytes.u128()?);
        let end = bytes.u32()?;
        let in_order = owners.last().is_none_or(|last| last.end < end && last.source <= source);
        owners.push(Owner { source, notebook, end });
        in_order.then_some(())?;
    }
    let end = owners.last().map_or(0, |owner| owner.end as usize);
    (end == rows).then_some(owners)
}

/// A mapped segment file whose checksums hold.
pub(crate) struct SegmentFile {
    path: PathBuf,
    map: Mmap,
    header: Header,
    sections: [Range<usize>; CHECKED + 1],
    /// One bit a row: whether its vector's checksum was found right.
    seen: Vec<AtomicU64>,
}

impl SegmentFile {
    /// Maps and checks a file.
    ///
    /// # Errors
    /// `Corrupt` when it is not the whole, unchanged file of this tenant and id.
    pub(crate) fn open(path: &Path, tenant: TenantId, id: u64) -> Result<Segment> {
        let fault = |error| io_error("open vector index", path, error);
        let file = File::open(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => corrupt(path, "the manifest names it, but it is gone"),
            _ => fault(error),
        })?;
        // SAFETY: the file is not changed once it has its name, and the index folder is locked
        // against a second process; files are removed by name only, which keeps the mapping.
        let map = unsafe { Mmap::map(&file) }.map_err(fault)?;
        let header = Header::decode(path, &map)?;
        if (header.tenant, header.id) != (tenant, id) {
            return Err(corrupt(path, "it belongs to another tenant or place"));
        }
        let (sections, length) = header.layout();
        if map.len() != length {
            return Err(corrupt(path, format!("{} bytes long, not {length}", map.len())));
        }
        for (section, check) in sections.iter().zip(header.checks) {
            let bytes = map.get(section.clone()).unwrap_or_default();
            if crc32fast::hash(bytes) != check {
                return Err(corrupt(path, format!("bytes {section:?} fail their checksum")));
            }
        }
        let [owners, ..] = &sections;
        let owners = map.get(owners.clone()).and_then(|bytes| decode_owners(bytes, header.rows));
        let owners = owners.ok_or_else(|| corrupt(path, "the owners are not in order"))?;
        let seen = (0..header.rows.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Ok(Segment::from_file(owners, Self { path: path.into(), map, header, sections, seen }))
    }

    pub(crate) const fn id(&self) -> u64 {
        self.header.id
    }

    pub(crate) const fn dimensions(&self) -> usize {
        self.header.dimensions
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The CRC-32 of the header: stands for all of the file but the vectors' own bytes.
    pub(crate) fn fingerprint(&self) -> u32 {
        crc32fast::hash(self.map.get(..HEADER).unwrap_or_default())
    }

    pub(crate) fn columns(&self) -> Columns<'_> {
        let [_, ordinals, _, scales, centre, signs, codes, _] = &self.sections;
        Columns {
            ordinals: self.cast(ordinals),
            scales: self.cast(scales),
            codes: self.cast(codes),
            signs: Some(Signs { bits: self.cast(signs), centre: self.cast(centre) }),
        }
    }

    pub(crate) fn vector(&self, row: usize) -> Result<&[f32]> {
        let [.., vectors] = &self.sections;
        let size = self.header.dimensions * 4;
        let start = vectors.start + row * size;
        let vector: &[f32] = self.cast(&(start..start + size));
        let (word, bit) = (self.seen.get(row / 64), 1 << (row % 64));
        if word.is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0) {
            return Ok(vector);
        }
        let [_, _, checks, ..] = &self.sections;
        let checks: &[u32] = self.cast(checks);
        if checks.get(row) != Some(&crc32fast::hash(cast::bytes(vector))) {
            return Err(corrupt(&self.path, format!("the vector of row {row} fails its checksum")));
        }
        if let Some(word) = word {
            word.fetch_or(bit, Ordering::Relaxed);
        }
        Ok(vector)
    }

    /// A section as numbers. Sections are aligned and of whole numbers, so this always fits.
    fn cast<T: cast::Plain>(&self, section: &Range<usize>) -> &[T] {
        let bytes = self.map.get(section.clone()).unwrap_or_default();
        cast::numbers(bytes).unwrap_or_default()
    }
}
