//! The write-ahead log, version 1: what came after the last segment was written.
//!
//! A header of 64 bytes (magic, version, dimensions, tenant, id, CRC-32), then one frame for each
//! call that changed something: magic, length and CRC-32 of the payload, CRC-32 of the frame's own
//! header together with its place, the payload, zeros up to a multiple of 8.
//!
//! A frame is written and synced before its call returns, and no two are written at once. So a
//! frame that fails its check with no other after it was never acknowledged: it is cut off. One
//! with another frame after it was acknowledged and damaged since: the log is corrupt.

use std::{
    fs::{File, OpenOptions},
    io::{Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use notebook_core::{
    Error, NotebookId, Result, SourceId, TenantId, model::ChunkKey, vector::VectorRecord,
};

use super::{
    files::{Bytes, corrupt, io_error, write_durably},
    segment_file::check_kind,
};

const MAGIC: &[u8; 8] = b"NBVECLOG";
const VERSION: u32 = 1;
const HEADER: usize = 64;
const FRAME_MAGIC: u32 = 0x4d52_4656;
const FRAME_HEADER: usize = 16;
const UPSERT: u8 = 1;
const DELETE: u8 = 2;

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    /// Store records, replacing those of the same key.
    Upsert(Vec<VectorRecord>),
    /// Remove the rows of a source.
    Delete(SourceId),
}

impl Change {
    /// The payload of its frame.
    ///
    /// # Errors
    /// `InvalidInput` when one call holds more than a frame can.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self {
            Self::Delete(source) => {
                bytes.push(DELETE);
                bytes.extend_from_slice(&source.as_u128().to_le_bytes());
            }
            Self::Upsert(records) => {
                let size: usize = records.iter().map(|record| 36 + record.vector.len() * 4).sum();
                if size > u32::MAX as usize - 64 {
                    let fix = "split the call: it holds more than 4 GiB";
                    return Err(Error::invalid("upsert vectors", "records", fix));
                }
                bytes.reserve_exact(size + 1);
                bytes.push(UPSERT);
                records.iter().for_each(|record| encode_record(record, &mut bytes));
            }
        }
        Ok(bytes)
    }

    fn decode(payload: &[u8], dimensions: usize) -> Option<Self> {
        let mut bytes = Bytes(payload);
        match bytes.u8()? {
            DELETE => {
                let source = SourceId::from_u128(bytes.u128()?);
                bytes.0.is_empty().then_some(Self::Delete(source))
            }
            UPSERT => {
                let mut records = Vec::with_capacity(bytes.0.len() / (36 + dimensions * 4));
                while !bytes.0.is_empty() {
                    records.push(decode_record(&mut bytes, dimensions)?);
                }
                Some(Self::Upsert(records))
            }
            _ => None,
        }
    }

    /// How much it adds to the log, in rows.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Upsert(records) => records.len().max(1),
            Self::Delete(_) => 1,
        }
    }
}

fn encode_record(record: &VectorRecord, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&record.key.source.as_u128().to_le_bytes());
    bytes.extend_from_slice(&record.key.ordinal.to_le_bytes());
    bytes.extend_from_slice(&record.notebook.as_u128().to_le_bytes());
    record.vector.iter().for_each(|x| bytes.extend_from_slice(&x.to_le_bytes()));
}

fn decode_record(bytes: &mut Bytes<'_>, dimensions: usize) -> Option<VectorRecord> {
    let (source, ordinal) = (SourceId::from_u128(bytes.u128()?), bytes.u32()?);
    let notebook = NotebookId::from_u128(bytes.u128()?);
    let (numbers, _) = bytes.take(dimensions * 4)?.as_chunks::<4>();
    let vector = numbers.iter().map(|number| f32::from_le_bytes(*number)).collect();
    Some(VectorRecord { key: ChunkKey { source, ordinal }, notebook, vector })
}

/// The place in a log up to which it is known to be good.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    id: u64,
    end: usize,
    /// Rows and deletes in it.
    pub(crate) weight: usize,
}

impl Log {
    pub(crate) fn path_of(folder: &Path, id: u64) -> PathBuf {
        folder.join(format!("log-{id}"))
    }

    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes an empty log, durable but for its name in the folder.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn create(
        folder: &Path,
        tenant: TenantId,
        id: u64,
        dimensions: usize,
    ) -> Result<Self> {
        let path = Self::path_of(folder, id);
        write_durably(&path, &header(tenant, id, dimensions))?;
        Ok(Self { path, id, end: HEADER, weight: 0 })
    }

