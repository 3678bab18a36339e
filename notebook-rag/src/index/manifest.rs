//! The manifest: which files make up a tenant's index, replaced as a whole.
//!
//! Version 1: magic, version, tenant, next id, log id, dimensions, model, then for each segment
//! its id, rows, header fingerprint and dead rows as a bitmap; a CRC-32 of all at the end.

use std::{fs, io, path::Path};

use notebook_core::{Result, TenantId, vector::VectorSpace};

use super::{
    bitmap::Bitmap,
    cast,
    files::{Bytes, corrupt, io_error, replace_durably},
    kernels::MAX_DIMENSIONS,
    segment_file::check_kind,
    snapshot::Snapshot,
};

const MAGIC: &[u8; 8] = b"NBVECMAN";
const VERSION: u32 = 1;
pub(crate) const NAME: &str = "manifest";

/// The contents of the manifest file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) tenant: TenantId,
    pub(crate) space: VectorSpace,
    /// No file of this or a higher id is in use.
    pub(crate) next_id: u64,
    /// The write-ahead log that goes on where the segments end.
    pub(crate) log: u64,
    pub(crate) segments: Vec<SegmentEntry>,
}

/// One segment file in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentEntry {
    pub(crate) id: u64,
    pub(crate) fingerprint: u32,
    /// Rows replaced or deleted before the log began, or since.
    pub(crate) live: Bitmap,
}

impl Manifest {
    /// What describes the files of a snapshot.
    pub(crate) fn of(tenant: TenantId, snapshot: &Snapshot, next_id: u64, log: u64) -> Self {
        let entry = |part: &super::snapshot::Part| {
            let file = part.segment.file()?;
            let live = Bitmap::clone(&part.live);
            Some(SegmentEntry { id: file.id(), fingerprint: file.fingerprint(), live })
        };
        let segments = snapshot.parts.iter().filter_map(entry).collect();
        Self { tenant, space: snapshot.space.clone(), next_id, log, segments }
    }

    /// Reads the manifest of a folder; `None` when there is none.
    ///
    /// # Errors
    /// Those of the file system; `Corrupt` when it is not a whole manifest of this tenant.
    pub(crate) fn read(folder: &Path, tenant: TenantId) -> Result<Option<Self>> {
        let path = folder.join(NAME);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("open vector index", &path, error)),
        };
        Self::decode(&path, &bytes, tenant).map(Some)
    }

    /// Replaces the manifest of a folder.
    ///
    /// # Errors
    /// Those of the file system; the old manifest then holds.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        replace_durably(&folder.join(NAME), &self.encode())
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::from(*MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.tenant.as_u128().to_le_bytes());
        for number in [self.next_id, self.log, self.space.dimensions as u64] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&(self.space.model.len() as u32).to_le_bytes());
        bytes.extend_from_slice(self.space.model.as_bytes());
        bytes.extend_from_slice(&(self.segments.len() as u32).to_le_bytes());
        for segment in &self.segments {
            bytes.extend_from_slice(&segment.id.to_le_bytes());
            bytes.extend_from_slice(&(segment.live.len() as u32).to_le_bytes());
            bytes.extend_from_slice(&segment.fingerprint.to_le_bytes());
            bytes.extend_from_slice(cast::bytes(segment.live.words()));
        }
        let check = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&check.to_le_bytes());
        bytes
    }

    fn decode(path: &Path, bytes: &[u8], tenant: TenantId) -> Result<Self> {
        check_kind(path, &mut Bytes(bytes), MAGIC, VERSION)?;
        let (body, check) = bytes
            .split_last_chunk::<4>()
            .ok_or_else(|| corrupt(path, "shorter than its header"))?;
        if u32::from_le_bytes(*check) != crc32fast::hash(body) {
            return Err(corrupt(path, "fails its checksum"));
        }
        let found = Self::fields(&mut Bytes(body.get(12..).unwrap_or_default()))
            .ok_or_else(|| corrupt(path, "not a manifest of this program"))?;
        if found.tenant != tenant {
            return Err(corrupt(path, "it belongs to another tenant"));
        }
        Ok(found)
    }

    fn fields(bytes: &mut Bytes<'_>) -> Option<Self> {
        let tenant = TenantId::from_u128(bytes.u128()?);
        let (next_id, log, dimensions) = (bytes.u64()?, bytes.u64()?, bytes.u64()? as usize);
        let length = bytes.u32()? as usize;
        let model = String::from_utf8(bytes.take(length)?.to_vec()).ok()?;
        let count = bytes.u32()?;
        let mut segments = Vec::new();
        for _ in 0..count {
            segments.push(SegmentEntry::decode(bytes)?);
        }
        let whole = bytes.0.is_empty() && (1..=MAX_DIMENSIONS).contains(&dimensions);
        let space = VectorSpace { model, dimensions };
        whole.then_some(Self { tenant, space, next_id, log, segments })
    }
}

impl SegmentEntry {
    fn decode(bytes: &mut Bytes<'_>) -> Option<Self> {
        let (id, rows, fingerprint) = (bytes.u64()?, bytes.u32()? as usize, bytes.u32()?);
        let words = bytes.take(rows.div_ceil(64) * 8)?;
        let (words, _) = words.as_chunks::<8>();
        let words = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        Some(Self { id, fingerprint, live: Bitmap::from_words(words, rows)? })
    }
}

#[cfg(test)]
mod tests {
    use notebook_core::ErrorKind;

    use super::*;

    fn manifest() -> Manifest {
        let mut live = Bitmap::full(70);
        live.remove(69);
        Manifest {
            tenant: TenantId::new(),
            space: VectorSpace { model: "mödel".into(), dimensions: 384 },
            next_id: 9,
            log: 8,
            segments: vec![
                SegmentEntry { id: 3, fingerprint: 7, live },
                SegmentEntry { id: 5, fingerprint: 8, live: Bitmap::empty(1) },
            ],
        }
    }

    #[test]
    fn reads_what_it_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = manifest();
        assert_eq!(Manifest::read(folder.path(), wanted.tenant).unwrap(), None);
        wanted.write(folder.path()).unwrap();
        assert_eq!(Manifest::read(folder.path(), wanted.tenant).unwrap(), Some(wanted));
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_found() {
        let wanted = manifest();
        let (bytes, path) = (wanted.encode(), Path::new("t/manifest"));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            for bad in [&changed[..], &bytes[..at]] {
                let error = Manifest::decode(path, bad, wanted.tenant).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{at}");
                assert_eq!(error.context("file"), Some("t/manifest"));
            }
        }
        Manifest::decode(path, &bytes, TenantId::new()).unwrap_err();
    }

    #[test]
    fn a_later_version_is_refused_by_number() {
        let wanted = manifest();
        let mut bytes = wanted.encode();
        bytes[8] = 2;
        let error = Manifest::decode(Path::new("t/manifest"), &bytes, wanted.tenant).unwrap_err();
        assert!(error.to_string().contains("format version 2"), "{error}");
    }
}