    /// Reads a log back and hands each change to `apply`.
    ///
    /// # Errors
    /// Those of the file system and of `apply`; `Corrupt` when a frame before the last is damaged.
    pub(crate) fn replay(
        folder: &Path,
        tenant: TenantId,
        id: u64,
        dimensions: usize,
        mut apply: impl FnMut(Change) -> Result<()>,
    ) -> Result<Self> {
        let path = Self::path_of(folder, id);
        let bytes = std::fs::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => corrupt(&path, "the manifest names it, but it is gone"),
            _ => io_error("open vector index", &path, error),
        })?;
        check_kind(&path, &mut Bytes(&bytes), MAGIC, VERSION)?;
        if bytes.get(..HEADER) != Some(&header(tenant, id, dimensions)) {
            return Err(corrupt(&path, "the header is damaged or of another tenant"));
        }
        let mut log = Self { path, id, end: HEADER, weight: 0 };
        while let Some((payload, end)) = frame_at(&bytes, id, log.end) {
            let change = Change::decode(payload, dimensions)
                .ok_or_else(|| corrupt(&log.path, format!("no change at byte {}", log.end)))?;
            log.weight += change.weight();
            apply(change)?;
            log.end = end;
        }
        if let Some(later) = later_frame(&bytes, id, log.end) {
            let what = format!("damaged at byte {}, with more at byte {later}", log.end);
            return Err(corrupt(&log.path, what));
        }
        Ok(log)
    }

    /// Adds a frame and syncs it. After an error the log is as before.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn append(&mut self, payload: &[u8], weight: usize) -> Result<()> {
        let frame = frame(self.id, self.end, payload);
        let opened = OpenOptions::new().write(true).open(&self.path);
        let mut file =
            opened.map_err(|error| io_error("append to vector log", &self.path, error))?;
        if let Err(error) = write_at(&mut file, self.end, &frame) {
            // Give the room back, and leave nothing that a restart could take for a change. If
            // this fails as well, the next append cuts the rest off before it writes.
            let _ = file.set_len(self.end as u64).and_then(|()| file.sync_all());
            return Err(io_error("append to vector log", &self.path, error));
        }
        self.end += frame.len();
        self.weight += weight;
        Ok(())
    }
}

fn write_at(file: &mut File, at: usize, frame: &[u8]) -> std::io::Result<()> {
    let length = file.metadata()?.len();
    if length < at as u64 {
        return Err(std::io::Error::other("the log is shorter than what was written to it"));
    }
    if length > at as u64 {
        file.set_len(at as u64)?;
    }
    file.seek(SeekFrom::Start(at as u64))?;
    file.write_all(frame)?;
    file.sync_data()
}

fn header(tenant: TenantId, id: u64, dimensions: usize) -> [u8; HEADER] {
    let mut bytes = Vec::from(*MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&(dimensions as u32).to_le_bytes());
    bytes.extend_from_slice(&tenant.as_u128().to_le_bytes());
    bytes.extend_from_slice(&id.to_le_bytes());
    bytes.resize(HEADER - 4, 0);
    let check = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&check.to_le_bytes());
    let mut header = [0; HEADER];
    header.copy_from_slice(&bytes);
    header
}

fn frame(log: u64, at: usize, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FRAME_HEADER + payload.len() + 8);
    bytes.extend_from_slice(&FRAME_MAGIC.to_le_bytes());
    bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    let check = header_check(&bytes, log, at);
    bytes.extend_from_slice(&check.to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

/// Bound to its place, so that no bytes inside a payload can pass for a frame.
fn header_check(front: &[u8], log: u64, at: usize) -> u32 {
    let mut check = crc32fast::Hasher::new();
    check.update(front);
    check.update(&log.to_le_bytes());
    check.update(&(at as u64).to_le_bytes());
    check.finalize()
}

/// Length and checksum of the payload of a frame at this place, if its header is whole.
fn frame_header(bytes: &[u8], log: u64, at: usize) -> Option<(usize, u32)> {
    let header = bytes.get(at..at + FRAME_HEADER)?;
    let mut fields = Bytes(header);
    (fields.u32()? == FRAME_MAGIC).then_some(())?;
    let (length, check) = (fields.u32()? as usize, fields.u32()?);
    (fields.u32()? == header_check(header.get(..12)?, log, at)).then_some((length, check))
}

/// The payload of a whole frame at this place, and where the next one begins.
fn frame_at(bytes: &[u8], log: u64, at: usize) -> Option<(&[u8], usize)> {
    let (length, check) = frame_header(bytes, log, at)?;
    let start = at + FRAME_HEADER;
    let payload = bytes.get(start..start + length)?;
    let end = (start + length).next_multiple_of(8);
    (end <= bytes.len() && crc32fast::hash(payload) == check).then_some((payload, end))
}

/// Where a frame begins after a damaged one.
fn later_frame(bytes: &[u8], log: u64, damaged: usize) -> Option<usize> {
    let places = (damaged + 8..bytes.len()).step_by(8);
    places.into_iter().find(|&at| frame_header(bytes, log, at).is_some())
}
